/*
 * store_state_contract.c -- the state as ipfs-cluster has it, over each kind of back end.
 */
#include <string.h>

#include "base/attr.h"
#include "lib/failing_store.h"
#include "model/cluster_pin.h"
#include "store/state.h"
#include "store_fixture.h"

#define ME  SLICE_LIT("ipfs-cluster")
#define YOU SLICE_LIT("you")

/* A CID that Kubo would take. */
static struct slice whole_cid(struct fixture *fx, unsigned n)
{
	uint8_t *cid = arena_alloc(fx->mem, 36);

	memcpy(cid, "\x01\x55\x12\x20", 4);
	for (int i = 0; i < 32; i++)
		cid[4 + i] = (uint8_t)(n >> 8 * (i % 4) ^ (unsigned)i);
	return SLICE_OF(cid, 36);
}

static struct slice pin_named(struct fixture *fx, struct slice cid, const char *name)
{
	struct cluster_pin pin = { .cid = cid,
				   .type = CLUSTER_PIN,
				   .max_depth = CLUSTER_RECURSIVE,
				   .rf_min = 2,
				   .rf_max = 3,
				   .shard_size = 7,
				   .name = slice_str(name) };
	CLEANUP(buf_free) struct buf out = { 0 };

	cluster_pin_encode(&pin, &out);
	return arena_copy(fx->mem, buf_slice(&out));
}

struct told {
	size_t failed, odd;
};

static void on_told(void *ctx, struct slice cid UNUSED, bool taken, const struct err *err UNUSED)
{
	struct told *t = ctx;

	t->failed += !taken;
	t->odd += taken;
}

static struct state_batch *batch_of(struct fixture *fx, struct slice owner, size_t size,
				    struct told *told)
{
	struct state_batch_options options = { .size = size, .tell = on_told, .ctx = told };

	return state_batch_new(fx->store, owner, &options);
}

static void add(struct fixture *fx, struct slice owner, struct slice cid, struct slice pin)
{
	struct told told = { 0 };
	CLEANUP(state_batch_free) struct state_batch *batch = batch_of(fx, owner, 1, &told);
	struct err err;

	MUST(state_batch_add(batch, cid, pin, &err));
	MUST(state_batch_commit(batch, &err));
	assert_int_equal(told.failed + told.odd, 0);
}

static struct slice got(struct fixture *fx, struct slice owner, struct slice cid)
{
	struct slice pin;
	struct err err;

	MUST(state_get(fx->store, owner, cid, fx->mem, &pin, &err));
	return pin;
}

static bool count_pin(void *ctx, const struct request *r UNUSED)
{
	++*(size_t *)ctx;
	return true;
}

static size_t listed(struct fixture *fx, struct slice owner)
{
	struct err err;
	size_t n = 0;

	MUST(state_list(fx->store, owner, count_pin, &n, &err));
	return n;
}

static void what_is_added_is_got_until_it_is_removed(void **state)
{
	struct fixture *fx = *state;
	struct slice cid = whole_cid(fx, 1), one = pin_named(fx, cid, "one");
	struct slice two = pin_named(fx, cid, "two");
	struct told told = { 0 };
	CLEANUP(state_batch_free) struct state_batch *batch = batch_of(fx, ME, 10, &told);
	struct err err;

	assert_null(got(fx, ME, cid).ptr);
	add(fx, ME, cid, one);
	assert_true(slice_eq(got(fx, ME, cid), one));
	assert_true(rows_in(fx, TABLE_WAKE) > 0);
	add(fx, ME, cid, two);
	assert_true(slice_eq(got(fx, ME, cid), two));
	assert_int_equal(listed(fx, ME), 1);
	assert_int_equal(rows_in(fx, TABLE_OWNER_PINS), 1);
	MUST(state_batch_rm(batch, cid, &err));
	MUST(state_batch_rm(batch, whole_cid(fx, 2), &err)); /* is not there: fine */
	MUST(state_batch_commit(batch, &err));
	assert_null(got(fx, ME, cid).ptr);
	assert_int_equal(listed(fx, ME), 0);
	assert_sound(fx);
}

static void adding_the_same_again_writes_nothing(void **state)
{
	struct fixture *fx = *state;
	struct slice cid = whole_cid(fx, 1), pin = pin_named(fx, cid, "one");
	size_t facts;

	add(fx, ME, cid, pin);
	facts = rows_in(fx, TABLE_PINS_BY_CID);
	add(fx, ME, cid, pin);
	assert_int_equal(rows_in(fx, TABLE_PINS_BY_CID), facts);
}

