#include "role/pins.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "bus/local/bus_local.h"
#include "role/deny.h"
#include "role/op_log.h"
#include "role/pin_ask.h"
#include "role/store_test.h"

struct fixture {
	struct test_store s;
	struct bus *bus;
	struct pins *pins;
	enum store_mem_fate next_fate; /* of the next write in loose mode */
	unsigned fate_in;              /* calls until then */
};

static enum store_mem_fate fate(void *ctx, void *instance UNUSED, enum store_mem_call call UNUSED,
				const struct store_write *write UNUSED)
{
	struct fixture *f = ctx;

	if (f->fate_in == 0 || --f->fate_in > 0)
		return FATE_LAND;
	return f->next_fate;
}

static void build(struct fixture *f, bool loose)
{
	const struct store_mem_loose knobs = { .fate = fate, .ctx = f };
	struct bus_local_options bus = { .queue_max = 100 };
	struct pins_options pins = { .clock = &f->s.clock, .instance = 1 };

	test_store_open(&f->s, loose ? &knobs : NULL);
	f->bus = bus_local_new(&bus);
	pins.store = f->s.store;
	pins.bus = f->bus;
	f->pins = pins_new(&pins);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	build(f, false);
	*state = f;
	return 0;
}

static int setup_loose(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	build(f, true);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pins_free(f->pins);
	bus_close(f->bus);
	test_store_close(&f->s);
	xfree(f);
	return 0;
}

static const struct pins_call alice = { .owner = { (const uint8_t *)"alice", 5 },
					.route = { (const uint8_t *)"create", 6 } };

/* A raw CID of sha2-256, distinct for each n. */
static struct pin_ask ask_for(struct fixture *f, unsigned n, const char *key)
{
	uint8_t *cid = arena_alloc(f->s.mem, 36);

	memcpy(cid, "\x01\x55\x12\x20", 4);
	memcpy(cid + 4, &n, sizeof(n));
	return (struct pin_ask){ .cid = SLICE_OF(cid, 36), .key = slice_str(key) };
}

static struct pins_result create(struct fixture *f, struct pin_ask ask)
{
	struct pins_result result;
	struct err err = { 0 };
	uint64_t mark;

	if (!pins_create(f->pins, &alice, &ask, 1, f->s.mem, &result, &mark, &err))
		fail_msg("%s", err.text);
	return result;
}

static enum pins_outcome remove_pin(struct fixture *f, struct ulid id, const char *key)
{
	struct pin_target target = { id, slice_str(key) };
	struct pins_result result;
	struct err err = { 0 };
	uint64_t mark;

	if (!pins_remove(f->pins, &alice, &target, 1, f->s.mem, &result, &mark, &err))
		fail_msg("%s", err.text);
	return result.outcome;
}

static size_t count(struct fixture *f)
{
	const struct pin_filter all = { 0 };
	struct err err;
	size_t n;
	bool cut;

	assert_true(store_count(f->s.store, alice.owner, &all, 1000, &n, &cut, &err));
	return n;
}

static void take(void *ctx, const struct bus_msg *msg)
{
	struct bus_msg *out = ctx;

	assert_true(msg->cid.len > 0);
	*out = *msg;
}

static void a_creation_leaves_a_request_a_wake_row_and_a_hint(void **state)
{
	struct fixture *f = *state;
	struct pins_result result = create(f, ask_for(f, 1, ""));
	struct bus_msg msg = { 0 };
	struct wake *wakes;
	struct err err;
	size_t n;

	assert_int_equal(result.outcome, PINS_DONE);
	assert_int_equal(result.pin->created_at, ulid_us(&result.request_id));
	assert_true(store_wakes(f->s.store, f->s.now + PINS_WAKE_US, NULL, 10, f->s.mem, &wakes, &n,
				&err));
	assert_int_equal(n, 1);
	assert_int_equal(wakes[0].cause, WAKE_REQUEST);
	assert_int_equal(wakes[0].due_at, f->s.now + PINS_WAKE_US);
	assert_true(bus_take(f->bus, BUS_PIN_REQUEST, 0, 10, take, &msg, &n, &err));
	assert_int_equal(n, 1);
	assert_int_equal(msg.due_at, wakes[0].due_at);
	assert_int_equal(msg.cause, WAKE_REQUEST);
}

