/*
 * cluster_pin_json.h -- pins as ipfs-cluster prints them: `ipfs-cluster-service state export`,
 * GET /allocations, `ipfs-cluster-ctl --enc=json pin ls`.
 *
 * A pin is an object with these members, written in this order:
 *
 *	replication_factor_min, replication_factor_max   -1: everywhere; 0: as configured there
 *	name
 *	mode               "recursive", "direct"; read only if there is no max_depth
 *	shard_size         bytes
 *	user_allocations   null; not read, ipfs-cluster does not keep it either
 *	expire_at          RFC 3339; 0001-01-01T00:00:00Z: never
 *	metadata           object of texts, or null
 *	pin_update         CID, or null
 *	origins            array of multiaddrs
 *	cid                the only one that must be there
 *	type               "pin", "meta-pin", "clusterdag-pin", "shard-pin", "bad-type"; none: "pin"
 *	allocations        array of peer ids
 *	max_depth          -1: recursive, 0: direct; none: as mode says, which is recursive
 *	reference          CID, or null
 *	timestamp          RFC 3339
 *
 * and before them, which ipfs-cluster passes over, if there is one:
 *
 *	owner              whose pin it is to Pinfold
 *
 * What was written is read as the same pin.  Times are whole seconds, as in ipfs-cluster's own
 * store.  Members that are not in the list are passed over, null is as if not there.  Pure.
 *
 * Source: https://github.com/ipfs-cluster/ipfs-cluster, api/types.go and cmdutils/state.go.
 */
#pragma once

#include "model/cluster_pin.h"

#define CLUSTER_PIN_JSON_MAX ((size_t)1 << 20) /* bytes of an object that are read */

/* Appends the object, without white space, and a newline; `owner` unless its ptr is NULL.
 * False: written, but the pin holds what the format has no word for, such as fields of newer
 * versions. */
bool cluster_pin_json_write(const struct cluster_pin *pin, struct slice owner, struct buf *out);

/* All of `text`; what *out points to lies in `mem`, so does *owner, whose ptr is NULL if none is
 * named.  ERR_INVALID names the member, its value and what is allowed. */
bool cluster_pin_json_read(struct slice text, struct arena *mem, struct cluster_pin *out,
			   struct slice *owner, struct err *err) MUST_CHECK;

struct cluster_pin_lines { /* a stream of objects; zeroed, it stands at the beginning */
	uint64_t passed;   /* lines that were taken */
	uint64_t line;     /* on which the last object began, from 1 */
};

/*
 * Takes the next object from the front of *rest.  It stands on one line, or is indented: then it
 * ends with the line that begins with a closing brace.  A line that begins with an opening one
 * begins an object in any case, so what is cut or damaged takes nothing else along; what is no
 * object is given as it is.  Blank lines are passed over.
 * False: *rest has no whole one, and if that is all there is (`end`), none at all.
 */
bool cluster_pin_lines_next(struct cluster_pin_lines *lines, struct slice *rest, bool end,
			    struct slice *out);
