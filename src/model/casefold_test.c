#include "model/casefold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void letters_fold_to_small_ones_and_all_else_stays(void **state UNUSED)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", "" },
		{ "abc 123", "abc 123" },
		{ "AbC-Z[", "abc-z[" },
		{ "\u00c4\u00d6\u00dc \u00d7 \u00df", "\u00e4\u00f6\u00fc \u00d7 \u00df" },
		{ "\u00b5", "\u03bc" },
		{ "\u0100\u0178\u0141", "\u0101\u00ff\u0142" },
		{ "\u0391\u03a3\u03c2", "\u03b1\u03c3\u03c3" },
		{ "\u0416\u0401", "\u0436\u0451" },
		{ "\u0531", "\u0561" },
		{ "\u1e00\u1ef8", "\u1e01\u1ef9" },
		{ "\u017f", "s" },
		{ "\u65e5\U0001f600X", "\u65e5\U0001f600x" },
		{ "\xff\xc3", "\xff\xc3" }, /* no UTF-8 */
		{ "\xe1\xb8", "\xe1\xb8" },
	};
	CLEANUP(arena_free) struct arena *mem = arena_new();

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct slice got = casefold(slice_str(cases[i].text), mem);

		if (!slice_eq_str(got, cases[i].want))
			fail_msg("\"%s\" became \"%.*s\"", cases[i].text, SLICE_FMT(got));
		assert_true(slice_eq(casefold(got, mem), got));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters_fold_to_small_ones_and_all_else_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
