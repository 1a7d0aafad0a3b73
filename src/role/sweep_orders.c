#include "role/sweep_orders.h"

#include <pthread.h>

#include "base/alloc.h"
#include "base/log.h"
#include "role/restored.h"

struct sweep_orders {
	struct store *store;
	pthread_mutex_t lock; /* held while rows are written, too */
	bool waiting;
	struct sweep_kind ordered; /* while it waits */
};

static const struct slice sweep_job = SLICE_LIT("sweep");
static const struct slice rebalance_job = SLICE_LIT("rebalance");
static const struct slice force_job = SLICE_LIT("force");

static const struct slice at_first = { 0 };
static const struct slice not_begun = { 0 };
static const struct slice begun = SLICE_LIT("\1");

struct sweep_orders *sweep_orders_new(struct store *store)
{
	struct sweep_orders *orders = xcalloc(1, sizeof(*orders));

	orders->store = store;
	pthread_mutex_init(&orders->lock, NULL);
	return orders;
}

void sweep_orders_free(struct sweep_orders *orders)
{
	if (!orders)
		return;
	pthread_mutex_destroy(&orders->lock);
	xfree(orders);
}

/* NULL in *out: there is no such row. */
static bool find(struct sweep_orders *orders, struct slice job, const struct slice **out,
		 struct arena *mem, struct err *err)
{
	struct job_cursor key = { .job = job };
	const struct job_cursor *found;
	const void *row;

	if (!store_row(orders->store, TABLE_JOB_CURSOR, &key, mem, &row, err))
		return false;
	found = row;
	*out = found ? &found->position : NULL;
	return true;
}

/* NULL: no such row from now on. */
static bool put(struct sweep_orders *orders, struct slice job, const struct slice *position,
		struct arena *mem, struct err *err)
{
	struct job_cursor key = { .job = job }, row = { .job = job };
	const void *old;
	bool done;

	if (!store_row(orders->store, TABLE_JOB_CURSOR, &key, mem, &old, err))
		return false;
	if (!old && !position)
		return true;
	if (position)
		row.position = *position;
	return store_swap_row(orders->store, TABLE_JOB_CURSOR, old, position ? &row : NULL, &done,
			      err);
}

/* ---- an order -------------------------------------------------------------------- */

static void note(struct sweep_orders *orders, bool rebalance, bool force)
{
	orders->waiting = true;
	orders->ordered.rebalance |= rebalance; /* one that was not begun yet counts too */
	orders->ordered.force |= force;
}

/* The last step ends the protection of a restored store: while its mark stands a force does not,
 * to the process after this one either. */
static bool write_rows(struct sweep_orders *orders, bool rebalance, bool force, struct arena *mem,
		       struct err *err)
{
	return (!rebalance || put(orders, rebalance_job, &at_first, mem, err)) &&
	       (!force || put(orders, force_job, &not_begun, mem, err)) &&
	       (!(rebalance || force) ||
		store_sync(orders->store, store_mark(orders->store), err)) &&
	       (!force || restored_clear(orders->store, err));
}

static void take_back(struct sweep_orders *orders, struct slice job, const struct slice *was,
		      struct arena *mem)
{
	struct err err;

	if (!put(orders, job, was, mem, &err))
		log_err(LOG_WARN, &err, "take an order back");
}

/* The mark may be off already, although it is not known to be. */
static void protect_again(struct sweep_orders *orders, int64_t restored_at_us)
{
	struct err err;

	if (!restored_mark(orders->store, restored_at_us, &err))
		log_err(LOG_ERROR, &err, "the mark of a restored store may be lost");
}

static bool write_order(struct sweep_orders *orders, bool rebalance, bool force, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct slice *rebalance_was, *force_was;
	int64_t restored_was;

	if (!find(orders, rebalance_job, &rebalance_was, mem, err) ||
	    !find(orders, force_job, &force_was, mem, err) ||
	    !restored_at(orders->store, &restored_was, err))
		return false;
	if (write_rows(orders, rebalance, force, mem, err))
		return true;
	if (force && restored_was > 0)
		protect_again(orders, restored_was);
	if (force)
		take_back(orders, force_job, force_was, mem);
	if (rebalance)
		take_back(orders, rebalance_job, rebalance_was, mem);
	return false;
}

