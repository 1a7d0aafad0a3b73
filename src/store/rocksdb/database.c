#include "store/rocksdb/database.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/attr.h"
#include "store/kv/format.h"

/* RocksDB's own log (LOG) of a read-only database would be a change on the disk: it
 * is sent where no directory can be, and RocksDB goes without it. */
#define NO_DIRECTORY "/dev/null/none"
/* To inspect a database without its log, RocksDB is told to look for it in a directory
 * that is always there and has none. */
#define NO_LOGS "/proc/self/fdinfo"

#define BLOOM_BITS   10
#define BUFFER_LOGS  2    /* how large a buffer may become, in logs */
#define BUFFERS      2    /* of a table that wait to be flushed */
#define BUFFER_BLOOM 0.02 /* of the bytes of a write buffer: 1 MiB */
#define LEVELS       7
#define VERIFY_ASK   4096 /* rows between two questions whether to go on */
#define PLAIN_LEVELS 2    /* the youngest are rewritten soon: not worth compressing */
#define BACKGROUND   2
/* RocksDB's text log (LOG) stays empty: when it cannot be written on a full disk, Debian's
 * library, which is built with its assertions, aborts the process.  That holds only as long
 * as it is not rolled by size, which makes some lines exempt from the level. */
#define LOG_LEVEL_FATAL 4
#define FAMILIES        (TABLE_COUNT + 1) /* RocksDB insists on one called "default" */

struct database_owned {
	rocksdb_options_t *db_options, *options[FAMILIES];
	rocksdb_cache_t *cache;
};

/* How rows of a table are looked for decides what its filter is made of. */
struct lookup {
	uint8_t prefix; /* bytes; reading all rows with the same ones */
	bool whole;     /* single rows by their whole key */
};
static const struct lookup lookups[FAMILIES] = {
	[TABLE_PINS_BY_CID] = { .prefix = 5 },       /* bucket, part */
	[TABLE_PLACEMENTS_BY_CID] = { .prefix = 4 }, /* bucket */
	[TABLE_OWNER_PINS] = { .whole = true },      [TABLE_OWNERS] = { .whole = true },
	[TABLE_OP_DEDUP] = { .whole = true },        [TABLE_API_KEYS] = { .whole = true },
	[TABLE_DENY_LIST] = { .whole = true },
};

size_t database_filter_prefix(enum table table)
{
	return lookups[table].prefix;
}

/* ---- errors -------------------------------------------------------------------------- */

bool database_ok(char *message, const char *doing, struct err *err)
{
	static const struct {
		const char *text;
		enum err_code code;
	} codes[] = {
		{ "No space left", ERR_NO_SPACE },
		{ "quota exceeded", ERR_NO_SPACE },
		{ "File too large", ERR_NO_SPACE },
		{ "Permission denied", ERR_DENIED },
		{ "Corruption", ERR_CORRUPT },
		{ "No such file", ERR_CORRUPT },
		{ "Column famil", ERR_CORRUPT },
		{ "IO error", ERR_UNAVAILABLE },
		{ "Shutdown in progress", ERR_CANCELED },
	};
	enum err_code code = ERR_INTERNAL;

	if (!message)
		return true;
	for (size_t i = ARRAY_LEN(codes); i-- > 0;)
		if (strstr(message, codes[i].text))
			code = codes[i].code;
	err_set(err, code, "%s: %s", doing, message);
	rocksdb_free(message);
	return false;
}

/* ---- sums of owner_totals --------------------------------------------------------------- */

/* Adds up values; RocksDB frees what is returned. */
static char *sum_up(struct buf *sum, const char *const *operands, const size_t *lens, int n,
		    unsigned char *success, size_t *len)
{
	struct err err;

	*success = 1;
	for (int i = 0; *success && i < n; i++) {
		struct buf next = { 0 };

		if (sum->len == 0)
			buf_add(&next, operands[i], lens[i]);
		else
			*success = format_add(TABLE_OWNER_TOTALS, buf_slice(sum),
					      SLICE_OF(operands[i], lens[i]), &next, &err);
		buf_free(sum);
		*sum = next;
	}
	*len = sum->len;
	return (char *)TAKE(sum->ptr);
}

static char *full_merge(void *state, const char *key, size_t key_len, const char *existing,
			size_t existing_len, const char *const *operands, const size_t *lens, int n,
			unsigned char *success, size_t *len)
{
	struct buf sum = { 0 };

	(void)state, (void)key, (void)key_len;
	if (existing)
		buf_add(&sum, existing, existing_len);
	return sum_up(&sum, operands, lens, n, success, len);
}

static char *partial_merge(void *state, const char *key, size_t key_len,
			   const char *const *operands, const size_t *lens, int n,
			   unsigned char *success, size_t *len)
{
	struct buf sum = { 0 };

	(void)state, (void)key, (void)key_len;
	return sum_up(&sum, operands, lens, n, success, len);
}

