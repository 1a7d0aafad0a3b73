#include "role/api/call.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

extern const unsigned char openapi_json[];
extern const unsigned openapi_json_len;

static json_t *spec(void)
{
	json_error_t why;
	json_t *doc = json_loadb((const char *)openapi_json, openapi_json_len,
				 JSON_REJECT_DUPLICATES, &why);

	if (!doc)
		fail_msg("openapi.json: %s, line %d", why.text, why.line);
	return doc;
}

static const struct route *find(const char *path, const char *method)
{
	size_t n;
	const struct route *routes = api_routes(&n);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(routes[i].pattern, path) == 0 &&
		    strcasecmp(http_method_name(routes[i].method), method) == 0)
			return &routes[i];
	}
	return NULL;
}

static void every_route_is_described_with_its_scope(void **state UNUSED)
{
	json_t *doc = spec(), *paths = json_object_get(doc, "paths");
	size_t n;
	const struct route *routes = api_routes(&n);

	assert_true(n > 30);
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_object_get(paths, routes[i].pattern), *op;
		char method[8] = "";

		snprintf(method, sizeof(method), "%s", http_method_name(routes[i].method));
		for (char *c = method; *c; c++)
			*c = (char)tolower(*c);
		op = json_object_get(item, method);
		if (!op)
			fail_msg("openapi.json lacks %s %s", method, routes[i].pattern);
		assert_string_equal(json_string_value(json_object_get(op, "x-scope")),
				    key_scope_name(routes[i].scope));
	}
	json_decref(doc);
}

static void everything_described_is_a_route(void **state UNUSED)
{
	json_t *doc = spec(), *item, *op;
	const char *path, *method;

	json_object_foreach(json_object_get(doc, "paths"), path, item)
	{
		json_object_foreach(item, method, op)
		{
			if (strcmp(method, "parameters") == 0)
				continue;
			if (!find(path, method))
				fail_msg("there is no route %s %s", method, path);
		}
	}
	json_decref(doc);
}

static void every_error_has_words_for_both_shapes(void **state UNUSED)
{
	for (unsigned i = 0; i < API_ERRORS; i++) {
		__attribute__((cleanup(buf_free_at_scope_end))) struct buf both = { 0 };
		enum api_error error = (enum api_error)i;
		json_error_t why;
		json_t *doc;

		assert_true(api_error_status(error) >= 400 && api_error_status(error) < 600);
		assert_string_equal(api_error_body(API_SHAPE_BOTH, error, api_error_status(error),
						   "", &both),
				    "application/json");
		doc = json_loadb((const char *)both.ptr, both.len, 0, &why);
		assert_non_null(doc);
		assert_true(json_is_string(json_object_get(doc, "code")));
		assert_true(json_is_string(json_object_get(doc, "title")));
		assert_true(
			json_is_string(json_object_get(json_object_get(doc, "error"), "reason")));
		json_decref(doc);
	}
}

static void faults_show_no_inner_text(void **state UNUSED)
{
	static const struct {
		enum err_code code;
		unsigned status;
		bool shown;
	} cases[] = {
		{ ERR_INVALID, 400, true },    { ERR_DENIED, 403, false },
		{ ERR_EXHAUSTED, 429, false }, { ERR_NO_SPACE, 507, false },
		{ ERR_TIMEOUT, 504, false },   { ERR_UNAVAILABLE, 503, false },
		{ ERR_CORRUPT, 500, false },   { ERR_CANCELED, 503, false },
		{ ERR_INTERNAL, 500, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = { .code = cases[i].code, .text = "rocksdb: /data/000007.log" };
		enum api_error error = api_error_fault(err.code);

		assert_int_equal(api_error_status(error), cases[i].status);
		assert_int_equal(strstr(api_error_detail(error, &err), "rocksdb") != NULL,
				 cases[i].shown);
	}
	assert_non_null(api_error_retry(API_UNAVAILABLE));
}

static void a_bucket_gives_what_it_holds_and_fills_again(void **state UNUSED)
{
	struct rate *rate = rate_new();
	struct rate_answer answer;

	for (int i = 0; i < 20; i++) {
		assert_true(rate_take(rate, SLICE_LIT("a"), 10, 0, &answer));
		assert_int_equal(answer.remaining, 19 - i);
	}
	assert_false(rate_take(rate, SLICE_LIT("a"), 10, 0, &answer));
	assert_int_equal(answer.limit, 20);
	assert_int_equal(answer.retry_us, 100000);
	assert_int_equal(answer.full_us, 2 * US_PER_S);
	assert_true(rate_take(rate, SLICE_LIT("b"), 10, 0, &answer));
	assert_false(rate_take(rate, SLICE_LIT("a"), 10, 99999, &answer));
	assert_true(rate_take(rate, SLICE_LIT("a"), 10, 100000, &answer));
	assert_false(
		rate_take(rate, SLICE_LIT("a"), 10, 50000, &answer)); /* a clock that steps back */
	for (int i = 0; i < 20; i++)
		assert_true(rate_take(rate, SLICE_LIT("a"), 10, 60 * US_PER_S, &answer));
	assert_false(rate_take(rate, SLICE_LIT("a"), 10, 60 * US_PER_S, &answer));
	rate_free(rate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_route_is_described_with_its_scope),
		cmocka_unit_test(everything_described_is_a_route),
		cmocka_unit_test(every_error_has_words_for_both_shapes),
		cmocka_unit_test(faults_show_no_inner_text),
		cmocka_unit_test(a_bucket_gives_what_it_holds_and_fills_again),
	};

	return cmocka_run_group_tests_name("router", tests, NULL, NULL);
}
