#include "reconcile/placement.h"

#include <assert.h>

#include "base/attr.h"

enum peer_health peer_health(int64_t last_seen_us, int64_t now_us,
			     const struct health_policy *policy)
{
	int64_t silence;

	if (last_seen_us >= now_us)
		return HEALTH_UP;
	if (__builtin_sub_overflow(now_us, last_seen_us, &silence))
		return HEALTH_DEAD;
	if (silence < policy->suspect_us)
		return HEALTH_UP;
	if (silence < policy->down_us)
		return HEALTH_SUSPECT;
	return silence - policy->down_us < policy->grace_us ? HEALTH_DOWN : HEALTH_DEAD;
}

static const char *const refusal_texts[] = {
	[PLACE_OK] = "chosen",
	[PLACE_REMOVED] = "removed",
	[PLACE_DOWN] = "down",
	[PLACE_WRONG_ZONE] = "wrong zone",
	[PLACE_WRONG_TAGS] = "wrong tags",
	[PLACE_DRAINED] = "draining",
	[PLACE_PAUSED_BY_OPERATOR] = "paused",
	[PLACE_SUSPECT] = "not answering",
	[PLACE_NOT_ENOUGH_SPACE] = "not enough space",
	[PLACE_FAILING] = "keeps failing",
	[PLACE_NOT_NEEDED] = "not needed",
};

const char *place_refusal_text(enum place_refusal why)
{
	assert((size_t)why < ARRAY_LEN(refusal_texts));
	return refusal_texts[why];
}

/* The finalizer of splitmix64: every bit of x moves every bit of the result. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

uint64_t place_score(uint64_t seed, uint32_t peer_no)
{
	/* The constant keeps peer 0 from being the seed itself. */
	return mix(mix(seed) ^ mix(peer_no + UINT64_C(0x9e3779b97f4a7c15)));
}

static bool list_has(struct slice_list list, struct slice item)
{
	for (size_t i = 0; i < list.n; i++) {
		if (slice_eq(list.at[i], item))
			return true;
	}
	return false;
}

/* Why no copy may lie there, whatever the peer is about. */
static enum place_refusal refuse_place(const struct place_ask *ask, const struct place_peer *peer)
{
	const struct slice_list none = { NULL, 0 };

	if (!zone_allowed(ask->zones, none, peer->zone, peer->tags))
		return PLACE_WRONG_ZONE;
	return zone_allowed(none, ask->tags, peer->zone, peer->tags) ? PLACE_OK : PLACE_WRONG_TAGS;
}

static bool has_room(const struct place_ask *ask, const struct place_peer *peer)
{
	uint64_t left;

	if (peer->free_bytes == 0 && peer->capacity_bytes == 0)
		return true;
	if (__builtin_sub_overflow(peer->free_bytes, peer->reserved_bytes, &left) ||
	    __builtin_sub_overflow(left, ask->keep_free_bytes, &left))
		return false;
	return left > 0 && left >= ask->size;
}

/* Is there room yet when all that is on its way is there?  Sizes are guessed. */
static bool is_roomy(const struct place_ask *ask, const struct place_peer *peer)
{
	struct place_ask guess = *ask;
	struct place_peer later = *peer;
	uint64_t coming;

	if (__builtin_mul_overflow(peer->coming, ask->usual_size, &coming) ||
	    __builtin_add_overflow(peer->reserved_bytes, coming, &later.reserved_bytes))
		later.reserved_bytes = UINT64_MAX;
	if (guess.size == 0)
		guess.size = ask->usual_size;
	return has_room(&guess, &later);
}

/* Why nothing new may go there. */
static enum place_refusal refuse_new(const struct place_ask *ask, const struct place_peer *peer)
{
	enum place_refusal place = refuse_place(ask, peer);

	if (peer->wish == PLACE_FORGOTTEN)
		return PLACE_REMOVED;
	if (peer->health >= HEALTH_DOWN)
		return PLACE_DOWN;
	if (place != PLACE_OK)
		return place;
	if (peer->wish == PLACE_DRAINING)
		return PLACE_DRAINED;
	if (peer->wish == PLACE_PAUSED)
		return PLACE_PAUSED_BY_OPERATOR;
	if (peer->health == HEALTH_SUSPECT)
		return PLACE_SUSPECT;
	return has_room(ask, peer) ? PLACE_OK : PLACE_NOT_ENOUGH_SPACE;
}

