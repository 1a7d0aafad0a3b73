/*
 * sweep_orders.h -- what sweep an operator ordered, what sweep runs and how far it is: kept in the
 * store, so that the process after this one goes on with both.
 *
 * Three rows of job_cursor.  "sweep" and "rebalance" say where a sweep of that kind is: the
 * position of a scan, empty at its beginning.  "force" is there while the guard is to let all pass:
 * its position is empty until a sweep has begun with it and one byte from then on, so that an order
 * that came while another sweep ran is not taken for a part of that one.
 *
 * What was ordered counts from when its rows are durable.  Writing them and taking up or ending a
 * sweep exclude each other: no row of an order is lost to a sweep that ends just then.
 */
#pragma once

#include "store/store.h"

struct sweep_orders;

/* The store outlives it. */
struct sweep_orders *sweep_orders_new(struct store *store) __attribute__((returns_nonnull));
void sweep_orders_free(struct sweep_orders *orders); /* NULL is fine */

/* From any thread: a sweep from the first CID on.  One that was ordered before and has not begun
 * becomes part of it.  True: a rebalance and a force are durable; a sweep that is neither has no
 * row, and a crash before it begins forgets it.  On false nothing is ordered, and the rows are what
 * they were, or a log line says which one is not; where a sync failed, a crash may yet bring back
 * what was written before it. */
bool sweep_orders_give(struct sweep_orders *orders, bool rebalance, bool force,
		       struct err *err) MUST_CHECK;

/* ---- for the thread that sweeps ------------------------------------------------ */

struct sweep_kind {
	bool rebalance; /* it moves copies */
	bool force;     /* the guard lets all pass */
};

/* Is there an order whose sweep has not begun? */
bool sweep_orders_waiting(struct sweep_orders *orders);

/* What the process before this one left.  *at is NULL if no sweep is to be gone on with, else its
 * position, in `mem`; *kind is of that sweep.  What it was ordered and had not begun waits again.
 */
bool sweep_orders_resume(struct sweep_orders *orders, struct sweep_kind *kind,
			 const struct slice **at, struct arena *mem, struct err *err) MUST_CHECK;

/* A sweep begins at the first CID.  *kind: of the one that it takes the place of (all false: none
 * runs); becomes its own, which is that and what was ordered.  *ordered: somebody did order it.
 * False: nothing has begun, what was ordered waits. */
bool sweep_orders_begin(struct sweep_orders *orders, struct sweep_kind *kind, bool *ordered,
			struct arena *mem, struct err *err) MUST_CHECK;

/* The running sweep has come to `at`. */
bool sweep_orders_keep(struct sweep_orders *orders, const struct sweep_kind *kind, struct slice at,
		       struct arena *mem, struct err *err) MUST_CHECK;

/* It has come to its end. */
bool sweep_orders_end(struct sweep_orders *orders, const struct sweep_kind *kind, struct arena *mem,
		      struct err *err) MUST_CHECK;
