/*
 * store_rocksdb.h -- the tables in one directory of this machine.
 *
 * One column family a table; keys and values as docs/formats.md shows them.  A write
 * is visible at once and durable when when_durable() says so: the write-ahead
 * log is synced when somebody waits, once for all who wait (committer.h); writes nobody waits
 * for ride along.
 *
 * When the disk is full or fails, the store becomes read-only: reads go on, writes
 * and all who wait get ERR_NO_SPACE or ERR_UNAVAILABLE, and nothing is acknowledged
 * that was not synced.  A sync that failed is never tried again on the same log (the
 * kernel may have dropped the pages); once a second the store tries whether it can
 * write a little, and then opens its directory anew inside the process, however many read
 * meanwhile.  Writes whose durability was refused may be there afterwards or not, and so may
 * one that failed for another reason than space (ERR_TIMEOUT).
 *
 * The directory holds RocksDB's files and:
 *	FORMAT  says that this is a store of ours, and of which format; written first
 *	SYNCED  the sequence number up to which the log was synced when last looked
 *
 * A backup is a store: restoring is opening it (or a copy of it).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "store/store_ops.h"

struct store_rocksdb_options {
	const char *path;   /* the directory */
	bool create;        /* make it if it is not there (its parent is), or empty */
	bool read_only;     /* change nothing; the log is replayed in memory */
	size_t cache_bytes; /* of blocks, indexes and filters; 0: 96 MiB */
	size_t log_bytes;   /* the log is cut when it is so large: bounds the time of a start,
			       and the write buffers to about three times as much, twice that
			       while they are flushed; then writes wait; 0: 24 MiB */
};

#define STORE_ROCKSDB_FORMAT 1 /* of the directory; a newer one is refused */

/* Opens the directory, for this process alone.  Errors name the path and what to do,
 * and leave every byte of the directory as it was:
 *	ERR_INVALID      no such directory, not a directory, not a store, of a newer format
 *	ERR_DENIED       no permission
 *	ERR_UNAVAILABLE  in use (by which process), or the disk failed
 *	ERR_NO_SPACE     the disk is full
 *	ERR_CORRUPT      a file is missing, cut or damaged
 * A cut tail of the newest log is what a loss of power leaves, and is accepted where all
 * that was synced lies before it. */
bool store_rocksdb_open(const struct store_rocksdb_options *options, struct store_backend **out,
			struct err *err) MUST_CHECK;
