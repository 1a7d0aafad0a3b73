#include "role/api/rate.h"

#include <pthread.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "model/pin.h"

#define SLOTS   4096
#define BURST_S 2

struct bucket {
	char owner[OWNER_MAX];
	size_t owner_len;
	uint32_t per_s;
	int64_t level_us; /* tokens, as the time it takes to fill them */
	int64_t at_us;    /* mono */
};

struct rate {
	pthread_mutex_t lock;
	struct bucket buckets[SLOTS];
};

struct rate *rate_new(void)
{
	struct rate *r = xcalloc(1, sizeof(*r));

	pthread_mutex_init(&r->lock, NULL);
	return r;
}

void rate_free(struct rate *rate)
{
	if (!rate)
		return;
	pthread_mutex_destroy(&rate->lock);
	xfree(rate);
}

static struct bucket *bucket_of(struct rate *r, struct slice owner, uint32_t per_s, int64_t now)
{
	struct bucket *b = &r->buckets[slice_hash(owner) % SLOTS];

	if (b->per_s != per_s || !slice_eq(SLICE_OF(b->owner, b->owner_len), owner)) {
		*b = (struct bucket){ .per_s = per_s,
				      .owner_len = owner.len,
				      .level_us = BURST_S * US_PER_S,
				      .at_us = now };
		memcpy(b->owner, owner.ptr, owner.len);
	}
	return b;
}

bool rate_take(struct rate *rate, struct slice owner, uint32_t per_s, int64_t mono_us,
	       struct rate_answer *out)
{
	/* One token in units of time; rates above a million a second cost nothing. */
	int64_t token_us = US_PER_S / per_s, full_us = BURST_S * US_PER_S;
	struct bucket *b;
	bool taken;

	pthread_mutex_lock(&rate->lock);
	b = bucket_of(rate, owner, per_s, mono_us);
	if (mono_us > b->at_us)
		b->level_us += mono_us - b->at_us;
	if (b->level_us > full_us)
		b->level_us = full_us;
	b->at_us = mono_us;
	taken = b->level_us >= token_us;
	if (taken)
		b->level_us -= token_us;
	*out = (struct rate_answer){
		.limit = BURST_S * per_s,
		.remaining = token_us ? (uint32_t)(b->level_us / token_us) : BURST_S * per_s,
		.full_us = full_us - b->level_us,
		.retry_us = b->level_us < token_us ? token_us - b->level_us : 0,
	};
	pthread_mutex_unlock(&rate->lock);
	return taken;
}
