/*
 * placement.h -- which peers should hold a CID.  Pure and deterministic.
 *
 * Peers are ranked for each CID by rendezvous hashing (Thaler, Ravishankar 1998):
 * score = hash(CID, peer), best first.  So every planner ranks alike without
 * talking, load spreads evenly, and when a peer comes or goes only the copies
 * that must move do.  Peers are picked one after the other, each time the best by
 *
 *	1. what is there: a pinned copy, a copy on its way, nothing, a copy that
 *	   keeps failing (so that holders stay and little moves); one on its way by a
 *	   rebalance ranks as pinned and roomy, so that it wins as it did in the rebalance
 *	2. the peers that the request names come before others
 *	3. the zone that holds fewer of the copies picked so far (anti-affinity)
 *	4. a peer that has room yet when all copies on their way are there
 *	5. a peer that another request for the CID has picked (fewer copies in all)
 *	6. a peer where the blocks of an earlier copy probably still lie
 *	7. the better score
 *
 * A peer that would not be picked may be left out without changing the others:
 * that is why deciding twice gives the same.
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

/* A time in the future (another clock) counts as now. */
enum peer_health peer_health(int64_t last_seen_us, int64_t now_us,
			     const struct health_policy *policy);

/* Mirrors store's enum peer_wish, which pure code does not see. */
enum place_wish {
	PLACE_ACTIVE,
	PLACE_PAUSED, /* nothing new; nothing moved either, however long it is silent */
	PLACE_DRAINING,
	PLACE_FORGOTTEN,
};

struct place_peer { /* all that placement may know of a peer */
	uint32_t peer_no;
	struct slice peer_id;   /* text; what `allocations` name */
	struct slice zone;      /* peers without one lie in one zone together */
	struct slice_list tags; /* what its operator calls it */
	enum peer_health health;
	enum place_wish wish;
	uint64_t free_bytes;     /* 0 and capacity 0: not known, not limited */
	uint64_t reserved_bytes; /* promised to copies on their way whose size is known */
	uint64_t coming;         /* the other copies on their way: see reserve.h */
	uint64_t capacity_bytes;
};

/* Why a peer was left out; shown to people.  Of two reasons the later one is
 * nearer to being chosen. */
enum place_refusal {
	PLACE_OK = 0,
	PLACE_REMOVED,
	PLACE_DOWN,
	PLACE_WRONG_ZONE,
	PLACE_WRONG_TAGS,
	PLACE_DRAINED,
	PLACE_PAUSED_BY_OPERATOR,
	PLACE_SUSPECT,
	PLACE_NOT_ENOUGH_SPACE,
	PLACE_FAILING,    /* its copy keeps failing, and others fit */
	PLACE_NOT_NEEDED, /* fit, but others rank higher */
};
const char *place_refusal_text(enum place_refusal why); /* "down", "wrong zone", ... */

/* What a peer has of the CID already. */
enum place_hold {
	HOLD_NONE = 0,
	HOLD_LEFT,    /* not wanted any more, but its blocks probably still lie there */
	HOLD_PINNED,  /* pinned, and the peer answers */
	HOLD_MOVED,   /* a rebalance put it there, whether it has arrived or not */
	HOLD_COMING,  /* on its way, or pinned on a peer that is silent right now */
	HOLD_FAILING, /* wanted, but has failed for so long that others are better */
	HOLD_FAILED,  /* not wanted any more, because of that */
};
struct place_held {
	enum place_hold hold;
	bool shared; /* another request has picked it */
};

struct place_ask {
	uint64_t seed;                 /* hash of the CID's multihash under the cluster key */
	int32_t replicas;              /* target >= 1; REPLICAS_EVERYWHERE = all that qualify */
	struct slice_list zones;       /* empty = any */
	struct slice_list tags;        /* that a peer must have all of */
	struct slice_list wished;      /* peer ids to prefer */
	uint64_t size;                 /* bytes, 0 = not known */
	uint64_t usual_size;           /* bytes that one is taken to have whose size is not known */
	uint64_t keep_free_bytes;      /* left free on every peer */
	const struct place_held *held; /* one for each peer, in their order; NULL = nothing */
	bool rebalance;                /* holders that qualify rank as if they held nothing */
};

struct place_result {
	const uint32_t *peers; /* chosen, best first */
	size_t n;
	const enum place_refusal *refusals; /* one for each peer given, in their order */
};

/* The score of one peer; exposed for tests. */
uint64_t place_score(uint64_t seed, uint32_t peer_no);

/* A copy is wanted there now. */
static inline bool place_holds(enum place_hold hold)
{
	return hold == HOLD_PINNED || hold == HOLD_MOVED || hold == HOLD_COMING ||
	       hold == HOLD_FAILING;
}

/*
 * Chooses up to `replicas` of `peers`, which are sorted by number.  Everything
 * in the result lives in `mem`.
 *
 * New copies go to peers that are UP, ACTIVE, in an allowed zone, have all tags and
 * room: free - reserved >= keep_free + size, and at least one byte.
 *
 * Peers whose copy is wanted now (PINNED, MOVED, COMING, FAILING) stay chosen while they are not
 * DEAD (paused ones even then), draining, removed, in a zone that is not allowed or without a tag;
 * room no longer matters, it was promised to them.
 */
struct place_result placement_choose(const struct place_ask *ask, const struct place_peer *peers,
				     size_t n, struct arena *mem);
