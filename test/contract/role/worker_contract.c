/* What role/worker/ promises, on fake Kubo nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/role/worker_roles.h"

/* ---- fetches ------------------------------------------------------------------------- */

static void
a_fetch_that_lasts_shows_as_pinning_long_before_its_patience_is_over(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r =
		start(&(struct roles_options){ .nodes = 1, .patience_us = 20 * US_PER_S });
	struct ulid id;

	fake_kubo_fetch(r->fake, 0, NULL, 5 * US_PER_S);
	id = roles_pin(r, "ada", 1, NULL);
	roles_run(r, 100 * US_PER_MS);
	assert_int_equal(status(r, id), STATUS_QUEUED);
	roles_run(r, 300 * US_PER_MS);
	assert_int_equal(status(r, id), STATUS_PINNING);
	roles_run(r, 5 * US_PER_S);
	assert_int_equal(status(r, id), STATUS_PINNED);
}

/* The hot path: one write of the observed half for what is done at once, two for the rest. */
static void a_fetch_is_reported_as_running_once_and_only_if_it_lasts(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	uint64_t before = r->reports;

	fake_kubo_fetch(r->fake, 0, NULL, 200 * US_PER_MS);
	roles_pin(r, "ada", 1, NULL);
	roles_run(r, 2 * US_PER_S);
	assert_int_equal(roles_copy(r, 1, PEER).state, COPY_PINNED);
	assert_int_equal(r->reports - before, 1);
	fake_kubo_fetch(r->fake, 0, NULL, 3 * US_PER_S);
	roles_pin(r, "ada", 2, NULL);
	roles_run(r, 5 * US_PER_S);
	assert_int_equal(roles_copy(r, 2, PEER).state, COPY_PINNED);
	assert_int_equal(r->reports - before, 3);
}

static void no_report_is_lost_because_too_many_were_not_taken_yet(void **state UNUSED)
{
	enum { QUEUE = 32, PINS = 3 * QUEUE };
	CLEANUP(roles_free)
	struct roles *r = start(&(struct roles_options){ .nodes = 1, .bus_queue = QUEUE });
	struct bus_counters told;
	struct err err = { 0 };
	int64_t due;

	for (unsigned i = 1; i <= PINS; i++)
		roles_pin(r, "ada", i, NULL);
	for (unsigned i = 0; i < PINS; i++)
		assert_true(planner_step(r->planner, &due, &err));
	work(r, US_PER_S);
	bus_counters(r->bus, &told);
	assert_in_range(told.waiting[BUS_PIN_STATUS], QUEUE / 4, QUEUE);
	roles_run(r, 5 * US_PER_S);
	for (unsigned i = 1; i <= PINS; i++)
		assert_int_equal(roles_copy(r, i, PEER).state, COPY_PINNED);
	bus_counters(r->bus, &told);
	assert_int_equal(told.dropped[BUS_PIN_STATUS], 0);
}

/* The worker fills it by itself: nobody takes what it tells. */
static void each_node_has_its_share_of_the_room_to_tell(void **state UNUSED)
{
	enum { NODES = 4, QUEUE = 32, PINS = 100 };
	CLEANUP(roles_free)
	struct roles *r = start(&(struct roles_options){ .nodes = NODES, .bus_queue = QUEUE });
	struct err err = { 0 };
	int64_t due;

	for (unsigned i = 0; i < NODES; i++)
		fake_kubo_fetch(r->fake, i, NULL, FAKE_KUBO_NEVER);
	for (unsigned i = 1; i <= PINS; i++)
		roles_pin(r, "ada", i, NULL);
	for (unsigned i = 0; i < PINS; i++)
		assert_true(planner_step(r->planner, &due, &err));
	work(r, 100 * US_PER_MS);
	for (unsigned i = 0; i < NODES; i++)
		assert_int_equal(r->worker->nodes[i]->n_calls, QUEUE / NODES / 2);
}

static void fetches_that_hang_take_no_room_from_others(void **state UNUSED)
{
	enum { NODES = 4, QUEUE = 16, HANGING = 60 };
	CLEANUP(roles_free)
	struct roles *r = start(&(struct roles_options){ .nodes = NODES, .bus_queue = QUEUE });

	for (unsigned i = 0; i < HANGING; i++) {
		for (unsigned k = 0; k < NODES; k++)
			fake_kubo_fetch(r->fake, k, roles_text(r, 100 + i), FAKE_KUBO_NEVER);
		roles_pin(r, "ada", 100 + i, NULL);
	}
	roles_run(r, 10 * US_PER_S);
	roles_pin(r, "bob", 1, NULL);
	roles_run(r, 10 * US_PER_S); /* they hang for 30 */
	for (unsigned k = 1; k <= NODES; k++)
		if (roles_copy(r, 1, k).state == COPY_PINNED)
			return;
	fail_msg("it waits for what gets nothing");
}

