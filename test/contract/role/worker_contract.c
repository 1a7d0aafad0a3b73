/* What role/worker/ promises, on fake Kubo nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/role/roles.h"
#include "role/worker/node.h"

#define PEER 1 /* the number of the first node */

static struct roles *start(const struct roles_options *options)
{
	struct roles *r = roles_new(options);

	roles_run(r, 10 * US_PER_S); /* the nodes are up, compared and known */
	return r;
}

static enum pin_status status(struct roles *r, struct ulid id)
{
	bool found;

	return roles_status(r, "ada", id, &found);
}

/* The worker alone, while no planner looks. */
static void work(struct roles *r, int64_t us)
{
	for (int64_t end = r->now + us; r->now < end; r->now += 10 * US_PER_MS) {
		struct err err = { 0 };
		int64_t due;

		assert_true(worker_step(r->worker, r->now, &due, &err));
	}
}

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

/* Fetches of CIDs 100, 101, ... that get a block every 25 seconds. */
static void trickle(struct roles *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const char *cid = roles_text(r, 100 + i);

		fake_kubo_content(r->fake, cid, 1000000, 100);
		fake_kubo_fetch(r->fake, 0, cid, 2500 * US_PER_S);
		roles_pin(r, "ada", 100 + i, NULL);
	}
	roles_run(r, 40 * US_PER_S); /* each has its first block */
}

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

/* ---- collection ------------------------------------------------------------------------ */

static void nothing_is_fetched_while_a_node_drains(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	uint64_t adds;
	struct ulid id;

	fake_kubo_fetch(r->fake, 0, NULL, 5 * US_PER_S);
	fake_kubo_knobs(r->fake, 0)->latency_us = US_PER_S;
	adds = fake_kubo_seen(r->fake, 0)->calls[KUBO_PIN_ADD];
	id = roles_pin(r, "ada", 1, NULL);
	roles_run(r, 500 * US_PER_MS); /* its probe is on the way */
	assert_int_equal(worker_order_gc(r->worker, PEER), WORKER_GC_ORDERED);
	while (fake_kubo_seen(r->fake, 0)->calls[KUBO_REPO_GC] == 0)
		roles_run(r, US_PER_S);
	assert_int_equal(fake_kubo_seen(r->fake, 0)->calls[KUBO_PIN_ADD], adds);
	roles_run(r, 30 * US_PER_S);
	assert_int_equal(status(r, id), STATUS_PINNED);
}

/* It gets a block now and then for ever. */
static void a_collection_waits_for_no_fetch_longer_than_one_may_stall(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	const struct fake_kubo_seen *seen = fake_kubo_seen(r->fake, 0);
	struct ulid gone = roles_pin(r, "ada", 1, NULL);

	roles_run(r, 5 * US_PER_S);
	trickle(r, 1);
	assert_int_equal(worker_order_gc(r->worker, PEER), WORKER_GC_ORDERED);
	roles_run(r, US_PER_S);
	roles_unpin(r, "ada", gone);
	roles_run(r, 10 * US_PER_S);
	assert_null(fake_kubo_pin(r->fake, 0, roles_text(r, 1))); /* that goes on */
	assert_int_equal(seen->adds, 1);
	assert_int_equal(seen->calls[KUBO_REPO_GC], 0);
	roles_run(r, 25 * US_PER_S);
	assert_int_equal(seen->calls[KUBO_REPO_GC], 1);
	roles_run(r, US_PER_MIN);
	assert_int_equal(seen->adds, 1);
	assert_int_equal(roles_copy(r, 100, PEER).attempts, 0);
}

/* A fetch that was begun just now has its first blocks. */
static void a_collection_breaks_off_only_what_got_nothing(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r =
		start(&(struct roles_options){ .nodes = 1, .patience_us = 20 * US_PER_S });
	const char *cid = roles_text(r, 1);
	struct ulid id;

	fake_kubo_content(r->fake, cid, 1000000, 100);
	fake_kubo_fetch(r->fake, 0, cid, 20 * US_PER_S);
	id = roles_pin(r, "ada", 1, NULL);
	roles_run(r, 5 * US_PER_S);
	assert_int_equal(worker_order_gc(r->worker, PEER), WORKER_GC_ORDERED);
	roles_run(r, 16 * US_PER_S);
	assert_int_equal(status(r, id), STATUS_PINNED);
	assert_int_equal(fake_kubo_seen(r->fake, 0)->calls[KUBO_PIN_ADD], 1);
}

