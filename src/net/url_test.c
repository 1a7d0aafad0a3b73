#include "net/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
	const char *in;
	const char *out; /* NULL: refused */
} paths[] = {
	{ "", "" },
	{ "plain", "plain" },
	{ "a%20b", "a b" },
	{ "a+b", "a+b" },
	{ "%2Fpins%2f", "/pins/" },
	{ "%c3%A9", "\xc3\xa9" },
	{ "100%25", "100%" },
	{ "%", NULL },
	{ "%2", NULL },
	{ "%2g", NULL },
	{ "%g2", NULL },
	{ "% 1", NULL },
	{ "%+1", NULL },
	{ "a%00b", NULL },
	{ "%%41", NULL },
};

static void paths_are_decoded_strictly(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct slice out = { 0 };
		struct err err;
		bool ok = url_decode(mem, slice_str(paths[i].in), &out, &err);

		if (ok != (paths[i].out != NULL) || (ok && !slice_eq_str(out, paths[i].out)))
			fail_msg("\"%s\" became \"%.*s\"", paths[i].in, SLICE_FMT(out));
	}
}

static void a_plain_nul_is_refused(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct slice out;
	struct err err;

	assert_false(url_decode(mem, SLICE_OF("a\0b", 3), &out, &err));
	assert_int_equal(err.code, ERR_INVALID);
}

static const struct {
	const char *in;
	const char *out; /* name>value; */
} queries[] = {
	{ "", "" },
	{ "&&", "" },
	{ "a=1", "a>1;" },
	{ "a=1&b=2", "a>1;b>2;" },
	{ "a=1&&b=2&", "a>1;b>2;" },
	{ "a", "a>;" },
	{ "=x", ">x;" },
	{ "a=b=c", "a>b=c;" },
	{ "q=a+b%2Bc", "q>a b+c;" },
	{ "m=%7B%22k%22%3A1%7D&n=", "m>{\"k\":1};n>;" },
	{ "a=1&b=%zz", "a>1;!" },
	{ "%0=1", "!" },
	{ "a=%00", "!" },
};

static void queries_are_walked_in_order(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		struct slice rest = slice_str(queries[i].in), name, value;
		const char *got = "";
		enum url_next next;
		struct err err;

		while ((next = url_query_next(mem, &rest, &name, &value, &err)) == URL_PARAM)
			got = arena_printf(mem, "%s%.*s>%.*s;", got, SLICE_FMT(name),
					   SLICE_FMT(value));
		if (next == URL_BAD)
			got = arena_printf(mem, "%s!", got);
		assert_string_equal(got, queries[i].out);
	}
}

static const struct {
	const char *in;
	bool ok;
} texts[] = {
	{ "/pins", true },          { "/%C3%A9", true },  { "/%E2%82%AC", true },
	{ "/%F0%9F%98%80", true },  { "/%C0%AF", false }, /* overlong */
	{ "/%E0%80%AF", false },                          /* overlong */
	{ "/%F0%80%80%AF", false },                       /* overlong */
	{ "/%ED%A0%80", false },                          /* surrogate */
	{ "/%F4%90%80%80", false },                       /* beyond U+10FFFF */
	{ "/%80", false },                                /* continuation first */
	{ "/%C3", false },                                /* cut */
	{ "/%C3/", false },                               /* cut */
	{ "/%FF", false },          { "/%0A", false },    { "/%7F", false },
	{ "/%00", false },          { "/%4", false },
};

static void a_path_decodes_to_clean_text_or_is_refused(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct slice out, in = slice_str(texts[i].in);
		struct err err;

		if (url_path_ok(in) != texts[i].ok)
			fail_msg("%s", texts[i].in);
		if ((url_decode(mem, in, &out, &err) && url_text_ok(out)) != texts[i].ok)
			fail_msg("decoded: %s", texts[i].in);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_decoded_strictly),
		cmocka_unit_test(a_plain_nul_is_refused),
		cmocka_unit_test(queries_are_walked_in_order),
		cmocka_unit_test(a_path_decodes_to_clean_text_or_is_refused),
	};
	return cmocka_run_group_tests_name("net/url", tests, NULL, NULL);
}