static void a_full_bus_is_not_looked_at_by_who_has_nothing_to_tell(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = start(&(struct roles_options){ .nodes = 1, .bus_queue = 16 });
	const struct bus_msg msg = { .topic = BUS_PIN_STATUS, .cid = roles_cid(r, 1) };
	const struct node *node = r->worker->nodes[0];
	struct bus_msg order = { .topic = BUS_PIN_ASSIGN, .peer_no = PEER, .cid = roles_cid(r, 2) };
	struct err err = { 0 };
	int64_t due;

	while (bus_room(r->bus, BUS_PIN_STATUS, 0) > 0)
		assert_true(bus_publish(r->bus, &msg, 1, &err));
	assert_true(worker_step(r->worker, r->now, &due, &err));
	assert_true(node_begin_due(node) == INT64_MAX);
	order.copy = (struct copy){ .peer_no = PEER, .desired = true, .gen = 1 };
	assert_true(bus_publish(r->bus, &order, 1, &err));
	assert_true(worker_step(r->worker, r->now, &due, &err));
	assert_int_equal(node->n_calls, 0);
	assert_true(node_begin_due(node) == r->now + ROOM_WAIT_US);
}

/* How many of the CIDs from `first` to `last` are being fetched. */
static unsigned fetching(struct roles *r, unsigned first, unsigned last)
{
	unsigned n = 0;

	for (unsigned i = first; i <= last; i++)
		n += roles_copy(r, i, PEER).state == COPY_PINNING;
	return n;
}

static void an_owner_fetches_as_many_at_once_as_his_row_says(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r =
		start(&(struct roles_options){ .nodes = 1, .patience_us = 60 * US_PER_S });
	const struct owner_row few = { .owner = SLICE_LIT("ada"), .max_fetches = 1 };
	const struct owner_row more = { .owner = SLICE_LIT("ada"), .max_fetches = 2 };
	struct err err;
	bool done;

	assert_true(store_swap_row(r->store, TABLE_OWNERS, NULL, &few, &done, &err) && done);
	fake_kubo_fetch(r->fake, 0, NULL, 30 * US_PER_S);
	for (unsigned i = 1; i <= 3; i++) {
		roles_pin(r, "ada", i, NULL);
		roles_pin(r, "bob", 10 + i, NULL);
	}
	roles_run(r, 2 * US_PER_S);
	assert_int_equal(fetching(r, 1, 3), 1);
	assert_int_equal(fetching(r, 11, 13), 3);
	assert_true(store_swap_row(r->store, TABLE_OWNERS, &few, &more, &done, &err) && done);
	roles_run(r, OWNER_BOUND_US + 5 * US_PER_S);
	assert_int_equal(fetching(r, 1, 3), 2);
}

static void the_bound_of_an_owner_is_read_now_and_then(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	const struct owner_row row = { .owner = SLICE_LIT("ada"), .max_fetches = 3 };
	CLEANUP(owner_bounds_free)
	struct owner_bounds *b = owner_bounds_new(r->cluster, &r->clock, 5);
	struct err err;
	unsigned calls;
	bool done;

	assert_true(store_swap_row(r->store, TABLE_OWNERS, NULL, &row, &done, &err) && done);
	assert_int_equal(owner_bound(b, SLICE_LIT("ada")), 3);
	assert_int_equal(owner_bound(b, SLICE_LIT("bob")), 5);
	calls = r->failing.calls;
	r->now += OWNER_BOUND_US - 1;
	assert_int_equal(owner_bound(b, SLICE_LIT("ada")), 3);
	assert_int_equal(r->failing.calls, calls);
	r->now++;
	assert_int_equal(owner_bound(b, SLICE_LIT("ada")), 3);
	assert_int_equal(r->failing.calls, calls + 1);
}

