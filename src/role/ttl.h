/*
 * ttl.h -- the role that sees to expiries.
 *
 * Every scan_us it reads the expiry queue from two scans before the last whole scan on, so
 * that no row is missed that came late or by a slow clock, and hands what has expired to
 * replan(), which ends it after looking at the request itself.  It shows requests as
 * `expiring` one scan before.  In between it steps when an expiry is due that the queue
 * held already; such a step reads only what expired since the step before, and shows only
 * what was not near enough then.
 *
 * Nothing expires early, nothing more than one scan late: late are requests that were made
 * after a scan and expire before the next.
 */
#pragma once

#include "role/replan.h"

struct ttl_options {
	struct replan_options replan;
	int64_t scan_us;
	size_t batch_max;
};

struct ttl;

struct ttl *ttl_new(const struct ttl_options *options);
void ttl_free(struct ttl *t); /* NULL is fine */
DEFINE_CLEANUP(struct ttl, ttl_free)

/* As planner_step(). */
bool ttl_step(struct ttl *t, int64_t *due_us, struct err *err) MUST_CHECK;
