#include <stdlib.h>

#include "reconcile/reserve.h"
#include "reconcile/step.h"

/*
 * What the requests ask for.
 */

static int list_cmp(struct slice_list a, struct slice_list b)
{
	for (size_t i = 0; i < a.n && i < b.n; i++) {
		int c = slice_cmp(a.at[i], b.at[i]);

		if (c)
			return c;
	}
	return (a.n > b.n) - (a.n < b.n);
}

/* Those with the least choice first: the others can share their peers. */
static int demand_cmp(const void *pa, const void *pb)
{
	const struct demand *a = pa, *b = pb;
	int c = (b->zones.n > 0) - (a->zones.n > 0);

	if (!c)
		c = (b->tags.n > 0) - (a->tags.n > 0);
	if (!c)
		c = (b->wished.n > 0) - (a->wished.n > 0);
	if (!c)
		c = (a->rf_max > b->rf_max) - (a->rf_max < b->rf_max);
	if (!c)
		c = (a->rf_min > b->rf_min) - (a->rf_min < b->rf_min);
	if (!c)
		c = list_cmp(a->zones, b->zones);
	if (!c)
		c = list_cmp(a->tags, b->tags);
	return c ? c : list_cmp(a->wished, b->wished);
}

static struct demand demand_of(const struct request *r)
{
	int32_t rf_max = r->revision->rf_max, rf_min = r->revision->rf_min;

	if (rf_max != REPLICAS_EVERYWHERE && rf_max < 1)
		rf_max = 1;
	if (rf_max == REPLICAS_EVERYWHERE || rf_min < 1)
		rf_min = 1;
	return (struct demand){
		.zones = r->revision->zones,
		.tags = r->revision->peer_tags,
		.wished = r->create->allocations,
		.rf_min = rf_max != REPLICAS_EVERYWHERE && rf_min > rf_max ? rf_max : rf_min,
		.rf_max = rf_max,
	};
}

void demands_read(struct step *s)
{
	const struct reconcile_view *v = s->view;
	size_t n = 0;

	s->demands = arena_new_array(s->mem, struct demand, v->n_requests);
	s->mode = PIN_DIRECT;
	for (size_t i = 0; i < v->n_requests; i++) {
		const struct request *r = v->requests[i].request;

		if (!v->requests[i].wanted) {
			s->some_ended |= explains(s, r);
			continue;
		}
		if (!r->create || !r->revision) /* absent: see request_fold() */
			continue;
		if (n == 0 || r->revision->priority > s->priority)
			s->priority = r->revision->priority;
		if (r->create->mode == PIN_RECURSIVE)
			s->mode = PIN_RECURSIVE;
		/* It may bring addresses to fetch from. */
		if (r->create->created_at <= v->now_us)
			s->asked_at = max_us(s->asked_at, r->create->created_at);
		if (r->revision->retry_at > v->now_us) /* by another clock */
			look_again_at(s, r->revision->retry_at);
		else
			s->retry_at = max_us(s->retry_at, r->revision->retry_at);
		s->demands[n++] = demand_of(r);
	}
	if (n > 1)
		qsort(s->demands, n, sizeof(*s->demands), demand_cmp);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && demand_cmp(&s->demands[s->n_demands - 1], &s->demands[i]) == 0)
			continue;
		s->demands[s->n_demands++] = s->demands[i];
	}
	for (size_t i = 0; i < s->n_demands; i++)
		s->demands[i].picked = arena_new_array(s->mem, bool, v->n_peers);
}

/*
 * Where the copies shall be.
 */

static enum place_hold hold_of(const struct step *s, const struct spot *spot)
{
	if (!spot->copy)
		return HOLD_NONE;
	if (spot->failing)
		return is_desired(spot) ? HOLD_FAILING : HOLD_FAILED;
	if (!is_desired(spot))
		return spot->copy->state == COPY_PINNED ? HOLD_LEFT : HOLD_NONE;
	/* The fetch outlasts the look that ordered it: later ones must not undo it. */
	if (spot->copy->reason == REASON_REBALANCED)
		return HOLD_MOVED;
	return is_good(s, spot) ? HOLD_PINNED : HOLD_COMING;
}

/* Rows that are about to go do not count: they could not tell a second time. */
static uint64_t known_size(const struct step *s)
{
	uint64_t size = 0;

	for (size_t i = 0; i < s->n_spots; i++) {
		const struct spot *spot = &s->spots[i];
		bool stays = spot->over_at == 0 || spot->over_at > s->view->now_us;

		if (spot->copy && stays && spot->copy->size > size)
			size = spot->copy->size;
	}
	return size;
}

/* Nothing tells when a silent peer answers, or has room for what is larger than others, so somebody
 * has to look.  (Of peers that were dead, paused, draining or full the reconciler does tell.) */
