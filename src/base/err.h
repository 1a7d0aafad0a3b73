/*
 * err.h -- how a call says that it failed.
 *
 * A call that can fail returns bool and takes a `struct err *` last.  False
 * means: *err says why, no out parameter was written and nothing was changed
 * (after ERR_TIMEOUT alone nobody knows).  The caller acts on err->code, or
 * passes the failure up with err_wrap().
 *
 * Only faults live here.  An outcome the caller must expect (no such request,
 * lost the race for a lease) belongs to the result type of the call.  A broken
 * invariant is neither: assert it.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"

enum err_code { /* named by remedy, not by cause */
		ERR_NONE,
		ERR_INVALID,     /* the request is wrong; do not retry */
		ERR_DENIED,      /* the caller may not do this */
		ERR_EXHAUSTED,   /* a quota or limit is used up */
		ERR_NO_SPACE,    /* the disk is full; free some, then retry */
		ERR_TIMEOUT,     /* outcome unknown; retry only if idempotent */
		ERR_UNAVAILABLE, /* peer out of reach; retry later */
		ERR_CORRUPT,     /* stored or received bytes make no sense */
		ERR_CANCELED,    /* we are shutting down, or the caller cancelled */
		ERR_INTERNAL,    /* a bug or an unexpected errno */
};

struct err {
	enum err_code code;
	const char *file; /* where it was raised first; static storage */
	int line;
	char text[240]; /* "put pin bafy...: no space left on device"; cut if longer */
};

/* Raise and wrap return false, so that failing is one statement:
 *	return err_set(err, ERR_INVALID, "cid has %zu bytes", len); */
#define err_set(err, code, ...) err_set_at((err), (code), __FILE__, __LINE__, __VA_ARGS__)
bool err_set_at(struct err *err, enum err_code code, const char *file, int line, const char *fmt,
		...) PRINTF(5, 6);

/* Puts "`fmt`: " before the text of an err that is set; code and place stay. */
bool err_wrap(struct err *err, const char *fmt, ...) PRINTF(2, 3);

/* "invalid", "no-space", ...; static storage. */
const char *err_code_name(enum err_code code);
