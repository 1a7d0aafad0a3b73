/* What role/reconciler.h and role/replan.h promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/role/roles.h"
#include "role/restored.h"
#include "role/worker/node.h"

/* ---- rebalancing ------------------------------------------------------------------------- */

static uint64_t moves_left(struct roles *r)
{
	const struct replan_options options = roles_replan(r);
	struct rebalance_preview out;
	struct err err = { 0 };

	if (!reconciler_preview(&options, US_PER_MIN, &out, &err))
		fail_msg("%s", err.text);
	return out.moves;
}

/* All `pins` lie on the first of two nodes, for the second was not there yet; now it is. */
static struct roles *lopsided(unsigned pins, unsigned guard_least)
{
	struct roles *r = roles_new(
		&(struct roles_options){ .nodes = 2, .batch_max = 4, .guard_least = guard_least });

	fake_kubo_restart(r->fake, 1, US_PER_MIN);
	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < pins; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), pins);
	assert_in_range(moves_left(r), pins / 4, pins);
	return r;
}

static void order(struct roles *r, bool rebalance, bool force)
{
	struct err err = { 0 };

	if (!reconciler_order_sweep(r->reconciler, rebalance, force, &err))
		fail_msg("%s", err.text);
}

static uint64_t swept(struct roles *r)
{
	struct reconciler_state state;

	reconciler_state(r->reconciler, &state);
	return state.swept;
}

/* Lets the reconciler alone go on until it has looked at `n` CIDs in this sweep. */
static void sweep_to(struct roles *r, uint64_t n)
{
	struct err err = { 0 };
	int64_t due;

	do {
		r->now += US_PER_MS; /* its pause */
		if (!reconciler_step(r->reconciler, &due, &err))
			fail_msg("%s", err.text);
	} while (swept(r) < n);
	assert_in_range(swept(r), n, n + 4);
}

static void a_rebalance_looks_at_every_pin_however_far_a_sweep_had_come(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 0);

	order(r, false, false);
	sweep_to(r, 30);
	order(r, true, false);
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(moves_left(r), 0);
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

/* ---- the guard -------------------------------------------------------------------------- */

static unsigned copies(struct roles *r)
{
	return fake_kubo_n_pins(r->fake, 0) + fake_kubo_n_pins(r->fake, 1);
}

static unsigned pins_on(struct roles *r, unsigned node)
{
	return fake_kubo_n_pins(r->fake, node);
}

static unsigned wanted_on(struct roles *r, unsigned pins, uint32_t peer_no)
{
	unsigned n = 0;

	for (unsigned i = 0; i < pins; i++)
		n += roles_copy(r, i, peer_no).desired;
	return n;
}

static void as_many_unpins_as_the_guard_allows_are_made(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *world = lopsided(60, 0);
	unsigned moves = (unsigned)moves_left(world);
	CLEANUP(roles_free) struct roles *r = lopsided(60, moves);

	order(r, true, false);
	roles_run(r, 5 * US_PER_MIN);
	assert_int_equal(r->guarded, 0);
	assert_int_equal(copies(r), 60);
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

static void beyond_the_bound_copies_stay_and_are_told_of(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 5);
	unsigned moves = (unsigned)moves_left(r);
	struct ulid id;
	bool found;

	order(r, true, false);
	roles_run(r, 5 * US_PER_MIN);
	assert_true(r->guarded > 0);
	/* The reconciler and the planner have a pass each. */
	assert_in_range(copies(r), 60 + moves - 10, 60 + moves - 5);
	assert_true(held_back_count(r->held_back, r->now) > 0);

	/* Everything else goes on: new pins, and removals that a user asked for. */
	id = roles_pin(r, "ada", 1000, NULL);
	roles_run(r, 10 * US_PER_S);
	assert_int_equal(roles_status(r, "ada", id, &found), STATUS_PINNED);
	roles_unpin(r, "ada", id);
	roles_run(r, 10 * US_PER_S);
	assert_false(roles_copy(r, 1000, 1).desired || roles_copy(r, 1000, 2).desired);
	assert_in_range(copies(r), 60 + moves - 10, 60 + moves - 5);

	/* Until an operator has looked. */
	order(r, true, true);
	roles_run(r, 5 * US_PER_MIN);
	assert_int_equal(copies(r), 60);
	roles_run(r, 30 * US_PER_MIN);
	assert_int_equal(held_back_count(r->held_back, r->now), 0);
}

