#include "json/json_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_text(const struct buf *b, const char *expected)
{
	struct slice text = buf_slice(b);

	assert_int_equal(text.len, strlen(expected));
	assert_memory_equal(text.ptr, expected, text.len);
}

static void nests_objects_and_arrays_with_commas_in_the_right_places(void **state UNUSED)
{
	__attribute__((cleanup(buf_free_at_scope_end))) struct buf b = { 0 };
	struct json_writer w = json_writer(&b);

	json_begin_object(&w);
	json_key_str(&w, "a", SLICE_LIT("x"));
	json_key(&w, "list");
	json_begin_array(&w);
	json_i64(&w, INT64_MIN);
	json_u64(&w, UINT64_MAX);
	json_begin_object(&w);
	json_end_object(&w);
	json_begin_array(&w);
	json_end_array(&w);
	json_bool(&w, true);
	json_null_value(&w);
	json_end_array(&w);
	json_key_slice(&w, SLICE_LIT("k\"ey"));
	json_raw(&w, SLICE_LIT("{\"r\":1}"));
	json_key_bool(&w, "no", false);
	json_key_i64(&w, "n", -1);
	json_key_u64(&w, "u", 7);
	json_key_cstr(&w, "s", "");
	json_end_object(&w);
	assert_text(&b,
		    "{\"a\":\"x\",\"list\":[-9223372036854775808,18446744073709551615,{},[],"
		    "true,null],\"k\\\"ey\":{\"r\":1},\"no\":false,\"n\":-1,\"u\":7,\"s\":\"\"}");
	assert_int_equal(w.depth, 0);
}

static void strings_are_valid_whatever_the_bytes(void **state UNUSED)
{
	static const struct {
		struct slice in;
		const char *out;
	} cases[] = {
		{ { NULL, 0 }, "\"\"" },
		{ SLICE_LIT("plain / text"), "\"plain / text\"" },
		{ SLICE_LIT("\"\\\b\f\n\r\t"), "\"\\\"\\\\\\b\\f\\n\\r\\t\"" },
		{ SLICE_LIT("\0\x1f\x7f"), "\"\\u0000\\u001f\\u007f\"" },
		{ SLICE_LIT("h\xc3\xa9 \xe2\x9c\x93 \xf0\x9f\x90\xa7"),
		  "\"h\xc3\xa9 \xe2\x9c\x93 \xf0\x9f\x90\xa7\"" },
		{ SLICE_LIT("\xff"), "\"\xef\xbf\xbd\"" },
		{ SLICE_LIT("\xc0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\"" }, /* overlong */
		{ SLICE_LIT("\xed\xa0\x80"),
		  "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" }, /* surrogate */
		{ SLICE_LIT("\xf4\x90\x80\x80"),
		  "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ SLICE_LIT("a\xe2\x9c"), "\"a\xef\xbf\xbd\xef\xbf\xbd\"" }, /* cut short */
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		__attribute__((cleanup(buf_free_at_scope_end))) struct buf b = { 0 };
		struct json_writer w = json_writer(&b);

		json_str(&w, cases[i].in);
		assert_text(&b, cases[i].out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nests_objects_and_arrays_with_commas_in_the_right_places),
		cmocka_unit_test(strings_are_valid_whatever_the_bytes),
	};

	return cmocka_run_group_tests_name("json_writer", tests, NULL, NULL);
}
