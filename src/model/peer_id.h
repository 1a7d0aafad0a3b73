/*
 * peer_id.h -- who a libp2p node is: the multihash of its public key.
 *
 *	identity of the key, if that has at most 42 bytes     12D3Koo... (Ed25519)
 *	sha2-256 of the key                                   Qm...      (RSA)
 *
 * Text is base58btc of the multihash, or a CIDv1 with codec libp2p-key; both
 * name the same peer, so compare bytes.  Pure.
 *
 * Source: https://github.com/libp2p/specs, peer-ids.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#define PEER_ID_MAX      44 /* bytes: identity of 42 */
#define PEER_ID_TEXT_MAX 64 /* base58btc and a NUL */

struct peer_id {
	uint8_t len;
	uint8_t bytes[PEER_ID_MAX];
};

/* Either text.  ERR_INVALID names the value. */
bool peer_id_parse(struct slice text, struct peer_id *out, struct err *err);

/* The multihash, all of `bytes`. */
bool peer_id_decode(struct slice bytes, struct peer_id *out, struct err *err);

/* In base58btc, with a NUL; returns the length. */
size_t peer_id_text(const struct peer_id *id, char out[PEER_ID_TEXT_MAX]);

static inline struct slice peer_id_slice(const struct peer_id *id)
{
	return (struct slice){ id->bytes, id->len };
}
