/*
 * database.h -- a RocksDB database with our column families and settings.
 *
 * Thin: opening, closing, errors with our codes.  Thread-safe where RocksDB is: all but
 * opening and closing.
 */
#pragma once

#include <rocksdb/c.h>

#include "base/err.h"
#include "store/schema.h"

struct database_settings {
	const char *path;
	size_t cache_bytes, log_bytes;
};

struct database {
	rocksdb_t *db; /* NULL: closed */
	rocksdb_column_family_handle_t *tables[TABLE_COUNT];
	struct database_owned *owned; /* options and caches that live as long */
};

enum database_mode {
	DATABASE_READ_WRITE,
	DATABASE_CREATE,    /* makes what is missing; for a store that is being made */
	DATABASE_READ_ONLY, /* changes nothing on the disk, replays the log in memory */
	DATABASE_INSPECT,   /* the same without the log: what lies in tables alone */
};

/* Fills *db, which is closed. */
bool database_open(const struct database_settings *settings, enum database_mode mode,
		   struct database *db, struct err *err) MUST_CHECK;
void database_close(struct database *db); /* a closed one is fine */

/* The fixed bytes that keys of this table begin with and that its filter is made for;
 * 0: it has none. */
size_t database_filter_prefix(enum table table);

/* Logs older than this one RocksDB may have removed; 0: it has removed none. */
uint64_t database_kept_log(const struct database *db);

/* Writes what lies in the log alone into tables and syncs them. */
bool database_flush(struct database *db, struct err *err) MUST_CHECK;

/* Reads all rows of all tables; the checksum of every block is compared.  ERR_CANCELED: `go_on`,
 * asked every few thousand rows, said no; NULL is not asked. */
bool database_verify(struct database *db, bool (*go_on)(void *ctx), void *ctx,
		     struct err *err) MUST_CHECK;

/* Turns RocksDB's message into *err and frees it; true if there is none. */
bool database_ok(char *message, const char *doing, struct err *err);
