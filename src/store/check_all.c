/*
 * check_all.c -- store_check(): the whole store, CID by CID, then what no CID explains.
 *
 * Rows without a cause are searched for only in tables with another number of rows than the
 * truth gives, so a sound store is read through once.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "model/multibase.h"
#include "store/handle.h"
#include "store/orphans.h"

#define PAGE       1024
#define COUNTS_MAX 8 /* of totals that change while they are counted */

struct checking {
	struct store *store;
	bool repair;
	bool (*progress)(void *ctx, double share);
	void *ctx;
	double share;  /* of the CIDs that were seen */
	bool unwanted; /* progress() has said so */
	struct store_check *out;
	char *first;                  /* 240 bytes; empty until something is found */
	size_t expected[TABLE_COUNT]; /* rows that the truth gives */
	struct err err;               /* of a callback that gave up */
};

static void found(struct checking *c, const char *what, enum table table, struct slice cid)
{
	char hex[MULTIBASE_DIGITS_MAX + 1];

	if (c->first[0])
		return;
	multibase_encode_digits('f', SLICE_OF(cid.ptr, cid.len < 40 ? cid.len : 40), hex);
	snprintf(c->first, 240, "%s in %s, CID %s", what, table_schema(table)->name, hex);
}

/* Tells how far it is; false: nobody wants to know. */
static bool wanted(void *ctx)
{
	struct checking *c = ctx;

	c->unwanted = c->unwanted || (c->progress && !c->progress(c->ctx, c->share));
	return !c->unwanted;
}

static bool go_on(struct checking *c, struct err *err)
{
	return wanted(c) || err_set(err, ERR_CANCELED, "it was broken off");
}

/* ---- CID by CID ---------------------------------------------------------------------------- */

static bool on_cid(void *ctx, const struct cid_view *view, struct slice position)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct mended mended = { 0 };
	struct checking *c = ctx;
	struct request *requests;

	if (!cid_mend(c->store, view->cid, !c->repair, &mended, &c->err))
		return false;
	c->out->cids++;
	c->out->copies += view->n_copies;
	c->out->requests += requests_fold(view->facts, view->n_facts, mem, &requests);
	for (int t = 0; t < TABLE_COUNT; t++)
		c->expected[t] += mended.rows[t];
	if (mended.wrong > 0)
		found(c, "wrong or missing row", mended.first, view->cid);
	c->out->wrong += mended.wrong;
	if (c->repair)
		c->out->repaired += mended.wrong;
	if (c->out->cids % PAGE != 0)
		return true;
	c->share = (double)((uint32_t)position.ptr[0] << 24 | (uint32_t)position.ptr[1] << 16 |
			    (uint32_t)position.ptr[2] << 8 | position.ptr[3]) /
		   (1 << BUCKET_BITS);
	return go_on(c, &c->err);
}

/* ---- rows that no CID explains -------------------------------------------------------------- */

struct row_count {
	struct checking *c;
	size_t n;
};

static bool count_row(void *ctx, const void *row UNUSED)
{
	struct row_count *count = ctx;

	return ++count->n % PAGE != 0 || wanted(count->c);
}

/* Pages through a table. */
typedef bool page_row_fn(struct checking *c, const void *row, void *ctx, struct err *err);
static bool each_row(struct checking *c, enum table table, page_row_fn *each, void *ctx,
		     struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new(), *old = arena_new();
	const void *after = NULL, **rows;
	size_t n;

	do {
		struct arena *t = old;

		old = mem; /* `after` lies in it */
		mem = t;
		arena_reset(mem);
		if (!go_on(c, err) ||
		    !store_rows(c->store, table, after, PAGE, mem, &rows, &n, err))
			return false;
		for (size_t i = 0; i < n; i++)
			if (!each(c, rows[i], ctx, err))
				return false;
		if (n > 0)
			after = rows[n - 1];
	} while (n == PAGE);
	return true;
}

static bool on_derived_row(struct checking *c, const void *row, void *ctx, struct err *err)
{
	const size_t *i = ctx;
	bool orphan;

	if (!orphan_judge(c->store, *i, row, c->repair, &orphan, err))
		return false;
	if (!orphan)
		return true;
	c->out->orphans++;
	c->out->repaired += c->repair;
	found(c, "row without cause", orphan_table(*i), orphan_cid(*i, row));
	return true;
}

static bool check_orphans(struct checking *c, struct err *err)
{
	for (size_t i = 0; i < ORPHAN_TABLES; i++) {
		enum table table = orphan_table(i);
		struct store_query query = { .table = table };
		struct row_count count = { .c = c };

		if (!orphan_is_searched(c->store, i))
			continue;
		if (!store_read(c->store, &query, count_row, &count, err) || !go_on(c, err))
			return false;
		/* What a dry run found missing may hide as many that are too many. */
		if (count.n == c->expected[table] && (c->repair || c->out->wrong == 0))
			continue;
		if (!each_row(c, table, on_derived_row, &i, err))
			return false;
	}
	return true;
}

/* ---- totals
 * -------------------------------------------------------------------------------------- */

struct totals_sum { /* over the sign, as format_add() does: sizes are what a node says */
	uint64_t pins[STATUS_COUNT], bytes[STATUS_COUNT];
};

struct pin_sum {
	struct row_count count;
	struct totals_sum *sum;
};

static bool add_pin(void *ctx, const void *row)
{
	const struct owner_pin *pin = row;
	struct pin_sum *pins = ctx;

	pins->sum->pins[pin->status]++;
	pins->sum->bytes[pin->status] += pin->size;
	return count_row(&pins->count, row);
}

static bool subtract_total(void *ctx, const void *row)
{
	struct totals_sum *sum = ctx;
	const struct owner_total *total = row;

	sum->pins[total->status] -= (uint64_t)total->pins;
	sum->bytes[total->status] -= (uint64_t)total->bytes;
	return true;
}

