/*
 * outcome.h -- what a look at a CID has brought about, for those who measure.  Pure.
 */
#pragma once

#include "base/arena.h"
#include "model/request.h"
#include "reconcile/reconcile.h"

struct copy_counts {     /* or how they changed */
	int64_t desired; /* copies that should exist */
	int64_t actual;  /* of those: confirmed by their node */
	int64_t missing,
		surplus; /* not confirmed and should be; there, or may be, and should not */
};

/* Adds `times` (1 or -1) what these copies count. */
void copy_counts_add(struct copy_counts *counts, const struct copy *copies, size_t n, int times);

enum outcome_source {                    /* who began what came to its end */
		      SOURCE_API,        /* an owner asked, or took it back */
		      SOURCE_RECONCILER, /* a copy was lost, replaced or moved; an expiry passed */
};

struct outcome {
	struct finished { /* from a request, or a decision, to the last report that it took */
		enum outcome_source source;
		bool desired; /* a pin, else an unpin */
		int64_t after_us;
	} * finished;
	size_t n_finished;
	struct settled { /* one copy, from its assignment on */
		bool desired;
		int64_t after_us;
	} * settled;
	size_t n_settled;
	struct copy_counts change;
};

struct outcome_view {
	const struct copy *before, *after; /* both by peer_no: before and with the reports */
	size_t n_before, n_after;
	const struct copy *const *reported; /* what the reports told that was new */
	size_t n_reported;
	const struct wanted_request *requests;
	size_t n_requests;
	const struct reconcile_plan *plan; /* what is decided now */
	struct peer_zones zones;
	int64_t now_us;
};

/* What is so once the reports and the plan are written; lists live in `mem`. */
struct outcome outcome_of(const struct outcome_view *view, struct arena *mem);

/* Both, one after the other: `to` is all zero at first, its lists are made anew in `mem`. */
void outcome_add(struct outcome *to, struct outcome more, struct arena *mem);