static void a_batch_tells_of_each_item(void **state)
{
	struct fixture *f = *state;
	struct pin_ask asks[] = { ask_for(f, 1, ""), ask_for(f, 2, ""), ask_for(f, 1, ""),
				  ask_for(f, 3, "") };
	struct pins_result results[4];
	struct pin_target targets[3];
	struct err err;
	uint64_t mark;

	asks[1].given = ASK_PRIORITY;
	asks[1].priority = 1000;
	assert_true(pins_create(f->pins, &alice, asks, 4, f->s.mem, results, &mark, &err));
	assert_int_equal(results[0].outcome, PINS_DONE);
	assert_int_equal(results[1].outcome, PINS_INVALID);
	assert_non_null(strstr(results[1].why, "priority is 1000"));
	assert_int_equal(results[2].outcome, PINS_DONE);
	assert_int_not_equal(ulid_cmp(&results[0].request_id, &results[2].request_id), 0);
	assert_int_equal(count(f), 3);
	for (size_t i = 0; i < 3; i++)
		targets[i] = (struct pin_target){ .id = results[i == 2 ? 0 : i * 2].request_id };
	assert_true(pins_remove(f->pins, &alice, targets, 3, f->s.mem, results, &mark, &err));
	assert_int_equal(results[0].outcome, PINS_DONE);
	assert_int_equal(results[1].outcome, PINS_DONE);
	assert_int_equal(results[2].outcome, PINS_NOT_FOUND);
	assert_int_equal(count(f), 1);
}

/* Whatever was there. */
static void set_owner(struct fixture *f, const struct owner_row *row)
{
	const void *old;
	struct err err;
	bool done;

	assert_true(store_row(f->s.store, TABLE_OWNERS, row, f->s.mem, &old, &err));
	assert_true(pins_set_owner(f->pins, old, row, &done, &err) && done);
}

static void a_row_of_an_owner_is_only_replaced_by_who_has_seen_it(void **state)
{
	struct fixture *f = *state;
	struct owner_row row = { .owner = alice.owner, .max_pins = 3 };
	const struct owner_row *shown;
	struct err err;
	bool done;

	assert_true(pins_set_owner(f->pins, NULL, &row, &done, &err) && done);
	row.max_pins = 4;
	assert_true(pins_set_owner(f->pins, NULL, &row, &done, &err));
	assert_false(done);
	assert_true(pins_owner(f->pins, alice.owner, f->s.mem, &shown, &err));
	assert_int_equal(shown->max_pins, 3);
}

static void quotas_hold_exactly_for_a_batch(void **state)
{
	struct fixture *f = *state;
	struct owner_row row = { .owner = alice.owner, .max_pins = 3 };
	struct pin_ask asks[5];
	struct pins_result results[5];
	struct err err;
	uint64_t mark;

	set_owner(f, &row);
	for (unsigned i = 0; i < 5; i++)
		asks[i] = ask_for(f, i, "");
	assert_true(pins_create(f->pins, &alice, asks, 5, f->s.mem, results, &mark, &err));
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(results[i].outcome, i < 3 ? PINS_DONE : PINS_QUOTA);
	assert_int_equal(remove_pin(f, results[0].request_id, ""), PINS_DONE);
	assert_int_equal(create(f, ask_for(f, 9, "")).outcome, PINS_DONE);
	assert_int_equal(create(f, ask_for(f, 10, "")).outcome, PINS_QUOTA);
	f->s.now += 5 * US_PER_S; /* what was cached is read anew */
	assert_int_equal(create(f, ask_for(f, 11, "")).outcome, PINS_QUOTA);
	assert_int_equal(remove_pin(f, results[1].request_id, ""), PINS_DONE);
	assert_int_equal(create(f, ask_for(f, 12, "")).outcome, PINS_DONE);
	assert_int_equal(count(f), 3);
}

