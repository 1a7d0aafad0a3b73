#include "lib/failing_store.h"

#include "base/attr.h"

static struct failing_store *of(struct store_backend *b)
{
	return CONTAINER_OF(b, struct failing_store, base);
}

enum verdict { GOES, FAILS_BEFORE, FAILS_AFTER };

static enum verdict judge(struct failing_store *f)
{
	if (++f->calls != f->fail_at)
		return GOES;
	return f->after ? FAILS_AFTER : FAILS_BEFORE;
}

static bool before(struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "made to fail");
}

static bool after(struct err *err)
{
	return err_set(err, ERR_TIMEOUT, "made to fail after all");
}

static bool write_once(struct failing_store *f, const struct store_write *w, size_t n,
		       struct err *err)
{
	enum verdict verdict = judge(f);

	if (verdict == FAILS_BEFORE)
		return before(err);
	return f->inner->ops->write(f->inner, w, n, err) && (verdict == GOES || after(err));
}

static bool failing_write(struct store_backend *b, const struct store_write *w, size_t n,
			  struct err *err)
{
	struct failing_store *f = of(b);

	if (f->ops.lock)
		return write_once(f, w, n, err);
	for (size_t i = 0; i < n; i++)
		if (!write_once(f, &w[i], 1, err))
			return false;
	return true;
}

struct guarded_read {
	const struct failing_store *f;
	enum table table;
	store_row_fn *each;
	void *ctx;
	bool met;
};

static bool is_bad(const struct failing_store *f, enum table table, const void *row)
{
	const struct fact *fact = &((const struct fact_row *)row)->fact;

	if (table == TABLE_PLACEMENTS_BY_CID)
		return slice_eq(((const struct copy_row *)row)->cid, f->bad_copy);
	if (table == TABLE_PINS_BY_PEER)
		return slice_eq(((const struct peer_pin *)row)->cid, f->bad_pin);
	if (table == TABLE_DENY_LIST)
		return slice_eq(((const struct deny *)row)->digest, f->bad_deny);
	return slice_eq(fact->cid, f->bad_cid) && (f->bad_rev == 0 || fact->rev == f->bad_rev);
}

static bool unless_bad(void *ctx, const void *row)
{
	struct guarded_read *r = ctx;

	r->met = is_bad(r->f, r->table, row);
	return !r->met && r->each(r->ctx, row);
}

static bool may_be_bad(const struct failing_store *f, enum table table)
{
	return (table == TABLE_PINS_BY_CID && f->bad_cid.len > 0) ||
	       (table == TABLE_PLACEMENTS_BY_CID && f->bad_copy.len > 0) ||
	       (table == TABLE_PINS_BY_PEER && f->bad_pin.len > 0) ||
	       (table == TABLE_DENY_LIST && f->bad_deny.len > 0);
}

static bool failing_read(struct store_backend *b, const struct store_query *q, store_row_fn *each,
			 void *ctx, struct err *err)
{
	struct failing_store *f = of(b);

	if (judge(f) != GOES)
		return before(err);
	if (f->before_read)
		f->before_read(f->ctx, q->table);
	if (may_be_bad(f, q->table)) {
		struct guarded_read r = { .f = f, .table = q->table, .each = each, .ctx = ctx };

		if (!f->inner->ops->read(f->inner, q, unless_bad, &r, err))
			return false;
		return !r.met || err_set(err, ERR_CORRUPT, "made unreadable");
	}
	return f->inner->ops->read(f->inner, q, each, ctx, err);
}

static bool failing_swap(struct store_backend *b, enum table table, const void *expected,
			 const void *row, bool *done, struct err *err)
{
	struct failing_store *f = of(b);
	enum verdict verdict = judge(f);

	if (verdict == FAILS_BEFORE)
		return before(err);
	return f->inner->ops->swap(f->inner, table, expected, row, done, err) &&
	       (verdict == GOES || after(err));
}

static bool failing_drop(struct store_backend *b, enum table table, const void *first,
			 const void *end, unsigned n, struct err *err)
{
	struct failing_store *f = of(b);
	enum verdict verdict = judge(f);

	if (verdict == FAILS_BEFORE)
		return before(err);
	return f->inner->ops->drop(f->inner, table, first, end, n, err) &&
	       (verdict == GOES || after(err));
}

static void failing_lock(struct store_backend *b, const uint32_t *buckets, size_t n)
{
	of(b)->inner->ops->lock(of(b)->inner, buckets, n);
}

static void failing_unlock(struct store_backend *b, const uint32_t *buckets, size_t n)
{
	of(b)->inner->ops->unlock(of(b)->inner, buckets, n);
}

static void failing_close(struct store_backend *b UNUSED)
{
}

static uint64_t failing_mark(struct store_backend *b)
{
	return of(b)->inner->ops->mark(of(b)->inner);
}

static void failing_when_durable(struct store_backend *b, uint64_t mark, store_durable_fn *fn,
				 void *ctx)
{
	struct err err;

	if (!atomic_load(&of(b)->no_sync)) {
		of(b)->inner->ops->when_durable(of(b)->inner, mark, fn, ctx);
		return;
	}
	err_set(&err, ERR_NO_SPACE, "made to fail to sync");
	fn(ctx, &err);
}

static bool failing_verify(struct store_backend *b, bool (*go_on)(void *ctx), void *ctx,
			   struct err *err)
{
	return of(b)->inner->ops->verify(of(b)->inner, go_on, ctx, err);
}

static bool failing_backup(struct store_backend *b, const char *dir, struct err *err)
{
	return of(b)->inner->ops->backup(of(b)->inner, dir, err);
}

static void failing_counters(struct store_backend *b, struct store_counters *out)
{
	of(b)->inner->ops->counters(of(b)->inner, out);
}

void failing_store_init(struct failing_store *f, struct store_backend *inner)
{
	bool serial = inner->ops->lock != NULL;

	*f = (struct failing_store){
		.ops = {
			.name = "failing",
			.lock = serial ? failing_lock : NULL,
			.unlock = serial ? failing_unlock : NULL,
			.close = failing_close,
			.write = failing_write,
			.read = failing_read,
			.swap = failing_swap,
			.drop = failing_drop,
			.mark = failing_mark,
			.when_durable = failing_when_durable,
			.verify = failing_verify,
			.backup = failing_backup,
			.counters = failing_counters,
		},
		.inner = inner,
	};
	f->base.ops = &f->ops;
}
