#include <assert.h>

#include "base/attr.h"
#include "base/clock.h"
#include "reconcile/step.h"

/*
 * What is there.
 */

/* A time by some clock that was wrong then: nobody knows when it was. */
static bool is_unknown(const struct step *s, int64_t at_us)
{
	return at_us > add_us(s->view->now_us, s->policy->republish_us);
}

/* What is not known must not be waited for. */
static int64_t past(const struct step *s, int64_t at_us)
{
	int64_t now = s->view->now_us;

	if (is_unknown(s, at_us))
		return max_us(0, now - s->policy->republish_us);
	return max_us(0, min_us(at_us, now));
}

/* Nothing more is to come of a copy that is not wanted. */
static bool is_over(const struct spot *spot)
{
	const struct copy *c = spot->copy;

	if (c->desired)
		return false;
	if (!spot->peer || spot->peer->wish == PLACE_FORGOTTEN)
		return true;
	return c->state == COPY_UNPINNED && c->state_gen >= c->gen;
}

static int64_t over_at(const struct step *s, const struct spot *spot)
{
	const struct copy *c = spot->copy;
	int64_t now = s->view->now_us, since = max_us(0, min_us(c->assigned_at, now));

	if (!is_over(spot))
		return 0;
	if (c->observed_at <= now)
		since = max_us(since, c->observed_at);
	return add_us(since, s->policy->forget_us);
}

static void read_spots(struct step *s)
{
	const struct reconcile_view *v = s->view;
	size_t p = 0, c = 0;

	s->spots = arena_new_array(s->mem, struct spot, v->n_peers + v->n_copies);
	while (p < v->n_peers || c < v->n_copies) {
		struct spot *spot = &s->spots[s->n_spots++];
		uint32_t peer_no = p < v->n_peers ? v->peers[p].peer_no : UINT32_MAX;
		uint32_t copy_no = c < v->n_copies ? v->copies[c].peer_no : UINT32_MAX;

		assert(c == 0 || c == v->n_copies || v->copies[c - 1].peer_no < copy_no);
		if (p < v->n_peers && (c == v->n_copies || peer_no <= copy_no)) {
			spot->peer = &v->peers[p];
			spot->at = p++;
		}
		if (c < v->n_copies && (!spot->peer || peer_no == copy_no))
			spot->copy = &v->copies[c++];
		spot->peer_no = spot->peer ? peer_no : copy_no;
		spot->over_at = spot->copy ? over_at(s, spot) : 0;
	}
}

/* The worker may tell of it: its peer is listed and was not silent for long. */
static bool reachable(const struct spot *spot)
{
	return spot->peer && spot->peer->wish != PLACE_FORGOTTEN &&
	       spot->peer->health <= HEALTH_SUSPECT;
}

/* Its copy shall move away for good, by an operator's word. */
static bool leaving(const struct spot *spot)
{
	return !spot->peer || spot->peer->wish == PLACE_DRAINING ||
	       spot->peer->wish == PLACE_FORGOTTEN;
}

/* Its worker follows a generation that the store does not know (it was restored
 * from a backup): what it has there is as good as desired, until it is told anew. */
static bool is_ahead(const struct spot *spot)
{
	return spot->copy && spot->copy->state_gen > spot->copy->gen;
}

static bool is_stray(const struct spot *spot)
{
	return is_ahead(spot) && !spot->copy->desired && !spot->gone &&
	       spot->copy->state != COPY_UNPINNED;
}

/* There is nothing to keep: its worker said, of what was asked of it last, that it
 * has no copy.  One that failed may get it yet, unless its peer is leaving. */
static bool holds_nothing(const struct spot *spot)
{
	enum copy_state state = copy_state(spot->copy);

	if (is_ahead(spot))
		return false;
	return state == COPY_UNPINNED || (state == COPY_ERROR && leaving(spot));
}

/* Failed long enough that somebody else may be better.  A new generation changes
 * nothing about it until its worker reports: it is not read from the state. */
static bool failed_long(const struct copy *c, int64_t now_us)
{
	return c->attempts >= COPY_FAILED_ATTEMPTS ||
	       (c->failing_since > 0 && add_us(c->failing_since, COPY_FAILED_US) <= now_us);
}

enum cure { CURE_NONE, CURE_OTHER_PEER, CURE_PERHAPS };