/* Why what is there may not stay. */
static enum place_refusal refuse_holder(const struct place_ask *ask, const struct place_peer *peer)
{
	enum place_refusal place = refuse_place(ask, peer);

	if (peer->wish == PLACE_FORGOTTEN)
		return PLACE_REMOVED;
	if (peer->health == HEALTH_DEAD && peer->wish != PLACE_PAUSED)
		return PLACE_DOWN;
	if (place != PLACE_OK)
		return place;
	return peer->wish == PLACE_DRAINING ? PLACE_DRAINED : PLACE_OK;
}

struct candidate {
	const struct place_peer *peer;
	size_t at;      /* in the list of peers */
	int grade;      /* by what is there; lower is better */
	unsigned crowd; /* copies picked so far in its zone */
	bool wished, roomy, shared, left;
	uint64_t score;
};

static bool better(const struct candidate *a, const struct candidate *b)
{
	if (a->grade != b->grade)
		return a->grade < b->grade;
	if (a->wished != b->wished)
		return a->wished;
	if (a->crowd != b->crowd)
		return a->crowd < b->crowd;
	if (a->roomy != b->roomy)
		return a->roomy;
	if (a->shared != b->shared)
		return a->shared;
	if (a->left != b->left)
		return a->left;
	if (a->score != b->score)
		return a->score > b->score;
	return a->peer->peer_no < b->peer->peer_no;
}

static bool fails(enum place_hold hold)
{
	return hold == HOLD_FAILING || hold == HOLD_FAILED;
}

static struct candidate candidate(const struct place_ask *ask, const struct place_peer *peer,
				  size_t at, struct place_held held)
{
	static const int grades[] = {
		[HOLD_PINNED] = 0, [HOLD_MOVED] = 0,   [HOLD_COMING] = 1, [HOLD_NONE] = 2,
		[HOLD_LEFT] = 2,   [HOLD_FAILING] = 3, [HOLD_FAILED] = 3,
	};
	bool as_new = ask->rebalance && !fails(held.hold);

	return (struct candidate){
		.peer = peer,
		.at = at,
		.grade = grades[as_new ? HOLD_NONE : held.hold],
		.wished = list_has(ask->wished, peer->peer_id),
		/* A rebalance comes out the same whatever is on its way. */
		.roomy = ask->rebalance || held.hold == HOLD_MOVED || is_roomy(ask, peer),
		.shared = held.shared,
		.left = held.hold == HOLD_LEFT && !ask->rebalance,
		.score = place_score(ask->seed, peer->peer_no),
	};
}

/* Moves the best candidate to the front of `list` and counts it for its zone. */
static void pick(struct candidate *list, size_t n)
{
	struct candidate best;
	size_t at = 0;

	for (size_t i = 1; i < n; i++) {
		if (better(&list[i], &list[at]))
			at = i;
	}
	best = list[at];
	list[at] = list[0];
	list[0] = best;
	for (size_t i = 1; i < n; i++)
		list[i].crowd += slice_eq(list[i].peer->zone, best.peer->zone);
}

struct place_result placement_choose(const struct place_ask *ask, const struct place_peer *peers,
				     size_t n, struct arena *mem)
{
	struct candidate *list = arena_new_array(mem, struct candidate, n);
	enum place_refusal *refusals = arena_new_array(mem, enum place_refusal, n);
	uint32_t *chosen;
	size_t fit = 0, want;

	assert(ask->replicas >= 1 || ask->replicas == REPLICAS_EVERYWHERE);
	for (size_t i = 0; i < n; i++) {
		struct place_held held = ask->held ? ask->held[i] : (struct place_held){ 0 };

		assert(i == 0 || peers[i - 1].peer_no < peers[i].peer_no);
		refusals[i] = place_holds(held.hold) ? refuse_holder(ask, &peers[i])
						     : refuse_new(ask, &peers[i]);
		if (refusals[i] != PLACE_OK)
			continue;
		refusals[i] = fails(held.hold) ? PLACE_FAILING : PLACE_NOT_NEEDED;
		list[fit++] = candidate(ask, &peers[i], i, held);
	}

	want = fit;
	if (ask->replicas != REPLICAS_EVERYWHERE && (size_t)ask->replicas < fit)
		want = (size_t)ask->replicas;
	chosen = arena_new_array(mem, uint32_t, want);
	for (size_t i = 0; i < want; i++) {
		pick(list + i, fit - i);
		chosen[i] = list[i].peer->peer_no;
		refusals[list[i].at] = PLACE_OK;
	}
	return (struct place_result){ chosen, want, refusals };
}
