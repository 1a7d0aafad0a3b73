/*
 * request.h -- a pin request as facts that are written once.
 *
 * Somebody's wish to have a CID kept is a few rows that are only ever
 * inserted: its creation (rev 0), a revision for each change of what may change
 * (always the whole set, the first one written together with the creation), and
 * its end.  request_fold() tells from the rows what holds now; any order, any
 * repetition and any loss of a suffix of the rows gives the state that those
 * rows alone describe.
 *
 *	rows  = create(rev 0), revision(rev > 0)..., end(rev > 0)...
 *	state = the newest revision
 *	        ended by its owner:     final, outranks every other end
 *	        ended by TTL:           only if the newest revision is the one it judged,
 *	                                so renewing always beats expiring
 *	        ended by replacement:   gone for its owner, but its copies stay wanted until
 *	                                the replacing request is pinned, ended or failed for 24 h
 *
 * Rows without their creation do not exist.  Ids and revisions are never used
 * again.  Pure: no clock, no I/O.
 */
#pragma once

#include "model/copy.h"
#include "model/pin.h"
#include "model/ulid.h"

enum fact_kind {
	FACT_CREATE = 0,
	FACT_REVISION = 1,
	FACT_END = 2,
};

enum end_cause {
	END_NONE = 0,
	END_BY_OWNER = 1,
	END_BY_TTL = 2,
	END_BY_REPLACEMENT = 3,
};

/* One row.  Columns that a kind does not use are zero. */
struct fact {
	struct slice cid; /* binary */
	struct slice owner;
	struct ulid request_id;
	uint64_t rev; /* 0 for FACT_CREATE, else made by version_next() */
	uint8_t kind; /* enum fact_kind */

	/* FACT_CREATE */
	int64_t created_at;            /* us; what the API shows, unique per owner */
	uint8_t mode;                  /* enum pin_mode */
	uint8_t cid_base;              /* multibase character of the text as given; 'Q' for v0 */
	struct slice_list origins;     /* multiaddrs, text, as given */
	struct slice_list allocations; /* peer ids wished, text */
	struct slice pin_proto;        /* ipfs-cluster's api.pb.Pin it came from, or empty */

	/* FACT_REVISION: always the whole set */
	struct slice name;
	struct pair_list meta;
	struct slice_list tags;  /* sorted, unique */
	int32_t rf_min, rf_max;  /* 1..PIN_REPLICAS_MAX or both REPLICAS_EVERYWHERE */
	int32_t priority;        /* -100..100, higher first, 0 normal */
	int64_t expires_at;      /* us; 0 = never */
	struct slice_list zones; /* zones the copies may lie in; empty = any */
	int64_t retry_at;        /* us; when its owner last asked to try again at once; 0 = never */
	struct slice_list peer_tags; /* what a peer must have all of to hold a copy */

	/* FACT_END */
	uint8_t cause;           /* enum end_cause */
	uint64_t judged_rev;     /* END_BY_TTL: the revision whose expiry had passed */
	struct ulid replaced_by; /* END_BY_REPLACEMENT */
	struct slice reason;     /* for people */
};

enum request_life {
	REQUEST_ABSENT, /* no creation row (yet): does not exist */
	REQUEST_LIVE,
	REQUEST_REPLACED, /* ended for its owner; see `replaced_by` */
	REQUEST_ENDED,
};

/* What holds; points into the facts it was folded from. */
struct request {
	enum request_life life;
	const struct fact *create;   /* NULL if REQUEST_ABSENT */
	const struct fact *revision; /* the newest; NULL if there is none */
	const struct fact *end;      /* the one that counts; NULL if live */
	uint64_t last_rev;           /* the highest of all its facts: when it last changed */
};

/* Folds the facts of ONE request, in any order, with repetitions.  A request
 * whose creation came without any revision is absent too: they are written
 * together, and only a reader that sees half of that write can notice. */
struct request request_fold(const struct fact *facts, size_t n);

