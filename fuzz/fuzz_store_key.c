/* The first byte chooses the table. */
#include "fuzz_target.h"
#include "store/kv/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct buf again = { 0 };
	struct err err;
	struct slice key = SLICE_OF(data + 1, size - 1);
	enum table table;
	uint8_t group;
	void *row;

	if (size == 0)
		return 0;
	table = (enum table)(data[0] % TABLE_COUNT);
	row = arena_alloc(mem, table_schema(table)->row_size);
	if (format_read_key(table, key, mem, row, &group, &err)) {
		format_key(table, row, group, &again);
		assert(slice_eq(buf_slice(&again), key));
	} else {
		assert(err.code == ERR_CORRUPT);
	}
	buf_free(&again);
	return 0;
}