/* Each question may take until a time-out: what was known, or the bound of all, has to do. */
static void a_store_that_does_not_answer_is_asked_for_one_bound_a_step(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	const struct owner_row row = { .owner = SLICE_LIT("ada"), .max_fetches = 3 };
	CLEANUP(owner_bounds_free)
	struct owner_bounds *b = owner_bounds_new(r->cluster, &r->clock, 5);
	struct err err;
	unsigned calls;
	bool done;

	assert_true(store_swap_row(r->store, TABLE_OWNERS, NULL, &row, &done, &err) && done);
	assert_int_equal(owner_bound(b, SLICE_LIT("ada")), 3);
	r->now += OWNER_BOUND_US;
	calls = r->failing.calls;
	r->failing.fail_at = calls + 1;
	assert_int_equal(owner_bound(b, SLICE_LIT("ada")), 3);
	assert_int_equal(owner_bound(b, SLICE_LIT("bob")), 5);
	assert_int_equal(r->failing.calls, calls + 1);
	owner_bounds_step(b);
	assert_int_equal(owner_bound(b, SLICE_LIT("bob")), 5);
	assert_int_equal(r->failing.calls, calls + 2);
}

static void owners_who_wait_cost_no_reads(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = start(&(struct roles_options){ .nodes = 1, .max_fetches = 1 });
	unsigned calls;

	fake_kubo_fetch(r->fake, 0, NULL, FAKE_KUBO_NEVER);
	for (unsigned i = 0; i < 100; i++)
		roles_pin(r, arena_printf(r->mem, "owner-%u", i), i, NULL);
	roles_run(r, US_PER_MIN);
	assert_in_range(r->worker->nodes[0]->journal.n, 100, 100);
	fake_kubo_knobs(r->fake, 0)->hang = true;
	calls = r->failing.calls;
	work(r, US_PER_MIN);
	assert_in_range(r->failing.calls - calls, 1, 500);
}

/* ---- slots ------------------------------------------------------------------------------- */

enum { SLOTS = 4 };

static void fetches_that_trickle_hold_no_slot(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = start(&(struct roles_options){ .nodes = 1, .max_fetches = SLOTS });
	struct ulid id;

	trickle(r, SLOTS);
	id = roles_pin(r, "ada", 1, NULL);
	roles_run(r, 5 * US_PER_S);
	assert_int_equal(status(r, id), STATUS_PINNED);
	assert_int_equal(fake_kubo_seen(r->fake, 0)->adds, SLOTS);
}

static void the_first_fetch_of_an_owner_does_not_wait_for_those_of_another(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = start(&(struct roles_options){ .nodes = 1, .max_fetches = 2 });

	for (unsigned i = 0; i < 5; i++) { /* each gets a block every 100 ms for long */
		fake_kubo_content(r->fake, roles_text(r, i), 1000000, 100000);
		fake_kubo_fetch(r->fake, 0, roles_text(r, i), 10000 * US_PER_S);
		roles_pin(r, "ada", i, NULL);
	}
	roles_run(r, 10 * US_PER_S);
	assert_int_equal(fake_kubo_seen(r->fake, 0)->adds, 2);
	roles_pin(r, "bob", 10, NULL);
	roles_run(r, US_PER_S);
	assert_non_null(fake_kubo_pin(r->fake, 0, roles_text(r, 10)));
	assert_int_equal(fake_kubo_seen(r->fake, 0)->adds, 2);
}

static void a_removal_needs_no_slot(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = start(&(struct roles_options){ .nodes = 1, .max_fetches = 1 });
	const char *big = roles_text(r, 2);
	struct ulid id = roles_pin(r, "ada", 1, NULL);

	roles_run(r, 5 * US_PER_S);
	assert_int_equal(status(r, id), STATUS_PINNED);
	fake_kubo_content(r->fake, big, 1000000, 100000);
	fake_kubo_fetch(r->fake, 0, big, 10000 * US_PER_S); /* a block each 100 ms */
	roles_pin(r, "ada", 2, NULL);
	roles_run(r, 5 * US_PER_S);
	assert_int_equal(roles_copy(r, 2, PEER).state, COPY_PINNING);
	roles_unpin(r, "ada", id);
	roles_run(r, 10 * US_PER_S);
	assert_null(fake_kubo_pin(r->fake, 0, roles_text(r, 1)));
}

