#include "model/multiaddr_value.h"

#include <arpa/inet.h>
#include <assert.h>

#include "model/excerpt.h"
#include "model/multibase.h"
#include "model/multihash.h"
#include "model/peer_id.h"
#include "model/utf8.h"

#define ZONE_MAX       32
#define NAME_MAX_BYTES 253 /* RFC 1035 */
#define LABEL_MAX      63
#define ONION3_ADDRESS 35
#define GARLIC32_HASH  32
#define GARLIC32_BLIND 35 /* encrypted lease sets have more than a hash */

static bool is_alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool parse_bytes(struct slice text, struct value *out, struct err *err)
{
	if (text.len > VALUE_MAX)
		return err_set(err, ERR_INVALID, "%zu bytes; at most %d are allowed", text.len,
			       VALUE_MAX);
	memcpy(out->bytes, text.ptr, text.len);
	out->len = text.len;
	return true;
}

static void print_bytes(struct slice bytes, struct buf *out)
{
	buf_add_slice(out, bytes);
}

/* Nothing. */

const struct value_kind value_none = { .size = 0 };

/* IP addresses. */

static bool parse_ip(int family, struct slice text, struct value *out, struct err *err)
{
	char terminated[INET6_ADDRSTRLEN] = "";

	if (text.len < sizeof(terminated) && !memchr(text.ptr, '\0', text.len))
		memcpy(terminated, text.ptr, text.len);
	if (inet_pton(family, terminated, out->bytes) != 1)
		return err_set(err, ERR_INVALID, "no IPv%d address", family == AF_INET ? 4 : 6);
	out->len = family == AF_INET ? 4 : 16;
	return true;
}

static void print_ip(int family, struct slice bytes, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(family, bytes.ptr, text, sizeof(text));
	buf_add_str(out, text);
}

static bool parse_ip4(struct slice text, struct value *out, struct err *err)
{
	return parse_ip(AF_INET, text, out, err);
}

static void print_ip4(struct slice bytes, struct buf *out)
{
	print_ip(AF_INET, bytes, out);
}

const struct value_kind value_ip4 = { 4, parse_ip4, NULL, print_ip4 };

static bool parse_ip6(struct slice text, struct value *out, struct err *err)
{
	return parse_ip(AF_INET6, text, out, err);
}

static void print_ip6(struct slice bytes, struct buf *out)
{
	static const uint8_t zeros[12];

	/* inet_ntop() would write ::800:1 as ::8.0.0.1, which RFC 5952 does not have. */
	if (memcmp(bytes.ptr, zeros, sizeof(zeros)) == 0 && (bytes.ptr[12] || bytes.ptr[13]))
		buf_printf(out, "::%x:%x", bytes.ptr[12] << 8 | bytes.ptr[13],
			   bytes.ptr[14] << 8 | bytes.ptr[15]);
	else
		print_ip(AF_INET6, bytes, out);
}

const struct value_kind value_ip6 = { 16, parse_ip6, NULL, print_ip6 };

static bool check_zone(struct slice bytes, struct err *err)
{
	bool ok = bytes.len > 0 && bytes.len <= ZONE_MAX;

	for (size_t i = 0; ok && i < bytes.len; i++)
		ok = bytes.ptr[i] > ' ' && bytes.ptr[i] < 0x7f && bytes.ptr[i] != '/';
	return ok || err_set(err, ERR_INVALID, "a zone is 1 to %d printable characters", ZONE_MAX);
}

const struct value_kind value_zone = { VALUE_SIZED, parse_bytes, check_zone, print_bytes };

/* Ports. */

static bool parse_port_digits(struct slice text, uint8_t out[2], struct err *err)
{
	unsigned port = 0;
	bool ok = text.len > 0 && text.len <= 5 && (text.len == 1 || text.ptr[0] != '0');

	for (size_t i = 0; ok && i < text.len; i++) {
		ok = text.ptr[i] >= '0' && text.ptr[i] <= '9';
		port = port * 10 + (text.ptr[i] - (unsigned)'0');
	}
	if (!ok || port > UINT16_MAX)
		return err_set(err, ERR_INVALID, "a port is 0 to 65535");
	out[0] = (uint8_t)(port >> 8);
	out[1] = (uint8_t)port;
	return true;
}

