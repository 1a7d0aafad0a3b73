/* What role/reconciler.h and role/replan.h promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/role/reconciler_roles.h"

/* ---- rebalancing ------------------------------------------------------------------------- */

static void a_rebalance_looks_at_every_pin_however_far_a_sweep_had_come(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 0);

	order(r, false, false);
	sweep_to(r, 30);
	order(r, true, false);
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(moves_left(r), 0);
}

static void a_plain_sweep_that_is_ordered_meanwhile_ends_no_rebalance(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 0);

	order(r, true, false);
	sweep_to(r, 20);
	order(r, false, false);
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(moves_left(r), 0);
}

static void a_rebalance_goes_on_after_a_restart(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 0);

	order(r, true, false);
	sweep_to(r, 20);
	roles_restart_reconciler(r);
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(moves_left(r), 0);
	assert_in_range(fake_kubo_n_pins(r->fake, 1), 15, 45);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0) + fake_kubo_n_pins(r->fake, 1), 60);
}

static void a_rebalance_that_was_ordered_outlives_a_crash(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 0);

	order(r, false, false);
	sweep_to(r, 40);
	order(r, true, false);
	roles_restart_reconciler(r);
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(moves_left(r), 0);
}

/* Reports of running fetches, re-checks and reminders come long after the sweep has ended. */
static void a_rebalance_whose_fetches_last_is_not_undone(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 0);
	uint64_t moves = moves_left(r);

	fake_kubo_fetch(r->fake, 1, NULL, 1500 * US_PER_MS);
	order(r, true, false);
	roles_run(r, US_PER_MIN);
	assert_int_equal(moves_left(r), 0);
	roles_run(r, 2 * US_PER_H);
	assert_int_equal(moves_left(r), 0);
	assert_int_equal(fake_kubo_n_pins(r->fake, 1), moves);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), 60 - moves);
}

static void a_sweep_after_a_rebalance_moves_nothing(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(40, 0);
	uint64_t moves = moves_left(r);

	order(r, false, false);
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(moves_left(r), moves);
}

/* ---- long ways ------------------------------------------------------------------------- */

/* The store fails in every third step. */
static void a_walk_goes_on_where_it_was_when_the_store_failed(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 0);
	struct reconciler_state seen = { .walks = 1 };
	unsigned failed = 0;

	roles_wish(r, 1, PEER_DRAINING);
	r->now += 5 * US_PER_S;
	for (unsigned i = 0; i < 200 && seen.walks > 0; i++) {
		struct err err;
		int64_t due;

		if (i % 3 == 2)
			r->failing.fail_at = r->failing.calls + 5 + i;
		if (!reconciler_step(r->reconciler, &due, &err)) {
			assert_true(err.code == ERR_UNAVAILABLE || err.code == ERR_TIMEOUT);
			failed++;
		}
		r->failing.fail_at = 0;
		reconciler_state(r->reconciler, &seen);
	}
	assert_true(failed > 2);
	assert_int_equal(seen.walks, 0);
	assert_int_equal(wanted_on(r, 60, 2), 60);
}

/* Whichever call of a sweep fails: what is looked at again counts once. */
static void a_sweep_counts_each_pin_once_when_the_store_failed(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = one_node_with(5);
	bool failed = true;

	for (unsigned call = 1; failed; call++) {
		struct reconciler_state was, is;
		struct err err = { 0 };
		int64_t due;

		failed = false;
		reconciler_state(r->reconciler, &was);
		order(r, false, false);
		r->failing.fail_at = r->failing.calls + call;
		do {
			r->now += US_PER_MS;
			failed |= !reconciler_step(r->reconciler, &due, &err);
			reconciler_state(r->reconciler, &is);
		} while (is.swept_at == was.swept_at);
		assert_int_equal(is.totals.pins, 5);
	}
}

static void count_facts_read(void *ctx, enum table table)
{
	*(unsigned *)ctx += table == TABLE_PINS_BY_CID;
}

/* Nearly all pins are as they should be: looking at them is what a sweep costs. */
static void what_is_in_order_is_read_once_by_a_sweep(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = one_node_with(100);
	struct reconciler_state is;
	unsigned n = 0;

	roles_run(r, 5 * US_PER_MIN);
	r->failing.before_read = count_facts_read;
	r->failing.ctx = &n;
	order(r, false, false);
	roles_run(r, 5 * US_PER_S);
	reconciler_state(r->reconciler, &is);
	assert_int_equal(is.swept, 100);
	assert_int_equal(is.totals.pins, 100);
	/* By chunks, and once for each of the few derived rows that a step looks at. */
	assert_in_range(n, 1, 40);
}

