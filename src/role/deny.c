#include "role/deny.h"

#include <openssl/sha.h>

void deny_digest(const struct cid *cid, uint8_t out[DENY_DIGEST_LEN])
{
	struct slice multihash = cid_multihash(cid);

	SHA256(multihash.ptr, multihash.len, out);
}

bool deny_find(struct store *store, const struct cid *cid, struct arena *mem,
	       const struct deny **out, struct err *err)
{
	uint8_t digest[DENY_DIGEST_LEN];
	struct deny key = { .digest = SLICE_OF(digest, sizeof(digest)) };
	const void *found;

	deny_digest(cid, digest);
	if (!store_row(store, TABLE_DENY_LIST, &key, mem, &found, err))
		return false;
	*out = found;
	return true;
}

bool deny_add(struct store *store, const struct deny *row, struct arena *mem, bool *added,
	      struct err *err)
{
	const void *found;
	bool done = false;

	while (!done) {
		if (!store_row(store, TABLE_DENY_LIST, row, mem, &found, err) ||
		    !store_swap_row(store, TABLE_DENY_LIST, found, row, &done, err))
			return false;
		*added = found == NULL;
	}
	return true;
}

bool deny_remove(struct store *store, struct slice digest, struct arena *mem, bool *removed,
		 struct err *err)
{
	struct deny key = { .digest = digest };
	const void *found;
	bool done = false;

	while (!done) {
		if (!store_row(store, TABLE_DENY_LIST, &key, mem, &found, err))
			return false;
		*removed = found != NULL;
		if (!found)
			return true;
		if (!store_swap_row(store, TABLE_DENY_LIST, found, NULL, &done, err))
			return false;
	}
	return true;
}
