#include "model/copy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "model/version.h"

static void a_version_is_above_all_seen_and_names_its_instance(void **state UNUSED)
{
	static const struct {
		uint64_t seen;
		int64_t now_us;
		unsigned instance;
		uint64_t want;
	} cases[] = {
		{ 0, 0, 0, 1000 },
		{ 0, -5, 7, 1007 },
		{ 0, 1234567, 7, 1234007 },
		{ 5999, 1000, 0, 6000 },
		{ 6000, 1000, 999, 7999 },
		{ 1234007, 1234567, 7, 1235007 }, /* the clock has not moved enough */
		{ 9000000, 1234567, 3, 9001003 }, /* somebody's clock is ahead */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(version_next(cases[i].seen, cases[i].now_us, cases[i].instance),
				 cases[i].want);
}

static void versions_of_two_instances_never_meet(void **state UNUSED)
{
	struct rand_seeded rand;

	rand_init_seeded(&rand, 1);
	for (int i = 0; i < 10000; i++) {
		uint64_t seen = rand_below(&rand.base, 100000);
		int64_t now = (int64_t)rand_below(&rand.base, 100000);
		unsigned a = (unsigned)rand_below(&rand.base, INSTANCE_MAX + 1);
		uint64_t v = version_next(seen, now, a);

		assert_true(v > seen);
		assert_int_equal(v % 1000, a);
		assert_true(version_next(v, now, a) > v);
	}
}

/* What a half holds follows from its version, as in the store. */
static struct copy halves(uint64_t gen, uint64_t stamp)
{
	struct copy c = { .peer_no = 5, .gen = gen, .stamp = stamp };

	if (gen > 0) {
		c.desired = gen % 2;
		c.mode = gen % 2;
		c.priority = (int32_t)gen * 3;
		c.reason = (uint8_t)(gen % 9);
		c.assigned_at = (int64_t)gen * 7;
	}
	if (stamp > 0) {
		c.state_gen = stamp / 2;
		c.state = (uint8_t)(stamp % 5);
		c.failure = (uint8_t)(stamp % 6);
		c.attempts = (uint16_t)(stamp * 11);
		c.adopted = stamp % 2;
		c.error = SLICE_OF("stalled for long", stamp % 16);
		c.size = stamp * 13;
		c.next_at = (int64_t)stamp * 17;
		c.failing_since = (int64_t)stamp * 19;
		c.observed_at = (int64_t)stamp * 23;
	}
	return c;
}

static bool same(const struct copy *a, const struct copy *b)
{
	return a->peer_no == b->peer_no && a->gen == b->gen && a->desired == b->desired &&
	       a->mode == b->mode && a->priority == b->priority && a->reason == b->reason &&
	       a->assigned_at == b->assigned_at && a->stamp == b->stamp &&
	       a->state_gen == b->state_gen && a->state == b->state && a->failure == b->failure &&
	       a->attempts == b->attempts && a->adopted == b->adopted &&
	       slice_eq(a->error, b->error) && a->size == b->size && a->next_at == b->next_at &&
	       a->failing_since == b->failing_since && a->observed_at == b->observed_at;
}

static struct copy merged(struct copy a, struct copy b)
{
	struct copy was = a;
	bool changed = copy_merge(&a, &b);

	assert_int_equal(changed, !same(&a, &was));
	return a;
}

static void merging_halves_is_idempotent_commutative_and_associative(void **state UNUSED)
{
	struct rand_seeded rand;

	rand_init_seeded(&rand, 2);
	for (int i = 0; i < 20000; i++) {
		struct copy c[3], left, right;

		for (int j = 0; j < 3; j++)
			c[j] = halves(rand_below(&rand.base, 6), rand_below(&rand.base, 6));
		left = merged(c[0], c[0]);
		assert_true(same(&left, &c[0]));
		left = merged(c[0], c[1]);
		right = merged(c[1], c[0]);
		assert_true(same(&left, &right));
		left = merged(left, c[2]);
		right = merged(c[0], merged(c[1], c[2]));
		assert_true(same(&left, &right));
	}
}

static void halves_in_any_order_repeated_or_lost_end_in_the_highest(void **state UNUSED)
{
	struct rand_seeded rand;

	rand_init_seeded(&rand, 3);
	for (int i = 0; i < 20000; i++) {
		struct copy c = halves(0, 0), want;
		uint64_t gen = 0, stamp = 0;

		for (int j = 0; j < 8; j++) {
			bool desired = rand_below(&rand.base, 2);
			uint64_t v = 1 + rand_below(&rand.base, 9);
			struct copy half = halves(desired ? v : 0, desired ? 0 : v);

			copy_merge(&c, &half);
			if (desired && v > gen)
				gen = v;
			if (!desired && v > stamp)
				stamp = v;
		}
		want = halves(gen, stamp);
		assert_true(same(&c, &want));
		assert_int_equal(copy_version(&c), gen > stamp ? gen : stamp);
	}
}

static void a_state_counts_only_for_the_generation_it_answers(void **state UNUSED)
{
	struct copy c = { .gen = 9, .desired = true, .state_gen = 8, .state = COPY_PINNED };

	assert_int_equal(copy_state(&c), COPY_QUEUED);
	assert_false(copy_settled(&c));
	c.state_gen = 9;
	assert_int_equal(copy_state(&c), COPY_PINNED);
	assert_true(copy_settled(&c));
	c.desired = false;
	assert_false(copy_settled(&c));
	c.state = COPY_UNPINNED;
	assert_true(copy_settled(&c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_version_is_above_all_seen_and_names_its_instance),
		cmocka_unit_test(versions_of_two_instances_never_meet),
		cmocka_unit_test(merging_halves_is_idempotent_commutative_and_associative),
		cmocka_unit_test(halves_in_any_order_repeated_or_lost_end_in_the_highest),
		cmocka_unit_test(a_state_counts_only_for_the_generation_it_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
