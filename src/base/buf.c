#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"

void buf_free(struct buf *buf)
{
	xfree(buf->ptr);
	*buf = (struct buf){ 0 };
}

uint8_t *buf_reserve(struct buf *buf, size_t n)
{
	if (buf->cap - buf->len < n) {
		size_t cap = buf->cap ? 2 * buf->cap : 256;

		if (cap < buf->len + n)
			cap = buf->len + n;
		buf->ptr = xrealloc(buf->ptr, cap);
		buf->cap = cap;
	}
	return buf->ptr + buf->len;
}

void buf_add(struct buf *buf, const void *bytes, size_t n)
{
	if (n == 0)
		return;
	memcpy(buf_reserve(buf, n), bytes, n);
	buf->len += n;
}

void buf_add_slice(struct buf *buf, struct slice bytes)
{
	buf_add(buf, bytes.ptr, bytes.len);
}

void buf_add_str(struct buf *buf, const char *s)
{
	buf_add(buf, s, strlen(s));
}

void buf_add_byte(struct buf *buf, uint8_t byte)
{
	*buf_reserve(buf, 1) = byte;
	buf->len++;
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	vsnprintf((char *)buf_reserve(buf, (size_t)n + 1), (size_t)n + 1, fmt, again);
	buf->len += (size_t)n;
	va_end(again);
	va_end(ap);
}

void buf_drop(struct buf *buf, size_t n)
{
	assert(n <= buf->len);
	if (n > 0)
		memmove(buf->ptr, buf->ptr + n, buf->len - n);
	buf->len -= n;
}
