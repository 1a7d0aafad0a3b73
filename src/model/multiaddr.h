/*
 * multiaddr.h -- addresses that say how to reach a peer, layer by layer.
 *
 *	/ip4/192.0.2.1/tcp/4001/p2p/12D3Koo...
 *	binary: for each part  varint code | value, or varint length | value
 *
 * Decoding is strict: known protocols only, values in range, no leading zeros
 * in ports, no empty part, names in ASCII.  There is one binary form, and
 * encoding it gives one text (IPv6 as RFC 5952 has it, peer ids in base58,
 * hashes of certificates in base64url, "p2p" where "ipfs" was read).  Which
 * protocols may follow which is not checked: who dials does that.  Pure.
 *
 * Source: https://github.com/multiformats/multiaddr and its protocols.csv.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "model/peer_id.h"

#define MULTIADDR_MAX      512  /* bytes */
#define MULTIADDR_TEXT_MAX 4096 /* characters that are read */

struct multiaddr {
	uint16_t len;
	uint8_t bytes[MULTIADDR_MAX];
};

enum multiaddr_code {
	MULTIADDR_IP4 = 4, /* value: 4 bytes */
	MULTIADDR_TCP = 6, /* value: 2 bytes, big-endian; so for udp, dccp, sctp */
	MULTIADDR_DCCP = 33,
	MULTIADDR_IP6 = 41, /* value: 16 bytes */
	MULTIADDR_IP6ZONE = 42,
	MULTIADDR_DNS = 53, /* value: the name; so for dns4, dns6, dnsaddr, sni */
	MULTIADDR_DNS4 = 54,
	MULTIADDR_DNS6 = 55,
	MULTIADDR_DNSADDR = 56,
	MULTIADDR_SCTP = 132,
	MULTIADDR_UDP = 273,
	MULTIADDR_WEBRTC_DIRECT = 280,
	MULTIADDR_WEBRTC = 281,
	MULTIADDR_P2P_CIRCUIT = 290,
	MULTIADDR_UTP = 302,
	MULTIADDR_UNIX = 400, /* value: the path with its first slash; always the last part */
	MULTIADDR_P2P = 421,  /* value: as peer_id.h */
	MULTIADDR_HTTPS = 443,
	MULTIADDR_ONION3 = 445,   /* value: 35 bytes of address, 2 of port */
	MULTIADDR_GARLIC32 = 447, /* value: 32 bytes, or 35 and more */
	MULTIADDR_TLS = 448,
	MULTIADDR_SNI = 449,
	MULTIADDR_QUIC = 460,
	MULTIADDR_QUIC_V1 = 461,
	MULTIADDR_WEBTRANSPORT = 465,
	MULTIADDR_CERTHASH = 466, /* value: a multihash */
	MULTIADDR_WS = 477,
	MULTIADDR_WSS = 478,
	MULTIADDR_HTTP = 480,
	MULTIADDR_HTTP_PATH = 481, /* value: the path, not percent-encoded */
};

/* ERR_INVALID names the text, the part, and what is allowed. */
bool multiaddr_parse(struct slice text, struct multiaddr *out, struct err *err);

/* All of `bytes`. */
bool multiaddr_decode(struct slice bytes, struct multiaddr *out, struct err *err);

/* The text, in `mem`, with a NUL behind it. */
struct slice multiaddr_text(const struct multiaddr *addr, struct arena *mem);

static inline struct slice multiaddr_slice(const struct multiaddr *addr)
{
	return (struct slice){ addr->bytes, addr->len };
}

struct multiaddr_part {
	enum multiaddr_code code;
	const char *name;   /* "ip4"; static storage */
	struct slice value; /* points into the address */
};

/* Takes the next part from the front of *rest, which began as
 * multiaddr_slice(); false at the end. */
bool multiaddr_next(struct slice *rest, struct multiaddr_part *out);

/* The peer at the end of the way: its last p2p part.  False if it has none, or
 * if a p2p-circuit follows it, so that it names a relay. */
bool multiaddr_peer(const struct multiaddr *addr, struct peer_id *out);
