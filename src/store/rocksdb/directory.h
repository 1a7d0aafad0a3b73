/*
 * directory.h -- the directory of a store: whose it is, and whether it is whole.
 *
 * What RocksDB itself would overlook is looked for here, before it opens anything: a
 * directory of somebody else or of a newer program, damaged and missing logs.
 *
 *	FORMAT  four lines: "pinfold store", "format 1", "state new|ready", "crc <crc32c of
 *	        the lines before, 8 hex digits>".  `new` until RocksDB has made its files.
 *	SYNCED  how far the log was synced; see synced.h
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

enum directory_state {
	DIRECTORY_NEW, /* nothing was stored yet: whatever RocksDB left may be made again */
	DIRECTORY_READY,
};

struct synced { /* what SYNCED says */
	int fd;
	int slot; /* where it says so: 0 or 1 */
	uint64_t turn;
	uint64_t sequence;   /* all writes up to this one were synced */
	uint64_t oldest_log; /* its number; 0: not known */
};

struct directory {
	char *path;
	int fd; /* locked for this process */
	enum directory_state state;
	bool read_only;
	struct synced synced; /* only while ready */
	uint64_t kept;        /* what directory_set_synced() was told last */
	uint64_t log;         /* the newest when directory_sync_logs() last looked */
	int log_fd;           /* of that; -1: it has not looked */
	int watch_fd;         /* tells of new files; -1: it does not */
	int spare_fd;         /* for a sync when the process has no other left; -1: it is used */
	bool looked;          /* no log was made since it looked */
};
#define DIRECTORY_CLOSED     \
	((struct directory){ \
		.fd = -1, .synced.fd = -1, .log_fd = -1, .watch_fd = -1, .spare_fd = -1 })

/* What a file FORMAT says.  ERR_INVALID: it is of a newer program than one that knows `format`;
 * ERR_CORRUPT: it is not as any wrote it. */
bool format_decode(struct slice text, unsigned format, enum directory_state *state,
		   struct err *err) MUST_CHECK;

/* Opens and locks; makes directory and FORMAT if `create` and there is nothing. */
bool directory_open(const char *path, bool create, bool read_only, unsigned format,
		    struct directory *out, struct err *err) MUST_CHECK;
void directory_close(struct directory *dir);

/* RocksDB has made its files: FORMAT becomes ready, SYNCED is there. */
bool directory_make_ready(struct directory *dir, unsigned format, struct err *err) MUST_CHECK;
/* The same for a backup that lies at `path` and holds all up to `synced`; everything in
 * it is synced. */
bool directory_seal_backup(const char *path, unsigned format, uint64_t synced,
			   struct err *err) MUST_CHECK;

/* Reads CURRENT, MANIFEST and the logs that are still needed; unless read-only, syncs
 * those: what a killed process had written and not synced is found again, and acted on.
 * *end is the last sequence number in them, 0: none; *torn tells whether any ends in what is no
 * whole record. */
bool directory_check_logs(const struct directory *dir, uint64_t *end, bool *torn,
			  struct err *err) MUST_CHECK;

/* Cuts that off, once it is known that none of it was synced: behind a page that never came to
 * the disk RocksDB would read on where a record happens to begin. */
bool directory_cut_logs(const struct directory *dir, struct err *err) MUST_CHECK;

/* Syncs what has been written to logs: all that returned before the call.  Through descriptors of
 * its own, because RocksDB ends the process when it is to sync a log that a write has just failed
 * on.  Keeps one in reserve; where the process has no other left and that one does not do, it waits
 * some seconds, and fails.  One call at a time. */
bool directory_sync_logs(struct directory *dir, struct err *err) MUST_CHECK;

/* Lets the log go that was synced last: all in it is in tables now. */
void directory_forget_log(struct directory *dir);

/* What SYNCED says; only while ready. */
uint64_t directory_synced(const struct directory *dir);
/* `kept`: logs older than this one RocksDB may have removed.  The oldest of the others is
 * looked for when `kept` has grown, and expected to be there when the directory is opened. */
void directory_set_synced(struct directory *dir, uint64_t sequence, uint64_t kept);

/* Bytes in the tables (not the logs). */
uint64_t directory_table_bytes(const struct directory *dir);

/* Writes and syncs a little, and removes it: is there space again? */
bool directory_try_write(const struct directory *dir, size_t bytes, struct err *err) MUST_CHECK;
