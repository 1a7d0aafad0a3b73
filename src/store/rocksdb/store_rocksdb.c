#include "store/rocksdb/store_rocksdb.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/kv/format.h"
#include "store/kv/kv.h"
#include "store/rocksdb/committer.h"
#include "store/rocksdb/database.h"
#include "store/rocksdb/directory.h"

#define CACHE_BYTES       ((size_t)96 << 20)
#define LOG_BYTES         ((size_t)24 << 20)
#define VERIFY_AT_OPEN    ((uint64_t)64 << 20) /* so small a store is read whole */
#define PROBE_BYTES       ((size_t)1 << 20)
#define FILTER_PREFIX_MAX 8

struct store_rocksdb {
	struct kv kv;
	struct kv_locks locks;
	struct directory dir;
	struct database_settings settings;
	pthread_rwlock_t use; /* of `db`; written while it is opened anew */
	struct database db;
	struct committer *committer; /* NULL: opened read-only */
	uint64_t end_at_failure;     /* 0: there was none */
	rocksdb_writeoptions_t *write_options;
	_Atomic uint64_t writes, bytes_written;
};

static struct store_rocksdb *store_of(struct store_backend *b)
{
	return CONTAINER_OF(b, struct store_rocksdb, kv.backend);
}

/* ---- writing --------------------------------------------------------------------------- */

static bool check_writable(struct store_rocksdb *s, struct err *err)
{
	if (!s->committer)
		return err_set(err, ERR_DENIED, "%s was opened read-only", s->dir.path);
	return committer_ok(s->committer, err);
}

static void add_change(const struct store_rocksdb *s, const struct kv_change *c,
		       rocksdb_writebatch_t *batch)
{
	rocksdb_column_family_handle_t *table = s->db.tables[c->table];
	const char *key = (const char *)c->key.ptr, *value = (const char *)c->value.ptr;

	switch (c->kind) {
	case KV_PUT:
		rocksdb_writebatch_put_cf(batch, table, key, c->key.len, value, c->value.len);
		break;
	case KV_DELETE:
		rocksdb_writebatch_delete_cf(batch, table, key, c->key.len);
		break;
	case KV_ADD:
		assert(c->table == TABLE_OWNER_TOTALS);
		rocksdb_writebatch_merge_cf(batch, table, key, c->key.len, value, c->value.len);
		break;
	case KV_DROP:
		rocksdb_writebatch_delete_range_cf(batch, table, key, c->key.len, value,
						   c->value.len);
		break;
	}
}

static bool write_batch(struct store_rocksdb *s, const struct kv_change *changes, size_t n,
			struct err *err)
{
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	char *message = NULL;
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		add_change(s, &changes[i], batch);
		bytes += changes[i].key.len + changes[i].value.len;
	}
	rocksdb_write(s->db.db, s->write_options, batch, &message);
	rocksdb_writebatch_destroy(batch);
	if (!database_ok(message, s->dir.path, err)) {
		if (err->code != ERR_NO_SPACE)
			err->code = ERR_UNAVAILABLE;
		committer_fail(s->committer, err);
		return false;
	}
	atomic_fetch_add_explicit(&s->writes, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->bytes_written, bytes, memory_order_relaxed);
	return true;
}

/* Under `use` the state cannot change from failed to open anew in between. */
static bool apply(struct kv *kv, const struct kv_change *changes, size_t n, struct err *err)
{
	struct store_rocksdb *s = store_of(&kv->backend);
	bool ok;

	pthread_rwlock_rdlock(&s->use);
	ok = check_writable(s, err) && write_batch(s, changes, n, err);
	pthread_rwlock_unlock(&s->use);
	return ok;
}

/* ---- reading --------------------------------------------------------------------------- */

static bool check_readable(const struct store_rocksdb *s, struct err *err)
{
	return s->db.db || err_set(err, ERR_UNAVAILABLE, "%s: the disk failed", s->dir.path);
}

/* All keys from `from` to before `end` begin with the bytes the filter is made of. */
static bool in_one_prefix(enum table table, struct slice from, struct slice end)
{
	size_t n = database_filter_prefix(table);
	uint8_t bytes[FILTER_PREFIX_MAX];
	struct buf next = { .ptr = bytes, .len = n, .cap = sizeof(bytes) };

	if (n == 0 || from.len < n || end.len == 0)
		return false;
	memcpy(bytes, from.ptr, n);
	return format_next(&next) && slice_cmp(end, buf_slice(&next)) <= 0;
}

