#include "model/origin_filter.h"

#include <arpa/inet.h>

#include "model/excerpt.h"

#define V4_BITS 96 /* of ::ffff:0:0/96, where IPv4 addresses lie */

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

/* IANA's special-purpose registries, with multicast; a row that is met first
 * counts.  The nets of IPv6 outside 2000::/3 are refused as a whole. */
static const struct special {
	struct ip_net net;
	const char *what;
} specials[] = {
#define V4(a, b, c, bits, what)                                                          \
	{                                                                                \
		{ { { [10] = 0xff, [11] = 0xff, a, b, c, 0 } }, V4_BITS + (bits) }, what \
	}
#define V6(a, b, c, d, e, f, bits, what)                   \
	{                                                  \
		{ { { a, b, c, d, e, f } }, (bits) }, what \
	}
	V4(0, 0, 0, 8, "this network"),
	V4(10, 0, 0, 8, "private"),
	V4(100, 64, 0, 10, "carrier-grade NAT"),
	V4(127, 0, 0, 8, "loopback"),
	V4(169, 254, 0, 16, "link-local"),
	V4(172, 16, 0, 12, "private"),
	V4(192, 0, 0, 24, "protocol assignments"),
	V4(192, 0, 2, 24, "documentation"),
	V4(192, 88, 99, 24, "6to4 relays"),
	V4(192, 168, 0, 16, "private"),
	V4(198, 18, 0, 15, "benchmarks"),
	V4(198, 51, 100, 24, "documentation"),
	V4(203, 0, 113, 24, "documentation"),
	V4(224, 0, 0, 4, "multicast"),
	V4(240, 0, 0, 4, "reserved"),
	V6(0x20, 0x01, 0x0d, 0xb8, 0, 0, 32, "documentation"),
	V6(0x20, 0x01, 0x00, 0x00, 0, 0, 23, "protocol assignments"),
	V6(0x3f, 0xff, 0x00, 0x00, 0, 0, 20, "documentation"),
	V6(0xfc, 0x00, 0x00, 0x00, 0, 0, 7, "private"),
	V6(0xfe, 0x80, 0x00, 0x00, 0, 0, 10, "link-local"),
	V6(0xfe, 0xc0, 0x00, 0x00, 0, 0, 10, "site-local"),
	V6(0xff, 0x00, 0x00, 0x00, 0, 0, 8, "multicast"),
	V6(0x00, 0x64, 0xff, 0x9b, 0, 1, 48, "local NAT64"),
	{ { { { [15] = 1 } }, 128 }, "loopback" },
#undef V4
#undef V6
};

static const struct ip_net global_v6 = { { { 0x20 } }, 3 };
static const struct ip_net mapped_v4 = { { { [10] = 0xff, [11] = 0xff } }, V4_BITS };

/* IPv6 nets whose addresses lead to the IPv4 address that stands in them. */
static const struct tunnel {
	struct ip_net net;
	unsigned at; /* where that address begins */
} tunnels[] = {
	{ { { { 0x00, 0x64, 0xff, 0x9b } }, 96 }, 12 }, /* NAT64, RFC 6052 */
	{ { { { 0x20, 0x02 } }, 16 }, 2 },              /* 6to4, RFC 3056 */
};

struct ip ip_from_v6(const uint8_t bytes[16])
{
	struct ip ip;

	memcpy(ip.bytes, bytes, sizeof(ip.bytes));
	return ip;
}

struct ip ip_from_v4(const uint8_t bytes[4])
{
	struct ip ip;

	memcpy(ip.bytes, v4_prefix, sizeof(v4_prefix));
	memcpy(ip.bytes + sizeof(v4_prefix), bytes, 4);
	return ip;
}

bool ip_parse(struct slice text, struct ip *out, struct err *err)
{
	char terminated[INET6_ADDRSTRLEN] = "";
	uint8_t bytes[16];

	if (text.len > 0 && text.len < sizeof(terminated) && !memchr(text.ptr, '\0', text.len))
		memcpy(terminated, text.ptr, text.len);
	if (inet_pton(AF_INET, terminated, bytes) == 1)
		*out = ip_from_v4(bytes);
	else if (inet_pton(AF_INET6, terminated, bytes) == 1)
		*out = ip_from_v6(bytes);
	else
		return err_set(err, ERR_INVALID, "\"%s\" is no IP address", excerpt(text).text);
	return true;
}

static bool prefix_eq(const struct ip *a, const struct ip *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a->bytes, b->bytes, whole) != 0)
		return false;
	return rest == 0 || (a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest) == 0;
}

