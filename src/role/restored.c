#include "role/restored.h"

#include "base/clock.h"

#define SETTING   SLICE_LIT("restored")
#define VALUE_LEN 8
#define SWAPS_MAX 10

static bool find(struct store *store, struct arena *mem, const struct setting **out,
		 struct err *err)
{
	if (!store_setting(store, SETTING, mem, out, err))
		return false;
	if (*out && (*out)->value.len != VALUE_LEN)
		return err_set(err, ERR_CORRUPT, "setting restored has %zu bytes, not %d",
			       (*out)->value.len, VALUE_LEN);
	return true;
}

/* `to` NULL: takes it off. */
static bool put(struct store *store, const struct setting *to, struct err *err)
{
	for (int i = 0; i < SWAPS_MAX; i++) {
		CLEANUP(arena_free) struct arena *mem = arena_new();
		const struct setting *was;
		bool done;

		if (!find(store, mem, &was, err))
			return false;
		if (!was && !to)
			return true;
		if (!store_swap_row(store, TABLE_SETTINGS, was, to, &done, err))
			return false;
		if (done)
			return store_sync(store, store_mark(store), err);
	}
	return err_set(err, ERR_UNAVAILABLE, "others change the mark of a restored store");
}

bool restored_mark(struct store *store, int64_t now_us, struct err *err)
{
	uint8_t bytes[VALUE_LEN];

	for (int i = 0; i < VALUE_LEN; i++)
		bytes[i] = (uint8_t)((uint64_t)now_us >> (8 * (VALUE_LEN - 1 - i)));
	return put(store, &(struct setting){ .name = SETTING, .value = SLICE_OF(bytes, VALUE_LEN) },
		   err);
}

bool restored_clear(struct store *store, struct err *err)
{
	return put(store, NULL, err);
}

bool restored_at(struct store *store, int64_t *at_us, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct setting *row;
	uint64_t at = 0;

	if (!find(store, mem, &row, err))
		return false;
	for (size_t i = 0; row && i < VALUE_LEN; i++)
		at = at << 8 | row->value.ptr[i];
	*at_us = (int64_t)at;
	return true;
}