/* Bob asks for what is just being given up. */
static void ask_meanwhile(struct roles *r, const struct copy_row *row)
{
	unsigned n;

	if (row->copy.desired)
		return;
	memcpy(&n, row->cid.ptr + 4, sizeof(n));
	roles_pin(r, "bob", n, NULL);
}

/* The look is then made again, by what it has written itself. */
static void copies_count_although_others_write_while_they_are_given_up(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 5);
	unsigned moves = (unsigned)moves_left(r);

	r->meanwhile = ask_meanwhile;
	order(r, true, false);
	roles_run(r, 5 * US_PER_MIN);
	assert_true(r->guarded > 0);
	assert_in_range(copies(r), 60 + moves - 10, 60 + moves - 5);
}

static void each_pass_lets_some_go(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 5);

	order(r, true, false);
	roles_run(r, 3 * US_PER_H);
	assert_int_equal(copies(r), 60);
}

static void a_second_order_takes_no_force_from_the_first(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 5);

	order(r, true, true);
	order(r, true, false);
	roles_run(r, 5 * US_PER_MIN);
	assert_int_equal(copies(r), 60);
}

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

/* An operator's word on a peer is reason enough. */
static void a_drain_is_not_held_back(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 5);

	roles_wish(r, 1, PEER_DRAINING);
	roles_run(r, 5 * US_PER_MIN);
	assert_int_equal(r->guarded, 0);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), 0);
	assert_int_equal(fake_kubo_n_pins(r->fake, 1), 60);
}

/* While a node is away copies set out elsewhere.  When it is back before they are there, all of
 * that is taken back: nothing is lost by it. */
static void copies_that_are_not_there_yet_are_given_up_at_once(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r =
		roles_new(&(struct roles_options){ .nodes = 2, .batch_max = 4, .guard_least = 5 });
	unsigned before;

	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < 60; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, US_PER_MIN);
	before = wanted_on(r, 60, 1);
	assert_in_range(before, 10, 50);
	fake_kubo_fetch(r->fake, 0, NULL, US_PER_H);
	fake_kubo_restart(r->fake, 1, 3 * US_PER_MIN);
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(wanted_on(r, 60, 1), 60);
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(wanted_on(r, 60, 1), before);
	assert_int_equal(r->guarded, 0);
}

static struct roles *one_node_with(unsigned pins)
{
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 1 });

	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < pins; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, US_PER_MIN);
	return r;
}

/* ---- after a restore --------------------------------------------------------------------- */

static void mark_restored(struct roles *r)
{
	struct err err = { 0 };

	r->now += US_PER_S;
	if (!restored_mark(r->store, r->now, &err))
		fail_msg("%s", err.text);
	r->now += 5 * US_PER_S; /* who runs has read it */
}

/* What was asked for since the backup: only the node knows of it. */
static void leave_on_node(struct roles *r, unsigned cid)
{
	fake_kubo_put_pin(r->fake, 0, roles_text(r, cid), KUBO_RECURSIVE, r->worker->pin_name);
}

static bool on_node(struct roles *r, unsigned cid)
{
	return fake_kubo_pin(r->fake, 0, roles_text(r, cid)) != NULL;
}

/* The operator was told that nothing was ordered, or nothing at all. */
static void an_order_that_fails_leaves_a_restored_store_protected(void **state UNUSED)
{
	for (unsigned call = 1;; call++) {
		CLEANUP(roles_free) struct roles *r = one_node_with(1);
		struct err err;
		int64_t at;
		bool ok;

		mark_restored(r);
		leave_on_node(r, 7);
		r->failing.fail_at = r->failing.calls + call;
		ok = reconciler_order_sweep(r->reconciler, false, true, &err);
		r->failing.fail_at = 0;
		assert_true(restored_at(r->store, &at, &err));
		if (ok)
			break;
		assert_true(at > 0);
		roles_restart_reconciler(r);
		roles_run(r, US_PER_MIN);
		assert_true(on_node(r, 7));
		assert_true(call < 20);
	}
}