static void a_pin_that_names_another_cid_is_known_again(void **state)
{
	struct fixture *fx = *state;
	struct slice cid = whole_cid(fx, 1), other = pin_named(fx, whole_cid(fx, 2), "n");
	struct told told = { 0 };
	CLEANUP(state_batch_free) struct state_batch *batch = batch_of(fx, ME, 1, &told);
	struct err err;

	for (int i = 0; i < 2; i++)
		MUST(state_batch_add(batch, cid, other, &err));
	assert_int_equal(told.odd, 2);
	assert_int_equal(state_batch_counts(batch).changed, 1);
	assert_int_equal(state_batch_counts(batch).unchanged, 1);
	assert_true(slice_eq(got(fx, ME, cid), pin_named(fx, cid, "n")));
}

static void other_requests_are_neither_shown_nor_touched(void **state)
{
	struct fixture *fx = *state;
	struct slice cid = whole_cid(fx, 1), pin = pin_named(fx, cid, "one");
	struct told told = { 0 };
	CLEANUP(state_batch_free) struct state_batch *batch = batch_of(fx, ME, 10, &told);
	struct ulid mine, yours;
	struct err err;

	yours = create_pin(fx, cid, &(struct wish){ .owner = "you", .name = "yours" });
	assert_null(got(fx, ME, cid).ptr);
	mine = create_pin(fx, cid, &(struct wish){ .owner = "ipfs-cluster", .name = "by the API" });
	add(fx, ME, cid, pin);
	assert_non_null(find_pin(fx, "ipfs-cluster", mine));
	assert_true(slice_eq(got(fx, ME, cid), pin));
	assert_int_equal(listed(fx, ME), 1);
	MUST(state_batch_rm(batch, cid, &err));
	MUST(state_batch_commit(batch, &err));
	assert_null(find_pin(fx, "ipfs-cluster", mine));
	assert_non_null(find_pin(fx, "you", yours));
	assert_int_equal(listed(fx, YOU), 1);
}

static void rename_it(struct fact *f)
{
	f->name = SLICE_LIT("renamed");
}

static void a_revision_goes_out_with_all_that_came_in(void **state)
{
	struct fixture *fx = *state;
	struct slice cid = whole_cid(fx, 1);
	struct cluster_pin pin;
	struct told told = { 0 };
	CLEANUP(state_batch_free) struct state_batch *batch = batch_of(fx, ME, 1, &told);
	struct pin_page page;
	struct err err;

	MUST(state_batch_add(batch, cid, pin_named(fx, cid, "one"), &err));
	MUST(store_list(fx->store, ME, &(struct pin_filter){ 0 }, (struct slice){ NULL, 0 }, 1,
			fx->mem, &page, &err));
	revise_pin(fx, cid, "ipfs-cluster", page.rows[0].request_id, rename_it);
	MUST(cluster_pin_decode(got(fx, ME, cid), fx->mem, &pin, &err));
	assert_true(slice_eq_str(pin.name, "renamed"));
	assert_int_equal(pin.shard_size, 7);
}

static void of_a_batch_the_last_order_for_a_cid_counts(void **state)
{
	struct fixture *fx = *state;
	struct slice a = whole_cid(fx, 1), b = whole_cid(fx, 2);
	struct told told = { 0 };
	CLEANUP(state_batch_free) struct state_batch *batch = batch_of(fx, ME, 100, &told);
	struct err err;

	MUST(state_batch_add(batch, a, pin_named(fx, a, "one"), &err));
	MUST(state_batch_add(batch, b, pin_named(fx, b, "one"), &err));
	MUST(state_batch_rm(batch, b, &err));
	MUST(state_batch_add(batch, a, pin_named(fx, a, "two"), &err));
	MUST(state_batch_commit(batch, &err));
	assert_true(slice_eq(got(fx, ME, a), pin_named(fx, a, "two")));
	assert_null(got(fx, ME, b).ptr);
	assert_int_equal(state_batch_counts(batch).changed, 1);
}

static void a_batch_is_sent_when_it_is_full_or_old(void **state)
{
	struct fixture *fx = *state;
	struct told told = { 0 };
	CLEANUP(state_batch_free) struct state_batch *batch = batch_of(fx, ME, 3, &told);
	struct err err;

	for (unsigned i = 0; i < 4; i++) {
		struct slice cid = whole_cid(fx, i);

		MUST(state_batch_add(batch, cid, pin_named(fx, cid, "n"), &err));
		assert_int_equal(listed(fx, ME), i < 2 ? 0 : 3);
	}
	fx->clock.now_us += 2 * US_PER_S;
	MUST(state_batch_add(batch, whole_cid(fx, 5), pin_named(fx, whole_cid(fx, 5), "n"), &err));
	assert_int_equal(listed(fx, ME), 5);
}

