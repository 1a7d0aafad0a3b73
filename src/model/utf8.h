/*
 * utf8.h -- is it text?
 *
 * Names, tags and metadata of pins are kept and compared as UTF-8 bytes.
 * Accepted is what RFC 3629 allows (no overlong forms, no surrogates, nothing
 * above U+10FFFF), without U+0000.  Pure.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

/* ERR_INVALID says at which byte the text stops being UTF-8.  *points (may be
 * NULL) becomes the number of code points, which is what PSA counts. */
bool utf8_check(struct slice text, size_t *points, struct err *err);
