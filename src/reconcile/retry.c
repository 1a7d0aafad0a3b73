#include <assert.h>

#include "base/clock.h"
#include "reconcile/reconcile.h"

/* How fast it slows down, by what has to change before another try can help:
 * the range of the first delay is min_us * factor; it doubles with each attempt. */
static const int64_t factors[] = {
	[FAILURE_NONE] = 2,
	[FAILURE_STALLED] = 8,     /* a provider has to come back */
	[FAILURE_UNREACHABLE] = 2, /* a restart takes seconds */
	[FAILURE_REFUSED] = 32,    /* somebody has to change the node's configuration */
	[FAILURE_NO_SPACE] = 32,   /* somebody has to make room */
	[FAILURE_INVALID] = 512,   /* hardly anything will */
	[FAILURE_OTHER] = 4,
	[FAILURE_DENIED] = 512, /* workers are told when a list changes */
};

int64_t retry_delay_us(const struct retry_policy *policy, enum copy_failure failure,
		       unsigned attempts, uint64_t random)
{
	int64_t range;

	assert(policy->min_us > 0 && policy->max_us >= policy->min_us);
	assert((size_t)failure < ARRAY_LEN(factors));
	if (__builtin_mul_overflow(policy->min_us, factors[failure], &range))
		range = policy->max_us;
	for (unsigned i = 1; i < attempts && range < policy->max_us; i++)
		range = range > policy->max_us / 2 ? policy->max_us : range * 2;
	if (range > policy->max_us)
		range = policy->max_us;
	/* Full jitter, but never at once: the shortest delay is min_us. */
	return policy->min_us + (int64_t)(random % (uint64_t)(range - policy->min_us + 1));
}
