/*
 * rows.h -- the tables of the store, one struct a row.
 *
 * schema.h describes these structs column by column (key part, order, kind,
 * offset), and everything that has to know a table's shape works from that
 * description: the bytes of the back ends (docs/formats.md), copying and
 * comparing.  A column is added at the end of its struct and of its
 * description, never moved or given another meaning.
 *
 * Pins (`struct fact`) and copies (`struct copy`) are model types; here they get
 * the key columns that place them.
 *
 * `bucket` spreads CIDs evenly whatever tenants choose: store_bucket().  In the
 * embedded back ends `shard`, `part` and the hour of peer_open are 0: they only
 * bound the size of partitions on a cluster.
 */
#pragma once

#include "model/copy.h"
#include "model/request.h"

#define BUCKET_BITS 26

enum table {
	TABLE_PINS_BY_CID,       /* struct fact_row */
	TABLE_PLACEMENTS_BY_CID, /* struct copy_row */
	TABLE_PINS_BY_PEER,      /* struct peer_pin */
	TABLE_OWNER_PINS,        /* struct owner_pin */
	TABLE_TAGS_INDEX,        /* struct tag_pin */
	TABLE_OWNER_PARTS,       /* struct owner_part */
	TABLE_OWNER_TOTALS,      /* struct owner_total */
	TABLE_OWNERS,            /* struct owner_row */
	TABLE_PIN_TTL_QUEUE,     /* struct ttl_row */
	TABLE_WAKE,              /* struct wake */
	TABLE_PEER_OPEN,         /* struct peer_open */
	TABLE_OP_DEDUP,          /* struct op_dedup */
	TABLE_PEERS,             /* struct peer_row */
	TABLE_LEASES,            /* struct lease */
	TABLE_JOB_CURSOR,        /* struct job_cursor */
	TABLE_API_KEYS,          /* struct api_key */
	TABLE_DENY_LIST,         /* struct deny */
	TABLE_SETTINGS,          /* struct setting */
	TABLE_COUNT
};

/* ((bucket, part), cid, owner, request_id, rev) */
struct fact_row {
	uint32_t bucket;
	uint8_t part;
	struct fact fact;
};

/* ((bucket), cid, peer_no); groups: 1 desired half, 2 observed half */
#define GROUP_DESIRED  1
#define GROUP_OBSERVED 2
#define PEER_FLOOR \
	0 /* no peer: `gen` of its desired half is the version floor of the CID (derive.h) */
struct copy_row {
	uint32_t bucket;
	struct slice cid;
	struct copy copy;
};

/* ((peer_no, pb), cid): what a peer should hold or let go; pb = top 12 bits of bucket */
#define PEER_PIN_BUCKETS 4096
struct peer_pin {
	uint32_t peer_no;
	uint16_t pb;
	struct slice cid;
	uint64_t gen;
	uint8_t state; /* enum copy_state, the one that counts */
	bool desired;
	uint64_t size;
};

/* ((owner, period, shard), request_id newest first): all that a listing shows.
 * period = day of the id's time since 1970, newest first. */
struct owner_pin {
	struct slice owner;
	uint32_t period;
	uint8_t shard;
	struct ulid request_id;

	struct slice cid;
	uint8_t cid_base;
	uint8_t mode;
	uint8_t status; /* enum pin_status */
	int64_t created_at;
	uint64_t rev; /* the newest revision: the ETag */
	struct slice name;
	struct pair_list meta;
	struct slice_list tags;
	struct slice_list origins;
	struct slice_list zones;
	int32_t rf_min, rf_max, priority;
	int64_t expires_at;
	uint64_t size;      /* bytes, 0 = not known yet */
	uint16_t copies;    /* pinned ones that count for it */
	int64_t changed_at; /* us; last change of status */
	struct slice_list peer_tags;
};

/* ((owner, tag, period), request_id newest first).  `tag` is "t:<tag>", or reserved:
 * "n:<case-folded name>", "s:failed", "s:expiring". */
struct tag_pin {
	struct slice owner;
	struct slice tag;
	uint32_t period;
	struct ulid request_id;
	struct slice cid;
};

/* ((owner, index), period newest first, shard): the partitions that exist, written before
 * their first row, on clusters alone.  index: "" for owner_pins, else the tag of tags_index. */
struct owner_part {
	struct slice owner;
	struct slice index;
	uint32_t period;
	uint8_t shard;
};

/* ((owner), writer, status): numbers that are only added to */
struct owner_total {
	struct slice owner;
	uint16_t writer;
	uint8_t status;
	int64_t pins;
	int64_t bytes;
};

/* In place of a bound of an owner_row (the low half in the short ones): none, whatever the
 * program's bound for all is. */
#define OWNER_UNBOUND UINT64_MAX