/* An order is taken by what was shown last: meanwhile another node may have begun. */
static void one_node_collects_at_a_time(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 2 });
	struct node *const *nodes = r->worker->nodes;

	for (unsigned n = 0; n < 2; n++)
		fake_kubo_knobs(r->fake, n)->latency_us = US_PER_S;
	assert_int_equal(worker_order_gc(r->worker, nodes[0]->peer_no), WORKER_GC_ORDERED);
	work(r, 20 * US_PER_MS);
	assert_int_not_equal(nodes[0]->gc, GC_NONE);
	r->worker->gc_peer = nodes[1]->peer_no;
	while (nodes[0]->gc != GC_NONE) {
		assert_int_equal(nodes[1]->gc, GC_NONE);
		work(r, 10 * US_PER_MS);
	}
	work(r, 5 * US_PER_S);
	assert_int_equal(fake_kubo_seen(r->fake, 1)->calls[KUBO_REPO_GC], 1);
}

/* It is broken off when it runs, by a collection. */
static void what_is_asked_for_anew_never_waits_for_an_older_failure(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	const struct fake_kubo_seen *seen = fake_kubo_seen(r->fake, 0);

	fake_kubo_fetch(r->fake, 0, NULL, FAKE_KUBO_NEVER);
	roles_pin(r, "ada", 1, NULL);
	while (roles_copy(r, 1, PEER).state != COPY_ERROR ||
	       roles_copy(r, 1, PEER).next_at < r->now + 20 * US_PER_S)
		roles_run(r, US_PER_S);
	roles_pin(r, "bob", 1, NULL);
	roles_run(r, 500 * US_PER_MS);
	assert_int_equal(roles_copy(r, 1, PEER).state, COPY_PINNING);
	assert_int_equal(worker_order_gc(r->worker, PEER), WORKER_GC_ORDERED);
	roles_run(r, 2 * US_PER_S);
	assert_int_equal(seen->calls[KUBO_REPO_GC], 1);
	assert_int_equal(seen->adds, 1);
}

static void what_could_not_be_begun_waits(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	struct ulid id = roles_pin(r, "ada", 1, NULL);
	const struct task *task = NULL;

	roles_run(r, 5 * US_PER_S);
	roles_unpin(r, "ada", id);
	roles_run(r, 100 * US_PER_MS);
	for (unsigned i = 0; i < 200; i++, r->now += 10 * US_PER_MS) {
		struct err err = { 0 };
		int64_t due;

		r->failing.fail_at = r->failing.calls + 1;
		if (worker_step(r->worker, r->now, &due, &err))
			continue;
		task = journal_find(&r->worker->nodes[0]->journal, roles_cid(r, 1));
		assert_true(!task || task->op || task->step == TASK_WAITING);
	}
	assert_non_null(task);
}

static void run_and_count_collections(struct roles *r, int64_t us, unsigned want)
{
	roles_run(r, us);
	assert_int_equal(fake_kubo_seen(r->fake, 0)->calls[KUBO_REPO_GC], want);
}

/* Each CID has 1,000 bytes, the node room for 100 of them. */
static void a_node_collects_when_more_of_it_is_used_than_the_threshold(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	struct ulid ids[50];

	fake_kubo_fetch(r->fake, 0, NULL, US_PER_MS);
	fake_kubo_knobs(r->fake, 0)->capacity_bytes = 100000;
	r->worker->policy.gc_permille = 500;
	r->worker->policy.gc_pause_us = US_PER_H;
	for (unsigned i = 0; i < 50; i++)
		ids[i] = roles_pin(r, "ada", i, NULL);
	run_and_count_collections(r, 10 * US_PER_MIN, 0); /* half of it, and no more */
	for (unsigned i = 0; i < 50; i++)
		roles_unpin(r, "ada", ids[i]);
	run_and_count_collections(r, 10 * US_PER_MIN, 0);
	assert_true(fake_kubo_has(r->fake, 0, roles_text(r, 0)));
	for (unsigned i = 50; i < 60; i++)
		roles_pin(r, "ada", i, NULL);
	run_and_count_collections(r, 10 * US_PER_MIN, 1);
	assert_false(fake_kubo_has(r->fake, 0, roles_text(r, 0)));
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), 10);
	for (unsigned i = 60; i < 110; i++)
		roles_pin(r, "ada", i, NULL);
	run_and_count_collections(r, 10 * US_PER_MIN, 1); /* it was not long ago */
	run_and_count_collections(r, US_PER_H, 2);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), 60);
}

