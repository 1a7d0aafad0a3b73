#include "base/clock.h"

#include <time.h>

#include "base/attr.h"

static int64_t read_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

static int64_t system_wall_us(struct clock *clock UNUSED)
{
	return read_us(CLOCK_REALTIME);
}

static int64_t system_mono_us(struct clock *clock UNUSED)
{
	return read_us(CLOCK_MONOTONIC);
}

void clock_init_system(struct clock *clock)
{
	*clock = (struct clock){ .wall_us = system_wall_us, .mono_us = system_mono_us };
}