static rocksdb_readoptions_t *scan_options(enum table table, struct slice from, struct slice end)
{
	rocksdb_readoptions_t *o = rocksdb_readoptions_create();

	if (end.len > 0)
		rocksdb_readoptions_set_iterate_upper_bound(o, (const char *)end.ptr, end.len);
	if (in_one_prefix(table, from, end))
		rocksdb_readoptions_set_prefix_same_as_start(o, 1);
	else
		rocksdb_readoptions_set_total_order_seek(o, 1);
	return o;
}

static void walk(rocksdb_iterator_t *it, struct slice from, kv_record_fn *each, void *ctx)
{
	struct slice key, value;

	for (rocksdb_iter_seek(it, (const char *)from.ptr, from.len); rocksdb_iter_valid(it);
	     rocksdb_iter_next(it)) {
		key.ptr = (const uint8_t *)rocksdb_iter_key(it, &key.len);
		value.ptr = (const uint8_t *)rocksdb_iter_value(it, &value.len);
		if (!each(ctx, key, value))
			break;
	}
}

static bool scan(struct kv *kv, enum table table, struct slice from, struct slice end,
		 kv_record_fn *each, void *ctx, struct err *err)
{
	struct store_rocksdb *s = store_of(&kv->backend);
	rocksdb_readoptions_t *options = scan_options(table, from, end);
	rocksdb_iterator_t *it;
	char *message = NULL;
	bool ok;

	pthread_rwlock_rdlock(&s->use);
	ok = check_readable(s, err);
	if (ok) {
		it = rocksdb_create_iterator_cf(s->db.db, options, s->db.tables[table]);
		walk(it, from, each, ctx);
		rocksdb_iter_get_error(it, &message);
		rocksdb_iter_destroy(it);
		ok = database_ok(message, s->dir.path, err);
	}
	pthread_rwlock_unlock(&s->use);
	rocksdb_readoptions_destroy(options);
	return ok;
}

static bool get(struct kv *kv, enum table table, struct slice key, kv_record_fn *each, void *ctx,
		struct err *err)
{
	struct store_rocksdb *s = store_of(&kv->backend);
	rocksdb_readoptions_t *options = rocksdb_readoptions_create();
	rocksdb_pinnableslice_t *found = NULL;
	struct slice value;
	char *message = NULL;
	bool ok;

	pthread_rwlock_rdlock(&s->use);
	ok = check_readable(s, err);
	if (ok) {
		found = rocksdb_get_pinned_cf(s->db.db, options, s->db.tables[table],
					      (const char *)key.ptr, key.len, &message);
		ok = database_ok(message, s->dir.path, err);
	}
	if (ok && found) {
		value.ptr = (const uint8_t *)rocksdb_pinnableslice_value(found, &value.len);
		each(ctx, key, value);
	}
	if (found)
		rocksdb_pinnableslice_destroy(found);
	pthread_rwlock_unlock(&s->use);
	rocksdb_readoptions_destroy(options);
	return ok;
}

static const struct kv_engine engine = { .apply = apply, .scan = scan, .get = get };

/* ---- durability ------------------------------------------------------------------------- */

static uint64_t log_end(void *ctx)
{
	struct store_rocksdb *s = ctx;
	uint64_t end = 0;

	pthread_rwlock_rdlock(&s->use);
	if (s->db.db)
		end = rocksdb_get_latest_sequence_number(s->db.db);
	pthread_rwlock_unlock(&s->use);
	return end;
}

static bool log_sync(void *ctx, uint64_t end, struct err *err)
{
	struct store_rocksdb *s = ctx;
	bool ok;

	pthread_rwlock_rdlock(&s->use);
	ok = directory_sync_logs(&s->dir, err);
	if (ok)
		directory_set_synced(&s->dir, end, database_kept_log(&s->db));
	else if (err->code != ERR_NO_SPACE)
		err->code = ERR_UNAVAILABLE;
	pthread_rwlock_unlock(&s->use);
	return ok;
}

/* Opening reads the log back, and flushing writes it into tables and syncs those, so
 * whatever the failed sync left behind is made good.  Everything that had been written must
 * be there again: others have acted on it. */
static bool open_anew(struct store_rocksdb *s, struct err *err)
{
	struct err second;
	uint64_t end;

	if (s->end_at_failure == 0)
		s->end_at_failure = rocksdb_get_latest_sequence_number(s->db.db);
	database_close(&s->db);
	if (database_open(&s->settings, DATABASE_READ_WRITE, &s->db, err)) {
		bool flushed = database_flush(&s->db, err);

		end = rocksdb_get_latest_sequence_number(s->db.db);
		if (flushed && end >= s->end_at_failure) {
			s->end_at_failure = 0;
			directory_set_synced(&s->dir, end, database_kept_log(&s->db));
			return true;
		}
		if (flushed)
			err_set(err, ERR_UNAVAILABLE,
				"%s: the disk lost what it had taken; restart", s->dir.path);
		database_close(&s->db);
	}
	if (!database_open(&s->settings, DATABASE_READ_ONLY, &s->db, &second))
		return err_wrap(err, "%s: not even readable", s->dir.path);
	return false;
}

