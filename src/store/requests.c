/*
 * requests.c -- ids of new requests, and one request by its id.
 */
#include "store/handle.h"

static bool newest_time(struct store *store, struct slice owner, int64_t *out, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct owner_pin key = { .owner = owner };
	struct row_list list = { .table = TABLE_OWNER_PINS, .mem = mem };
	struct store_query query = {
		.table = TABLE_OWNER_PINS, .equal = &key, .n_equal = 1, .limit = 1
	};

	if (!store_read(store, &query, row_list_add, &list, err))
		return false;
	*out = list.n > 0 ? ((const struct owner_pin *)list.at[0])->created_at : 0;
	return true;
}

bool store_new_request_id(struct store *store, struct slice owner, struct ulid *id,
			  int64_t *created_at, struct err *err)
{
	int64_t now = clock_wall_us(store->options.clock), newest, us;
	uint8_t random[8];

	while (!created_next(store->created, owner, now, &us)) {
		if (!newest_time(store, owner, &newest, err))
			return err_wrap(err, "newest request of %.*s", SLICE_FMT(owner));
		created_seed(store->created, owner, newest, now);
	}
	rand_fill(store->options.rand, random, sizeof(random));
	*id = ulid_make(us / US_PER_MS, (unsigned)(us % US_PER_MS), store->options.instance,
			random);
	*created_at = us;
	return true;
}

bool store_find(struct store *store, struct slice owner, struct ulid id, struct arena *mem,
		const struct owner_pin **out, struct err *err)
{
	struct owner_pin key = { .owner = owner, .period = period_of(&id), .request_id = id };
	const void *row;

	if (!store_row(store, TABLE_OWNER_PINS, &key, mem, &row, err))
		return false;
	*out = row;
	return true;
}
