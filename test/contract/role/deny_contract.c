/* What the deny list does to what was asked for before, on fake Kubo nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/role/roles.h"
#include "role/deny.h"
#include "role/worker/node.h"

#define PEER 1              /* the number of the first node */
#define LOOK (6 * US_PER_S) /* workers look at the list with each sign of life of their nodes */

static struct roles *start(const struct roles_options *options)
{
	struct roles *r = roles_new(options);

	roles_run(r, 10 * US_PER_S);
	return r;
}

static enum pin_status status(struct roles *r, struct ulid id)
{
	bool found;

	return roles_status(r, "ada", id, &found);
}

static struct cid cid_of(struct roles *r, unsigned n)
{
	struct cid cid;
	struct err err;

	assert_true(cid_decode(roles_cid(r, n), &cid, &err));
	return cid;
}

static void deny(struct roles *r, unsigned n, const char *reason)
{
	uint8_t digest[DENY_DIGEST_LEN];
	struct deny row = { .digest = SLICE_OF(digest, sizeof(digest)),
			    .reason = slice_str(reason),
			    .added_at = r->now };
	struct cid cid = cid_of(r, n);
	struct err err;
	bool added;

	deny_digest(&cid, digest);
	assert_true(deny_add(r->store, &row, r->mem, &added, &err));
	assert_true(added);
}

static void allow(struct roles *r, unsigned n)
{
	uint8_t digest[DENY_DIGEST_LEN];
	struct cid cid = cid_of(r, n);
	struct err err;
	bool removed;

	deny_digest(&cid, digest);
	assert_true(
		deny_remove(r->store, SLICE_OF(digest, sizeof(digest)), r->mem, &removed, &err));
	assert_true(removed);
}

/* As the program did that had no counter. */
static void deny_uncounted(struct roles *r, unsigned n)
{
	uint8_t digest[DENY_DIGEST_LEN];
	const struct deny row = { .digest = SLICE_OF(digest, sizeof(digest)) };
	struct cid cid = cid_of(r, n);
	struct err err;
	bool done;

	deny_digest(&cid, digest);
	assert_true(store_swap_row(r->store, TABLE_DENY_LIST, NULL, &row, &done, &err) && done);
}

static void assert_denied(struct roles *r, unsigned n, const char *why)
{
	struct copy c = roles_copy(r, n, PEER);

	assert_int_equal(copy_state(&c), COPY_ERROR);
	assert_int_equal(c.failure, FAILURE_DENIED);
	assert_true(slice_eq_str(c.error, why));
}

static void a_running_fetch_of_what_is_denied_is_broken_off(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	struct ulid id;

	fake_kubo_fetch(r->fake, 0, NULL, 20 * US_PER_MIN);
	fake_kubo_content(r->fake, roles_text(r, 1), 1 << 20, 10000);
	id = roles_pin(r, "ada", 1, NULL);
	roles_run(r, US_PER_S);
	assert_int_equal(status(r, id), STATUS_PINNING);
	deny(r, 1, "takedown 17");
	roles_run(r, LOOK);
	assert_int_equal(fake_kubo_seen(r->fake, 0)->adds, 0);
	assert_int_equal(status(r, id), STATUS_FAILED);
	assert_denied(r, 1, "this content is on the deny list: takedown 17");
}

static void what_waits_for_its_turn_fails_as_soon_as_it_is_denied(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = start(&(struct roles_options){ .nodes = 1, .max_fetches = 1 });
	struct ulid waiting;

	fake_kubo_fetch(r->fake, 0, NULL, US_PER_H);
	fake_kubo_content(r->fake, roles_text(r, 1), 1 << 20, 10000);
	roles_pin(r, "ada", 1, NULL);
	roles_run(r, US_PER_S);
	waiting = roles_pin(r, "ada", 2, NULL);
	roles_run(r, US_PER_S);
	assert_int_equal(status(r, waiting), STATUS_QUEUED);
	deny(r, 2, "");
	roles_run(r, LOOK);
	assert_int_equal(status(r, waiting), STATUS_FAILED);
	assert_denied(r, 2, "this content is on the deny list");
}

