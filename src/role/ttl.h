/*
 * ttl.h -- the role that sees to expiries.
 *
 * It scans the expiry queue every scan_us, from two scans before the last whole one on,
 * so that no row is missed that comes late or by a slow clock; shows requests as
 * `expiring` one scan
 * before; and hands what has expired to replan(), which ends it after looking at the
 * request itself.  Nothing expires early, nothing more than one scan late; expiries
 * that are known to come before the next scan are met on time.
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

/* From any thread: a request was made that expires at `expires_at` (wall, us).  True if
 * that is before the next scan: then knock at the thread of ttl_step(). */
bool ttl_note(struct ttl *t, int64_t expires_at);