bool sweep_orders_give(struct sweep_orders *orders, bool rebalance, bool force, struct err *err)
{
	bool ok;

	pthread_mutex_lock(&orders->lock);
	ok = write_order(orders, rebalance, force, err);
	if (ok)
		note(orders, rebalance, force);
	pthread_mutex_unlock(&orders->lock);
	return ok;
}

bool sweep_orders_waiting(struct sweep_orders *orders)
{
	bool waiting;

	pthread_mutex_lock(&orders->lock);
	waiting = orders->waiting;
	pthread_mutex_unlock(&orders->lock);
	return waiting;
}

/* ---- a sweep --------------------------------------------------------------------- */

/* An order that came no further than to be written down was not given. */
static bool find_force(struct sweep_orders *orders, const struct slice **out, struct arena *mem,
		       struct err *err)
{
	int64_t restored;

	if (!find(orders, force_job, out, mem, err) || !restored_at(orders->store, &restored, err))
		return false;
	if (!*out || restored == 0)
		return true;
	*out = NULL;
	return put(orders, force_job, NULL, mem, err);
}

static bool resume(struct sweep_orders *orders, struct sweep_kind *kind, const struct slice **at,
		   struct arena *mem, struct err *err)
{
	const struct slice *sweep, *rebalance, *force;

	if (!find(orders, sweep_job, &sweep, mem, err) ||
	    !find(orders, rebalance_job, &rebalance, mem, err) ||
	    !find_force(orders, &force, mem, err))
		return false;
	*at = rebalance ? rebalance : sweep;
	*kind = (struct sweep_kind){ .rebalance = rebalance != NULL,
				     .force = *at && force && force->len > 0 };
	if (force && !kind->force) /* no sweep has begun with it, or none was past its first CID */
		note(orders, kind->rebalance, true);
	return true;
}

bool sweep_orders_resume(struct sweep_orders *orders, struct sweep_kind *kind,
			 const struct slice **at, struct arena *mem, struct err *err)
{
	bool ok;

	pthread_mutex_lock(&orders->lock);
	ok = resume(orders, kind, at, mem, err);
	pthread_mutex_unlock(&orders->lock);
	return ok;
}

/* Last that the force has begun: until then all of it is still to come. */
static bool write_begin(struct sweep_orders *orders, const struct sweep_kind *kind,
			struct arena *mem, struct err *err)
{
	return put(orders, sweep_job, NULL, mem, err) &&
	       put(orders, rebalance_job, kind->rebalance ? &at_first : NULL, mem, err) &&
	       put(orders, force_job, kind->force ? &begun : NULL, mem, err);
}

bool sweep_orders_begin(struct sweep_orders *orders, struct sweep_kind *kind, bool *ordered,
			struct arena *mem, struct err *err)
{
	struct sweep_kind next;
	bool ok;

	pthread_mutex_lock(&orders->lock);
	next.rebalance = orders->ordered.rebalance || kind->rebalance;
	next.force = orders->ordered.force || kind->force;
	ok = write_begin(orders, &next, mem, err);
	if (ok) {
		*kind = next;
		*ordered = orders->waiting;
		orders->waiting = false;
		orders->ordered = (struct sweep_kind){ 0 };
	}
	pthread_mutex_unlock(&orders->lock);
	return ok;
}

bool sweep_orders_keep(struct sweep_orders *orders, const struct sweep_kind *kind, struct slice at,
		       struct arena *mem, struct err *err)
{
	bool ok;

	pthread_mutex_lock(&orders->lock);
	/* What waits begins at the first CID, and may have the same row. */
	ok = orders->waiting ||
	     put(orders, kind->rebalance ? rebalance_job : sweep_job, &at, mem, err);
	pthread_mutex_unlock(&orders->lock);
	return ok;
}

bool sweep_orders_end(struct sweep_orders *orders, const struct sweep_kind *kind, struct arena *mem,
		      struct err *err)
{
	bool ok;

	pthread_mutex_lock(&orders->lock);
	/* The rows are those of what waits: it begins now.  First the force: who finds it alone
	 * takes it for an order. */
	ok = orders->waiting ||
	     ((!kind->force || put(orders, force_job, NULL, mem, err)) &&
	      put(orders, kind->rebalance ? rebalance_job : sweep_job, NULL, mem, err));
	pthread_mutex_unlock(&orders->lock);
	return ok;
}