static bool parse_port(struct slice text, struct value *out, struct err *err)
{
	out->len = 2;
	return parse_port_digits(text, out->bytes, err);
}

static void print_port(struct slice bytes, struct buf *out)
{
	buf_printf(out, "%u", (unsigned)bytes.ptr[0] << 8 | bytes.ptr[1]);
}

const struct value_kind value_port = { 2, parse_port, NULL, print_port };

/* Host names. */

static bool check_name(struct slice bytes, struct err *err)
{
	bool ok = bytes.len > 0 && bytes.len <= NAME_MAX_BYTES;
	size_t label = 0;

	for (size_t i = 0; ok && i < bytes.len; i++) {
		uint8_t c = bytes.ptr[i];

		if (c == '.') {
			ok = label > 0;
			label = 0;
		} else {
			ok = (is_alnum(c) || c == '-' || c == '_') && ++label <= LABEL_MAX;
		}
	}
	if (!ok || label == 0)
		return err_set(err, ERR_INVALID,
			       "a host name is labels of 1 to %d letters, digits, - and _ with "
			       "dots between them (others as xn--...)",
			       LABEL_MAX);
	return true;
}

const struct value_kind value_name = { VALUE_SIZED, parse_bytes, check_name, print_bytes };

/* Peers. */

static bool parse_peer(struct slice text, struct value *out, struct err *err)
{
	struct peer_id id;

	return peer_id_parse(text, &id, err) && parse_bytes(peer_id_slice(&id), out, err);
}

static bool check_peer(struct slice bytes, struct err *err)
{
	struct peer_id id;

	return peer_id_decode(bytes, &id, err);
}

static void print_peer(struct slice bytes, struct buf *out)
{
	char text[PEER_ID_TEXT_MAX];
	struct peer_id id;
	struct err err;

	if (!peer_id_decode(bytes, &id, &err))
		assert(!"an address that was never decoded");
	buf_add(out, text, peer_id_text(&id, text));
}

const struct value_kind value_peer = { VALUE_SIZED, parse_peer, check_peer, print_peer };

/* Paths. */

static bool check_unix_path(struct slice bytes, struct err *err)
{
	if (bytes.len < 2 || bytes.ptr[0] != '/' || bytes.ptr[bytes.len - 1] == '/')
		return err_set(err, ERR_INVALID, "the path of a socket is expected");
	return utf8_check(bytes, NULL, err);
}

const struct value_kind value_unix_path = { VALUE_TAIL, parse_bytes, check_unix_path, print_bytes };

static bool is_unreserved(uint8_t c) /* RFC 3986 */
{
	return is_alnum(c) || (c && strchr("-._~", c));
}

static int hex_value(uint8_t c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)((at - digits) % 16) : -1;
}

static bool parse_http_path(struct slice text, struct value *out, struct err *err)
{
	out->len = 0;
	for (size_t i = 0; i < text.len; i++) {
		int byte = is_unreserved(text.ptr[i]) ? text.ptr[i] : -1;

		if (text.ptr[i] == '%' && text.len - i > 2) {
			int high = hex_value(text.ptr[i + 1]), low = hex_value(text.ptr[i + 2]);

			byte = high < 0 || low < 0 ? -1 : high * 16 + low;
			i += 2;
		}
		if (byte < 0 || out->len == VALUE_MAX)
			return err_set(err, ERR_INVALID,
				       "a path is at most %d bytes, percent-encoded but for "
				       "letters, digits and - . _ ~",
				       VALUE_MAX);
		out->bytes[out->len++] = (uint8_t)byte;
	}
	return true;
}

