#include "role/worker/task.h"

#include "base/alloc.h"

#define SLOTS_MIN 64

void journal_init(struct journal *j, uint64_t salt)
{
	*j = (struct journal){ .n_slots = SLOTS_MIN, .salt = salt };
	j->slots = xcalloc(j->n_slots, sizeof(*j->slots));
}

static struct slice keep(struct slice from)
{
	uint8_t *bytes = xmalloc(from.len + 1);

	if (from.len > 0)
		memcpy(bytes, from.ptr, from.len);
	bytes[from.len] = '\0';
	return SLICE_OF(bytes, from.len);
}

static void free_assigned(struct task *task)
{
	for (size_t i = 0; i < task->origins.n; i++)
		xfree((void *)task->origins.at[i].ptr);
	xfree(task->origins.at);
	xfree((void *)task->owner.ptr);
}

static void task_free(struct task *task)
{
	free_assigned(task);
	xfree(task->hidden);
	xfree((void *)task->copy.error.ptr);
	xfree(task);
}

void journal_deinit(struct journal *j)
{
	for (size_t i = 0; i < j->n_slots; i++) {
		for (struct task *t = j->slots[i], *next; t; t = next) {
			next = t->next;
			task_free(t);
		}
	}
	xfree(j->slots);
	*j = (struct journal){ 0 };
}

/* FNV-1a, salted before and mixed after: the low bits alone would meet whatever the salt is. */
static size_t slot_of(const struct journal *j, struct slice cid)
{
	uint64_t h = 14695981039346656037u ^ j->salt;

	for (size_t i = 0; i < cid.len; i++)
		h = (h ^ cid.ptr[i]) * 1099511628211u;
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	return (h >> 32) & (j->n_slots - 1);
}

static void widen(struct journal *j)
{
	struct task **old = j->slots;
	size_t n = j->n_slots;

	j->n_slots *= 2;
	j->slots = xcalloc(j->n_slots, sizeof(*j->slots));
	for (size_t i = 0; i < n; i++) {
		for (struct task *t = old[i], *next; t; t = next) {
			size_t slot = slot_of(j, cid_slice(&t->cid));

			next = t->next;
			t->next = j->slots[slot];
			j->slots[slot] = t;
		}
	}
	xfree(old);
}

struct task *journal_find(const struct journal *j, struct slice cid)
{
	for (struct task *t = j->slots[slot_of(j, cid)]; t; t = t->next)
		if (slice_eq(cid_slice(&t->cid), cid))
			return t;
	return NULL;
}

struct task *journal_add(struct journal *j, const struct cid *cid)
{
	struct task *t = xcalloc(1, sizeof(*t));
	size_t slot;

	if (j->n >= j->n_slots)
		widen(j);
	slot = slot_of(j, cid_slice(cid));
	t->cid = *cid;
	t->next = j->slots[slot];
	j->slots[slot] = t;
	j->n++;
	return t;
}

void journal_remove(struct journal *j, struct task *task)
{
	struct task **at = &j->slots[slot_of(j, cid_slice(&task->cid))];

	while (*at != task)
		at = &(*at)->next;
	*at = task->next;
	j->n--;
	task_free(task);
}

void journal_each(struct journal *j, void (*each)(void *ctx, struct task *task), void *ctx)
{
	for (size_t i = 0; i < j->n_slots; i++) {
		for (struct task *t = j->slots[i], *next; t; t = next) {
			next = t->next;
			each(ctx, t);
		}
	}
}

void task_set_error(struct task *task, struct slice text)
{
	uint8_t *old = (uint8_t *)(uintptr_t)task->copy.error.ptr;

	if (text.len > TASK_ERROR_MAX)
		text.len = TASK_ERROR_MAX;
	task->copy.error = text.len > 0 ? keep(text) : (struct slice){ 0 };
	xfree(old);
}

void task_assign(struct task *task, const struct bus_msg *msg)
{
	struct slice error = task->copy.error;

	/* The store may have missed reports of ours: keep the newer observed half. */
	if (msg->copy.stamp >= task->copy.stamp) {
		task->copy = msg->copy;
	} else {
		struct copy mine = task->copy;

		copy_merge(&mine, &msg->copy);
		task->copy = mine;
	}
	task->copy.peer_no = msg->peer_no;
	if (task->copy.state_gen != task->copy.gen)
		task->copy.next_at = 0;
	task->copy.error = error;
	task_set_error(task, msg->copy.error);
	task_set_requests(task, msg);
}

void task_set_requests(struct task *task, const struct bus_msg *msg)
{
	free_assigned(task);
	task->owner = keep(msg->owner);
	task->asked_at = msg->asked_at;
	task->origins = (struct slice_list){ .at = xcalloc(msg->origins.n, sizeof(struct slice)),
					     .n = msg->origins.n };
	for (size_t i = 0; i < msg->origins.n; i++)
		task->origins.at[i] = keep(msg->origins.at[i]);
}
