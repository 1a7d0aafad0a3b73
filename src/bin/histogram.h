/* histogram.h -- latencies: 64 steps to each power of two, so a figure is right within 2 %. */
#pragma once

#include <stdint.h>

#define STEP_BITS 6
struct histogram { /* all zero to begin with */
	uint64_t n, at[64 << STEP_BITS];
};

/* Takes one latency in, in us. */
void histogram_note(struct histogram *h, int64_t us);

/* The latency that `share` (0 to 1) of all do not exceed; 0 if there are none. */
uint64_t histogram_us(const struct histogram *h, double share);
