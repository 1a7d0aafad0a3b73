/*
 * multihash.h -- a digest that says which function made it.
 *
 *	varint code | varint length | digest
 *
 * Source: https://github.com/multiformats/multihash; codes of the multicodec
 * table.  Pure.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#define MULTIHASH_IDENTITY 0x00 /* the digest is the data itself */
#define MULTIHASH_SHA2_256 0x12

struct multihash {
	uint64_t code;
	struct slice digest; /* points into the bytes it was decoded from */
};

/* All of `bytes`: ERR_INVALID if the digest is shorter or longer than said.
 * Any code and any length of digest are accepted. */
bool multihash_decode(struct slice bytes, struct multihash *out, struct err *err);

/* ERR_INVALID unless Kubo accepts blocks with this hash: a function of its
 * allow-list, 20 to 128 bytes of digest (identity: 0 to 128), and not more
 * than the function makes.  Source: boxo verifcid. */
bool multihash_check_verifiable(const struct multihash *hash, struct err *err);
