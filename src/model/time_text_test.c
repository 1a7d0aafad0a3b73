#include "model/time_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <time.h>

#include "base/clock.h"

static const struct {
	const char *text;
	int64_t us;
	const char *in_us;
} good[] = {
	{ "1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00.000000Z" },
	{ "2020-07-27T17:32:28Z", 1595871148000000, "2020-07-27T17:32:28.000000Z" },
	{ "2020-07-27T17:32:28.276Z", 1595871148276000, "2020-07-27T17:32:28.276000Z" },
	{ "2020-07-27T17:32:28.276123Z", 1595871148276123, "2020-07-27T17:32:28.276123Z" },
	{ "2020-07-27T17:32:28.276123999Z", 1595871148276123, "2020-07-27T17:32:28.276123Z" },
	{ "2020-07-27T17:32:28.5Z", 1595871148500000, "2020-07-27T17:32:28.500000Z" },
	{ "2020-07-27t17:32:28z", 1595871148000000, "2020-07-27T17:32:28.000000Z" },
	{ "2020-07-27T19:32:28+02:00", 1595871148000000, "2020-07-27T17:32:28.000000Z" },
	{ "2020-07-27T12:02:28-05:30", 1595871148000000, "2020-07-27T17:32:28.000000Z" },
	{ "2020-07-27T17:32:28-00:00", 1595871148000000, "2020-07-27T17:32:28.000000Z" },
	{ "2020-07-28T17:31:28+23:59", 1595871148000000, "2020-07-27T17:32:28.000000Z" },
	{ "2020-02-29T00:00:00Z", 1582934400000000, "2020-02-29T00:00:00.000000Z" },
	{ "2000-02-29T00:00:00Z", 951782400000000, "2000-02-29T00:00:00.000000Z" },
	{ "1969-12-31T23:59:59.999999Z", -1, "1969-12-31T23:59:59.999999Z" },
	{ "0001-01-01T00:00:00Z", TIME_TEXT_MIN, "0001-01-01T00:00:00.000000Z" },
	{ "9999-12-31T23:59:59.999999Z", TIME_TEXT_END - 1, "9999-12-31T23:59:59.999999Z" },
};

static void times_are_read_and_written(void **state UNUSED)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char text[TIME_TEXT_MAX];
		struct err err = { 0 };
		int64_t us;

		print_message("%s\n", good[i].text);
		assert_true(time_text_parse(slice_str(good[i].text), &us, &err));
		assert_true(us == good[i].us);
		time_text_us(us, text);
		assert_string_equal(text, good[i].in_us);
	}
}

static void milliseconds_are_cut_and_not_rounded(void **state UNUSED)
{
	char text[TIME_TEXT_MAX];

	time_text_ms(1595871148276999, text);
	assert_string_equal(text, "2020-07-27T17:32:28.276Z");
	time_text_ms(-1, text);
	assert_string_equal(text, "1969-12-31T23:59:59.999Z");
}

static void what_is_no_time_is_refused(void **state UNUSED)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "date" },
		{ "2020-07-27", "no T" },
		{ "2020-07-27 17:32:28Z", "no T" },
		{ "20-07-27T17:32:28Z", "date" },
		{ "2020-7-27T17:32:28Z", "date" },
		{ "2020/07/27T17:32:28Z", "date" },
		{ "0000-01-01T00:00:00Z", "date" },
		{ "2020-00-27T17:32:28Z", "date" },
		{ "2020-13-27T17:32:28Z", "date" },
		{ "2020-07-00T17:32:28Z", "date" },
		{ "2020-07-32T17:32:28Z", "date" },
		{ "2020-06-31T17:32:28Z", "date" },
		{ "2021-02-29T17:32:28Z", "date" },
		{ "1900-02-29T17:32:28Z", "date" },
		{ "2020-07-27T24:00:00Z", "HH:MM:SS" },
		{ "2020-07-27T17:60:28Z", "HH:MM:SS" },
		{ "2016-12-31T23:59:60Z", "HH:MM:SS" },
		{ "2020-07-27T17:32Z", "HH:MM:SS" },
		{ "2020-07-27T17:32:28.Z", "HH:MM:SS" },
		{ "2020-07-27T17:32:28.1234567890Z", "HH:MM:SS" },
		{ "2020-07-27T17:32:28,5Z", "end in Z" },
		{ "2020-07-27T17:32:28", "end in Z" },
		{ "2020-07-27T17:32:28+0200", "end in Z" },
		{ "2020-07-27T17:32:28+24:00", "end in Z" },
		{ "2020-07-27T17:32:28+02:60", "end in Z" },
		{ "2020-07-27T17:32:28ZZ", "end in Z" },
		{ "2020-07-27T17:32:28Z ", "end in Z" },
		{ " 2020-07-27T17:32:28Z", "date" },
		{ "0001-01-01T00:00:00+00:01", "in UTC" },
		{ "9999-12-31T23:59:59-00:01", "in UTC" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = { 0 };
		int64_t us = 99;

		assert_false(time_text_parse(slice_str(bad[i].text), &us, &err));
		print_message("%s\n", err.text);
		assert_int_equal(err.code, ERR_INVALID);
		assert_non_null(strstr(err.text, bad[i].why));
		assert_true(us == 99);
	}
}

static void every_day_agrees_with_the_c_library(void **state UNUSED)
{
	for (int64_t us = TIME_TEXT_MIN; us < TIME_TEXT_END; us += US_PER_DAY) {
		char ours[TIME_TEXT_MAX], theirs[TIME_TEXT_MAX + 40];
		time_t s = (time_t)(us / US_PER_S);
		struct tm tm;
		struct err err;
		int64_t again;

		gmtime_r(&s, &tm);
		snprintf(theirs, sizeof(theirs), "%04d-%02d-%02dT00:00:00.000Z", tm.tm_year + 1900,
			 tm.tm_mon + 1, tm.tm_mday);
		time_text_ms(us, ours);
		if (strcmp(ours, theirs) != 0)
			fail_msg("%s %s", ours, theirs);
		if (!time_text_parse(slice_str(ours), &again, &err) || again != us)
			fail_msg("%s", ours);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_read_and_written),
		cmocka_unit_test(milliseconds_are_cut_and_not_rounded),
		cmocka_unit_test(what_is_no_time_is_refused),
		cmocka_unit_test(every_day_agrees_with_the_c_library),
	};
	return cmocka_run_group_tests_name("model/time_text", tests, NULL, NULL);
}