/* How many CIDs are swept until nothing is left to sweep. */
static uint64_t sweep_all(struct roles *r)
{
	uint64_t total = 0, before = swept(r);

	for (unsigned i = 0; i < 1000; i++, r->now += US_PER_MS) {
		struct err err = { 0 };
		int64_t due;

		if (!reconciler_step(r->reconciler, &due, &err))
			fail_msg("%s", err.text);
		total += swept(r) >= before ? swept(r) - before : swept(r);
		before = swept(r);
	}
	return total;
}

static void what_was_swept_before_a_peer_came_is_swept_again_and_no_more(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 2, .batch_max = 4 });

	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < 200; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, US_PER_MIN);
	fake_kubo_restart(r->fake, 1, US_PER_H + 20 * US_PER_S);
	roles_rest(r, US_PER_H);
	sweep_to(r, 60); /* the second peer was not heard of yet */
	for (int64_t end = r->now + 40 * US_PER_S; r->now < end; r->now += 100 * US_PER_MS) {
		struct err err = { 0 };
		int64_t due;

		assert_true(worker_step(r->worker, r->now, &due, &err));
	}
	assert_in_range(sweep_all(r), 140 + 60, 140 + 60 + 8);
	assert_int_equal(sweep_all(r), 0);
	fake_kubo_restart(r->fake, 1, 10 * US_PER_MIN);
	roles_run(r, 5 * US_PER_MIN);
	assert_true(wanted_on(r, 200, 2) == 0);
	roles_run(r, 10 * US_PER_MIN); /* it is back: what nobody waited for is looked for */
	assert_int_equal(swept(r), 200);
}

static void idempotency_keys_go_a_page_a_step(void **state UNUSED)
{
	enum { KEYS = 500 };
	CLEANUP(roles_free)
	struct roles *r = roles_new(
		&(struct roles_options){ .nodes = 1, .batch_max = 4, .sweep_us = US_PER_H });
	uint64_t most = 0;

	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < KEYS; i++)
		roles_pin(r, "ada", i,
			  &(struct pin_ask){ .key = slice_str(arena_printf(r->mem, "k%u", i)) });
	r->now += 8 * US_PER_DAY;
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t before = r->store_calls;
		struct err err;
		int64_t due;

		assert_true(reconciler_step(r->reconciler, &due, &err));
		if (r->store_calls - before > most)
			most = r->store_calls - before;
		r->now += 10 * US_PER_MS;
	}
	assert_in_range(most, 1, KEYS / 2);
}

/* A sweep of many pins takes hours, and gauges that fall to 0 meanwhile page somebody. */
static void what_the_last_sweep_counted_is_known_after_a_restart(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(
		&(struct roles_options){ .nodes = 1, .batch_max = 4, .sweep_us = US_PER_H });
	struct reconciler_state was, is;
	struct err err;
	int64_t due;

	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < 20; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, 2 * US_PER_H);
	reconciler_state(r->reconciler, &was);
	assert_int_equal(was.totals.pins, 20);
	assert_int_equal(was.totals.actual, 20);
	roles_restart_reconciler(r);
	assert_true(reconciler_step(r->reconciler, &due, &err));
	reconciler_state(r->reconciler, &is);
	assert_int_equal(is.swept_at, was.swept_at);
	assert_memory_equal(&is.totals, &was.totals, sizeof(is.totals));
}

/* ---- damage ------------------------------------------------------------------------------ */

static void a_sweep_gets_past_what_cannot_be_read(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(
		&(struct roles_options){ .nodes = 1, .batch_max = 4, .sweep_us = US_PER_MIN });
	struct reconciler_state was, is;

	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < 40; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, US_PER_MIN);
	r->failing.bad_cid = roles_cid(r, 17);
	reconciler_state(r->reconciler, &was);
	roles_run(r, 3 * US_PER_MIN);
	reconciler_state(r->reconciler, &is);
	assert_true(is.swept_at > was.swept_at);
	assert_int_equal(is.swept, 39);
}

