/*
 * store.c -- opening a store, and the thin calls to its back end.
 */
#include "store/store.h"

#include <assert.h>

#include "base/alloc.h"
#include "model/multibase.h"
#include "model/version.h"
#include "store/handle.h"

#define SETTING_CLUSTER_KEY "cluster_key"
#define SETTING_STORE_ID    "store_id"
#define STORE_ID_BYTES      13

/* ---- opening ----------------------------------------------------------------------- */

/* The value of a setting; made of `n` random bytes by the first who asks. */
static bool setting(struct store *store, const char *name, uint8_t *out, size_t n, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct setting want = { .name = slice_str(name) };
	bool done;

	for (;;) {
		const struct setting *found;

		if (!store_setting(store, want.name, mem, &found, err))
			return false;
		if (found && found->value.len != n)
			return err_set(err, ERR_CORRUPT, "setting %s has %zu bytes, not %zu", name,
				       found->value.len, n);
		if (found) {
			memcpy(out, found->value.ptr, n);
			return true;
		}
		rand_fill(store->options.rand, out, n);
		want.value = SLICE_OF(out, n);
		if (!store_swap_row(store, TABLE_SETTINGS, NULL, &want, &done, err))
			return false;
	}
}

static bool read_settings(struct store *store, struct err *err)
{
	uint8_t id[STORE_ID_BYTES];
	uint8_t key[SIPHASH_KEY_LEN];
	char hex[MULTIBASE_DIGITS_MAX + 1];

	if (!setting(store, SETTING_CLUSTER_KEY, store->cluster_key, SIPHASH_KEY_LEN, err) ||
	    !setting(store, SETTING_STORE_ID, id, sizeof(id), err))
		return err_wrap(err, "open store");
	multibase_encode_digits('f', SLICE_OF(id, sizeof(id)), hex);
	memcpy(store->id, hex, 2 * sizeof(id) + 1);
	rand_fill(store->options.rand, key, sizeof(key));
	store->created = created_new(key);
	return true;
}

bool store_open(struct store_backend *backend, const struct store_options *options,
		struct store **out, struct err *err)
{
	CLEANUP(store_close) struct store *store = xcalloc(1, sizeof(*store));

	assert(options->instance <= INSTANCE_MAX);
	store->backend = backend;
	store->ops = backend->ops;
	store->options = *options;
	store->zones_until = INT64_MIN;
	pthread_mutex_init(&store->mutex, NULL);
	if (!read_settings(store, err))
		return false;
	*out = TAKE(store);
	return true;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	created_free(store->created);
	arena_free(store->zones_mem);
	pthread_mutex_destroy(&store->mutex);
	store->ops->close(store->backend);
	xfree(store);
}

const char *store_id(const struct store *store)
{
	return store->id;
}

const char *store_backend_name(const struct store *store)
{
	return store->ops->name;
}

/* A v0 is its multihash; in a v1 it lies behind the version and the varint of the codec. */
static struct slice multihash_of(struct slice cid)
{
	size_t at = 1;

	if (cid.len == 0 || cid.ptr[0] != 1)
		return cid;
	while (at < cid.len && cid.ptr[at] & 0x80)
		at++;
	return at < cid.len ? SLICE_OF(cid.ptr + at + 1, cid.len - at - 1) : cid;
}

uint32_t store_bucket(const struct store *store, struct slice cid)
{
	return (uint32_t)(siphash24(store->cluster_key, multihash_of(cid)) >> (64 - BUCKET_BITS));
}

uint64_t store_version(struct store *store, uint32_t bucket, uint64_t seen, int64_t now_us)
{
	uint64_t *made = &store->made[bucket % VERSION_STRIPES], version;

	pthread_mutex_lock(&store->mutex);
	version = version_next(*made > seen ? *made : seen, now_us, store->options.instance);
	*made = version;
	pthread_mutex_unlock(&store->mutex);
	return version;
}