static void without_a_threshold_a_full_node_does_not_collect(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });

	fake_kubo_fetch(r->fake, 0, NULL, US_PER_MS);
	fake_kubo_knobs(r->fake, 0)->capacity_bytes = 10000;
	for (unsigned i = 0; i < 20; i++)
		roles_pin(r, "ada", i, NULL);
	run_and_count_collections(r, US_PER_H, 0);
	assert_in_range(fake_kubo_n_pins(r->fake, 0), 10, 19); /* some found no room */
}

/* ---- pins that users made themselves ------------------------------------------------------ */

/* Pins what a user has pinned already, for two owners, and ends one request after the other. */
static bool stays_with(bool take)
{
	CLEANUP(roles_free)
	struct roles *r = start(&(struct roles_options){ .nodes = 1, .take_adopted = take });
	const char *cid = roles_text(r, 1);
	struct ulid first, last;

	fake_kubo_put_pin(r->fake, 0, cid, KUBO_RECURSIVE, "my holiday");
	first = roles_pin(r, "ada", 1, NULL);
	last = roles_pin(r, "bob", 1, NULL);
	roles_run(r, 5 * US_PER_S);
	assert_true(roles_copy(r, 1, PEER).adopted);
	assert_int_equal(status(r, first), STATUS_PINNED);
	roles_unpin(r, "ada", first);
	roles_run(r, US_PER_MIN);
	assert_non_null(fake_kubo_pin(r->fake, 0, cid));
	roles_unpin(r, "bob", last);
	roles_run(r, US_PER_MIN);
	assert_false(roles_copy(r, 1, PEER).desired);
	return fake_kubo_pin(r->fake, 0, cid) != NULL;
}

static void an_adopted_pin_outlives_the_last_request(void **state UNUSED)
{
	assert_true(stays_with(false));
}

static void a_pin_that_may_be_taken_goes_with_the_last_request(void **state UNUSED)
{
	assert_false(stays_with(true));
}

/* ---- the user's own direct pins ------------------------------------------------------------ */

static void assert_direct(struct roles *r, const char *cid, const char *name)
{
	const struct kubo_pin *pin = fake_kubo_pin(r->fake, 0, cid);

	assert_non_null(pin);
	assert_int_equal(pin->type, KUBO_DIRECT);
	assert_string_equal(pin->name, name);
}

static void a_users_direct_pin_is_put_back_when_ours_over_it_goes(void **state UNUSED)
{
	static const char *const names[] = { "", "my notes" };

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
		const char *cid = roles_text(r, 1);
		struct ulid id;

		fake_kubo_put_pin(r->fake, 0, cid, KUBO_DIRECT, names[i]);
		id = roles_pin(r, "ada", 1, NULL);
		roles_run(r, 5 * US_PER_S);
		assert_int_equal(status(r, id), STATUS_PINNED);
		assert_int_equal(fake_kubo_pin(r->fake, 0, cid)->type, KUBO_RECURSIVE);
		assert_false(roles_copy(r, 1, PEER).adopted);
		roles_unpin(r, "ada", id);
		roles_run(r, 10 * US_PER_S);
		assert_direct(r, cid, names[i]);
		assert_int_equal(roles_copy(r, 1, PEER).state, COPY_UNPINNED);
	}
}

static void it_is_put_back_by_another_worker_too(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	const char *cid = roles_text(r, 1);
	struct ulid id;

	fake_kubo_put_pin(r->fake, 0, cid, KUBO_DIRECT, "my notes");
	id = roles_pin(r, "ada", 1, NULL);
	roles_run(r, 5 * US_PER_S);
	roles_restart_worker(r);
	roles_unpin(r, "ada", id);
	roles_run(r, 20 * US_PER_S);
	assert_direct(r, cid, "my notes");
}

