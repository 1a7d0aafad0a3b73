/* Where scans go on: what lies in job_cursor, and in the hands of who was shown a part. */
#include "fuzz_target.h"

#include "store/mem/store_mem.h"

#define CIDS 4
#define SEEN (4 * CIDS)

struct seen { /* the positions that a scan gave */
	struct arena *mem;
	struct slice at[SEEN];
	size_t n;
};

static void note(struct seen *seen, struct slice position)
{
	assert(seen->n < SEEN && position.len > STORE_POSITION_BUCKET);
	seen->at[seen->n++] = arena_copy(seen->mem, position);
}

static bool on_cid(void *ctx, const struct cid_view *view, struct slice position)
{
	assert(view->n_facts > 0);
	note(ctx, position);
	return true;
}

static bool on_pin(void *ctx, const struct scanned_pin *pin, struct slice position)
{
	assert(pin->request->life == REQUEST_LIVE);
	note(ctx, position);
	return true;
}

static bool scan(struct store *store, int kind, struct slice from, struct seen *seen,
		 struct err *err)
{
	struct slice all = { NULL, 0 };

	seen->n = 0;
	if (kind == 0)
		return store_scan_cids(store, 0, 1, from, on_cid, seen, err);
	if (kind == 1)
		return store_scan_readable(store, from, on_cid, seen, err);
	return store_scan(store, all, 0, 1, from, on_pin, seen, err);
}

/* What follows a position is the end of all, and from each position given the rest follows. */
static void check(struct store *store, int kind, struct slice from, struct arena *mem)
{
	struct seen all = { mem, .n = 0 }, seen = { mem, .n = 0 }, rest = { mem, .n = 0 };
	struct err err;
	bool ok = scan(store, kind, (struct slice){ NULL, 0 }, &all, &err);

	assert(ok && all.n == (kind == 2 ? 2 * CIDS : CIDS));
	if (!scan(store, kind, from, &seen, &err)) {
		assert(err.code == ERR_INVALID && from.len > 0);
		return;
	}
	assert(seen.n <= all.n);
	for (size_t i = 0; i < seen.n; i++)
		assert(slice_eq(seen.at[i], all.at[all.n - seen.n + i]));
	for (size_t i = 0; i < seen.n; i++) {
		ok = scan(store, kind, seen.at[i], &rest, &err);
		assert(ok && rest.n == seen.n - i - 1);
	}
}

/* Two pins of a CID, of two owners. */
static void add_cid(struct store *store, struct store_backend *backend, uint8_t no)
{
	uint8_t cid[] = { 1, 0x55, 0x12, 2, 0, no };
	struct fact_row rows[4];
	struct store_write writes[4];
	struct err err;
	bool ok;

	for (int i = 0; i < 4; i++) {
		rows[i] = (struct fact_row){
			.bucket = store_bucket(store, SLICE_OF(cid, sizeof(cid))),
			.fact = { .cid = SLICE_OF(cid, sizeof(cid)),
				  .owner = i < 2 ? SLICE_LIT("a") : SLICE_LIT("bob"),
				  .request_id = { { no } },
				  .kind = i % 2 ? FACT_REVISION : FACT_CREATE,
				  .mode = PIN_RECURSIVE,
				  .cid_base = i % 2 ? 0 : 'b',
				  .rf_min = i % 2,
				  .rf_max = i % 2,
				  .rev = i % 2 ? 1000 : 0 },
		};
		writes[i] = (struct store_write){ .table = TABLE_PINS_BY_CID, .row = &rows[i] };
	}
	ok = backend->ops->write(backend, writes, 4, &err);
	assert(ok);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(store_mem_free) struct store_mem *rows = store_mem_new();
	CLEANUP(arena_free) struct arena *mem = arena_new();
	CLEANUP(store_close) struct store *store = NULL;
	struct rand_seeded rand;
	struct clock clock;
	struct store_backend *backend = store_mem_attach(rows, NULL, 0, NULL);
	struct store_options options = { .clock = &clock, .rand = &rand.base };
	struct err err;
	bool ok;

	rand_init_seeded(&rand, 1); /* the same cluster key, and so buckets, for each input */
	clock_init_system(&clock);
	ok = store_open(backend, &options, &store, &err);
	assert(ok);
	for (uint8_t no = 0; no < CIDS; no++)
		add_cid(store, backend, no);
	for (int kind = 0; kind < 3; kind++)
		check(store, kind, SLICE_OF(data, size), mem);
	return 0;
}
