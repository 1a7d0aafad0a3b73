/*
 * peers.h -- the peers as decisions see them, read from the store.
 *
 * The rows tell when a peer's Kubo last answered, by the clock of its worker.  That alone must
 * not move copies: after an outage, or when a clock was set, every peer looks silent for long
 * until it reports again.  So a process watches, by its own steady clock, whether the rows change:
 * a peer is dead only after this process has looked in vain for as long as that takes.  Time in
 * which it could not look (the store was away, the machine stood still) is no silence.
 */
#pragma once

#include "base/cleanup.h"
#include "base/clock.h"
#include "reconcile/placement.h"
#include "store/store.h"

/* What a process has seen of the peers' signs of life.  One for all its roles; any thread. */
struct peer_watch;

struct peer_watch *peer_watch_new(const struct health_policy *policy, struct clock *clock);
void peer_watch_free(struct peer_watch *watch); /* NULL is fine */
DEFINE_CLEANUP(struct peer_watch, peer_watch_free)

/* Takes note of the rows of all peers, sorted by number, as just read. */
void peer_watch_see(struct peer_watch *watch, const struct peer_row *rows, size_t n);

struct peers {
	struct place_peer *at; /* sorted by peer_no */
	bool *unsure; /* of each: its row tells that it was dead before this process looked */
	size_t n;
};

/* What lives in `mem` is as of now.  Reading often makes the watch more exact. */
bool peers_load(struct store *store, struct peer_watch *watch, struct arena *mem, struct peers *out,
		struct err *err) MUST_CHECK;

/* Counts the copies that are on their way to each peer whose space is known, as the store has
 * them: up to PEERS_COMING_MAX in all, which is more than a few peers take in a while. */
#define PEERS_COMING_MAX 4096
bool peers_count_coming(struct store *store, struct peers *peers, struct err *err) MUST_CHECK;
