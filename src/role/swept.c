#include "role/swept.h"

#include <endian.h>

#define NUMBERS 6

static const struct job_cursor key = { .job = SLICE_LIT("swept") };

bool swept_keep(struct store *store, const struct sweep_totals *totals, int64_t at_us,
		struct arena *mem, struct err *err)
{
	const uint64_t numbers[NUMBERS] = {
		htobe64(totals->pins),    htobe64(totals->desired), htobe64(totals->actual),
		htobe64(totals->missing), htobe64(totals->surplus), htobe64((uint64_t)at_us),
	};
	struct job_cursor row = key;
	const void *old;
	bool done;

	row.position = SLICE_OF(numbers, sizeof(numbers));
	return store_row(store, TABLE_JOB_CURSOR, &key, mem, &old, err) &&
	       store_swap_row(store, TABLE_JOB_CURSOR, old, &row, &done, err);
}

bool swept_find(struct store *store, struct sweep_totals *totals, int64_t *at_us, struct arena *mem,
		struct err *err)
{
	const struct job_cursor *row;
	uint64_t numbers[NUMBERS];
	const void *found;

	if (!store_row(store, TABLE_JOB_CURSOR, &key, mem, &found, err))
		return false;
	row = found;
	if (!row || row->position.len != sizeof(numbers))
		return true;
	memcpy(numbers, row->position.ptr, sizeof(numbers));
	*totals = (struct sweep_totals){
		.pins = be64toh(numbers[0]),
		.desired = be64toh(numbers[1]),
		.actual = be64toh(numbers[2]),
		.missing = be64toh(numbers[3]),
		.surplus = be64toh(numbers[4]),
	};
	*at_us = (int64_t)be64toh(numbers[5]);
	return true;
}
