#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/rand.h"
#include "model/cluster_pin.h"

#define CID                          \
	SLICE_LIT("\x01\x55\x12\x04" \
		  "abcd")
#define PEER                                 \
	SLICE_LIT("\x00\x24\x08\x01\x12\x20" \
		  "0123456789abcdef0123456789abcdef")
#define ADDR SLICE_LIT("\x04\x01\x02\x03\x04\x06\x0f\xa1") /* /ip4/1.2.3.4/tcp/4001 */

static struct cluster_pin decoded(struct slice bytes, struct arena *mem)
{
	struct cluster_pin pin;
	struct err err;

	if (!cluster_pin_decode(bytes, mem, &pin, &err))
		fail_msg("%s", err.text);
	return pin;
}

static struct slice encoded(const struct cluster_pin *pin, struct arena *mem)
{
	CLEANUP(buf_free) struct buf out = { 0 };

	cluster_pin_encode(pin, &out);
	return arena_copy(mem, buf_slice(&out));
}

static void assert_same_pin(const struct cluster_pin *a, const struct cluster_pin *b)
{
	assert_true(slice_eq(a->cid, b->cid));
	assert_int_equal(a->type, b->type);
	assert_true(slice_list_eq(a->allocations, b->allocations));
	assert_int_equal(a->max_depth, b->max_depth);
	assert_true(slice_eq(a->reference, b->reference));
	assert_int_equal(a->rf_min, b->rf_min);
	assert_int_equal(a->rf_max, b->rf_max);
	assert_true(slice_eq(a->name, b->name));
	assert_int_equal(a->shard_size, b->shard_size);
	assert_true(pair_list_eq(a->metadata, b->metadata));
	assert_true(slice_eq(a->pin_update, b->pin_update));
	assert_int_equal(a->expire_at, b->expire_at);
	assert_true(slice_list_eq(a->origins, b->origins));
	assert_int_equal(a->timestamp, b->timestamp);
}

/* ---- random pins ------------------------------------------------------------------------ */

static struct slice some_text(struct rand *rand, struct arena *mem)
{
	static const char *const words[] = {
		"", "a", "\xc3\xa9", "b\"<&>", "\xf0\x9f\x90\xb3", " "
	};
	char *text = arena_alloc(mem, 64);
	size_t n = 0;

	for (size_t i = rand_below(rand, 6); i > 0; i--) {
		const char *word = words[rand_below(rand, ARRAY_LEN(words))];

		memcpy(text + n, word, strlen(word));
		n += strlen(word);
	}
	return SLICE_OF(text, n);
}

static struct slice some_bytes(struct rand *rand, struct arena *mem)
{
	size_t n = rand_below(rand, 40);
	uint8_t *p = arena_alloc(mem, n + 1);

	rand_fill(rand, p, n);
	return SLICE_OF(p, n);
}

static struct slice_list some_list(struct rand *rand, struct slice good, struct arena *mem)
{
	struct slice_list list = { arena_new_array(mem, struct slice, 4), rand_below(rand, 4) };

	for (size_t i = 0; i < list.n; i++)
		list.at[i] = rand_below(rand, 3) ? good : some_bytes(rand, mem);
	return list;
}

static uint64_t some_number(struct rand *rand)
{
	uint64_t all = rand_u64(rand);

	return all >> rand_below(rand, 64);
}

static struct cluster_pin some_pin(struct rand *rand, struct arena *mem)
{
	static const int32_t factors[] = { 0, 1, -1, 3, 100, 101, INT32_MAX, INT32_MIN, -2 };
	struct cluster_pin pin = {
		.cid = CID,
		.type = (int32_t)rand_below(rand, 7),
		.allocations = some_list(rand, PEER, mem),
		.max_depth = (int32_t)rand_below(rand, 4) - 1,
		.reference = some_bytes(rand, mem),
		.rf_min = factors[rand_below(rand, ARRAY_LEN(factors))],
		.rf_max = factors[rand_below(rand, ARRAY_LEN(factors))],
		.name = some_text(rand, mem),
		.shard_size = some_number(rand),
		.metadata.at = arena_new_array(mem, struct pair, 3),
		.pin_update = some_bytes(rand, mem),
		.expire_at = some_number(rand),
		.origins = some_list(rand, ADDR, mem),
		.timestamp = some_number(rand),
	};

