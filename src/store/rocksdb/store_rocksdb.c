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
#define LEFT_POLL_US      1000
#define PROBE_BYTES       ((size_t)1 << 20)
#define FILTER_PREFIX_MAX 8

struct opened {
	struct database db;
	bool read_only;
	_Atomic size_t users;
};

struct store_rocksdb {
	struct kv kv;
	struct kv_locks locks;
	struct directory dir;
	struct database_settings settings;
	pthread_rwlock_t lock;       /* of the next */
	struct opened *opened;       /* what is used from now on; NULL: nothing is open yet */
	struct committer *committer; /* NULL: opened read-only */
	uint64_t end_at_failure;     /* 0: there was none */
	rocksdb_writeoptions_t *write_options;
	_Atomic uint64_t writes, bytes_written;
};

static struct store_rocksdb *store_of(struct store_backend *b)
{
	return CONTAINER_OF(b, struct store_rocksdb, kv.backend);
}

/* ---- the database that is open ------------------------------------------------------------ */

/* The lock is held for the blink of an eye, so a database can be opened anew however many read:
 * those that come use the new one, and the old one is closed when the last has left it. */
static struct opened *use(struct store_rocksdb *s)
{
	struct opened *o;

	pthread_rwlock_rdlock(&s->lock);
	o = s->opened;
	atomic_fetch_add(&o->users, 1);
	pthread_rwlock_unlock(&s->lock);
	return o;
}

static void leave(struct opened *o)
{
	atomic_fetch_sub(&o->users, 1);
}

static void close_opened(struct opened *o)
{
	if (!o)
		return;
	database_close(&o->db);
	xfree(o);
}
DEFINE_CLEANUP(struct opened, close_opened)

static struct opened *open_as(const struct store_rocksdb *s, enum database_mode mode,
			      struct err *err)
{
	CLEANUP(close_opened) struct opened *o = xcalloc(1, sizeof(*o));

	o->read_only = mode == DATABASE_READ_ONLY || mode == DATABASE_INSPECT;
	return database_open(&s->settings, mode, &o->db, err) ? TAKE(o) : NULL;
}

/* Returns when the one before is closed. */
static void replace_opened(struct store_rocksdb *s, struct opened *by)
{
	struct opened *old;

	pthread_rwlock_wrlock(&s->lock);
	old = s->opened;
	s->opened = by;
	pthread_rwlock_unlock(&s->lock);
	while (atomic_load(&old->users) > 0)
		usleep(LEFT_POLL_US);
	close_opened(old);
}

static uint64_t end_of(const struct opened *o)
{
	return rocksdb_get_latest_sequence_number(o->db.db);
}

/* ---- writing --------------------------------------------------------------------------- */

static bool check_writable(struct store_rocksdb *s, struct err *err)
{
	if (!s->committer)
		return err_set(err, ERR_DENIED, "%s was opened read-only", s->dir.path);
	return committer_ok(s->committer, err);
}

static void add_change(const struct opened *o, const struct kv_change *c,
		       rocksdb_writebatch_t *batch)
{
	rocksdb_column_family_handle_t *table = o->db.tables[c->table];
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

/* A failure that is none of space may have come behind the writing: then nobody knows. */
static bool failed_to_write(struct store_rocksdb *s, struct err *err)
{
	struct err why = *err;

	if (err->code != ERR_NO_SPACE) {
		why.code = ERR_UNAVAILABLE;
		err->code = ERR_TIMEOUT;
	}
	committer_fail(s->committer, &why);
	return false;
}

static bool write_batch(struct store_rocksdb *s, const struct opened *o,
			const struct kv_change *changes, size_t n, struct err *err)
{
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	char *message = NULL;
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		add_change(o, &changes[i], batch);
		bytes += changes[i].key.len + changes[i].value.len;
	}
	rocksdb_write(o->db.db, s->write_options, batch, &message);
	rocksdb_writebatch_destroy(batch);
	if (!database_ok(message, s->dir.path, err))
		return failed_to_write(s, err);
	atomic_fetch_add_explicit(&s->writes, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->bytes_written, bytes, memory_order_relaxed);
	return true;
}

/* While it is used the state cannot change from failed to open anew. */
static bool apply(struct kv *kv, const struct kv_change *changes, size_t n, struct err *err)
{
	struct store_rocksdb *s = store_of(&kv->backend);
	struct opened *o = use(s);
	bool ok = check_writable(s, err) && write_batch(s, o, changes, n, err);

	leave(o);
	return ok;
}