/* What a peer of its own holds is read from rows of another table. */
static void a_drain_gets_past_what_cannot_be_read_and_stops_no_sweep(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(
		&(struct roles_options){ .nodes = 2, .batch_max = 4, .sweep_us = US_PER_MIN });
	struct reconciler_state was, is;
	unsigned left = 0;

	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < 40; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, US_PER_MIN);
	for (unsigned i = 0; i < 40 && r->failing.bad_pin.len == 0; i++)
		if (roles_copy(r, i, 1).desired)
			r->failing.bad_pin = roles_cid(r, i);
	reconciler_state(r->reconciler, &was);
	roles_wish(r, 1, PEER_DRAINING);
	roles_run(r, 2 * US_PER_MIN);
	for (unsigned i = 0; i < 40; i++)
		left += roles_copy(r, i, 1).desired;
	assert_in_range(left, 0, 2); /* what lies in the bucket that cannot be read */
	roles_run(r, US_PER_MIN);
	reconciler_state(r->reconciler, &is);
	assert_int_equal(is.walks, 0);
	assert_true(is.swept_at > was.swept_at);
}

/* Three CIDs, each with another row that cannot be read, and three are looked at together. */
static void what_cannot_be_read_keeps_the_planner_from_nothing_else(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(
		&(struct roles_options){ .nodes = 2, .batch_max = 3, .sweep_us = US_PER_H });
	uint64_t calls, quiet;
	struct ulid id;
	bool found;

	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < 10; i++)
		roles_pin(r, "ada", i, NULL);
	r->failing.bad_cid = roles_cid(r, 0);
	r->failing.bad_copy = roles_cid(r, 1);
	r->failing.bad_pin = roles_cid(r, 2);
	roles_run(r, 5 * US_PER_MIN); /* all wake rows are due */
	id = roles_pin(r, "ada", 20, NULL);
	roles_restart_planner(r); /* which got no message of it */
	roles_run(r, US_PER_S);
	assert_int_equal(roles_status(r, "ada", id, &found), STATUS_PINNED);

	roles_wish(r, 1, PEER_DRAINING);
	calls = r->store_calls;
	roles_run(r, US_PER_H);
	calls = r->store_calls - calls;
	for (unsigned i = 3; i < 10; i++)
		assert_false(roles_copy(r, i, 1).desired);
	r->failing.bad_cid = r->failing.bad_copy = r->failing.bad_pin = (struct slice){ 0 };
	roles_run(r, 3 * US_PER_H); /* they were put off no longer */
	quiet = r->store_calls;
	roles_run(r, US_PER_H);
	quiet = r->store_calls - quiet;
	assert_in_range(calls, 1, 2 * quiet);
}

/* ---- what is over is forgotten ------------------------------------------------------------ */

#define SWEEPS (3 * US_PER_H)

static size_t facts_of(struct roles *r, unsigned cid)
{
	struct cid_view view;
	struct err err = { 0 };

	if (!store_view(r->store, roles_cid(r, cid), r->mem, &view, &err))
		fail_msg("%s", err.text);
	return view.n_facts;
}

static int priority(struct roles *r, const char *owner, struct ulid id)
{
	const struct owner_pin *row = NULL;
	struct err err = { 0 };

	if (!store_find(r->store, slice_str(owner), id, r->mem, &row, &err))
		fail_msg("%s", err.text);
	assert_non_null(row);
	return row->priority;
}

static void a_request_that_another_replaced_is_forgotten_in_time(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = one_node_with(0);

	roles_replace(r, "ada", roles_pin(r, "ada", 1, NULL), 2, &(struct pin_ask){ 0 });
	roles_replace(r, "ada", roles_pin(r, "ada", 3, NULL), 3, &(struct pin_ask){ 0 });
	roles_run(r, US_PER_MIN);
	assert_int_equal(facts_of(r, 1), 3);
	assert_int_equal(facts_of(r, 3), 5);
	roles_run(r, SWEEPS);
	assert_int_equal(facts_of(r, 1), 0);
	assert_int_equal(facts_of(r, 2), 2);
	assert_int_equal(facts_of(r, 3), 2);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), 2);
}

/* What it was replaced for may never come: until it has, its copies have to be kept. */
static void a_replaced_request_is_not_forgotten_before_the_other_is_pinned(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = one_node_with(0);
	struct ulid old = roles_pin(r, "ada", 1, NULL);

	roles_run(r, 10 * US_PER_S);
	fake_kubo_fetch(r->fake, 0, roles_text(r, 2), FAKE_KUBO_NEVER);
	roles_replace(r, "ada", old, 2, &(struct pin_ask){ 0 });
	roles_run(r, SWEEPS);
	assert_int_equal(facts_of(r, 1), 3);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), 1);
}

