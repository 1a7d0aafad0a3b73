#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/rand.h"
#include "reconcile/reconcile.h"

static const struct retry_policy policy = { .min_us = US_PER_S, .max_us = 6 * US_PER_H };

/* About the longest delay there is. */
static int64_t longest(enum copy_failure failure, unsigned attempts)
{
	struct rand_seeded rand;
	int64_t most = 0;

	rand_init_seeded(&rand, attempts);
	for (int i = 0; i < 1000; i++) {
		int64_t d = retry_delay_us(&policy, failure, attempts, rand_u64(&rand.base));

		most = d > most ? d : most;
	}
	return most;
}

static void delays_stay_within_the_policy(void **state UNUSED)
{
	struct rand_seeded rand;

	rand_init_seeded(&rand, 1);
	for (int i = 0; i < 100000; i++) {
		enum copy_failure f = (enum copy_failure)rand_below(&rand.base, FAILURE_DENIED + 1);
		unsigned attempts = (unsigned)rand_below(&rand.base, i % 2 ? 10 : UINT16_MAX);
		int64_t d = retry_delay_us(&policy, f, attempts, rand_u64(&rand.base));

		assert_in_range(d, policy.min_us, policy.max_us);
	}
}

static void the_range_doubles_with_each_attempt_up_to_the_most(void **state UNUSED)
{
	int64_t before = longest(FAILURE_UNREACHABLE, 1);

	assert_in_range(before, policy.min_us, 2 * policy.min_us);
	for (unsigned attempts = 2; attempts < 12; attempts++) {
		int64_t now = longest(FAILURE_UNREACHABLE, attempts);

		assert_in_range(now, before + before / 2, before * 3);
		before = now;
	}
	assert_in_range(longest(FAILURE_UNREACHABLE, 60), policy.max_us / 2, policy.max_us);
}

static void failures_that_pass_slowly_wait_longer(void **state UNUSED)
{
	static const enum copy_failure order[] = { FAILURE_UNREACHABLE, FAILURE_OTHER,
						   FAILURE_STALLED, FAILURE_NO_SPACE,
						   FAILURE_INVALID };

	for (size_t i = 1; i < ARRAY_LEN(order); i++)
		assert_true(longest(order[i], 1) > longest(order[i - 1], 1));
	assert_int_equal(longest(FAILURE_REFUSED, 1), longest(FAILURE_NO_SPACE, 1));
}

static void a_policy_of_one_delay_gives_that_delay(void **state UNUSED)
{
	struct retry_policy one = { .min_us = 5, .max_us = 5 };
	struct retry_policy wide = { .min_us = INT64_MAX / 2, .max_us = INT64_MAX };

	assert_int_equal(retry_delay_us(&one, FAILURE_INVALID, 100, UINT64_MAX), 5);
	assert_in_range(retry_delay_us(&wide, FAILURE_INVALID, 100, UINT64_MAX), wide.min_us,
			wide.max_us);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delays_stay_within_the_policy),
		cmocka_unit_test(the_range_doubles_with_each_attempt_up_to_the_most),
		cmocka_unit_test(failures_that_pass_slowly_wait_longer),
		cmocka_unit_test(a_policy_of_one_delay_gives_that_delay),
	};
	return cmocka_run_group_tests_name("reconcile/retry", tests, NULL, NULL);
}
