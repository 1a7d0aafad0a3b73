#include "store/created.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/clock.h"

#define NOW (1000000 * US_PER_S)

static const uint8_t key[SIPHASH_KEY_LEN] = "0123456789abcde";

/* The name of the i-th owner, in `text`. */
static struct slice owner(unsigned i, char text[16])
{
	return SLICE_OF(text, (size_t)snprintf(text, 16, "owner-%u", i));
}

static void each_gets_whole_milliseconds_and_beyond_a_second_ahead_microseconds(void **state UNUSED)
{
	static const struct {
		int64_t last, now, next;
	} cases[] = {
		{ 0, NOW, NOW },
		{ 0, NOW + 999, NOW },
		{ NOW - 1, NOW, NOW },
		{ NOW, NOW, NOW + US_PER_MS },
		{ NOW + 1, NOW, NOW + US_PER_MS },
		{ NOW + 998 * US_PER_MS, NOW, NOW + 999 * US_PER_MS },
		{ NOW + 999 * US_PER_MS, NOW, NOW + 999 * US_PER_MS + 1 },
		{ NOW + US_PER_DAY, NOW, NOW + US_PER_DAY + 1 }, /* the clock was set back */
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(created_after(cases[i].last, cases[i].now), cases[i].next);
}

static void an_owner_is_asked_about_once_and_never_gets_a_time_twice(void **state UNUSED)
{
	CLEANUP(created_free) struct created *c = created_new(key);
	struct slice alice = SLICE_LIT("alice");
	int64_t us, last;

	assert_false(created_next(c, alice, NOW, &us));
	created_seed(c, alice, NOW + 5 * US_PER_MS, NOW);
	created_seed(c, alice, NOW, NOW); /* another thread has read less */
	assert_true(created_next(c, alice, NOW, &last));
	assert_int_equal(last, NOW + 6 * US_PER_MS);
	created_seed(c, alice, NOW + 9 * US_PER_MS, NOW); /* or more */
	assert_true(created_next(c, alice, NOW, &last));
	assert_int_equal(last, NOW + 10 * US_PER_MS);
	for (int i = 0; i < 5000; i++) {
		assert_true(created_next(c, alice, NOW, &us));
		assert_true(us > last);
		last = us;
	}
	assert_false(created_next(c, SLICE_LIT("alic"), NOW, &us));
}

static void owners_behind_the_clock_are_forgotten_and_others_never(void **state UNUSED)
{
	CLEANUP(created_free) struct created *c = created_new(key);
	char text[16];
	int64_t us;
	unsigned n = 20000;

	for (unsigned i = 0; i < n; i++) /* ten a millisecond: 10,000 a second */
		created_seed(c, owner(i, text), NOW + i * 100, NOW + i * 100);
	assert_true(created_size(c) >= 10000);
	assert_true(created_size(c) < n);
	for (unsigned i = n - 10000; i < n; i++) {
		int64_t now = NOW + n * 100;

		assert_true(created_next(c, owner(i, text), now, &us));
		assert_true(us > NOW + i * 100);
	}
	assert_false(created_next(c, owner(0, text), NOW, &us));

	/* Long after them: they make room as soon as there is need of it. */
	for (unsigned i = 0; i < 2 * n; i++)
		created_seed(c, owner(n + i, text), NOW + US_PER_H + i * US_PER_S,
			     NOW + US_PER_H + i * US_PER_S);
	assert_true(created_size(c) <= 1024);
	assert_true(created_next(c, owner(3 * n - 1, text), NOW, &us));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			each_gets_whole_milliseconds_and_beyond_a_second_ahead_microseconds),
		cmocka_unit_test(an_owner_is_asked_about_once_and_never_gets_a_time_twice),
		cmocka_unit_test(owners_behind_the_clock_are_forgotten_and_others_never),
	};

	return cmocka_run_group_tests_name("created", tests, NULL, NULL);
}
