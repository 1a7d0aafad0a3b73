#include "net/deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/attr.h"

static void what_was_set_first_is_due_first(void **state UNUSED)
{
	struct deadline_queue q;
	struct deadline a = { 0 }, b = { 0 }, c = { 0 };

	deadline_queue_init(&q, 100);
	assert_true(deadline_next_ms(&q) == UINT64_MAX);
	deadline_set(&q, &a, 10);
	deadline_set(&q, &b, 20);
	deadline_set(&q, &c, 20);
	assert_int_equal(deadline_next_ms(&q), 110);
	assert_null(deadline_take(&q, 109));
	assert_ptr_equal(deadline_take(&q, 110), &a);
	assert_null(deadline_take(&q, 119));
	assert_ptr_equal(deadline_take(&q, 500), &b);
	assert_ptr_equal(deadline_take(&q, 500), &c);
	assert_null(deadline_take(&q, 500));
}

static void setting_again_moves_to_the_back(void **state UNUSED)
{
	struct deadline_queue q, other;
	struct deadline a = { 0 }, b = { 0 };

	deadline_queue_init(&q, 100);
	deadline_queue_init(&other, 5);
	deadline_set(&q, &a, 0);
	deadline_set(&q, &b, 1);
	deadline_set(&q, &a, 2);
	assert_ptr_equal(deadline_take(&q, 101), &b);
	deadline_set(&other, &a, 2);
	assert_true(deadline_next_ms(&q) == UINT64_MAX);
	assert_int_equal(deadline_next_ms(&other), 7);
}

static void a_cleared_one_is_never_due(void **state UNUSED)
{
	struct deadline_queue q;
	struct deadline a = { 0 }, b = { 0 };

	deadline_queue_init(&q, 1);
	deadline_set(&q, &a, 0);
	deadline_set(&q, &b, 0);
	deadline_clear(&a);
	deadline_clear(&a);
	assert_ptr_equal(deadline_take(&q, 9), &b);
	assert_null(deadline_take(&q, 9));
}

static void a_rate_is_kept_by_as_many_bytes_and_by_one_at_least(void **state UNUSED)
{
	static const struct {
		uint64_t bytes;
		uint32_t rate;
		uint64_t ms;
		bool kept;
	} cases[] = {
		{ 15359, 256, 60000, false }, { 15360, 256, 60000, true },
		{ 15361, 256, 60000, true },  { 2, 3, 1000, false },
		{ 3, 3, 1000, true },         { 4, 3, 1001, true },
		{ 3, 3, 1001, false },        { 0, 0, 1000, false },
		{ 1, 0, 1000, true },         { 0, 1, 10, false },
		{ 1, 1, 10, true },           { UINT32_MAX, UINT32_MAX, 1000, true },
		{ 0, 1000, 0, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(rate_kept(cases[i].bytes, cases[i].rate, cases[i].ms),
				 cases[i].kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_set_first_is_due_first),
		cmocka_unit_test(setting_again_moves_to_the_back),
		cmocka_unit_test(a_cleared_one_is_never_due),
		cmocka_unit_test(a_rate_is_kept_by_as_many_bytes_and_by_one_at_least),
	};
	return cmocka_run_group_tests_name("net/deadline", tests, NULL, NULL);
}
