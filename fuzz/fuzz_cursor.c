#include "fuzz_target.h"
#include "store/filter.h"

/* A cursor is accepted only as it was given out. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[SIPHASH_KEY_LEN] = "0123456789abcde";
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct pin_filter filter = { .statuses = 5 };
	struct slice owner = SLICE_LIT("alice");
	struct ulid last, again;
	struct slice cursor;
	struct err err;

	if (size >= sizeof(last.bytes)) {
		memcpy(last.bytes, data, sizeof(last.bytes));
		cursor = cursor_encode(key, owner, &filter, last, mem);
		if (!cursor_decode(key, owner, &filter, cursor, &again, &err))
			assert(!"what was given out is accepted");
		assert(ulid_cmp(&last, &again) == 0);
	}
	if (cursor_decode(key, owner, &filter, SLICE_OF(data, size), &last, &err))
		assert(slice_eq(cursor_encode(key, owner, &filter, last, mem),
				SLICE_OF(data, size)));
	return 0;
}