static bool log_recover(void *ctx, struct err *err)
{
	struct store_rocksdb *s = ctx;
	bool ok;

	if (!directory_try_write(&s->dir, PROBE_BYTES, err))
		return false;
	pthread_rwlock_wrlock(&s->use);
	ok = open_anew(s, err);
	pthread_rwlock_unlock(&s->use);
	return ok;
}

static uint64_t mark(struct store_backend *b)
{
	struct store_rocksdb *s = store_of(b);

	return s->committer ? committer_mark(s->committer) : 0;
}

static void when_durable(struct store_backend *b, uint64_t point, store_durable_fn *fn, void *ctx)
{
	struct store_rocksdb *s = store_of(b);

	if (s->committer)
		committer_when_durable(s->committer, point, fn, ctx);
	else
		fn(ctx, NULL); /* nothing was written */
}

/* ---- care --------------------------------------------------------------------------------- */

/* What is still in the log alone is flushed first, so that all is read. */
static bool verify(struct store_backend *b, struct err *err)
{
	struct store_rocksdb *s = store_of(b);
	bool ok;

	pthread_rwlock_rdlock(&s->use);
	ok = check_readable(s, err) && (!s->committer || database_flush(&s->db, err)) &&
	     (database_verify(&s->db, err) || err_wrap(err, "%s", s->dir.path));
	pthread_rwlock_unlock(&s->use);
	return ok;
}

static bool make_checkpoint(struct store_rocksdb *s, const char *path, struct err *err)
{
	char *message = NULL;
	rocksdb_checkpoint_t *checkpoint = rocksdb_checkpoint_object_create(s->db.db, &message);

	if (!database_ok(message, path, err))
		return false;
	rocksdb_checkpoint_create(checkpoint, path, 0, &message);
	rocksdb_checkpoint_object_destroy(checkpoint);
	return database_ok(message, path, err);
}

/* Whether a directory can be made at `path`, found out by making it: what RocksDB says of
 * it is no text for who asked.  The path is cut so that the remedy is not. */
static bool can_be_made(const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) == 0)
		return err_set(err, ERR_INVALID, "%.120s is there already: name a new directory",
			       path);
	if (mkdir(path, 0777) == 0 && rmdir(path) == 0)
		return true;
	switch (errno) {
	case ENOSPC:
	case EDQUOT:
		return err_set(err, ERR_NO_SPACE, "%.120s: %s", path, strerror(errno));
	case EACCES:
	case EPERM:
	case EROFS:
		return err_set(err, ERR_INVALID,
			       "%.120s cannot be made: %s: let the server's user write there, or "
			       "name another place",
			       path, strerror(errno));
	default:
		return err_set(err, ERR_INVALID,
			       "%.120s cannot be made: %s: name a new directory in one that exists",
			       path, strerror(errno));
	}
}

static bool backup(struct store_backend *b, const char *path, struct err *err)
{
	struct store_rocksdb *s = store_of(b);
	uint64_t end;
	bool ok;

	if (!can_be_made(path, err))
		return false;
	pthread_rwlock_rdlock(&s->use);
	ok = check_writable(s, err) && check_readable(s, err);
	if (ok) {
		end = rocksdb_get_latest_sequence_number(s->db.db);
		ok = make_checkpoint(s, path, err) &&
		     directory_seal_backup(path, STORE_ROCKSDB_FORMAT, end, err);
	}
	pthread_rwlock_unlock(&s->use);
	return ok;
}

static void counters(struct store_backend *b, struct store_counters *out)
{
	struct store_rocksdb *s = store_of(b);

	*out = (struct store_counters){
		.writes = atomic_load_explicit(&s->writes, memory_order_relaxed),
		.bytes_written = atomic_load_explicit(&s->bytes_written, memory_order_relaxed),
	};
	if (s->committer)
		committer_counters(s->committer, out);
}

static void close_store(struct store_backend *b);

