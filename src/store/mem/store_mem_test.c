/* store_mem_test.c -- loose mode; what both modes share is in test/contract/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "store/mem/store_mem.h"

struct fixture {
	struct clock clock;
	int64_t now;
	struct store_mem *mem;
	struct store_backend *slow, *fast; /* clocks 100 us apart */
	enum store_mem_fate fate;
	unsigned asked, fate_at; /* the fate comes true at this call */
	struct err err;
};

static int64_t now_us(struct clock *clock)
{
	return CONTAINER_OF(clock, struct fixture, clock)->now;
}

static enum store_mem_fate fate(void *ctx, void *instance, enum store_mem_call call,
				const struct store_write *write)
{
	struct fixture *f = ctx;

	(void)instance;
	assert_int_equal(write->row != NULL, call == STORE_MEM_WRITE);
	return f->asked++ == f->fate_at ? f->fate : FATE_LAND;
}

static int setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));
	struct store_mem_loose knobs = { .fate = fate, .ctx = f };

	f->clock.wall_us = now_us;
	f->now = 1000;
	f->fate_at = ~0u;
	f->mem = store_mem_new_loose(&knobs);
	f->slow = store_mem_attach(f->mem, &f->clock, 0, NULL);
	f->fast = store_mem_attach(f->mem, &f->clock, 100, NULL);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->slow->ops->close(f->slow);
	f->fast->ops->close(f->fast);
	store_mem_free(f->mem);
	test_free(f);
	return 0;
}

static bool put(struct store_backend *b, uint64_t version, uint64_t epoch, struct err *err)
{
	struct lease row = { .name = SLICE_LIT("l"), .epoch = epoch };
	struct store_write w = { .table = TABLE_LEASES, .version = version, .row = &row };

	return b->ops->write(b, &w, 1, err);
}

static bool delete (struct store_backend *b, uint64_t version, struct err *err)
{
	struct lease row = { .name = SLICE_LIT("l") };
	struct store_write w = {
		.table = TABLE_LEASES, .kind = WRITE_DELETE, .version = version, .row = &row
	};

	return b->ops->write(b, &w, 1, err);
}

static bool take_epoch(void *ctx, const void *row)
{
	*(uint64_t *)ctx = ((const struct lease *)row)->epoch;
	return true;
}

/* 0: no row. */
static uint64_t epoch(struct fixture *f)
{
	struct store_query q = { .table = TABLE_LEASES };
	uint64_t out = 0;

	assert_true(f->slow->ops->read(f->slow, &q, take_epoch, &out, &f->err));
	return out;
}

static void the_higher_version_counts_whatever_came_last(void **state)
{
	struct fixture *f = *state;

	assert_true(put(f->slow, 5, 50, &f->err));
	assert_true(put(f->slow, 4, 40, &f->err));
	assert_int_equal(epoch(f), 50);
	assert_true(put(f->slow, 6, 60, &f->err));
	assert_int_equal(epoch(f), 60);
}

static void a_write_older_than_a_deletion_stays_without_effect(void **state)
{
	struct fixture *f = *state;

	assert_true(delete (f->slow, 5, &f->err));
	assert_true(put(f->slow, 4, 40, &f->err));
	assert_int_equal(epoch(f), 0);
	assert_true(put(f->slow, 5, 50, &f->err)); /* of equals the deletion */
	assert_int_equal(epoch(f), 0);
	assert_true(put(f->slow, 6, 60, &f->err));
	assert_int_equal(epoch(f), 60);
	assert_true(delete (f->slow, 5, &f->err));
	assert_int_equal(epoch(f), 60);
}

static void unversioned_writes_go_by_the_clock_of_their_handle(void **state)
{
	struct fixture *f = *state;

	assert_true(put(f->fast, 0, 1, &f->err));
	f->now += 50;
	assert_true(put(f->slow, 0, 2, &f->err));
	assert_int_equal(epoch(f), 1);
	f->now += 51;
	assert_true(put(f->slow, 0, 3, &f->err));
	assert_int_equal(epoch(f), 3);
}

static void a_batch_lands_up_to_the_write_that_fails(void **state)
{
	struct fixture *f = *state;
	struct lease a = { .name = SLICE_LIT("a"), .epoch = 1 };
	struct lease b = { .name = SLICE_LIT("b"), .epoch = 2 };
	struct store_write w[] = { { .table = TABLE_LEASES, .row = &a },
				   { .table = TABLE_LEASES, .row = &b } };

	f->fate = FATE_FAIL;
	f->fate_at = 1;
	assert_false(f->slow->ops->write(f->slow, w, 2, &f->err));
	assert_int_equal(f->err.code, ERR_UNAVAILABLE);
	assert_int_equal(epoch(f), 1);
}

