/*
 * origin_filter.h -- which addresses may be dialled for a tenant.
 *
 * A tenant names origins, and our nodes would connect to them: without a check
 * that is a way into the networks our nodes stand in.  Allowed is what is
 * globally reachable by the IANA special-purpose registries, and what the
 * operator lists.  An IPv4 address inside an IPv6 one (mapped, NAT64, 6to4) is
 * judged as the IPv4 address it leads to.  Pure: names are resolved before.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"
#include "model/multiaddr.h"

/* IPv4 addresses as ::ffff:a.b.c.d. */
struct ip {
	uint8_t bytes[16];
};

struct ip_net {
	struct ip base;
	uint8_t bits; /* of all 128; of an IPv4 net at least 96 */
};

/* "192.0.2.1", "2001:db8::1"; no zone.  ERR_INVALID. */
bool ip_parse(struct slice text, struct ip *out, struct err *err);
struct ip ip_from_v4(const uint8_t bytes[4]);
struct ip ip_from_v6(const uint8_t bytes[16]);

/* "10.0.0.0/8", "fd00::/8", or an address alone.  Bits behind the prefix must
 * be zero: who wrote 10.1.2.3/8 meant something else.  ERR_INVALID. */
bool ip_net_parse(struct slice text, struct ip_net *out, struct err *err);

/* A net of IPv6, even ::/0, has no IPv4 address in it. */
bool ip_net_has(const struct ip_net *net, const struct ip *ip);

/* ERR_DENIED, naming the address and why, unless `ip` may be dialled: it lies
 * in one of the `n` nets `allowed` or is globally reachable. */
bool origin_filter_ip(const struct ip *ip, const struct ip_net *allowed, size_t n, struct err *err);

/* The same for each IP address in `addr`, behind relays too.  ERR_DENIED also
 * for what is no way through the Internet (unix, ip6zone), and for names,
 * which have to be resolved first. */
bool origin_filter_check(const struct multiaddr *addr, const struct ip_net *allowed, size_t n,
			 struct err *err);
