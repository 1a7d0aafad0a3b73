#include "model/multibase.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/hex_test.h"

static const struct {
	const char *text;
	const char *bytes;
} good[] = {
	/* RFC 4648 section 10, without padding */
	{ "b", "" },
	{ "bmy", "66" },
	{ "bmzxq", "666f" },
	{ "bmzxw6", "666f6f" },
	{ "bmzxw6yq", "666f6f62" },
	{ "bmzxw6ytb", "666f6f6261" },
	{ "bmzxw6ytboi", "666f6f626172" },
	{ "BMZXW6YTBOI", "666f6f626172" },
	{ "vcpnmuoj1e8", "666f6f626172" },
	{ "VCPNMUOJ1E8", "666f6f626172" },
	{ "f666f6f", "666f6f" },
	{ "F0AFF", "0aff" },
	{ "mZm9vYg", "666f6f62" },
	{ "mZm9vYmE", "666f6f6261" },
	{ "m+/8", "fbff" },
	{ "u-_8", "fbff" },
	/* the multibase specification's "yes mani !", with and without leading zeros */
	{ "z7paNL19xttacUY", "796573206d616e692021" },
	{ "k2lcpzo5yikidynfl", "796573206d616e692021" },
	{ "K2LCPZO5YIKIDYNFL", "796573206d616e692021" },
	{ "z17paNL19xttacUY", "00796573206d616e692021" },
	{ "z117paNL19xttacUY", "0000796573206d616e692021" },
	{ "k002lcpzo5yikidynfl", "0000796573206d616e692021" },
	{ "z1", "00" },
	{ "z11", "0000" },
	{ "z2", "01" },
	{ "z", "" },
	{ "k10", "24" },
};

static void each_text_stands_for_its_bytes_and_back(void **state UNUSED)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct hex_bytes h = hex(good[i].bytes);
		uint8_t out[MULTIBASE_BYTES_MAX];
		char text[MULTIBASE_TEXT_MAX];
		struct err err = { 0 };
		size_t len;

		print_message("%s\n", good[i].text);
		assert_true(multibase_decode(slice_str(good[i].text), out, &len, &err));
		assert_int_equal(len, h.len);
		assert_memory_equal(out, h.bytes, len);
		assert_int_equal(multibase_encode(good[i].text[0], SLICE_OF(out, len), text),
				 strlen(good[i].text));
		assert_string_equal(text, good[i].text);
	}
}

static void what_is_not_canonical_is_refused(void **state UNUSED)
{
	static const char *const bad[] = {
		"",        "0101",      "9123",     "q",       "\xf0\x9f\x9a\x80",
		"bMY",     "Bmy",       "bm",       "bmzx",    "bmzxw6y",
		"bmz",     "bmy======", "bm y",     "bmy\n",   "b1",
		"b8",      "f6",        "f6G",      "f6F",     "F6f",
		"fzz",     "vCPNMUOJ",  "Vcpnmuoj", "vw0",     "k2LC",
		"K2lc",    "k_",        "z0",       "zO",      "zI",
		"zl",      "mZ",        "mZm9vYh",  "mZm9v\n", "m-_8",
		"u+/8",    "mZm9vYg==", "mZh",      "ba",      "baaa",
		"baaaaaa", "f0",        "v000",     "mA",      "uAAAAA",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t out[MULTIBASE_BYTES_MAX];
		struct err err = { 0 };
		size_t len = 99;

		print_message("\"%s\"\n", bad[i]);
		assert_false(multibase_decode(slice_str(bad[i]), out, &len, &err));
		assert_int_equal(err.code, ERR_INVALID);
		assert_int_equal(len, 99);
	}
}

static void the_longest_value_of_each_base_fits_and_one_more_does_not(void **state UNUSED)
{
	static const char bases[] = "fFbBvVkKzmu";
	uint8_t longest[MULTIBASE_BYTES_MAX];

	memset(longest, 0xff, sizeof(longest));
	for (const char *base = bases; *base; base++) {
		uint8_t out[MULTIBASE_BYTES_MAX];
		char text[2 * MULTIBASE_TEXT_MAX];
		struct err err = { 0 };
		size_t len, n = multibase_encode(*base, SLICE_OF(longest, sizeof(longest)), text);

		print_message("%c\n", *base);
		assert_true(multibase_decode(SLICE_OF(text, n), out, &len, &err));
		assert_int_equal(len, sizeof(longest));
		assert_memory_equal(out, longest, len);
		memset(text + n, text[1], 8);
		assert_false(multibase_decode(SLICE_OF(text, n + 8), out, &len, &err));
		memset(text + 1, *base == 'z' ? '1' : '0', MULTIBASE_DIGITS_MAX + 1);
		assert_false(multibase_decode(SLICE_OF(text, MULTIBASE_DIGITS_MAX + 2), out, &len,
					      &err));
	}
}

static void a_long_run_of_zeros_is_bounded_too(void **state UNUSED)
{
	uint8_t out[MULTIBASE_BYTES_MAX];
	char text[MULTIBASE_TEXT_MAX] = "z";
	struct err err = { 0 };
	size_t len;

	memset(text + 1, '1', MULTIBASE_BYTES_MAX + 1);
	assert_true(multibase_decode(SLICE_OF(text, MULTIBASE_BYTES_MAX + 1), out, &len, &err));
	assert_int_equal(len, MULTIBASE_BYTES_MAX);
	assert_false(multibase_decode(SLICE_OF(text, MULTIBASE_BYTES_MAX + 2), out, &len, &err));
}

static void a_text_of_any_length_is_read_within_bounds(void **state UNUSED)
{
	static char text[1 << 20];

	memset(text, 'a', sizeof(text));
	for (const char *base = "bfkzmu"; *base; base++) {
		uint8_t out[MULTIBASE_BYTES_MAX];
		struct err err = { 0 };
		size_t len;

		text[0] = *base;
		assert_false(multibase_decode(SLICE_OF(text, sizeof(text)), out, &len, &err));
		assert_non_null(strstr(err.text, "at most 512"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_text_stands_for_its_bytes_and_back),
		cmocka_unit_test(what_is_not_canonical_is_refused),
		cmocka_unit_test(the_longest_value_of_each_base_fits_and_one_more_does_not),
		cmocka_unit_test(a_long_run_of_zeros_is_bounded_too),
		cmocka_unit_test(a_text_of_any_length_is_read_within_bounds),
	};
	return cmocka_run_group_tests_name("model/multibase", tests, NULL, NULL);
}
