#include "role/worker/pin_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/attr.h"

#define OURS "pinfold/01j"

static void names_tell_whose_a_pin_is(void **state UNUSED)
{
	static const struct {
		const char *name, *hidden;
		bool ours;
	} cases[] = {
		{ OURS, NULL, true },
		{ OURS " direct=", "", true },
		{ OURS " direct=my notes", "my notes", true },
		{ OURS "x", NULL, false },
		{ OURS " else", NULL, false },
		{ "pinfold/01", NULL, false },
		{ "", NULL, false },
		{ "direct=", NULL, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *hidden = pin_name_hidden(OURS, cases[i].name);

		assert_int_equal(pin_name_is_ours(OURS, cases[i].name), cases[i].ours);
		assert_int_equal(hidden != NULL, cases[i].hidden != NULL);
		if (hidden)
			assert_string_equal(hidden, cases[i].hidden);
	}
}

static void the_hidden_name_comes_back_as_far_as_kubo_takes_it(void **state UNUSED)
{
	char name[KUBO_NAME_MAX + 1], longest[KUBO_NAME_MAX + 1];

	pin_name_over(OURS, "my notes", name);
	assert_string_equal(pin_name_hidden(OURS, name), "my notes");
	pin_name_over(OURS, "two\nlines\x7f", name);
	assert_string_equal(pin_name_hidden(OURS, name), "twolines");
	memset(longest, 'n', KUBO_NAME_MAX);
	longest[KUBO_NAME_MAX] = '\0';
	pin_name_over(OURS, longest, name);
	assert_int_equal(strlen(name), KUBO_NAME_MAX);
	assert_true(pin_name_is_ours(OURS, name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_tell_whose_a_pin_is),
		cmocka_unit_test(the_hidden_name_comes_back_as_far_as_kubo_takes_it),
	};
	return cmocka_run_group_tests_name("role/pin_name", tests, NULL, NULL);
}
