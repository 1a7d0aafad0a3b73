#include "store/metered.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/clock.h"

struct metered {
	struct store_backend base;
	struct store_ops ops; /* those of `inner`, but for what it cannot do */
	struct store_backend *inner;
	struct metrics *metrics;
	struct clock clock;
};

static struct metered *of(struct store_backend *b)
{
	return CONTAINER_OF(b, struct metered, base);
}

static enum metric_outcome outcome_of(enum err_code code)
{
	switch (code) {
	case ERR_NONE:
		return OUTCOME_OK;
	case ERR_TIMEOUT:
		return OUTCOME_TIMEOUT;
	case ERR_UNAVAILABLE:
	case ERR_NO_SPACE:
		return OUTCOME_UNAVAILABLE;
	case ERR_INVALID:
	case ERR_DENIED:
	case ERR_EXHAUSTED:
	case ERR_CORRUPT:
	case ERR_CANCELED:
	case ERR_INTERNAL:
		break;
	}
	return OUTCOME_ERROR;
}

/* One call that began at `from`. */
static void count(struct metered *m, enum metric_store_op op, int64_t from, enum err_code code)
{
	static const enum metric_statement statements[] = {
		[STORE_OP_GET] = STATEMENT_GET,     [STORE_OP_RANGE] = STATEMENT_RANGE,
		[STORE_OP_WRITE] = STATEMENT_BATCH, [STORE_OP_SWAP] = STATEMENT_BATCH,
		[STORE_OP_DROP] = STATEMENT_BATCH,  [STORE_OP_SYNC] = STATEMENT_FSYNC,
	};
	int64_t took = clock_mono_us(&m->clock) - from;
	enum metric_outcome outcome = outcome_of(code);

	metrics_add(m->metrics, METRIC_STORE_OPS, op, outcome, 1);
	metrics_observe(m->metrics, METRIC_STORE_OP_SECONDS, op, 0, took);
	metrics_observe(m->metrics, METRIC_STORE_QUERY, statements[op], 0, took);
	if (outcome == OUTCOME_TIMEOUT)
		metrics_add(m->metrics, METRIC_STORE_TIMEOUTS, 0, 0, 1);
	if (outcome == OUTCOME_UNAVAILABLE)
		metrics_add(m->metrics, METRIC_STORE_UNAVAILABLE, 0, 0, 1);
}

static bool counted(struct metered *m, enum metric_store_op op, int64_t from, bool ok,
		    const struct err *err)
{
	count(m, op, from, ok ? ERR_NONE : err->code);
	return ok;
}

static bool metered_write(struct store_backend *b, const struct store_write *w, size_t n,
			  struct err *err)
{
	struct metered *m = of(b);
	int64_t from = clock_mono_us(&m->clock);
	bool ok = m->inner->ops->write(m->inner, w, n, err);

	return counted(m, STORE_OP_WRITE, from, ok, err);
}

static bool metered_read(struct store_backend *b, const struct store_query *q, store_row_fn *each,
			 void *ctx, struct err *err)
{
	struct metered *m = of(b);
	int64_t from = clock_mono_us(&m->clock);
	bool one = q->n_equal == table_schema(q->table)->n_key;
	bool ok = m->inner->ops->read(m->inner, q, each, ctx, err);

	return counted(m, one ? STORE_OP_GET : STORE_OP_RANGE, from, ok, err);
}

static bool metered_swap(struct store_backend *b, enum table table, const void *expected,
			 const void *row, bool *done, struct err *err)
{
	struct metered *m = of(b);
	int64_t from = clock_mono_us(&m->clock);
	bool ok = m->inner->ops->swap(m->inner, table, expected, row, done, err);

	return counted(m, STORE_OP_SWAP, from, ok, err);
}

static bool metered_drop(struct store_backend *b, enum table table, const void *first,
			 const void *end, unsigned n, struct err *err)
{
	struct metered *m = of(b);
	int64_t from = clock_mono_us(&m->clock);
	bool ok = m->inner->ops->drop(m->inner, table, first, end, n, err);

	return counted(m, STORE_OP_DROP, from, ok, err);
}

struct sync_call {
	struct metered *m;
	int64_t from;
	store_durable_fn *fn;
	void *ctx;
};

static void on_durable(void *ctx, const struct err *err)
{
	struct sync_call *call = ctx;

	count(call->m, STORE_OP_SYNC, call->from, err ? err->code : ERR_NONE);
	call->fn(call->ctx, err);
	xfree(call);
}

static void metered_when_durable(struct store_backend *b, uint64_t mark, store_durable_fn *fn,
				 void *ctx)
{
	struct metered *m = of(b);
	struct sync_call *call = xmalloc(sizeof(*call));

	*call = (struct sync_call){
		.m = m, .from = clock_mono_us(&m->clock), .fn = fn, .ctx = ctx
	};
	m->inner->ops->when_durable(m->inner, mark, on_durable, call);
}

/* ---- what only passes ------------------------------------------------------------------ */

static void metered_lock(struct store_backend *b, const uint32_t *buckets, size_t n)
{
	of(b)->inner->ops->lock(of(b)->inner, buckets, n);
}

static void metered_unlock(struct store_backend *b, const uint32_t *buckets, size_t n)
{
	of(b)->inner->ops->unlock(of(b)->inner, buckets, n);
}

static void metered_close(struct store_backend *b)
{
	struct metered *m = of(b);

	m->inner->ops->close(m->inner);
	xfree(m);
}

static uint64_t metered_mark(struct store_backend *b)
{
	return of(b)->inner->ops->mark(of(b)->inner);
}

static bool metered_verify(struct store_backend *b, bool (*go_on)(void *ctx), void *ctx,
			   struct err *err)
{
	return of(b)->inner->ops->verify(of(b)->inner, go_on, ctx, err);
}

static bool metered_backup(struct store_backend *b, const char *dir, struct err *err)
{
	return of(b)->inner->ops->backup(of(b)->inner, dir, err);
}

static void metered_counters(struct store_backend *b, struct store_counters *out)
{
	of(b)->inner->ops->counters(of(b)->inner, out);
}

struct store_backend *store_metered(struct store_backend *inner, struct metrics *metrics)
{
	struct metered *m = xcalloc(1, sizeof(*m));
	bool serial = inner->ops->lock != NULL;

	m->ops = (struct store_ops){
		.name = inner->ops->name,
		.lock = serial ? metered_lock : NULL,
		.unlock = serial ? metered_unlock : NULL,
		.close = metered_close,
		.write = metered_write,
		.read = metered_read,
		.swap = metered_swap,
		.drop = metered_drop,
		.mark = metered_mark,
		.when_durable = metered_when_durable,
		.verify = metered_verify,
		.backup = metered_backup,
		.counters = metered_counters,
	};
	m->base.ops = &m->ops;
	m->inner = inner;
	m->metrics = metrics;
	clock_init_system(&m->clock);
	return &m->base;
}
