#include "model/version.h"

#include <assert.h>

#define STEP 1000 /* leaves room for one version of every instance */

uint64_t version_next(uint64_t seen, int64_t now_us, unsigned instance)
{
	uint64_t now = now_us > 0 ? (uint64_t)now_us : 0;
	uint64_t base = seen + STEP > now ? seen + STEP : now;

	assert(instance <= INSTANCE_MAX);
	assert(seen <= UINT64_MAX / 2);
	return base - base % STEP + instance;
}
