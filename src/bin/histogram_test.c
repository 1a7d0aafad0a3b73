#include "bin/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/attr.h"

static void percentiles_are_right_within_two_percent(void **state UNUSED)
{
	static const uint64_t tops[] = { 10, 100, 5000, 3000000 };

	for (size_t i = 0; i < ARRAY_LEN(tops); i++) {
		static struct histogram h;

		h = (struct histogram){ 0 };
		for (uint64_t us = 1; us <= tops[i]; us++)
			histogram_note(&h, (int64_t)us);
		for (int percent = 10; percent <= 100; percent += 30) {
			double want = (double)tops[i] * percent / 100;
			double got = (double)histogram_us(&h, percent / 100.0);

			assert_true(got >= want * 0.98 - 1 && got <= want * 1.02 + 1);
		}
	}
}

static void nothing_noted_is_zero(void **state UNUSED)
{
	static const struct histogram none;

	assert_int_equal(histogram_us(&none, 0.99), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles_are_right_within_two_percent),
		cmocka_unit_test(nothing_noted_is_zero),
	};

	return cmocka_run_group_tests_name("bin/histogram", tests, NULL, NULL);
}
