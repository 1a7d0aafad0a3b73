/*
 * store_mem.c -- a red-black tree of records a table.
 *
 * One kind of record serves both modes: in loose mode it has a version and may be the
 * mark of a deletion.  Marks lie in trees of their own: there are many more of them than of
 * records in a world that runs for long, and nobody who reads is to walk over them.  The tree is
 * <bsd/sys/tree.h>, whose users are every BSD kernel; POSIX tsearch() cannot start a walk at a key.
 */
#include "store/mem/store_mem.h"

#include <assert.h>
#include <bsd/sys/tree.h>

#include "base/alloc.h"
#include "store/kv/format.h"
#include "store/kv/kv.h"

struct record {
	RB_ENTRY(record) entry;
	struct slice key, value; /* each allocated */
	uint64_t version;        /* loose */
	bool gone;               /* loose: deleted at `version` */
};
RB_HEAD(tree, record);

static int record_cmp(const struct record *a, const struct record *b)
{
	return slice_cmp(a->key, b->key);
}

RB_GENERATE_INTERNAL(tree, record, entry, record_cmp, UNUSED static)

struct change_queue { /* changes that own their bytes */
	struct kv_change *at;
	size_t n;
};

struct store_mem {
	pthread_mutex_t mutex; /* of all below */
	struct tree tables[TABLE_COUNT], marks_of_gone[TABLE_COUNT];
	struct change_queue drops; /* loose: they hit what lands later, too */
	struct change_queue late;
	uint64_t marks;
	struct store_counters counters;

	bool is_loose;
	struct store_mem_loose knobs;
	struct kv_locks locks;
};

struct handle {
	struct kv kv;
	struct store_mem *mem;
	struct clock *clock;
	int64_t skew_us;
	void *instance;
	bool late; /* what is written now is put off */
};

static struct handle *handle_of(struct store_backend *b)
{
	return CONTAINER_OF(b, struct handle, kv.backend);
}

static struct slice own(struct slice bytes)
{
	uint8_t *copy = xmalloc(bytes.len + 1);

	if (bytes.len > 0)
		memcpy(copy, bytes.ptr, bytes.len);
	return SLICE_OF(copy, bytes.len);
}

static void disown(struct slice bytes)
{
	xfree((void *)(uintptr_t)bytes.ptr);
}

/* ---- records ------------------------------------------------------------------------ */

/* What is there. */
static struct record *find(struct store_mem *mem, enum table table, struct slice key)
{
	struct record probe = { .key = key };

	return RB_FIND(tree, &mem->tables[table], &probe);
}

/* The same, or the mark of what was there. */
static struct record *find_any(struct store_mem *mem, enum table table, struct slice key)
{
	struct record probe = { .key = key };
	struct record *r = find(mem, table, key);

	return r || !mem->is_loose ? r : RB_FIND(tree, &mem->marks_of_gone[table], &probe);
}

static struct tree *tree_of(struct store_mem *mem, enum table table, const struct record *r)
{
	return r->gone ? &mem->marks_of_gone[table] : &mem->tables[table];
}

static struct record *find_or_make(struct store_mem *mem, enum table table, struct slice key)
{
	struct record *r = find_any(mem, table, key);

	if (r)
		return r;
	r = xcalloc(1, sizeof(*r));
	r->key = own(key);
	r->value = own(SLICE_LIT(""));
	r->gone = true;
	RB_INSERT(tree, tree_of(mem, table, r), r);
	return r;
}

static void set_value(struct store_mem *mem, enum table table, struct record *r, bool gone,
		      struct slice value)
{
	disown(r->value);
	r->value = own(value);
	if (r->gone == gone)
		return;
	RB_REMOVE(tree, tree_of(mem, table, r), r);
	r->gone = gone;
	RB_INSERT(tree, tree_of(mem, table, r), r);
}

static void remove_record(struct store_mem *mem, enum table table, struct record *r)
{
	RB_REMOVE(tree, tree_of(mem, table, r), r);
	disown(r->key);
	disown(r->value);
	xfree(r);
}