static void it_is_not_forgotten_when_a_new_request_overtakes_the_removal(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	const char *cid = roles_text(r, 1);
	struct ulid id;

	fake_kubo_put_pin(r->fake, 0, cid, KUBO_DIRECT, "my notes");
	id = roles_pin(r, "ada", 1, NULL);
	roles_run(r, 5 * US_PER_S);
	fake_kubo_knobs(r->fake, 0)->latency_us = 500 * US_PER_MS;
	roles_unpin(r, "ada", id);
	while (fake_kubo_seen(r->fake, 0)->calls[KUBO_PIN_RM] == 0)
		roles_run(r, 100 * US_PER_MS);
	id = roles_pin(r, "ada", 1, NULL); /* the answer is still under way */
	roles_run(r, 20 * US_PER_S);
	assert_int_equal(status(r, id), STATUS_PINNED);
	roles_unpin(r, "ada", id);
	roles_run(r, 20 * US_PER_S);
	assert_direct(r, cid, "my notes");
}

static void nor_when_it_could_not_be_put_back_before_the_new_request(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	const char *cid = roles_text(r, 1);
	struct ulid id;

	fake_kubo_put_pin(r->fake, 0, cid, KUBO_DIRECT, "my notes");
	id = roles_pin(r, "ada", 1, NULL);
	roles_run(r, 5 * US_PER_S);
	fake_kubo_knobs(r->fake, 0)->latency_us = 100 * US_PER_MS;
	roles_unpin(r, "ada", id);
	while (fake_kubo_seen(r->fake, 0)->calls[KUBO_PIN_RM] == 0)
		roles_run(r, 10 * US_PER_MS);
	fake_kubo_knobs(r->fake, 0)->refuse = true;
	roles_run(r, US_PER_S);
	assert_null(fake_kubo_pin(r->fake, 0, cid));
	fake_kubo_knobs(r->fake, 0)->refuse = false;
	id = roles_pin(r, "ada", 1, NULL);
	work(r, 2 * US_PER_MIN);
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(status(r, id), STATUS_PINNED);
	roles_unpin(r, "ada", id);
	roles_run(r, 20 * US_PER_S);
	assert_direct(r, cid, "my notes");
}

/* It had failed there, and its last look finds too few others. */
static void a_removal_that_is_refused_tells_nothing_that_kubo_did_not_tell(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 2 });

	for (unsigned n = 0; n < 2; n++)
		fake_kubo_fetch(r->fake, n, NULL, FAKE_KUBO_NEVER);
	roles_pin(r, "ada", 1,
		  &(struct pin_ask){ .given = ASK_REPLICAS, .rf_min = 2, .rf_max = 2 });
	while (roles_copy(r, 1, PEER).state != COPY_ERROR)
		roles_run(r, US_PER_S);
	roles_wish(r, PEER, PEER_DRAINING);
	roles_run(r, 2 * US_PER_MIN);
	assert_false(roles_copy(r, 1, PEER).desired);
	assert_int_equal(roles_copy(r, 1, PEER).state, COPY_UNPINNED);
}

static void a_direct_pin_that_was_put_back_may_be_covered_again(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	const char *cid = roles_text(r, 1);

	fake_kubo_put_pin(r->fake, 0, cid, KUBO_DIRECT, "mine");
	for (int i = 0; i < 3; i++) {
		struct ulid id = roles_pin(r, "ada", 1, NULL);

		roles_run(r, 5 * US_PER_S);
		assert_int_equal(status(r, id), STATUS_PINNED);
		roles_unpin(r, "ada", id);
		roles_run(r, 10 * US_PER_S);
		assert_direct(r, cid, "mine");
	}
}

static void a_users_direct_pin_serves_a_direct_request_and_stays(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	const char *cid = roles_text(r, 1);
	struct ulid id;

	fake_kubo_put_pin(r->fake, 0, cid, KUBO_DIRECT, "mine");
	id = roles_pin(r, "ada", 1, &(struct pin_ask){ .direct = true });
	roles_run(r, 5 * US_PER_S);
	assert_int_equal(status(r, id), STATUS_PINNED);
	assert_true(roles_copy(r, 1, PEER).adopted);
	roles_unpin(r, "ada", id);
	roles_run(r, 10 * US_PER_S);
	assert_direct(r, cid, "mine");
}