static void what_fails_is_not_tried_again_once_it_is_denied(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	uint64_t adds;
	struct ulid id;

	fake_kubo_fetch(r->fake, 0, NULL, FAKE_KUBO_NEVER);
	id = roles_pin(r, "ada", 1, NULL);
	while (roles_copy(r, 1, PEER).state != COPY_ERROR)
		roles_run(r, US_PER_S);
	deny(r, 1, "");
	roles_run(r, LOOK);
	assert_int_equal(status(r, id), STATUS_FAILED);
	adds = fake_kubo_seen(r->fake, 0)->calls[KUBO_PIN_ADD];
	roles_run(r, US_PER_H);
	assert_int_equal(fake_kubo_seen(r->fake, 0)->calls[KUBO_PIN_ADD], adds);
	assert_denied(r, 1, "this content is on the deny list");
}

/* By others than the API: an import, a peer that died, a copy that was lost. */
static void a_denied_cid_that_comes_to_a_worker_is_not_fetched(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	struct ulid id = roles_pin(r, "ada", 1, NULL);

	deny(r, 1, ""); /* the worker knows nothing of it yet */
	roles_restart_worker(r);
	roles_run(r, LOOK);
	assert_int_equal(fake_kubo_seen(r->fake, 0)->calls[KUBO_PIN_ADD], 0);
	assert_int_equal(status(r, id), STATUS_FAILED);
}

static void what_is_pinned_when_it_is_denied_stays(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	struct ulid id = roles_pin(r, "ada", 1, NULL);

	roles_run(r, US_PER_S);
	deny(r, 1, "");
	roles_run(r, 2 * US_PER_H);
	assert_int_equal(status(r, id), STATUS_PINNED);
	assert_non_null(fake_kubo_pin(r->fake, 0, roles_text(r, 1)));
	roles_unpin(r, "ada", id);
	roles_run(r, US_PER_MIN);
	assert_null(fake_kubo_pin(r->fake, 0, roles_text(r, 1)));
}

static void what_is_allowed_again_is_fetched_by_itself(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	struct ulid id;

	fake_kubo_fetch(r->fake, 0, NULL, 10 * US_PER_S);
	id = roles_pin(r, "ada", 1, NULL);
	deny(r, 1, "");
	roles_run(r, 3 * US_PER_H); /* the next try by itself would be far away */
	assert_int_equal(status(r, id), STATUS_FAILED);
	allow(r, 1);
	roles_run(r, LOOK);
	assert_int_equal(status(r, id), STATUS_PINNING);
	roles_run(r, 10 * US_PER_S);
	assert_int_equal(status(r, id), STATUS_PINNED);
	assert_int_equal(roles_copy(r, 1, PEER).failure, FAILURE_NONE);
}

/* The journal is longer than what one step looks at. */
static void each_of_many_that_wait_is_found(void **state UNUSED)
{
	enum { MANY = 3000 };
	CLEANUP(roles_free)
	struct roles *r = start(&(struct roles_options){ .nodes = 1, .max_fetches = 1 });
	struct ulid ids[MANY];

	fake_kubo_fetch(r->fake, 0, NULL, US_PER_H);
	for (unsigned i = 0; i < MANY; i++)
		ids[i] = roles_pin(r, "ada", i, NULL);
	roles_run(r, US_PER_S);
	for (unsigned i = 0; i < MANY; i += 100)
		deny(r, i, "");
	roles_run(r, LOOK);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(status(r, ids[i]) == STATUS_FAILED, i % 100 == 0);
}

static void what_is_to_be_judged_is_probed_a_few_at_once(void **state UNUSED)
{
	enum { MANY = 500 };
	CLEANUP(roles_free)
	struct roles *r = start(&(struct roles_options){ .nodes = 1, .max_fetches = 1 });
	const struct node *node = r->worker->nodes[0];
	struct err err = { 0 };
	unsigned most = 0;
	int64_t due;

	fake_kubo_fetch(r->fake, 0, NULL, US_PER_H);
	for (unsigned i = 0; i < MANY; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, US_PER_S);
	fake_kubo_knobs(r->fake, 0)->latency_us = US_PER_S;
	for (unsigned i = 0; i < MANY; i++)
		deny(r, i, "");
	for (int64_t end = r->now + LOOK; r->now < end; r->now += 10 * US_PER_MS) {
		assert_true(worker_step(r->worker, r->now, &due, &err));
		most = node->n_calls > most ? node->n_calls : most;
	}
	assert_in_range(most, CALLS_MAX / 2, CALLS_MAX + 10);
}

