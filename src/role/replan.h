/*
 * replan.h -- one look at a CID: take in what was reported, expire what is due,
 * decide where it belongs, write that, tell the workers.
 *
 * The planner looks because a request changed or a wait is over, the reconciler
 * because a worker reported or a peer went, the TTL step because an expiry has
 * passed, the sweep because nobody did for long.  All of them do the same thing,
 * so any of them repairs what another left undone, and none depends on a message.
 *
 * A replanner belongs to one thread.
 */
#pragma once

#include "base/clock.h"
#include "bus/bus.h"
#include "reconcile/reconcile.h"
#include "role/guard.h"
#include "role/outcome.h"
#include "role/peers.h"
#include "store/store.h"

struct replan_policy {
	struct reconcile_policy reconcile;
	int64_t peers_refresh_us; /* how old the known peers may be */
	struct guard_bounds guard;
};

struct replan_events { /* told after the write; every function may be NULL */
	void *ctx;
	/* The status of some request of the CID, or a copy, is no longer what it was. */
	void (*changed)(void *ctx, struct slice cid);
	/* A request of the CID has expired. */
	void (*expired)(void *ctx, struct slice cid);
	/* A request became pinned this long after it was made, or the last copy went this long
	 * after the end of the last one; of what the reconciler began: a copy, after that. */
	void (*finished)(void *ctx, enum outcome_source source, bool desired, int64_t after_us);
	/* A copy became pinned (or unpinned) this long after its assignment. */
	void (*settled)(void *ctx, bool desired, int64_t after_us);
	/* So the copies of the CID changed. */
	void (*copies)(void *ctx, struct slice cid, const struct copy_counts *change);
	/* Unpins were held back by the guard. */
	void (*guarded)(void *ctx, unsigned copies);
};

struct replan_options {
	struct store *store;
	struct bus *bus;
	struct clock *clock;
	struct peer_watch *watch; /* of the process */
	unsigned instance;
	const struct replan_policy *policy;
	struct replan_events events;
};

struct replanner;

struct replanner *replanner_new(const struct replan_options *options);
void replanner_free(struct replanner *r); /* NULL is fine */
DEFINE_CLEANUP(struct replanner, replanner_free)

struct replan_item { /* one CID to look at; slices are borrowed for the call */
	struct slice cid;
	const struct copy *observed; /* reported halves to take in */
	size_t n_observed;
	const struct wake *woken; /* wake rows that this look answers */
	size_t n_woken;
	bool bury; /* also drop what ended or was outdone long ago (sweep) */
};

/* Looks at `n` distinct CIDs in one batch.  False: nothing, or an unknown part, was
 * written; the same items may be given again.  A CID that cannot be read or decided is logged
 * and passed over, so that it does not hold the others up: its wake rows are put off (waits.h). */
bool replan(struct replanner *r, const struct replan_item *items, size_t n,
	    struct err *err) MUST_CHECK;

/* Is there nothing to do about a CID, as far as a view tells that a scan gave just now: nothing to
 * decide, to write, to tell anybody, to bury or to look at later?  Writes nothing. */
bool replan_is_idle(struct replanner *r, const struct cid_view *view, struct arena *mem, bool *idle,
		    struct err *err) MUST_CHECK;

/* A CID was left out of a batch because it is idle: the guard counts it with those it lets go a
 * share of. */
void replanner_saw_idle(struct replanner *r);

/* Moves copies to where a fresh placement would put them, from now on and for this
 * replanner, until called with false. */
void replanner_rebalance(struct replanner *r, bool on);
/* A peer went, came or was given another wish: look at them anew before the next decision. */
void replanner_forget_peers(struct replanner *r);
/* An operator's word: the guard lets everything pass until called with false. */
void replanner_force(struct replanner *r, bool on);

/* How many copies a look with rebalancing would place anew; writes nothing. */
bool replan_count_moves(struct replanner *r, const struct cid_view *view, uint64_t *moves,
			struct err *err) MUST_CHECK;
