#include "model/ulid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/hex_test.h"

static const struct {
	const char *text;
	const char *bytes;
	int64_t ms;
} good[] = {
	{ "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01563e3ab5d3d6764c61efb99302bd5b", 1469922850259 },
	{ "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "ffffffffffffffffffffffffffffffff", 281474976710655 },
	{ "00000000000000000000000000", "00000000000000000000000000000000", 0 },
};

static void each_text_stands_for_its_bytes_and_back(void **state UNUSED)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct hex_bytes h = hex(good[i].bytes);
		char text[ULID_TEXT_MAX];
		struct err err = { 0 };
		struct ulid ulid;

		print_message("%s\n", good[i].text);
		assert_true(ulid_parse(slice_str(good[i].text), &ulid, &err));
		assert_memory_equal(ulid.bytes, h.bytes, 16);
		assert_true(ulid_ms(&ulid) == good[i].ms);
		ulid_text(&ulid, text);
		assert_string_equal(text, good[i].text);
	}
}

static void lower_case_is_read_and_upper_case_written(void **state UNUSED)
{
	char text[ULID_TEXT_MAX];
	struct err err = { 0 };
	struct ulid ulid;

	assert_true(ulid_parse(SLICE_LIT("01arz3ndektsv4rrffq69g5fav"), &ulid, &err));
	ulid_text(&ulid, text);
	assert_string_equal(text, "01ARZ3NDEKTSV4RRFFQ69G5FAV");
}

static void what_is_no_ulid_is_refused(void **state UNUSED)
{
	static const char *const bad[] = {
		"",
		"01ARZ3NDEKTSV4RRFFQ69G5FA",
		"01ARZ3NDEKTSV4RRFFQ69G5FAVX",
		"81ARZ3NDEKTSV4RRFFQ69G5FAV",
		"Z1ARZ3NDEKTSV4RRFFQ69G5FAV",
		"01IRZ3NDEKTSV4RRFFQ69G5FAV",
		"01LRZ3NDEKTSV4RRFFQ69G5FAV",
		"01ORZ3NDEKTSV4RRFFQ69G5FAV",
		"01URZ3NDEKTSV4RRFFQ69G5FAV",
		"01ARZ3NDEKTSV4RRFFQ69G5FA-",
		"01ARZ3NDEKTSV4RRFFQ69G5FA ",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = { 0 };
		struct ulid ulid;

		print_message("\"%s\"\n", bad[i]);
		assert_false(ulid_parse(slice_str(bad[i]), &ulid, &err));
		assert_int_equal(err.code, ERR_INVALID);
	}
}

static void a_nul_among_the_characters_is_refused(void **state UNUSED)
{
	char text[] = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
	struct err err = { 0 };
	struct ulid ulid;

	text[9] = '\0';
	assert_false(ulid_parse(SLICE_OF(text, ULID_TEXT_LEN), &ulid, &err));
}

static void the_parts_that_were_put_in_come_out(void **state UNUSED)
{
	static const uint8_t ones[8] = { 255, 255, 255, 255, 255, 255, 255, 255 }, zeros[8] = { 0 };
	struct hex_bytes h = hex("0123456789abf9ffffffffffffffffff");
	struct ulid ulid = ulid_make(0x0123456789ab, 999, 1023, ones);

	assert_memory_equal(ulid.bytes, h.bytes, 16);
	assert_true(ulid_ms(&ulid) == 0x0123456789ab);
	assert_true(ulid_us(&ulid) == INT64_C(0x0123456789ab) * 1000 + 999);
	assert_int_equal(ulid_instance(&ulid), 1023);

	ulid = ulid_make(1, 2, 0x155, zeros);
	assert_int_equal(ulid_us(&ulid), 1002);
	assert_int_equal(ulid_instance(&ulid), 0x155);
	ulid = ulid_make(1, 2, 0, ones);
	assert_int_equal(ulid_us(&ulid), 1002);
	assert_int_equal(ulid_instance(&ulid), 0);
}

static void byte_order_is_time_order(void **state UNUSED)
{
	static const uint8_t ones[8] = { 255, 255, 255, 255, 255, 255, 255, 255 }, zeros[8] = { 0 };
	struct ulid ms = ulid_make(6, 0, 0, zeros), us = ulid_make(5, 1, 0, zeros),
		    early = ulid_make(5, 0, 999, ones);

	assert_true(ulid_cmp(&early, &us) < 0);
	assert_true(ulid_cmp(&us, &ms) < 0);
	assert_true(ulid_cmp(&ms, &ms) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_text_stands_for_its_bytes_and_back),
		cmocka_unit_test(lower_case_is_read_and_upper_case_written),
		cmocka_unit_test(what_is_no_ulid_is_refused),
		cmocka_unit_test(a_nul_among_the_characters_is_refused),
		cmocka_unit_test(the_parts_that_were_put_in_come_out),
		cmocka_unit_test(byte_order_is_time_order),
	};
	return cmocka_run_group_tests_name("model/ulid", tests, NULL, NULL);
}
