#include "model/duration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

static const struct {
	const char *text;
	int64_t us;
	const char *canonical;
} good[] = {
	{ "0s", 0, "0s" },
	{ "0d", 0, "0s" },
	{ "30s", 30 * US_PER_S, "30s" },
	{ "1h30m", 90 * US_PER_MIN, "1h30m" },
	{ "90m", 90 * US_PER_MIN, "1h30m" },
	{ "250ms", 250 * US_PER_MS, "250ms" },
	{ "7d", 7 * US_PER_DAY, "7d" },
	{ "1us", 1, "1us" },
	{ "1d2h3m4s5ms6us",
	  US_PER_DAY + 2 * US_PER_H + 3 * US_PER_MIN + 4 * US_PER_S + 5 * US_PER_MS + 6,
	  "1d2h3m4s5ms6us" },
	{ "1m1ms", US_PER_MIN + US_PER_MS, "1m1ms" },
	{ "1h0s", US_PER_H, "1h" },
	{ "9223372036854775807us", INT64_MAX, "106751991d4h54s775ms807us" },
};

static void spans_are_read_and_written(void **state UNUSED)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char text[DURATION_TEXT_MAX];
		struct err err = { 0 };
		int64_t us, again;

		print_message("%s\n", good[i].text);
		assert_true(duration_parse(slice_str(good[i].text), &us, &err));
		assert_true(us == good[i].us);
		duration_text(us, text);
		assert_string_equal(text, good[i].canonical);
		assert_true(duration_parse(slice_str(text), &again, &err) && again == us);
	}
}

static void everything_else_is_refused(void **state UNUSED)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "whole number" },
		{ "0", "units" },
		{ "30", "units" },
		{ "s", "whole number" },
		{ "-1s", "whole number" },
		{ "+1s", "whole number" },
		{ "1.5h", "units" },
		{ "1 s", "units" },
		{ "1s ", "units" },
		{ " 1s", "whole number" },
		{ "01s", "begins with 0" },
		{ "00s", "begins with 0" },
		{ "1S", "units" },
		{ "1w", "units" },
		{ "1s1s", "once" },
		{ "1s1m", "largest first" },
		{ "1h30", "units" },
		{ "9223372036854775808us", "too long" },
		{ "99999999999999999999s", "too long" },
		{ "106751992d", "too long" },
		{ "106751991d5h", "too long" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = { 0 };
		int64_t us = 99;

		assert_false(duration_parse(slice_str(bad[i].text), &us, &err));
		print_message("%s\n", err.text);
		assert_int_equal(err.code, ERR_INVALID);
		assert_non_null(strstr(err.text, bad[i].why));
		assert_true(us == 99);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_are_read_and_written),
		cmocka_unit_test(everything_else_is_refused),
	};
	return cmocka_run_group_tests_name("model/duration", tests, NULL, NULL);
}