static void what_was_denied_since_is_not_tried_again_but_may_go(void **state)
{
	struct fixture *f = *state;
	struct pin_ask ask = ask_for(f, 1, "");
	uint8_t digest[DENY_DIGEST_LEN];
	struct deny deny = { .digest = SLICE_OF(digest, sizeof(digest)) };
	struct pin_target target = { .id = create(f, ask).request_id };
	struct pins_result result;
	struct cid cid;
	struct err err;
	uint64_t mark;
	bool added;

	assert_true(pins_retry(f->pins, &alice, &target, f->s.mem, &result, &mark, &err));
	assert_int_equal(result.outcome, PINS_DONE);
	assert_true(cid_decode(ask.cid, &cid, &err));
	deny_digest(&cid, digest);
	assert_true(deny_add(f->s.store, &deny, f->s.mem, &added, &err));
	assert_true(pins_retry(f->pins, &alice, &target, f->s.mem, &result, &mark, &err));
	assert_int_equal(result.outcome, PINS_DENIED);
	target.id = (struct ulid){ { 1 } };
	assert_true(pins_retry(f->pins, &alice, &target, f->s.mem, &result, &mark, &err));
	assert_int_equal(result.outcome, PINS_NOT_FOUND);
	assert_int_equal(remove_pin(f, create(f, ask_for(f, 2, "")).request_id, ""), PINS_DONE);
}

static void denied_content_and_disabled_owners_are_refused(void **state)
{
	struct fixture *f = *state;
	struct owner_row row = { .owner = alice.owner, .disabled = true };
	struct pin_ask ask = ask_for(f, 1, "");
	uint8_t digest[DENY_DIGEST_LEN];
	struct deny deny = { .digest = SLICE_OF(digest, sizeof(digest)),
			     .reason = SLICE_LIT("law") };
	struct pins_result result;
	struct cid cid;
	struct err err;
	bool added;

	assert_true(cid_decode(ask.cid, &cid, &err));
	deny_digest(&cid, digest);
	assert_true(deny_add(f->s.store, &deny, f->s.mem, &added, &err));
	assert_true(added);
	result = create(f, ask);
	assert_int_equal(result.outcome, PINS_DENIED);
	assert_non_null(strstr(result.why, "law"));
	result = create(f, ask_for(f, 2, ""));
	assert_int_equal(result.outcome, PINS_DONE);
	set_owner(f, &row);
	assert_int_equal(create(f, ask_for(f, 3, "")).outcome, PINS_DISABLED);
	assert_int_equal(remove_pin(f, result.request_id, ""), PINS_DONE);
}

static void encode_id(void *ctx UNUSED, const struct pins_result *result, struct arena *mem,
		      uint16_t *http_status, struct slice *body)
{
	char text[ULID_TEXT_MAX];

	ulid_text(&result->request_id, text);
	*http_status = 202;
	*body = arena_copy(mem, slice_str(text));
}