/* The first record with a key from `from` on. */
static struct record *first_from(struct tree *tree, struct slice from)
{
	struct record probe = { .key = from };

	return RB_NFIND(tree, tree, &probe);
}

static bool before_end(struct slice key, struct slice end)
{
	return end.len == 0 || slice_cmp(key, end) < 0;
}

/* ---- landing ------------------------------------------------------------------------- */

static void enqueue(struct change_queue *queue, const struct kv_change *change, uint64_t version)
{
	queue->at = xrealloc(queue->at, (queue->n + 1) * sizeof(queue->at[0]));
	queue->at[queue->n] = *change;
	queue->at[queue->n].key = own(change->key);
	queue->at[queue->n].value = own(change->value);
	queue->at[queue->n].version = version;
	queue->n++;
}

static void queue_free(struct change_queue *queue)
{
	for (size_t i = 0; i < queue->n; i++) {
		disown(queue->at[i].key);
		disown(queue->at[i].value);
	}
	xfree(queue->at);
	*queue = (struct change_queue){ 0 };
}

/* As CQL has it: the later time-stamp; of equal ones the deletion, then the larger
 * value. */
static bool outdone(const struct record *r, const struct kv_change *c)
{
	if (r->version != c->version)
		return r->version > c->version;
	if (r->gone || c->kind == KV_DELETE)
		return r->gone;
	return slice_cmp(r->value, c->value) >= 0;
}

static bool dropped(const struct store_mem *mem, const struct kv_change *c)
{
	for (size_t i = 0; i < mem->drops.n; i++) {
		const struct kv_change *drop = &mem->drops.at[i];

		if (drop->table == c->table && drop->version >= c->version &&
		    slice_cmp(drop->key, c->key) <= 0 && before_end(c->key, drop->value))
			return true;
	}
	return false;
}

static void drop_from(struct store_mem *mem, struct tree *tree, const struct kv_change *c)
{
	struct record *r = first_from(tree, c->key), *next;

	for (; r && before_end(r->key, c->value); r = next) {
		next = RB_NEXT(tree, tree, r);
		if (!mem->is_loose || r->version <= c->version)
			remove_record(mem, c->table, r);
	}
}

static void land_drop(struct store_mem *mem, const struct kv_change *c)
{
	drop_from(mem, &mem->tables[c->table], c);
	if (!mem->is_loose)
		return;
	drop_from(mem, &mem->marks_of_gone[c->table], c);
	enqueue(&mem->drops, c, c->version);
}

static bool land_add(struct store_mem *mem, const struct kv_change *c, struct err *err)
{
	struct record *r = find_or_make(mem, c->table, c->key);
	struct buf sum = { 0 };

	if (r->gone)
		set_value(mem, c->table, r, false, c->value);
	else if (!format_add(c->table, r->value, c->value, &sum, err))
		return false;
	else
		set_value(mem, c->table, r, false, buf_slice(&sum));
	buf_free(&sum);
	return true;
}

/* A change without a version is in its turn already: compare and set, serial mode. */
static void land_set(struct store_mem *mem, const struct kv_change *c)
{
	struct record *r = find_any(mem, c->table, c->key);

	if (c->version > 0 && ((r && outdone(r, c)) || dropped(mem, c)))
		return;
	if (c->kind == KV_DELETE && !mem->is_loose) {
		if (r)
			remove_record(mem, c->table, r);
		return;
	}
	r = find_or_make(mem, c->table, c->key);
	set_value(mem, c->table, r, c->kind == KV_DELETE, c->value);
	if (c->version > 0)
		r->version = c->version;
}

static bool land(struct store_mem *mem, const struct kv_change *c, struct err *err)
{
	mem->counters.bytes_written += c->key.len + c->value.len;
	if (c->kind == KV_DROP)
		land_drop(mem, c);
	else if (c->kind == KV_ADD)
		return land_add(mem, c, err);
	else
		land_set(mem, c);
	return true;
}

static uint64_t now_of(const struct handle *h)
{
	return (uint64_t)(clock_wall_us(h->clock) + h->skew_us);
}

