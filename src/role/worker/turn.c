#include "role/worker/turn.h"

#include <assert.h>
#include <stddef.h>

#include "base/alloc.h"
#include "base/attr.h"

#define RETRY_EVERY 4 /* turns */

struct turn_owner {
	RB_ENTRY(turn_owner) tree;
	struct turn_tree fresh, retries;
	uint64_t turns;                         /* of fresh ones */
	unsigned n_entries, n_fresh, n_running; /* entries: running ones and retries too */
	struct slice name;
	uint8_t bytes[];
};

static int entry_cmp(struct turn_entry *a, struct turn_entry *b)
{
	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	if (a->asked_at != b->asked_at)
		return a->asked_at < b->asked_at ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static int owner_cmp(struct turn_owner *a, struct turn_owner *b)
{
	return slice_cmp(a->name, b->name);
}

/* Not all that is generated is called. */
RB_GENERATE_INTERNAL(turn_tree, turn_entry, tree, entry_cmp, UNUSED static)
RB_GENERATE_INTERNAL(turn_all, turn_entry, all, entry_cmp, UNUSED static)
RB_GENERATE_INTERNAL(turn_owners, turn_owner, tree, owner_cmp, UNUSED static)

void turn_init(struct turn *t, unsigned (*bound)(void *ctx, struct slice owner), void *ctx)
{
	*t = (struct turn){ .bound = bound, .ctx = ctx };
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
	RB_INIT(&o->retries);
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

/* One may always run, so the bound is asked of few. */
static bool may_run(const struct turn *t, const struct turn_owner *o)
{
	unsigned most;

	if (o->n_running == 0 || !t->bound)
		return true;
	most = t->bound(t->ctx, o->name);
	return most == 0 || o->n_running < most;
}

/* Has `o` something that may have a turn now? */
typedef bool ready_fn(const struct turn_owner *o, int64_t now_us);

static bool fresh_ready(const struct turn_owner *o, int64_t now_us UNUSED)
{
	return !RB_EMPTY(&o->fresh);
}

static bool first_ready(const struct turn_owner *o, int64_t now_us UNUSED)
{
	return !RB_EMPTY(&o->fresh) && o->n_running == 0;
}

static struct turn_entry *first_retry(const struct turn_owner *o)
{
	return RB_MIN(turn_tree, (struct turn_tree *)&o->retries);
}

static bool retry_ready(const struct turn_owner *o, int64_t now_us)
{
	const struct turn_entry *e = first_retry(o);

	return e && e->order <= now_us;
}

static struct turn_owner *after(struct turn *t, struct turn_owner *o)
{
	o = o ? RB_NEXT(turn_owners, &t->owners, o) : NULL;
	return o ? o : RB_MIN(turn_owners, &t->owners);
}

/* The one after whose turn was last, round and round, that is ready; not yet his turn. */
static struct turn_owner *next_owner(struct turn *t, const struct turn_round *round,
				     ready_fn *ready, int64_t now_us)
{
	struct turn_owner last = { .name = SLICE_OF(round->last, round->len) };
	struct turn_owner *o = RB_NFIND(turn_owners, &t->owners, &last), *first;

	if (!o || slice_eq(o->name, last.name))
		o = after(t, o);
	first = o;
	while (o && !(ready(o, now_us) && may_run(t, o))) {
		o = after(t, o);
		if (o == first)
			return NULL;
	}
	return o;
}

static void note_turn(struct turn_round *round, const struct turn_owner *o)
{
	memcpy(round->last, o->bytes, o->name.len);
	round->len = o->name.len;
}

static void place(struct turn *t, struct turn_entry *e, enum turn_place where, struct slice owner,
		  int64_t order, int64_t asked_at)
{
	struct turn_owner *o;

	turn_remove(t, e);
	o = owner_of(t, owner);
	e->place = where;
	e->owner = o;
	e->order = order;
	e->asked_at = asked_at;
	e->seq = ++t->seq;
	o->n_entries++;
}

void turn_add_fresh(struct turn *t, struct turn_entry *e, struct slice owner, int32_t priority,
		    int64_t asked_at)
{
	place(t, e, TURN_FRESH, owner, -(int64_t)priority, asked_at);
	RB_INSERT(turn_tree, &e->owner->fresh, e);
	t->n_fresh++;
	e->owner->n_fresh++;
}

void turn_add_retry(struct turn *t, struct turn_entry *e, struct slice owner, int64_t due_us)
{
	place(t, e, TURN_RETRY, owner, due_us, 0);
	RB_INSERT(turn_tree, &e->owner->retries, e);
	RB_INSERT(turn_all, &t->retries, e);
	t->n_retries++;
}

/* Out of its tree; the owner's entry stays counted. */
static void take_out(struct turn *t, struct turn_entry *e)
{
	switch (e->place) {
	case TURN_NOWHERE:
		break;
	case TURN_RETRY:
		RB_REMOVE(turn_tree, &e->owner->retries, e);
		RB_REMOVE(turn_all, &t->retries, e);
		t->n_retries--;
		break;
	case TURN_FRESH:
		RB_REMOVE(turn_tree, &e->owner->fresh, e);
		t->n_fresh--;
		e->owner->n_fresh--;
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
	struct turn_entry beyond = { .order = best->order + 1, .asked_at = INT64_MIN };
	struct turn_entry *next = RB_NFIND(turn_tree, &o->fresh, &beyond);

	return next ? RB_PREV(turn_tree, &o->fresh, next) : RB_MAX(turn_tree, &o->fresh);
}

static struct turn_entry *next_fresh(struct turn *t, ready_fn *ready)
{
	struct turn_owner *o = next_owner(t, &t->fresh_round, ready, 0);

	if (!o)
		return NULL;
	note_turn(&t->fresh_round, o);
	return o->turns++ % 2 ? RB_MIN(turn_tree, &o->fresh) : newest_of_best(o);
}

/* Whose retry is next; NULL if none is due that may run. */
static struct turn_owner *next_retrier(struct turn *t, int64_t now_us)
{
	const struct turn_entry *first = RB_MIN(turn_all, &t->retries);

	if (!first || first->order > now_us)
		return NULL;
	return next_owner(t, &t->retry_round, retry_ready, now_us);
}

struct turn_entry *turn_next(struct turn *t, int64_t now_us, enum turn_who who)
{
	struct turn_owner *retrier = who == TURN_OF_ALL ? next_retrier(t, now_us) : NULL;
	struct turn_entry *e = NULL;

	/* Counted are turns that either could have. */
	if (!retrier || (t->turns + 1) % RETRY_EVERY != 0)
		e = next_fresh(t, who == TURN_OF_NEWCOMERS ? first_ready : fresh_ready);
	if (retrier)
		t->turns++;
	if (!e && retrier) {
		e = first_retry(retrier);
		note_turn(&t->retry_round, retrier);
	}
	if (!e)
		return NULL;
	take_out(t, e);
	e->place = TURN_RUNNING;
	e->owner->n_running++;
	return e;
}

static struct turn_owner *most_fresh(const struct turn *t)
{
	struct turn_owner *o, *most = NULL;

	RB_FOREACH(o, turn_owners, (struct turn_owners *)&t->owners)
	{
		if (o->n_fresh > 0 && (!most || o->n_fresh > most->n_fresh))
			most = o;
	}
	return most;
}

/* One from the middle: the root of a balanced tree is neither among the first nor among the last,
 * and those beside it are not either. */
static struct turn_entry *middle_fresh(const struct turn_owner *o,
				       bool (*may)(const struct turn_entry *e))
{
	struct turn_entry *e = RB_ROOT(&o->fresh);

	while (e && !may(e))
		e = RB_NEXT(turn_tree, (struct turn_tree *)&o->fresh, e);
	if (e)
		return e;
	e = RB_ROOT(&o->fresh);
	while (e && !may(e))
		e = RB_PREV(turn_tree, (struct turn_tree *)&o->fresh, e);
	return e;
}

struct turn_entry *turn_spare(const struct turn *t, bool (*may)(const struct turn_entry *e))
{
	struct turn_owner *o = most_fresh(t);
	struct turn_entry *e;

	RB_FOREACH_REVERSE(e, turn_all, (struct turn_all *)&t->retries)
	{
		if (may(e))
			return e;
	}
	e = o ? middle_fresh(o, may) : NULL;
	if (e)
		return e;
	RB_FOREACH(o, turn_owners, (struct turn_owners *)&t->owners)
	{
		if ((e = middle_fresh(o, may)))
			return e;
	}
	return NULL;
}

int64_t turn_due(const struct turn *t)
{
	const struct turn_entry *first = RB_MIN(turn_all, (struct turn_all *)&t->retries);
	int64_t due = INT64_MAX;
	struct turn_owner *o;

	if (!first || may_run(t, first->owner))
		return first ? first->order : INT64_MAX;
	RB_FOREACH(o, turn_owners, (struct turn_owners *)&t->owners)
	{
		const struct turn_entry *e = may_run(t, o) ? first_retry(o) : NULL;

		if (e && e->order < due)
			due = e->order;
	}
	return due;
}
