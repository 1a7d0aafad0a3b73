/*
 * change.c -- what becomes true of CIDs, with every row that follows from it.
 *
 * Where the back end can hold others off, all is decided from one read and written in one
 * batch.  Where it cannot (design rule R9):
 *
 *	read -> decide -> write the truth -> look -> if somebody else wrote above it raise the
 *	floor -> [look -> write derived rows]* until the view stays the same -> if it is not
 *	what was decided for, decide again
 */
#include <assert.h>
#include <stdlib.h>

#include "store/handle.h"

struct target { /* one CID of a change */
	struct slice cid;
	uint32_t bucket;
	void *ctx;
	struct cid_view view; /* as read */
	struct cid_change change;
	struct cid_view after; /* what it becomes */
	uint64_t version;      /* given to the decision */
	uint64_t top;          /* without lock(): the highest version that is written */
	bool settled;          /* without lock(): nothing is left to decide */
};

struct changing {
	struct store *store;
	struct target *targets;
	size_t n;
	store_decide *decide;
	struct arena *mem;
	int64_t now_us;
	bool written; /* without lock(): something may be there already */
};

static bool change_empty(const struct cid_change *c)
{
	return c->n_facts + c->n_desired + c->n_observed + c->n_forget + c->n_bury == 0;
}

static bool decide(struct changing *c, struct target *t, struct err *err)
{
	t->version = store_version(c->store, t->bucket, view_version(&t->view), c->now_us);
	t->view.next = t->version;
	memset(&t->change, 0, sizeof(t->change));
	if (!c->decide(t->ctx, &t->view, c->now_us, c->mem, &t->change, err))
		return false;
	t->after = view_apply(&t->view, &t->change, c->mem);
	return true;
}

static void wake_writes(const struct target *t, const struct wake *wakes, size_t n,
			enum write_kind kind, struct write_list *out)
{
	for (size_t i = 0; i < n; i++) {
		struct wake *row = arena_new_of(out->mem, struct wake);

		*row = wakes[i];
		row->cid = t->cid;
		row->minute = minute_of(row->due_at);
		write_list_add(
			out, (struct store_write){ .table = TABLE_WAKE, .kind = kind, .row = row });
	}
}

static bool write_all(struct store *store, const struct write_list *list, struct err *err)
{
	return list->n == 0 || store->ops->write(store->backend, list->at, list->n, err);
}

struct derive_now derive_at(struct store *store, const struct folded_view *view, int64_t now_us,
			    struct arena *mem)
{
	struct derive_now now = { .now_us = now_us, .expiring_us = store->options.expiring_us };

	for (size_t i = 0; i < view->n_requests; i++)
		if (view->requests[i].revision->zones.n > 0 ||
		    view->requests[i].revision->peer_tags.n > 0) {
			now.zones = store_zones(store, mem);
			break;
		}
	return now;
}

static bool stored_pin(struct store *store, const struct fact *create, struct arena *mem,
		       const struct owner_pin **out, struct err *err)
{
	struct owner_pin key = { .owner = create->owner,
				 .period = period_of(&create->request_id),
				 .request_id = create->request_id };
	const void *row;

	if (!store_row(store, TABLE_OWNER_PINS, &key, mem, &row, err))
		return false;
	*out = row;
	return true;
}

/* ---- with lock() ------------------------------------------------------------------------ */

enum touch { UNTOUCHED, TOUCHED, CREATED };

static enum touch touch_of(const struct cid_change *change, const struct fact *create)
{
	enum touch touch = UNTOUCHED;

	for (size_t i = 0; i < change->n_facts; i++) {
		const struct fact *f = &change->facts[i];

		if (ulid_cmp(&f->request_id, &create->request_id) != 0 ||
		    !slice_eq(f->owner, create->owner))
			continue;
		if (f->kind == FACT_CREATE)
			return CREATED;
		touch = TOUCHED;
	}
	return touch;
}