static bool apply(struct kv *kv, const struct kv_change *changes, size_t n, struct err *err)
{
	struct handle *h = handle_of(&kv->backend);
	struct store_mem *mem = h->mem;
	bool ok = true;

	pthread_mutex_lock(&mem->mutex);
	for (size_t i = 0; ok && i < n; i++) {
		struct kv_change c = changes[i];

		if (!mem->is_loose)
			c.version = 0;
		else if (c.kind == KV_DROP)
			c.version = now_of(h);
		if (h->late)
			enqueue(&mem->late, &c, c.version);
		else
			ok = land(mem, &c, err);
	}
	mem->counters.writes++;
	mem->marks++;
	pthread_mutex_unlock(&mem->mutex);
	return ok;
}

/* ---- reading --------------------------------------------------------------------------- */

#define CHUNK 64 /* records that are copied under the mutex at a time; most reads want fewer */

struct chunk {
	struct buf bytes;
	struct slice keys[CHUNK], values[CHUNK]; /* pointers are set when all bytes are there */
	size_t n;
};

static void copy_chunk(struct store_mem *mem, enum table table, struct slice from, struct slice end,
		       struct chunk *out)
{
	const uint8_t *p;

	out->n = 0;
	out->bytes.len = 0;
	pthread_mutex_lock(&mem->mutex);
	for (struct record *r = first_from(&mem->tables[table], from);
	     r && out->n < CHUNK && before_end(r->key, end);
	     r = RB_NEXT(tree, &mem->tables[table], r)) {
		out->keys[out->n] = r->key;
		out->values[out->n++] = r->value;
		buf_add_slice(&out->bytes, r->key);
		buf_add_slice(&out->bytes, r->value);
	}
	pthread_mutex_unlock(&mem->mutex);
	p = out->bytes.ptr;
	for (size_t i = 0; i < out->n; i++) {
		out->keys[i].ptr = p;
		out->values[i].ptr = p + out->keys[i].len;
		p += out->keys[i].len + out->values[i].len;
	}
}

static bool scan(struct kv *kv, enum table table, struct slice from, struct slice end,
		 kv_record_fn *each, void *ctx, struct err *err)
{
	struct store_mem *mem = handle_of(&kv->backend)->mem;
	struct buf start = { 0 };
	struct chunk chunk; /* not to be cleared each time */
	bool more = true;

	(void)err;
	chunk.bytes = (struct buf){ 0 };
	for (;;) {
		copy_chunk(mem, table, from, end, &chunk);
		for (size_t i = 0; more && i < chunk.n; i++)
			more = each(ctx, chunk.keys[i], chunk.values[i]);
		if (chunk.n < CHUNK || !more)
			break;
		start.len = 0;
		buf_add_slice(&start, chunk.keys[CHUNK - 1]);
		buf_add_byte(&start, 0);
		from = buf_slice(&start);
	}
	buf_free(&start);
	buf_free(&chunk.bytes);
	return true;
}

static bool get(struct kv *kv, enum table table, struct slice key, kv_record_fn *each, void *ctx,
		struct err *err)
{
	struct store_mem *mem = handle_of(&kv->backend)->mem;
	struct buf value = { 0 };
	struct record *r;
	bool found;

	(void)err;
	pthread_mutex_lock(&mem->mutex);
	r = find(mem, table, key);
	found = r != NULL;
	if (found)
		buf_add_slice(&value, r->value);
	pthread_mutex_unlock(&mem->mutex);
	if (found)
		each(ctx, key, buf_slice(&value));
	buf_free(&value);
	return true;
}

static const struct kv_engine engine = { .apply = apply, .scan = scan, .get = get };

/* ---- what both modes share --------------------------------------------------------------- */

static void close_handle(struct store_backend *b)
{
	xfree(handle_of(b));
}

static uint64_t mark(struct store_backend *b)
{
	struct store_mem *mem = handle_of(b)->mem;
	uint64_t marks;

	pthread_mutex_lock(&mem->mutex);
	marks = mem->marks;
	pthread_mutex_unlock(&mem->mutex);
	return marks;
}

