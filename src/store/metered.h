/*
 * metered.h -- a back end whose calls are counted, timed and logged.
 *
 * It stands between a store and another back end, changes nothing of what passes, and feeds
 * the metrics store_operations_total, store_operation_duration_seconds,
 * store_query_duration_seconds, store_timeouts_total and store_unavailable_total.
 *
 * Each call is a line of the log, level debug, or error if it failed (but for what a store that is
 * known to take nothing refuses): operation=, table= and cid=
 * of its (first) key, "-" where there is none, duration_us=, and of a failure code= and why.
 */
#pragma once

#include "base/metrics.h"
#include "store/store_ops.h"

/* Takes over `inner`: closing this closes it.  `metrics` outlives it. */
struct store_backend *store_metered(struct store_backend *inner, struct metrics *metrics);