static void fates_tell_what_happened_or_not(void **state)
{
	struct fixture *f = *state;
	static const struct {
		enum store_mem_fate fate;
		enum err_code code;
		uint64_t epoch, landed; /* at once, after the late ones have landed */
	} cases[] = {
		{ FATE_LAND_UNKNOWN, ERR_TIMEOUT, 2, 2 }, { FATE_LATE, ERR_TIMEOUT, 1, 2 },
		{ FATE_LOST, ERR_TIMEOUT, 1, 1 },         { FATE_FAIL, ERR_UNAVAILABLE, 1, 1 },
		{ FATE_KILLED, ERR_CANCELED, 1, 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		f->now += 1000;
		assert_true(put(f->slow, 0, 1, &f->err));
		f->now += 1000;
		f->fate = cases[i].fate;
		f->asked = f->fate_at = 0;
		assert_false(put(f->slow, 0, 2, &f->err));
		assert_int_equal(f->err.code, cases[i].code);
		assert_int_equal(epoch(f), cases[i].epoch);
		while (store_mem_late(f->mem) > 0)
			store_mem_land_late(f->mem, 0);
		assert_int_equal(epoch(f), cases[i].landed);
	}
}

static void a_late_write_loses_to_what_came_with_a_higher_version(void **state)
{
	struct fixture *f = *state;

	f->fate = FATE_LATE;
	f->fate_at = 0;
	assert_false(put(f->slow, 5, 50, &f->err));
	assert_true(put(f->slow, 6, 60, &f->err));
	store_mem_land_late(f->mem, 0);
	assert_int_equal(epoch(f), 60);
}

static void a_drop_hits_what_lands_later_but_was_written_before(void **state)
{
	struct fixture *f = *state;
	struct lease from = { .name = SLICE_LIT("a") }, to = { .name = SLICE_LIT("z") };

	f->fate = FATE_LATE;
	f->fate_at = 0;
	assert_false(put(f->slow, 0, 1, &f->err));
	f->now++;
	assert_true(f->slow->ops->drop(f->slow, TABLE_LEASES, &from, &to, 1, &f->err));
	store_mem_land_late(f->mem, 0);
	assert_int_equal(epoch(f), 0);
	f->now++;
	assert_true(put(f->slow, 0, 2, &f->err));
	assert_int_equal(epoch(f), 2);
}

static bool take_copy(void *ctx, const void *row)
{
	*(struct copy *)ctx = ((const struct copy_row *)row)->copy;
	return true;
}

static void halves_of_a_copy_go_by_their_own_versions(void **state)
{
	struct fixture *f = *state;
	struct copy_row row = { .cid = SLICE_LIT("c"), .copy = { .gen = 9, .stamp = 3 } };
	struct store_write w[] = {
		{ .table = TABLE_PLACEMENTS_BY_CID,
		  .group = GROUP_DESIRED,
		  .version = 9,
		  .row = &row },
		{ .table = TABLE_PLACEMENTS_BY_CID,
		  .group = GROUP_OBSERVED,
		  .version = 3,
		  .row = &row },
		{ .table = TABLE_PLACEMENTS_BY_CID,
		  .kind = WRITE_DELETE,
		  .version = 5,
		  .row = &row },
	};
	struct store_query q = { .table = TABLE_PLACEMENTS_BY_CID };
	struct copy out = { 0 };

	assert_true(f->slow->ops->write(f->slow, w, 3, &f->err));
	assert_true(f->slow->ops->read(f->slow, &q, take_copy, &out, &f->err));
	assert_int_equal(out.gen, 9);
	assert_int_equal(out.stamp, 0); /* older than the deletion of the row */
}

static void compare_and_set_is_in_turn_in_loose_mode(void **state)
{
	struct fixture *f = *state;
	struct lease one = { .name = SLICE_LIT("l"), .epoch = 1 };
	struct lease two = { .name = SLICE_LIT("l"), .epoch = 2 };
	bool done;

	assert_true(f->fast->ops->swap(f->fast, TABLE_LEASES, NULL, &one, &done, &f->err));
	assert_true(done);
	assert_true(f->slow->ops->swap(f->slow, TABLE_LEASES, NULL, &two, &done, &f->err));
	assert_false(done);
	assert_true(f->slow->ops->swap(f->slow, TABLE_LEASES, &one, &two, &done, &f->err));
	assert_true(done);
	assert_int_equal(epoch(f), 2);
}

static void closing_a_handle_leaves_the_data(void **state)
{
	struct fixture *f = *state;

	assert_true(put(f->slow, 5, 50, &f->err));
	f->slow->ops->close(f->slow);
	f->slow = store_mem_attach(f->mem, &f->clock, 0, NULL);
	assert_int_equal(epoch(f), 50);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_higher_version_counts_whatever_came_last),
		T(a_write_older_than_a_deletion_stays_without_effect),
		T(unversioned_writes_go_by_the_clock_of_their_handle),
		T(a_batch_lands_up_to_the_write_that_fails),
		T(fates_tell_what_happened_or_not),
		T(a_late_write_loses_to_what_came_with_a_higher_version),
		T(a_drop_hits_what_lands_later_but_was_written_before),
		T(halves_of_a_copy_go_by_their_own_versions),
		T(compare_and_set_is_in_turn_in_loose_mode),
		T(closing_a_handle_leaves_the_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