bool ip_net_has(const struct ip_net *net, const struct ip *ip)
{
	if (net->bits < V4_BITS && memcmp(ip->bytes, v4_prefix, sizeof(v4_prefix)) == 0)
		return false; /* who wrote ::/0 meant IPv6 */
	return prefix_eq(&net->base, ip, net->bits);
}

/* 0 to `max`, without leading zeros. */
static bool parse_bits(struct slice text, unsigned max, unsigned *out)
{
	unsigned value = 0;

	if (text.len == 0 || text.len > 3 || (text.len > 1 && text.ptr[0] == '0'))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		value = value * 10 + (text.ptr[i] - (unsigned)'0');
	}
	*out = value;
	return value <= max;
}

static bool behind_prefix_is_zero(const struct ip *ip, unsigned bits)
{
	for (unsigned i = bits; i < 128; i++)
		if (ip->bytes[i / 8] & (0x80 >> i % 8))
			return false;
	return true;
}

bool ip_net_parse(struct slice text, struct ip_net *out, struct err *err)
{
	const uint8_t *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
	size_t len = slash ? (size_t)(slash - text.ptr) : text.len;
	struct ip_net net;
	unsigned bits, shift;

	if (!ip_parse(SLICE_OF(text.ptr, len), &net.base, err))
		return false;
	shift = memchr(text.ptr, ':', len) ? 0 : V4_BITS;
	bits = 128 - shift;
	if (slash && !parse_bits(SLICE_OF(slash + 1, text.len - len - 1), 128 - shift, &bits))
		return err_set(err, ERR_INVALID, "net \"%s\": the prefix is not 0 to %u",
			       excerpt(text).text, 128 - shift);
	net.bits = (uint8_t)(bits + shift);
	if (!behind_prefix_is_zero(&net.base, net.bits))
		return err_set(err, ERR_INVALID, "net \"%s\": bits behind the prefix are not zero",
			       excerpt(text).text);
	*out = net;
	return true;
}

static struct ip leads_to(const struct ip *ip)
{
	for (size_t i = 0; i < sizeof(tunnels) / sizeof(tunnels[0]); i++)
		if (ip_net_has(&tunnels[i].net, ip))
			return ip_from_v4(ip->bytes + tunnels[i].at);
	return *ip;
}

/* NULL: globally reachable. */
static const char *special_use(const struct ip *ip)
{
	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++)
		if (ip_net_has(&specials[i].net, ip))
			return specials[i].what;
	if (ip_net_has(&mapped_v4, ip) || ip_net_has(&global_v6, ip))
		return NULL;
	return "reserved";
}

static bool deny(const struct ip *ip, const char *what, struct err *err)
{
	bool v4 = ip_net_has(&mapped_v4, ip);
	char text[INET6_ADDRSTRLEN];

	inet_ntop(v4 ? AF_INET : AF_INET6, ip->bytes + (v4 ? sizeof(v4_prefix) : 0), text,
		  sizeof(text));
	return err_set(err, ERR_DENIED,
		       "address %s is not reachable from the Internet (%s); origins must have a "
		       "public address",
		       text, what);
}

bool origin_filter_ip(const struct ip *ip, const struct ip_net *allowed, size_t n, struct err *err)
{
	struct ip target = leads_to(ip);
	const char *what = special_use(&target);

	if (!what)
		return true;
	for (size_t i = 0; i < n; i++)
		if (ip_net_has(&allowed[i], &target))
			return true;
	return deny(ip, what, err);
}

bool origin_filter_check(const struct multiaddr *addr, const struct ip_net *allowed, size_t n,
			 struct err *err)
{
	struct slice rest = multiaddr_slice(addr);
	struct multiaddr_part part;
	bool found = false;

	while (multiaddr_next(&rest, &part)) {
		struct ip ip;

		if (part.code == MULTIADDR_IP4)
			ip = ip_from_v4(part.value.ptr);
		else if (part.code == MULTIADDR_IP6)
			ip = ip_from_v6(part.value.ptr);
		else if (part.code == MULTIADDR_UNIX || part.code == MULTIADDR_IP6ZONE ||
			 part.code == MULTIADDR_DNS || part.code == MULTIADDR_DNS4 ||
			 part.code == MULTIADDR_DNS6 || part.code == MULTIADDR_DNSADDR)
			return err_set(err, ERR_DENIED, "an origin may not be dialled by %s",
				       part.name);
		else
			continue;
		found = true;
		if (!origin_filter_ip(&ip, allowed, n, err))
			return false;
	}
	return found || err_set(err, ERR_DENIED, "an origin must have an IP address");
}
