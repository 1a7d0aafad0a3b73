/*
 * url.h -- percent-decoding and query strings (RFC 3986; application/x-www-form-urlencoded).
 *
 * Strict, because what one hop reads otherwise than the next is a hole: an
 * escape that is not two hex digits, and an escaped or plain NUL, are refused.
 * What comes out may be any other bytes; url_text_ok() tells if it is clean text.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/slice.h"

/* Decodes one piece of a path.  '+' stays '+'.  *out is in `mem`, or is `in` itself
 * when nothing was escaped.  ERR_INVALID: a bad escape or a NUL. */
bool url_decode(struct arena *mem, struct slice in, struct slice *out, struct err *err) MUST_CHECK;

enum url_next { URL_END, URL_PARAM, URL_BAD };

/*
 * Takes the next "name=value" off the front of *rest and decodes both ('+' is a
 * space).  "name" alone has an empty value; empty pieces ("a=1&&b=2") are skipped.
 *
 * URL_PARAM: *name and *value are set.  URL_END: there are no more.  URL_BAD: *err says why.
 */
enum url_next url_query_next(struct arena *mem, struct slice *rest, struct slice *name,
			     struct slice *value, struct err *err) MUST_CHECK;

/* Valid UTF-8 (no overlong forms, no surrogates) without control characters. */
bool url_text_ok(struct slice text);

/* Would url_decode() succeed and url_text_ok() hold for the result?  Allocates nothing. */
bool url_path_ok(struct slice path);
