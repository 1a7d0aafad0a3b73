#include "model/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void code_points_are_counted(void **state UNUSED)
{
	static const struct {
		const char *text;
		size_t points;
	} good[] = {
		{ "", 0 },
		{ "abc\x7f", 4 },
		{ "\x01\n", 2 },
		{ "\xc2\x80", 1 },
		{ "\xdf\xbf", 1 },
		{ "\xe0\xa0\x80", 1 },
		{ "\xed\x9f\xbf\xee\x80\x80", 2 },
		{ "\xef\xbf\xbf", 1 },
		{ "\xf0\x90\x80\x80", 1 },
		{ "\xf4\x8f\xbf\xbf", 1 },
		{ "gr\xc3\xbc\xc3\x9f \xf0\x9f\x9a\x80", 6 },
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct err err = { 0 };
		size_t points;

		print_message("%zu\n", i);
		assert_true(utf8_check(slice_str(good[i].text), &points, &err));
		assert_int_equal(points, good[i].points);
	}
	assert_true(utf8_check(SLICE_LIT("x"), NULL, &(struct err){ 0 }));
}

static void what_is_not_utf8_is_refused_with_its_place(void **state UNUSED)
{
	static const struct {
		struct slice text;
		const char *where;
	} bad[] = {
		{ SLICE_LIT("a\0b"), "byte 1 (0x00)" },
		{ SLICE_LIT("ab\x80"), "byte 2 (0x80)" },
		{ SLICE_LIT("\xbf"), "byte 0" },
		{ SLICE_LIT("\xc0\x80"), "byte 0" },
		{ SLICE_LIT("\xc1\xbf"), "byte 0" },
		{ SLICE_LIT("\xc2"), "byte 0" },
		{ SLICE_LIT("\xc2\x41"), "byte 0" },
		{ SLICE_LIT("\xe0\x9f\xbf"), "byte 0" },
		{ SLICE_LIT("\xed\xa0\x80"), "byte 0" },
		{ SLICE_LIT("\xed\xbf\xbf"), "byte 0" },
		{ SLICE_LIT("\xe1\x80"), "byte 0" },
		{ SLICE_LIT("\xe1\x80\x41"), "byte 0" },
		{ SLICE_LIT("\xf0\x8f\xbf\xbf"), "byte 0" },
		{ SLICE_LIT("\xf4\x90\x80\x80"), "byte 0" },
		{ SLICE_LIT("\xf1\x80\x80\xc0"), "byte 0" },
		{ SLICE_LIT("\xf5\x80\x80\x80"), "byte 0" },
		{ SLICE_LIT("\xff"), "byte 0" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = { 0 };
		size_t points = 99;

		print_message("%zu\n", i);
		assert_false(utf8_check(bad[i].text, &points, &err));
		assert_non_null(strstr(err.text, bad[i].where));
		assert_int_equal(points, 99);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(code_points_are_counted),
		cmocka_unit_test(what_is_not_utf8_is_refused_with_its_place),
	};
	return cmocka_run_group_tests_name("model/utf8", tests, NULL, NULL);
}
