/*
 * clock.h -- the time, as something that is handed in.
 *
 * Roles and stores never ask the system for the time: they ask the clock they
 * were given, so that simulations run in years a second and with clocks that
 * are wrong.  Pure code takes plain numbers.
 */
#pragma once

#include <stdint.h>

#define US_PER_MS  INT64_C(1000)
#define US_PER_S   INT64_C(1000000)
#define US_PER_MIN (60 * US_PER_S)
#define US_PER_H   (60 * US_PER_MIN)
#define US_PER_DAY (24 * US_PER_H)

struct clock {
	/* Microseconds since 1970-01-01 UTC.  May step in either direction. */
	int64_t (*wall_us)(struct clock *clock);
	/* Microseconds since some start.  Never steps; for waits and durations. */
	int64_t (*mono_us)(struct clock *clock);
};

static inline int64_t clock_wall_us(struct clock *clock)
{
	return clock->wall_us(clock);
}

static inline int64_t clock_mono_us(struct clock *clock)
{
	return clock->mono_us(clock);
}

/* The machine's own clock. */
void clock_init_system(struct clock *clock);