/* ---- comparison ------------------------------------------------------------------------------ */

/* Else a node with 10^7 pins takes gigabytes. */
static void each_of_many_nodes_is_told(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = roles_new(&(struct roles_options){ .nodes = 300 });
	struct worker_node node, same;
	unsigned n = 0;

	roles_run(r, 20 * US_PER_S);
	for (; worker_node_at(r->worker, n, &node); n++) {
		assert_int_equal(node.state, NODE_UP);
		assert_true(worker_node_of(r->worker, node.peer_no, &same));
		assert_string_equal(same.url, node.url);
	}
	assert_int_equal(n, 300);
	assert_false(worker_node_of(r->worker, 301, &same));
}

static void a_comparison_takes_no_memory_for_each_pin(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	enum { PINS = 3000 };
	size_t most = 0;

	for (unsigned i = 0; i < PINS; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, 10 * US_PER_S);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), PINS);
	r->now += US_PER_H + US_PER_MIN;
	for (bool begun = false; !begun || r->worker->nodes[0]->inventory;) {
		struct err err = { 0 };
		int64_t due;

		assert_true(worker_step(r->worker, r->now, &due, &err));
		begun |= r->worker->nodes[0]->inventory != NULL;
		if (arena_size(r->worker->mem) > most)
			most = arena_size(r->worker->mem);
		r->now += US_PER_MS;
	}
	assert_in_range(most, 0, 100000);
	assert_int_equal(r->worker->nodes[0]->foreign + r->worker->nodes[0]->surplus, 0);
}

/* Else a repository that is lost takes memory for each of its pins at once. */
static void a_lost_repository_is_fetched_anew_in_parts(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	enum { PINS = 3000, MOST = 8 };
	size_t most = 0;

	for (unsigned i = 0; i < PINS; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, 10 * US_PER_S);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), PINS);
	r->worker_policy.journal_max = MOST;
	roles_restart_worker(r);
	roles_run(r, 20 * US_PER_S); /* with a comparison */
	fake_kubo_lose_repo(r->fake, 0);
	r->now += US_PER_H + US_PER_MIN;
	for (unsigned i = 0; i < 1000000 && fake_kubo_n_pins(r->fake, 0) < PINS; i++) {
		struct err err = { 0 };
		int64_t due;

		assert_true(worker_step(r->worker, r->now, &due, &err));
		if (r->worker->nodes[0]->journal.n > most)
			most = r->worker->nodes[0]->journal.n;
		r->now += US_PER_MS;
	}
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), PINS);
	assert_in_range(most, 1, MOST);
}

/* Its tasks take an hour. */
static void a_comparison_ends_although_the_journal_is_full(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r =
		start(&(struct roles_options){ .nodes = 1, .compare_us = 5 * US_PER_MIN });
	struct node *node = r->worker->nodes[0];
	int64_t compared_at;

	for (unsigned i = 0; i < 20; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, 10 * US_PER_S);
	r->worker->policy.journal_max = 5;
	for (unsigned i = 100; i < 200; i++) { /* a block every 300 ms */
		fake_kubo_content(r->fake, roles_text(r, i), 1000000, 1000);
		fake_kubo_fetch(r->fake, 0, roles_text(r, i), 5 * US_PER_MIN);
		roles_pin(r, "ada", i, NULL);
	}
	roles_run(r, US_PER_S);
	compared_at = node->compared_at;
	roles_run(r, 20 * US_PER_MIN);
	assert_true(node->compared_at > compared_at);
	assert_in_range(node->journal.n, 5, 100);
}