/* ---- rows ---------------------------------------------------------------------------- */

bool store_read(struct store *store, const struct store_query *query, store_row_fn *each, void *ctx,
		struct err *err)
{
	return store->ops->read(store->backend, query, each, ctx, err);
}

bool row_list_add(void *ctx, const void *row)
{
	struct row_list *list = ctx;

	list->at = arena_grow(list->mem, list->at, list->n, &list->cap, sizeof(*list->at));
	list->at[list->n++] = row_copy(list->table, row, list->mem);
	return true;
}

struct one_row {
	enum table table;
	struct arena *mem;
	const void *row;
};

static bool on_one_row(void *ctx, const void *row)
{
	struct one_row *one = ctx;

	one->row = row_copy(one->table, row, one->mem);
	return false;
}

bool store_row(struct store *store, enum table table, const void *key, struct arena *mem,
	       const void **out, struct err *err)
{
	struct one_row one = { .table = table, .mem = mem };
	struct store_query query = {
		.table = table, .equal = key, .n_equal = table_schema(table)->n_key, .limit = 1
	};

	if (!store_read(store, &query, on_one_row, &one, err))
		return false;
	*out = one.row;
	return true;
}

bool store_setting(struct store *store, struct slice name, struct arena *mem,
		   const struct setting **out, struct err *err)
{
	const struct setting key = { .name = name };
	const void *row;

	if (!store_row(store, TABLE_SETTINGS, &key, mem, &row, err))
		return false;
	*out = row;
	return true;
}

bool store_swap_row(struct store *store, enum table table, const void *expected, const void *row,
		    bool *done, struct err *err)
{
	return store->ops->swap(store->backend, table, expected, row, done, err);
}

bool store_rows(struct store *store, enum table table, const void *after, size_t limit,
		struct arena *mem, const void ***out, size_t *n, struct err *err)
{
	struct row_list list = { .table = table, .mem = mem };
	struct store_query query = {
		.table = table,
		.after = after,
		.n_after = after ? table_schema(table)->n_key : 0,
		.limit = limit,
	};

	if (limit > 0 && !store_read(store, &query, row_list_add, &list, err))
		return false;
	*out = (const void **)list.at;
	*n = list.n;
	return true;
}

/* ---- durability ------------------------------------------------------------------------ */

uint64_t store_mark(struct store *store)
{
	return store->ops->mark(store->backend);
}

void store_when_durable(struct store *store, uint64_t mark, store_durable_fn *fn, void *ctx)
{
	store->ops->when_durable(store->backend, mark, fn, ctx);
}

struct sync_wait {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool done;
	struct err err;
};

static void on_durable(void *ctx, const struct err *err)
{
	struct sync_wait *wait = ctx;

	pthread_mutex_lock(&wait->mutex);
	if (err)
		wait->err = *err;
	wait->done = true;
	pthread_cond_signal(&wait->cond);
	pthread_mutex_unlock(&wait->mutex);
}

bool store_sync(struct store *store, uint64_t mark, struct err *err)
{
	struct sync_wait wait = { .mutex = PTHREAD_MUTEX_INITIALIZER,
				  .cond = PTHREAD_COND_INITIALIZER };

	store_when_durable(store, mark, on_durable, &wait);
	pthread_mutex_lock(&wait.mutex);
	while (!wait.done)
		pthread_cond_wait(&wait.cond, &wait.mutex);
	pthread_mutex_unlock(&wait.mutex);
	pthread_cond_destroy(&wait.cond);
	pthread_mutex_destroy(&wait.mutex);
	if (wait.err.code == ERR_NONE)
		return true;
	*err = wait.err;
	return false;
}

/* ---- care ------------------------------------------------------------------------------ */

bool store_backup(struct store *store, const char *dir, struct err *err)
{
	return store->ops->backup(store->backend, dir, err);
}

void store_counters(struct store *store, struct store_counters *out)
{
	store->ops->counters(store->backend, out);
}
