/*
 * reconcile.h -- decides what must happen next for one CID.  Pure: no I/O, no
 * clock, no threads; role/planner.c feeds and obeys it.
 *
 * Promises, whatever is shown:
 *  - As long as enough peers live, repeating observe -> reconcile_step() -> carry
 *    out comes to rest with exactly the copies that the requests ask for.
 *  - No copy is given up before as many as are wanted are pinned on other peers that
 *    answer, unless no request wants the CID any more.  (Where its worker said that there
 *    is none, nothing is kept: lost and not needed, or failed on a peer that is leaving.)
 *  - Shown its own result, it writes nothing and forgets nothing (design rule R9).
 *  - Two planners shown the same view decide alike but for the generation number.
 *
 * How several requests for a CID go together: each is placed by its own zones, peer
 * tags, replicas and wished peers; the desired copies are the union; a copy is recursive
 * as soon as any request is, and has the highest priority of all.  rf_max is the
 * target, rf_min what the status `pinned` needs.
 *
 * How a copy is moved (its peer is dead, draining or removed, it keeps failing, a
 * request changed its zones or peer tags, a rebalance): the replacement is desired first; the old
 * copy stays desired until its requests have all they want pinned elsewhere.  A
 * drained peer's copy is given up too when every peer that qualifies has a copy and
 * these are at least rf_min.
 */
#pragma once

#include "model/request.h"
#include "reconcile/placement.h"

struct reconcile_policy {
	uint64_t keep_free_bytes; /* left free on every peer */
	int64_t republish_us; /* > 0; an assignment without a report for so long is sent again */
	int64_t forget_us;    /* > 0; rows of settled copies that are not desired go after this */
	int64_t recheck_us;   /* > 0; look again at what cannot be satisfied now */
	/* Versions: ends below it explain no unpin, nor do expiries that a revision below it told
	 * of; 0 = all do.  What was asked for again or renewed since may have been lost. */
	uint64_t ends_from;
	bool rebalance; /* move copies to where a fresh placement would put them */
};

struct wanted_request {
	const struct request *request;
	bool wanted; /* request_wanted() */
};

struct reconcile_view { /* everything a decision may depend on */
	int64_t now_us;
	uint64_t seed;
	/* All of this CID in any order, ended ones included: an unpin is only
	 * unsuspicious when the view shows what ended. */
	const struct wanted_request *requests;
	size_t n_requests;
	const struct copy *copies; /* sorted by peer_no */
	size_t n_copies;
	const struct place_peer *peers; /* sorted by peer_no */
	size_t n_peers;
	uint64_t next_gen;     /* version_next() over all versions in the view */
	uint64_t usual_size;   /* bytes; of copies whose size is not known: see reserve.h */
	int64_t pending_until; /* us; a replaced request is looked at again by then; 0 = none */
};

struct reconcile_plan { /* all lists sorted by peer_no, all memory from the arena */
	/* Copies whose desired half is to be written, all with gen = next_gen; the
	 * observed half is as it was in the view. */
	const struct copy *desired;
	size_t n_desired;
	/* Peers whose assignment is to be sent: every one written now (but to removed
	 * peers), and those whose worker answers but has not reported on what was written
	 * before, or not for long. */
	const uint32_t *publish;
	size_t n_publish;
	/* Peers whose row can go.  One that tells of a failure stays while a request wants
	 * the CID: nobody goes back there as long as others qualify. */
	const uint32_t *forget;
	size_t n_forget;
	/* Peers of `desired` whose pinned copy goes for a cause that is neither an end nor an
	 * expiry, nor an operator's word on the peer.  A copy that is still on its way is not
	 * counted: to give it up loses nothing, unless `ends_from` says that it may have come. */
	const uint32_t *given_up;
	size_t n_given_up;
	/* Copies that one request wants and no peer qualifies for, the most; of one that wants
	 * them everywhere, the peers that are silent. */
	unsigned missing;
	unsigned n_held; /* copies that have no place any more and wait for others to be pinned */
	int64_t next_at; /* us, > now; look again by then; 0 = only when something happens */
	const enum place_refusal *refusals; /* one for each peer: why it gets no copy */
};

/* Wakers call it when a request, a copy or a peer changed, and at next_at. */
struct reconcile_plan reconcile_step(const struct reconcile_view *view,
				     const struct reconcile_policy *policy, struct arena *mem);

/* Of a copy that keeps failing because its fetch does (STALLED, OTHER): others are tried only
 * while the content is pinned somewhere, and for so many copies of a CID at most. */
#define CHASE_MAX 3

/* When a worker tries a failed copy again: full jitter between min_us and a range
 * that doubles with each attempt, starts wider for failures that pass slowly, and
 * never exceeds max_us.  Fresh copies never wait behind those. */
struct retry_policy {
	int64_t min_us, max_us; /* 0 < min_us <= max_us */
};
/* `attempts`: failed ones so far, >= 1; `random`: any 64 bits. */
int64_t retry_delay_us(const struct retry_policy *policy, enum copy_failure failure,
		       unsigned attempts, uint64_t random);
