/*
 * swept.h -- what the last whole sweep counted, kept in the store.
 *
 * A sweep of very many pins takes hours: until the first one of a process is over, its gauges
 * show what the last one of the process before it found, and not that all pins are gone.
 *
 * A row of job_cursor, job "swept"; its position is six numbers of 8 bytes, big-endian: pins,
 * desired, actual, missing, surplus, and the wall time of the end in us.
 */
#pragma once

#include "role/reconciler.h"

/* Instead of what was kept before.  `at_us`: when that sweep ended. */
bool swept_keep(struct store *store, const struct sweep_totals *totals, int64_t at_us,
		struct arena *mem, struct err *err) MUST_CHECK;

/* What was kept last.  Leaves both as they are if none was kept, or by a program that counted other
 * things. */
bool swept_find(struct store *store, struct sweep_totals *totals, int64_t *at_us, struct arena *mem,
		struct err *err) MUST_CHECK;
