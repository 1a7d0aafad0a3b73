#include "role/api/waiters.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>

#include "base/alloc.h"
#include "model/cid.h"

#define SLOTS 1024

struct waiter {
	struct waiter *next, **link; /* in its slot; link NULL: taken off */
	struct http_token *token;    /* NULL: given back */
	struct cid cid;
};

struct waiters {
	pthread_mutex_t lock;
	struct waiter *slots[SLOTS];
};

struct waiters *waiters_new(void)
{
	struct waiters *w = xcalloc(1, sizeof(*w));

	pthread_mutex_init(&w->lock, NULL);
	return w;
}

void waiters_free(struct waiters *waiters)
{
	if (!waiters)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		assert(!waiters->slots[i]);
	pthread_mutex_destroy(&waiters->lock);
	xfree(waiters);
}

static struct waiter **slot_of(struct waiters *w, struct slice cid)
{
	return &w->slots[slice_hash(cid) % SLOTS]; /* chosen CIDs make one slot long, no more */
}

static void unlink_waiter(struct waiter *waiter)
{
	*waiter->link = waiter->next;
	if (waiter->next)
		waiter->next->link = waiter->link;
	waiter->link = NULL;
}

struct waiter *waiters_add(struct waiters *waiters, struct slice cid, struct http_token *token)
{
	struct waiter *w = xcalloc(1, sizeof(*w));
	struct waiter **slot;

	assert(cid.len <= CID_MAX);
	w->cid.len = (uint8_t)cid.len;
	memcpy(w->cid.bytes, cid.ptr, cid.len);
	w->token = token;
	pthread_mutex_lock(&waiters->lock);
	slot = slot_of(waiters, cid);
	w->next = *slot;
	w->link = slot;
	if (w->next)
		w->next->link = &w->next;
	*slot = w;
	pthread_mutex_unlock(&waiters->lock);
	return w;
}

void waiters_remove(struct waiters *waiters, struct waiter *waiter)
{
	pthread_mutex_lock(&waiters->lock);
	if (waiter->link)
		unlink_waiter(waiter);
	pthread_mutex_unlock(&waiters->lock);
	if (waiter->token)
		http_token_release(waiter->token);
	xfree(waiter);
}

void waiters_wake(struct waiters *waiters, struct slice cid)
{
	struct waiter *next;

	pthread_mutex_lock(&waiters->lock);
	for (struct waiter *w = *slot_of(waiters, cid); w; w = next) {
		struct http_token *token = w->token;

		next = w->next;
		if (!slice_eq(cid_slice(&w->cid), cid))
			continue;
		/* Taken off first: once woken, its owner may remove it on another thread. */
		unlink_waiter(w);
		w->token = NULL;
		http_token_wake(token);
	}
	pthread_mutex_unlock(&waiters->lock);
}
