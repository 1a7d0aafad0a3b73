#include "role/owners.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "role/store_test.h"

static void an_owner_without_a_bound_has_none_whatever_holds_for_the_others(void **state UNUSED)
{
	const struct owner_bounds all = { .max_pins = 3,
					  .max_requests_per_s = 5,
					  .max_fetches = 4 };
	const struct {
		struct owner_row row;
		struct owner_bounds holds;
		enum owners_room for_ten;
	} cases[] = {
		{ { .owner = SLICE_LIT("silent") }, all, OWNERS_NO_PINS },
		{ { .owner = SLICE_LIT("unbound"),
		    .max_pins = OWNER_UNBOUND,
		    .max_requests_per_s = (uint32_t)OWNER_UNBOUND,
		    .max_fetches = (uint32_t)OWNER_UNBOUND },
		  { .max_fetches = 4 },
		  OWNERS_ROOM },
		{ { .owner = SLICE_LIT("more"),
		    .max_pins = 10,
		    .max_requests_per_s = 9,
		    .max_fetches = 9 },
		  { .max_pins = 10, .max_requests_per_s = 9, .max_fetches = 4 },
		  OWNERS_ROOM },
		{ { .owner = SLICE_LIT("less"), .max_pins = 2, .max_fetches = 1 },
		  { .max_pins = 2, .max_requests_per_s = 5, .max_fetches = 1 },
		  OWNERS_NO_PINS },
	};
	CLEANUP(test_store_close) struct test_store t;
	struct owners *owners;
	struct err err;

	test_store_open(&t, NULL);
	owners = owners_new(t.store, &t.clock, &all);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct owner_bounds b = owners_bounds(owners, &cases[i].row);
		enum owners_room room;

		assert_int_equal(b.max_pins, cases[i].holds.max_pins);
		assert_int_equal(b.max_requests_per_s, cases[i].holds.max_requests_per_s);
		assert_int_equal(b.max_fetches, cases[i].holds.max_fetches);
		assert_true(owners_reserve(owners, &cases[i].row, 10, &room, &err));
		assert_int_equal(room, cases[i].for_ten);
	}
	owners_free(owners);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_owner_without_a_bound_has_none_whatever_holds_for_the_others),
	};

	return cmocka_run_group_tests_name("owners", tests, NULL, NULL);
}