static void merge_free_value(void *state, const char *value, size_t len)
{
	(void)state, (void)len;
	xfree((void *)(uintptr_t)value);
}

static const char *merge_name(void *state)
{
	(void)state;
	return "pinfold.sum";
}

static void merge_destroy(void *state)
{
	(void)state;
}

/* ---- options ------------------------------------------------------------------------------- */

static bool is_read_only(enum database_mode mode)
{
	return mode == DATABASE_READ_ONLY || mode == DATABASE_INSPECT;
}

/* A start need not write tables: the log stays until there is more of it.  The C interface
 * has no function for this option. */
static rocksdb_options_t *make_start_options(void)
{
	rocksdb_options_t *plain = rocksdb_options_create(), *o = rocksdb_options_create();
	char *message = NULL;

	rocksdb_get_options_from_string(plain, "avoid_flush_during_recovery=true", o, &message);
	assert(!message);
	rocksdb_options_destroy(plain);
	return o;
}

static rocksdb_options_t *make_db_options(const struct database_settings *s,
					  enum database_mode mode)
{
	rocksdb_options_t *o = make_start_options();

	rocksdb_options_set_paranoid_checks(o, 1);
	rocksdb_options_set_create_if_missing(o, mode == DATABASE_CREATE);
	rocksdb_options_set_create_missing_column_families(o, mode == DATABASE_CREATE);
	/* A log may end in a cut or damaged record (loss of power).  That only the newest does, and
	 * that all before it is sound, log_file.h has checked. */
	rocksdb_options_set_wal_recovery_mode(o, rocksdb_point_in_time_recovery);
	rocksdb_options_set_max_total_wal_size(o, s->log_bytes);
	rocksdb_options_set_max_background_jobs(o, BACKGROUND);
	rocksdb_options_set_bytes_per_sync(o, 1 << 20);
	rocksdb_options_set_max_open_files(o, -1);
	rocksdb_options_set_stats_dump_period_sec(o, 0);
	rocksdb_options_set_info_log_level(o, LOG_LEVEL_FATAL);
	rocksdb_options_set_keep_log_file_num(o, 1);
	if (is_read_only(mode))
		rocksdb_options_set_db_log_dir(o, NO_DIRECTORY);
	if (mode == DATABASE_INSPECT)
		rocksdb_options_set_wal_dir(o, NO_LOGS);
	return o;
}

static void set_block_format(rocksdb_options_t *o, const struct lookup *lookup,
			     rocksdb_cache_t *cache)
{
	rocksdb_block_based_table_options_t *b = rocksdb_block_based_options_create();

	rocksdb_block_based_options_set_block_cache(b, cache);
	rocksdb_block_based_options_set_format_version(b, 5);
	/* Indexes and filters count against the cache, in small pieces. */
	rocksdb_block_based_options_set_cache_index_and_filter_blocks(b, 1);
	rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(b, 1);
	rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(b, 1);
	rocksdb_block_based_options_set_index_type(
		b, rocksdb_block_based_table_index_type_two_level_index_search);
	rocksdb_block_based_options_set_pin_top_level_index_and_filter(b, 1);
	if (lookup->prefix || lookup->whole) {
		rocksdb_block_based_options_set_partition_filters(b, 1);
		rocksdb_block_based_options_set_filter_policy(
			b, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS));
		rocksdb_block_based_options_set_whole_key_filtering(b, lookup->whole);
	}
	rocksdb_options_set_block_based_table_factory(o, b);
	rocksdb_block_based_options_destroy(b);
}

static rocksdb_options_t *make_options(const struct database_settings *s, int family,
				       rocksdb_cache_t *cache)
{
	const struct lookup *lookup = &lookups[family];
	rocksdb_options_t *o = rocksdb_options_create();
	int compression[LEVELS];

	for (int i = 0; i < LEVELS; i++)
		compression[i] =
			i < PLAIN_LEVELS ? rocksdb_no_compression : rocksdb_lz4_compression;
	rocksdb_options_set_compression_per_level(o, compression, LEVELS);
	/* Only the size of the log makes a buffer full: all tables are flushed together, so
	 * that there is one log but while that happens.  The log is not cut again meanwhile; if
	 * more is written than can be flushed, buffers end at a size of their own, and then
	 * writing waits. */
	rocksdb_options_set_write_buffer_size(o, BUFFER_LOGS * s->log_bytes);
	rocksdb_options_set_arena_block_size(o, 128 << 10);
	rocksdb_options_set_max_write_buffer_number(o, BUFFERS);
	rocksdb_options_set_target_file_size_base(o, 32 << 20);
	rocksdb_options_set_max_bytes_for_level_base(o, 128 << 20);
	rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
	if (lookup->prefix) {
		rocksdb_options_set_prefix_extractor(
			o, rocksdb_slicetransform_create_fixed_prefix(lookup->prefix));
		rocksdb_options_set_memtable_prefix_bloom_size_ratio(o, BUFFER_BLOOM);
	}
	if (family == TABLE_OWNER_TOTALS)
		rocksdb_options_set_merge_operator(
			o,
			rocksdb_mergeoperator_create(NULL, merge_destroy, full_merge, partial_merge,
						     merge_free_value, merge_name));
	set_block_format(o, lookup, cache);
	return o;
}

