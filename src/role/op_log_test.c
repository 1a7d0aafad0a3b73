#include "role/op_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/mem/store_mem.h"

struct fixture {
	struct clock clock;
	struct rand rand;
	struct store_mem *data;
	struct store *store;
	struct arena *mem;
};

static int set_up(void **state)
{
	static struct fixture f;
	struct err err;

	clock_init_system(&f.clock);
	rand_init_system(&f.rand);
	f.data = store_mem_new();
	f.mem = arena_new();
	*state = &f;
	return !store_open(
		store_mem_attach(f.data, &f.clock, 0, NULL),
		&(struct store_options){ .instance = 1, .clock = &f.clock, .rand = &f.rand },
		&f.store, &err);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	arena_free(f->mem);
	store_close(f->store);
	store_mem_free(f->data);
	return 0;
}

#define NOW (100 * US_PER_DAY)

static enum op_claim claim(struct fixture *f, int64_t now_us, struct op_dedup *row)
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
	struct fixture *f = *state;
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
	struct fixture *f = *state;
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
