/*
 * step.h -- what the parts of one reconcile_step() share.  Private to reconcile/.
 *
 *	reconcile.c	reads the view, judges failures, writes the plan
 *	demand.c	what the requests ask for, and on which peers
 */
#pragma once

#include "reconcile/reconcile.h"

/* What one or more requests with the same constraints ask for. */
struct demand {
	struct slice_list zones, tags, wished;
	int32_t rf_min, rf_max; /* rf_max may be REPLICAS_EVERYWHERE */
	size_t chosen;          /* peers picked for it */
	size_t awaited;         /* "everywhere": peers that may soon qualify */
	bool *picked;           /* one for each peer of the view */
	bool satisfied;         /* all that it wants is pinned where copies stay */
	bool full;              /* at least rf_min, and on every peer that qualifies */
};

/* A peer, the copy on it, or both. */
struct spot {
	uint32_t peer_no;
	const struct place_peer *peer; /* NULL: not listed any more */
	const struct copy *copy;       /* NULL: no row */
	size_t at;                     /* of `peer` in the view */
	int64_t over_at;               /* us; its row can go from then on; 0 = not (yet) */
	bool wanted;                   /* the result: there shall be a copy here */
	bool gone;                     /* its copy is given up in this step */
	bool failing;                  /* for so long that others are better */
};

struct step {
	const struct reconcile_view *view;
	const struct reconcile_policy *policy;
	struct arena *mem;

	struct demand *demands; /* different ones, in an order that ids do not matter for */
	size_t n_demands;
	uint8_t mode; /* enum pin_mode */
	int32_t priority;
	int64_t retry_at; /* the newest that has come */
	int64_t asked_at; /* when the newest request was made, as far as that has come */
	bool some_ended;

	struct spot *spots; /* sorted by peer_no */
	size_t n_spots;
	struct place_held *held;      /* one for each peer of the view */
	enum place_refusal *refusals; /* likewise */

	struct reconcile_plan plan;
	struct copy *desired;
	uint32_t *publish, *forget, *given_up;
};

/* May copies of `d` lie there? */
static inline bool demand_allows(const struct demand *d, const struct place_peer *peer)
{
	return zone_allowed(d->zones, d->tags, peer->zone, peer->tags);
}

/* Reads the requests of the view into s->demands, mode, priority and so on. */
void demands_read(struct step *s);

/* Picks peers for each demand, by the spots and their copies: sets spot->wanted,
 * d->picked and s->refusals. */
void demands_place(struct step *s);

/* Counts what is pinned for each demand where copies stay: sets d->satisfied, d->full and
 * s->plan.missing. */
void demands_judge(struct step *s);

static inline int64_t add_us(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return b < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

static inline int64_t sub_us(int64_t a, int64_t b)
{
	int64_t difference;

	if (__builtin_sub_overflow(a, b, &difference))
		return b > 0 ? INT64_MIN : INT64_MAX;
	return difference;
}

static inline int64_t min_us(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int64_t max_us(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Does the end of `r` tell that copies may go? */
static inline bool explains(const struct step *s, const struct request *r)
{
	uint64_t from = s->policy->ends_from;

	return r->end && r->end->rev >= from &&
	       (r->end->cause != END_BY_TTL || r->end->judged_rev >= from);
}

static inline void look_again_at(struct step *s, int64_t at)
{
	at = max_us(at, add_us(s->view->now_us, 1));
	if (s->plan.next_at == 0 || at < s->plan.next_at)
		s->plan.next_at = at;
}

static inline void look_again_in(struct step *s, int64_t us)
{
	look_again_at(s, add_us(s->view->now_us, us));
}

static inline bool is_desired(const struct spot *spot)
{
	return spot->copy && spot->copy->desired && !spot->gone;
}

/* There now, in the form wanted or recursively, and its peer answers. */
static inline bool is_good(const struct step *s, const struct spot *spot)
{
	return is_desired(spot) && copy_state(spot->copy) == COPY_PINNED &&
	       spot->copy->mode >= s->mode && spot->peer && spot->peer->health == HEALTH_UP;
}
