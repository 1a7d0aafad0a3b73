/*
 * dir.h -- directories that are still there after a loss of power.
 *
 * A new entry is on the disk only when the directory that it was made in was synced too.
 * Errors are in errno.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/attr.h"

/* Makes the directory `path` for this user alone (0700), for good.  One that is there already is
 * fine, and left as it is. */
bool dir_make(const char *path) MUST_CHECK;

/* `path` from the root, in `mem`; links in it stay.  As it is where that cannot be told. */
const char *dir_absolute(const char *path, struct arena *mem);

/* Syncs the directory that `path` lies in.  One that may be written and not read cannot be synced:
 * that passes for done. */
bool dir_sync_parent(const char *path) MUST_CHECK;
