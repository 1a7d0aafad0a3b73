#include "role/op_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "role/store_test.h"

static int set_up(void **state)
{
	static struct test_store t;

	test_store_open(&t, NULL);
	*state = &t;
	return 0;
}

static int tear_down(void **state)
{
	test_store_close(*state);
	return 0;
}

#define NOW (100 * US_PER_DAY)

static enum op_claim claim(struct test_store *f, int64_t now_us, struct op_dedup *row)
{
	enum op_claim out;
	struct err err;

	*row = (struct op_dedup){ .owner = SLICE_LIT("ada"),
				  .op_id = SLICE_LIT("POST /v1/x key"),
				  .fingerprint = SLICE_LIT("what") };
	assert_true(op_claim(f->store, row, now_us, 0, f->mem, &out, &err));
	return out;
}

static void what_was_done_stands_though_it_was_taken_over(void **state)
{
	struct test_store *f = *state;
	struct op_dedup first, second, third;
	struct err err;

	assert_int_equal(claim(f, NOW, &first), OP_CLAIMED);
	assert_int_equal(claim(f, NOW + US_PER_S, &second), OP_IN_USE);
	assert_int_equal(claim(f, NOW + 2 * OP_RUN_US, &second), OP_TAKEN_OVER);
	/* the second finds the work done, sees a failure in that, and gives up */
	assert_true(op_release(f->store, &second, true, &err));
	assert_true(op_finish(f->store, &first, 200, SLICE_LIT("done"), &err));
	assert_int_equal(claim(f, NOW + 2 * OP_RUN_US + 1, &third), OP_REPLAY);
	assert_int_equal(third.http_status, 200);
	assert_true(slice_eq_str(third.result, "done"));
}

static void of_two_who_finish_the_first_answer_stands(void **state)
{
	struct test_store *f = *state;
	struct op_dedup first, second, third;
	struct err err;

	assert_int_equal(claim(f, NOW, &first), OP_CLAIMED);
	assert_int_equal(claim(f, NOW + 2 * OP_RUN_US, &second), OP_TAKEN_OVER);
	assert_true(op_finish(f->store, &first, 200, SLICE_LIT("one"), &err));
	assert_true(op_finish(f->store, &second, 200, SLICE_LIT("two"), &err));
	assert_int_equal(claim(f, NOW + 2 * OP_RUN_US + 1, &third), OP_REPLAY);
	assert_true(slice_eq_str(third.result, "one"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_done_stands_though_it_was_taken_over,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_two_who_finish_the_first_answer_stands, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("op_log", tests, NULL, NULL);
}
