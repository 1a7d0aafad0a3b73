#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void memory_is_zeroed_and_aligned(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();

	for (size_t n = 1; n < 70000; n = n * 3 + 1) {
		uint8_t *p = arena_alloc(mem, n);

		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n);
	}
}

static void reset_keeps_one_chunk_and_zeroes_it(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	uint8_t *p;
	size_t before;

	for (int i = 0; i < 1000; i++)
		memset(arena_alloc(mem, 500), 0xff, 500);
	before = arena_size(mem);
	arena_reset(mem);
	assert_in_range(arena_size(mem), 1, before - 1);
	p = arena_alloc(mem, 4000);
	for (size_t i = 0; i < 4000; i++)
		assert_int_equal(p[i], 0);
}

static void copies_end_in_nul(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct slice s = arena_copy(mem, SLICE_LIT("abc"));

	assert_string_equal((const char *)s.ptr, "abc");
	assert_int_equal(s.len, 3);
	assert_string_equal(arena_printf(mem, "%d-%s", 7, "x"), "7-x");
	assert_int_equal(arena_copy(mem, (struct slice){ 0 }).len, 0);
}

static void ownership_is_handed_over(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *kept = NULL;
	CLEANUP(arena_free) struct arena *mem = arena_new();

	kept = TAKE(mem);
	assert_null(mem);
	assert_non_null(arena_alloc(kept, 1));
}

static void an_array_grows_and_keeps_what_it_has(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	size_t cap = 0;
	int *at = NULL;

	for (int n = 0; n < 1000; n++) {
		at = arena_grow(mem, at, (size_t)n, &cap, sizeof(*at));
		assert_true(cap > (size_t)n);
		at[n] = n;
	}
	for (int n = 0; n < 1000; n++)
		assert_int_equal(at[n], n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_array_grows_and_keeps_what_it_has),
		cmocka_unit_test(memory_is_zeroed_and_aligned),
		cmocka_unit_test(reset_keeps_one_chunk_and_zeroes_it),
		cmocka_unit_test(copies_end_in_nul),
		cmocka_unit_test(ownership_is_handed_over),
	};
	return cmocka_run_group_tests_name("base/arena", tests, NULL, NULL);
}
