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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_set_first_is_due_first),
		cmocka_unit_test(setting_again_moves_to_the_back),
		cmocka_unit_test(a_cleared_one_is_never_due),
	};
	return cmocka_run_group_tests_name("net/deadline", tests, NULL, NULL);
}
