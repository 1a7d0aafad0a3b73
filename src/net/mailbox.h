/*
 * mailbox.h -- how other threads talk to an event loop.
 *
 * Any thread posts; the loop's thread gets every message exactly once, those of
 * one thread in their order.  The loop is woken only by the first message in an
 * empty box, so a burst costs one wake-up.
 */
#pragma once

#include <pthread.h>
#include <uv.h>

/* Put into what is sent; belongs to the box until it is delivered. */
struct mail {
	struct mail *next;
};

struct mailbox {
	pthread_mutex_t lock;
	struct mail *first, **last;
	uv_async_t async;
	void (*deliver)(void *owner, struct mail *mail);
	void *owner;
};

/* `deliver` runs on the loop's thread. */
void mailbox_init(struct mailbox *box, uv_loop_t *loop,
		  void (*deliver)(void *owner, struct mail *mail), void *owner);

/* Any thread.  `mail` must not be in a box. */
void mailbox_post(struct mailbox *box, struct mail *mail);

/* Wakes the loop: deliver() is called with NULL if nothing else came. */
void mailbox_wake(struct mailbox *box);

/* On the loop's thread, when nobody posts any more; the loop must run once again. */
void mailbox_close(struct mailbox *box);
