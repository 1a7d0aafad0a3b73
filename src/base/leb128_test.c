#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/leb128.h"

static const struct {
	uint64_t value;
	struct slice bytes;
} forms[] = {
	{ 0, SLICE_LIT("\x00") },
	{ 0x7f, SLICE_LIT("\x7f") },
	{ 0x80, SLICE_LIT("\x80\x01") },
	{ 300, SLICE_LIT("\xac\x02") },
	{ 0x4000, SLICE_LIT("\x80\x80\x01") },
	{ UINT64_MAX / 2, SLICE_LIT("\xff\xff\xff\xff\xff\xff\xff\xff\x7f") },
	{ UINT64_MAX, SLICE_LIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01") },
};

static void numbers_come_back_from_their_shortest_form(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		uint8_t bytes[LEB128_MAX + 1];
		uint8_t *end = leb128_put(bytes, forms[i].value);
		struct slice in = SLICE_OF(bytes, (size_t)(end - bytes) + 1);
		uint64_t value;
		size_t n;

		*end = 0xee; /* what comes behind */
		assert_true(slice_eq(SLICE_OF(bytes, (size_t)(end - bytes)), forms[i].bytes));
		assert_int_equal(leb128_len(forms[i].value), forms[i].bytes.len);
		n = leb128_take(&in, LEB128_MAX, &value);
		assert_int_equal(n, forms[i].bytes.len);
		assert_int_equal(value, forms[i].value);
		assert_false(leb128_is_long(value, n));
		assert_true(in.ptr == end && in.len == 1);
	}
}

static void what_is_cut_or_longer_than_allowed_is_not_taken(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct slice cut = SLICE_OF(forms[i].bytes.ptr, forms[i].bytes.len - 1);
		struct slice whole = forms[i].bytes;
		uint64_t value = 7;

		assert_int_equal(leb128_take(&cut, LEB128_MAX, &value), 0);
		assert_int_equal(cut.len, forms[i].bytes.len - 1);
		assert_int_equal(leb128_take(&whole, forms[i].bytes.len - 1, &value), 0);
		assert_int_equal(whole.len, forms[i].bytes.len);
		assert_int_equal(value, 7);
	}
}

static void longer_forms_are_told_from_the_shortest(void **state UNUSED)
{
	static const struct slice longer[] = { SLICE_LIT("\x80\x00"), SLICE_LIT("\xff\x80\x00"),
					       SLICE_LIT("\x80\x80\x80\x80\x80\x80\x80\x80\x00") };

	for (size_t i = 0; i < ARRAY_LEN(longer); i++) {
		struct slice in = longer[i];
		uint64_t value;
		size_t n = leb128_take(&in, LEB128_MAX, &value);

		assert_int_equal(n, longer[i].len);
		assert_true(leb128_is_long(value, n));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_come_back_from_their_shortest_form),
		cmocka_unit_test(what_is_cut_or_longer_than_allowed_is_not_taken),
		cmocka_unit_test(longer_forms_are_told_from_the_shortest),
	};

	return cmocka_run_group_tests_name("base/leb128", tests, NULL, NULL);
}
