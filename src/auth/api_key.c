#include "auth/api_key.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/attr.h"

#define PREFIX  "pinfold_live_"
#define CRC_LEN 6

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static const struct {
	enum key_scope scope;
	const char *name;
	unsigned allows;
} scopes_by_power[] = {
	{ SCOPE_ADMIN, "admin", SCOPE_READ | SCOPE_WRITE | SCOPE_ADMIN | SCOPE_METRICS },
	{ SCOPE_WRITE, "write", SCOPE_READ | SCOPE_WRITE },
	{ SCOPE_READ, "read", SCOPE_READ },
	{ SCOPE_METRICS, "metrics", SCOPE_METRICS },
};

bool key_scope_allows(unsigned scopes, enum key_scope wanted)
{
	unsigned allowed = 0;

	for (size_t i = 0; i < ARRAY_LEN(scopes_by_power); i++) {
		if (scopes & scopes_by_power[i].scope)
			allowed |= scopes_by_power[i].allows;
	}
	return allowed & wanted;
}

const char *key_scope_name(unsigned scopes)
{
	for (size_t i = 0; i < ARRAY_LEN(scopes_by_power); i++) {
		if (scopes & scopes_by_power[i].scope)
			return scopes_by_power[i].name;
	}
	return "none";
}

bool key_scope_parse(struct slice text, enum key_scope *out)
{
	for (size_t i = 0; i < ARRAY_LEN(scopes_by_power); i++) {
		if (slice_eq_str(text, scopes_by_power[i].name)) {
			*out = scopes_by_power[i].scope;
			return true;
		}
	}
	return false;
}

static uint32_t crc32(struct slice bytes) /* IEEE 802.3, reflected; four bits at once */
{
	static const uint32_t of[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < bytes.len; i++) {
		crc ^= bytes.ptr[i];
		crc = crc >> 4 ^ of[crc & 15];
		crc = crc >> 4 ^ of[crc & 15];
	}
	return ~crc;
}

static void crc_text(struct slice bytes, char out[CRC_LEN])
{
	uint32_t crc = crc32(bytes);

	for (size_t i = CRC_LEN; i-- > 0; crc /= 62)
		out[i] = base62[crc % 62];
}

static void random_text(struct rand *rand, char *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = base62[rand_below(rand, 62)];
}

void api_key_make(struct rand *rand, const struct slice *id, struct api_key_text *out)
{
	const size_t prefix = sizeof(PREFIX) - 1;
	char *to = out->text;

	memcpy(to, PREFIX, prefix);
	to += prefix;
	out->id = SLICE_OF(to, API_KEY_ID_LEN);
	if (id) {
		assert(id->len == API_KEY_ID_LEN);
		memcpy(to, id->ptr, id->len);
	} else {
		random_text(rand, to, API_KEY_ID_LEN);
	}
	to += API_KEY_ID_LEN;
	*to++ = '_';
	out->secret = SLICE_OF(to, API_KEY_SECRET_LEN);
	random_text(rand, to, API_KEY_SECRET_LEN);
	to += API_KEY_SECRET_LEN;
	crc_text(SLICE_OF(out->text, (size_t)(to - out->text)), to + 1);
	*to = '_';
	to[1 + CRC_LEN] = '\0';
	assert(to + 1 + CRC_LEN == out->text + API_KEY_TEXT_LEN);
}

static bool between(uint8_t c, uint8_t first, uint8_t last)
{
	return first <= c && c <= last;
}

static bool is_base62(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];

		if (!between(c, '0', '9') && !between(c, 'A', 'Z') && !between(c, 'a', 'z'))
			return false;
	}
	return true;
}

bool api_key_parse(struct slice text, struct slice *id, struct slice *secret)
{
	const size_t prefix = sizeof(PREFIX) - 1;
	const uint8_t *p = text.ptr;
	char crc[CRC_LEN];

	if (text.len != API_KEY_TEXT_LEN || memcmp(p, PREFIX, prefix) != 0)
		return false;
	*id = SLICE_OF(p + prefix, API_KEY_ID_LEN);
	*secret = SLICE_OF(id->ptr + API_KEY_ID_LEN + 1, API_KEY_SECRET_LEN);
	if (id->ptr[API_KEY_ID_LEN] != '_' || secret->ptr[API_KEY_SECRET_LEN] != '_' ||
	    !is_base62(*id) || !is_base62(*secret))
		return false;
	crc_text(SLICE_OF(p, text.len - CRC_LEN - 1), crc);
	return memcmp(p + text.len - CRC_LEN, crc, CRC_LEN) == 0;
}

void api_key_hash(const uint8_t pepper[API_KEY_PEPPER_LEN], struct slice secret,
		  uint8_t out[API_KEY_HASH_LEN])
{
	unsigned len = API_KEY_HASH_LEN;
	const uint8_t *done =
		HMAC(EVP_sha256(), pepper, API_KEY_PEPPER_LEN, secret.ptr, secret.len, out, &len);

	assert(done && len == API_KEY_HASH_LEN);
}

bool api_key_hash_eq(const uint8_t a[API_KEY_HASH_LEN], const uint8_t b[API_KEY_HASH_LEN])
{
	return CRYPTO_memcmp(a, b, API_KEY_HASH_LEN) == 0;
}