static void a_mass_of_removals_leaves_fetches_their_places(void **state UNUSED)
{
	enum { MASS = 1000 };
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	struct ulid ids[MASS], id;

	for (unsigned i = 0; i < MASS; i++)
		ids[i] = roles_pin(r, "ada", 100 + i, NULL);
	roles_run(r, US_PER_MIN);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), MASS);
	fake_kubo_knobs(r->fake, 0)->latency_us = US_PER_S;
	for (unsigned i = 0; i < MASS; i++)
		roles_unpin(r, "ada", ids[i]);
	roles_run(r, 10 * US_PER_S); /* all are due */
	id = roles_pin(r, "bob", 1, NULL);
	roles_run(r, 15 * US_PER_S);
	assert_non_null(fake_kubo_pin(r->fake, 0, roles_text(r, 1)));
	assert_in_range(fake_kubo_n_pins(r->fake, 0), 100, MASS);
	roles_run(r, 5 * US_PER_MIN);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), 1);
	roles_unpin(r, "bob", id);
}

static void hopeless_retries_leave_a_new_fetch_its_time(void **state UNUSED)
{
	enum { HOPELESS = 200 };
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	const char *slow = roles_text(r, 1);
	struct ulid id;

	for (unsigned i = 0; i < HOPELESS; i++) {
		fake_kubo_fetch(r->fake, 0, roles_text(r, 100 + i), FAKE_KUBO_NEVER);
		roles_pin(r, "ada", 100 + i, NULL);
	}
	roles_run(r, 5 * US_PER_MIN);
	fake_kubo_fetch(r->fake, 0, slow, 25 * US_PER_S); /* a single block, and the stall is 30 */
	id = roles_pin(r, "ada", 1, NULL);
	roles_run(r, 40 * US_PER_S);
	assert_int_equal(status(r, id), STATUS_PINNED);
}

/* Each second one owner asks for one more that nobody has; another has one that failed. */
static void retries_have_their_turn_while_new_hopeless_ones_keep_coming(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	unsigned n = 100;

	fake_kubo_fetch(r->fake, 0, NULL, FAKE_KUBO_NEVER);
	roles_pin(r, "bob", 1, NULL);
	while (n < 200 || roles_copy(r, 1, PEER).state != COPY_ERROR) {
		roles_pin(r, "ada", n++, NULL);
		roles_run(r, US_PER_S);
		assert_in_range(n, 0, 2000);
	}
	fake_kubo_fetch(r->fake, 0, roles_text(r, 1), FAKE_KUBO_LOCAL);
	for (unsigned i = 0; i < 120; i++) {
		roles_pin(r, "ada", n++, NULL);
		roles_run(r, US_PER_S);
	}
	assert_int_equal(roles_copy(r, 1, PEER).state, COPY_PINNED);
	assert_int_equal(r->worker->nodes[0]->n_patient, r->worker_policy.max_patient);
}

/* Not only when something else happens to the node. */
static void a_slot_that_is_taken_away_is_given_at_once(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = start(&(struct roles_options){ .nodes = 1, .max_fetches = 1 });
	int64_t end = r->now + r->worker_policy.patience_us + 10 * US_PER_MS;

	fake_kubo_fetch(r->fake, 0, roles_text(r, 1), FAKE_KUBO_NEVER);
	roles_pin(r, "ada", 1, NULL);
	roles_run(r, US_PER_MS);
	roles_pin(r, "ada", 2, NULL);
	roles_run(r, US_PER_MS);
	while (r->now < end) { /* only when the worker wants to be called */
		struct err err = { 0 };
		int64_t due;

		assert_true(worker_step(r->worker, r->now, &due, &err));
		if (fake_kubo_due(r->fake) < due)
			due = fake_kubo_due(r->fake);
		r->now = due > r->now ? due : r->now + 1;
		if (fake_kubo_pin(r->fake, 0, roles_text(r, 2)))
			return;
	}
	fail_msg("it waits for something else");
}

/* ---- several nodes ---------------------------------------------------------------------- */

static void what_goes_wrong_with_one_node_keeps_no_other_from_its_step(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 2 });
	struct err err = { 0 };
	int64_t due;

	for (unsigned n = 0; n < 2; n++)
		r->worker->nodes[n]->state = NODE_DOWN;
	while (!r->worker->nodes[0]->id_op || !r->worker->nodes[1]->id_op) {
		r->now += US_PER_MS;
		assert_true(worker_step(r->worker, r->now, &due, &err));
	}
	r->worker->nodes[0]->peer_no = 0; /* it joins anew */
	r->failing.fail_at = r->failing.calls + 1;
	r->now += US_PER_MS;
	assert_false(worker_step(r->worker, r->now, &due, &err));
	assert_int_equal(r->worker->nodes[0]->state, NODE_DOWN);
	assert_int_equal(r->worker->nodes[1]->state, NODE_UP);
}