/* Whether the rows of a request can differ from those that are stored. */
static bool stale(const struct target *t, const struct request *r, enum touch touch,
		  const struct derive_now *now)
{
	const struct cid_change *c = &t->change;
	int64_t expires_at = r->revision->expires_at;

	if (touch != UNTOUCHED)
		return true;
	if (r->life != REQUEST_LIVE)
		return false;
	return c->n_desired + c->n_observed + c->n_forget > 0 || change_empty(c) ||
	       (expires_at != 0 && now->now_us >= expires_at - now->expiring_us);
}

static bool derive_request(struct changing *c, const struct target *t, struct derivation *d,
			   const struct folded_view *view, const struct request *r,
			   const struct derive_now *now, struct err *err)
{
	enum touch touch = touch_of(&t->change, r->create);
	struct slice_list was_tags = { NULL, 0 };
	const struct owner_pin *was = NULL;
	struct owner_pin is;

	if (!stale(t, r, touch, now))
		return true;
	/* An id is never used again, so of a new one nothing is stored. */
	if (touch != CREATED && !stored_pin(c->store, r->create, c->mem, &was, err))
		return false;
	if (r->life == REQUEST_LIVE)
		is = derive_owner_pin(view, r, now, was);
	else if (!was)
		return true;
	if (was)
		was_tags = row_index_tags(was, c->mem);
	derive_pin_writes(d, was, was_tags, r->life == REQUEST_LIVE ? &is : NULL);
	return true;
}

static bool derive_serial(struct changing *c, const struct target *t, struct write_list *out,
			  struct err *err)
{
	struct folded_view was = view_fold(&t->view, t->bucket, c->mem);
	struct folded_view is = view_fold(&t->after, t->bucket, c->mem);
	struct derive_now now = derive_at(c->store, &is, c->now_us, c->mem);
	struct derivation d = { .out = out,
				.version = is.version,
				.writer = (uint16_t)c->store->options.instance };

	for (size_t i = 0; i < is.n_requests; i++)
		if (!derive_request(c, t, &d, &is, &is.requests[i], &now, err))
			return false;
	derive_copy_writes(&d, &was, &is);
	return true;
}

static bool change_serial(struct changing *c, struct err *err)
{
	struct write_list out = { .mem = c->mem };

	for (size_t i = 0; i < c->n; i++) {
		struct target *t = &c->targets[i];

		if (!view_read(c->store, t->cid, t->bucket, c->mem, &t->view, err) ||
		    !decide(c, t, err))
			return false;
		wake_writes(t, t->change.wake, t->change.n_wake, WRITE_PUT, &out);
		view_truth_writes(&t->change, t->cid, t->bucket, t->version, &out);
		if (!derive_serial(c, t, &out, err))
			return false;
		wake_writes(t, t->change.woken, t->change.n_woken, WRITE_DELETE, &out);
	}
	return write_all(c->store, &out, err);
}

static bool change_locked(struct changing *c, struct err *err)
{
	uint32_t *buckets = arena_new_array(c->mem, uint32_t, c->n);
	bool ok;

	for (size_t i = 0; i < c->n; i++)
		buckets[i] = c->targets[i].bucket;
	c->store->ops->lock(c->store->backend, buckets, c->n);
	ok = change_serial(c, err);
	c->store->ops->unlock(c->store->backend, buckets, c->n);
	return ok;
}

/* ---- without lock() ---------------------------------------------------------------------- */

/* All tags that any of its facts may have put a request under. */
static struct slice_list tags_of_facts(const struct cid_view *view, const struct fact *create,
				       struct arena *mem)
{
	struct slice_list all = { NULL, 0 };
	size_t cap = 0;

	for (size_t i = 0; i < view->n_facts; i++) {
		const struct fact *f = &view->facts[i];
		struct slice_list tags, more;

		if (f->kind != FACT_REVISION || !slice_eq(f->owner, create->owner) ||
		    ulid_cmp(&f->request_id, &create->request_id) != 0)
			continue;
		tags = fact_index_tags(f, mem);
		if (all.n + tags.n > cap) {
			cap = 2 * (all.n + tags.n);
			more = (struct slice_list){ arena_new_array(mem, struct slice, cap),
						    all.n };
			if (all.n > 0)
				memcpy(more.at, all.at, all.n * sizeof(*all.at));
			all = more;
		}
		memcpy(all.at + all.n, tags.at, tags.n * sizeof(*tags.at));
		all.n += tags.n;
	}
	return all;
}

