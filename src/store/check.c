/*
 * check.c -- truth and derived rows of one CID compared, and put right.
 *
 * A CID's rows can be named from its facts and copies, so each is looked up: those that
 * should be there, and those that other revisions and states would give.
 */
#include "store/handle.h"

/* ---- the rows of one CID ---------------------------------------------------------------- */

struct mending {
	struct store *store;
	const struct folded_view *view;
	struct derive_now now;
	struct derivation derivation;
	struct mended *mended;
	bool late; /* what differs now was right when it was written */
	struct arena *mem;
};

static void found_wrong(struct mending *m, enum table table)
{
	if (m->late)
		m->mended->late++;
	else if (m->mended->wrong++ == 0)
		m->mended->first = table;
}

/* `is` is the row there should be; if it should not be there it names the key. */
static void mend_stored(struct mending *m, enum table table, const void *is, bool there,
			const void *stored)
{
	void *kept;

	m->mended->rows[table] += there;
	if (there ? stored && row_eq(table, stored, is) : !stored)
		return;
	found_wrong(m, table);
	kept = arena_alloc(m->mem, table_schema(table)->row_size);
	memcpy(kept, is, table_schema(table)->row_size);
	write_list_add(m->derivation.out,
		       (struct store_write){ .table = table,
					     .kind = there ? WRITE_PUT : WRITE_DELETE,
					     .version = m->derivation.version,
					     .row = kept });
}

static bool mend_row(struct mending *m, enum table table, const void *is, bool there,
		     struct err *err)
{
	const void *stored;

	if (!store_row(m->store, table, is, m->mem, &stored, err))
		return false;
	mend_stored(m, table, is, there, stored);
	return true;
}

static bool has_tag(struct slice_list list, struct slice tag, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (slice_eq(list.at[i], tag))
			return true;
	return false;
}

/* Each tag that any revision or the stored row names, once.  Of these time alone changes those of
 * a status. */
static bool mend_tags(struct mending *m, const struct owner_pin *any, struct slice_list could,
		      struct slice_list is, struct err *err)
{
	bool late = m->late, ok = true;

	for (size_t i = 0; ok && i < could.n; i++) {
		struct tag_pin row = derive_tag(any, could.at[i]);

		m->late = late && is_status_tag(could.at[i]);
		ok = has_tag(could, could.at[i], i) ||
		     mend_row(m, TABLE_TAGS_INDEX, &row, has_tag(is, could.at[i], is.n), err);
	}
	m->late = late;
	return ok;
}

static struct slice_list joined(struct slice_list a, struct slice_list b, struct arena *mem)
{
	struct slice_list all = { arena_new_array(mem, struct slice, a.n + b.n), a.n + b.n };

	if (a.n > 0)
		memcpy(all.at, a.at, a.n * sizeof(*a.at));
	if (b.n > 0)
		memcpy(all.at + a.n, b.at, b.n * sizeof(*b.at));
	return all;
}

/* Written at the version of its revision, as derive_pin_writes() does. */
static bool mend_ttl(struct mending *m, const struct ttl_row *row, bool there, struct err *err)
{
	uint64_t version = m->derivation.version;
	bool ok;

	m->derivation.version = row->rev;
	ok = mend_row(m, TABLE_PIN_TTL_QUEUE, row, there, err);
	m->derivation.version = version;
	return ok;
}

static bool mend_revisions(struct mending *m, const struct request *r, const struct owner_pin *any,
			   struct slice_list is_tags, struct err *err)
{
	const struct cid_view *view = m->view->view;

	for (size_t i = 0; i < view->n_facts; i++) {
		const struct fact *f = &view->facts[i];
		struct owner_pin row = *any;
		struct ttl_row ttl;
		bool current = r->life == REQUEST_LIVE && f->rev == r->revision->rev;

		if (f->kind != FACT_REVISION || !slice_eq(f->owner, r->create->owner) ||
		    ulid_cmp(&f->request_id, &r->create->request_id) != 0)
			continue;
		/* Of the newest the tags are looked at by the caller. */
		if (f->rev != r->revision->rev) {
			struct slice_list old = fact_index_tags(f, m->mem), gone = { NULL, 0 };

			gone.at = arena_new_array(m->mem, struct slice, old.n);
			for (size_t k = 0; k + 2 < old.n; k++) /* the last two are statuses */
				if (!has_tag(is_tags, old.at[k], is_tags.n))
					gone.at[gone.n++] = old.at[k];
			if (!mend_tags(m, any, gone, (struct slice_list){ NULL, 0 }, err))
				return false;
		}
		if (f->expires_at == 0 || (!current && m->derivation.cluster))
			continue;
		row.expires_at = f->expires_at;
		row.rev = f->rev;
		ttl = derive_ttl(&row);
		if (!mend_ttl(m, &ttl, current, err))
			return false;
	}
	return true;
}

