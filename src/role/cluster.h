/*
 * cluster.h -- what a worker may ask and tell, instead of the store itself.
 *
 * A worker holds no store credentials.  It joins as a peer, reports its health, asks
 * for its open assignments after a start or a lost message (pin.sync), for what it
 * should hold to compare with its node, and takes the last look before it removes
 * anything.  No answer means: do not remove.
 *
 * In one process this is a thin layer over the store.
 */
#pragma once

#include "bus/bus.h"
#include "role/peers.h"
#include "store/store.h"

struct cluster;

/* `watch`, borrowed: of the process. */
struct cluster *cluster_new(struct store *store, struct clock *clock, struct peer_watch *watch,
			    unsigned instance);
void cluster_free(struct cluster *cluster); /* NULL is fine */
DEFINE_CLEANUP(struct cluster, cluster_free)

/* The number of the peer, the same for ever. */
bool cluster_join(struct cluster *cluster, struct slice peer_id, uint32_t *peer_no,
		  struct err *err) MUST_CHECK;

struct peer_report { /* the worker's half of a peer's row */
	uint32_t peer_no;
	struct slice_list addresses;
	struct slice url, agent, down_reason;
	uint64_t free_bytes, used_bytes, capacity_bytes;
	int64_t last_seen, compared_at;
};
bool cluster_report(struct cluster *cluster, const struct peer_report *report,
		    struct err *err) MUST_CHECK;

/* Says where the node stands, when the operator has not said so yet. */
bool cluster_introduce(struct cluster *cluster, uint32_t peer_no, struct slice zone,
		       struct slice_list tags, struct err *err) MUST_CHECK;

/* The peer's assignments that are not settled, as BUS_PIN_ASSIGN messages in `mem`, by CID
 * after `after`; fewer than `limit` means the end.  One that cannot be read has gen 0. */
bool cluster_sync(struct cluster *cluster, uint32_t peer_no, struct slice after, size_t limit,
		  struct arena *mem, struct bus_msg **out, size_t *n, struct err *err) MUST_CHECK;

/* The peer's copy of one CID as an assignment, settled or not; *found false if it has none. */
bool cluster_assignment(struct cluster *cluster, struct slice cid, uint32_t peer_no,
			struct arena *mem, struct bus_msg *out, bool *found,
			struct err *err) MUST_CHECK;

/* How many fetches the owner may have running on one node; 0: he has no bound of his own. */
bool cluster_owner_bound(struct cluster *cluster, struct slice owner, unsigned *out,
			 struct err *err) MUST_CHECK;

/* Addresses of the other peers that are alive, to keep the nodes connected. */
bool cluster_neighbours(struct cluster *cluster, uint32_t peer_no, struct arena *mem,
			struct slice_list *out, struct err *err) MUST_CHECK;

/* What the peer should hold, a page: store_peer_pins(). */
bool cluster_holdings(struct cluster *cluster, uint32_t peer_no, uint16_t pb, uint16_t last_pb,
		      struct slice after, size_t limit, struct arena *mem, struct peer_pin **out,
		      size_t *n, struct err *err) MUST_CHECK;

/* The entry of the deny list that forbids to fetch this CID, in `mem`, or NULL. */
bool cluster_denied(struct cluster *cluster, const struct cid *cid, struct arena *mem,
		    const struct deny **out, struct err *err) MUST_CHECK;
/* How often that list was changed, or more; 0: never, and it is empty. */
bool cluster_deny_changes(struct cluster *cluster, uint64_t *n, struct err *err) MUST_CHECK;

/* The last look before an unpin: is there any request that wants this CID kept here?
 * Answers from what is durable.  Compares with the copy's desired half too: a peer that
 * has been given the copy again must not lose it.  Of a request that wants the CID, but not
 * necessarily here, enough other copies have to be pinned on peers that answer now.  Orders from
 * before a restore of the store are not followed while its mark stands. */
bool cluster_still_wanted(struct cluster *cluster, struct slice cid, uint32_t peer_no, bool *wanted,
			  struct err *err) MUST_CHECK;