	for (size_t i = rand_below(rand, 4); i > 0; i--) {
		struct pair pair = { arena_copy(mem, SLICE_OF(&"abc"[pin.metadata.n], 1)),
				     some_text(rand, mem) };

		pin.metadata.at[pin.metadata.n++] = pair;
	}
	return pin;
}

/* ---- tests -------------------------------------------------------------------------------- */

static void every_field_survives_the_message(void **state)
{
	struct rand_seeded rand;

	(void)state;
	rand_init_seeded(&rand, 7);
	for (int i = 0; i < 20000; i++) {
		CLEANUP(arena_free) struct arena *mem = arena_new();
		struct cluster_pin pin = some_pin(&rand.base, mem), again;
		struct slice bytes = encoded(&pin, mem);

		again = decoded(bytes, mem);
		assert_same_pin(&again, &pin);
		assert_true(slice_eq(encoded(&again, mem), bytes));
	}
}

/* A request as an import makes it; false: it would be refused. */
static bool imported(struct slice bytes, struct arena *mem, struct fact facts[2], struct request *r)
{
	struct cluster_pin pin = decoded(bytes, mem);
	struct err err;

	facts[0] = (struct fact){
		.cid = CID, .owner = SLICE_LIT("a"), .kind = FACT_CREATE, .pin_proto = bytes
	};
	facts[1] = (struct fact){
		.cid = CID, .owner = SLICE_LIT("a"), .kind = FACT_REVISION, .rev = 1000
	};
	if (!cluster_pin_facts(&pin, mem, &facts[0], &facts[1], &err))
		return false;
	*r = request_fold(facts, 2);
	return true;
}

static void a_pin_that_nobody_changed_goes_out_as_it_came(void **state)
{
	struct rand_seeded rand;
	int taken = 0;

	(void)state;
	rand_init_seeded(&rand, 8);
	for (int i = 0; i < 20000; i++) {
		CLEANUP(arena_free) struct arena *mem = arena_new();
		struct cluster_pin pin = some_pin(&rand.base, mem);
		struct slice bytes = encoded(&pin, mem);
		struct fact facts[2];
		struct request r;

		if (!imported(bytes, mem, facts, &r))
			continue;
		assert_true(slice_eq(cluster_pin_bytes(&r, mem), bytes));
		taken++;
	}
	assert_true(taken > 5000);
}

static void a_change_goes_out_and_takes_nothing_else_with_it(void **state)
{
	struct rand_seeded rand;

	(void)state;
	rand_init_seeded(&rand, 9);
	for (int i = 0; i < 20000; i++) {
		CLEANUP(arena_free) struct arena *mem = arena_new();
		struct cluster_pin pin = some_pin(&rand.base, mem), want = pin, got;
		struct slice bytes = encoded(&pin, mem);
		struct fact facts[2];
		struct request r;

		if (!imported(bytes, mem, facts, &r))
			continue;
		switch (rand_below(&rand.base, 4)) {
		case 0:
			facts[1].name = want.name = SLICE_LIT("another");
			break;
		case 1:
			facts[1].rf_min = facts[1].rf_max = want.rf_min = want.rf_max = 7;
			break;
		case 2:
			facts[1].expires_at = 5 * US_PER_S;
			want.expire_at = 5;
			break;
		default:
			facts[1].meta = want.metadata = (struct pair_list){ NULL, 0 };
		}
		got = decoded(cluster_pin_bytes(&r, mem), mem);
		assert_same_pin(&got, &want);
	}
}

