#include "store/kv/kv.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "store/kv/format.h"

#define KV_FEW 16 /* buckets of one call that need no memory */

static struct kv *kv_of(struct store_backend *b)
{
	return CONTAINER_OF(b, struct kv, backend);
}

/* ---- locks ---------------------------------------------------------------------- */

void kv_locks_init(struct kv_locks *locks)
{
	memset(locks, 0, sizeof(*locks));
	pthread_mutex_init(&locks->swap, NULL);
	for (size_t i = 0; i < KV_GATES; i++) {
		pthread_mutex_init(&locks->gates[i].mutex, NULL);
		pthread_cond_init(&locks->gates[i].freed, NULL);
	}
}

void kv_locks_destroy(struct kv_locks *locks)
{
	for (size_t i = 0; i < KV_STRIPES; i++)
		assert(!locks->held[i]);
	for (size_t i = 0; i < KV_GATES; i++) {
		pthread_cond_destroy(&locks->gates[i].freed);
		pthread_mutex_destroy(&locks->gates[i].mutex);
	}
	pthread_mutex_destroy(&locks->swap);
}

static int stripe_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* The stripes of some buckets in rising order, each once; *few is used if they fit. */
static uint32_t *stripes_of(const uint32_t *buckets, size_t *n, uint32_t few[KV_FEW])
{
	uint32_t *stripes = *n <= KV_FEW ? few : xcalloc(*n, sizeof(*stripes));
	size_t kept = 0;

	for (size_t i = 0; i < *n; i++)
		stripes[i] = buckets[i] % KV_STRIPES;
	if (*n > 1)
		qsort(stripes, *n, sizeof(*stripes), stripe_cmp);
	for (size_t i = 0; i < *n; i++)
		if (kept == 0 || stripes[kept - 1] != stripes[i])
			stripes[kept++] = stripes[i];
	*n = kept;
	return stripes;
}

/* Always in rising order and each stripe once, so two callers never wait for each
 * other. */
void kv_lock(struct store_backend *b, const uint32_t *buckets, size_t n)
{
	struct kv_locks *locks = kv_of(b)->locks;
	uint32_t few[KV_FEW], *stripes = stripes_of(buckets, &n, few);

	for (size_t i = 0; i < n; i++) {
		struct kv_gate *g = &locks->gates[stripes[i] % KV_GATES];

		pthread_mutex_lock(&g->mutex);
		g->waiting++;
		while (locks->held[stripes[i]])
			pthread_cond_wait(&g->freed, &g->mutex);
		g->waiting--;
		locks->held[stripes[i]] = true;
		pthread_mutex_unlock(&g->mutex);
	}
	if (stripes != few)
		xfree(stripes);
}

void kv_unlock(struct store_backend *b, const uint32_t *buckets, size_t n)
{
	struct kv_locks *locks = kv_of(b)->locks;
	uint32_t few[KV_FEW], *stripes = stripes_of(buckets, &n, few);

	for (size_t i = 0; i < n; i++) {
		struct kv_gate *g = &locks->gates[stripes[i] % KV_GATES];

		pthread_mutex_lock(&g->mutex);
		assert(locks->held[stripes[i]]);
		locks->held[stripes[i]] = false;
		if (g->waiting > 0)
			pthread_cond_broadcast(&g->freed);
		pthread_mutex_unlock(&g->mutex);
	}
	if (stripes != few)
		xfree(stripes);
}

/* ---- writing ---------------------------------------------------------------------- */

/* Changes whose bytes lie in one growing buffer: offsets until it is full. */
struct batch {
	struct buf bytes;
	struct kv_change *changes;
	size_t n;
};

static void batch_free(struct batch *batch)
{
	buf_free(&batch->bytes);
	xfree(batch->changes);
}

static inline void batch_free_at_scope_end(struct batch *batch)
{
	batch_free(batch);
}

static void batch_add(struct batch *batch, const struct store_write *w, uint8_t group)
{
	static const enum kv_kind kinds[] = {
		[WRITE_PUT] = KV_PUT,
		[WRITE_DELETE] = KV_DELETE,
		[WRITE_ADD] = KV_ADD,
	};
	struct kv_change *c = &batch->changes[batch->n++];
	size_t start = batch->bytes.len;

	*c = (struct kv_change){ w->table, kinds[w->kind], w->version };
	format_key(w->table, w->row, group, &batch->bytes);
	c->key.len = batch->bytes.len - start;
	if (w->kind != WRITE_DELETE)
		format_value(w->table, w->row, group, &batch->bytes);
	c->value.len = batch->bytes.len - start - c->key.len;
}

