/*
 * planner.h -- the role that looks at CIDs because a request was made, changed or
 * ended, or because a wait is over.
 *
 * It takes pin.request messages as they come, and reads the store's wake rows when
 * they are due, after a start, and after the bus lost messages.  Several planners
 * may run; they share the work and repair each other.
 */
#pragma once

#include "role/replan.h"

struct planner_options {
	struct replan_options replan;
	int64_t poll_us;  /* how often due wake rows are read */
	size_t batch_max; /* CIDs looked at together */
};

struct planner;

struct planner *planner_new(const struct planner_options *options);
void planner_free(struct planner *p); /* NULL is fine */
DEFINE_CLEANUP(struct planner, planner_free)

/* Does what is due; *due_us is the mono time to be called again at the latest.  A
 * failure is logged by the caller; the next step tries again. */
bool planner_step(struct planner *p, int64_t *due_us, struct err *err) MUST_CHECK;

/* How long a request's wake row waits before a planner that got no message takes
 * it: the bound on what a lost hint costs. */
#define WAKE_REQUEST_US (60 * US_PER_S)