static void fields_of_newer_versions_are_kept(void **state)
{
	static const struct slice message =
		SLICE_LIT("\x0a\x08\x01\x55\x12\x04"
			  "abcd"                              /* cid */
			  "\x10\x01"                          /* type */
			  "\x20\x01"                          /* max_depth -1 */
			  "\x32\x0c\x08\x02\x10\x02\x1a\x01n" /* options: factors 1, name "n" */
			  "\xa2\x06\x02xy"                    /*   field 100 */
			  "\xc0\x3e\x07"                      /* field 1000 */
		);
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct cluster_pin pin = decoded(message, mem);
	struct fact facts[2];
	struct request r;

	(void)state;
	assert_int_equal(pin.max_depth, CLUSTER_RECURSIVE);
	assert_true(slice_eq_str(pin.name, "n"));
	assert_true(slice_eq(encoded(&pin, mem), message));
	assert_true(imported(message, mem, facts, &r));
	facts[1].name = SLICE_LIT("m");
	pin.name = SLICE_LIT("m");
	assert_true(slice_eq(cluster_pin_bytes(&r, mem), encoded(&pin, mem)));
}

static void metadata_of_both_fields_is_one(void **state)
{
	static const struct slice message = SLICE_LIT("\x32\x20"
						      "\x32\x06\x0a\x01"
						      "b\x12\x01"
						      "1" /* metadata b=1 */
						      "\x32\x06\x0a\x01"
						      "a\x12\x01"
						      "2" /* metadata a=2 */
						      "\x52\x06\x0a\x01"
						      "b\x12\x01"
						      "3" /* sorted_metadata b=3 */
						      "\x52\x06\x0a\x01"
						      "c\x12\x01"
						      "4");
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct cluster_pin pin = decoded(message, mem);

	(void)state;
	assert_int_equal(pin.metadata.n, 3);
	assert_true(slice_eq_str(*pair_list_get(pin.metadata, SLICE_LIT("a")), "2"));
	assert_true(slice_eq_str(*pair_list_get(pin.metadata, SLICE_LIT("b")), "3"));
	assert_true(slice_eq_str(*pair_list_get(pin.metadata, SLICE_LIT("c")), "4"));
}

static void facts_say_what_they_can(void **state)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct slice peer = PEER, addrs[] = { ADDR, SLICE_LIT("\xff\xff\x7f") };
	struct cluster_pin pin = { .cid = CID,
				   .type = CLUSTER_PIN,
				   .max_depth = CLUSTER_RECURSIVE,
				   .allocations = { &peer, 1 },
				   .origins = { addrs, 2 },
				   .rf_min = 2,
				   .rf_max = 3,
				   .expire_at = 1800000000 };
	struct fact create = { .kind = FACT_CREATE }, revision = { .kind = FACT_REVISION };
	char *name = arena_alloc(mem, 600);
	struct err err;

	(void)state;
	for (int i = 0; i < 300; i++)
		memcpy(name + 2 * i, "\xc3\xa9", 2);
	pin.name = SLICE_OF(name, 600);
	assert_true(cluster_pin_facts(&pin, mem, &create, &revision, &err));
	assert_int_equal(create.mode, PIN_RECURSIVE);
	assert_int_equal(create.allocations.n, 1);
	assert_int_equal(create.origins.n, 1);
	assert_true(slice_eq_str(create.origins.at[0], "/ip4/1.2.3.4/tcp/4001"));
	assert_int_equal(revision.name.len, 2 * PIN_NAME_MAX);
	assert_int_equal(revision.rf_min, 2);
	assert_int_equal(revision.rf_max, 3);
	assert_int_equal(revision.expires_at, 1800000000 * US_PER_S);
	pin.max_depth = 0;
	assert_true(cluster_pin_facts(&pin, mem, &create, &revision, &err));
	assert_int_equal(create.mode, PIN_DIRECT);
}

