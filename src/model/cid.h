/*
 * cid.h -- content identifiers, binary and text.
 *
 *	v0   12 20 | digest (32)                    "Qm..." (base58btc, 46 characters)
 *	v1   01 | varint codec | multihash          multibase
 *
 * The binary form is a pin's identity.  v0 and v1 of the same multihash are
 * different pins, because Kubo keeps them apart, so nothing here turns one into
 * the other.  What was given can be echoed: a text is accepted only if it is
 * the one canonical text of its bytes in its base, so (bytes, base) give it
 * back.  Pure.
 *
 * Source: https://github.com/multiformats/cid.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#define CID_MAX      160                   /* bytes: 1 + 3 varints + 128 of digest, and some room */
#define CID_TEXT_MAX (1 + 2 * CID_MAX + 1) /* base16, its base character and a NUL */

#define CID_BASE_V0 'Q' /* the base of a v0, which has no multibase character */

#define CODEC_RAW        0x55
#define CODEC_DAG_PB     0x70
#define CODEC_DAG_CBOR   0x71
#define CODEC_LIBP2P_KEY 0x72
#define CODEC_DAG_JSON   0x0129

struct cid {
	uint8_t len;
	uint8_t bytes[CID_MAX]; /* as decoded by one of the functions below */
};

/* A CID alone, not a path or URL.  *base (may be NULL) becomes CID_BASE_V0 or
 * the multibase character.  ERR_INVALID names the value and what is allowed. */
bool cid_parse(struct slice text, struct cid *out, char *base, struct err *err);

/* The binary form, all of `bytes`. */
bool cid_decode(struct slice bytes, struct cid *out, struct err *err);

/* The text of `cid` in `base`, as cid_parse() gave it, and a NUL; returns its
 * length.  0, or a base that does not fit the version, gives the text that
 * Kubo prints: v0 as such, v1 in base32. */
size_t cid_text(const struct cid *cid, char base, char out[CID_TEXT_MAX]);

unsigned cid_version(const struct cid *cid); /* 0 or 1 */
uint64_t cid_codec(const struct cid *cid);   /* of a v0: CODEC_DAG_PB */

/* Points into *cid. */
struct slice cid_multihash(const struct cid *cid);

static inline struct slice cid_slice(const struct cid *cid)
{
	return (struct slice){ cid->bytes, cid->len };
}

static inline bool cid_eq(const struct cid *a, const struct cid *b)
{
	return slice_eq(cid_slice(a), cid_slice(b));
}

/* ERR_INVALID if Kubo would refuse to fetch it for its hash function or the
 * length of its digest; the text names both and the remedy. */
bool cid_check_pinnable(const struct cid *cid, struct err *err);
