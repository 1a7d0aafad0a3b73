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

/* What lives in `mem` is as of now.  `since_us`, by the monotonic clock, is when somebody began to
 * listen: a peer that was not seen since is suspect at least, but it is neither down nor dead
 * before it was silent for so long from then on.  Else every peer would be given up by
 * a program that starts after a long rest. */
bool peers_load(struct store *store, const struct health_policy *policy, int64_t since_us,
		struct clock *clock, struct arena *mem, struct peers *out,
		struct err *err) MUST_CHECK;

/* Counts the copies that are on their way to each peer whose space is known, as the store has
 * them: up to PEERS_COMING_MAX in all, which is more than a few peers take in a while. */
#define PEERS_COMING_MAX 4096
bool peers_count_coming(struct store *store, struct peers *peers, struct err *err) MUST_CHECK;