static void replication_factors_become_replicas(void **state)
{
	static const struct {
		int32_t min, max, rf_min, rf_max; /* 0: refused */
	} cases[] = {
		{ 0, 0, 1, 1 },   { 2, 3, 2, 3 },      { -1, -1, -1, -1 },     { 3, 0, 3, 3 },
		{ 0, 3, 1, 3 },   { 3, 2, 0, 0 },      { -1, 2, 0, 0 },        { 2, -1, 0, 0 },
		{ -2, -2, 0, 0 }, { 1, 1000, 1, 100 }, { 500, 500, 100, 100 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(arena_free) struct arena *mem = arena_new();
		struct cluster_pin pin = { .rf_min = cases[i].min, .rf_max = cases[i].max };
		struct fact create = { .kind = FACT_CREATE }, revision = { .kind = FACT_REVISION };
		struct err err;
		bool ok = cluster_pin_facts(&pin, mem, &create, &revision, &err);

		if (ok != (cases[i].rf_min != 0) || (ok && (revision.rf_min != cases[i].rf_min ||
							    revision.rf_max != cases[i].rf_max)))
			fail_msg("%d..%d became %d..%d", cases[i].min, cases[i].max,
				 revision.rf_min, revision.rf_max);
	}
}

static void a_request_made_here_becomes_a_pin(void **state)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct slice origin = SLICE_LIT("/ip4/1.2.3.4/tcp/4001");
	struct fact facts[] = {
		{ .cid = CID,
		  .kind = FACT_CREATE,
		  .mode = PIN_RECURSIVE,
		  .created_at = 1700000000 * US_PER_S + 5,
		  .origins = { &origin, 1 } },
		{ .cid = CID,
		  .kind = FACT_REVISION,
		  .rev = 1000,
		  .name = SLICE_LIT("n"),
		  .rf_min = 2,
		  .rf_max = 2 },
	};
	struct request r = request_fold(facts, 2);
	struct cluster_pin pin = cluster_pin_of(&r, mem), again;

	(void)state;
	assert_true(slice_eq(pin.cid, CID));
	assert_int_equal(pin.type, CLUSTER_PIN);
	assert_int_equal(pin.max_depth, CLUSTER_RECURSIVE);
	assert_int_equal(pin.rf_max, 2);
	assert_int_equal(pin.timestamp, 1700000000);
	assert_true(slice_eq(pin.origins.at[0], ADDR));
	again = decoded(cluster_pin_bytes(&r, mem), mem);
	assert_same_pin(&again, &pin);
}

static void what_is_no_pin_is_refused(void **state)
{
	static const struct slice bad[] = {
		SLICE_LIT("\x0a\x05"
			  "a"),                            /* cut */
		SLICE_LIT("\x0b"),                         /* a group */
		SLICE_LIT("\x32\x03\x1a\x01\xff"),         /* a name that is not UTF-8 */
		SLICE_LIT("\x32\x05\x52\x03\x0a\x01\xff"), /* metadata likewise */
		SLICE_LIT("x"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(arena_free) struct arena *mem = arena_new();
		struct cluster_pin pin;
		struct err err;

		if (cluster_pin_decode(bad[i], mem, &pin, &err))
			fail_msg("case %zu was accepted", i);
		assert_int_equal(err.code, ERR_INVALID);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_survives_the_message),
		cmocka_unit_test(a_pin_that_nobody_changed_goes_out_as_it_came),
		cmocka_unit_test(a_change_goes_out_and_takes_nothing_else_with_it),
		cmocka_unit_test(fields_of_newer_versions_are_kept),
		cmocka_unit_test(metadata_of_both_fields_is_one),
		cmocka_unit_test(facts_say_what_they_can),
		cmocka_unit_test(replication_factors_become_replicas),
		cmocka_unit_test(a_request_made_here_becomes_a_pin),
		cmocka_unit_test(what_is_no_pin_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