static void when_durable(struct store_backend *b, uint64_t mark_, store_durable_fn *fn, void *ctx)
{
	(void)b;
	(void)mark_;
	fn(ctx, NULL);
}

static bool verify(struct store_backend *b, bool (*go_on)(void *ctx), void *ctx, struct err *err)
{
	(void)go_on;
	(void)ctx;
	(void)b;
	(void)err;
	return true;
}

static bool backup(struct store_backend *b, const char *dir, struct err *err)
{
	(void)b;
	return err_set(err, ERR_INVALID, "%s: a store in memory has no backup", dir);
}

static void counters(struct store_backend *b, struct store_counters *out)
{
	struct store_mem *mem = handle_of(b)->mem;

	pthread_mutex_lock(&mem->mutex);
	*out = mem->counters;
	pthread_mutex_unlock(&mem->mutex);
}

static const struct store_ops serial_ops = {
	.name = "mem",
	.lock = kv_lock,
	.unlock = kv_unlock,
	.close = close_handle,
	.write = kv_write,
	.read = kv_read,
	.swap = kv_swap,
	.drop = kv_drop,
	.mark = mark,
	.when_durable = when_durable,
	.verify = verify,
	.backup = backup,
	.counters = counters,
};

/* ---- loose mode ----------------------------------------------------------------------------- */

static enum store_mem_fate ask(struct handle *h, enum store_mem_call call,
			       const struct store_write *write)
{
	const struct store_mem_loose *knobs = &h->mem->knobs;

	return knobs->fate ? knobs->fate(knobs->ctx, h->instance, call, write) : FATE_LAND;
}

static void after(struct handle *h)
{
	const struct store_mem_loose *knobs = &h->mem->knobs;

	if (knobs->after)
		knobs->after(knobs->ctx, h->instance);
}

static bool takes_effect(enum store_mem_fate fate)
{
	return fate == FATE_LAND || fate == FATE_LAND_UNKNOWN || fate == FATE_LATE;
}

/* What the caller is told; true if it was told the truth that all is well. */
static bool report(enum store_mem_fate fate, struct err *err)
{
	switch (fate) {
	case FATE_LAND:
		return true;
	case FATE_LAND_UNKNOWN:
	case FATE_LATE:
	case FATE_LOST:
		return err_set(err, ERR_TIMEOUT, "mem: no answer in time");
	case FATE_FAIL:
		return err_set(err, ERR_UNAVAILABLE, "mem: not enough replicas");
	case FATE_KILLED:
		return err_set(err, ERR_CANCELED, "mem: this instance was killed");
	}
	assert(!"a fate");
	return false;
}

/* The same handle, whose writes may be put off. */
static struct handle fated(const struct handle *h, enum store_mem_fate fate)
{
	struct handle copy = *h;

	copy.late = fate == FATE_LATE;
	return copy;
}

static bool loose_write_one(struct handle *h, const struct store_write *w, struct err *err)
{
	enum store_mem_fate fate = ask(h, STORE_MEM_WRITE, w);
	struct handle as = fated(h, fate);
	struct store_write dated = *w;
	bool ok = true;

	if (dated.version == 0)
		dated.version = now_of(h);
	if (takes_effect(fate))
		ok = kv_write(&as.kv.backend, &dated, 1, err);
	after(h);
	return ok && report(fate, err);
}

static bool loose_write(struct store_backend *b, const struct store_write *writes, size_t n,
			struct err *err)
{
	for (size_t i = 0; i < n; i++)
		if (!loose_write_one(handle_of(b), &writes[i], err))
			return false;
	return true;
}

static bool loose_read(struct store_backend *b, const struct store_query *query, store_row_fn *each,
		       void *ctx, struct err *err)
{
	struct handle *h = handle_of(b);
	enum store_mem_fate fate =
		ask(h, STORE_MEM_READ, &(struct store_write){ .table = query->table });
	bool ok = report(fate, err) && kv_read(b, query, each, ctx, err);

	after(h);
	return ok;
}

