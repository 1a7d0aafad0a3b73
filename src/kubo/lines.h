/*
 * lines.h -- cuts a stream of bytes into lines (NDJSON), whatever pieces it comes in.
 *
 * A line ends with LF; CR before it, empty lines and white space around stay away from the
 * receiver.  A last line without LF counts once the stream has ended.  Lines longer
 * than LINE_MAX_BYTES end the stream with an error: memory is bounded.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

#define LINE_MAX_BYTES ((size_t)64 << 10)

struct lines {
	struct buf rest; /* the beginning of a line whose end has not come */
};

/* Receives a line, at least one byte; it lives during the call.  False stops. */
typedef bool line_fn(void *ctx, struct slice line);

/* False if `each` said so or a line is too long; then the stream is to be dropped. */
bool lines_feed(struct lines *lines, struct slice bytes, line_fn *each, void *ctx) MUST_CHECK;
bool lines_end(struct lines *lines, line_fn *each, void *ctx) MUST_CHECK;

void lines_reset(struct lines *lines); /* ready for another stream; keeps the memory */
void lines_free(struct lines *lines);  /* frees what it holds, not the struct */
