#include "role/op_log.h"

#include <assert.h>

#include "store/schema.h"

#define CLAIM_TRIES 8 /* each failed one means that somebody else moved the row on */

/* Decides what to do with a row that is there; true if `next` is to be stored over it. */
static bool judge(const struct op_dedup *there, struct op_dedup *next, int64_t now_us,
		  int64_t dead_us, enum op_claim *out)
{
	if (there->expires_at <= now_us) {
		*out = OP_CLAIMED;
		return true;
	}
	if (!slice_eq(there->fingerprint, next->fingerprint)) {
		*out = OP_REUSED;
		return false;
	}
	if (there->state == OP_DONE) {
		*out = OP_REPLAY;
		return false;
	}
	if (there->until > now_us && there->until - OP_RUN_US >= dead_us) {
		*out = OP_IN_USE;
		return false;
	}
	next->request_id = there->request_id;
	next->expires_at = there->expires_at;
	*out = OP_TAKEN_OVER;
	return true;
}

bool op_claim(struct store *store, struct op_dedup *row, int64_t now_us, int64_t dead_us,
	      struct arena *mem, enum op_claim *out, struct err *err)
{
	for (unsigned i = 0; i < CLAIM_TRIES; i++) {
		struct op_dedup next = *row;
		const void *found;
		bool done = false;

		if (!store_row(store, TABLE_OP_DEDUP, row, mem, &found, err))
			return false;
		next.state = OP_RUNNING;
		next.until = now_us + OP_RUN_US;
		next.expires_at = now_us + OP_KEEP_US;
		*out = OP_CLAIMED;
		if (found && !judge(found, &next, now_us, dead_us, out)) {
			*row = *(const struct op_dedup *)found;
			return true;
		}
		if (!store_swap_row(store, TABLE_OP_DEDUP, found, &next, &done, err))
			return false;
		if (done) {
			*row = next;
			return true;
		}
	}
	*out = OP_IN_USE;
	return true;
}

bool op_finish(struct store *store, const struct op_dedup *claimed, uint16_t http_status,
	       struct slice result, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct op_dedup *there = claimed;
	struct op_dedup next = *claimed;
	const void *found;
	bool done = false;

	assert(claimed->state == OP_RUNNING);
	next.state = OP_DONE;
	next.until = 0;
	next.http_status = http_status;
	next.result = result;
	for (unsigned i = 0; i < CLAIM_TRIES && !done; i++) {
		if (!store_swap_row(store, TABLE_OP_DEDUP, there, &next, &done, err))
			return false;
		if (done)
			break;
		if (!store_row(store, TABLE_OP_DEDUP, claimed, mem, &found, err))
			return false;
		there = found;
		if (!there || there->state != OP_RUNNING ||
		    !slice_eq(there->fingerprint, claimed->fingerprint))
			break; /* somebody else has finished it, or it has expired */
	}
	return true;
}

bool op_release(struct store *store, const struct op_dedup *claimed, bool maybe_done,
		struct err *err)
{
	struct op_dedup next = *claimed;
	bool done;

	assert(claimed->state == OP_RUNNING);
	next.until = 0;
	return store_swap_row(store, TABLE_OP_DEDUP, claimed, maybe_done ? &next : NULL, &done,
			      err);
}

bool op_log_sweep(struct store *store, int64_t now_us, size_t limit, struct arena *mem,
		  const void **after, struct err *err)
{
	const void **rows;
	size_t n;
	bool done;

	if (!store_rows(store, TABLE_OP_DEDUP, *after, limit, mem, &rows, &n, err))
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct op_dedup *row = rows[i];

		if (row->expires_at <= now_us &&
		    !store_swap_row(store, TABLE_OP_DEDUP, row, NULL, &done, err))
			return false;
	}
	*after = n == limit ? rows[n - 1] : NULL;
	return true;
}