static void a_restored_store_unpins_nothing_it_does_not_know_until_it_is_told(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = one_node_with(10);
	struct ulid id;

	roles_unpin(r, "ada", roles_pin(r, "ada", 20, NULL));
	roles_run(r, US_PER_MIN);
	for (unsigned i = 20; i < 30; i++) /* one of them had ended before the backup */
		leave_on_node(r, i);
	mark_restored(r);
	roles_run(r, 3 * US_PER_H);
	for (unsigned i = 20; i < 30; i++)
		assert_true(on_node(r, i));
	assert_true(held_back_count(r->held_back, r->now) >= 9);

	/* Whatever users do from now on is done. */
	roles_pin(r, "ada", 21, NULL);
	id = roles_pin(r, "ada", 22, NULL);
	roles_run(r, US_PER_MIN);
	roles_unpin(r, "ada", id);
	roles_run(r, US_PER_MIN);
	assert_true(on_node(r, 21));
	assert_false(on_node(r, 22));

	order(r, true, true);
	roles_run(r, 2 * US_PER_H);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), 11);
	assert_true(on_node(r, 21));
}

static void nor_does_an_order_to_unpin_from_before_it(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = one_node_with(0);
	struct ulid id = roles_pin(r, "ada", 1, NULL);

	roles_run(r, 10 * US_PER_S);
	fake_kubo_restart(r->fake, 0, 20 * US_PER_S);
	roles_unpin(r, "ada", id);
	roles_run(r, 5 * US_PER_S);
	assert_false(roles_copy(r, 1, 1).desired);
	mark_restored(r);
	roles_run(r, US_PER_H);
	assert_true(on_node(r, 1));
	order(r, true, true);
	roles_run(r, US_PER_H);
	assert_false(on_node(r, 1));
}

/* It may have been renewed. */
static void nor_what_expires_by_what_was_known_before_it(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = one_node_with(0);
	struct pin_ask soon = { .given = ASK_EXPIRY, .expires_at = r->now + 30 * US_PER_MIN };
	struct ulid id = roles_pin(r, "ada", 1, &soon);
	bool found;

	roles_run(r, US_PER_MIN);
	mark_restored(r);
	roles_pin(r, "ada", 2, &soon);
	roles_run(r, US_PER_H);
	roles_status(r, "ada", id, &found);
	assert_false(found);
	assert_true(on_node(r, 1));
	assert_false(on_node(r, 2));
	order(r, true, true);
	roles_run(r, US_PER_H);
	assert_false(on_node(r, 1));
}

/* ---- space ------------------------------------------------------------------------------ */

#define MIB (UINT64_C(1) << 20)

/* Two nodes, of which the first has room for four pins of the usual size. */
static struct roles *nearly_full(void)
{
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 2 });

	fake_kubo_knobs(r->fake, 0)->capacity_bytes = 64 * MIB;
	fake_kubo_knobs(r->fake, 1)->capacity_bytes = 1024 * 1024 * MIB;
	fake_kubo_fetch(r->fake, 0, NULL, 20 * US_PER_S);
	fake_kubo_fetch(r->fake, 1, NULL, 1500 * US_PER_MS);
	roles_run(r, 10 * US_PER_S);
	return r;
}

static void many_adds_at_once_do_not_all_go_to_a_peer_that_is_nearly_full(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = nearly_full();

	for (unsigned i = 0; i < 200; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, US_PER_S);
	assert_in_range(wanted_on(r, 200, 1), 1, 4);
	assert_int_equal(wanted_on(r, 200, 1) + wanted_on(r, 200, 2), 200);
}

