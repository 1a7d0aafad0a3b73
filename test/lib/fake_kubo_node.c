#include "lib/fake_kubo_node.h"

#include <string.h>

#include "base/alloc.h"

static const char *cid_of(const void *thing)
{
	return *(const char *const *)thing;
}

/* Where `cid` is or belongs. */
static size_t cid_set_place(const struct cid_set *set, const char *cid)
{
	size_t lo = 0, hi = set->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(cid_of(set->at[mid]), cid) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void *cid_set_find(const struct cid_set *set, const char *cid)
{
	size_t i = cid_set_place(set, cid);

	return i < set->n && strcmp(cid_of(set->at[i]), cid) == 0 ? set->at[i] : NULL;
}

void cid_set_put(struct cid_set *set, void *thing)
{
	size_t i = cid_set_place(set, cid_of(thing));

	if (set->n == set->cap) {
		set->cap = set->cap ? 2 * set->cap : 16;
		set->at = xrealloc(set->at, set->cap * sizeof(*set->at));
	}
	memmove(set->at + i + 1, set->at + i, (set->n - i) * sizeof(*set->at));
	set->at[i] = thing;
	set->n++;
}

void *cid_set_take(struct cid_set *set, const char *cid)
{
	size_t i = cid_set_place(set, cid);
	void *thing;

	if (i == set->n || strcmp(cid_of(set->at[i]), cid) != 0)
		return NULL;
	thing = set->at[i];
	set->n--;
	memmove(set->at + i, set->at + i + 1, (set->n - i) * sizeof(*set->at));
	return thing;
}

static void pin_free(struct kubo_pin *pin)
{
	if (!pin)
		return;
	xfree((char *)pin->cid);
	xfree((char *)pin->name);
	xfree(pin);
}

void fake_node_free(struct fake_node *node)
{
	for (size_t i = 0; i < node->pins.n; i++)
		pin_free(node->pins.at[i]);
	for (size_t i = 0; i < node->items.n; i++) {
		struct item *item = node->items.at[i];

		xfree((char *)item->cid);
		xfree(item);
	}
	xfree(node->pins.at);
	xfree(node->items.at);
}

struct item *fake_node_item(struct fake_node *node, const char *cid)
{
	struct item *item = cid_set_find(&node->items, cid);

	if (!item) {
		item = xcalloc(1, sizeof(*item));
		item->cid = xstrdup(cid);
		item->fetch_us = node->default_fetch_us;
		item->local = item->fetch_us == FAKE_KUBO_LOCAL;
		cid_set_put(&node->items, item);
	}
	return item;
}

struct kubo_pin *fake_node_pin(const struct fake_node *node, const char *cid)
{
	return cid_set_find(&node->pins, cid);
}

void fake_node_put_pin(struct fake_node *node, const char *cid, enum kubo_type type,
		       const char *name)
{
	struct kubo_pin *pin;

	fake_node_drop_pin(node, cid);
	pin = xcalloc(1, sizeof(*pin));
	*pin = (struct kubo_pin){ xstrdup(cid), xstrdup(name ? name : ""), type };
	cid_set_put(&node->pins, pin);
}

void fake_node_drop_pin(struct fake_node *node, const char *cid)
{
	pin_free(cid_set_take(&node->pins, cid));
}

struct content content_of(const struct cid_set *contents, const char *cid)
{
	const struct content *known = cid_set_find(contents, cid);

	return known ? *known : (struct content){ cid, 1000, 1 };
}

uint64_t fake_node_collect(struct fake_node *node, const struct cid_set *contents)
{
	uint64_t blocks = 0;

	for (size_t i = 0; i < node->items.n; i++) {
		struct item *item = node->items.at[i];

		if (!item->local || item->fetch_us == FAKE_KUBO_LOCAL ||
		    fake_node_pin(node, item->cid))
			continue;
		item->local = false;
		blocks += content_of(contents, item->cid).blocks;
	}
	return blocks;
}

uint64_t fake_node_used(const struct fake_node *node, const struct cid_set *contents)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < node->items.n; i++) {
		const struct item *item = node->items.at[i];

		if (item->local)
			bytes += content_of(contents, item->cid).size_bytes;
	}
	return bytes;
}
