#include "base/rand.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/attr.h"

uint64_t rand_u64(struct rand *rand)
{
	uint64_t x;

	rand_fill(rand, &x, sizeof(x));
	return x;
}

/* The high half of the product is the number; of the low halves a few are left out, or some numbers
 * would be likelier than others (D. Lemire, Fast random integer generation in an interval, 2019).
 */
uint64_t rand_below(struct rand *rand, uint64_t below)
{
	__extension__ typedef unsigned __int128 wide;
	wide product;

	assert(below > 0);
	do
		product = (wide)rand_u64(rand) * below;
	while ((uint64_t)product < below && (uint64_t)product < -below % below);
	return (uint64_t)(product >> 64);
}

static void system_fill(struct rand *rand UNUSED, void *bytes, size_t n)
{
	uint8_t *p = bytes;

	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			fprintf(stderr, "level=error msg=\"getrandom: %s\"\n", strerror(errno));
			abort();
		}
		p += got;
		n -= (size_t)got;
	}
}

void rand_init_system(struct rand *rand)
{
	rand->fill = system_fill;
}

static uint64_t split_mix(struct rand_seeded *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void seeded_fill(struct rand *rand, void *bytes, size_t n)
{
	struct rand_seeded *r = CONTAINER_OF(rand, struct rand_seeded, base);
	uint8_t *p = bytes;
	uint64_t z;

	for (; n >= sizeof(z); n -= sizeof(z), p += sizeof(z)) {
		z = split_mix(r);
		memcpy(p, &z, sizeof(z));
	}
	if (n > 0) {
		z = split_mix(r);
		memcpy(p, &z, n);
	}
}

void rand_init_seeded(struct rand_seeded *rand, uint64_t seed)
{
	*rand = (struct rand_seeded){ .base.fill = seeded_fill, .state = seed };
}
