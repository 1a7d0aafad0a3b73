/*
 * placement.h -- which peers should hold a CID.  Pure and deterministic.
 *
 * Peers are ranked for each CID by rendezvous hashing (Thaler, Ravishankar 1998):
 * score = hash(CID, peer), best first.  So every planner ranks alike without
 * talking, load spreads evenly, and when a peer comes or goes only the copies
 * that must move do.  Zones are spread first (anti-affinity): of two peers the one
 * whose zone holds fewer copies of this CID comes first, then the better score.
 */
#pragma once

#include "base/arena.h"
#include "model/request.h"

enum peer_health { /* by the time since its Kubo last answered */
		   HEALTH_UP,
		   HEALTH_SUSPECT, /* short silence: nothing new, nothing moved */
		   HEALTH_DOWN,    /* long silence: nothing new; moved once the grace is over */
		   HEALTH_DEAD,    /* the grace is over: its copies are replaced */
};

struct health_policy {
	int64_t suspect_us; /* silence until SUSPECT */
	int64_t down_us;    /* silence until DOWN */
	int64_t grace_us;   /* from DOWN to DEAD */
};

/* What a silence since `last_seen_us` means at `now_us`. */
enum peer_health peer_health(int64_t last_seen_us, int64_t now_us,
			     const struct health_policy *policy);

/* Mirrors store's enum peer_wish, which pure code does not see. */
enum place_wish {
	PLACE_ACTIVE,
	PLACE_PAUSED,
	PLACE_DRAINING,
	PLACE_FORGOTTEN,
};

struct place_peer { /* all that placement may know of a peer */
	uint32_t peer_no;
	struct slice peer_id; /* text; what `allocations` name */
	struct slice zone;
	struct slice_list tags;
	enum peer_health health;
	enum place_wish wish;
	uint64_t free_bytes;     /* 0 and capacity 0: not known, not limited */
	uint64_t reserved_bytes; /* promised to copies that are on their way */
	uint64_t capacity_bytes;
};

enum place_refusal { /* why a peer was left out; shown to people */
		     PLACE_OK = 0,
		     PLACE_SUSPECT,
		     PLACE_DOWN,
		     PLACE_PAUSED_BY_OPERATOR,
		     PLACE_DRAINED,
		     PLACE_REMOVED,
		     PLACE_WRONG_ZONE,
		     PLACE_NOT_ENOUGH_SPACE,
		     PLACE_NOT_NEEDED, /* fit, but others rank higher */
};
const char *place_refusal_text(enum place_refusal why); /* "down", "wrong zone", ... */

struct place_ask {
	uint64_t seed;            /* hash of the CID's multihash under the cluster key */
	int32_t replicas;         /* target; REPLICAS_EVERYWHERE = all that qualify */
	struct slice_list zones;  /* empty = any */
	struct slice_list wished; /* peer ids to prefer, best first */
	uint64_t size;            /* bytes, 0 = not known */
	uint64_t keep_free_bytes; /* left free on every peer */
	const uint32_t
		*holders; /* peers that have the copy or are getting it: kept when they qualify */
	size_t n_holders;
};

struct place_result {
	const uint32_t *peers; /* chosen, holders first, then by rank */
	size_t n;
	const enum place_refusal *refusals; /* one for each peer given, in their order */
};

/* The score of one peer; exposed for tests. */
uint64_t place_score(uint64_t seed, uint32_t peer_no);

/* `peers` sorted by number.  Holders that are merely SUSPECT, DOWN (not DEAD) or PAUSED
 * stay chosen; others of those states are not newly chosen. */
struct place_result placement_choose(const struct place_ask *ask, const struct place_peer *peers,
				     size_t n, struct arena *mem);
