/*
 * state_entry.h -- one entry of the stream that ipfs-cluster's state is written to and read from.
 *
 *	entry   msgpack map of two: "k" -> key, "v" -> value; nothing before, between or behind
 *	key     the binary CID in base32, upper case, without padding
 *	value   api.pb.Pin (model/cluster_pin.h)
 *
 * Texts and bytes are both written as msgpack's `raw` of before 2013, as ipfs-cluster does
 * (https://github.com/msgpack/msgpack/blob/master/spec-old.md); each form of str and bin is
 * read, and so is any order of the two.  Pure.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "model/cid.h"

#define STATE_VALUE_MAX ((size_t)4 << 20) /* bytes of a value that are read */

void state_entry_write(struct slice cid, struct slice value, struct buf *out);

enum state_entry {
	STATE_ENTRY_WHOLE,
	STATE_ENTRY_CUT, /* the beginning of an entry; no bytes are one too */
	STATE_ENTRY_BAD,
};

/* The first entry of `in`: *used are its bytes, *value points into it.  ERR_INVALID if bad. */
enum state_entry state_entry_read(struct slice in, struct cid *cid, struct slice *value,
				  size_t *used, struct err *err);