static void batch_seal(struct batch *batch)
{
	const uint8_t *p = batch->bytes.ptr;

	for (size_t i = 0; i < batch->n; i++) {
		batch->changes[i].key.ptr = p;
		p += batch->changes[i].key.len;
		batch->changes[i].value.ptr = p;
		p += batch->changes[i].value.len;
	}
}

#define GROUPS_MAX 3

bool kv_write(struct store_backend *b, const struct store_write *writes, size_t n, struct err *err)
{
	struct kv *kv = kv_of(b);
	CLEANUP(batch_free) struct batch batch = { { 0 } };

	if (n == 0)
		return true;
	batch.changes = xcalloc(n, GROUPS_MAX * sizeof(batch.changes[0]));
	for (size_t i = 0; i < n; i++) {
		const struct store_write *w = &writes[i];
		uint8_t groups = table_schema(w->table)->n_groups;

		assert(groups <= GROUPS_MAX);
		if (groups > 1 && w->group == 0) {
			assert(w->kind == WRITE_DELETE);
			for (uint8_t g = 1; g <= groups; g++)
				batch_add(&batch, w, g);
		} else {
			batch_add(&batch, w, w->group);
		}
	}
	batch_seal(&batch);
	return kv->engine->apply(kv, batch.changes, batch.n, err);
}

/* ---- reading ---------------------------------------------------------------------- */

/* Puts the records of a row together and passes it on when it is whole. */
struct assembly {
	enum table table;
	const struct table_schema *schema;
	store_row_fn *each;
	void *ctx;
	size_t left;       /* rows until the limit; SIZE_MAX: no limit */
	struct arena *mem; /* NULL: nothing was found yet */
	void *row;         /* being put together, in `mem`; NULL: none */
	struct slice id;   /* its key without the group, in `mem` */
	bool failed;
	struct err err;
};

/* False: no more rows are wanted. */
static bool pass_on(struct assembly *a)
{
	bool more = a->each(a->ctx, a->row) && --a->left > 0;

	a->row = NULL;
	arena_reset(a->mem);
	return more;
}

static bool give_up(struct assembly *a)
{
	a->failed = true;
	a->row = NULL;
	return false;
}

static void begin_row(struct assembly *a)
{
	if (!a->mem)
		a->mem = arena_new();
	a->row = arena_alloc(a->mem, a->schema->row_size);
}

static bool on_single(void *ctx, struct slice key, struct slice value)
{
	struct assembly *a = ctx;
	uint8_t group;

	begin_row(a);
	if (!format_read_key(a->table, key, a->mem, a->row, &group, &a->err) ||
	    !format_read_value(a->table, 0, value, a->mem, a->row, &a->err))
		return give_up(a);
	return pass_on(a);
}

static bool on_grouped(void *ctx, struct slice key, struct slice value)
{
	struct assembly *a = ctx;
	struct slice id = { key.ptr, key.len ? key.len - 1 : 0 };
	uint8_t group;

	if (a->row && !slice_eq(id, a->id) && !pass_on(a))
		return false;
	if (!a->row) {
		begin_row(a);
		a->id = arena_copy(a->mem, id);
	}
	key = arena_copy(a->mem, key); /* the row is passed on only after the next record */
	value = arena_copy(a->mem, value);
	if (!format_read_key(a->table, key, a->mem, a->row, &group, &a->err) ||
	    !format_read_value(a->table, group, value, a->mem, a->row, &a->err))
		return give_up(a);
	return true;
}

static inline void assembly_free_at_scope_end(struct assembly *a)
{
	arena_free(a->mem);
}

/* The keys a query covers. */
struct range {
	struct buf from, end; /* empty end: to the last key */
	bool empty;
};

static inline void range_free_at_scope_end(struct range *range)
{
	buf_free(&range->from);
	buf_free(&range->end);
}

/* `from` is the start of all that are equal. */
static void range_of(const struct store_query *q, struct range *out)
{
	struct buf bound = { 0 };

	buf_add_slice(&out->end, buf_slice(&out->from));
	format_next(&out->end);
	if (q->after) {
		format_prefix(q->table, q->after, q->n_after, &bound);
		if (!format_next(&bound))
			out->empty = true;
		if (slice_cmp(buf_slice(&bound), buf_slice(&out->from)) > 0) {
			out->from.len = 0;
			buf_add_slice(&out->from, buf_slice(&bound));
		}
		bound.len = 0;
	}
	if (q->until) {
		format_prefix(q->table, q->until, q->n_until, &bound);
		if (format_next(&bound) &&
		    (out->end.len == 0 || slice_cmp(buf_slice(&bound), buf_slice(&out->end)) < 0)) {
			out->end.len = 0;
			buf_add_slice(&out->end, buf_slice(&bound));
		}
	}
	buf_free(&bound);
	if (out->end.len > 0 && slice_cmp(buf_slice(&out->from), buf_slice(&out->end)) >= 0)
		out->empty = true;
}

