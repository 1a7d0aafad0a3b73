#include "model/pin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/copy.h"

static void every_status_has_a_name_that_parses_back(void **state UNUSED)
{
	for (unsigned i = 0; i < STATUS_COUNT; i++) {
		enum pin_status got = STATUS_COUNT;

		assert_true(pin_status_parse(slice_str(pin_status_name((enum pin_status)i)), &got));
		assert_int_equal(got, i);
	}
}

static void unknown_statuses_do_not_parse(void **state UNUSED)
{
	const char *const bad[] = { "", "Pinned", "pinned ", "pin", "unpinned" };
	enum pin_status got;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(pin_status_parse(slice_str(bad[i]), &got));
}

static void names_of_states_failures_and_reasons_are_told_apart(void **state UNUSED)
{
	for (unsigned i = 0; i <= FAILURE_DENIED; i++)
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(copy_failure_name((enum copy_failure)i),
						copy_failure_name((enum copy_failure)j));
	for (unsigned i = 0; i <= REASON_LOST; i++)
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(copy_reason_name((enum copy_reason)i),
						copy_reason_name((enum copy_reason)j));
	for (unsigned i = 0; i <= COPY_UNPINNED; i++)
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(copy_state_name((enum copy_state)i),
						copy_state_name((enum copy_state)j));
}

static void an_owner_is_printable_without_space_and_bounded(void **state UNUSED)
{
	char longest[OWNER_MAX + 1];

	memset(longest, 'x', sizeof(longest));
	assert_true(owner_valid(SLICE_LIT("a")));
	assert_true(owner_valid(SLICE_LIT("did:key:z6Mk~!")));
	assert_true(owner_valid(SLICE_OF(longest, OWNER_MAX)));
	assert_false(owner_valid(SLICE_OF(longest, OWNER_MAX + 1)));
	assert_false(owner_valid(SLICE_LIT("")));
	assert_false(owner_valid(SLICE_LIT("a b")));
	assert_false(owner_valid(SLICE_LIT("a\0")));
	assert_false(owner_valid(SLICE_LIT("a\x7f")));
	assert_false(owner_valid(SLICE_LIT("\xc3\xa9")));
}

static void lists_are_copied_deep_and_compared_whole(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	char text[] = "ab";
	struct slice items[] = { SLICE_OF(text, 1), SLICE_OF(text + 1, 1) };
	struct pair pairs[] = { { items[0], items[1] }, { items[1], items[0] } };
	struct slice_list list = { items, 2 };
	struct pair_list map = { pairs, 2 };
	struct slice_list list_copied = slice_list_copy(mem, list);
	struct pair_list map_copied = pair_list_copy(mem, map);

	assert_true(slice_list_eq(list, list_copied));
	assert_true(pair_list_eq(map, map_copied));
	assert_true(slice_eq_str(*pair_list_get(map, SLICE_LIT("b")), "a"));
	assert_null(pair_list_get(map, SLICE_LIT("c")));
	assert_null(pair_list_get((struct pair_list){ NULL, 0 }, SLICE_LIT("a")));
	text[1] = 'c';
	assert_false(slice_list_eq(list, list_copied));
	assert_false(pair_list_eq(map, map_copied));
	assert_false(slice_list_eq((struct slice_list){ items, 1 }, list));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_status_has_a_name_that_parses_back),
		cmocka_unit_test(unknown_statuses_do_not_parse),
		cmocka_unit_test(names_of_states_failures_and_reasons_are_told_apart),
		cmocka_unit_test(an_owner_is_printable_without_space_and_bounded),
		cmocka_unit_test(lists_are_copied_deep_and_compared_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
