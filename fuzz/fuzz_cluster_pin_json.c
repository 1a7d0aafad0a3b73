/* The pins of a stream, whatever it holds; each that can be read is written as it is read again. */
#include "base/cleanup.h"
#include "fuzz_target.h"
#include "role/cluster_pin_json.h"

static void check(struct slice text, struct arena *mem)
{
	CLEANUP(buf_free) struct buf out = { 0 }, again = { 0 }, line = { 0 };
	struct cluster_pin pin, second;
	struct slice owner, owner2;
	struct err err = { 0 };
	bool ok = cluster_pin_json_read(text, mem, &pin, &owner, &err);

	if (!ok) {
		assert(err.code == ERR_INVALID && err.text[0]);
		return;
	}
	ok = cluster_pin_json_write(&pin, owner, &line);
	assert(ok); /* what came as JSON has a place in it */
	ok = cluster_pin_json_read(buf_slice(&line), mem, &second, &owner2, &err);
	assert(ok && slice_eq(owner, owner2));
	cluster_pin_encode(&pin, &out);
	cluster_pin_encode(&second, &again);
	assert(slice_eq(buf_slice(&out), buf_slice(&again)));
	ok = cluster_pin_decode(buf_slice(&out), mem, &second, &err);
	assert(ok);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct slice all = SLICE_OF(data, size), rest = all, text;
	struct cluster_pin_lines lines = { 0 };
	uint64_t before = 0;
	size_t taken = 0;

	while (cluster_pin_lines_next(&lines, &rest, false, &text) ||
	       cluster_pin_lines_next(&lines, &rest, true, &text)) {
		assert(text.len > 0 && text.ptr >= data + taken);
		taken = (size_t)(text.ptr - data) + text.len;
		assert(taken == size - rest.len && lines.line > before);
		before = lines.line;
		check(text, mem);
	}
	assert(rest.len == 0);
	return 0;
}
