#include "model/peer_id.h"

#include <assert.h>

#include "model/cid.h"
#include "model/excerpt.h"
#include "model/multibase.h"
#include "model/multihash.h"

#define INLINE_KEY_MAX 42 /* bytes of a key that stands in the id itself */
#define SHA2_256_LEN   32

bool peer_id_decode(struct slice bytes, struct peer_id *out, struct err *err)
{
	struct multihash hash;
	bool ok;

	if (!multihash_decode(bytes, &hash, err))
		return err_wrap(err, "peer id");
	if (hash.code == MULTIHASH_IDENTITY)
		ok = hash.digest.len > 0 && hash.digest.len <= INLINE_KEY_MAX;
	else
		ok = hash.code == MULTIHASH_SHA2_256 && hash.digest.len == SHA2_256_LEN;
	if (!ok)
		return err_set(err, ERR_INVALID,
			       "peer id: neither a key of 1 to %d bytes nor the sha2-256 of one",
			       INLINE_KEY_MAX);
	out->len = (uint8_t)bytes.len;
	memcpy(out->bytes, bytes.ptr, bytes.len);
	return true;
}

static bool parse_cid(struct slice text, struct peer_id *out, struct err *err)
{
	struct cid cid;

	if (!cid_parse(text, &cid, NULL, err))
		return err_wrap(err, "peer id");
	if (cid_codec(&cid) != CODEC_LIBP2P_KEY)
		return err_set(err, ERR_INVALID,
			       "peer id \"%s\": a CID of codec 0x%llx; only libp2p-key (0x72) is "
			       "a peer id",
			       excerpt(text).text, (unsigned long long)cid_codec(&cid));
	return peer_id_decode(cid_multihash(&cid), out, err);
}

bool peer_id_parse(struct slice text, struct peer_id *out, struct err *err)
{
	uint8_t bytes[MULTIBASE_BYTES_MAX];
	size_t len;

	if (text.len == 0)
		return err_set(err, ERR_INVALID, "peer id is empty");
	if (text.ptr[0] != 'Q' && text.ptr[0] != '1')
		return parse_cid(text, out, err);
	if (!multibase_decode_digits('z', text, bytes, &len, err) ||
	    !peer_id_decode(SLICE_OF(bytes, len), out, err))
		return err_wrap(err, "\"%s\"", excerpt(text).text);
	return true;
}

size_t peer_id_text(const struct peer_id *id, char out[PEER_ID_TEXT_MAX])
{
	char text[MULTIBASE_DIGITS_MAX + 1];
	size_t n = multibase_encode_digits('z', peer_id_slice(id), text);

	assert(n < PEER_ID_TEXT_MAX);
	memcpy(out, text, n + 1);
	return n;
}
