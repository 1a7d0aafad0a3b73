#include "model/cid.h"

#include <assert.h>

#include "model/excerpt.h"
#include "model/multibase.h"
#include "model/multihash.h"
#include "model/varint.h"

#define V0_LEN      34
#define V0_TEXT_LEN 46

static_assert(CID_MAX <= MULTIBASE_BYTES_MAX, "every CID has a text");

static bool starts_as_v0(struct slice bytes)
{
	return bytes.len >= 2 && bytes.ptr[0] == MULTIHASH_SHA2_256 && bytes.ptr[1] == 32;
}

/* What is behind the version of a v1. */
static bool split_v1(struct slice bytes, uint64_t *codec, struct slice *hash, struct err *err)
{
	struct multihash parts;
	uint64_t version;

	if (!varint_take(&bytes, &version, err))
		return err_wrap(err, "version");
	if (version != 1)
		return err_set(err, ERR_INVALID, "version %llu is unknown; allowed are 0 and 1",
			       (unsigned long long)version);
	if (!varint_take(&bytes, codec, err))
		return err_wrap(err, "codec");
	*hash = bytes;
	return multihash_decode(bytes, &parts, err);
}

bool cid_decode(struct slice bytes, struct cid *out, struct err *err)
{
	uint64_t codec;
	struct slice hash;

	if (bytes.len == 0)
		return err_set(err, ERR_INVALID, "cid is empty");
	if (bytes.len > CID_MAX)
		return err_set(err, ERR_INVALID, "cid has %zu bytes; at most %d are allowed",
			       bytes.len, CID_MAX);
	if (starts_as_v0(bytes)) {
		if (bytes.len != V0_LEN)
			return err_set(err, ERR_INVALID, "cid v0 has %zu bytes instead of %d",
				       bytes.len, V0_LEN);
	} else if (!split_v1(bytes, &codec, &hash, err)) {
		return err_wrap(err, "cid");
	}
	out->len = (uint8_t)bytes.len;
	memcpy(out->bytes, bytes.ptr, bytes.len);
	return true;
}

static bool parse_v0(struct slice text, struct cid *out, struct err *err)
{
	uint8_t bytes[MULTIBASE_BYTES_MAX];
	size_t len;

	if (!multibase_decode_digits('z', text, bytes, &len, err))
		return false;
	if (len != V0_LEN || !starts_as_v0(SLICE_OF(bytes, len)))
		return err_set(err, ERR_INVALID, "a v0 stands for a sha2-256 of %d bytes", V0_LEN);
	return cid_decode(SLICE_OF(bytes, len), out, err);
}

static bool parse_v1(struct slice text, struct cid *out, struct err *err)
{
	uint8_t bytes[MULTIBASE_BYTES_MAX];
	size_t len;

	if (!multibase_decode(text, bytes, &len, err))
		return false;
	if (starts_as_v0(SLICE_OF(bytes, len)))
		return err_set(err, ERR_INVALID,
			       "a v0 has no multibase character; write it as Qm...");
	return cid_decode(SLICE_OF(bytes, len), out, err);
}

/* What somebody may have meant who wrote something that cannot be a CID. */
static bool check_start(struct slice text, struct err *err)
{
	if (text.len >= 2 && memcmp(text.ptr, "Qm", 2) == 0)
		return err_set(err, ERR_INVALID,
			       "a CIDv0 is Qm and %d more base58 characters, %d in all; this has "
			       "%zu",
			       V0_TEXT_LEN - 2, V0_TEXT_LEN, text.len);
	if (text.len > 8 && memcmp(text.ptr, "12D3KooW", 8) == 0)
		return err_set(err, ERR_INVALID, "that is a peer id, the name of a node");
	if (!multibase_known((char)text.ptr[0]))
		return err_set(err, ERR_INVALID,
			       "no CID begins with \"%s\"; one looks like bafybei... or Qm...",
			       excerpt(SLICE_OF(text.ptr, 1)).text);
	return true;
}

bool cid_parse(struct slice text, struct cid *out, char *base, struct err *err)
{
	bool v0 = text.len == V0_TEXT_LEN && memcmp(text.ptr, "Qm", 2) == 0;

	if (text.len == 0)
		return err_set(err, ERR_INVALID, "cid is empty");
	if (text.len >= CID_TEXT_MAX)
		return err_set(err, ERR_INVALID,
			       "cid \"%s\": %zu characters; at most %d are allowed",
			       excerpt(text).text, text.len, CID_TEXT_MAX - 1);
	/* A slash is a digit of base64 alone. */
	if (text.ptr[0] == '/' || memchr(text.ptr, ':', text.len) ||
	    (text.ptr[0] != 'm' && memchr(text.ptr, '/', text.len)))
		return err_set(err, ERR_INVALID, "cid \"%s\": a path or URL; give the CID alone",
			       excerpt(text).text);
	if (!(v0 ? parse_v0(text, out, err) : check_start(text, err) && parse_v1(text, out, err)))
		return err_wrap(err, "cid \"%s\"", excerpt(text).text);
	if (base)
		*base = v0 ? CID_BASE_V0 : (char)text.ptr[0];
	return true;
}

size_t cid_text(const struct cid *cid, char base, char out[CID_TEXT_MAX])
{
	char text[MULTIBASE_TEXT_MAX];
	size_t n;

	if (cid_version(cid) == 0)
		n = multibase_encode_digits('z', cid_slice(cid), text);
	else
		n = multibase_encode(multibase_known(base) ? base : 'b', cid_slice(cid), text);
	assert(n < CID_TEXT_MAX);
	memcpy(out, text, n + 1);
	return n;
}

unsigned cid_version(const struct cid *cid)
{
	assert(cid->len > 0);
	return starts_as_v0(cid_slice(cid)) ? 0 : 1;
}

uint64_t cid_codec(const struct cid *cid)
{
	uint64_t codec = CODEC_DAG_PB;
	struct slice hash;
	struct err err;

	if (cid_version(cid) == 1 && !split_v1(cid_slice(cid), &codec, &hash, &err))
		assert(!"a cid that was never decoded");
	return codec;
}

struct slice cid_multihash(const struct cid *cid)
{
	struct slice hash = cid_slice(cid);
	uint64_t codec;
	struct err err;

	if (cid_version(cid) == 1 && !split_v1(cid_slice(cid), &codec, &hash, &err))
		assert(!"a cid that was never decoded");
	return hash;
}

bool cid_check_pinnable(const struct cid *cid, struct err *err)
{
	char text[CID_TEXT_MAX];
	struct multihash hash;

	if (!multihash_decode(cid_multihash(cid), &hash, err))
		return false;
	if (multihash_check_verifiable(&hash, err))
		return true;
	cid_text(cid, 0, text);
	return err_wrap(err, "cid \"%s\"", excerpt(slice_str(text)).text);
}