static void mend_total(struct mending *m, const struct owner_pin *was, const struct owner_pin *is)
{
	const struct owner_pin *rows[] = { was, is };

	for (int i = 0; i < 2; i++) {
		struct owner_total *total;
		int64_t sign = i == 0 ? -1 : 1;

		if (!rows[i])
			continue;
		total = arena_new_of(m->mem, struct owner_total);
		*total = (struct owner_total){ .owner = rows[i]->owner,
					       .writer = m->derivation.writer,
					       .status = rows[i]->status,
					       .pins = sign,
					       .bytes = (int64_t)((uint64_t)sign * rows[i]->size) };
		write_list_add(m->derivation.out, (struct store_write){ .table = TABLE_OWNER_TOTALS,
									.kind = WRITE_ADD,
									.row = total });
	}
}

static bool mend_parts(struct mending *m, const struct owner_pin *row, struct slice_list tags,
		       struct err *err)
{
	struct owner_part part = { .owner = row->owner, .period = row->period };

	if (!m->derivation.cluster)
		return true;
	if (!mend_row(m, TABLE_OWNER_PARTS, &part, true, err))
		return false;
	for (size_t i = 0; i < tags.n; i++) {
		part.index = tags.at[i];
		if (!mend_row(m, TABLE_OWNER_PARTS, &part, true, err))
			return false;
	}
	return true;
}

/* Time alone changes a status, and whoever writes it may be down: was the stored row right when it
 * was written? */
static bool is_late(const struct mending *m, const struct request *r, const struct owner_pin *was)
{
	struct derive_now then = derive_at(m->store, m->view, was->changed_at, m->mem);
	struct owner_pin row = derive_owner_pin(m->view, r, &then, was);

	return row_eq(TABLE_OWNER_PINS, was, &row);
}

static bool mend_request(struct mending *m, const struct request *r, struct err *err)
{
	bool live = r->life == REQUEST_LIVE;
	struct owner_pin is = { .owner = r->create->owner,
				.period = period_of(&r->create->request_id),
				.request_id = r->create->request_id,
				.cid = m->view->view->cid };
	struct slice_list is_tags = { NULL, 0 }, could;
	const struct owner_pin *was;
	const void *stored;

	if (!store_row(m->store, TABLE_OWNER_PINS, &is, m->mem, &stored, err))
		return false;
	was = stored;
	if (live) {
		is = derive_owner_pin(m->view, r, &m->now, was);
		is_tags = row_index_tags(&is, m->mem);
	}
	m->late = live && was && !row_eq(TABLE_OWNER_PINS, was, &is) && is_late(m, r, was);
	mend_stored(m, TABLE_OWNER_PINS, &is, live, was);
	if (live ? !was || !row_eq(TABLE_OWNER_PINS, was, &is) : was != NULL)
		mend_total(m, was, live ? &is : NULL);
	could = joined(is_tags, fact_index_tags(r->revision, m->mem), m->mem);
	if (was)
		could = joined(could, row_index_tags(was, m->mem), m->mem);
	if (!mend_tags(m, &is, could, is_tags, err))
		return false;
	m->late = false;
	return mend_revisions(m, r, &is, is_tags, err) &&
	       (!live || mend_parts(m, &is, is_tags, err));
}

static bool mend_copy(struct mending *m, const struct copy *copy, struct err *err)
{
	struct peer_pin pin = derive_peer_pin(m->view, copy);
	struct peer_open open = { .peer_no = copy->peer_no, .cid = m->view->view->cid };
	bool is_open = derive_peer_open(m->view, copy, &open);

	return mend_row(m, TABLE_PINS_BY_PEER, &pin, copy->gen > 0, err) &&
	       mend_row(m, TABLE_PEER_OPEN, &open, is_open, err);
}

