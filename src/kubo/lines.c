#include "kubo/lines.h"

#include <string.h>

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool give(struct slice line, line_fn *each, void *ctx)
{
	while (line.len > 0 && is_space(line.ptr[line.len - 1]))
		line.len--;
	while (line.len > 0 && is_space(line.ptr[0])) {
		line.ptr++;
		line.len--;
	}
	return line.len == 0 || each(ctx, line);
}

bool lines_feed(struct lines *lines, struct slice bytes, line_fn *each, void *ctx)
{
	while (bytes.len > 0) {
		const uint8_t *end = memchr(bytes.ptr, '\n', bytes.len);
		size_t n = end ? (size_t)(end - bytes.ptr) + 1 : bytes.len;
		struct slice line = { bytes.ptr, n };

		if (lines->rest.len + n > LINE_MAX_BYTES)
			return false;
		if (lines->rest.len > 0 || !end) {
			buf_add(&lines->rest, bytes.ptr, n);
			line = buf_slice(&lines->rest);
		}
		if (end) {
			if (!give(line, each, ctx))
				return false;
			lines->rest.len = 0;
		}
		bytes.ptr += n;
		bytes.len -= n;
	}
	return true;
}

bool lines_end(struct lines *lines, line_fn *each, void *ctx)
{
	bool fine = give(buf_slice(&lines->rest), each, ctx);

	lines->rest.len = 0;
	return fine;
}

void lines_reset(struct lines *lines)
{
	lines->rest.len = 0;
}

void lines_free(struct lines *lines)
{
	buf_free(&lines->rest);
}