/* Writes every derived row of a view, whatever is stored. */
static bool derive_loose(struct changing *c, const struct target *t, const struct cid_view *view,
			 struct write_list *out, struct err *err)
{
	struct folded_view was = view_fold(&t->view, t->bucket, c->mem);
	struct folded_view is = view_fold(view, t->bucket, c->mem);
	struct derive_now now = derive_at(c->store, &is, c->now_us, c->mem);
	struct derivation d = { .out = out,
				.version = is.version,
				.writer = (uint16_t)c->store->options.instance,
				.cluster = true };

	for (size_t i = 0; i < is.n_requests; i++) {
		const struct request *r = &is.requests[i];
		const struct owner_pin *was_pin;
		struct owner_pin pin, gone;

		if (!stored_pin(c->store, r->create, c->mem, &was_pin, err))
			return false;
		if (r->life == REQUEST_LIVE) {
			pin = derive_owner_pin(&is, r, &now, was_pin);
			derive_pin_writes(&d, was_pin, tags_of_facts(view, r->create, c->mem),
					  &pin);
			continue;
		}
		gone = (struct owner_pin){ .owner = r->create->owner,
					   .period = period_of(&r->create->request_id),
					   .request_id = r->create->request_id,
					   .cid = t->cid };
		derive_gone_writes(&d, was_pin, &gone, tags_of_facts(view, r->create, c->mem));
	}
	derive_copy_writes(&d, &was, &is);
	return true;
}

/* The parts of a change that have a version, and the highest of those.  A creation has none:
 * without its revision nothing follows from it. */
static size_t change_parts(const struct cid_change *change, uint64_t *top)
{
	size_t n = 0;

	*top = 0;
	for (size_t i = 0; i < change->n_facts; i++) {
		n += change->facts[i].rev > 0;
		*top = change->facts[i].rev > *top ? change->facts[i].rev : *top;
	}
	for (size_t i = 0; i < change->n_desired; i++)
		*top = change->desired[i].gen > *top ? change->desired[i].gen : *top;
	for (size_t i = 0; i < change->n_observed; i++)
		*top = change->observed[i].stamp > *top ? change->observed[i].stamp : *top;
	return n + change->n_desired + change->n_observed;
}

/* One part above all others dates the new view itself.  Else the floor does, as the last
 * thing that is written: whoever sees it sees all of the change. */
static void write_truth(struct changing *c, struct target *t, struct write_list *out)
{
	size_t n = change_parts(&t->change, &t->top);
	uint64_t before = view_version(&t->view);

	view_truth_writes(&t->change, t->cid, t->bucket, t->version, out);
	if (n == 1 && t->change.n_forget + t->change.n_bury == 0 && t->top > before)
		return;
	t->top = store_version(c->store, t->bucket, t->top > before ? t->top : before, c->now_us);
	view_floor_write(t->cid, t->bucket, WRITE_PUT, t->top, out);
}

/* Nothing is left of the CID but its floor, and that is old. */
static bool floor_outlived(const struct target *t, int64_t now_us)
{
	return t->view.floor > 0 && t->view.n_facts + t->view.n_copies == 0 &&
	       now_us > FLOOR_KEPT_US && t->view.floor < (uint64_t)(now_us - FLOOR_KEPT_US);
}

/* Nothing was written: derived rows that somebody left wrong are put right. */
static bool look_only(struct changing *c, struct target *t, struct err *err)
{
	struct write_list out = { .mem = c->mem };
	struct mended mended = { 0 };

	if (floor_outlived(t, c->now_us))
		view_floor_write(t->cid, t->bucket, WRITE_DELETE, t->view.floor, &out);
	return view_mend_loose(c->store, &t->view, t->bucket, c->now_us, c->mem, &mended, err) &&
	       write_all(c->store, &out, err);
}

/* Derives from what is there until that stays the same; then *t is settled if that is what
 * was decided for. */