/* ---- reading --------------------------------------------------------------------------- */

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
	if (in_one_prefix(table, from, end)) {
		rocksdb_readoptions_set_prefix_same_as_start(o, 1);
	} else {
		rocksdb_readoptions_set_total_order_seek(o, 1);
		/* Who walks past many CIDs does not come back soon: what is asked for by CID stays.
		 */
		rocksdb_readoptions_set_fill_cache(o, database_filter_prefix(table) == 0);
	}
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
	struct opened *o = use(s);
	rocksdb_iterator_t *it = rocksdb_create_iterator_cf(o->db.db, options, o->db.tables[table]);
	char *message = NULL;

	walk(it, from, each, ctx);
	rocksdb_iter_get_error(it, &message);
	rocksdb_iter_destroy(it);
	leave(o);
	rocksdb_readoptions_destroy(options);
	return database_ok(message, s->dir.path, err);
}

static bool get(struct kv *kv, enum table table, struct slice key, kv_record_fn *each, void *ctx,
		struct err *err)
{
	struct store_rocksdb *s = store_of(&kv->backend);
	rocksdb_readoptions_t *options = rocksdb_readoptions_create();
	struct opened *o = use(s);
	rocksdb_pinnableslice_t *found;
	struct slice value;
	char *message = NULL;

	found = rocksdb_get_pinned_cf(o->db.db, options, o->db.tables[table], (const char *)key.ptr,
				      key.len, &message);
	if (!message && found) {
		value.ptr = (const uint8_t *)rocksdb_pinnableslice_value(found, &value.len);
		each(ctx, key, value);
	}
	if (found)
		rocksdb_pinnableslice_destroy(found);
	leave(o);
	rocksdb_readoptions_destroy(options);
	return database_ok(message, s->dir.path, err);
}

static const struct kv_engine engine = { .apply = apply, .scan = scan, .get = get };

/* ---- durability ------------------------------------------------------------------------- */

static uint64_t log_end(void *ctx)
{
	struct store_rocksdb *s = ctx;
	struct opened *o = use(s);
	uint64_t end = end_of(o);

	leave(o);
	return end;
}

/* What RocksDB found out in the background it says to who writes: here nothing, nowhere. */
static bool takes_writes(const struct store_rocksdb *s, const struct opened *o, struct err *err)
{
	rocksdb_writeoptions_t *options = rocksdb_writeoptions_create();
	rocksdb_writebatch_t *nothing = rocksdb_writebatch_create();
	char *message = NULL;

	rocksdb_writeoptions_disable_WAL(options, 1);
	rocksdb_write(o->db.db, options, nothing, &message);
	rocksdb_writebatch_destroy(nothing);
	rocksdb_writeoptions_destroy(options);
	return database_ok(message, s->dir.path, err);
}

/* Before RocksDB flushes it syncs the log that it leaves.  If that failed, the kernel has told it,
 * and tells nobody who opens that log afterwards. */
static bool log_sync(void *ctx, uint64_t end, struct err *err)
{
	struct store_rocksdb *s = ctx;
	struct opened *o = use(s);
	uint64_t newest = s->dir.log;
	bool ok = directory_sync_logs(&s->dir, err) &&
		  (s->dir.log == newest || takes_writes(s, o, err));

	if (ok)
		directory_set_synced(&s->dir, end, database_kept_log(&o->db));
	else if (err->code != ERR_NO_SPACE)
		err->code = ERR_UNAVAILABLE;
	leave(o);
	return ok;
}

/* Readers go on with a database that takes no writes, so that the one that failed can be closed. */
static bool make_room(struct store_rocksdb *s, struct err *err)
{
	struct opened *readable;

	if (s->opened->read_only)
		return true;
	s->end_at_failure = end_of(s->opened);
	readable = open_as(s, DATABASE_READ_ONLY, err);
	if (readable)
		replace_opened(s, readable);
	return readable;
}

/* Opening reads the log back, and flushing writes it into tables and syncs those, so
 * whatever the failed sync left behind is made good.  Everything that had been written must
 * be there again: others have acted on it. */
static bool open_anew(struct store_rocksdb *s, struct err *err)
{
	CLEANUP(close_opened) struct opened *o = open_as(s, DATABASE_READ_WRITE, err);

	if (!o || !database_flush(&o->db, err))
		return false;
	if (end_of(o) < s->end_at_failure)
		return err_set(err, ERR_UNAVAILABLE, "%s: the disk lost what it had taken; restart",
			       s->dir.path);
	directory_set_synced(&s->dir, end_of(o), database_kept_log(&o->db));
	directory_forget_log(&s->dir);
	replace_opened(s, TAKE(o));
	return true;
}

