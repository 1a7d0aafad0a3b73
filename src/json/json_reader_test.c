#include "json/json_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"

static const struct json_limits limits = { .max_bytes = 100000, .max_depth = 8 };

static void refuses_what_is_not_one_strict_document(void **state UNUSED)
{
	static const struct {
		struct slice in;
		const char *why;
	} cases[] = {
		{ SLICE_LIT(""), "ends too early" },
		{ SLICE_LIT("{"), "ends too early" },
		{ SLICE_LIT("{\"a\":1,}"), "not JSON" },
		{ SLICE_LIT("{'a':1}"), "not JSON" },
		{ SLICE_LIT("{\"a\":01}"), "not JSON" },
		{ SLICE_LIT("{\"a\":NaN}"), "not JSON" },
		{ SLICE_LIT("{} x"), "bytes after its end" },
		{ SLICE_LIT("{}{}"), "bytes after its end" },
		{ SLICE_LIT("{\"a\":1,\"a\":1}"), "twice" },
		{ SLICE_LIT("{\"a\":\"\\u0000\"}"), "NUL" },
		{ SLICE_LIT("{\"\\u0000\":1}"), "NUL" },
		{ SLICE_LIT("{\"a\":\"\xff\"}"), "UTF-8" },
		{ SLICE_LIT("{\"a\":\"\\ud800\"}"), "not JSON" },
		{ SLICE_LIT("{\"a\":1e400}"), "too large" },
		{ SLICE_LIT("{\"a\":99999999999999999999}"), "too large" },
		{ SLICE_LIT("\"text\""), "not JSON" },
		{ SLICE_LIT("12"), "not JSON" },
		{ SLICE_LIT("[[[[[[[[[1]]]]]]]]]"), "deeper" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct json_doc *doc = NULL;
		struct err err = { 0 };

		assert_false(json_parse(cases[i].in, &limits, &doc, &err));
		assert_null(doc);
		assert_int_equal(err.code, ERR_INVALID);
		if (!strstr(err.text, cases[i].why))
			fail_msg("case %zu: \"%s\" lacks \"%s\"", i, err.text, cases[i].why);
	}
}

static void depth_ten_thousand_and_long_texts_are_refused_before_parsing(void **state UNUSED)
{
	__attribute__((cleanup(buf_free_at_scope_end))) struct buf b = { 0 };
	struct json_doc *doc = NULL;
	struct err err = { 0 };

	for (int i = 0; i < 10000; i++)
		buf_add_byte(&b, '[');
	assert_false(json_parse(buf_slice(&b), &limits, &doc, &err));
	assert_non_null(strstr(err.text, "deeper than the 8 levels"));
	for (int i = 0; i < 100000; i++)
		buf_add_byte(&b, ' ');
	assert_false(json_parse(buf_slice(&b), &limits, &doc, &err));
	assert_non_null(strstr(err.text, "at most 100000"));
}

static void brackets_in_strings_do_not_count_as_depth(void **state UNUSED)
{
	CLEANUP(json_doc_free) struct json_doc *doc = NULL;
	struct err err = { 0 };

	assert_true(
		json_parse(SLICE_LIT("{\"[[[[[[[[[[\":\"\\\"[[[[[[[[[[[\"}"), &limits, &doc, &err));
}

struct in {
	struct slice cid;
	int64_t limit;
	bool deep;
	const json_t *list, *map, *any;
};

static const struct json_field fields[] = {
	{ "cid", JSON_STR, .required = true, .offset = offsetof(struct in, cid) },
	{ "limit", JSON_INT, .min = 1, .max = 1000, .offset = offsetof(struct in, limit),
	  .nullable = true },
	{ "deep", JSON_FLAG, .offset = offsetof(struct in, deep) },
	{ "list", JSON_LIST, .offset = offsetof(struct in, list) },
	{ "map", JSON_MAP, .offset = offsetof(struct in, map) },
	{ "any", JSON_OTHER, .offset = offsetof(struct in, any) },
};

static bool read_in(const char *text, enum json_unknown unknown, struct json_doc **doc,
		    struct in *in, uint64_t *given, struct err *err)
{
	return json_parse(slice_str(text), &limits, doc, err) &&
	       json_fields(json_root(*doc), "pin", fields, ARRAY_LEN(fields), unknown, in, given,
			   err);
}

static void fills_the_members_that_are_there(void **state UNUSED)
{
	CLEANUP(json_doc_free) struct json_doc *doc = NULL;
	struct in in = { .limit = 10 };
	struct err err = { 0 };
	uint64_t given;

	assert_true(read_in("{\"cid\":\"Qm\",\"limit\":null,\"deep\":true,\"x\":1,\"list\":[]}",
			    JSON_UNKNOWN_IGNORED, &doc, &in, &given, &err));
	assert_true(slice_eq_str(in.cid, "Qm"));
	assert_int_equal(in.limit, 10);
	assert_true(in.deep);
	assert_non_null(in.list);
	assert_null(in.map);
	assert_int_equal(given, 1 | 2 | 4 | 8);
}

static void errors_name_the_field_its_value_and_what_is_allowed(void **state UNUSED)
{
	static const struct {
		const char *in, *why;
	} cases[] = {
		{ "{}", "pin.cid is missing" },
		{ "[]", "pin must be a JSON object" },
		{ "{\"cid\":5}", "pin.cid is 5; it must be a string" },
		{ "{\"cid\":null}", "pin.cid is null; it must be a string" },
		{ "{\"cid\":\"a\",\"limit\":0}",
		  "pin.limit is 0; it must be an integer from 1 to 1000" },
		{ "{\"cid\":\"a\",\"limit\":1.5}", "pin.limit is 1.5; it must be an integer" },
		{ "{\"cid\":\"a\",\"limit\":\"1\"}", "pin.limit is \"1\"; it must be" },
		{ "{\"cid\":\"a\",\"deep\":1}", "pin.deep is 1; it must be true or false" },
		{ "{\"cid\":\"a\",\"list\":{}}", "pin.list is an object; it must be an array" },
		{ "{\"cid\":\"a\",\"map\":[]}", "pin.map is an array; it must be an object" },
		{ "{\"cid\":\"a\",\"CID\":\"b\"}",
		  "pin.CID is not known; there are cid, limit, deep, list, map, any" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(json_doc_free) struct json_doc *doc = NULL;
		struct err err = { 0 };
		struct in in = { 0 };
		uint64_t given;

		assert_false(read_in(cases[i].in, JSON_UNKNOWN_REFUSED, &doc, &in, &given, &err));
		assert_int_equal(err.code, ERR_INVALID);
		if (!strstr(err.text, cases[i].why))
			fail_msg("case %zu: \"%s\" lacks \"%s\"", i, err.text, cases[i].why);
	}
}

static void lists_and_maps_hold_strings_only(void **state UNUSED)
{
	CLEANUP(json_doc_free) struct json_doc *doc = NULL;
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct slice *at, *values;
	struct err err = { 0 };
	struct in in = { 0 };
	uint64_t given;
	size_t n;

	assert_true(
		read_in("{\"cid\":\"a\",\"list\":[\"x\",\"y\"],\"map\":{\"k\":\"v\",\"z\":\"\"},"
			"\"any\":[\"a\",1]}",
			JSON_UNKNOWN_REFUSED, &doc, &in, &given, &err));
	assert_true(json_strings(in.list, "list", 2, mem, &at, &n, &err));
	assert_int_equal(n, 2);
	assert_true(slice_eq_str(at[1], "y"));
	assert_false(json_strings(in.list, "list", 1, mem, &at, &n, &err));
	assert_non_null(strstr(err.text, "list has 2 entries; at most 1"));
	assert_false(json_strings(in.any, "any", 2, mem, &at, &n, &err));
	assert_non_null(strstr(err.text, "[1] is 1; it must be a string"));
	assert_true(json_string_map(in.map, "map", 2, mem, &at, &values, &n, &err));
	assert_int_equal(n, 2);
	assert_true(slice_eq_str(at[0], "k") && slice_eq_str(values[0], "v"));
	assert_false(json_string_map(in.map, "map", 1, mem, &at, &values, &n, &err));
	assert_false(json_string_map(in.list, "map", 1, mem, &at, &values, &n, &err));
}

static void shown_values_are_short_and_printable(void **state UNUSED)
{
	CLEANUP(json_doc_free) struct json_doc *doc = NULL;
	char shown[JSON_SHOWN_MAX], text[400];
	struct err err = { 0 };

	snprintf(text, sizeof(text), "[\"\\n\\\"%0200d\", {}]", 7);
	assert_true(json_parse(slice_str(text), &limits, &doc, &err));
	json_shown(json_array_get(json_root(doc), 0), shown);
	assert_true(strlen(shown) < JSON_SHOWN_MAX);
	assert_memory_equal(shown, "\"??000", 6);
	assert_string_equal(shown + strlen(shown) - 4, "...\"");
	assert_string_equal(json_shown(json_array_get(json_root(doc), 1), shown), "an object");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_is_not_one_strict_document),
		cmocka_unit_test(depth_ten_thousand_and_long_texts_are_refused_before_parsing),
		cmocka_unit_test(brackets_in_strings_do_not_count_as_depth),
		cmocka_unit_test(fills_the_members_that_are_there),
		cmocka_unit_test(errors_name_the_field_its_value_and_what_is_allowed),
		cmocka_unit_test(lists_and_maps_hold_strings_only),
		cmocka_unit_test(shown_values_are_short_and_printable),
	};

	return cmocka_run_group_tests_name("json_reader", tests, NULL, NULL);
}