bool view_mend(struct store *store, const struct cid_view *view, uint32_t bucket, int64_t now_us,
	       struct write_list *out, struct mended *mended, struct err *err)
{
	struct folded_view f = view_fold(view, bucket, out->mem);
	struct mending m = { .store = store,
			     .view = &f,
			     .now = derive_at(store, &f, now_us, out->mem),
			     .derivation = { .out = out,
					     .version = f.version,
					     .writer = (uint16_t)store->options.instance,
					     .cluster = !store_serial(store) },
			     .mended = mended,
			     .mem = out->mem };

	for (size_t i = 0; i < f.n_requests; i++)
		if (!mend_request(&m, &f.requests[i], err))
			return false;
	for (size_t i = 0; i < view->n_copies; i++)
		if (!mend_copy(&m, &view->copies[i], err))
			return false;
	return true;
}

bool raise_floor(struct store *store, const struct cid_view *view, uint32_t bucket, int64_t now_us,
		 uint64_t *floor, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct write_list out = { .mem = mem };

	*floor = store_version(store, bucket, view_version(view), now_us);
	view_floor_write(view->cid, bucket, WRITE_PUT, *floor, &out);
	return store->ops->write(store->backend, out.at, out.n, err);
}

bool view_mend_loose(struct store *store, const struct cid_view *seen, uint32_t bucket,
		     int64_t now_us, struct arena *mem, struct mended *mended, struct err *err)
{
	struct cid_view view = *seen, again;
	uint64_t floor;

	for (int i = 0; i < LOOKS_MAX; i++) {
		struct write_list out = { .mem = mem };
		struct mended found = { 0 };

		if (!view_mend(store, &view, bucket, now_us, &out, &found, err))
			return false;
		if (i == 0)
			*mended = found;
		if (found.wrong + found.late == 0)
			return true;
		/* Rows that are wrong may be dated as high as the view. */
		out.n = 0;
		if (!raise_floor(store, &view, bucket, now_us, &floor, err) ||
		    !view_read(store, seen->cid, bucket, mem, &view, err) ||
		    !view_mend(store, &view, bucket, now_us, &out, &found, err) ||
		    (out.n > 0 && !store->ops->write(store->backend, out.at, out.n, err)) ||
		    !view_read(store, seen->cid, bucket, mem, &again, err))
			return false;
		if (view_same(&view, &again))
			return true;
		view = again;
	}
	return err_set(err, ERR_UNAVAILABLE, "this CID changes too fast to mend");
}

static bool mend_once(struct store *store, struct slice cid, uint32_t bucket, bool dry_run,
		      struct mended *mended, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct write_list out = { .mem = mem };
	int64_t now_us = clock_wall_us(store->options.clock);
	struct cid_view view;

	if (!view_read(store, cid, bucket, mem, &view, err))
		return false;
	if (!dry_run && !store_serial(store))
		return view_mend_loose(store, &view, bucket, now_us, mem, mended, err);
	if (!view_mend(store, &view, bucket, now_us, &out, mended, err))
		return false;
	return dry_run || out.n == 0 || store->ops->write(store->backend, out.at, out.n, err);
}

bool cid_mend(struct store *store, struct slice cid, bool dry_run, struct mended *mended,
	      struct err *err)
{
	uint32_t bucket = store_bucket(store, cid);
	bool ok;

	if (!store_serial(store))
		return mend_once(store, cid, bucket, dry_run, mended, err);
	store->ops->lock(store->backend, &bucket, 1);
	ok = mend_once(store, cid, bucket, dry_run, mended, err);
	store->ops->unlock(store->backend, &bucket, 1);
	return ok;
}

bool store_repair(struct store *store, struct slice cid, bool dry_run, size_t *wrong,
		  struct err *err)
{
	struct mended mended = { 0 };

	if (!cid_mend(store, cid, dry_run, &mended, err))
		return err_wrap(err, "repair");
	*wrong = mended.wrong;
	return true;
}

bool store_in_order(struct store *store, const struct cid_view *view, struct arena *mem,
		    bool *in_order, struct err *err)
{
	struct write_list out = { .mem = mem };
	struct mended mended = { 0 };

	*in_order = false;
	if (view->n_facts + view->n_copies == 0) /* its floor may go */
		return true;
	if (!view_mend(store, view, store_bucket(store, view->cid),
		       clock_wall_us(store->options.clock), &out, &mended, err))
		return false;
	*in_order = mended.wrong + mended.late == 0;
	return true;
}