/* Only here is another database opened, so s->opened need not be guarded against that. */
static bool log_recover(void *ctx, struct err *err)
{
	struct store_rocksdb *s = ctx;

	return directory_try_write(&s->dir, PROBE_BYTES, err) && make_room(s, err) &&
	       open_anew(s, err);
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
static bool verify(struct store_backend *b, bool (*go_on)(void *ctx), void *ctx, struct err *err)
{
	struct store_rocksdb *s = store_of(b);
	struct opened *o = use(s);
	bool ok = (o->read_only || database_flush(&o->db, err)) &&
		  (database_verify(&o->db, go_on, ctx, err) || err_wrap(err, "%s", s->dir.path));

	leave(o);
	return ok;
}

static bool make_checkpoint(const struct opened *o, const char *path, struct err *err)
{
	char *message = NULL;
	rocksdb_checkpoint_t *checkpoint = rocksdb_checkpoint_object_create(o->db.db, &message);

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
	struct opened *o;
	uint64_t end;
	bool ok;

	if (!can_be_made(path, err))
		return false;
	o = use(s);
	ok = check_writable(s, err);
	if (ok) {
		end = end_of(o);
		ok = make_checkpoint(o, path, err) &&
		     directory_seal_backup(path, STORE_ROCKSDB_FORMAT, end, err);
	}
	leave(o);
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
	close_opened(s->opened);
	directory_close(&s->dir);
	rocksdb_writeoptions_destroy(s->write_options);
	kv_locks_destroy(&s->locks);
	pthread_rwlock_destroy(&s->lock);
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
	pthread_rwlock_init(&s->lock, NULL);
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

/* Finds out whether all is there, and changes nothing. */
static bool inspect(struct store_rocksdb *s, struct found *out, struct err *err)
{
	CLEANUP(close_opened) struct opened *o = NULL;
	uint64_t logged;

	if (!directory_check_logs(&s->dir, &logged, &out->torn, err))
		return false;
	o = open_as(s, DATABASE_INSPECT, err);
	if (!o)
		return err->code == ERR_CORRUPT
			       ? err_wrap(err,
					  "files are missing or damaged, restore the directory "
					  "from a backup")
			       : false;
	out->end = end_of(o) > logged ? end_of(o) : logged;
	/* What was synced in a log that is still needed must be in it, whatever of it tables have.
	 */
	if (!check_end(s, out->torn && logged > 0 ? logged : out->end, err))
		return false;
	if (directory_table_bytes(&s->dir) > VERIFY_AT_OPEN ||
	    database_verify(&o->db, NULL, NULL, err))
		return true;
	return err_wrap(err, "%s is damaged, restore it from a backup", s->dir.path);
}

static bool open_new(struct store_rocksdb *s, struct err *err)
{
	if (s->dir.read_only)
		return err_set(err, ERR_INVALID, "%s: this store was never made whole",
			       s->dir.path);
	s->opened = open_as(s, DATABASE_CREATE, err);
	return s->opened && directory_make_ready(&s->dir, STORE_ROCKSDB_FORMAT, err);
}

/* Nothing can be cut off here, and RocksDB reads on behind a hole where a block begins with a
 * record. */
static bool open_read_only(struct store_rocksdb *s, uint64_t end, struct err *err)
{
	s->opened = open_as(s, DATABASE_READ_ONLY, err);
	return s->opened &&
	       (end_of(s->opened) <= end ||
		err_set(err, ERR_CORRUPT,
			"%s: pages of its log never came to the disk: open it once for writing, "
			"which cuts them off",
			s->dir.path));
}

static bool open_database(struct store_rocksdb *s, struct err *err)
{
	struct found found;

	if (s->dir.state == DIRECTORY_NEW)
		return open_new(s, err);
	if (!inspect(s, &found, err))
		return false;
	if (s->dir.read_only)
		return open_read_only(s, found.end, err);
	if (found.torn && !directory_cut_logs(&s->dir, err))
		return false;
	s->opened = open_as(s, DATABASE_READ_WRITE, err);
	if (s->opened)
		directory_set_synced(&s->dir, end_of(s->opened), database_kept_log(&s->opened->db));
	return s->opened;
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
