/*
 * cluster_pin.h -- pins as ipfs-cluster keeps them (protobuf `api.pb.Pin`), to and from facts.
 *
 * A pin that comes from there becomes a request: what facts can say is said by facts, and the
 * bytes it came as stay beside them (`pin_proto` of the creation).  On the way back each field
 * that still says what it said is taken from those bytes, the others from the facts, so what
 * Pinfold has no word for is never lost: type, reference, shard size, pin update, timestamp,
 * origins of unknown protocols, fields of newer versions.
 *
 * What ipfs-cluster has no word for (tags, priority, zones, tags of peers) does not go out.
 *
 * The message: cluster_pin.proto.  Pure.
 */
#pragma once

#include "base/buf.h"
#include "model/request.h"

struct ProtobufCMessageUnknownField;

struct cluster_unknown { /* fields that are not in the table of cluster_pin.proto */
	const struct ProtobufCMessageUnknownField *at;
	unsigned n;
};

enum cluster_pin_type { /* the numbers of the message; others are kept as they are */
			CLUSTER_BAD = 0,
			CLUSTER_PIN = 1,
			CLUSTER_META = 2,
			CLUSTER_DAG = 3,
			CLUSTER_SHARD = 4,
};

#define CLUSTER_RECURSIVE (-1) /* max_depth; 0: direct; above: so deep, of shards */

/* Every field; zero: not set.  The lists are in the order of the message. */
struct cluster_pin {
	struct slice cid;              /* binary */
	int32_t type;                  /* enum cluster_pin_type */
	struct slice_list allocations; /* binary peer ids */
	int32_t max_depth;
	struct slice reference; /* binary CID */
	int32_t rf_min, rf_max; /* -1: everywhere; 0: as configured there */
	struct slice name;      /* UTF-8, as all texts */
	uint64_t shard_size;
	struct pair_list metadata; /* of both fields of the message; sorted_metadata wins */
	struct slice pin_update;   /* binary CID */
	uint64_t expire_at;        /* s; 0: never */
	struct slice_list origins; /* binary multiaddrs */
	uint64_t timestamp;        /* s */
	struct cluster_unknown unknown, unknown_options;
};

/* All of `bytes`; what is pointed to lies in `mem`.  ERR_INVALID for what is no such
 * message, and for texts that are not UTF-8. */
bool cluster_pin_decode(struct slice bytes, struct arena *mem, struct cluster_pin *out,
			struct err *err) MUST_CHECK;
/* In the order of the field numbers, unknown fields last, metadata as sorted_metadata. */
void cluster_pin_encode(const struct cluster_pin *pin, struct buf *out);

/* Fills what the two facts of a new request can say: of `create` mode, origins and allocations,
 * of `revision` name, meta, replicas and expiry; the rest stays as it is.  A replication factor
 * of 0 becomes 1, one above PIN_REPLICAS_MAX that, a longer name is cut, more origins than
 * fit are left out: pin_proto has them.  ERR_INVALID for metadata that is too large, and for
 * factors that make no sense. */
bool cluster_pin_facts(const struct cluster_pin *pin, struct arena *mem, struct fact *create,
		       struct fact *revision, struct err *err) MUST_CHECK;

/* The pin that a request is to ipfs-cluster; points into the request and `mem`. */
struct cluster_pin cluster_pin_of(const struct request *request, struct arena *mem);
/* The same encoded; if nothing has changed these are the bytes that came. */
struct slice cluster_pin_bytes(const struct request *request, struct arena *mem);
