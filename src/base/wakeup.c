#include "base/wakeup.h"

#include <errno.h>
#include <time.h>

void wakeup_init(struct wakeup *w)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->knocked, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&w->lock, NULL);
	w->pending = false;
}

void wakeup_deinit(struct wakeup *w)
{
	pthread_cond_destroy(&w->knocked);
	pthread_mutex_destroy(&w->lock);
}

void wakeup_knock(void *arg)
{
	struct wakeup *w = arg;

	pthread_mutex_lock(&w->lock);
	if (!w->pending) {
		w->pending = true;
		pthread_cond_signal(&w->knocked);
	}
	pthread_mutex_unlock(&w->lock);
}

void wakeup_wait(struct wakeup *w, int64_t until_us)
{
	struct timespec at = { .tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000 };

	pthread_mutex_lock(&w->lock);
	while (!w->pending)
		if (pthread_cond_timedwait(&w->knocked, &w->lock, &at) != 0)
			break;
	w->pending = false;
	pthread_mutex_unlock(&w->lock);
}