static void a_batch_of_large_pins_is_sent_before_it_is_full(void **state)
{
	struct fixture *fx = *state;
	struct told told = { 0 };
	CLEANUP(state_batch_free) struct state_batch *batch = batch_of(fx, ME, 100, &told);
	char *name = arena_alloc(fx->mem, 1 << 20);
	struct err err;

	memset(name, 'n', (1 << 20) - 1);
	for (unsigned i = 0; i < 4; i++) {
		struct slice cid = whole_cid(fx, i);

		assert_int_equal(listed(fx, ME), 0);
		MUST(state_batch_add(batch, cid, pin_named(fx, cid, name), &err));
	}
	assert_int_equal(listed(fx, ME), 4);
}

static void pins_that_cannot_be_kept_are_named_and_the_others_written(void **state)
{
	struct fixture *fx = *state;
	struct slice good = whole_cid(fx, 1);
	struct told told = { 0 };
	CLEANUP(state_batch_free) struct state_batch *batch = batch_of(fx, ME, 100, &told);
	struct err err;

	MUST(state_batch_add(batch, SLICE_LIT("no cid"), pin_named(fx, good, "n"), &err));
	MUST(state_batch_add(batch, whole_cid(fx, 2), SLICE_LIT("no pin"), &err));
	MUST(state_batch_add(batch, whole_cid(fx, 3), SLICE_LIT(""), &err));
	MUST(state_batch_add(batch, good, pin_named(fx, whole_cid(fx, 9), "n"), &err));
	assert_int_equal(told.failed, 3);
	assert_int_equal(told.odd, 1);
	assert_false(state_batch_commit(batch, &err));
	assert_int_equal(err.code, ERR_INVALID);
	assert_int_equal(state_batch_counts(batch).failed, 3);
	assert_int_equal(listed(fx, ME), 1);
	assert_non_null(got(fx, ME, good).ptr);
	MUST(state_batch_commit(batch, &err)); /* what failed was told */
}

/* ---- streams ------------------------------------------------------------------------------- */

struct stream {
	struct buf bytes;
	size_t at, piece;
};

static bool to_stream(void *ctx, struct slice bytes, struct err *err UNUSED)
{
	buf_add_slice(&((struct stream *)ctx)->bytes, bytes);
	return true;
}

static bool from_stream(void *ctx, uint8_t *out, size_t cap, size_t *n, struct err *err UNUSED)
{
	struct stream *s = ctx;

	*n = s->bytes.len - s->at;
	if (*n > s->piece)
		*n = s->piece;
	if (*n > cap)
		*n = cap;
	if (*n > 0)
		memcpy(out, s->bytes.ptr + s->at, *n);
	s->at += *n;
	return true;
}

static void a_state_is_the_same_behind_a_stream(void **state)
{
	static const size_t pieces[] = { 1, 7, 100000 };
	struct fixture *fx = *state;
	struct stream out = { { 0 }, 0, 0 }, again = { { 0 }, 0, 0 };
	struct err err;

	for (unsigned i = 0; i < 50; i++)
		add(fx, ME, whole_cid(fx, i), pin_named(fx, whole_cid(fx, i), i % 2 ? "odd" : ""));
	create_pin(fx, whole_cid(fx, 99), &(struct wish){ .owner = "you" });
	MUST(state_marshal(fx->store, ME, to_stream, &out, &err));
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		struct slice owner = SLICE_OF(&"xyz"[i], 1);
		struct told told = { 0 };
		CLEANUP(state_batch_free) struct state_batch *batch = batch_of(fx, owner, 8, &told);

		out.at = 0;
		out.piece = pieces[i];
		MUST(state_unmarshal(batch, from_stream, &out, &err));
		assert_int_equal(told.failed + told.odd, 0);
		again.bytes.len = 0;
		MUST(state_marshal(fx->store, owner, to_stream, &again, &err));
		assert_true(slice_eq(buf_slice(&again.bytes), buf_slice(&out.bytes)));
	}
	buf_free(&out.bytes);
	buf_free(&again.bytes);
	assert_sound(fx);
}

