/*
 * deadline.h -- many deadlines of few durations, in constant time each.
 *
 * All entries of one queue wait equally long, so a queue is sorted by itself:
 * new ones go to the back, what is due is at the front.  An entry is in one
 * queue at most; a zeroed entry is in none.  Used by one thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct deadline {
	struct deadline *prev, *next; /* NULL: in no queue */
	uint64_t due_ms;
};

struct deadline_queue {
	struct deadline head; /* a ring */
	uint64_t wait_ms;
};

/* Every entry will wait `wait_ms`. */
void deadline_queue_init(struct deadline_queue *queue, uint64_t wait_ms);

/* Due in the queue's time from `now_ms` on; leaves the queue it was in. */
void deadline_set(struct deadline_queue *queue, struct deadline *entry, uint64_t now_ms);
void deadline_clear(struct deadline *entry);

/* Are `bytes` in `ms` at least `rate` a second, and one at least? */
static inline bool rate_kept(uint64_t bytes, uint32_t rate, uint64_t ms)
{
	return bytes > 0 && bytes >= (rate * ms + 999) / 1000;
}

/* When the first is due; UINT64_MAX: none waits. */
uint64_t deadline_next_ms(const struct deadline_queue *queue);

/* Takes out one that is due, or returns NULL. */
struct deadline *deadline_take(struct deadline_queue *queue, uint64_t now_ms);