static bool may_soon_qualify(const struct step *s, const struct demand *d,
			     const struct place_peer *peer, enum place_refusal why)
{
	if (why == PLACE_NOT_ENOUGH_SPACE)
		return !reserve_is_full(peer, s->policy->keep_free_bytes, 1);
	if (why == PLACE_DOWN)
		return peer->health != HEALTH_DEAD && peer->wish == PLACE_ACTIVE &&
		       demand_allows(d, peer);
	return why == PLACE_SUSPECT;
}

static void place_demand(struct step *s, struct demand *d, uint64_t size)
{
	const struct reconcile_view *v = s->view;
	struct place_ask ask = {
		.seed = v->seed,
		.replicas = d->rf_max,
		.zones = d->zones,
		.tags = d->tags,
		.wished = d->wished,
		.size = size,
		.usual_size = v->usual_size,
		.keep_free_bytes = s->policy->keep_free_bytes,
		.held = s->held,
		.rebalance = s->policy->rebalance,
	};
	struct place_result result = placement_choose(&ask, v->peers, v->n_peers, s->mem);

	d->chosen = result.n;
	d->awaited = 0;
	for (size_t i = 0; i < v->n_peers; i++) {
		d->picked[i] = result.refusals[i] == PLACE_OK;
		d->awaited += d->rf_max == REPLICAS_EVERYWHERE &&
			      may_soon_qualify(s, d, &v->peers[i], result.refusals[i]);
		s->held[i].shared |= d->picked[i];
		if (s->refusals[i] != PLACE_OK &&
		    (d->picked[i] || result.refusals[i] > s->refusals[i]))
			s->refusals[i] = result.refusals[i];
	}
}

/* Each demand by itself, the least free first, so that later ones can share. */
static void place_all(struct step *s, uint64_t size)
{
	for (size_t i = 0; i < s->view->n_peers; i++) {
		s->held[i].shared = false;
		s->refusals[i] = PLACE_REMOVED; /* the farthest of all reasons */
	}
	for (size_t i = 0; i < s->n_demands; i++)
		place_demand(s, &s->demands[i], size);
}

/* Peers just picked count as holders for all demands, as they will the next time:
 * so this is repeated until picking again adds nobody.  The set of holders only
 * grows, and who is not picked changes nothing, so what comes out is also what
 * comes out when the result is shown again. */
void demands_place(struct step *s)
{
	const struct reconcile_view *v = s->view;
	uint64_t size = known_size(s);
	bool grew = s->n_demands > 0;

	s->held = arena_new_array(s->mem, struct place_held, v->n_peers);
	s->refusals = arena_new_array(s->mem, enum place_refusal, v->n_peers);
	for (size_t i = 0; i < v->n_peers; i++)
		s->refusals[i] = PLACE_NOT_NEEDED;
	for (size_t i = 0; i < s->n_spots; i++) {
		if (s->spots[i].peer)
			s->held[s->spots[i].at].hold = hold_of(s, &s->spots[i]);
	}
	while (grew) {
		grew = false;
		place_all(s, size);
		for (size_t i = 0; i < v->n_peers; i++) {
			enum place_hold *hold = &s->held[i].hold;

			if (s->refusals[i] != PLACE_OK || place_holds(*hold))
				continue;
			*hold = *hold == HOLD_FAILED ? HOLD_FAILING : HOLD_COMING;
			grew = true;
		}
	}
	for (size_t i = 0; i < s->n_spots; i++) {
		struct spot *spot = &s->spots[i];

		spot->wanted = spot->peer && s->n_demands > 0 && s->refusals[spot->at] == PLACE_OK;
	}
}

static void note_missing(struct step *s, size_t n)
{
	if (n > s->plan.missing)
		s->plan.missing = (unsigned)n;
}

/* Counts what is pinned for each demand where copies stay. */
void demands_judge(struct step *s)
{
	for (size_t k = 0; k < s->n_demands; k++) {
		struct demand *d = &s->demands[k];
		bool everywhere = d->rf_max == REPLICAS_EVERYWHERE;
		size_t want = everywhere ? 1 : (size_t)d->rf_max, pinned = 0;
		bool all = true;

		for (size_t i = 0; i < s->n_spots; i++) {
			const struct spot *spot = &s->spots[i];

			if (!spot->wanted)
				continue;
			if (d->picked[spot->at] && !is_good(s, spot))
				all = false;
			if (is_good(s, spot) && demand_allows(d, spot->peer))
				pinned++;
		}
		d->satisfied = pinned >= want && (all || !everywhere);
		d->full = all && d->chosen < want && d->chosen >= (size_t)d->rf_min;
		if (d->chosen < want)
			note_missing(s, want - d->chosen);
		note_missing(s, d->awaited);
	}
}
