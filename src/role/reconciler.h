/*
 * reconciler.h -- the role that takes in what workers report, notices peers that come
 * and go, and walks everything now and then.
 *
 *	reports   pin.status messages: the observed halves of copies
 *	peers     when a peer is dead, back, drained or new, its CIDs are looked at
 *	sweep     every sweep_us all CIDs are looked at and their derived rows compared;
 *	          the walk's position is kept in the store, so a restart goes on;
 *	          some rows of the derived tables are looked at beside it, and removed
 *	          where no CID has them: all of them in a number of sweeps;
 *	          idempotency keys that are over go after it; when a peer comes while it
 *	          runs, what it has looked at before is looked at again afterwards
 *	orders    an operator's rebalance: a sweep from the first CID on, which a restart
 *	          goes on with as well
 */
#pragma once

#include "base/rand.h"
#include "role/replan.h"

struct reconciler_options {
	struct replan_options replan;
	int64_t peers_us; /* how often the peers are looked at */
	int64_t sweep_us; /* from the end of one sweep to the start of the next */
	int64_t pace_us;  /* pause between two batches of a sweep: leaves room for users */
	/* Whether all processors work for users: a sweep waits then, SWEEP_PUT_OFF_US a batch at
	 * most; may be NULL. */
	bool (*must_wait)(void *ctx);
	void *must_wait_ctx;
	size_t batch_max;
	size_t sweep_max; /* CIDs of a step of a sweep; 0: batch_max */
};

#define SWEEP_PUT_OFF_US (200 * US_PER_MS)

struct reconciler;

struct reconciler *reconciler_new(const struct reconciler_options *options);
void reconciler_free(struct reconciler *r); /* NULL is fine */
DEFINE_CLEANUP(struct reconciler, reconciler_free)

/* As planner_step(). */
bool reconciler_step(struct reconciler *r, int64_t *due_us, struct err *err) MUST_CHECK;

struct sweep_totals {
	uint64_t pins;             /* live requests */
	uint64_t desired;          /* copies that should exist */
	uint64_t actual;           /* copies that their node confirmed */
	uint64_t missing, surplus; /* copies that are not confirmed and should be; that are, or may
				    * be, and should not */
};

struct reconciler_state {  /* for status pages and metrics */
	uint64_t reports;  /* taken in since the start */
	uint64_t swept;    /* CIDs looked at by the running or last sweep */
	uint64_t repaired; /* derived rows that were wrong, since the start */
	int64_t swept_at;  /* wall; end of the last sweep of this process or one before, 0 = none */
	unsigned walks;    /* peers whose CIDs are being looked at */
	/* What the last whole sweep met, before it mended that: one that a single process made from
	 * the first CID to the last.  Changes of copies since then are added as they are made.
	 * After a restart: what the process before this one knew a minute before its end (swept.h).
	 */
	struct sweep_totals totals;
};
/* From any thread. */
void reconciler_state(struct reconciler *r, struct reconciler_state *out);

/* From any thread: the copies of a CID changed so (replan_events.copies). */
void reconciler_note_copies(struct reconciler *r, struct slice cid,
			    const struct copy_counts *change);

/* From any thread: sweep now; with `rebalance` move copies to where a fresh placement would put
 * them; with `force` without the guard, and a restored store is one like others again
 * (restored.h).  What was ordered before and has not begun, and a rebalance or a force that is
 * running, are part of it.  Both outlive a crash once this has returned true. */
bool reconciler_order_sweep(struct reconciler *r, bool rebalance, bool force,
			    struct err *err) MUST_CHECK;

struct rebalance_preview {
	uint64_t cids;  /* looked at */
	uint64_t moves; /* copies that would be placed elsewhere */
	bool whole;     /* all CIDs were looked at before the time was over */
};
/* From any thread: what a rebalance would do, without doing it; gives up after `for_us`. */
bool reconciler_preview(const struct replan_options *options, int64_t for_us,
			struct rebalance_preview *out, struct err *err) MUST_CHECK;