static void what_ended_is_forgotten_while_others_keep_the_cid(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = one_node_with(0);
	bool found;
	struct ulid kept = roles_pin(r, "ada", 1, NULL), gone = { 0 };

	for (unsigned i = 0; i < 20; i++) {
		gone = roles_pin(r, "bob", 1, NULL);
		roles_unpin(r, "bob", gone);
	}
	roles_run(r, US_PER_MIN);
	assert_int_equal(facts_of(r, 1), 2 + 20 * 3);
	roles_run(r, SWEEPS);
	assert_int_equal(facts_of(r, 1), 2);
	assert_int_equal(roles_status(r, "ada", kept, &found), STATUS_PINNED);
	assert_int_equal(roles_copy(r, 1, 1).state, COPY_PINNED);
	roles_status(r, "bob", gone, &found);
	assert_false(found);
}

/* It tells why they go, when others are pinned at last. */
static void an_end_is_not_forgotten_while_its_copies_are_held(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 3, .guard_least = 1 });
	struct ulid ended;

	roles_run(r, 10 * US_PER_S);
	set_zone(r, 1, "east");
	set_zone(r, 2, "east");
	set_zone(r, 3, "west");
	roles_run(r, 10 * US_PER_S);
	ended = pin_in(r, "ada", 1, "east", 2);
	roles_run(r, 10 * US_PER_S);
	fake_kubo_fetch(r->fake, 2, roles_text(r, 1), FAKE_KUBO_NEVER);
	pin_in(r, "bob", 1, "west", 1);
	roles_unpin(r, "ada", ended);
	roles_run(r, SWEEPS);
	assert_int_equal(pins_on(r, 0) + pins_on(r, 1), 2);
	fake_kubo_fetch(r->fake, 2, roles_text(r, 1), FAKE_KUBO_LOCAL);
	roles_run(r, 5 * US_PER_MIN);
	assert_int_equal(pins_on(r, 0) + pins_on(r, 1), 0);
	assert_int_equal(r->guarded, 0);
	roles_run(r, SWEEPS);
	assert_int_equal(facts_of(r, 1), 2);
}

static void revisions_that_a_newer_one_outdid_are_forgotten(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = one_node_with(0);
	struct ulid id = roles_pin(r, "ada", 1, NULL);

	for (int i = 1; i <= 20; i++)
		roles_revise(r, "ada", id,
			     &(struct pin_ask){ .given = ASK_PRIORITY, .priority = i });
	assert_int_equal(facts_of(r, 1), 2 + 20);
	roles_run(r, SWEEPS);
	assert_int_equal(facts_of(r, 1), 2);
	assert_int_equal(priority(r, "ada", id), 20);
	/* The newest that is old, and all that is not. */
	roles_revise(r, "ada", id, &(struct pin_ask){ .given = ASK_PRIORITY, .priority = 0 });
	assert_int_equal(facts_of(r, 1), 3);
}

/* The reconciler has looked at the peers just before there was one more. */
static void a_rebalance_knows_the_peer_that_came_a_moment_ago(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = roles_new(&(struct roles_options){ .nodes = 2 });

	fake_kubo_restart(r->fake, 1, US_PER_MIN);
	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < 8; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, 48 * US_PER_S + 300 * US_PER_MS);
	roles_restart_reconciler(r); /* it looks at another moment than the worker tells */
	assert_int_equal(moves_left(r), 0);
	while (moves_left(r) == 0) {
		order(r, false, false);
		roles_run(r, 50 * US_PER_MS);
	}
	order(r, true, false);
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(moves_left(r), 0);
}

