#include "model/multiaddr.h"

#include <assert.h>

#include "model/excerpt.h"
#include "model/multiaddr_value.h"
#include "model/varint.h"

struct protocol {
	enum multiaddr_code code;
	const char *name;
	const struct value_kind *value;
};

/* Of two names of a code, the first one is printed. */
static const struct protocol protocols[] = {
	{ MULTIADDR_IP4, "ip4", &value_ip4 },
	{ MULTIADDR_IP6, "ip6", &value_ip6 },
	{ MULTIADDR_TCP, "tcp", &value_port },
	{ MULTIADDR_UDP, "udp", &value_port },
	{ MULTIADDR_P2P, "p2p", &value_peer },
	{ MULTIADDR_P2P, "ipfs", &value_peer },
	{ MULTIADDR_DNS, "dns", &value_name },
	{ MULTIADDR_DNS4, "dns4", &value_name },
	{ MULTIADDR_DNS6, "dns6", &value_name },
	{ MULTIADDR_DNSADDR, "dnsaddr", &value_name },
	{ MULTIADDR_QUIC_V1, "quic-v1", &value_none },
	{ MULTIADDR_QUIC, "quic", &value_none },
	{ MULTIADDR_WEBTRANSPORT, "webtransport", &value_none },
	{ MULTIADDR_CERTHASH, "certhash", &value_certhash },
	{ MULTIADDR_WS, "ws", &value_none },
	{ MULTIADDR_WSS, "wss", &value_none },
	{ MULTIADDR_TLS, "tls", &value_none },
	{ MULTIADDR_SNI, "sni", &value_name },
	{ MULTIADDR_HTTP, "http", &value_none },
	{ MULTIADDR_HTTPS, "https", &value_none },
	{ MULTIADDR_HTTP_PATH, "http-path", &value_http_path },
	{ MULTIADDR_P2P_CIRCUIT, "p2p-circuit", &value_none },
	{ MULTIADDR_WEBRTC_DIRECT, "webrtc-direct", &value_none },
	{ MULTIADDR_WEBRTC, "webrtc", &value_none },
	{ MULTIADDR_IP6ZONE, "ip6zone", &value_zone },
	{ MULTIADDR_UNIX, "unix", &value_unix_path },
	{ MULTIADDR_ONION3, "onion3", &value_onion3 },
	{ MULTIADDR_GARLIC32, "garlic32", &value_garlic32 },
	{ MULTIADDR_SCTP, "sctp", &value_port },
	{ MULTIADDR_DCCP, "dccp", &value_port },
	{ MULTIADDR_UTP, "utp", &value_none },
};
#define PROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))

static const struct protocol *protocol_named(struct slice name)
{
	for (size_t i = 0; i < PROTOCOLS; i++)
		if (slice_eq_str(name, protocols[i].name))
			return &protocols[i];
	return NULL;
}

static const struct protocol *protocol_coded(uint64_t code)
{
	for (size_t i = 0; i < PROTOCOLS; i++)
		if (protocols[i].code == code)
			return &protocols[i];
	return NULL;
}

static struct slice skip(struct slice s, size_t n)
{
	return SLICE_OF(s.ptr + n, s.len - n);
}

static bool check_value(const struct protocol *p, struct slice value, struct err *err)
{
	if (p->value->check && !p->value->check(value, err))
		return err_wrap(err, "%s", p->name);
	return true;
}

static bool add(struct multiaddr *addr, const void *bytes, size_t n, struct err *err)
{
	if (n > MULTIADDR_MAX - (size_t)addr->len)
		return err_set(err, ERR_INVALID, "longer than %d bytes", MULTIADDR_MAX);
	if (n > 0)
		memcpy(addr->bytes + addr->len, bytes, n);
	addr->len = (uint16_t)(addr->len + n);
	return true;
}

static bool add_varint(struct multiaddr *addr, uint64_t value, struct err *err)
{
	uint8_t bytes[VARINT_MAX];

	return add(addr, bytes, varint_put(value, bytes), err);
}

static bool add_part(struct multiaddr *addr, const struct protocol *p, struct slice value,
		     struct err *err)
{
	return add_varint(addr, p->code, err) &&
	       (p->value->size >= 0 || add_varint(addr, value.len, err)) &&
	       add(addr, value.ptr, value.len, err);
}

/* Takes "/" and what follows up to the next one. */
static bool take_text(struct slice *rest, struct slice *out, struct err *err)
{
	const uint8_t *end;

	if (rest->len == 0 || rest->ptr[0] != '/')
		return err_set(err, ERR_INVALID, "\"/\" and a value are expected");
	*rest = skip(*rest, 1);
	end = memchr(rest->ptr, '/', rest->len);
	*out = SLICE_OF(rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len);
	*rest = skip(*rest, out->len);
	return out->len > 0 || err_set(err, ERR_INVALID, "nothing between two slashes");
}

static bool take_value_text(const struct protocol *p, struct slice *rest, struct value *out,
			    struct err *err)
{
	struct slice text;