/* True if a request that has the revision `newer` folds alike without `fact`, whatever other
 * facts are still to come: an older revision, or a TTL's end that judged one. */
bool fact_outdone(const struct fact *fact, uint64_t newer);

/* Splits `facts`, which may belong to many requests of one CID in any order,
 * and folds each.  *out is an array in `mem`, ordered by owner, then id, with
 * absent requests left out. */
size_t requests_fold(const struct fact *facts, size_t n, struct arena *mem, struct request **out);

/* True while the copies of `r` have to be kept: live, or replaced and its
 * replacement is neither pinned nor ended nor failed for `give_up_us`.
 * `replacement` is what the caller found under the id that replaced it; NULL if it was not
 * looked up: then it counts as not yet pinned. */
struct replacement {
	bool known; /* false: could not be read; keep the copies */
	bool ended;
	enum pin_status status;
	int64_t failing_since; /* us; 0 = not failing */
};
bool request_wanted(const struct request *r, const struct replacement *replacement, int64_t now_us);

/* Where the peers are and what their operators call them; peers that are not listed lie in no
 * zone and have no tags. */
struct peer_zone {
	uint32_t peer_no;
	struct slice zone;
	struct slice_list tags;
};
struct peer_zones {
	const struct peer_zone *at; /* sorted by peer_no */
	size_t n;
};

/* That of a peer; empty: none. */
struct peer_zone peer_zone(struct peer_zones zones, uint32_t peer_no);

/* When a request was made, in us: its `created` may lie up to a second ahead of the clock
 * (store_new_request_id()), and then a revision, `rev`, tells. */
static inline int64_t request_made_at(int64_t created_at, uint64_t rev)
{
	return rev < (uint64_t)created_at ? (int64_t)rev : created_at;
}

/* May copies lie in `zone` on a peer with `tags`: `zones` names none or this one, and the peer has
 * all of `peer_tags`. */
bool zone_allowed(struct slice_list zones, struct slice_list peer_tags, struct slice zone,
		  struct slice_list tags);

/* True if a copy there counts for `r`. */
bool request_allows(const struct request *r, const struct peer_zone *where);

/* The copies of a CID as one request sees them: those it may count on are desired and
 * lie where it allows.  A direct copy is never pinned for a recursive request.  What failed
 * before the request was made, or its owner asked to try again, failed for others: for it
 * the copy is yet to be tried. */
struct request_copies {
	unsigned desired, pinned;
	unsigned failed; /* not pinned; failed 5 times, for 24 h, or because the content is denied,
			  * under the generation that holds */
	unsigned tried;  /* neither: being fetched, or failed less often */
	uint64_t size;   /* bytes of the DAG by any copy; 0 = not known */
};
struct request_copies request_copies(const struct request *r, const struct copy *copies, size_t n,
				     struct peer_zones zones, int64_t now_us);

/*
 * The status of a request that is not absent, by the copies that its own constraints
 * allow.  The first line that holds:
 *
 *	expiring  pinned, as the next line says, and now_us >= expires_at - expiring_us
 *	pinned    rf_min copies (for "everywhere": every desired copy, at least one) are pinned
 *	failed    every desired copy that is not pinned has failed, and there is one; copies
 *	          that no peer could be found for do not hold this up
 *	pinning   some copy is pinned, being fetched or has been tried
 *	queued    otherwise
 */
enum pin_status request_status(const struct request *r, const struct copy *copies, size_t n,
			       struct peer_zones zones, int64_t now_us, int64_t expiring_us);
/* The same for copies that were counted already. */
enum pin_status request_copies_status(const struct request *r, struct request_copies count,
				      int64_t now_us, int64_t expiring_us);

#define COPY_FAILED_ATTEMPTS   5
#define COPY_FAILED_US         (24 * INT64_C(3600000000))
#define REPLACEMENT_GIVE_UP_US (24 * INT64_C(3600000000))

/* A deep copy of `fact` in `mem`. */
struct fact fact_copy(struct arena *mem, const struct fact *fact);
