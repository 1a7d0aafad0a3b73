#include "fuzz_target.h"
#include "store/filter.h"

/* A cursor is accepted only as it was given out. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[SIPHASH_KEY_LEN] = "0123456789abcde";
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct pin_filter filter = { .statuses = 5 };
	struct slice owner = SLICE_LIT("alice"), given = SLICE_OF(data, size), place, cursor;
	struct err err;

	if (size > 0) {
		cursor = cursor_encode(key, owner, &filter, given, mem);
		if (!cursor_decode(key, owner, &filter, cursor, mem, &place, &err))
			assert(!"what was given out is accepted");
		assert(slice_eq(place, given));
	}
	if (cursor_decode(key, owner, &filter, given, mem, &place, &err))
		assert(slice_eq(cursor_encode(key, owner, &filter, place, mem), given));
	return 0;
}
