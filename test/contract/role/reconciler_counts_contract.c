/* The pauses of sweeps, and what the reconciler counts and measures: gauges and times. */
#include "contract/role/reconciler_roles.h"

static bool users_wait(void *ctx)
{
	return *(bool *)ctx;
}

/* Whoever wakes the role at this moment. */
static uint64_t swept_by_now(struct roles *r)
{
	struct reconciler_state is;
	struct err err;
	int64_t due;

	for (unsigned i = 0; i < 10; i++)
		assert_true(reconciler_step(r->reconciler, &due, &err));
	reconciler_state(r->reconciler, &is);
	return is.swept;
}

static void a_sweep_makes_its_pauses_and_waits_for_users_but_not_for_ever(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 1, .sweep_us = US_PER_DAY });
	bool busy = false;

	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < 40; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, US_PER_MIN);
	reconciler_free(r->reconciler);
	r->reconciler = reconciler_new(&(struct reconciler_options){ .replan = roles_replan(r),
								     .peers_us = 5 * US_PER_S,
								     .sweep_us = US_PER_DAY,
								     .pace_us = US_PER_S,
								     .batch_max = 4,
								     .must_wait = users_wait,
								     .must_wait_ctx = &busy });
	order(r, false, false);
	assert_int_equal(swept_by_now(r), 4);
	r->now += US_PER_S - 1;
	assert_int_equal(swept_by_now(r), 4);
	r->now += 1;
	assert_int_equal(swept_by_now(r), 8);
	busy = true;
	r->now += US_PER_S + SWEEP_PUT_OFF_US - 1;
	assert_int_equal(swept_by_now(r), 8);
	r->now += 1;
	assert_int_equal(swept_by_now(r), 12);
}

static void assert_counts(struct roles *r, uint64_t desired, uint64_t actual)
{
	struct reconciler_state is;

	reconciler_state(r->reconciler, &is);
	assert_int_equal(is.totals.desired, desired);
	assert_int_equal(is.totals.actual, actual);
	assert_int_equal(is.totals.missing, desired - actual);
	assert_int_equal(is.totals.surplus, 0);
}

static void copies_are_counted_as_they_change_and_not_by_sweeps_alone(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 2, .sweep_us = US_PER_DAY });
	struct reconciler_state before, after;
	struct ulid id;

	roles_run(r, 10 * US_PER_S);
	id = roles_pin(r, "ada", 0,
		       &(struct pin_ask){ .given = ASK_REPLICAS, .rf_min = 2, .rf_max = 2 });
	for (unsigned i = 1; i < 5; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, US_PER_S);
	assert_counts(r, 6, 6);
	for (unsigned node = 0; node < 2; node++)
		fake_kubo_fetch(r->fake, node, roles_text(r, 9), FAKE_KUBO_NEVER);
	roles_pin(r, "ada", 9, NULL);
	roles_run(r, US_PER_S);
	assert_counts(r, 7, 6);
	roles_unpin(r, "ada", id);
	roles_run(r, 10 * US_PER_MIN); /* until the rows of its copies are forgotten, too */
	assert_counts(r, 5, 4);
	reconciler_state(r->reconciler, &before);
	order(r, false, false);
	roles_run(r, 10 * US_PER_S);
	assert_counts(r, 5, 4);
	reconciler_state(r->reconciler, &after);
	assert_true(after.swept_at > before.swept_at);
}

/* The page is read again, and finds what it has written the first time. */
static void what_a_page_of_a_sweep_mended_before_it_failed_is_counted_once(void **state UNUSED)
{
	for (unsigned call = 1;; call++) {
		CLEANUP(roles_free)
		struct roles *r = roles_new(&(struct roles_options){
			.nodes = 1, .sweep_us = US_PER_DAY, .batch_max = 8 });
		struct err err;
		int64_t due;
		bool ok;

		roles_run(r, 10 * US_PER_S);
		for (unsigned i = 0; i < 6; i++)
			roles_pin(r, "ada", i, NULL);
		order(r, false, false); /* it finds them before the planner does */
		r->failing.fail_at = r->failing.calls + call;
		ok = reconciler_step(r->reconciler, &due, &err);
		r->failing.fail_at = 0;
		roles_run(r, 10 * US_PER_MIN); /* some are told of by a reminder only */
		assert_counts(r, 6, 6);
		if (ok && call > 100)
			break;
		assert_true(call < 1000);
	}
}

