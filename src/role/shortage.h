/*
 * shortage.h -- why a request has fewer copies than it asks for.
 *
 * What a planner would decide now for this request alone, told to people: how many copies have
 * no peer, and of each peer that gets none what is in the way.
 */
#pragma once

#include "model/ulid.h"
#include "role/replan.h"

struct left_out {
	struct slice peer_id;
	enum place_refusal why;
};

struct shortage {
	unsigned missing;             /* copies without a peer; 0: none, then n is 0 too */
	const struct left_out *peers; /* those that might have held one, by number; in `mem` */
	size_t n;
};

/* Of the live request `id` in `view`; another has no shortage.  Room that is promised to copies on
 * their way counts as free.  Reads the peers; writes nothing.  Any thread. */
bool shortage_find(const struct replan_options *options, const struct cid_view *view,
		   const struct ulid *id, struct arena *mem, struct shortage *out,
		   struct err *err) MUST_CHECK;
