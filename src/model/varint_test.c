#include "model/varint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/hex_test.h"

static const struct {
	uint64_t value;
	const char *bytes;
} good[] = {
	{ 0, "00" },          { 1, "01" },          { 0x7f, "7f" },
	{ 0x80, "8001" },     { 0x0129, "a902" },   { 300, "ac02" },
	{ 0x4000, "808001" }, { 0xb220, "a0e402" }, { VARINT_VALUE_MAX, "ffffffffffffffff7f" },
};

static void numbers_have_one_form(void **state UNUSED)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct hex_bytes h = hex(good[i].bytes);
		struct slice rest = HEX_SLICE(h);
		uint8_t out[VARINT_MAX];
		uint64_t value = 0;
		struct err err;

		print_message("%s\n", good[i].bytes);
		assert_true(varint_take(&rest, &value, &err));
		assert_true(value == good[i].value);
		assert_int_equal(rest.len, 0);
		assert_int_equal(varint_put(value, out), h.len);
		assert_memory_equal(out, h.bytes, h.len);
	}
}

static void other_forms_are_refused(void **state UNUSED)
{
	static const char *const bad[] = {
		"",
		"80",
		"ffff",
		"8000",
		"d500",
		"818000",
		"ffffffffffffffffff01",
		"80808080808080808000",
		"8080808080808080808001",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct hex_bytes h = hex(bad[i]);
		struct slice rest = HEX_SLICE(h);
		uint64_t value = 17;
		struct err err = { 0 };

		print_message("\"%s\"\n", bad[i]);
		assert_false(varint_take(&rest, &value, &err));
		assert_int_equal(err.code, ERR_INVALID);
		assert_int_equal(value, 17);
		assert_int_equal(rest.len, h.len);
	}
}

static void what_follows_is_left_in_place(void **state UNUSED)
{
	struct hex_bytes h = hex("a90255");
	struct slice rest = HEX_SLICE(h);
	uint64_t value;
	struct err err;

	assert_true(varint_take(&rest, &value, &err));
	assert_int_equal(value, 0x129);
	assert_int_equal(rest.len, 1);
	assert_int_equal(rest.ptr[0], 0x55);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_have_one_form),
		cmocka_unit_test(other_forms_are_refused),
		cmocka_unit_test(what_follows_is_left_in_place),
	};
	return cmocka_run_group_tests_name("model/varint", tests, NULL, NULL);
}
