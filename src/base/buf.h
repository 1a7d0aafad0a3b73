/*
 * buf.h -- bytes that grow at the end.
 *
 * A zeroed struct is an empty buffer.  What is built here is read through
 * buf_slice() and stays valid until the next append.
 */
#pragma once

#include "base/attr.h"
#include "base/slice.h"

struct buf {
	uint8_t *ptr;
	size_t len, cap; /* bytes used, bytes allocated */
};

void buf_free(struct buf *buf); /* frees the bytes, not the struct; leaves it empty */
static inline void buf_free_at_scope_end(struct buf *buf)
{
	buf_free(buf);
}

/* Room for `n` more bytes at the end; the caller writes them and adds to len. */
uint8_t *buf_reserve(struct buf *buf, size_t n);
void buf_add(struct buf *buf, const void *bytes, size_t n);
void buf_add_slice(struct buf *buf, struct slice bytes);
void buf_add_str(struct buf *buf, const char *s);
void buf_add_byte(struct buf *buf, uint8_t byte);
void buf_printf(struct buf *buf, const char *fmt, ...) PRINTF(2, 3);

/* Drops the first `n` bytes, as a reader does that has consumed them. */
void buf_drop(struct buf *buf, size_t n);

static inline struct slice buf_slice(const struct buf *buf)
{
	return (struct slice){ buf->ptr, buf->len };
}