	out->len = 0;
	if (p->value->size == 0)
		return true;
	if (p->value->size == VALUE_TAIL) {
		text = *rest;
		*rest = skip(*rest, rest->len);
	} else if (!take_text(rest, &text, err)) {
		return err_wrap(err, "%s", p->name);
	}
	if (!p->value->parse(text, out, err))
		return err_wrap(err, "%s", p->name);
	return check_value(p, SLICE_OF(out->bytes, out->len), err);
}

static bool take_part_text(struct slice *rest, struct multiaddr *addr, struct err *err)
{
	const struct protocol *p;
	struct value value;
	struct slice name;

	if (!take_text(rest, &name, err))
		return false;
	p = protocol_named(name);
	if (!p)
		return err_set(err, ERR_INVALID, "protocol \"%s\" is not known",
			       excerpt(name).text);
	return take_value_text(p, rest, &value, err) &&
	       add_part(addr, p, SLICE_OF(value.bytes, value.len), err);
}

bool multiaddr_parse(struct slice text, struct multiaddr *out, struct err *err)
{
	struct multiaddr addr = { 0 };
	struct slice rest = text;

	if (text.len == 0)
		return err_set(err, ERR_INVALID, "multiaddr is empty");
	if (text.len > MULTIADDR_TEXT_MAX)
		return err_set(err, ERR_INVALID,
			       "multiaddr \"%s\": %zu characters; at most %d are allowed",
			       excerpt(text).text, text.len, MULTIADDR_TEXT_MAX);
	while (rest.len > 0)
		if (!take_part_text(&rest, &addr, err))
			return err_wrap(err, "multiaddr \"%s\"", excerpt(text).text);
	*out = addr;
	return true;
}

/* Splits the first part off; the value is not checked. */
static bool take_part(struct slice *rest, const struct protocol **p, struct slice *value,
		      struct err *err)
{
	uint64_t code, len;

	if (!varint_take(rest, &code, err))
		return false;
	*p = protocol_coded(code);
	if (!*p)
		return err_set(err, ERR_INVALID, "protocol %llu is not known",
			       (unsigned long long)code);
	if ((*p)->value->size >= 0)
		len = (uint64_t)(*p)->value->size;
	else if (!varint_take(rest, &len, err))
		return false;
	if (len > rest->len)
		return err_set(err, ERR_INVALID, "%s ends early", (*p)->name);
	*value = SLICE_OF(rest->ptr, len);
	*rest = skip(*rest, len);
	return true;
}

bool multiaddr_decode(struct slice bytes, struct multiaddr *out, struct err *err)
{
	struct slice rest = bytes, value;
	const struct protocol *p;

	if (bytes.len == 0 || bytes.len > MULTIADDR_MAX)
		return err_set(err, ERR_INVALID, "multiaddr has %zu bytes; allowed are 1 to %d",
			       bytes.len, MULTIADDR_MAX);
	while (rest.len > 0) {
		if (!take_part(&rest, &p, &value, err) || !check_value(p, value, err))
			return err_wrap(err, "multiaddr");
		if (p->value->size == VALUE_TAIL && rest.len > 0)
			return err_set(err, ERR_INVALID, "multiaddr: %s must be the last part",
				       p->name);
	}
	memcpy(out->bytes, bytes.ptr, bytes.len);
	out->len = (uint16_t)bytes.len;
	return true;
}

bool multiaddr_next(struct slice *rest, struct multiaddr_part *out)
{
	const struct protocol *p;
	struct slice value;
	struct err err;

	if (rest->len == 0)
		return false;
	if (!take_part(rest, &p, &value, &err))
		assert(!"an address that was never decoded");
	*out = (struct multiaddr_part){ .code = p->code, .name = p->name, .value = value };
	return true;
}

struct slice multiaddr_text(const struct multiaddr *addr, struct arena *mem)
{
	__attribute__((cleanup(buf_free_at_scope_end))) struct buf text = { 0 };
	struct slice rest = multiaddr_slice(addr);
	struct multiaddr_part part;

	while (multiaddr_next(&rest, &part)) {
		const struct value_kind *kind = protocol_coded(part.code)->value;

		buf_printf(&text, "/%s", part.name);
		if (kind->size == 0)
			continue;
		if (kind->size != VALUE_TAIL)
			buf_add_byte(&text, '/');
		kind->print(part.value, &text);
	}
	return arena_copy(mem, buf_slice(&text));
}

bool multiaddr_peer(const struct multiaddr *addr, struct peer_id *out)
{
	struct slice rest = multiaddr_slice(addr), value = { 0 };
	struct multiaddr_part part;
	struct err err;

	while (multiaddr_next(&rest, &part)) {
		if (part.code == MULTIADDR_P2P)
			value = part.value;
		else if (part.code == MULTIADDR_P2P_CIRCUIT)
			value = (struct slice){ 0 };
	}
	return value.len > 0 && peer_id_decode(value, out, &err);
}