/* Not even over time: what the store tells of the copies on their way counts as well. */
static void nor_do_many_adds_one_after_the_other(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = nearly_full();

	for (unsigned i = 0; i < 100; i++) {
		roles_pin(r, "ada", i, NULL);
		roles_run(r, 200 * US_PER_MS);
	}
	assert_in_range(wanted_on(r, 100, 1), 1, 4);
	for (unsigned i = 0; i < 100; i++)
		for (unsigned node = 0; node < 2; node++)
			fake_kubo_fetch(r->fake, node, roles_text(r, i), FAKE_KUBO_LOCAL);
	roles_run(r, 5 * US_PER_MIN);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0) + fake_kubo_n_pins(r->fake, 1), 100);
}

/* ---- everywhere -------------------------------------------------------------------------- */

static void pin_everywhere(struct roles *r, unsigned n)
{
	roles_pin(r, "ada", n,
		  &(struct pin_ask){ .given = ASK_REPLICAS,
				     .rf_min = REPLICAS_EVERYWHERE,
				     .rf_max = REPLICAS_EVERYWHERE });
}

static void pins_everywhere_reach_a_peer_that_was_away_for_a_moment(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 2, .sweep_us = US_PER_DAY });

	roles_run(r, 30 * US_PER_S);
	fake_kubo_restart(r->fake, 1, 25 * US_PER_S);
	roles_run(r, 20 * US_PER_S);
	pin_everywhere(r, 1);
	roles_run(r, 3 * US_PER_MIN);
	assert_int_equal(pins_on(r, 0), 1);
	assert_int_equal(pins_on(r, 1), 1);
}

/* Nobody waits for those. */
static void pins_everywhere_reach_peers_that_were_dead_or_paused(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 3, .sweep_us = US_PER_DAY });

	roles_run(r, 30 * US_PER_S);
	fake_kubo_restart(r->fake, 1, 10 * US_PER_MIN);
	roles_wish(r, 3, PEER_PAUSED);
	roles_run(r, 2 * US_PER_MIN);
	for (unsigned i = 0; i < 20; i++)
		pin_everywhere(r, i);
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(pins_on(r, 0), 20);
	assert_int_equal(pins_on(r, 1) + pins_on(r, 2), 0);
	roles_wish(r, 3, PEER_ACTIVE);
	roles_run(r, US_PER_MIN);
	assert_int_equal(pins_on(r, 2), 20);
	roles_run(r, 6 * US_PER_MIN);
	assert_int_equal(pins_on(r, 1), 20);
}

static void one_that_had_no_room_gets_them_when_it_has(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 2, .sweep_us = US_PER_DAY });

	fake_kubo_content(r->fake, roles_text(r, 1), 100 * MIB, 10);
	fake_kubo_knobs(r->fake, 1)->capacity_bytes = 8 * MIB;
	fake_kubo_restart(r->fake, 1, US_PER_MIN);
	roles_run(r, 10 * US_PER_S);
	roles_pin(r, "ada", 1, NULL); /* from now on its size is known */
	roles_run(r, 2 * US_PER_MIN);
	pin_everywhere(r, 1);
	roles_run(r, 10 * US_PER_MIN);
	assert_int_equal(pins_on(r, 0), 1);
	assert_int_equal(pins_on(r, 1), 0);
	fake_kubo_knobs(r->fake, 1)->capacity_bytes = 1024 * MIB;
	roles_run(r, US_PER_MIN);
	assert_int_equal(pins_on(r, 1), 1);
}

/* It was not full, so nobody tells of it. */
static void nor_does_one_that_had_room_for_others_only(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 2, .sweep_us = US_PER_DAY });

	fake_kubo_content(r->fake, roles_text(r, 1), 1000 * MIB, 10);
	fake_kubo_knobs(r->fake, 1)->capacity_bytes = 600 * MIB;
	fake_kubo_restart(r->fake, 1, US_PER_MIN);
	roles_run(r, 10 * US_PER_S);
	roles_pin(r, "ada", 1, NULL); /* from now on its size is known */
	roles_run(r, 2 * US_PER_MIN);
	pin_everywhere(r, 1);
	roles_run(r, 10 * US_PER_MIN);
	assert_int_equal(pins_on(r, 1), 0);
	fake_kubo_knobs(r->fake, 1)->capacity_bytes = 2000 * MIB;
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(pins_on(r, 1), 1);
}