static void under_a_key_a_repetition_gets_the_first_result(void **state)
{
	struct fixture *f = *state;
	struct pins_call call = alice;
	struct pins_result first, second, other;
	struct pin_ask ask = ask_for(f, 1, "key"), changed = ask_for(f, 2, "key");
	struct err err;
	uint64_t mark;

	call.encode = encode_id;
	assert_true(pins_create(f->pins, &call, &ask, 1, f->s.mem, &first, &mark, &err));
	f->s.now += 6 * US_PER_DAY;
	assert_true(pins_create(f->pins, &call, &ask, 1, f->s.mem, &second, &mark, &err));
	assert_false(first.replayed);
	assert_true(second.replayed);
	assert_int_equal(second.http_status, 202);
	assert_int_equal(second.body.len, ULID_TEXT_LEN);
	assert_int_equal(ulid_cmp(&first.request_id, &second.request_id), 0);
	assert_true(pins_create(f->pins, &call, &changed, 1, f->s.mem, &other, &mark, &err));
	assert_int_equal(other.outcome, PINS_KEY_REUSED);
	f->s.now += 2 * US_PER_DAY; /* the key has expired */
	assert_true(pins_create(f->pins, &call, &changed, 1, f->s.mem, &other, &mark, &err));
	assert_int_equal(other.outcome, PINS_DONE);
	assert_false(other.replayed);
	assert_int_equal(count(f), 2);
}

/* Claims the key of a creation as a process does that dies before it does anything. */
static struct ulid claim_and_die(struct fixture *f, const struct pin_ask *ask)
{
	struct ulid none = { { 0 } };
	struct op_dedup row = { .owner = alice.owner };
	enum op_claim claim;
	struct pin_ask checked;
	struct err err;
	int64_t created;

	assert_true(pin_ask_check(ask, true, f->s.mem, &checked, &err));
	row.op_id = slice_str(arena_printf(f->s.mem, "create %.*s", SLICE_FMT(ask->key)));
	row.fingerprint = pin_ask_fingerprint(&checked, none, 0, f->s.mem);
	assert_true(store_new_request_id(f->s.store, alice.owner, &row.request_id, &created, &err));
	assert_int_equal(created, ulid_us(&row.request_id));
	assert_true(op_claim(f->s.store, &row, f->s.now, 0, f->s.mem, &claim, &err));
	assert_int_equal(claim, OP_CLAIMED);
	return row.request_id;
}

static void a_claim_left_behind_is_taken_over_with_the_same_id(void **state)
{
	struct fixture *f = *state;
	struct pin_ask ask = ask_for(f, 1, "key");
	struct ulid id = claim_and_die(f, &ask);
	struct pins_result result;

	assert_int_equal(create(f, ask).outcome, PINS_KEY_IN_USE);
	f->s.now += OP_RUN_US + 1;
	result = create(f, ask);
	assert_int_equal(result.outcome, PINS_DONE);
	assert_false(result.replayed);
	assert_int_equal(ulid_cmp(&result.request_id, &id), 0);
	assert_true(create(f, ask).replayed);
	assert_int_equal(count(f), 1);
}

/* The first caller may have made its request before it died: a second one that fails must
 * not make the third forget its id. */
static void a_claim_that_was_taken_over_in_vain_keeps_its_id(void **state)
{
	struct fixture *f = *state;
	struct owner_row none = { .owner = alice.owner, .disabled = true };
	struct owner_row any = { .owner = alice.owner };
	struct pin_ask ask = ask_for(f, 1, "key");
	struct ulid id = claim_and_die(f, &ask);
	struct pins_result result;

	f->s.now += OP_RUN_US + 1;
	set_owner(f, &none);
	assert_int_not_equal(create(f, ask).outcome, PINS_DONE);
	set_owner(f, &any);
	result = create(f, ask);
	assert_int_equal(result.outcome, PINS_DONE);
	assert_int_equal(ulid_cmp(&result.request_id, &id), 0);
}

static void the_only_process_takes_claims_of_those_before_it_over_at_once(void **state)
{
	struct fixture *f = *state;
	struct pins_options only = {
		.clock = &f->s.clock, .store = f->s.store, .bus = f->bus, .instance = 1
	};
	struct pin_ask ask = ask_for(f, 1, "key"), changed = ask_for(f, 2, "key"),
		       own = ask_for(f, 3, "own");
	struct ulid id = claim_and_die(f, &ask);
	struct pins_result result;

	f->s.now++;
	only.sole_since_us = f->s.now;
	pins_free(f->pins);
	f->pins = pins_new(&only);
	assert_int_equal(create(f, changed).outcome, PINS_KEY_REUSED);
	result = create(f, ask);
	assert_int_equal(result.outcome, PINS_DONE);
	assert_int_equal(ulid_cmp(&result.request_id, &id), 0);
	assert_true(create(f, ask).replayed);
	assert_int_equal(count(f), 1);
	claim_and_die(f, &own); /* since it began: somebody here is at it */
	assert_int_equal(create(f, own).outcome, PINS_KEY_IN_USE);
}

