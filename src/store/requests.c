/*
 * requests.c -- ids of new requests, and one request by its id or its CID.
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

bool store_creation(struct store *store, const struct owner_pin *row, struct arena *mem,
		    const struct fact **out, struct err *err)
{
	const struct fact_row key = {
		.bucket = store_bucket(store, row->cid),
		.fact = { .cid = row->cid, .owner = row->owner, .request_id = row->request_id }
	};
	const struct fact_row *stored;
	const void *found;

	if (!store_row(store, TABLE_PINS_BY_CID, &key, mem, &found, err))
		return false;
	stored = found;
	*out = stored ? &stored->fact : NULL;
	return true;
}

/* The newest live request older than `below` (NULL: of all); NULL: there is none. */
static const struct ulid *newest_live(const struct request *requests, size_t n,
				      const struct ulid *below)
{
	const struct ulid *newest = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct ulid *id = &requests[i].create->request_id;

		if (requests[i].life == REQUEST_LIVE && (!below || ulid_cmp(id, below) < 0) &&
		    (!newest || ulid_cmp(id, newest) > 0))
			newest = id;
	}
	return newest;
}

/* A request that has no row yet is passed over. */
bool store_find_cid(struct store *store, struct slice owner, struct slice cid, struct arena *mem,
		    const struct owner_pin **out, struct err *err)
{
	struct view_builder facts = { .mem = mem };
	const struct ulid *id = NULL;
	struct request *requests;
	size_t n;

	*out = NULL;
	if (!view_add_facts(store, cid, store_bucket(store, cid), owner, &facts, err))
		return false;
	n = requests_fold(facts.facts, facts.n_facts, mem, &requests);
	while (!*out && (id = newest_live(requests, n, id)))
		if (!store_find(store, owner, *id, mem, out, err))
			return false;
	return true;
}
