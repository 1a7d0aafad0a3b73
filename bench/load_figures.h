/* load_figures.h -- what bench/load measures: latencies, and the CPU time of another process. */
#pragma once

#include <stdint.h>

/* Says why and ends the program. */
_Noreturn void die(const char *why);

/* Latencies: 64 steps to each power of two, so a figure is right within 2 %. */
#define STEP_BITS 6
struct histogram {
	uint64_t n, at[64 << STEP_BITS];
};

/* Takes one latency in. */
void histogram_note(struct histogram *h, int64_t us);

/* The latency that `share` (0 to 1) of all do not exceed; 0 if there are none. */
uint64_t histogram_us(const struct histogram *h, double share);

/* User and system time of all threads of a process, in us; steps are 10 ms. */
double process_cpu_us(uint64_t pid);