static void what_changed_nothing_leaves_its_key_free(void **state)
{
	struct fixture *f = *state;
	struct owner_row row = { .owner = alice.owner, .disabled = true };
	struct ulid none = { { 1 } };

	assert_int_equal(remove_pin(f, none, "gone"), PINS_NOT_FOUND);
	assert_int_equal(remove_pin(f, none, "gone"), PINS_NOT_FOUND);
	set_owner(f, &row);
	assert_int_equal(create(f, ask_for(f, 1, "k")).outcome, PINS_DISABLED);
	row.disabled = false;
	set_owner(f, &row);
	assert_int_equal(create(f, ask_for(f, 1, "k")).outcome, PINS_DONE);
}

static void replacing_ends_the_old_in_favour_of_the_new(void **state)
{
	struct fixture *f = *state;

	for (unsigned same = 0; same < 2; same++) {
		struct pin_ask old_ask = ask_for(f, 10 + same, ""),
			       new_ask = ask_for(f, same ? 11 : 20, "");
		struct pins_result old = create(f, old_ask), new, third;
		struct request *requests;
		struct cid_view view;
		struct err err;
		uint64_t mark;
		size_t n;

		assert_true(pins_replace(f->pins, &alice, old.request_id, &new_ask, f->s.mem, &new,
					 &mark, &err));
		assert_int_equal(new.outcome, PINS_DONE);
		assert_true(store_view(f->s.store, old_ask.cid, f->s.mem, &view, &err));
		n = requests_fold(view.facts, view.n_facts, f->s.mem, &requests);
		assert_int_equal(n, 1 + same);
		assert_int_equal(requests[0].life, REQUEST_REPLACED);
		assert_int_equal(ulid_cmp(&requests[0].end->replaced_by, &new.request_id), 0);
		assert_true(pins_replace(f->pins, &alice, old.request_id, &new_ask, f->s.mem,
					 &third, &mark, &err));
		assert_int_equal(third.outcome, PINS_NOT_FOUND);
		assert_int_equal(count(f), 1 + same);
	}
}

static void another_owner_sees_and_touches_nothing(void **state)
{
	struct fixture *f = *state;
	struct pins_result made = create(f, ask_for(f, 1, "")), result;
	struct pins_call mallory = { .owner = SLICE_LIT("mallory"), .route = SLICE_LIT("x") };
	struct pin_target target = { .id = made.request_id };
	struct pin_ask ask = ask_for(f, 1, "");
	struct err err;
	uint64_t mark;

	assert_true(pins_remove(f->pins, &mallory, &target, 1, f->s.mem, &result, &mark, &err));
	assert_int_equal(result.outcome, PINS_NOT_FOUND);
	assert_true(pins_revise(f->pins, &mallory, made.request_id, 0, &ask, f->s.mem, &result,
				&mark, &err));
	assert_int_equal(result.outcome, PINS_NOT_FOUND);
	assert_true(pins_replace(f->pins, &mallory, made.request_id, &ask, f->s.mem, &result, &mark,
				 &err));
	assert_int_equal(result.outcome, PINS_NOT_FOUND);
	assert_true(pins_retry(f->pins, &mallory, &target, f->s.mem, &result, &mark, &err));
	assert_int_equal(result.outcome, PINS_NOT_FOUND);
	assert_int_equal(count(f), 1);
}

struct racer {
	struct fixture *f;
	pthread_t thread;
	enum pins_outcome outcome;
	struct ulid id;
};

