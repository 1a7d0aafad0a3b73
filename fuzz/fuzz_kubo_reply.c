#include "base/arena.h"
#include "fuzz_target.h"
#include "kubo/lines.h"
#include "kubo/reply.h"

#define PIECE 7 /* bytes at once, so that lines come in pieces */

static bool on_line(void *ctx, struct slice line)
{
	assert(line.len > 0 && line.len <= LINE_MAX_BYTES);
	assert(!memchr(line.ptr, '\n', line.len));
	return reply_line(ctx, line);
}

static bool feed(struct lines *lines, struct slice body, size_t piece, struct reply *reply)
{
	for (size_t at = 0; at < body.len; at += piece) {
		size_t n = body.len - at < piece ? body.len - at : piece;

		if (!lines_feed(lines, SLICE_OF(body.ptr + at, n), on_line, reply))
			return false;
	}
	return lines_end(lines, on_line, reply);
}

static void check_text(const char *text)
{
	size_t n = strnlen(text, KUBO_TEXT_MAX + 1);

	assert(n <= KUBO_TEXT_MAX);
	for (size_t i = 0; i < n; i++)
		assert((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
}

/* The first byte chooses the operation, the rest is the body of its answer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[KUBO_TEXT_MAX + 1];
	struct slice body;
	bool fine[2], complete[2];

	if (size == 0)
		return 0;
	body = SLICE_OF(data + 1, size - 1);
	for (unsigned whole = 0; whole < 2; whole++) {
		CLEANUP(arena_free) struct arena *mem = arena_new();
		struct kubo_done done = { .kind = data[0] % KUBO_N_KINDS };
		struct reply reply = { .done = &done, .mem = mem };
		struct lines lines = { 0 };

		fine[whole] = feed(&lines, body, whole ? size : PIECE, &reply);
		complete[whole] = reply.complete;
		check_text(done.text);
		assert(reply.pins.len % sizeof(struct kubo_pin) == 0);
		buf_free(&reply.pins);
		lines_free(&lines);
	}
	/* How the network cuts an answer changes nothing. */
	assert(fine[0] == fine[1] && complete[0] == complete[1]);
	reply_error_text(body, text);
	check_text(text);
	assert(text[0]);
	return 0;
}
