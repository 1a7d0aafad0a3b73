/*
 * wakeup.h -- how a role's thread waits: until something is due or somebody knocks.
 *
 *	while (!stop) {
 *		int64_t due = role_step(role);
 *		wakeup_wait(&role->wakeup, due);
 *	}
 *
 * A knock that comes while nobody waits is kept, so none is lost.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct wakeup {
	pthread_mutex_t lock;
	pthread_cond_t knocked;
	bool pending;
};

/* The mutex and the condition; nobody waits at the end. */
void wakeup_init(struct wakeup *w);
void wakeup_deinit(struct wakeup *w);

/* From any thread; `w` is void so that it fits callbacks. */
void wakeup_knock(void *w);

/* Returns at the next knock, or when CLOCK_MONOTONIC reaches `until_us`. */
void wakeup_wait(struct wakeup *w, int64_t until_us);