static bool look_again(struct changing *c, struct target *t, struct err *err)
{
	struct cid_view seen, again;
	uint64_t floor;

	if (!view_read(c->store, t->cid, t->bucket, c->mem, &seen, err))
		return false;
	/* Who wrote above us may have looked before we wrote: his rows lack what is ours.
	 * What is above the new floor came after this look, so its writer sees ours. */
	if (!view_topped_by(&seen, t->top) &&
	    (!raise_floor(c->store, &seen, t->bucket, c->now_us, &floor, err) ||
	     !view_read(c->store, t->cid, t->bucket, c->mem, &seen, err)))
		return false;
	for (int i = 0; i < LOOKS_MAX; i++) {
		struct write_list out = { .mem = c->mem };

		if (!derive_loose(c, t, &seen, &out, err) || !write_all(c->store, &out, err) ||
		    !view_read(c->store, t->cid, t->bucket, c->mem, &again, err))
			return false;
		if (view_same(&seen, &again)) {
			t->settled = view_same(&again, &t->after);
			return true;
		}
		seen = again;
	}
	return err_set(err, ERR_UNAVAILABLE, "this CID changes too fast to follow");
}

static bool change_round(struct changing *c, struct err *err)
{
	struct write_list out = { .mem = c->mem };

	for (size_t i = 0; i < c->n; i++) {
		struct target *t = &c->targets[i];

		if (t->settled)
			continue;
		if (!view_read(c->store, t->cid, t->bucket, c->mem, &t->view, err) ||
		    !decide(c, t, err))
			return false;
		wake_writes(t, t->change.wake, t->change.n_wake, WRITE_PUT, &out);
		if (!change_empty(&t->change))
			write_truth(c, t, &out);
	}
	c->written |= out.n > 0;
	if (!write_all(c->store, &out, err))
		return false;
	for (size_t i = 0; i < c->n; i++) {
		struct target *t = &c->targets[i];

		if (t->settled)
			continue;
		t->settled = change_empty(&t->change);
		if (t->settled ? !look_only(c, t, err) : !look_again(c, t, err))
			return false;
	}
	return true;
}

static bool all_settled(const struct changing *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (!c->targets[i].settled)
			return false;
	return true;
}

static bool change_loose(struct changing *c, struct err *err)
{
	struct write_list woken = { .mem = c->mem };

	for (int i = 0; !all_settled(c); i++) {
		if (i == LOOKS_MAX)
			return err_set(err, ERR_UNAVAILABLE, "others change this CID too fast");
		if (!change_round(c, err))
			return false;
	}
	for (size_t i = 0; i < c->n; i++)
		wake_writes(&c->targets[i], c->targets[i].change.woken,
			    c->targets[i].change.n_woken, WRITE_DELETE, &woken);
	return write_all(c->store, &woken, err);
}

/* ---- both ----------------------------------------------------------------------------------- */

bool store_change(struct store *store, const struct slice *cids, void *const *ctxs, size_t n,
		  store_decide *decide_fn, struct arena *mem, struct err *err)
{
	struct changing c = { .store = store,
			      .targets = arena_new_array(mem, struct target, n),
			      .n = n,
			      .decide = decide_fn,
			      .mem = mem,
			      .now_us = clock_wall_us(store->options.clock) };

	for (size_t i = 0; i < n; i++)
		c.targets[i] = (struct target){ .cid = cids[i],
						.bucket = store_bucket(store, cids[i]),
						.ctx = ctxs[i] };
	if (store_serial(store))
		return change_locked(&c, err);
	if (change_loose(&c, err))
		return true;
	/* Nothing takes back what the writes before the one that failed have done. */
	if (c.written && err->code == ERR_UNAVAILABLE)
		err->code = ERR_TIMEOUT;
	return false;
}

bool store_view(struct store *store, struct slice cid, struct arena *mem, struct cid_view *out,
		struct err *err)
{
	struct slice kept = arena_copy(mem, cid);

	return view_read(store, kept, store_bucket(store, cid), mem, out, err);
}

bool store_copies(struct store *store, struct slice cid, struct arena *mem, struct cid_view *out,
		  struct err *err)
{
	struct slice kept = arena_copy(mem, cid);

	return view_read_copies(store, kept, store_bucket(store, cid), mem, out, err);
}