/* What another peer may change about a failure. */
static enum cure cure_of(uint8_t failure)
{
	static const enum cure cures[] = {
		[FAILURE_NONE] = CURE_NONE,
		[FAILURE_STALLED] = CURE_PERHAPS,
		[FAILURE_UNREACHABLE] = CURE_OTHER_PEER,
		[FAILURE_REFUSED] = CURE_OTHER_PEER,
		[FAILURE_NO_SPACE] = CURE_OTHER_PEER,
		[FAILURE_INVALID] = CURE_NONE,
		[FAILURE_OTHER] = CURE_PERHAPS,
		[FAILURE_DENIED] = CURE_NONE,
	};

	return failure < ARRAY_LEN(cures) ? cures[failure] : CURE_NONE;
}

static bool failed_before(const struct spot *a, const struct spot *b)
{
	if (a->copy->failing_since != b->copy->failing_since)
		return a->copy->failing_since < b->copy->failing_since;
	return a->copy->peer_no < b->copy->peer_no;
}

/* Content that nobody has must not be chased through all peers: a fetch that does
 * not get on is tried elsewhere only if the content is pinned somewhere, and only
 * the first CHASE_MAX of such copies count as failing. */
static void read_failures(struct step *s)
{
	struct spot *chase[CHASE_MAX] = { 0 };
	bool obtainable = false;

	for (size_t i = 0; i < s->n_spots; i++)
		obtainable |= is_good(s, &s->spots[i]);
	for (size_t i = 0; i < s->n_spots; i++) {
		struct spot *spot = &s->spots[i];
		const struct copy *c = spot->copy;
		enum cure cure;

		if (!c || c->state == COPY_PINNED || c->failure == FAILURE_NONE)
			continue;
		if (!failed_long(c, s->view->now_us)) {
			if (c->desired && c->failing_since > 0)
				look_again_at(s, add_us(c->failing_since, COPY_FAILED_US));
			continue;
		}
		cure = cure_of(c->failure);
		if (cure == CURE_NONE || (cure == CURE_PERHAPS && !obtainable))
			continue;
		spot->failing = cure == CURE_OTHER_PEER;
		for (size_t k = 0; k < CHASE_MAX && cure == CURE_PERHAPS && spot; k++) {
			if (!chase[k] || failed_before(spot, chase[k])) {
				struct spot *later = chase[k];

				chase[k] = spot;
				spot = later;
			}
		}
	}
	for (size_t k = 0; k < CHASE_MAX && chase[k]; k++)
		chase[k]->failing = true;
}

/* May this copy, which has no place any more, go?  The demands that it counts for
 * decide; one that counts for none was of use to some demand before that changed
 * and may be what the others are fetched from: then all decide. */
static bool may_go(const struct step *s, const struct spot *spot)
{
	static const struct place_peer nowhere;
	const struct place_peer *peer = spot->peer ? spot->peer : &nowhere;
	bool counts = false, ready = true, all_ready = true;

	if (s->n_demands == 0 || holds_nothing(spot))
		return true;
	for (size_t k = 0; k < s->n_demands; k++) {
		const struct demand *d = &s->demands[k];
		bool ok = d->satisfied || (leaving(spot) && d->full);

		all_ready &= ok;
		if (demand_allows(d, peer)) {
			counts = true;
			ready &= ok;
		}
	}
	return counts ? ready : all_ready;
}

/* Marks the copies that go now.  This changes nothing about where the others shall be: they were
 * picked without these, and the content stays obtainable, for something else is pinned. */
static void give_up(struct step *s)
{
	for (size_t i = 0; i < s->n_spots; i++) {
		struct spot *spot = &s->spots[i];

		spot->gone =
			!spot->wanted && (is_desired(spot) || is_stray(spot)) && may_go(s, spot);
	}
}

/*
 * What to write.
 */

static void write_half(struct step *s, const struct spot *spot, bool desired,
		       enum copy_reason reason)
{
	struct copy *c = &s->desired[s->plan.n_desired++];

	if (spot->copy)
		*c = *spot->copy;
	assert(s->view->next_gen > c->gen && s->view->next_gen > c->state_gen);
	c->peer_no = spot->peer_no;
	c->gen = s->view->next_gen;
	c->desired = desired;
	if (desired) { /* an unpin is done in the form that was pinned */
		c->mode = s->mode;
		c->priority = s->priority;
	}
	c->reason = (uint8_t)reason;
	c->assigned_at = s->view->now_us;
	if (!spot->peer || spot->peer->wish == PLACE_FORGOTTEN)
		return; /* there is nobody to tell */
	s->publish[s->plan.n_publish++] = c->peer_no;
	if (reachable(spot))
		look_again_in(s, s->policy->republish_us);
}

