#include "role/worker/turn.h"

#include <assert.h>
#include <stddef.h>

#include "base/alloc.h"
#include "base/attr.h"

#define RETRY_EVERY 4 /* turns */

struct turn_owner {
	RB_ENTRY(turn_owner) tree;
	struct turn_tree fresh;
	uint64_t turns;
	unsigned n_entries, n_running; /* running ones are entries too */
	struct slice name;
	uint8_t bytes[];
};

static int entry_cmp(struct turn_entry *a, struct turn_entry *b)
{
	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static int owner_cmp(struct turn_owner *a, struct turn_owner *b)
{
	return slice_cmp(a->name, b->name);
}

/* Not all that is generated is called. */
RB_GENERATE_INTERNAL(turn_tree, turn_entry, tree, entry_cmp, UNUSED static)
RB_GENERATE_INTERNAL(turn_owners, turn_owner, tree, owner_cmp, UNUSED static)

void turn_init(struct turn *t, unsigned max_running)
{
	*t = (struct turn){ .max_running = max_running };
	RB_INIT(&t->owners);
	RB_INIT(&t->retries);
}

void turn_deinit(struct turn *t)
{
	assert(RB_EMPTY(&t->owners));
	assert(RB_EMPTY(&t->retries));
	*t = (struct turn){ 0 };
}

static struct turn_owner *owner_of(struct turn *t, struct slice name)
{
	struct turn_owner key = { .name = name };
	struct turn_owner *o = RB_FIND(turn_owners, &t->owners, &key);

	if (o)
		return o;
	assert(name.len <= OWNER_MAX);
	o = xcalloc(1, sizeof(*o) + name.len);
	RB_INIT(&o->fresh);
	if (name.len > 0)
		memcpy(o->bytes, name.ptr, name.len);
	o->name = SLICE_OF(o->bytes, name.len);
	RB_INSERT(turn_owners, &t->owners, o);
	return o;
}

static void drop_owner(struct turn *t, struct turn_owner *o)
{
	RB_REMOVE(turn_owners, &t->owners, o);
	xfree(o);
}

static bool may_run(const struct turn *t, const struct turn_owner *o)
{
	/* Removals are nobody's: they have no owner and no bound. */
	return t->max_running == 0 || o->name.len == 0 || o->n_running < t->max_running;
}

/* The one after whose turn was last, round and round, that has something fresh. */
static struct turn_owner *next_owner(struct turn *t)
{
	struct turn_owner last = { .name = SLICE_OF(t->last, t->last_len) };
	struct turn_owner *o = RB_NFIND(turn_owners, &t->owners, &last), *first;

	if (o && slice_eq(o->name, last.name))
		o = RB_NEXT(turn_owners, &t->owners, o);
	if (!o)
		o = RB_MIN(turn_owners, &t->owners);
	first = o;
	while (o && (RB_EMPTY(&o->fresh) || !may_run(t, o))) {
		o = RB_NEXT(turn_owners, &t->owners, o);
		if (!o)
			o = RB_MIN(turn_owners, &t->owners);
		if (o == first)
			return NULL;
	}
	if (o) {
		memcpy(t->last, o->bytes, o->name.len);
		t->last_len = o->name.len;
	}
	return o;
}

static void place(struct turn *t, struct turn_entry *e, enum turn_place where, struct slice owner,
		  int64_t order)
{
	struct turn_owner *o;

	turn_remove(t, e);
	o = owner_of(t, owner);
	e->place = where;
	e->owner = o;
	e->order = order;
	e->seq = ++t->seq;
	o->n_entries++;
}

void turn_add_fresh(struct turn *t, struct turn_entry *e, struct slice owner, int32_t priority)
{
	place(t, e, TURN_FRESH, owner, -(int64_t)priority);
	RB_INSERT(turn_tree, &e->owner->fresh, e);
	t->n_fresh++;
}

void turn_add_retry(struct turn *t, struct turn_entry *e, struct slice owner, int64_t due_us)
{
	place(t, e, TURN_RETRY, owner, due_us);
	RB_INSERT(turn_tree, &t->retries, e);
	t->n_retries++;
}

/* Out of its tree; the owner's entry stays counted. */
static void take_out(struct turn *t, struct turn_entry *e)
{
	switch (e->place) {
	case TURN_NOWHERE:
		break;
	case TURN_RETRY:
		RB_REMOVE(turn_tree, &t->retries, e);
		t->n_retries--;
		break;
	case TURN_FRESH:
		RB_REMOVE(turn_tree, &e->owner->fresh, e);
		t->n_fresh--;
		break;
	case TURN_RUNNING:
		e->owner->n_running--;
		break;
	}
}

void turn_remove(struct turn *t, struct turn_entry *e)
{
	if (e->place == TURN_NOWHERE)
		return;
	take_out(t, e);
	if (--e->owner->n_entries == 0)
		drop_owner(t, e->owner);
	e->owner = NULL;
	e->place = TURN_NOWHERE;
}

/* The newest of the highest priority, found as the one before the next priority. */
static struct turn_entry *newest_of_best(struct turn_owner *o)
{
	struct turn_entry *best = RB_MIN(turn_tree, &o->fresh);
	struct turn_entry beyond = { .order = best->order + 1 };
	struct turn_entry *next = RB_NFIND(turn_tree, &o->fresh, &beyond);

	return next ? RB_PREV(turn_tree, &o->fresh, next) : RB_MAX(turn_tree, &o->fresh);
}

static struct turn_entry *next_fresh(struct turn *t)
{
	struct turn_owner *o = next_owner(t);

	if (!o)
		return NULL;
	return o->turns++ % 2 ? RB_MIN(turn_tree, &o->fresh) : newest_of_best(o);
}

#define RETRIES_PASSED 64 /* due ones of owners at their bound that one look passes over */

static struct turn_entry *next_retry(struct turn *t, int64_t now_us)
{
	struct turn_entry *e = RB_MIN(turn_tree, &t->retries);

	for (int i = 0; e && e->order <= now_us && i < RETRIES_PASSED; i++) {
		if (may_run(t, e->owner))
			return e;
		e = RB_NEXT(turn_tree, &t->retries, e);
	}
	return NULL;
}

struct turn_entry *turn_next(struct turn *t, int64_t now_us)
{
	struct turn_entry *retry = next_retry(t, now_us);
	struct turn_entry *e = NULL;

	t->turns++;
	if (!retry || t->turns % RETRY_EVERY != 0)
		e = next_fresh(t);
	if (!e)
		e = retry;
	if (!e)
		return NULL;
	take_out(t, e);
	e->place = TURN_RUNNING;
	e->owner->n_running++;
	return e;
}

struct turn_entry *turn_last_retry(const struct turn *t)
{
	return RB_MAX(turn_tree, (struct turn_tree *)&t->retries);
}

int64_t turn_due(const struct turn *t)
{
	struct turn_entry *e = RB_MIN(turn_tree, (struct turn_tree *)&t->retries);

	for (int i = 0; e && i < RETRIES_PASSED && !may_run(t, e->owner); i++)
		e = RB_NEXT(turn_tree, (struct turn_tree *)&t->retries, e);
	return e ? e->order : INT64_MAX;
}
