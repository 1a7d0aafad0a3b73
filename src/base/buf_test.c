#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void grows_and_keeps_what_was_added(void **state UNUSED)
{
	__attribute__((cleanup(buf_free_at_scope_end))) struct buf b = { 0 };

	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%03d,", i);
	assert_int_equal(b.len, 4000);
	assert_memory_equal(b.ptr + 4 * 517, "517,", 4);
	buf_add_byte(&b, 'x');
	buf_add_str(&b, "yz");
	buf_add_slice(&b, SLICE_LIT("!"));
	assert_memory_equal(b.ptr + 4000, "xyz!", 4);
}

static void drop_takes_from_the_front(void **state UNUSED)
{
	__attribute__((cleanup(buf_free_at_scope_end))) struct buf b = { 0 };

	buf_add_str(&b, "hello");
	buf_drop(&b, 2);
	assert_true(slice_eq_str(buf_slice(&b), "llo"));
	buf_drop(&b, 3);
	assert_int_equal(b.len, 0);
	buf_drop(&b, 0);
}

static void an_empty_buffer_needs_no_memory(void **state UNUSED)
{
	struct buf b = { 0 };

	buf_add(&b, NULL, 0);
	assert_null(b.ptr);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_keeps_what_was_added),
		cmocka_unit_test(drop_takes_from_the_front),
		cmocka_unit_test(an_empty_buffer_needs_no_memory),
	};
	return cmocka_run_group_tests_name("base/buf", tests, NULL, NULL);
}