/* Some copy lies where it cannot stay. */
static bool replaces(const struct step *s)
{
	for (size_t i = 0; i < s->n_spots; i++) {
		const struct spot *spot = &s->spots[i];

		if (is_desired(spot) && !spot->wanted)
			return true;
	}
	return false;
}

static enum copy_reason reason_to_add(const struct step *s, const struct spot *spot)
{
	for (size_t k = 0; k < s->n_demands; k++) {
		if (s->demands[k].rf_max == REPLICAS_EVERYWHERE && s->demands[k].picked[spot->at])
			return REASON_EVERYWHERE;
	}
	if (!replaces(s))
		return REASON_REQUESTED;
	return s->policy->rebalance ? REASON_REBALANCED : REASON_REPLACED;
}

/* An owner asked to try again at once, or asked for it anew, and nobody told its worker yet. */
static bool retry_asked(const struct step *s, const struct copy *c)
{
	return copy_state(c) == COPY_ERROR &&
	       max_us(s->retry_at, s->asked_at) > past(s, c->assigned_at);
}

/* A recursive pin serves a direct wish, so one that is there is left as it is: to ask for it anew
 * would make it count as missing meanwhile, and bring a replaced recursive request back to life. */
static bool other_mode(const struct step *s, const struct copy *c)
{
	return c->mode < s->mode || (c->mode > s->mode && copy_state(c) != COPY_PINNED);
}

/* That a rebalance put it there counts until it goes (demand.c). */
static enum copy_reason reason_to_renew(const struct copy *c, enum copy_reason reason)
{
	return c->reason == REASON_REBALANCED ? REASON_REBALANCED : reason;
}

/* A copy that shall be there: is it, as it should be? */
static void keep(struct step *s, const struct spot *spot)
{
	const struct copy *c = spot->copy;
	enum copy_state state;

	if (!is_desired(spot)) {
		write_half(s, spot, true, reason_to_add(s, spot));
		return;
	}
	state = copy_state(c);
	if (other_mode(s, c) || (c->priority != s->priority && state != COPY_PINNED))
		write_half(s, spot, true, reason_to_renew(c, REASON_CHANGED));
	else if (state == COPY_UNPINNED)
		write_half(s, spot, true, reason_to_renew(c, REASON_LOST));
	else if (is_ahead(spot) || retry_asked(s, c))
		write_half(s, spot, true, (enum copy_reason)c->reason);
}

/* Did one that ended want a copy there? */
static bool an_end_explains(const struct step *s, const struct spot *spot)
{
	for (size_t i = 0; i < s->view->n_requests; i++) {
		const struct wanted_request *w = &s->view->requests[i];

		const struct fact *asked = w->request->revision;

		if (!w->wanted && explains(s, w->request) && asked && spot->peer &&
		    zone_allowed(asked->zones, asked->peer_tags, spot->peer->zone,
				 spot->peer->tags))
			return true;
	}
	return false;
}

static enum copy_reason reason_to_drop(const struct step *s, const struct spot *spot)
{
	/* That nothing wants it although nothing has ended is a loss of facts, not an end. */
	if (s->n_demands == 0)
		return s->some_ended ? REASON_ENDED : REASON_SURPLUS;
	if (leaving(spot))
		return REASON_DRAINED;
	if (spot->peer->health == HEALTH_DEAD || spot->failing)
		return REASON_REPLACED;
	if (an_end_explains(s, spot))
		return REASON_ENDED;
	return s->policy->rebalance ? REASON_REBALANCED : REASON_SURPLUS;
}

/* A copy that has no place any more. */
static void let_go(struct step *s, const struct spot *spot)
{
	enum copy_reason reason = reason_to_drop(s, spot);
	bool ended = reason == REASON_ENDED && s->some_ended;
	bool told = reason == REASON_DRAINED && spot->peer; /* by an operator */

	write_half(s, spot, false, reason);
	/* Whatever generation it answers: Kubo had it when its worker last told.  Or has it since,
	 * if that was told to a store that was lost. */
	if (!ended && !told && (spot->copy->state == COPY_PINNED || s->policy->ends_from > 0))
		s->given_up[s->plan.n_given_up++] = spot->peer_no;
}

