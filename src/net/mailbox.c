#include "net/mailbox.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

static void on_wake(uv_async_t *async)
{
	struct mailbox *box = async->data;
	struct mail *mail;

	pthread_mutex_lock(&box->lock);
	mail = box->first;
	box->first = NULL;
	box->last = &box->first;
	pthread_mutex_unlock(&box->lock);
	if (!mail)
		box->deliver(box->owner, NULL);
	while (mail) {
		struct mail *next = mail->next;

		box->deliver(box->owner, mail);
		mail = next;
	}
}

void mailbox_init(struct mailbox *box, uv_loop_t *loop,
		  void (*deliver)(void *owner, struct mail *mail), void *owner)
{
	int e = uv_async_init(loop, &box->async, on_wake);

	assert(e == 0);
	pthread_mutex_init(&box->lock, NULL);
	box->first = NULL;
	box->last = &box->first;
	box->async.data = box;
	box->deliver = deliver;
	box->owner = owner;
}

void mailbox_post(struct mailbox *box, struct mail *mail)
{
	bool was_empty;

	mail->next = NULL;
	pthread_mutex_lock(&box->lock);
	was_empty = !box->first;
	*box->last = mail;
	box->last = &mail->next;
	/* Inside the lock: once it is free the loop may have taken everything and be gone. */
	if (was_empty)
		uv_async_send(&box->async);
	pthread_mutex_unlock(&box->lock);
}

void mailbox_wake(struct mailbox *box)
{
	uv_async_send(&box->async);
}

static void on_closed(uv_handle_t *handle)
{
	struct mailbox *box = handle->data;

	pthread_mutex_destroy(&box->lock);
}

void mailbox_close(struct mailbox *box)
{
	/* Whoever posted last may still hold the lock. */
	pthread_mutex_lock(&box->lock);
	assert(!box->first);
	pthread_mutex_unlock(&box->lock);
	uv_close((uv_handle_t *)&box->async, on_closed);
}
