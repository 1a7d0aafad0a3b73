/* What role/worker/ promises of collections, removals, comparisons, and what users pinned
 * themselves. */
#include "contract/role/worker_roles.h"

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

/* In Kubo's order each would be a read from anywhere in the store. */
static void a_comparison_reads_pages_of_rows_and_not_a_row_for_each_pin(void **state UNUSED)
{
	enum { PINS = 400 };
	CLEANUP(roles_free)
	struct roles *r = start(&(struct roles_options){ .nodes = 1, .compare_us = US_PER_MIN });
	uint64_t before;

	for (unsigned i = 1; i <= PINS; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, 30 * US_PER_S);
	before = r->store_calls;
	work(r, 90 * US_PER_S); /* one comparison at least, and some reports of the node */
	assert_in_range(r->store_calls - before, 1, PINS / 2);
}

/* The second list is read for what the first one and the rows leave in doubt. */
static void a_pin_under_our_name_that_nobody_asked_for_goes(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = start(&(struct roles_options){ .nodes = 1, .compare_us = US_PER_MIN });
	const char *kept = roles_text(r, 1), *stray = roles_text(r, 2);

	roles_pin(r, "ada", 1, NULL);
	roles_run(r, 10 * US_PER_S);
	fake_kubo_put_pin(r->fake, 0, stray, KUBO_RECURSIVE, fake_kubo_pin(r->fake, 0, kept)->name);
	roles_run(r, 5 * US_PER_MIN);
	assert_null(fake_kubo_pin(r->fake, 0, stray));
	assert_non_null(fake_kubo_pin(r->fake, 0, kept));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		cmocka_unit_test(a_comparison_reads_pages_of_rows_and_not_a_row_for_each_pin),
		cmocka_unit_test(a_pin_under_our_name_that_nobody_asked_for_goes),
	};
	return cmocka_run_group_tests_name("role/worker_removals", tests, NULL, NULL);
}
