#include "store/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/attr.h"

static const uint8_t key[SIPHASH_KEY_LEN] = "0123456789abcde";

static struct slice encode(const struct pin_filter *filter, struct arena *mem)
{
	return cursor_encode(key, SLICE_LIT("ada"), filter, SLICE_LIT("0123456789abcdef"), mem);
}

/* Fields that came later count only if they are set. */
static void a_cursor_of_an_older_program_stays_good(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct pin_filter filter = { .statuses = 3, .before = 5 };
	struct slice place,
		cursor = SLICE_LIT("013031323334353637383961626364656684b29e95f08b0d67");
	struct err err;

	assert_true(slice_eq(encode(&filter, mem), cursor));
	assert_true(cursor_decode(key, SLICE_LIT("ada"), &filter, cursor, mem, &place, &err));
	assert_true(slice_eq(place, SLICE_LIT("0123456789abcdef")));
}

static void a_cursor_is_refused_with_another_filter(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	static const struct pin_filter filters[] = {
		{ .statuses = 3 },
		{ .statuses = 3, .expires_before = 7 },
		{ .statuses = 3, .peer_no = 7 },
		{ .statuses = 1 },
		{ .statuses = 3, .before = 7 },
		{ .statuses = 3, .after = 7 },
	};
	struct slice place;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(filters); i++)
		for (size_t k = 0; k < ARRAY_LEN(filters); k++)
			assert_int_equal(cursor_decode(key, SLICE_LIT("ada"), &filters[i],
						       encode(&filters[k], mem), mem, &place, &err),
					 i == k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cursor_of_an_older_program_stays_good),
		cmocka_unit_test(a_cursor_is_refused_with_another_filter),
	};

	return cmocka_run_group_tests_name("store/cursor", tests, NULL, NULL);
}
