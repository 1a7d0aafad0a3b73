#include "bin/histogram.h"

#include "base/attr.h"

static unsigned step_of(uint64_t us)
{
	unsigned top;

	if (us < 1U << STEP_BITS)
		return (unsigned)us;
	top = 63 - (unsigned)__builtin_clzll(us);
	return (top - STEP_BITS + 1) << STEP_BITS |
	       (unsigned)(us >> (top - STEP_BITS) & ((1U << STEP_BITS) - 1));
}

static uint64_t us_of(unsigned step)
{
	unsigned power = step >> STEP_BITS, rest = step & ((1U << STEP_BITS) - 1);

	return power == 0 ? rest : (uint64_t)((1U << STEP_BITS) + rest) << (power - 1);
}

void histogram_note(struct histogram *h, int64_t us)
{
	h->at[step_of((uint64_t)us)]++;
	h->n++;
}

uint64_t histogram_us(const struct histogram *h, double share)
{
	uint64_t want = (uint64_t)((double)h->n * share), seen = 0;

	if (want >= h->n && h->n > 0)
		want = h->n - 1;
	for (unsigned i = 0; i < ARRAY_LEN(h->at); i++) {
		seen += h->at[i];
		if (seen > want)
			return us_of(i);
	}
	return 0;
}