/* ---- origins ------------------------------------------------------------------------------ */

static void addresses_that_do_not_answer_are_dialled_a_few_at_once(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	struct slice origins[10];
	uint64_t before;

	for (size_t i = 0; i < ARRAY_LEN(origins); i++)
		origins[i] = slice_str(
			arena_printf(r->mem,
				     "/ip4/1.2.3.%zu/tcp/4001/p2p/"
				     "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp",
				     i));
	fake_kubo_fetch(r->fake, 0, NULL, 5 * US_PER_S);
	before = fake_kubo_seen(r->fake, 0)->calls[KUBO_SWARM_CONNECT];
	fake_kubo_knobs(r->fake, 0)->latency_us = US_PER_S;
	for (unsigned i = 0; i < 20; i++)
		roles_pin(r, "ada", i,
			  &(struct pin_ask){ .origins = { origins, ARRAY_LEN(origins) } });
	while (fake_kubo_seen(r->fake, 0)->calls[KUBO_SWARM_CONNECT] == before)
		roles_run(r, 100 * US_PER_MS);
	roles_run(r, 500 * US_PER_MS);
	assert_in_range(fake_kubo_seen(r->fake, 0)->calls[KUBO_SWARM_CONNECT] - before, 10,
			r->worker_policy.max_dials);
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), 20);
	assert_int_equal(r->worker->nodes[0]->n_dials, 0);
}

static void addresses_of_a_second_request_are_dialled_for_what_is_under_way(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	const uint64_t *dials = &fake_kubo_seen(r->fake, 0)->calls[KUBO_SWARM_CONNECT];
	struct slice origin = SLICE_LIT("/ip4/1.2.3.4/tcp/4001/p2p/"
					"12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp");
	const struct pin_ask with = { .origins = { &origin, 1 } };
	uint64_t before = *dials;

	fake_kubo_fetch(r->fake, 0, NULL, FAKE_KUBO_NEVER);
	roles_pin(r, "ada", 1, NULL);
	roles_run(r, 5 * US_PER_S);
	assert_int_equal(roles_copy(r, 1, PEER).state, COPY_PINNING);
	roles_pin(r, "bob", 1, &with);
	roles_run(r, 100 * US_PER_MS);
	assert_int_equal(*dials, before + 1);
	assert_int_equal(fake_kubo_seen(r->fake, 0)->calls[KUBO_PIN_ADD], 1);
	while (roles_copy(r, 1, PEER).state != COPY_ERROR)
		roles_run(r, US_PER_S);
	before = *dials;
	roles_pin(r, "eve", 1, &with);
	roles_run(r, 100 * US_PER_MS);
	assert_int_equal(*dials, before + 1);
}

/* ---- calls that break off --------------------------------------------------------------- */

/* A proxy in front that will not pass it, a CID that a daemon dies of. */
static void a_cid_whose_calls_break_each_time_fails_and_holds_nothing_up(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	const struct fake_kubo_seen *seen = fake_kubo_seen(r->fake, 0);
	uint64_t lists = seen->calls[KUBO_PIN_LIST], ids = seen->calls[KUBO_ID];
	struct ulid id;

	fake_kubo_knobs(r->fake, 0)->latency_us = US_PER_MS;
	fake_kubo_knobs(r->fake, 0)->break_cid = roles_text(r, 1);
	id = roles_pin(r, "ada", 1, NULL);
	roles_run(r, 30 * US_PER_S);
	assert_int_equal(roles_copy(r, 1, PEER).state, COPY_ERROR);
	assert_int_equal(roles_copy(r, 1, PEER).failure, FAILURE_UNREACHABLE);
	assert_int_equal(seen->calls[KUBO_PIN_LIST], lists);
	assert_in_range(seen->calls[KUBO_ID] - ids, 5, 50);
	fake_kubo_knobs(r->fake, 0)->break_cid = NULL;
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(status(r, id), STATUS_PINNED);
}

