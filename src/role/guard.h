/*
 * guard.h -- the mass-unpin guard: a bound on copies given up for no reason of a user's.
 *
 * Copies go because requests end or expire, or because an operator drains a peer.  All other
 * unpins (a peer taken for dead, a surplus, a rebalance) are decisions of our own, and a
 * fault in what they rest on could empty a cluster.  Of those a pass makes no more than a
 * share of the CIDs it has looked at, but may always make a few.  (Each replanner, of which a
 * process has three, has passes of its own.)  What is held back stays
 * pinned and is looked at again in the next pass; nothing else waits for it.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reconcile/reconcile.h"

struct guard_bounds {
	unsigned permille; /* of the CIDs looked at in a pass */
	unsigned least;    /* copies that may go in any case */
	int64_t window_us; /* a pass */
};

struct guard {            /* of one thread; all zero at first */
	int64_t pass_end; /* mono */
	uint64_t seen, given_up;
	bool told; /* for callers: that this pass holds something back was logged */
};

/* `n` more CIDs are looked at; begins a new pass when the last one is over. */
void guard_see(struct guard *g, const struct guard_bounds *bounds, int64_t mono_us, size_t n);

/* May `copies` more be given up in this pass?  If so they count. */
bool guard_take(struct guard *g, const struct guard_bounds *bounds, unsigned copies);

/* Leaves the copies that a plan would give up as they are, and tells their workers nothing. */
void guard_strip(struct reconcile_plan *plan, struct arena *mem);

/* What guards hold back, for people.  Any thread. */
struct held_back;
struct held_back *held_back_new(int64_t window_us);
void held_back_free(struct held_back *h); /* NULL is fine */
void held_back_note(struct held_back *h, int64_t mono_us, unsigned copies);
/* Copies held back in this window and the one before: what is held back comes again in each
 * pass, so this is about as many as there are, and 0 soon after the last was let go. */
uint64_t held_back_count(struct held_back *h, int64_t mono_us);