static struct database_owned *make_owned(const struct database_settings *s, enum database_mode mode)
{
	struct database_owned *owned = xcalloc(1, sizeof(*owned));

	owned->cache = rocksdb_cache_create_lru(s->cache_bytes);
	owned->db_options = make_db_options(s, mode);
	for (int i = 0; i < FAMILIES; i++)
		owned->options[i] = make_options(s, i, owned->cache);
	return owned;
}

static void free_owned(struct database_owned *owned)
{
	for (int i = 0; i < FAMILIES; i++)
		rocksdb_options_destroy(owned->options[i]);
	rocksdb_options_destroy(owned->db_options);
	rocksdb_cache_destroy(owned->cache);
	xfree(owned);
}

/* ---- opening --------------------------------------------------------------------------------- */

bool database_open(const struct database_settings *s, enum database_mode mode, struct database *db,
		   struct err *err)
{
	struct database_owned *owned = make_owned(s, mode);
	const rocksdb_options_t *const *options = (const rocksdb_options_t *const *)owned->options;
	rocksdb_column_family_handle_t *handles[FAMILIES] = { 0 };
	const char *names[FAMILIES];
	char *message = NULL;
	rocksdb_t *opened;

	for (int i = 0; i < TABLE_COUNT; i++)
		names[i] = table_schema((enum table)i)->name;
	names[TABLE_COUNT] = "default";
	if (is_read_only(mode))
		opened = rocksdb_open_for_read_only_column_families(
			owned->db_options, s->path, FAMILIES, names, options, handles, 0, &message);
	else
		opened = rocksdb_open_column_families(owned->db_options, s->path, FAMILIES, names,
						      options, handles, &message);
	if (!database_ok(message, s->path, err)) {
		free_owned(owned);
		return false;
	}
	rocksdb_column_family_handle_destroy(handles[TABLE_COUNT]);
	*db = (struct database){ .db = opened, .owned = owned };
	memcpy(db->tables, handles, sizeof(db->tables));
	return true;
}

void database_close(struct database *db)
{
	if (!db->db)
		return;
	for (int i = 0; i < TABLE_COUNT; i++)
		rocksdb_column_family_handle_destroy(db->tables[i]);
	rocksdb_close(db->db);
	free_owned(db->owned);
	*db = (struct database){ 0 };
}

uint64_t database_kept_log(const struct database *db)
{
	uint64_t number = 0;

	rocksdb_property_int(db->db, "rocksdb.min-log-number-to-keep", &number);
	return number;
}

bool database_flush(struct database *db, struct err *err)
{
	rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
	char *message = NULL;

	rocksdb_flushoptions_set_wait(options, 1);
	for (int i = 0; !message && i < TABLE_COUNT; i++)
		rocksdb_flush_cf(db->db, options, db->tables[i], &message);
	rocksdb_flushoptions_destroy(options);
	return database_ok(message, "flush", err);
}

static bool verify_table(struct database *db, enum table table, bool (*go_on)(void *ctx), void *ctx,
			 struct err *err)
{
	bool wanted = true;
	rocksdb_readoptions_t *options = rocksdb_readoptions_create();
	rocksdb_iterator_t *it;
	char *message = NULL;

	rocksdb_readoptions_set_verify_checksums(options, 1);
	rocksdb_readoptions_set_fill_cache(options, 0);
	rocksdb_readoptions_set_total_order_seek(options, 1);
	it = rocksdb_create_iterator_cf(db->db, options, db->tables[table]);
	rocksdb_iter_seek_to_first(it);
	for (unsigned n = 1; wanted && rocksdb_iter_valid(it); n++) {
		rocksdb_iter_next(it);
		wanted = !go_on || n % VERIFY_ASK != 0 || go_on(ctx);
	}
	rocksdb_iter_get_error(it, &message);
	rocksdb_iter_destroy(it);
	rocksdb_readoptions_destroy(options);
	return database_ok(message, table_schema(table)->name, err) &&
	       (wanted || err_set(err, ERR_CANCELED, "it was broken off"));
}

bool database_verify(struct database *db, bool (*go_on)(void *ctx), void *ctx, struct err *err)
{
	for (int i = 0; i < TABLE_COUNT; i++)
		if (!verify_table(db, (enum table)i, go_on, ctx, err))
			return false;
	return true;
}