/* Its supervisor starts it again each time, and it is down meanwhile. */
static void a_cid_that_the_daemon_dies_of_fails(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	struct fake_kubo_knobs *knobs = fake_kubo_knobs(r->fake, 0);

	knobs->break_cid = roles_text(r, 1);
	knobs->break_down_us = 2 * US_PER_S;
	roles_pin(r, "ada", 1, NULL);
	roles_run(r, US_PER_MIN);
	assert_int_equal(roles_copy(r, 1, PEER).state, COPY_ERROR);
	assert_int_equal(roles_copy(r, 1, PEER).failure, FAILURE_UNREACHABLE);
}

static void a_restart_of_the_node_is_no_failure_of_what_runs(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	struct ulid id;

	fake_kubo_content(r->fake, roles_text(r, 1), 1000000, 100);
	fake_kubo_fetch(r->fake, 0, NULL, 10 * US_PER_S);
	id = roles_pin(r, "ada", 1, NULL);
	for (int i = 0; i < 5; i++) {
		roles_run(r, 8 * US_PER_S);
		fake_kubo_restart(r->fake, 0, 3 * US_PER_S);
		roles_run(r, 10 * US_PER_MS);
		assert_int_equal(roles_copy(r, 1, PEER).attempts, 0);
	}
	roles_run(r, 30 * US_PER_S);
	assert_int_equal(status(r, id), STATUS_PINNED);
}

/* Of what was asked last Kubo has told nothing yet. */
static void an_old_assignment_is_answered_with_no_older_state(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	struct ulid id = roles_pin(r, "ada", 1, NULL);
	struct bus_msg old = { .topic = BUS_PIN_ASSIGN, .peer_no = PEER, .cid = roles_cid(r, 1) };
	struct err err;

	roles_run(r, 5 * US_PER_S);
	old.copy = roles_copy(r, 1, PEER);
	assert_int_equal(old.copy.state, COPY_PINNED);
	roles_unpin(r, "ada", id);
	roles_run(r, 100 * US_PER_MS); /* its grace is a second */
	assert_true(bus_publish(r->bus, &old, 1, &err));
	roles_run(r, 100 * US_PER_MS);
	assert_true(roles_copy(r, 1, PEER).gen > old.copy.gen);
	assert_int_equal(roles_copy(r, 1, PEER).state_gen, roles_copy(r, 1, PEER).gen);
	assert_int_equal(roles_copy(r, 1, PEER).state, COPY_QUEUED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_fetch_that_lasts_shows_as_pinning_long_before_its_patience_is_over),
		cmocka_unit_test(a_fetch_is_reported_as_running_once_and_only_if_it_lasts),
		cmocka_unit_test(no_report_is_lost_because_too_many_were_not_taken_yet),
		cmocka_unit_test(each_node_has_its_share_of_the_room_to_tell),
		cmocka_unit_test(fetches_that_hang_take_no_room_from_others),
		cmocka_unit_test(a_full_bus_is_not_looked_at_by_who_has_nothing_to_tell),
		cmocka_unit_test(an_owner_fetches_as_many_at_once_as_his_row_says),
		cmocka_unit_test(the_bound_of_an_owner_is_read_now_and_then),
		cmocka_unit_test(a_store_that_does_not_answer_is_asked_for_one_bound_a_step),
		cmocka_unit_test(owners_who_wait_cost_no_reads),
		cmocka_unit_test(fetches_that_trickle_hold_no_slot),
		cmocka_unit_test(the_first_fetch_of_an_owner_does_not_wait_for_those_of_another),
		cmocka_unit_test(a_removal_needs_no_slot),
		cmocka_unit_test(a_mass_of_removals_leaves_fetches_their_places),
		cmocka_unit_test(hopeless_retries_leave_a_new_fetch_its_time),
		cmocka_unit_test(retries_have_their_turn_while_new_hopeless_ones_keep_coming),
		cmocka_unit_test(a_slot_that_is_taken_away_is_given_at_once),
		cmocka_unit_test(what_goes_wrong_with_one_node_keeps_no_other_from_its_step),
		cmocka_unit_test(addresses_that_do_not_answer_are_dialled_a_few_at_once),
		cmocka_unit_test(addresses_of_a_second_request_are_dialled_for_what_is_under_way),
		cmocka_unit_test(a_cid_whose_calls_break_each_time_fails_and_holds_nothing_up),
		cmocka_unit_test(a_cid_that_the_daemon_dies_of_fails),
		cmocka_unit_test(a_restart_of_the_node_is_no_failure_of_what_runs),
		cmocka_unit_test(an_old_assignment_is_answered_with_no_older_state),
	};
	return cmocka_run_group_tests_name("role/worker", tests, NULL, NULL);
}