/* ---- zones ------------------------------------------------------------------------------ */

static void set_zone(struct roles *r, uint32_t peer_no, const char *zone)
{
	const struct peer_row wish = { .peer_no = peer_no,
				       .wish_version = (uint64_t)r->now + 1000,
				       .zone = slice_str(zone),
				       .wish = PEER_ACTIVE };
	struct err err;

	assert_true(store_peer_wish(r->store, &wish, &err));
}

static struct ulid pin_in(struct roles *r, const char *owner, unsigned n, const char *zone,
			  int32_t replicas)
{
	struct slice zones[] = { slice_str(zone) };

	return roles_pin(r, owner, n,
			 &(struct pin_ask){ .given = ASK_REPLICAS | ASK_ZONES,
					    .rf_min = replicas,
					    .rf_max = replicas,
					    .zones = { zones, 1 } });
}

static void copies_follow_when_peers_change_their_zones(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 2, .sweep_us = US_PER_DAY });

	roles_run(r, 10 * US_PER_S);
	set_zone(r, 1, "east");
	set_zone(r, 2, "west");
	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < 10; i++)
		pin_in(r, "ada", i, "east", 1);
	roles_run(r, US_PER_MIN);
	assert_int_equal(pins_on(r, 0), 10);
	set_zone(r, 1, "west");
	set_zone(r, 2, "east");
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(pins_on(r, 0), 0);
	assert_int_equal(pins_on(r, 1), 10);
}

/* ---- tags of peers ------------------------------------------------------------------------ */

/* Each letter is a tag. */
static void set_tags(struct roles *r, uint32_t peer_no, const char *tags)
{
	struct slice at[4];
	struct peer_row wish = { .peer_no = peer_no,
				 .wish_version = (uint64_t)r->now + 1000,
				 .tags = { at, strlen(tags) },
				 .wish = PEER_ACTIVE };
	struct err err;

	for (size_t i = 0; i < wish.tags.n; i++)
		at[i] = SLICE_OF((const uint8_t *)tags + i, 1);
	assert_true(store_peer_wish(r->store, &wish, &err));
}

static struct ulid pin_with(struct roles *r, unsigned n, const char *tags, int32_t replicas)
{
	struct slice at[4];
	struct pin_ask ask = { .given = ASK_REPLICAS | ASK_PEER_TAGS,
			       .rf_min = replicas,
			       .rf_max = replicas,
			       .peer_tags = { at, strlen(tags) } };

	for (size_t i = 0; i < ask.peer_tags.n; i++)
		at[i] = SLICE_OF((const uint8_t *)tags + i, 1);
	return roles_pin(r, "ada", n, &ask);
}

static void copies_lie_where_peers_have_all_tags_and_follow_them(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 3, .sweep_us = US_PER_DAY });

	roles_run(r, 10 * US_PER_S);
	set_tags(r, 1, "ab");
	set_tags(r, 2, "a");
	set_tags(r, 3, "b");
	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < 10; i++)
		pin_with(r, i, "ab", 1);
	for (unsigned i = 10; i < 20; i++)
		pin_with(r, i, "a", 2);
	roles_run(r, US_PER_MIN);
	assert_int_equal(pins_on(r, 0), 20);
	assert_int_equal(pins_on(r, 1), 10);
	assert_int_equal(pins_on(r, 2), 0);
	set_tags(r, 1, "b");
	set_tags(r, 3, "ab");
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(pins_on(r, 0), 0);
	assert_int_equal(pins_on(r, 1), 10);
	assert_int_equal(pins_on(r, 2), 20);
}

