/*
 * swept.h -- how many copies there are, kept in the store.
 *
 * A sweep of very many pins takes hours: until the first one of a process is over, its gauges
 * show what the process before it knew, and not that all pins are gone.  That is what its last
 * whole sweep counted, the copies with what changed since; it is written about once a minute while
 * anything changes, so the changes of the last minute may be missing.
 *
 * A row of job_cursor, job "swept"; its position is six numbers of 8 bytes, big-endian: pins,
 * desired, actual, missing, surplus, and the wall time in us when that sweep ended: 0 while none
 * has, then only what changed is counted.
 */
#pragma once

#include "role/reconciler.h"

/* Instead of what was kept before.  `at_us`: when the last whole sweep ended, 0 = none has. */
bool swept_keep(struct store *store, const struct sweep_totals *totals, int64_t at_us,
		struct arena *mem, struct err *err) MUST_CHECK;

/* What was kept last.  Leaves both as they are if none was kept, or by a program that counted other
 * things. */
bool swept_find(struct store *store, struct sweep_totals *totals, int64_t *at_us, struct arena *mem,
		struct err *err) MUST_CHECK;