/* What has to be added to the totals of an owner, as counted between two equal totals. */
static bool count_gap(struct checking *c, struct slice owner, struct totals_sum *gap,
		      struct err *err)
{
	struct store *store = c->store;
	struct owner_total total_key = { .owner = owner };
	struct owner_pin pin_key = { .owner = owner };
	struct store_query totals = { .table = TABLE_OWNER_TOTALS,
				      .equal = &total_key,
				      .n_equal = 1 };
	struct store_query pins = { .table = TABLE_OWNER_PINS, .equal = &pin_key, .n_equal = 1 };

	for (int i = 0; i < COUNTS_MAX; i++) {
		struct totals_sum before = { 0 }, after = { 0 };
		struct pin_sum pin_sum = { .count.c = c, .sum = gap };

		if (!store_read(store, &totals, subtract_total, &before, err))
			return false;
		*gap = before;
		if (!store_read(store, &pins, add_pin, &pin_sum, err) || !go_on(c, err) ||
		    !store_read(store, &totals, subtract_total, &after, err))
			return false;
		if (memcmp(&before, &after, sizeof(after)) == 0)
			return true;
	}
	memset(gap, 0, sizeof(*gap)); /* busy: nothing can be said of him now */
	return true;
}

/* Every change of his pins changes his totals, but one may undo another: a pin that was added
 * before the rows were read and removed behind them makes a gap where there is none.  So a gap
 * counts when it is found twice. */
static bool totals_gap(struct checking *c, struct slice owner, struct totals_sum *gap,
		       struct err *err)
{
	static const struct totals_sum none;
	struct totals_sum again;

	if (!count_gap(c, owner, gap, err))
		return false;
	if (memcmp(gap, &none, sizeof(none)) == 0)
		return true;
	if (!count_gap(c, owner, &again, err))
		return false;
	if (memcmp(gap, &again, sizeof(again)) != 0)
		*gap = none;
	return true;
}

static bool check_owner_totals(struct checking *c, struct slice owner, struct err *err)
{
	struct owner_total rows[STATUS_COUNT];
	struct store_write writes[STATUS_COUNT];
	struct totals_sum gap;
	size_t n = 0;

	if (!totals_gap(c, owner, &gap, err))
		return false;
	for (unsigned s = 0; s < STATUS_COUNT; s++) {
		if (gap.pins[s] == 0 && gap.bytes[s] == 0)
			continue;
		rows[n] = (struct owner_total){ .owner = owner,
						.writer = (uint16_t)c->store->options.instance,
						.status = (uint8_t)s,
						.pins = (int64_t)gap.pins[s],
						.bytes = (int64_t)gap.bytes[s] };
		writes[n] = (struct store_write){ .table = TABLE_OWNER_TOTALS,
						  .kind = WRITE_ADD,
						  .row = &rows[n] };
		n++;
	}
	if (n == 0)
		return true;
	c->out->wrong += n;
	if (!c->first[0])
		snprintf(c->first, 240, "owner_totals of %.*s are not the sum of the rows",
			 SLICE_FMT(owner));
	if (!c->repair)
		return true;
	c->out->repaired += n;
	return c->store->ops->write(c->store->backend, writes, n, err);
}

/* The owner whose rows are passing. */
struct owner_pass {
	uint8_t bytes[OWNER_MAX];
	size_t len;
};

static bool check_next_owner(struct checking *c, struct owner_pass *pass, struct slice owner,
			     struct err *err)
{
	if (slice_eq(SLICE_OF(pass->bytes, pass->len), owner))
		return true;
	if (owner.len > sizeof(pass->bytes))
		return err_set(err, ERR_CORRUPT, "an owner of %zu bytes", owner.len);
	memcpy(pass->bytes, owner.ptr, owner.len);
	pass->len = owner.len;
	return check_owner_totals(c, owner, err);
}

static bool on_pin_row(struct checking *c, const void *row, void *ctx, struct err *err)
{
	return check_next_owner(c, ctx, ((const struct owner_pin *)row)->owner, err);
}

static bool on_total_row(struct checking *c, const void *row, void *ctx, struct err *err)
{
	return check_next_owner(c, ctx, ((const struct owner_total *)row)->owner, err);
}

static bool check_totals(struct checking *c, struct err *err)
{
	struct owner_pass by_pins = { .len = 0 }, by_totals = { .len = 0 };

	if (!store_serial(c->store))
		return true; /* there they are approximate */
	return each_row(c, TABLE_OWNER_PINS, on_pin_row, &by_pins, err) &&
	       each_row(c, TABLE_OWNER_TOTALS, on_total_row, &by_totals, err);
}

/* ---- all
 * ------------------------------------------------------------------------------------------- */

bool store_check(struct store *store, bool repair, bool (*progress)(void *ctx, double share),
		 void *ctx, struct store_check *out, char first[240], struct err *err)
{
	struct checking c = { .store = store,
			      .repair = repair,
			      .progress = progress,
			      .ctx = ctx,
			      .out = out,
			      .first = first };

	memset(out, 0, sizeof(*out));
	first[0] = '\0';
	if (!store->ops->verify(store->backend, wanted, &c, err))
		return err_wrap(err, "verify");
	if (!go_on(&c, err))
		return err_wrap(err, "check");
	if (!store_scan_cids(store, 0, 1, (struct slice){ NULL, 0 }, on_cid, &c, err))
		return err_wrap(err, "check");
	if (c.err.code != ERR_NONE) {
		*err = c.err;
		return err_wrap(err, "check");
	}
	c.share = 1;
	if (!check_orphans(&c, err) || !check_totals(&c, err))
		return err_wrap(err, "check");
	return true;
}