/* Those that a sweep asks about and then looks at all the same are one CID each to the guard. */
static void to_ask_whether_a_cid_is_idle_lets_the_guard_go_no_further(void **state UNUSED)
{
	enum { LESS = 5 };
	CLEANUP(roles_free)
	struct roles *r = roles_new(
		&(struct roles_options){ .nodes = 2, .guard_permille = 100, .guard_least = 1 });
	const struct replan_options options = roles_replan(r);
	CLEANUP(replanner_free) struct replanner *replanner = replanner_new(&options);
	struct replan_item items[LESS] = { 0 };
	struct pin_ask ask = { .given = ASK_REPLICAS, .rf_min = 2, .rf_max = 2 };
	struct ulid ids[LESS];
	struct cid_view view;
	struct err err;
	bool idle;

	roles_run(r, 10 * US_PER_S);
	roles_pin(r, "ada", 100, NULL);
	for (unsigned i = 0; i < LESS; i++)
		ids[i] = roles_pin(r, "ada", i, &ask);
	roles_run(r, US_PER_MIN);
	assert_true(store_view(r->store, roles_cid(r, 100), r->mem, &view, &err));
	for (unsigned i = 0; i < 100; i++) {
		assert_true(replan_is_idle(replanner, &view, r->mem, &idle, &err));
		assert_true(idle);
	}
	ask.rf_min = ask.rf_max = 1;
	for (unsigned i = 0; i < LESS; i++) {
		roles_revise(r, "ada", ids[i], &ask);
		items[i].cid = roles_cid(r, i);
	}
	assert_true(replan(replanner, items, LESS, &err));
	assert_int_equal(r->guarded, LESS - 1);
}

/* Who goes by CID never meets it: no fact and no copy leads there. */
static void some_sweeps_take_away_a_row_whose_truth_is_gone(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = one_node_with(10);
	struct peer_pin lost = { .peer_no = 1, .cid = roles_cid(r, 99), .gen = 1000 };
	struct store_write write = { .table = TABLE_PINS_BY_PEER, .kind = WRITE_PUT, .row = &lost };
	const struct peer_pin *row = &lost;
	struct reconciler_state is;
	struct err err;

	lost.pb = (uint16_t)(store_bucket(r->store, lost.cid) >> (BUCKET_BITS - 12));
	assert_true(r->failing.inner->ops->write(r->failing.inner, &write, 1, &err));
	for (unsigned i = 0; i < 40 && row; i++) {
		order(r, false, false);
		roles_run(r, 5 * US_PER_S);
		assert_true(store_peer_pin(r->store, 1, lost.cid, r->mem, &row, &err));
	}
	assert_null(row);
	reconciler_state(r->reconciler, &is);
	assert_int_equal(is.repaired, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rebalance_looks_at_every_pin_however_far_a_sweep_had_come),
		cmocka_unit_test(a_plain_sweep_that_is_ordered_meanwhile_ends_no_rebalance),
		cmocka_unit_test(a_walk_goes_on_where_it_was_when_the_store_failed),
		cmocka_unit_test(a_sweep_counts_each_pin_once_when_the_store_failed),
		cmocka_unit_test(what_is_in_order_is_read_once_by_a_sweep),
		cmocka_unit_test(what_was_swept_before_a_peer_came_is_swept_again_and_no_more),
		cmocka_unit_test(idempotency_keys_go_a_page_a_step),
		cmocka_unit_test(a_rebalance_goes_on_after_a_restart),
		cmocka_unit_test(a_rebalance_that_was_ordered_outlives_a_crash),
		cmocka_unit_test(a_rebalance_whose_fetches_last_is_not_undone),
		cmocka_unit_test(a_sweep_after_a_rebalance_moves_nothing),
		cmocka_unit_test(what_the_last_sweep_counted_is_known_after_a_restart),
		cmocka_unit_test(a_sweep_gets_past_what_cannot_be_read),
		cmocka_unit_test(a_drain_gets_past_what_cannot_be_read_and_stops_no_sweep),
		cmocka_unit_test(what_cannot_be_read_keeps_the_planner_from_nothing_else),
		cmocka_unit_test(a_request_that_another_replaced_is_forgotten_in_time),
		cmocka_unit_test(a_replaced_request_is_not_forgotten_before_the_other_is_pinned),
		cmocka_unit_test(what_ended_is_forgotten_while_others_keep_the_cid),
		cmocka_unit_test(an_end_is_not_forgotten_while_its_copies_are_held),
		cmocka_unit_test(revisions_that_a_newer_one_outdid_are_forgotten),
		cmocka_unit_test(a_rebalance_knows_the_peer_that_came_a_moment_ago),
		cmocka_unit_test(to_ask_whether_a_cid_is_idle_lets_the_guard_go_no_further),
		cmocka_unit_test(some_sweeps_take_away_a_row_whose_truth_is_gone),
	};
	return cmocka_run_group_tests_name("role/reconciler", tests, NULL, NULL);
}
