#include "role/deny.h"

#include <openssl/sha.h>

#include "base/log.h"

#define CHANGES     SLICE_LIT("deny.changes")
#define CHANGES_LEN 8

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

static bool find_changes(struct store *store, struct arena *mem, const struct setting **out,
			 uint64_t *n, struct err *err)
{
	const struct setting key = { .name = CHANGES };
	const void *found;

	*n = 0;
	if (!store_row(store, TABLE_SETTINGS, &key, mem, &found, err))
		return false;
	*out = found;
	if (*out && (*out)->value.len != CHANGES_LEN)
		return err_set(err, ERR_CORRUPT, "setting deny.changes has %zu bytes, not %d",
			       (*out)->value.len, CHANGES_LEN);
	for (size_t i = 0; *out && i < CHANGES_LEN; i++)
		*n = *n << 8 | (*out)->value.ptr[i];
	return true;
}

/* Entries may be older than the counter: the first change that is counted is the second. */
bool deny_changes(struct store *store, uint64_t *n, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct setting *row;
	const void **entries;
	size_t n_entries;

	if (!find_changes(store, mem, &row, n, err))
		return false;
	if (row)
		return true;
	if (!store_rows(store, TABLE_DENY_LIST, NULL, 1, mem, &entries, &n_entries, err))
		return false;
	*n = n_entries;
	return true;
}

/* After the entry: who sees the count reads the entry. */
static bool count_change(struct store *store, struct arena *mem, struct err *err)
{
	bool done = false;

	while (!done) {
		uint8_t bytes[CHANGES_LEN];
		const struct setting to = { .name = CHANGES,
					    .value = SLICE_OF(bytes, CHANGES_LEN) };
		const struct setting *was;
		uint64_t n;

		if (!find_changes(store, mem, &was, &n, err))
			return false;
		n = was ? n + 1 : 2;
		for (size_t i = 0; i < CHANGES_LEN; i++)
			bytes[i] = (uint8_t)(n >> (8 * (CHANGES_LEN - 1 - i)));
		if (!store_swap_row(store, TABLE_SETTINGS, was, &to, &done, err))
			return false;
	}
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
	return count_change(store, mem, err);
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
	/* The entry has gone, and a repetition would find none.  Not told, workers find out by
	 * themselves when they try again. */
	if (!count_change(store, mem, err))
		log_err(LOG_WARN, err, "tell that the deny list was changed");
	return true;
}