static bool check_http_path(struct slice bytes, struct err *err)
{
	return bytes.len > 0 || err_set(err, ERR_INVALID, "a path is expected");
}

static void print_http_path(struct slice bytes, struct buf *out)
{
	for (size_t i = 0; i < bytes.len; i++)
		if (is_unreserved(bytes.ptr[i]))
			buf_add_byte(out, bytes.ptr[i]);
		else
			buf_printf(out, "%%%02X", bytes.ptr[i]);
}

const struct value_kind value_http_path = { VALUE_SIZED, parse_http_path, check_http_path,
					    print_http_path };

/* Hashes of certificates. */

static bool parse_certhash(struct slice text, struct value *out, struct err *err)
{
	return multibase_decode(text, out->bytes, &out->len, err);
}

static bool check_certhash(struct slice bytes, struct err *err)
{
	struct multihash hash;

	if (bytes.len > MULTIBASE_BYTES_MAX)
		return err_set(err, ERR_INVALID, "%zu bytes; at most %d are allowed", bytes.len,
			       MULTIBASE_BYTES_MAX);
	return multihash_decode(bytes, &hash, err);
}

static void print_certhash(struct slice bytes, struct buf *out)
{
	char text[MULTIBASE_TEXT_MAX];

	buf_add(out, text, multibase_encode('u', bytes, text));
}

const struct value_kind value_certhash = { VALUE_SIZED, parse_certhash, check_certhash,
					   print_certhash };

/* Hidden services. */

static bool parse_onion3(struct slice text, struct value *out, struct err *err)
{
	const uint8_t *colon = memchr(text.ptr, ':', text.len);
	size_t address = colon ? (size_t)(colon - text.ptr) : text.len;

	if (!multibase_decode_digits('b', SLICE_OF(text.ptr, address), out->bytes, &out->len, err))
		return false;
	if (!colon || out->len != ONION3_ADDRESS)
		return err_set(err, ERR_INVALID,
			       "56 base32 digits, a colon and a port are expected");
	out->len += 2;
	return parse_port_digits(SLICE_OF(colon + 1, text.len - address - 1),
				 out->bytes + ONION3_ADDRESS, err);
}

static bool check_onion3(struct slice bytes, struct err *err)
{
	return bytes.ptr[ONION3_ADDRESS] || bytes.ptr[ONION3_ADDRESS + 1] ||
	       err_set(err, ERR_INVALID, "port 0 of a hidden service");
}

static void print_onion3(struct slice bytes, struct buf *out)
{
	char text[MULTIBASE_DIGITS_MAX + 1];

	buf_add(out, text, multibase_encode_digits('b', SLICE_OF(bytes.ptr, ONION3_ADDRESS), text));
	buf_add_byte(out, ':');
	print_port(SLICE_OF(bytes.ptr + ONION3_ADDRESS, 2), out);
}

const struct value_kind value_onion3 = { ONION3_ADDRESS + 2, parse_onion3, check_onion3,
					 print_onion3 };

static bool parse_garlic32(struct slice text, struct value *out, struct err *err)
{
	return multibase_decode_digits('b', text, out->bytes, &out->len, err);
}

static bool check_garlic32(struct slice bytes, struct err *err)
{
	if (bytes.len == GARLIC32_HASH ||
	    (bytes.len >= GARLIC32_BLIND && bytes.len <= MULTIBASE_BYTES_MAX))
		return true;
	return err_set(err, ERR_INVALID, "%zu bytes; allowed are %d, or %d to %d", bytes.len,
		       GARLIC32_HASH, GARLIC32_BLIND, MULTIBASE_BYTES_MAX);
}

static void print_garlic32(struct slice bytes, struct buf *out)
{
	char text[MULTIBASE_DIGITS_MAX + 1];

	buf_add(out, text, multibase_encode_digits('b', bytes, text));
}

const struct value_kind value_garlic32 = { VALUE_SIZED, parse_garlic32, check_garlic32,
					   print_garlic32 };