/* Planners remind of each, and each reminder takes the place of another. */
static void what_fails_for_ever_is_not_read_for_ever(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	unsigned syncs = 0;

	fake_kubo_fetch(r->fake, 0, NULL, FAKE_KUBO_NEVER);
	for (unsigned i = 0; i < 100; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, 10 * US_PER_MIN);
	r->worker->policy.journal_max = 5;
	roles_run(r, 10 * US_PER_MIN);
	for (unsigned i = 0; i < 600; i++, roles_run(r, US_PER_S))
		syncs += r->worker->nodes[0]->syncing;
	assert_in_range(syncs, 0, 20);
	assert_in_range(r->worker->nodes[0]->journal.n, 1, 10);
	for (unsigned i = 0; i < 100; i++)
		fake_kubo_fetch(r->fake, 0, roles_text(r, i), FAKE_KUBO_LOCAL);
	roles_run(r, US_PER_H);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), 100);
}

static void lose(void *ctx UNUSED, const struct bus_msg *msg UNUSED)
{
}

/* Its tasks are of such as wait for another try; no planner reminds of what is behind them. */
static void what_can_be_begun_is_found_behind_more_that_wait_than_fit(void **state UNUSED)
{
	enum { HOPELESS = 400, LAST = 0xffff };
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	struct err err = { 0 };
	int64_t due;
	size_t n;

	fake_kubo_fetch(r->fake, 0, roles_text(r, LAST), FAKE_KUBO_LOCAL);
	fake_kubo_fetch(r->fake, 0, NULL, FAKE_KUBO_NEVER);
	for (unsigned i = 0; i < HOPELESS; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, 20 * US_PER_MIN);
	roles_pin(r, "ada", LAST, NULL);
	assert_true(planner_step(r->planner, &due, &err));
	assert_true(roles_copy(r, LAST, PEER).desired);
	assert_true(bus_take(r->bus, BUS_PIN_ASSIGN, PEER, 1000, lose, NULL, &n, &err));
	r->worker_policy.journal_max = 30;
	roles_restart_worker(r);
	work(r, 5 * US_PER_MIN);
	assert_non_null(fake_kubo_pin(r->fake, 0, roles_text(r, LAST)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_fetch_that_lasts_shows_as_pinning_long_before_its_patience_is_over),
		cmocka_unit_test(a_fetch_is_reported_as_running_once_and_only_if_it_lasts),
		cmocka_unit_test(no_report_is_lost_because_too_many_were_not_taken_yet),
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
		cmocka_unit_test(nothing_is_fetched_while_a_node_drains),
		cmocka_unit_test(a_collection_waits_for_no_fetch_longer_than_one_may_stall),
		cmocka_unit_test(a_collection_breaks_off_only_what_got_nothing),
		cmocka_unit_test(one_node_collects_at_a_time),
		cmocka_unit_test(a_node_collects_when_more_of_it_is_used_than_the_threshold),
		cmocka_unit_test(without_a_threshold_a_full_node_does_not_collect),
		cmocka_unit_test(an_adopted_pin_outlives_the_last_request),
		cmocka_unit_test(a_pin_that_may_be_taken_goes_with_the_last_request),
		cmocka_unit_test(what_is_asked_for_anew_never_waits_for_an_older_failure),
		cmocka_unit_test(what_could_not_be_begun_waits),
		cmocka_unit_test(a_users_direct_pin_is_put_back_when_ours_over_it_goes),
		cmocka_unit_test(it_is_put_back_by_another_worker_too),
		cmocka_unit_test(it_is_not_forgotten_when_a_new_request_overtakes_the_removal),
		cmocka_unit_test(nor_when_it_could_not_be_put_back_before_the_new_request),
		cmocka_unit_test(a_removal_that_is_refused_tells_nothing_that_kubo_did_not_tell),
		cmocka_unit_test(a_direct_pin_that_was_put_back_may_be_covered_again),
		cmocka_unit_test(a_users_direct_pin_serves_a_direct_request_and_stays),
		cmocka_unit_test(each_of_many_nodes_is_told),
		cmocka_unit_test(a_comparison_takes_no_memory_for_each_pin),
		cmocka_unit_test(a_lost_repository_is_fetched_anew_in_parts),
		cmocka_unit_test(a_comparison_ends_although_the_journal_is_full),
		cmocka_unit_test(what_fails_for_ever_is_not_read_for_ever),
		cmocka_unit_test(what_can_be_begun_is_found_behind_more_that_wait_than_fit),
	};
	return cmocka_run_group_tests_name("role/worker", tests, NULL, NULL);
}
