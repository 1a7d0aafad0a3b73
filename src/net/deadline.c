#include "net/deadline.h"

#include <stddef.h>

void deadline_queue_init(struct deadline_queue *queue, uint64_t wait_ms)
{
	queue->head.prev = queue->head.next = &queue->head;
	queue->wait_ms = wait_ms;
}

void deadline_clear(struct deadline *entry)
{
	if (!entry->next)
		return;
	entry->prev->next = entry->next;
	entry->next->prev = entry->prev;
	entry->prev = entry->next = NULL;
}

void deadline_set(struct deadline_queue *queue, struct deadline *entry, uint64_t now_ms)
{
	deadline_clear(entry);
	entry->due_ms = now_ms + queue->wait_ms;
	entry->prev = queue->head.prev;
	entry->next = &queue->head;
	entry->prev->next = entry;
	queue->head.prev = entry;
}

uint64_t deadline_next_ms(const struct deadline_queue *queue)
{
	return queue->head.next == &queue->head ? UINT64_MAX : queue->head.next->due_ms;
}

struct deadline *deadline_take(struct deadline_queue *queue, uint64_t now_ms)
{
	struct deadline *first = queue->head.next;

	if (deadline_next_ms(queue) > now_ms)
		return NULL;
	deadline_clear(first);
	return first;
}