/* A copy that has no place any more but is needed until others are pinned. */
static void hold_on(struct step *s, const struct spot *spot)
{
	s->plan.n_held++;
	look_again_in(s, s->policy->recheck_us);
	if (is_desired(spot) && (is_ahead(spot) || (spot->failing && retry_asked(s, spot->copy))))
		write_half(s, spot, true, (enum copy_reason)spot->copy->reason);
}

/*
 * What was written before.
 */

/* When its worker last gave, or was given, news of this generation. */
static int64_t news_at(const struct step *s, const struct copy *c)
{
	int64_t told, assigned = past(s, c->assigned_at);

	if (c->state_gen != c->gen)
		return assigned;
	told = past(s, c->observed_at);
	/* Both times are by the worker's clock: how long it waits is sure, until when is not. */
	if (copy_state(c) == COPY_ERROR && c->next_at > c->observed_at &&
	    !is_unknown(s, c->observed_at))
		told = add_us(told, sub_us(c->next_at, c->observed_at));
	return max_us(assigned, told);
}

/* R10: an assignment that nobody reports on is sent again; the pauses double, for
 * a long queue is no loss.  And at once when somebody asked for it since: it tells his origins. */
static void remind(struct step *s, const struct spot *spot)
{
	const struct copy *c = spot->copy;
	int64_t now = s->view->now_us, news = news_at(s, c);
	int64_t due = add_us(news, s->policy->republish_us);

	if (is_ahead(spot)) /* it would only answer with its higher generation, each time */
		return;
	if (!reachable(spot)) { /* it asks for its open assignments when it was down itself */
		if (spot->peer && spot->peer->health == HEALTH_DOWN)
			look_again_in(s, s->policy->recheck_us);
		return;
	}
	if (due > now && s->asked_at <= news) {
		look_again_at(s, due);
		return;
	}
	s->publish[s->plan.n_publish++] = c->peer_no;
	look_again_in(s, max_us(s->policy->republish_us, min_us(now - news, US_PER_DAY)));
}

static void forget_later(struct step *s, const struct spot *spot)
{
	if (spot->failing && s->n_demands > 0)
		return;
	if (spot->over_at <= s->view->now_us)
		s->forget[s->plan.n_forget++] = spot->peer_no;
	else
		look_again_at(s, spot->over_at);
}

static void settle(struct step *s, const struct spot *spot)
{
	size_t written = s->plan.n_desired;

	if (spot->wanted)
		keep(s, spot);
	else if (spot->gone)
		let_go(s, spot);
	else if (is_desired(spot) || is_stray(spot))
		hold_on(s, spot);
	if (!spot->copy || s->plan.n_desired > written)
		return;
	if (spot->over_at > 0)
		forget_later(s, spot);
	else if (!copy_settled(spot->copy))
		remind(s, spot);
}

struct reconcile_plan reconcile_step(const struct reconcile_view *view,
				     const struct reconcile_policy *policy, struct arena *mem)
{
	struct step s = { .view = view, .policy = policy, .mem = mem };

	assert(view->now_us >= 0);
	assert(policy->republish_us > 0 && policy->recheck_us > 0 && policy->forget_us > 0);
	demands_read(&s);
	read_spots(&s);
	read_failures(&s);
	demands_place(&s);
	demands_judge(&s);
	give_up(&s);

	s.desired = arena_new_array(mem, struct copy, s.n_spots);
	s.publish = arena_new_array(mem, uint32_t, s.n_spots);
	s.forget = arena_new_array(mem, uint32_t, s.n_spots);
	s.given_up = arena_new_array(mem, uint32_t, s.n_spots);
	for (size_t i = 0; i < s.n_spots; i++)
		settle(&s, &s.spots[i]);

	if (s.plan.missing > 0)
		look_again_in(&s, policy->recheck_us);
	if (view->pending_until > view->now_us)
		look_again_at(&s, view->pending_until);
	s.plan.desired = s.desired;
	s.plan.publish = s.publish;
	s.plan.forget = s.forget;
	s.plan.given_up = s.given_up;
	s.plan.refusals = s.refusals;
	return s.plan;
}
