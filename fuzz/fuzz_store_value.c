/* The first byte chooses the table, the second the group. */
#include "fuzz_target.h"
#include "store/kv/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct buf again = { 0 };
	struct err err;
	enum table table;
	uint8_t group, groups;
	void *row, *second;

	if (size < 2)
		return 0;
	table = (enum table)(data[0] % TABLE_COUNT);
	groups = table_schema(table)->n_groups;
	group = groups > 1 ? (uint8_t)(1 + data[1] % groups) : 0;
	row = arena_alloc(mem, table_schema(table)->row_size);
	second = arena_alloc(mem, table_schema(table)->row_size);
	if (format_read_value(table, group, SLICE_OF(data + 2, size - 2), mem, row, &err)) {
		format_value(table, row, group, &again); /* without what is not known */
		assert(again.len <= size - 2);
		if (!format_read_value(table, group, buf_slice(&again), mem, second, &err))
			assert(!"what was encoded can be decoded");
		assert(row_eq(table, row, second));
	} else {
		assert(err.code == ERR_CORRUPT);
	}
	buf_free(&again);
	return 0;
}