/* What the next sweep would find after hours. */
static void what_was_counted_outlives_a_restart(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 1, .sweep_us = US_PER_DAY });
	struct err err;
	int64_t due;

	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < 5; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, 2 * US_PER_MIN);
	reconciler_free(r->reconciler);
	r->reconciler = reconciler_new(&(struct reconciler_options){ .replan = roles_replan(r),
								     .peers_us = 5 * US_PER_S,
								     .sweep_us = US_PER_DAY,
								     .pace_us = US_PER_H,
								     .batch_max = 1 });
	assert_true(reconciler_step(r->reconciler, &due, &err));
	assert_counts(r, 5, 5);
}

/* Some before and some behind where it is. */
static void what_changes_while_a_sweep_counts_is_counted_once(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(
		&(struct roles_options){ .nodes = 1, .sweep_us = US_PER_DAY, .batch_max = 4 });
	struct reconciler_state is;
	struct err err;
	int64_t due;

	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < 40; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, US_PER_MIN);
	order(r, false, false);
	do {
		r->now += US_PER_MS; /* its pause */
		assert_true(reconciler_step(r->reconciler, &due, &err));
		reconciler_state(r->reconciler, &is);
	} while (is.swept < 20);
	for (unsigned i = 100; i < 140; i++)
		roles_pin(r, "ada", i, NULL);
	for (unsigned i = 0; i < 50; i++)
		assert_true(planner_step(r->planner, &due, &err));
	roles_run(r, US_PER_MIN);
	assert_counts(r, 80, 80);
}

static void it_is_told_how_long_pins_and_unpins_take_and_who_began_them(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 2, .sweep_us = US_PER_DAY });
	struct ulid id;
	int node;

	roles_run(r, 10 * US_PER_S);
	fake_kubo_fetch(r->fake, 0, NULL, 3 * US_PER_S);
	fake_kubo_fetch(r->fake, 1, NULL, 3 * US_PER_S);
	id = roles_pin(r, "ada", 1, NULL);
	roles_run(r, 10 * US_PER_S);
	assert_int_equal(r->finished[SOURCE_API][true], 1);
	assert_in_range(r->finished_us, 3 * US_PER_S, 4 * US_PER_S);
	node = pins_on(r, 0) ? 0 : 1;
	roles_wish(r, (uint32_t)node + 1, PEER_DRAINING);
	roles_run(r, US_PER_MIN);
	assert_int_equal(pins_on(r, 1 - node), 1);
	assert_int_equal(r->finished[SOURCE_API][true], 1);
	assert_int_equal(r->finished[SOURCE_RECONCILER][true], 1);
	assert_int_equal(r->finished[SOURCE_RECONCILER][false], 1);
	roles_unpin(r, "ada", id);
	roles_run(r, 10 * US_PER_S);
	assert_int_equal(r->finished[SOURCE_API][false], 1);
	assert_in_range(r->finished_us, US_PER_S - US_PER_MS, 2 * US_PER_S); /* the grace */
	roles_pin(r, "ada", 2,
		  &(struct pin_ask){ .given = ASK_EXPIRY, .expires_at = r->now + US_PER_MIN });
	roles_run(r, 20 * US_PER_MIN);
	assert_int_equal(r->finished[SOURCE_API][true], 2);
	assert_int_equal(r->finished[SOURCE_API][false], 1);
	assert_int_equal(r->finished[SOURCE_RECONCILER][false], 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sweep_makes_its_pauses_and_waits_for_users_but_not_for_ever),
		cmocka_unit_test(copies_are_counted_as_they_change_and_not_by_sweeps_alone),
		cmocka_unit_test(what_a_page_of_a_sweep_mended_before_it_failed_is_counted_once),
		cmocka_unit_test(what_was_counted_outlives_a_restart),
		cmocka_unit_test(what_changes_while_a_sweep_counts_is_counted_once),
		cmocka_unit_test(it_is_told_how_long_pins_and_unpins_take_and_who_began_them),
	};
	return cmocka_run_group_tests_name("role/reconciler_counts", tests, NULL, NULL);
}
