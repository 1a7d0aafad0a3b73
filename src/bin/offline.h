/*
 * offline.h -- a store that no server has open, for the commands that work on the directory.
 */
#pragma once

#include "bin/command.h"
#include "store/store.h"

struct offline { /* zeroed, it is closed */
	struct clock clock;
	struct rand rand;
	struct store *store;
	int64_t expiring_us; /* as the server has it */
};

enum offline_use {
	OFFLINE_READ, /* nothing in the directory changes */
	OFFLINE_CHANGE,
	OFFLINE_CREATE, /* likewise, and makes the store if there is none, and the directory it is
			   in */
};

/* ERR_UNAVAILABLE if a server has it open, or the disk failed; others as store_rocksdb_open(). */
bool offline_open(const char *path, enum offline_use use, struct offline *out,
		  struct err *err) MUST_CHECK;
void offline_close(struct offline *offline);
static inline void offline_close_at_scope_end(struct offline *offline)
{
	offline_close(offline);
}

/* Where the store lies. */
const char *store_path(const struct config *config, struct arena *mem);

/* Where the configuration keeps the store, and what of it the store needs to know; NULL: it makes
 * no sense, and that was said. */
const char *offline_path(struct invocation *in, struct offline *out);

/* Makes the directory that a new store is to lie in, if it is not there: the data directory of a
 * server that never ran. */
bool offline_make_parent(const char *path, struct err *err) MUST_CHECK;

/* Says on stderr what failed.  No server is asked here, so nothing unreachable is one. */
enum exit_code offline_failed(const struct err *err);
