#include "store/metered.h"

#include <string.h>

#include "base/alloc.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/cid.h"

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

/* One call of the back end. */
struct store_call {
	enum metric_store_op op;
	int64_t from;
	bool has_key;
	enum table table; /* if has_key: of the first row */
	const void *key;  /* NULL, or a row whose first n_key columns are set */
	unsigned n_key;
};

/* The CID among the key's columns; false if it has none. */
static bool key_cid(const struct store_call *call, char out[CID_TEXT_MAX])
{
	const struct table_schema *s = table_schema(call->table);
	struct cid cid;
	struct err err;

	for (unsigned i = 0; call->key && i < call->n_key; i++) {
		const struct column *c = &s->columns[i];
		const struct slice *value = (const void *)((const char *)call->key + c->offset);

		if (strcmp(c->name, "cid") != 0)
			continue;
		if (!cid_decode(*value, &cid, &err))
			return false;
		cid_text(&cid, 0, out);
		return true;
	}
	return false;
}

/* One line: of a failure always, of a success when somebody debugs, and of a disk that takes
 * nothing likewise: that was told when it began, and a line for each call would help to fill it.
 * err: NULL, or why not. */
static void log_call(const struct store_call *call, int64_t took, const struct err *err)
{
	static const char *const names[] = {
		[STORE_OP_GET] = "get",   [STORE_OP_RANGE] = "range", [STORE_OP_WRITE] = "write",
		[STORE_OP_SWAP] = "swap", [STORE_OP_DROP] = "drop",   [STORE_OP_SYNC] = "sync",
	};
	bool fault = err && outcome_of(err->code) != OUTCOME_UNAVAILABLE;
	char cid[CID_TEXT_MAX] = "-";

	if (!fault && !log_enabled(LOG_DEBUG))
		return;
	if (call->has_key)
		key_cid(call, cid);
	LOG_FIELD("operation", "%s", names[call->op]);
	LOG_FIELD("table", "%s", call->has_key ? table_schema(call->table)->name : "-");
	LOG_FIELD("cid", "%s", cid);
	LOG_FIELD("duration_us", "%lld", (long long)took);
	if (err)
		log_err(fault ? LOG_ERROR : LOG_DEBUG, err, "store");
	else
		log_debug("store");
}

static void count(struct metered *m, const struct store_call *call, const struct err *err)
{
	static const enum metric_statement statements[] = {
		[STORE_OP_GET] = STATEMENT_GET,     [STORE_OP_RANGE] = STATEMENT_RANGE,
		[STORE_OP_WRITE] = STATEMENT_BATCH, [STORE_OP_SWAP] = STATEMENT_BATCH,
		[STORE_OP_DROP] = STATEMENT_BATCH,  [STORE_OP_SYNC] = STATEMENT_FSYNC,
	};
	int64_t took = clock_mono_us(&m->clock) - call->from;
	enum metric_outcome outcome = outcome_of(err ? err->code : ERR_NONE);
	enum metric_store_op op = call->op;

	log_call(call, took, err);
	metrics_add(m->metrics, METRIC_STORE_OPS, op, outcome, 1);
	metrics_observe(m->metrics, METRIC_STORE_OP_SECONDS, op, 0, took);
	metrics_observe(m->metrics, METRIC_STORE_QUERY, statements[op], 0, took);
	if (outcome == OUTCOME_TIMEOUT)
		metrics_add(m->metrics, METRIC_STORE_TIMEOUTS, 0, 0, 1);
	if (outcome == OUTCOME_UNAVAILABLE)
		metrics_add(m->metrics, METRIC_STORE_UNAVAILABLE, 0, 0, 1);
}

static bool counted(struct metered *m, const struct store_call *call, bool ok,
		    const struct err *err)
{
	count(m, call, ok ? NULL : err);
	return ok;
}

static bool metered_write(struct store_backend *b, const struct store_write *w, size_t n,
			  struct err *err)
{
	struct metered *m = of(b);
	struct store_call call = { .op = STORE_OP_WRITE, .from = clock_mono_us(&m->clock) };

	if (n > 0) {
		call.has_key = true;
		call.table = w[0].table;
		call.key = w[0].row;
		call.n_key = table_schema(w[0].table)->n_key;
	}
	return counted(m, &call, m->inner->ops->write(m->inner, w, n, err), err);
}

static bool metered_read(struct store_backend *b, const struct store_query *q, store_row_fn *each,
			 void *ctx, struct err *err)
{
	struct metered *m = of(b);
	bool one = q->n_equal == table_schema(q->table)->n_key;
	struct store_call call = {
		.op = one ? STORE_OP_GET : STORE_OP_RANGE,
		.from = clock_mono_us(&m->clock),
		.has_key = true,
		.table = q->table,
		.key = q->equal,
		.n_key = q->n_equal,
	};

	return counted(m, &call, m->inner->ops->read(m->inner, q, each, ctx, err), err);
}

static bool metered_swap(struct store_backend *b, enum table table, const void *expected,
			 const void *row, bool *done, struct err *err)
{
	struct metered *m = of(b);
	struct store_call call = {
		.op = STORE_OP_SWAP,
		.from = clock_mono_us(&m->clock),
		.has_key = true,
		.table = table,
		.key = row ? row : expected,
		.n_key = table_schema(table)->n_key,
	};

	return counted(m, &call, m->inner->ops->swap(m->inner, table, expected, row, done, err),
		       err);
}

static bool metered_drop(struct store_backend *b, enum table table, const void *first,
			 const void *end, unsigned n, struct err *err)
{
	struct metered *m = of(b);
	struct store_call call = {
		.op = STORE_OP_DROP,
		.from = clock_mono_us(&m->clock),
		.has_key = true,
		.table = table,
		.key = first,
		.n_key = n,
	};

	return counted(m, &call, m->inner->ops->drop(m->inner, table, first, end, n, err), err);
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

	const struct store_call sync = { .op = STORE_OP_SYNC, .from = call->from };

	count(call->m, &sync, err);
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
