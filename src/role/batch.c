#include "role/batch.h"

struct item {
	struct replan_item item;
	struct item *next; /* in its hash slot */
	size_t at;
	struct wake *wakes;
	struct copy *observed;
	size_t wakes_cap, observed_cap;
};

#define SLOTS 512

struct batch {
	struct arena *mem;
	struct item **slots; /* NULL: nothing was added; most steps find nothing to do */
	struct item **order;
	size_t n, cap;
};

struct batch *batch_new(struct arena *mem)
{
	struct batch *batch = arena_new_of(mem, struct batch);

	batch->mem = mem;
	return batch;
}

static size_t slot_of(struct slice cid)
{
	return slice_hash(cid) % SLOTS;
}

static struct item *find(struct batch *batch, struct slice cid)
{
	struct item **slot, *it;

	if (!batch->slots)
		batch->slots = arena_new_array(batch->mem, struct item *, SLOTS);
	slot = &batch->slots[slot_of(cid)];
	for (it = *slot; it; it = it->next)
		if (slice_eq(it->item.cid, cid))
			return it;
	it = arena_new_of(batch->mem, struct item);
	it->item.cid = arena_copy(batch->mem, cid);
	it->at = batch->n;
	it->next = *slot;
	*slot = it;
	batch->order =
		arena_grow(batch->mem, batch->order, batch->n, &batch->cap, sizeof(struct item *));
	batch->order[batch->n++] = it;
	return it;
}

size_t batch_add(struct batch *batch, struct slice cid)
{
	return find(batch, cid)->at;
}

void batch_add_wake(struct batch *batch, struct slice cid, const struct wake *wake)
{
	struct item *it = find(batch, cid);
	struct replan_item *item = &it->item;

	it->wakes = arena_grow(batch->mem, it->wakes, item->n_woken, &it->wakes_cap, sizeof(*wake));
	it->wakes[item->n_woken] = *wake;
	it->wakes[item->n_woken++].cid = item->cid;
	item->woken = it->wakes;
}

void batch_add_observed(struct batch *batch, struct slice cid, const struct copy *observed)
{
	struct item *it = find(batch, cid);
	struct replan_item *item = &it->item;
	struct copy half = *observed;

	half.error = arena_copy(batch->mem, observed->error);
	for (size_t i = 0; i < item->n_observed; i++) {
		if (it->observed[i].peer_no == half.peer_no) {
			copy_merge(&it->observed[i], &half);
			return;
		}
	}
	it->observed = arena_grow(batch->mem, it->observed, item->n_observed, &it->observed_cap,
				  sizeof(half));
	it->observed[item->n_observed++] = half;
	item->observed = it->observed;
}

void batch_set_bury(struct batch *batch, size_t item)
{
	batch->order[item]->item.bury = true;
}

const struct replan_item *batch_items(const struct batch *batch, size_t *n)
{
	struct replan_item *items = arena_new_array(batch->mem, struct replan_item, batch->n);

	for (size_t i = 0; i < batch->n; i++)
		items[i] = batch->order[i]->item;
	*n = batch->n;
	return items;
}
