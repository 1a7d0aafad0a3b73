#include "model/excerpt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attr.h"

static void short_text_is_shown_as_it_is(void **state UNUSED)
{
	assert_string_equal(excerpt(SLICE_LIT("bafkqaaa ~")).text, "bafkqaaa ~");
	assert_string_equal(excerpt((struct slice){ 0 }).text, "");
}

static void what_could_break_a_log_line_is_replaced(void **state UNUSED)
{
	assert_string_equal(excerpt(SLICE_LIT("a\nb\0c\x1b[\"\x7f\xc3\xbc")).text, "a?b?c?[????");
}

static void long_text_is_cut(void **state UNUSED)
{
	char text[EXCERPT_LEN + 1], cut[EXCERPT_LEN + 4];

	memset(text, 'x', sizeof(text));
	memset(cut, 'x', sizeof(cut));
	memcpy(cut + EXCERPT_LEN, "...", 4);
	assert_string_equal(excerpt(SLICE_OF(text, sizeof(text))).text, cut);
	cut[EXCERPT_LEN] = '\0';
	assert_string_equal(excerpt(SLICE_OF(text, EXCERPT_LEN)).text, cut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_text_is_shown_as_it_is),
		cmocka_unit_test(what_could_break_a_log_line_is_replaced),
		cmocka_unit_test(long_text_is_cut),
	};
	return cmocka_run_group_tests_name("model/excerpt", tests, NULL, NULL);
}
