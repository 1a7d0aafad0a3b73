/*
 * peers.h -- the peers as decisions see them, read from the store.
 */
#pragma once

#include "reconcile/placement.h"
#include "store/store.h"

struct peers {
	struct place_peer *at; /* sorted by peer_no */
	size_t n;
};

/* What lives in `mem` is as of `now_us`. */
bool peers_load(struct store *store, const struct health_policy *policy, int64_t now_us,
		struct arena *mem, struct peers *out, struct err *err) MUST_CHECK;

/* NULL if there is none. */
const struct place_peer *peers_find(const struct peers *peers, uint32_t peer_no);