static const struct store_ops ops = {
	.name = "rocksdb",
	.lock = kv_lock,
	.unlock = kv_unlock,
	.close = close_store,
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

/* ---- opening and closing -------------------------------------------------------------------- */

static void free_store(struct store_rocksdb *s)
{
	if (!s)
		return;
	database_close(&s->db);
	directory_close(&s->dir);
	rocksdb_writeoptions_destroy(s->write_options);
	kv_locks_destroy(&s->locks);
	pthread_rwlock_destroy(&s->use);
	xfree(s);
}
DEFINE_CLEANUP(struct store_rocksdb, free_store)

static void close_store(struct store_backend *b)
{
	struct store_rocksdb *s = store_of(b);

	if (s->committer)
		committer_free(s->committer);
	free_store(s);
}

static struct store_rocksdb *make_store(const struct store_rocksdb_options *o)
{
	struct store_rocksdb *s = xcalloc(1, sizeof(*s));

	s->kv = (struct kv){ .backend.ops = &ops, .engine = &engine, .locks = &s->locks };
	kv_locks_init(&s->locks);
	pthread_rwlock_init(&s->use, NULL);
	s->write_options = rocksdb_writeoptions_create();
	s->dir = DIRECTORY_CLOSED;
	s->settings.cache_bytes = o->cache_bytes ? o->cache_bytes : CACHE_BYTES;
	s->settings.log_bytes = o->log_bytes ? o->log_bytes : LOG_BYTES;
	return s;
}

/* SYNCED never tells of more than was synced, so no loss of power takes any of that away. */
static bool check_end(const struct store_rocksdb *s, uint64_t end, struct err *err)
{
	uint64_t synced = directory_synced(&s->dir);

	return end >= synced ||
	       err_set(err, ERR_CORRUPT,
		       "%s: writes %" PRIu64 " to %" PRIu64 " were synced and are missing: "
		       "restore the directory from a backup",
		       s->dir.path, end + 1, synced);
}

struct found {        /* in tables and logs */
	uint64_t end; /* the last write; none before it is missing */
	bool torn;    /* a log goes on behind its last whole record */
};

/* Opens `db` in a way that changes nothing, and finds out whether all is there. */
static bool inspect(struct store_rocksdb *s, struct found *out, struct err *err)
{
	uint64_t logged, flushed;

	if (!directory_check_logs(&s->dir, &logged, &out->torn, err))
		return false;
	if (!database_open(&s->settings, DATABASE_INSPECT, &s->db, err))
		return err->code == ERR_CORRUPT
			       ? err_wrap(err,
					  "files are missing or damaged, restore the directory "
					  "from a backup")
			       : false;
	flushed = rocksdb_get_latest_sequence_number(s->db.db);
	out->end = flushed > logged ? flushed : logged;
	if (!check_end(s, out->end, err))
		return false;
	if (directory_table_bytes(&s->dir) > VERIFY_AT_OPEN || database_verify(&s->db, err))
		return true;
	return err_wrap(err, "%s is damaged, restore it from a backup", s->dir.path);
}

/* Nothing can be cut off here, and RocksDB reads on behind a hole where a block begins with a
 * record. */
static bool open_read_only(struct store_rocksdb *s, uint64_t end, struct err *err)
{
	return database_open(&s->settings, DATABASE_READ_ONLY, &s->db, err) &&
	       (rocksdb_get_latest_sequence_number(s->db.db) <= end ||
		err_set(err, ERR_CORRUPT,
			"%s: pages of its log never came to the disk: open it once for writing, "
			"which cuts them off",
			s->dir.path));
}

static bool open_database(struct store_rocksdb *s, struct err *err)
{
	struct found found;

	if (s->dir.state == DIRECTORY_NEW && s->dir.read_only)
		return err_set(err, ERR_INVALID, "%s: this store was never made whole",
			       s->dir.path);
	if (s->dir.state == DIRECTORY_NEW)
		return database_open(&s->settings, DATABASE_CREATE, &s->db, err) &&
		       directory_make_ready(&s->dir, STORE_ROCKSDB_FORMAT, err);
	if (!inspect(s, &found, err))
		return false;
	database_close(&s->db);
	if (s->dir.read_only)
		return open_read_only(s, found.end, err);
	if (found.torn && !directory_cut_logs(&s->dir, err))
		return false;
	if (!database_open(&s->settings, DATABASE_READ_WRITE, &s->db, err))
		return false;
	directory_set_synced(&s->dir, rocksdb_get_latest_sequence_number(s->db.db),
			     database_kept_log(&s->db));
	return true;
}

bool store_rocksdb_open(const struct store_rocksdb_options *options, struct store_backend **out,
			struct err *err)
{
	CLEANUP(free_store) struct store_rocksdb *s = make_store(options);
	struct committer_log log = { .end = log_end, .sync = log_sync, .recover = log_recover };

	if (!directory_open(options->path, options->create, options->read_only,
			    STORE_ROCKSDB_FORMAT, &s->dir, err))
		return false;
	s->settings.path = s->dir.path;
	if (!open_database(s, err))
		return false;
	log.ctx = s;
	if (!options->read_only)
		s->committer = committer_new(&log);
	*out = &TAKE(s)->kv.backend;
	return true;
}
