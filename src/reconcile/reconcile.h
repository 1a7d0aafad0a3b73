/*
 * reconcile.h -- decides what must happen next for one CID.  Pure: no I/O, no
 * clock, no threads; role/planner.c feeds and obeys it.
 *
 * Promises, whatever is shown:
 *  - As long as enough peers live, repeating observe -> reconcile_step() -> carry
 *    out comes to rest with exactly the copies that the requests ask for.
 *  - No copy is given up before as many as are wanted are pinned elsewhere, unless
 *    no request wants the CID any more.
 *  - Shown its own result, it changes nothing (design rule R9).
 *  - Two planners shown the same view decide alike but for the generation number.
 */
#pragma once

#include "model/request.h"
#include "reconcile/placement.h"

struct reconcile_policy {
	uint64_t keep_free_bytes; /* left free on every peer */
	int64_t republish_us;     /* an assignment without a report for so long is sent again */
	int64_t forget_us;  /* settled copies that are not desired: their rows go after this */
	int64_t recheck_us; /* look again at what cannot be satisfied now */
	bool rebalance;     /* move copies to where a fresh placement would put them */
};

struct wanted_request {
	const struct request *request;
	bool wanted; /* request_wanted() */
};

struct reconcile_view { /* everything a decision may depend on */
	int64_t now_us;
	uint64_t seed;
	const struct wanted_request *requests; /* live and replaced ones of this CID */
	size_t n_requests;
	const struct copy *copies; /* sorted by peer_no */
	size_t n_copies;
	const struct place_peer *peers; /* sorted by peer_no */
	size_t n_peers;
	uint64_t next_gen;     /* version_next() over all versions in the view */
	int64_t pending_until; /* us; a replaced request is looked at again by then; 0 = none */
};

struct reconcile_plan {
	const struct copy *desired; /* desired halves to write, all with gen = next_gen */
	size_t n_desired;
	const uint32_t
		*publish; /* peers whose assignment is to be sent (again), written now or before */
	size_t n_publish;
	const uint32_t *forget; /* peers whose row can go */
	size_t n_forget;
	unsigned given_up; /* of `desired`: unpins whose cause is neither an end nor an expiry */
	unsigned missing;  /* copies wanted that no peer qualifies for */
	int64_t next_at;   /* us; look again by then; 0 = only when something happens */
	const enum place_refusal *refusals; /* one for each peer: why it gets no copy */
};

/* What to write, to publish and to forget; everything in the plan lies in `mem`. */
struct reconcile_plan reconcile_step(const struct reconcile_view *view,
				     const struct reconcile_policy *policy, struct arena *mem);

/* When a worker tries a failed copy again (full jitter within an exponential range by
 * failure class, at most max_us): fresh ones never wait behind those. */
struct retry_policy {
	int64_t min_us, max_us;
};
int64_t retry_delay_us(const struct retry_policy *policy, enum copy_failure failure,
		       unsigned attempts, uint64_t random);
