#include "auth/api_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attr.h"

static struct api_key_text made(const struct slice *id)
{
	struct api_key_text key;
	struct rand_seeded rand;

	rand_init_seeded(&rand, id ? 7 : 1);
	api_key_make(&rand.base, id, &key);
	return key;
}

static void a_key_parses_into_its_parts(void **state UNUSED)
{
	struct api_key_text key = made(NULL);
	struct slice text = slice_str(key.text), id, secret;

	assert_int_equal(text.len, API_KEY_TEXT_LEN);
	assert_memory_equal(key.text, "pinfold_live_", 13);
	assert_true(api_key_parse(text, &id, &secret));
	assert_int_equal(id.len, 12);
	assert_memory_equal(id.ptr, key.text + 13, 12);
	assert_memory_equal(secret.ptr, key.text + 26, 43);
}

static void the_checksum_is_crc32_of_all_before_it(void **state UNUSED)
{
	/* Computed with Python: zlib.crc32, digits 0-9A-Za-z. */
	static const char key[] = "pinfold_live_0123456789ab_"
				  "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg_"
				  "3bsihb";
	struct slice id, secret;

	assert_true(api_key_parse(slice_str(key), &id, &secret));
}

static void any_altered_character_is_noticed(void **state UNUSED)
{
	struct api_key_text key = made(NULL);
	struct slice id, secret;

	for (size_t i = 0; i < API_KEY_TEXT_LEN; i++) {
		char was = key.text[i];

		key.text[i] = was == 'x' ? 'y' : 'x';
		assert_false(api_key_parse(SLICE_OF(key.text, API_KEY_TEXT_LEN), &id, &secret));
		key.text[i] = '\0';
		assert_false(api_key_parse(SLICE_OF(key.text, API_KEY_TEXT_LEN), &id, &secret));
		key.text[i] = was;
		assert_false(api_key_parse(SLICE_OF(key.text, i), &id, &secret));
	}
	assert_false(api_key_parse(SLICE_OF(key.text, API_KEY_TEXT_MAX), &id, &secret));
	assert_true(api_key_parse(SLICE_OF(key.text, API_KEY_TEXT_LEN), &id, &secret));
}

static void a_new_secret_can_be_made_for_an_id(void **state UNUSED)
{
	struct api_key_text first = made(NULL), second;
	struct slice id, secret;

	second = made(&first.id);
	assert_true(api_key_parse(slice_str(second.text), &id, &secret));
	assert_memory_equal(id.ptr, first.text + 13, 12);
	assert_memory_not_equal(secret.ptr, first.text + 26, 43);
}

static void the_hash_depends_on_pepper_and_secret(void **state UNUSED)
{
	/* RFC 4231 has no 32-byte key; computed with Python: hmac.new(bytes(32), b"secret"). */
	static const uint8_t expected[] = { 0x18, 0x10, 0xe8, 0xd3, 0x41, 0xb9, 0xe6, 0x1e,
					    0x88, 0x89, 0x5f, 0xba, 0x0b, 0x1a, 0xa2, 0xbd,
					    0x03, 0xcb, 0x6c, 0x8f, 0xff, 0x2b, 0x36, 0x8e,
					    0x66, 0x6e, 0xf8, 0xef, 0xde, 0xf5, 0xb4, 0xfb };
	uint8_t pepper[API_KEY_PEPPER_LEN] = { 0 }, a[API_KEY_HASH_LEN], b[API_KEY_HASH_LEN];

	api_key_hash(pepper, SLICE_LIT("secret"), a);
	assert_memory_equal(a, expected, sizeof(expected));
	assert_true(api_key_hash_eq(a, expected));
	pepper[31] = 1;
	api_key_hash(pepper, SLICE_LIT("secret"), b);
	assert_false(api_key_hash_eq(a, b));
}

static void write_includes_read_admin_all_and_metrics_nothing_else(void **state UNUSED)
{
	static const struct {
		enum key_scope has;
		const char *name;
		bool read, write, admin, metrics;
	} cases[] = {
		{ SCOPE_READ, "read", .read = true },
		{ SCOPE_WRITE, "write", .read = true, .write = true },
		{ SCOPE_ADMIN, "admin", true, true, true, true },
		{ SCOPE_METRICS, "metrics", .metrics = true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		enum key_scope has = cases[i].has, parsed;

		assert_int_equal(key_scope_allows(has, SCOPE_READ), cases[i].read);
		assert_int_equal(key_scope_allows(has, SCOPE_WRITE), cases[i].write);
		assert_int_equal(key_scope_allows(has, SCOPE_ADMIN), cases[i].admin);
		assert_int_equal(key_scope_allows(has, SCOPE_METRICS), cases[i].metrics);
		assert_string_equal(key_scope_name(has), cases[i].name);
		assert_true(key_scope_parse(slice_str(cases[i].name), &parsed));
		assert_int_equal(parsed, has);
	}
	assert_false(key_scope_allows(0, SCOPE_READ));
	assert_true(key_scope_allows(SCOPE_READ | SCOPE_METRICS, SCOPE_METRICS));
	assert_false(key_scope_parse(SLICE_LIT("root"), &(enum key_scope){ 0 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_parses_into_its_parts),
		cmocka_unit_test(the_checksum_is_crc32_of_all_before_it),
		cmocka_unit_test(any_altered_character_is_noticed),
		cmocka_unit_test(a_new_secret_can_be_made_for_an_id),
		cmocka_unit_test(the_hash_depends_on_pepper_and_secret),
		cmocka_unit_test(write_includes_read_admin_all_and_metrics_nothing_else),
	};

	return cmocka_run_group_tests_name("api_key", tests, NULL, NULL);
}