static void count_deny_reads(void *ctx, enum table table)
{
	*(unsigned *)ctx += table == TABLE_DENY_LIST;
}

/* The hot path: nobody pays for a list that is empty, but for the look before each request. */
static void a_list_that_was_never_used_is_not_read_for_each_fetch(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	unsigned reads = 0;

	r->failing.before_read = count_deny_reads;
	r->failing.ctx = &reads;
	for (unsigned i = 0; i < 20; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, LOOK);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), 20);
	assert_in_range(reads, 20, 22); /* with the looks whether there is any entry */
	deny(r, 0xdead, "");
	roles_run(r, LOOK);
	reads = 0;
	for (unsigned i = 20; i < 40; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, LOOK);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), 40);
	assert_int_equal(reads, 40);
}

static void an_entry_that_is_older_than_the_counter_is_obeyed(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = roles_new(&(struct roles_options){ .nodes = 1 });
	struct ulid ids[2];

	ids[0] = roles_pin(r, "ada", 1, NULL);
	ids[1] = roles_pin(r, "ada", 2, NULL);
	deny_uncounted(r, 1);
	roles_run(r, 10 * US_PER_S);
	assert_int_equal(status(r, ids[0]), STATUS_FAILED);
	assert_int_equal(status(r, ids[1]), STATUS_PINNED);
	allow(r, 1); /* the first change that is counted is noticed as well */
	roles_run(r, LOOK);
	assert_int_equal(status(r, ids[0]), STATUS_PINNED);
}

static void what_the_node_has_while_it_waits_is_pinned_and_not_denied(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = start(&(struct roles_options){ .nodes = 1, .max_fetches = 1 });
	struct ulid id = roles_pin(r, "ada", 1, NULL);

	roles_run(r, US_PER_S);
	assert_int_equal(status(r, id), STATUS_PINNED);
	r->worker_policy.unpin_grace_us = US_PER_H;
	roles_restart_worker(r);
	fake_kubo_fetch(r->fake, 0, NULL, US_PER_H);
	fake_kubo_content(r->fake, roles_text(r, 2), 1 << 20, 10000);
	roles_pin(r, "ada", 2, NULL);
	roles_run(r, US_PER_S);
	roles_unpin(r, "ada", id);
	roles_run(r, US_PER_S);
	id = roles_pin(r, "ada", 1, NULL);
	roles_run(r, US_PER_S);
	assert_int_equal(roles_copy(r, 2, PEER).state, COPY_PINNING);
	assert_int_equal(status(r, id), STATUS_QUEUED);
	deny(r, 1, "");
	roles_run(r, LOOK);
	assert_int_equal(status(r, id), STATUS_PINNED);
	assert_non_null(fake_kubo_pin(r->fake, 0, roles_text(r, 1)));
}

/* It is no stall: nothing was wrong with it. */
static void what_is_denied_and_allowed_in_one_breath_has_not_failed(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = start(&(struct roles_options){ .nodes = 1 });
	struct err err = { 0 };
	struct ulid id;
	int64_t due;

	fake_kubo_fetch(r->fake, 0, NULL, 20 * US_PER_S);
	id = roles_pin(r, "ada", 1, NULL);
	roles_run(r, US_PER_S);
	deny(r, 1, "");
	while (!journal_find(&r->worker->nodes[0]->journal, roles_cid(r, 1))->to_judge) {
		r->now += US_PER_MS;
		assert_true(worker_step(r->worker, r->now, &due, &err));
	}
	allow(r, 1);
	roles_run(r, US_PER_S);
	assert_int_equal(roles_copy(r, 1, PEER).attempts, 0);
	assert_int_equal(status(r, id), STATUS_PINNING);
	roles_run(r, 30 * US_PER_S);
	assert_int_equal(status(r, id), STATUS_PINNED);
}