static void what_no_peer_is_tagged_for_waits_until_one_is(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 2, .sweep_us = US_PER_DAY });
	struct ulid id;
	bool found;

	roles_run(r, 10 * US_PER_S);
	set_tags(r, 1, "a");
	id = pin_with(r, 1, "ab", 1);
	roles_run(r, US_PER_MIN);
	assert_int_equal(roles_status(r, "ada", id, &found), STATUS_QUEUED);
	set_tags(r, 2, "ba");
	roles_run(r, US_PER_MIN);
	assert_int_equal(roles_status(r, "ada", id, &found), STATUS_PINNED);
	assert_int_equal(pins_on(r, 1), 1);
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

/* ---- pauses ---------------------------------------------------------------------------- */

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

/* ---- how long things take ------------------------------------------------------------------ */

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

/* ---- the last look ---------------------------------------------------------------------- */

/* An order to remove waits for its node, and meanwhile the node with the other copy goes: what
 * the store tells of a peer that is silent is no reason to remove what is there. */
static void a_copy_is_not_removed_while_the_others_lie_on_peers_that_are_silent(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(1, 0);

	roles_wish(r, 1, PEER_DRAINING);
	while (roles_copy(r, 0, 1).desired)
		roles_run(r, 100 * US_PER_MS);
	fake_kubo_restart(r->fake, 0, 20 * US_PER_S);
	fake_kubo_restart(r->fake, 1, 10 * US_PER_MIN);
	assert_int_equal(pins_on(r, 0) + pins_on(r, 1), 2);
	roles_run(r, 5 * US_PER_MIN);
	assert_int_equal(pins_on(r, 0), 1);
	roles_run(r, 15 * US_PER_MIN);
	assert_int_equal(pins_on(r, 0), 0);
	assert_int_equal(pins_on(r, 1), 1);
}

/* ---- replacing ------------------------------------------------------------------------- */

/* To ask for it anew would make the new request wait and the old one wanted again, for ever. */
static void a_recursive_pin_that_a_direct_one_replaces_comes_to_rest(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = roles_new(&(struct roles_options){ .nodes = 1 });
	struct ulid old;
	struct copy copy;

	roles_run(r, 10 * US_PER_S);
	old = roles_pin(r, "ada", 1, NULL);
	roles_run(r, 10 * US_PER_S);
	roles_replace(r, "ada", old, 1, &(struct pin_ask){ .direct = true });
	roles_run(r, 5 * US_PER_MIN);
	copy = roles_copy(r, 1, 1);
	roles_run(r, 5 * US_PER_MIN);
	assert_int_equal(roles_copy(r, 1, 1).gen, copy.gen);
	assert_int_equal(copy.state, COPY_PINNED);
}

