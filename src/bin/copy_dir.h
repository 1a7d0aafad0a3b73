/* copy_dir.h -- a durable copy of a directory that holds files and no directories. */
#pragma once

#include "base/err.h"

/* Does to the copy what has to be done before it gets its name. */
typedef bool copy_dir_fn(const char *part, struct err *err);

/* Makes `to`, which must not be there (its parent must), as a copy of `from`, synced.  It
 * appears under its name only when it is whole and `finish` has said yes; a copy that broke off
 * is removed.
 * ERR_INVALID: there is such a directory, or `from` holds other things than files;
 * ERR_NO_SPACE: the disk is full. */
bool copy_dir(const char *from, const char *to, copy_dir_fn *finish, struct err *err) MUST_CHECK;