/* ((owner)) */
struct owner_row {
	struct slice owner;
	bool disabled;
	int32_t rf_min, rf_max; /* defaults for silent requests; 0 = the program's */
	int64_t ttl_us;         /* 0 = none */
	int64_t ttl_max_us;     /* 0 = no bound */
	struct slice_list zones;
	int32_t priority;
	uint64_t max_pins; /* 0 = the program's, for all of these */
	uint64_t max_bytes;
	uint32_t max_requests_per_s;
	uint32_t max_fetches;
	int64_t updated_at;
	struct slice_list peer_tags; /* that nodes must have; a default, as zones */
};

/* ((ttl_bucket, shard), expires_at, cid, owner, request_id, rev); ttl_bucket = hour of expires_at
 */
struct ttl_row {
	uint32_t ttl_bucket;
	uint8_t shard;
	int64_t expires_at;
	struct slice cid;
	struct slice owner;
	struct ulid request_id;
	uint64_t rev;
};

enum wake_cause {
	WAKE_REQUEST = 1, /* a request was made, changed or ended */
	WAKE_RECHECK = 2, /* a retry, a grace or a wait is over */
	WAKE_PEER = 3,    /* a peer went or came */
};

/* ((minute, shard), due_at, cid, cause): somebody has to look at this CID by then */
struct wake {
	uint32_t minute; /* of due_at */
	uint8_t shard;
	int64_t due_at; /* us */
	struct slice cid;
	uint8_t cause; /* enum wake_cause */
};

/* ((peer_no, hour, shard), cid): copies that are not settled; what pin.sync sends */
struct peer_open {
	uint32_t peer_no;
	uint32_t hour;
	uint8_t shard;
	struct slice cid;
	uint64_t gen;
	bool desired;
	uint8_t mode;
	int32_t priority;
	struct slice owner; /* of the first request that wants it: for fairness */
	uint64_t stamp;     /* of the observed half; the worker's next is higher */
	uint16_t attempts;
	int64_t next_at;
	int64_t since; /* us; assigned_at */
};

enum op_state {
	OP_RUNNING = 1,
	OP_DONE = 2,
};

/* ((owner, op_id)); op_id = method, route, key */
struct op_dedup {
	struct slice owner;
	struct slice op_id;
	struct slice fingerprint; /* SHA-256 of what was asked */
	uint8_t state;            /* enum op_state */
	int64_t until;            /* us; a running claim may be taken over after it */
	struct ulid request_id;   /* the id to use, also by who takes over */
	uint16_t http_status;
	struct slice result; /* the body that was answered */
	int64_t expires_at;  /* us; 7 days after the claim */
};

enum peer_wish { /* what the operator wants of a peer */
		 PEER_ACTIVE = 0,
		 PEER_PAUSED = 1,   /* nothing new, nothing moved */
		 PEER_DRAINING = 2, /* everything moves away */
		 PEER_FORGOTTEN = 3,
};

/* ((peer_no)); groups: 1 the binding (once), 2 the operator's wish, 3 the worker's report */
#define GROUP_BINDING 1
#define GROUP_WISH    2
#define GROUP_REPORT  3
struct peer_row {
	uint32_t peer_no;
	struct slice peer_id; /* text */

	uint64_t wish_version;
	struct slice zone;
	struct slice_list tags;
	uint8_t wish; /* enum peer_wish */
	struct slice name;

	uint64_t report_version;
	struct slice_list addresses; /* multiaddrs ending in /p2p/<id> */
	struct slice url;            /* of the Kubo RPC, for people */
	struct slice agent;          /* "kubo/0.42.0" */
	uint64_t free_bytes, used_bytes, capacity_bytes;
	int64_t last_seen;        /* us; last answer of its Kubo */
	int64_t compared_at;      /* us; end of the last full comparison with its pin/ls */
	struct slice down_reason; /* why it does not answer; empty = it does */
};

/* ((name)) */
struct lease {
	struct slice name;
	struct slice holder;
	uint64_t epoch;
	int64_t until; /* us */
};

/* ((job), part) */
struct job_cursor {
	struct slice job;
	uint32_t part;
	struct slice position;
	uint64_t epoch;
};

/* ((key_id)) */
struct api_key {
	struct slice key_id; /* 12 base62 characters, public */
	struct slice owner;
	struct slice name;
	uint8_t scopes;         /* bits: 1 read, 2 write, 4 admin, 8 metrics */
	struct slice hash;      /* HMAC-SHA256(pepper, secret) */
	struct slice prev_hash; /* of the secret before the last rotation */
	int64_t prev_until;     /* us; the old secret is good until then */
	int64_t created_at;
	int64_t expires_at; /* us; 0 = never */
	int64_t revoked_at; /* us; 0 = not revoked */
};

/* ((digest)): SHA-256 of the CID's multihash, so that a hashed list can be loaded as it is */
struct deny {
	struct slice digest;
	struct slice reason;
	int64_t added_at;
};

/* ((name)): docs/formats.md lists them */
struct setting {
	struct slice name;
	struct slice value;
};
