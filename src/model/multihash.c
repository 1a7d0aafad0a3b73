#include "model/multihash.h"

#include "model/varint.h"

#define DIGEST_MIN 20 /* bytes; shorter ones can be forged */

/* blake2b-8 ... blake2b-512 and blake2s-8 ... blake2s-256 have a code for each length. */
#define BLAKE2B_8   0xb201
#define BLAKE2B_512 0xb240
#define BLAKE2S_8   0xb241
#define BLAKE2S_256 0xb260

struct hash_function {
	uint64_t code;
	const char *name;   /* in the multicodec table */
	uint8_t digest_max; /* bytes it makes */
};

static const struct hash_function functions[] = {
	{ MULTIHASH_SHA2_256, "sha2-256", 32 },
	{ MULTIHASH_IDENTITY, "identity", 128 },
	{ 0x11, "sha1", 20 },
	{ 0x13, "sha2-512", 64 },
	{ 0x14, "sha3-512", 64 },
	{ 0x15, "sha3-384", 48 },
	{ 0x16, "sha3-256", 32 },
	{ 0x17, "sha3-224", 28 },
	{ 0x19, "shake-256", 64 },
	{ 0x1a, "keccak-224", 28 },
	{ 0x1b, "keccak-256", 32 },
	{ 0x1c, "keccak-384", 48 },
	{ 0x1d, "keccak-512", 64 },
	{ 0x1e, "blake3", 128 },
	{ 0x56, "dbl-sha2-256", 32 },
};

/* Functions that people meet but Kubo refuses: named in the error alone. */
static const struct hash_function refused[] = {
	{ 0x18, "shake-128", 0 },
	{ 0x20, "sha2-384", 0 },
	{ 0x22, "murmur3-x64-64", 0 },
	{ 0xd4, "md4", 0 },
	{ 0xd5, "md5", 0 },
	{ 0x1012, "sha2-256-trunc254-padded", 0 },
	{ 0x1013, "sha2-224", 0 },
	{ 0x1053, "ripemd-160", 0 },
	{ 0xb401, "poseidon-bls12_381-a2-fc1", 0 },
};

bool multihash_decode(struct slice bytes, struct multihash *out, struct err *err)
{
	uint64_t code, len;

	if (!varint_take(&bytes, &code, err))
		return err_wrap(err, "hash function");
	if (!varint_take(&bytes, &len, err))
		return err_wrap(err, "digest length");
	if (len != bytes.len)
		return err_set(err, ERR_INVALID, "digest has %zu bytes where its length says %llu",
			       bytes.len, (unsigned long long)len);
	out->code = code;
	out->digest = bytes;
	return true;
}

static const struct hash_function *function_find(const struct hash_function *table, size_t n,
						 uint64_t code)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].code == code)
			return &table[i];
	return NULL;
}
#define FUNCTION_FIND(table, code) \
	function_find((table), sizeof(table) / sizeof((table)[0]), (code))

static bool refuse_function(uint64_t code, struct err *err)
{
	const struct hash_function *f = FUNCTION_FIND(refused, code);

	return err_set(err, ERR_INVALID,
		       "hash function %s (0x%llx) is not accepted by Kubo; add the content again "
		       "with sha2-256",
		       f ? f->name : "unknown", (unsigned long long)code);
}

/* The row for `code`, or one made in *blake2. */
static const struct hash_function *function_of(uint64_t code, struct hash_function *blake2)
{
	*blake2 = (struct hash_function){ .code = code };
	if (code >= BLAKE2B_8 && code <= BLAKE2B_512) {
		blake2->name = "blake2b";
		blake2->digest_max = (uint8_t)(code - BLAKE2B_8 + 1);
		return blake2;
	}
	if (code >= BLAKE2S_8 && code <= BLAKE2S_256) {
		blake2->name = "blake2s";
		blake2->digest_max = (uint8_t)(code - BLAKE2S_8 + 1);
		return blake2;
	}
	return FUNCTION_FIND(functions, code);
}

bool multihash_check_verifiable(const struct multihash *hash, struct err *err)
{
	size_t min = hash->code == MULTIHASH_IDENTITY ? 0 : DIGEST_MIN;
	struct hash_function blake2;
	const struct hash_function *f = function_of(hash->code, &blake2);

	if (!f || f->digest_max < min)
		return refuse_function(hash->code, err);
	if (hash->digest.len < min || hash->digest.len > f->digest_max)
		return err_set(err, ERR_INVALID,
			       "%s digest has %zu bytes, allowed are %zu to %u; add the content "
			       "again with the whole digest",
			       f->name, hash->digest.len, min, f->digest_max);
	return true;
}