static void *race(void *arg)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct racer *r = arg;
	uint8_t cid[36] = { 0x01, 0x55, 0x12, 0x20 };
	struct pin_ask ask = { .cid = SLICE_OF(cid, sizeof(cid)), .key = SLICE_LIT("race") };
	struct pins_result result;
	struct err err;
	uint64_t mark;

	if (!pins_create(r->f->pins, &alice, &ask, 1, mem, &result, &mark, &err))
		return NULL;
	r->outcome = result.outcome;
	r->id = result.request_id;
	return r;
}

static void many_threads_with_one_key_make_one_request(void **state)
{
	struct fixture *f = *state;
	struct racer racers[8];
	const struct racer *winner = NULL;

	for (size_t i = 0; i < ARRAY_LEN(racers); i++) {
		racers[i].f = f;
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(racers); i++) {
		void *done;

		pthread_join(racers[i].thread, &done);
		assert_non_null(done);
		assert_true(racers[i].outcome == PINS_DONE || racers[i].outcome == PINS_KEY_IN_USE);
		if (racers[i].outcome != PINS_DONE)
			continue;
		if (winner)
			assert_int_equal(ulid_cmp(&winner->id, &racers[i].id), 0);
		winner = &racers[i];
	}
	assert_non_null(winner);
	assert_int_equal(count(f), 1);
}

/* Whichever of its store calls fails, and however: repeating a call under its key has one
 * effect in the end. */
static void one_effect_whatever_call_fails(void **state)
{
	static const enum store_mem_fate fates[] = { FATE_LAND_UNKNOWN, FATE_LOST, FATE_FAIL };
	struct fixture *f = *state;
	unsigned n = 0;

	for (size_t kind = 0; kind < ARRAY_LEN(fates); kind++) {
		bool reached = true;

		for (unsigned call = 1; reached; call++) {
			struct pin_ask ask = ask_for(f, 1000 + n, "");
			struct pins_result result;
			struct err err;
			uint64_t mark;

			ask.key = slice_str(arena_printf(f->s.mem, "k%u", n++));
			f->next_fate = fates[kind];
			f->fate_in = call;
			if (pins_create(f->pins, &alice, &ask, 1, f->s.mem, &result, &mark, &err))
				assert_int_equal(result.outcome, PINS_DONE);
			reached = f->fate_in == 0;
			f->fate_in = 0;
			f->s.now += OP_RUN_US + US_PER_S;
			result = create(f, ask);
			assert_int_equal(result.outcome, PINS_DONE);
			if (count(f) != n)
				fail_msg("fate %zu at call %u: %zu pins, not %u", kind, call,
					 count(f), n);
		}
	}
	assert_true(n > 20);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_creation_leaves_a_request_a_wake_row_and_a_hint),
		TEST(a_batch_tells_of_each_item),
		TEST(a_row_of_an_owner_is_only_replaced_by_who_has_seen_it),
		TEST(quotas_hold_exactly_for_a_batch),
		TEST(what_was_denied_since_is_not_tried_again_but_may_go),
		TEST(denied_content_and_disabled_owners_are_refused),
		TEST(under_a_key_a_repetition_gets_the_first_result),
		TEST(a_claim_left_behind_is_taken_over_with_the_same_id),
		TEST(a_claim_that_was_taken_over_in_vain_keeps_its_id),
		TEST(the_only_process_takes_claims_of_those_before_it_over_at_once),
		TEST(what_changed_nothing_leaves_its_key_free),
		TEST(replacing_ends_the_old_in_favour_of_the_new),
		TEST(another_owner_sees_and_touches_nothing),
		TEST(many_threads_with_one_key_make_one_request),
		cmocka_unit_test_setup_teardown(one_effect_whatever_call_fails, setup_loose,
						teardown),
	};

	return cmocka_run_group_tests_name("pins", tests, NULL, NULL);
}