static void an_entry_that_cannot_be_read_holds_up_nothing_but_its_own_fetch(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = start(&(struct roles_options){ .nodes = 1, .max_fetches = 1 });
	uint8_t digest[DENY_DIGEST_LEN];
	struct cid cid = cid_of(r, 2);
	struct ulid other = roles_pin(r, "ada", 1, NULL), waiting[20];
	struct err err = { 0 };
	int64_t due;

	roles_run(r, US_PER_S);
	fake_kubo_fetch(r->fake, 0, NULL, US_PER_H);
	fake_kubo_content(r->fake, roles_text(r, 3), 1 << 20, 10000);
	roles_pin(r, "ada", 3, NULL);
	roles_run(r, US_PER_S);
	for (unsigned i = 10; i < 30; i++)
		waiting[i - 10] = roles_pin(r, "ada", i, NULL);
	roles_pin(r, "ada", 2, NULL);
	roles_run(r, US_PER_S);
	for (unsigned i = 10; i < 30; i++)
		deny(r, i, "");
	deny(r, 2, "");
	deny_digest(&cid, digest);
	r->failing.bad_deny = SLICE_OF(digest, sizeof(digest));
	for (int64_t end = r->now + LOOK; r->now < end; r->now += 10 * US_PER_MS)
		assert_true(worker_step(r->worker, r->now, &due, &err));
	roles_unpin(r, "ada", other);
	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < ARRAY_LEN(waiting); i++)
		assert_int_equal(status(r, waiting[i]), STATUS_FAILED);
	assert_null(fake_kubo_pin(r->fake, 0, roles_text(r, 1)));
}

static void a_worker_that_could_not_read_the_list_yet_asks_for_each_fetch(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = roles_new(&(struct roles_options){ .nodes = 1 });
	struct ulid id = roles_pin(r, "ada", 1, NULL);
	struct err err = { 0 };
	int64_t due;

	deny(r, 1, "");
	r->failing.fail_at = r->failing.calls + 1;
	assert_false(worker_step(r->worker, r->now, &due, &err));
	roles_run(r, LOOK);
	assert_int_equal(fake_kubo_seen(r->fake, 0)->calls[KUBO_PIN_ADD], 0);
	assert_int_equal(status(r, id), STATUS_FAILED);
}

/* Each change begins a round; the next comes long before its end. */
static void a_list_that_keeps_changing_is_held_against_the_whole_journal(void **state UNUSED)
{
	enum { MANY = 3000, STEPS = 40 };
	CLEANUP(roles_free)
	struct roles *r = start(&(struct roles_options){ .nodes = 1, .max_fetches = 1 });
	const struct journal *j = &r->worker->nodes[0]->journal;
	struct err err = { 0 };
	int64_t due;

	fake_kubo_fetch(r->fake, 0, NULL, US_PER_H);
	for (unsigned i = 0; i < MANY; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, US_PER_S);
	for (unsigned i = 0; i < MANY; i += 100)
		deny(r, i, "");
	for (unsigned i = 0; i < STEPS; i++) {
		deny(r, MANY + i, "");
		r->now = r->worker->deny_at;
		assert_true(worker_step(r->worker, r->now, &due, &err));
	}
	for (unsigned i = 0; i < MANY; i += 100)
		assert_true(journal_find(j, roles_cid(r, i))->to_judge ||
			    journal_find(j, roles_cid(r, i))->copy.failure == FAILURE_DENIED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_running_fetch_of_what_is_denied_is_broken_off),
		cmocka_unit_test(what_waits_for_its_turn_fails_as_soon_as_it_is_denied),
		cmocka_unit_test(what_fails_is_not_tried_again_once_it_is_denied),
		cmocka_unit_test(a_denied_cid_that_comes_to_a_worker_is_not_fetched),
		cmocka_unit_test(what_is_pinned_when_it_is_denied_stays),
		cmocka_unit_test(what_is_allowed_again_is_fetched_by_itself),
		cmocka_unit_test(each_of_many_that_wait_is_found),
		cmocka_unit_test(what_is_to_be_judged_is_probed_a_few_at_once),
		cmocka_unit_test(a_list_that_was_never_used_is_not_read_for_each_fetch),
		cmocka_unit_test(an_entry_that_is_older_than_the_counter_is_obeyed),
		cmocka_unit_test(what_the_node_has_while_it_waits_is_pinned_and_not_denied),
		cmocka_unit_test(what_is_denied_and_allowed_in_one_breath_has_not_failed),
		cmocka_unit_test(an_entry_that_cannot_be_read_holds_up_nothing_but_its_own_fetch),
		cmocka_unit_test(a_worker_that_could_not_read_the_list_yet_asks_for_each_fetch),
		cmocka_unit_test(a_list_that_keeps_changing_is_held_against_the_whole_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
