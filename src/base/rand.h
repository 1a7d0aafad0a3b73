/*
 * rand.h -- random bytes, as something that is handed in.
 *
 * The system's source is cryptographic (getrandom); a simulation hands in a
 * seeded one and gets the same run again.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rand {
	void (*fill)(struct rand *rand, void *bytes, size_t n);
};

static inline void rand_fill(struct rand *rand, void *bytes, size_t n)
{
	rand->fill(rand, bytes, n);
}

/* All 64 bits random. */
uint64_t rand_u64(struct rand *rand);

/* Uniform in [0, below); `below` > 0. */
uint64_t rand_below(struct rand *rand, uint64_t below);

/* The kernel's source; aborts when it cannot be read. */
void rand_init_system(struct rand *rand);

/* Repeatable (splitmix64); for simulations and tests, never for secrets. */
struct rand_seeded {
	struct rand base;
	uint64_t state;
};
void rand_init_seeded(struct rand_seeded *rand, uint64_t seed);