static bool is_point(const struct table_schema *schema, const struct store_query *q)
{
	return q->n_equal == schema->n_key && schema->n_groups == 1 && !q->after && !q->until;
}

bool kv_read(struct store_backend *b, const struct store_query *q, store_row_fn *each, void *ctx,
	     struct err *err)
{
	struct kv *kv = kv_of(b);
	const struct table_schema *schema = table_schema(q->table);
	CLEANUP(range_free) struct range range = { { 0 } };
	CLEANUP(assembly_free)
	struct assembly a = { .table = q->table,
			      .schema = schema,
			      .each = each,
			      .ctx = ctx,
			      .left = q->limit ? q->limit : SIZE_MAX };
	kv_record_fn *on_record = schema->n_groups > 1 ? on_grouped : on_single;
	bool ok;

	format_prefix(q->table, q->equal, q->n_equal, &range.from);
	if (is_point(schema, q)) {
		ok = kv->engine->get(kv, q->table, buf_slice(&range.from), on_record, &a, err);
	} else {
		range_of(q, &range);
		ok = range.empty || kv->engine->scan(kv, q->table, buf_slice(&range.from),
						     buf_slice(&range.end), on_record, &a, err);
	}
	if (!ok)
		return false;
	if (a.failed) {
		*err = a.err;
		return false;
	}
	if (a.row)
		pass_on(&a);
	return true;
}

/* ---- compare and set ---------------------------------------------------------------- */

struct comparison {
	enum table table;
	uint8_t group;
	struct arena *mem;
	struct buf value; /* what is stored, in today's encoding; empty: nothing */
	bool failed;
	struct err err;
};

/* Written again, so that columns of a later program do not make it differ. */
static bool on_stored(void *ctx, struct slice key, struct slice value)
{
	struct comparison *c = ctx;
	void *row = arena_alloc(c->mem, table_schema(c->table)->row_size);

	(void)key;
	if (format_read_value(c->table, c->group, value, c->mem, row, &c->err))
		format_value(c->table, row, c->group, &c->value);
	else
		c->failed = true;
	return false;
}

static bool stored_is(struct kv *kv, struct comparison *c, struct slice key, const void *expected,
		      bool *same, struct err *err)
{
	struct buf wanted = { 0 };

	if (!kv->engine->get(kv, c->table, key, on_stored, c, err))
		return false;
	if (c->failed) {
		*err = c->err;
		return false;
	}
	if (expected)
		format_value(c->table, expected, c->group, &wanted);
	*same = slice_eq(buf_slice(&wanted), buf_slice(&c->value));
	buf_free(&wanted);
	return true;
}

bool kv_swap(struct store_backend *b, enum table table, const void *expected, const void *row,
	     bool *done, struct err *err)
{
	struct kv *kv = kv_of(b);
	CLEANUP(arena_free) struct arena *mem = arena_new();
	uint8_t group = table_schema(table)->n_groups > 1 ? 1 : 0;
	struct comparison c = { .table = table, .group = group, .mem = mem };
	struct buf key = { 0 };
	struct store_write w = { .table = table,
				 .group = group,
				 .kind = row ? WRITE_PUT : WRITE_DELETE,
				 .row = row ? row : expected };
	bool same = false, ok;

	assert(expected || row);
	format_key(table, w.row, group, &key);
	pthread_mutex_lock(&kv->locks->swap);
	ok = stored_is(kv, &c, buf_slice(&key), expected, &same, err) &&
	     (!same || kv_write(b, &w, 1, err));
	pthread_mutex_unlock(&kv->locks->swap);
	if (ok)
		*done = same;
	buf_free(&key);
	buf_free(&c.value);
	return ok;
}

bool kv_drop(struct store_backend *b, enum table table, const void *first, const void *end,
	     unsigned n, struct err *err)
{
	struct kv *kv = kv_of(b);
	struct buf from = { 0 }, to = { 0 };
	struct kv_change change = { .table = table, .kind = KV_DROP };
	bool ok = true;

	format_prefix(table, first, n, &from);
	format_prefix(table, end, n, &to);
	change.key = buf_slice(&from);
	change.value = buf_slice(&to);
	if (slice_cmp(change.key, change.value) < 0)
		ok = kv->engine->apply(kv, &change, 1, err);
	buf_free(&from);
	buf_free(&to);
	return ok;
}
