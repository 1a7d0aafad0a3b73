/*
 * queue.c -- what is due: wake rows, open copies, expiries.
 */
#include <assert.h>

#include "store/handle.h"

static uint32_t units_of(int64_t us, int64_t unit)
{
	int64_t n = us > 0 ? us / unit : 0;

	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

uint32_t minute_of(int64_t us)
{
	return units_of(us, US_PER_MIN);
}

uint32_t hour_of(int64_t us)
{
	return units_of(us, US_PER_H);
}

/* An array of the rows themselves into *out, a pointer to a pointer to them. */
static bool read_rows(struct store *store, const struct store_query *query, struct arena *mem,
		      void *out, size_t *n, struct err *err)
{
	struct row_list list = { .table = query->table, .mem = mem };
	size_t size = table_schema(query->table)->row_size;
	uint8_t *flat;

	if (query->limit > 0 && !store_read(store, query, row_list_add, &list, err))
		return false;
	flat = arena_array(mem, size, list.n);
	for (size_t i = 0; i < list.n; i++)
		memcpy(flat + i * size, list.at[i], size);
	memcpy(out, &flat, sizeof(flat));
	*n = list.n;
	return true;
}

/* ---- wake ------------------------------------------------------------------------------ */

bool store_wakes(struct store *store, int64_t until, const struct wake *after, size_t limit,
		 struct arena *mem, struct wake **out, size_t *n, struct err *err)
{
	struct wake last = { .minute = minute_of(until), .due_at = until };
	struct store_query query = {
		.table = TABLE_WAKE,
		.after = after,
		.n_after = after ? 5 : 0,
		.until = &last,
		.n_until = 3,
		.limit = limit,
	};

	return read_rows(store, &query, mem, out, n, err);
}

static bool write_wakes(struct store *store, const struct wake *wakes, size_t n,
			enum write_kind kind, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct store_write *writes = arena_new_array(mem, struct store_write, n);
	struct wake *rows = arena_new_array(mem, struct wake, n);

	for (size_t i = 0; i < n; i++) {
		rows[i] = wakes[i];
		rows[i].minute = minute_of(rows[i].due_at);
		writes[i] =
			(struct store_write){ .table = TABLE_WAKE, .kind = kind, .row = &rows[i] };
	}
	return n == 0 || store->ops->write(store->backend, writes, n, err);
}

bool store_wake(struct store *store, const struct wake *wakes, size_t n, struct err *err)
{
	return write_wakes(store, wakes, n, WRITE_PUT, err);
}

bool store_woken(struct store *store, const struct wake *wakes, size_t n, struct err *err)
{
	return write_wakes(store, wakes, n, WRITE_DELETE, err);
}

/* ---- copies by peer ---------------------------------------------------------------------- */

bool store_open_copies(struct store *store, uint32_t peer_no, struct slice after, size_t limit,
		       struct arena *mem, struct peer_open **out, size_t *n, struct err *err)
{
	struct peer_open key = { .peer_no = peer_no, .cid = after };
	struct store_query query = {
		.table = TABLE_PEER_OPEN,
		.equal = &key,
		.n_equal = 1,
		.after = after.len > 0 ? &key : NULL,
		.n_after = after.len > 0 ? 4 : 0,
		.limit = limit,
	};

	return read_rows(store, &query, mem, out, n, err);
}

bool store_peer_pins(struct store *store, uint32_t peer_no, uint16_t pb, uint16_t last_pb,
		     struct slice after, size_t limit, struct arena *mem, struct peer_pin **out,
		     size_t *n, struct err *err)
{
	struct peer_pin first = { .peer_no = peer_no, .pb = pb, .cid = after };
	struct peer_pin last = { .peer_no = peer_no, .pb = last_pb };
	struct store_query query = {
		.table = TABLE_PINS_BY_PEER,
		.equal = &first,
		.n_equal = 1,
		.after = &first,
		.n_after = 3,
		.until = &last,
		.n_until = 2,
		.limit = limit,
	};

	if (after.len == 0) { /* behind the bucket before it */
		query.after = pb > 0 ? &first : NULL;
		query.n_after = 2;
		first.pb = (uint16_t)(pb - 1);
	}

	return read_rows(store, &query, mem, out, n, err);
}

bool store_peer_pin(struct store *store, uint32_t peer_no, struct slice cid, struct arena *mem,
		    const struct peer_pin **out, struct err *err)
{
	const struct peer_pin key = {
		.peer_no = peer_no,
		.pb = (uint16_t)(store_bucket(store, cid) >> (BUCKET_BITS - 12)),
		.cid = cid,
	};
	const void *row;

	if (!store_row(store, TABLE_PINS_BY_PEER, &key, mem, &row, err))
		return false;
	*out = row;
	return true;
}

/* ---- expiries -------------------------------------------------------------------------------- */

bool store_expiries(struct store *store, int64_t from_us, int64_t until,
		    const struct ttl_row *after, size_t limit, struct arena *mem,
		    struct ttl_row **out, size_t *n, struct err *err)
{
	/* Behind all that expires earlier. */
	struct ttl_row first = { .ttl_bucket = hour_of(from_us), .expires_at = from_us - 1 };
	struct ttl_row last = { .ttl_bucket = hour_of(until), .expires_at = until };
	struct store_query query = {
		.table = TABLE_PIN_TTL_QUEUE,
		.after = after ? after : &first,
		.n_after = after ? table_schema(TABLE_PIN_TTL_QUEUE)->n_key : 3,
		.until = &last,
		.n_until = 3,
		.limit = limit,
	};

	return read_rows(store, &query, mem, out, n, err);
}

bool store_drop_expiries(struct store *store, int64_t before_us, struct err *err)
{
	struct ttl_row first = { 0 }, end = { .ttl_bucket = hour_of(before_us) };

	return store->ops->drop(store->backend, TABLE_PIN_TTL_QUEUE, &first, &end, 1, err);
}
