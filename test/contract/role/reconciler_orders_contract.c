/* Orders to sweep, to rebalance and to force, and what becomes of them when their process dies. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "contract/role/reconciler_roles.h"

/* Killed when the order was given and not begun, and each few steps later, while it sweeps. */
static void a_forced_order_is_carried_out_although_its_process_dies(void **state UNUSED)
{
	for (unsigned steps = 0; steps < 13; steps += 3) {
		CLEANUP(roles_free) struct roles *r = lopsided(60, 5);
		struct err err;
		int64_t due;

		order(r, true, true);
		for (unsigned i = 0; i < steps; i++, r->now += US_PER_MS)
			assert_true(reconciler_step(r->reconciler, &due, &err));
		roles_restart_reconciler(r);
		roles_run(r, 5 * US_PER_MIN);
		assert_int_equal(copies(r), 60);
		assert_int_equal(moves_left(r), 0);
	}
}

/* Nothing tells of surplus copies but a sweep. */
static void so_is_one_that_moves_nothing(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 5);
	unsigned before;

	order(r, true, false);
	roles_run(r, 5 * US_PER_MIN);
	before = copies(r);
	assert_true(before > 60);
	order(r, false, true);
	roles_restart_reconciler(r);
	roles_run(r, US_PER_MIN);
	assert_int_equal(copies(r), 60);
}

static void a_force_ends_with_its_sweep(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 5);

	order(r, false, true);
	roles_run(r, US_PER_MIN);
	roles_restart_reconciler(r);
	order(r, true, false);
	roles_run(r, 5 * US_PER_MIN);
	assert_true(r->guarded > 0);
	assert_true(copies(r) > 60);
}

static void a_force_that_was_ordered_during_a_sweep_looks_at_every_pin(void **state UNUSED)
{
	for (unsigned rebalance = 0; rebalance < 2; rebalance++) {
		CLEANUP(roles_free) struct roles *r = lopsided(60, 5);

		order(r, true, false);
		roles_run(r, 5 * US_PER_MIN);
		assert_true(copies(r) > 60);
		order(r, rebalance, false);
		sweep_to(r, 50);
		order(r, false, true);
		roles_restart_reconciler(r);
		roles_run(r, US_PER_MIN);
		assert_int_equal(copies(r), 60);
	}
}

struct intruder { /* orders while a sweep begins or ends */
	struct roles *r;
	pthread_t thread;
	bool started;
	atomic_bool done;
};

static void *give_order(void *ctx)
{
	struct intruder *in = ctx;

	order(in->r, true, true);
	atomic_store(&in->done, true);
	return NULL;
}

static void intrude(void *ctx, enum table table)
{
	struct intruder *in = ctx;

	if (table != TABLE_JOB_CURSOR || in->started)
		return;
	in->started = true;
	assert_int_equal(pthread_create(&in->thread, NULL, give_order, in), 0);
	/* Time enough, if nothing holds it up. */
	for (unsigned i = 0; i < 200 && !atomic_load(&in->done); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 1000 * 1000 }, NULL);
}

static void an_order_that_comes_while_a_sweep_begins_outlives_a_crash(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 5);
	struct intruder in = { .r = r };
	struct err err;
	int64_t due;

	order(r, false, false);
	r->failing.ctx = &in;
	r->failing.before_read = intrude;
	assert_true(reconciler_step(r->reconciler, &due, &err));
	r->failing.before_read = NULL;
	assert_true(in.started);
	assert_int_equal(pthread_join(in.thread, NULL), 0);
	roles_restart_reconciler(r);
	roles_run(r, 5 * US_PER_MIN);
	assert_int_equal(moves_left(r), 0);
	assert_int_equal(copies(r), 60);
}

static void an_order_that_never_became_durable_is_not_carried_out(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 5);
	struct err err;

	order(r, true, false);
	roles_run(r, 5 * US_PER_MIN);
	assert_true(copies(r) > 60);
	atomic_store(&r->failing.no_sync, true);
	assert_false(reconciler_order_sweep(r->reconciler, false, true, &err));
	atomic_store(&r->failing.no_sync, false);
	roles_restart_reconciler(r);
	roles_run(r, US_PER_MIN);
	assert_true(copies(r) > 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_forced_order_is_carried_out_although_its_process_dies),
		cmocka_unit_test(so_is_one_that_moves_nothing),
		cmocka_unit_test(a_force_ends_with_its_sweep),
		cmocka_unit_test(a_force_that_was_ordered_during_a_sweep_looks_at_every_pin),
		cmocka_unit_test(an_order_that_comes_while_a_sweep_begins_outlives_a_crash),
		cmocka_unit_test(an_order_that_never_became_durable_is_not_carried_out),
	};
	return cmocka_run_group_tests_name("role/reconciler_orders", tests, NULL, NULL);
}