static bool loose_swap(struct store_backend *b, enum table table, const void *expected,
		       const void *row, bool *done, struct err *err)
{
	struct handle *h = handle_of(b);
	enum store_mem_fate fate = ask(h, STORE_MEM_SWAP, &(struct store_write){ .table = table });
	bool ok = true, did = false;

	assert(fate != FATE_LATE);
	if (takes_effect(fate))
		ok = kv_swap(b, table, expected, row, &did, err);
	after(h);
	if (!ok || !report(fate, err))
		return false;
	*done = did;
	return true;
}

static bool loose_drop(struct store_backend *b, enum table table, const void *first,
		       const void *end, unsigned n, struct err *err)
{
	struct handle *h = handle_of(b);
	enum store_mem_fate fate = ask(h, STORE_MEM_DROP, &(struct store_write){ .table = table });
	struct handle as = fated(h, fate);
	bool ok = true;

	if (takes_effect(fate))
		ok = kv_drop(&as.kv.backend, table, first, end, n, err);
	after(h);
	return ok && report(fate, err);
}

static const struct store_ops loose_ops = {
	.name = "mem-loose",
	.close = close_handle,
	.write = loose_write,
	.read = loose_read,
	.swap = loose_swap,
	.drop = loose_drop,
	.mark = mark,
	.when_durable = when_durable,
	.verify = verify,
	.backup = backup,
	.counters = counters,
};

size_t store_mem_late(struct store_mem *mem)
{
	size_t n;

	pthread_mutex_lock(&mem->mutex);
	n = mem->late.n;
	pthread_mutex_unlock(&mem->mutex);
	return n;
}

void store_mem_land_late(struct store_mem *mem, size_t i)
{
	struct change_queue *late = &mem->late;
	struct kv_change c;
	struct err err;

	pthread_mutex_lock(&mem->mutex);
	assert(i < late->n);
	c = late->at[i];
	memmove(&late->at[i], &late->at[i + 1], (late->n - i - 1) * sizeof(late->at[0]));
	late->n--;
	if (!land(mem, &c, &err))
		assert(!"what we encoded ourselves can be decoded");
	pthread_mutex_unlock(&mem->mutex);
	disown(c.key);
	disown(c.value);
}

/* ---- the data ----------------------------------------------------------------------------------
 */

struct store_mem *store_mem_new(void)
{
	struct store_mem *mem = xcalloc(1, sizeof(*mem));

	pthread_mutex_init(&mem->mutex, NULL);
	kv_locks_init(&mem->locks);
	for (size_t i = 0; i < TABLE_COUNT; i++) {
		RB_INIT(&mem->tables[i]);
		RB_INIT(&mem->marks_of_gone[i]);
	}
	return mem;
}

struct store_mem *store_mem_new_loose(const struct store_mem_loose *knobs)
{
	struct store_mem *mem = store_mem_new();

	mem->is_loose = true;
	if (knobs)
		mem->knobs = *knobs;
	return mem;
}

void store_mem_free(struct store_mem *mem)
{
	if (!mem)
		return;
	for (size_t i = 0; i < TABLE_COUNT; i++) {
		while (!RB_EMPTY(&mem->tables[i]))
			remove_record(mem, (enum table)i, RB_ROOT(&mem->tables[i]));
		while (!RB_EMPTY(&mem->marks_of_gone[i]))
			remove_record(mem, (enum table)i, RB_ROOT(&mem->marks_of_gone[i]));
	}
	queue_free(&mem->drops);
	queue_free(&mem->late);
	kv_locks_destroy(&mem->locks);
	pthread_mutex_destroy(&mem->mutex);
	xfree(mem);
}

struct store_backend *store_mem_attach(struct store_mem *mem, struct clock *clock, int64_t skew_us,
				       void *instance)
{
	struct handle *h = xcalloc(1, sizeof(*h));

	assert(clock || !mem->is_loose);
	h->kv.backend.ops = mem->is_loose ? &loose_ops : &serial_ops;
	h->kv.engine = &engine;
	h->kv.locks = &mem->locks;
	h->mem = mem;
	h->clock = clock;
	h->skew_us = skew_us;
	h->instance = instance;
	return &h->kv.backend;
}
