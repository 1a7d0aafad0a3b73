#include "role/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/clock.h"

static const struct guard_bounds bounds = { .permille = 10, .least = 5, .window_us = US_PER_MIN };

static void up_to_the_bound_copies_go_and_beyond_it_they_stay(void **state UNUSED)
{
	static const struct {
		const char *name;
		size_t seen;
		unsigned allowed;
	} cases[] = {
		{ "a few in any case", 0, 5 },
		{ "as long as their share is not more", 500, 5 },
		{ "one for each hundred", 600, 6 },
		{ "ten for a thousand", 1099, 10 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct guard one = { 0 }, all = { 0 }, more = { 0 };

		guard_see(&one, &bounds, 1, cases[i].seen);
		for (unsigned k = 0; k < cases[i].allowed; k++)
			assert_true(guard_take(&one, &bounds, 1));
		assert_false(guard_take(&one, &bounds, 1));
		guard_see(&all, &bounds, 1, cases[i].seen);
		assert_true(guard_take(&all, &bounds, cases[i].allowed));
		guard_see(&more, &bounds, 1, cases[i].seen);
		assert_false(guard_take(&more, &bounds, cases[i].allowed + 1));
		assert_true(
			guard_take(&more, &bounds, cases[i].allowed)); /* a refusal costs nothing */
	}
}

static void each_pass_has_its_own_count(void **state UNUSED)
{
	struct guard g = { 0 };

	guard_see(&g, &bounds, US_PER_S, 1);
	assert_true(guard_take(&g, &bounds, 5));
	guard_see(&g, &bounds, US_PER_MIN, 1);
	assert_false(guard_take(&g, &bounds, 1));
	guard_see(&g, &bounds, US_PER_S + US_PER_MIN, 1);
	assert_true(guard_take(&g, &bounds, 5));
	assert_int_equal(g.seen, 1);
}

static void what_is_held_back_shows_for_two_windows_at_most(void **state UNUSED)
{
	struct held_back *h = held_back_new(US_PER_MIN);

	held_back_note(h, 10 * US_PER_S, 3);
	assert_int_equal(held_back_count(h, 59 * US_PER_S), 3);
	held_back_note(h, 61 * US_PER_S, 4);
	assert_int_equal(held_back_count(h, 62 * US_PER_S), 7);
	assert_int_equal(held_back_count(h, 121 * US_PER_S), 4);
	assert_int_equal(held_back_count(h, 181 * US_PER_S), 0);
	held_back_note(h, 200 * US_PER_S, 1);
	assert_int_equal(held_back_count(h, 10 * US_PER_H), 0);
	held_back_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(up_to_the_bound_copies_go_and_beyond_it_they_stay),
		cmocka_unit_test(each_pass_has_its_own_count),
		cmocka_unit_test(what_is_held_back_shows_for_two_windows_at_most),
	};
	return cmocka_run_group_tests_name("role/guard", tests, NULL, NULL);
}
