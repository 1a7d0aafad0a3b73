/*
 * dir_file.h -- reading and writing files of a store's directory.
 *
 * For the files of this folder alone.  Names are those in the directory, and errors have it
 * before them: ERR_CORRUPT if a file is missing, ERR_NO_SPACE, ERR_DENIED, else
 * ERR_UNAVAILABLE.
 */
#pragma once

#include <sys/types.h>

#include "base/buf.h"
#include "store/rocksdb/directory.h"

/* False, with what errno says about `name`; errno stays. */
bool dir_failed(const struct directory *dir, const char *name, struct err *err);

/* Appends all of a file.  Files are read and not mapped: of a mapped one a failing disk kills the
 * process. */
bool dir_read(const struct directory *dir, const char *name, struct buf *out,
	      struct err *err) MUST_CHECK;

/* Whole or not at all, and durable. */
bool dir_write(const struct directory *dir, const char *name, struct slice bytes,
	       struct err *err) MUST_CHECK;

/* All of `bytes` at `at` of an open file; errno says why not. */
bool dir_write_at(int fd, struct slice bytes, off_t at) MUST_CHECK;

/* Calls `each` with the name of every file until it returns false. */
bool dir_list(const struct directory *dir, bool (*each)(void *ctx, const char *name), void *ctx,
	      struct err *err) MUST_CHECK;

/* Whether `name` ends in `end`. */
bool dir_name_ends(const char *name, const char *end);
