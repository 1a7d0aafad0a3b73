/*
 * rate.h -- how often an owner may ask: a token bucket each.
 *
 * A bucket holds what is allowed in two seconds and fills evenly.  The table is small and
 * direct-mapped: owners that meet in a slot start with a full bucket again, so a collision
 * allows more and never less.  Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct rate;
struct rate *rate_new(void);
void rate_free(struct rate *rate); /* NULL is fine */

struct rate_answer {        /* for the X-RateLimit headers */
	uint32_t limit;     /* requests a bucket holds */
	uint32_t remaining; /* what is left now */
	int64_t full_us;    /* from now until the bucket is full again */
	int64_t retry_us;   /* from now until one more is allowed; 0: it is */
};

/* Takes one of `per_s` (> 0) requests a second of `owner`; false: none is left. */
bool rate_take(struct rate *rate, struct slice owner, uint32_t per_s, int64_t mono_us,
	       struct rate_answer *out);