/* One of two nodes comes back a moment later than the program. */
static void a_peer_is_not_given_up_for_the_time_when_nobody_listened(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 2 });
	unsigned first;

	for (unsigned i = 0; i < 20; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, US_PER_MIN);
	first = fake_kubo_n_pins(r->fake, 0);
	assert_in_range(first, 1, 19);
	fake_kubo_restart(r->fake, 1, US_PER_H + 20 * US_PER_S);
	roles_rest(r, US_PER_H);
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), first);
	assert_int_equal(fake_kubo_n_pins(r->fake, 1), 20 - first);
	fake_kubo_restart(r->fake, 1, US_PER_DAY); /* this one is silent too long */
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), 20);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rebalance_looks_at_every_pin_however_far_a_sweep_had_come),
		cmocka_unit_test(a_rebalance_knows_the_peer_that_came_a_moment_ago),
		cmocka_unit_test(a_plain_sweep_that_is_ordered_meanwhile_ends_no_rebalance),
		cmocka_unit_test(a_second_order_takes_no_force_from_the_first),
		cmocka_unit_test(a_forced_order_is_carried_out_although_its_process_dies),
		cmocka_unit_test(so_is_one_that_moves_nothing),
		cmocka_unit_test(a_force_ends_with_its_sweep),
		cmocka_unit_test(an_order_that_fails_leaves_a_restored_store_protected),
		cmocka_unit_test(a_walk_goes_on_where_it_was_when_the_store_failed),
		cmocka_unit_test(a_sweep_counts_each_pin_once_when_the_store_failed),
		cmocka_unit_test(what_is_in_order_is_read_once_by_a_sweep),
		cmocka_unit_test(some_sweeps_take_away_a_row_whose_truth_is_gone),
		cmocka_unit_test(what_was_swept_before_a_peer_came_is_swept_again_and_no_more),
		cmocka_unit_test(idempotency_keys_go_a_page_a_step),
		cmocka_unit_test(a_rebalance_goes_on_after_a_restart),
		cmocka_unit_test(a_rebalance_that_was_ordered_outlives_a_crash),
		cmocka_unit_test(a_rebalance_whose_fetches_last_is_not_undone),
		cmocka_unit_test(a_sweep_after_a_rebalance_moves_nothing),
		cmocka_unit_test(to_ask_whether_a_cid_is_idle_lets_the_guard_go_no_further),
		cmocka_unit_test(as_many_unpins_as_the_guard_allows_are_made),
		cmocka_unit_test(beyond_the_bound_copies_stay_and_are_told_of),
		cmocka_unit_test(copies_count_although_others_write_while_they_are_given_up),
		cmocka_unit_test(each_pass_lets_some_go),
		cmocka_unit_test(a_drain_is_not_held_back),
		cmocka_unit_test(copies_that_are_not_there_yet_are_given_up_at_once),
		cmocka_unit_test(a_restored_store_unpins_nothing_it_does_not_know_until_it_is_told),
		cmocka_unit_test(nor_does_an_order_to_unpin_from_before_it),
		cmocka_unit_test(nor_what_expires_by_what_was_known_before_it),
		cmocka_unit_test(many_adds_at_once_do_not_all_go_to_a_peer_that_is_nearly_full),
		cmocka_unit_test(nor_do_many_adds_one_after_the_other),
		cmocka_unit_test(what_the_last_sweep_counted_is_known_after_a_restart),
		cmocka_unit_test(a_sweep_gets_past_what_cannot_be_read),
		cmocka_unit_test(a_drain_gets_past_what_cannot_be_read_and_stops_no_sweep),
		cmocka_unit_test(what_cannot_be_read_keeps_the_planner_from_nothing_else),
		cmocka_unit_test(pins_everywhere_reach_a_peer_that_was_away_for_a_moment),
		cmocka_unit_test(pins_everywhere_reach_peers_that_were_dead_or_paused),
		cmocka_unit_test(one_that_had_no_room_gets_them_when_it_has),
		cmocka_unit_test(nor_does_one_that_had_room_for_others_only),
		cmocka_unit_test(copies_are_counted_as_they_change_and_not_by_sweeps_alone),
		cmocka_unit_test(what_was_counted_outlives_a_restart),
		cmocka_unit_test(what_changes_while_a_sweep_counts_is_counted_once),
		cmocka_unit_test(a_sweep_makes_its_pauses_and_waits_for_users_but_not_for_ever),
		cmocka_unit_test(it_is_told_how_long_pins_and_unpins_take_and_who_began_them),
		cmocka_unit_test(copies_follow_when_peers_change_their_zones),
		cmocka_unit_test(copies_lie_where_peers_have_all_tags_and_follow_them),
		cmocka_unit_test(what_no_peer_is_tagged_for_waits_until_one_is),
		cmocka_unit_test(
			a_copy_is_not_removed_while_the_others_lie_on_peers_that_are_silent),
		cmocka_unit_test(a_recursive_pin_that_a_direct_one_replaces_comes_to_rest),
		cmocka_unit_test(a_peer_is_not_given_up_for_the_time_when_nobody_listened),
		cmocka_unit_test(a_request_that_another_replaced_is_forgotten_in_time),
		cmocka_unit_test(a_replaced_request_is_not_forgotten_before_the_other_is_pinned),
		cmocka_unit_test(what_ended_is_forgotten_while_others_keep_the_cid),
		cmocka_unit_test(an_end_is_not_forgotten_while_its_copies_are_held),
		cmocka_unit_test(revisions_that_a_newer_one_outdid_are_forgotten),
	};
	return cmocka_run_group_tests_name("role/reconciler", tests, NULL, NULL);
}