static void a_stream_that_is_cut_is_refused_and_what_was_whole_is_there(void **state)
{
	struct fixture *fx = *state;
	struct stream out = { { 0 }, 0, 1000 };
	struct told told = { 0 };
	CLEANUP(state_batch_free) struct state_batch *batch = batch_of(fx, YOU, 8, &told);
	struct err err;

	for (unsigned i = 0; i < 5; i++)
		add(fx, ME, whole_cid(fx, i), pin_named(fx, whole_cid(fx, i), "n"));
	MUST(state_marshal(fx->store, ME, to_stream, &out, &err));
	out.bytes.len--;
	assert_false(state_unmarshal(batch, from_stream, &out, &err));
	assert_int_equal(err.code, ERR_INVALID);
	assert_int_equal(listed(fx, YOU), 4);
	out.at = 1; /* not at the beginning of an entry */
	assert_false(state_unmarshal(batch, from_stream, &out, &err));
	assert_int_equal(err.code, ERR_INVALID);
	buf_free(&out.bytes);
}

static void a_store_that_fails_is_no_commit(void **state)
{
	struct fixture *fx = *state;
	struct store_options options = { .instance = 9,
					 .clock = &fx->clock.base,
					 .rand = &fx->rand,
					 .expiring_us = US_PER_MIN };
	struct failing_store failing;
	struct slice cid = whole_cid(fx, 1);
	struct told told = { 0 };
	struct state_batch_options batch_options = { .size = 10, .tell = on_told, .ctx = &told };
	struct state_batch *batch;
	struct store *store;
	struct err err;

	failing_store_init(&failing, fx->backend);
	MUST(store_open(&failing.base, &options, &store, &err));
	batch = state_batch_new(store, ME, &batch_options);
	MUST(state_batch_add(batch, cid, pin_named(fx, cid, "n"), &err));
	failing.calls = 0;
	failing.fail_at = 1;
	assert_false(state_batch_commit(batch, &err));
	assert_int_equal(told.failed, 1);
	failing.fail_at = 0;
	MUST(state_batch_add(batch, cid, pin_named(fx, cid, "n"), &err));
	assert_false(state_batch_commit(batch, &err)); /* it was not told by a commit yet */
	state_batch_free(batch);
	store_close(store);
	assert_int_equal(listed(fx, ME), 1);
}

static void pins_of_all_owners_are_written_in_one_batch_and_listed_together(void **state)
{
	struct fixture *fx = *state;
	struct slice cid = whole_cid(fx, 1);
	struct told told = { 0 };
	CLEANUP(state_batch_free) struct state_batch *batch = batch_of(fx, ME, 100, &told);
	struct err err;

	MUST(state_batch_add(batch, cid, pin_named(fx, cid, "mine"), &err));
	state_batch_of_owner(batch, YOU);
	MUST(state_batch_add(batch, cid, pin_named(fx, cid, "yours"), &err));
	state_batch_of_owner(batch, ME);
	MUST(state_batch_add(batch, cid, pin_named(fx, cid, "mine again"), &err));
	MUST(state_batch_commit(batch, &err));
	assert_int_equal(told.failed + told.odd, 0);
	assert_int_equal(state_batch_counts(batch).changed, 2);
	assert_true(slice_eq(got(fx, ME, cid), pin_named(fx, cid, "mine again")));
	assert_true(slice_eq(got(fx, YOU, cid), pin_named(fx, cid, "yours")));
	assert_int_equal(listed(fx, (struct slice){ NULL, 0 }), 2);
	add(fx, ME, cid, pin_named(fx, cid, "third"));
	assert_int_equal(listed(fx, (struct slice){ NULL, 0 }), 2);
	assert_sound(fx);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		CASE(what_is_added_is_got_until_it_is_removed),
		CASE(adding_the_same_again_writes_nothing),
		CASE(a_pin_that_names_another_cid_is_known_again),
		CASE(other_requests_are_neither_shown_nor_touched),
		CASE(a_revision_goes_out_with_all_that_came_in),
		CASE(of_a_batch_the_last_order_for_a_cid_counts),
		CASE(a_batch_is_sent_when_it_is_full_or_old),
		CASE(a_batch_of_large_pins_is_sent_before_it_is_full),
		CASE(pins_that_cannot_be_kept_are_named_and_the_others_written),
		CASE(a_state_is_the_same_behind_a_stream),
		CASE(a_stream_that_is_cut_is_refused_and_what_was_whole_is_there),
		CASE(a_store_that_fails_is_no_commit),
		CASE(pins_of_all_owners_are_written_in_one_batch_and_listed_together),
	};

	return contract_main(argc, argv, tests, sizeof(tests) / sizeof(*tests));
}
