/*
 * list.c -- one owner's live requests, newest first.
 *
 * Rows come from one of three sources, all in the order of ids, newest first: the owner's
 * rows, the rows under one tag of tags_index, or the requests of a few CIDs.  Each row goes
 * through the whole filter, so the choice of a source changes the cost alone.
 *
 * `created` is the time in the id (store_new_request_id()), so `before` and `after` bound
 * the ids that are read.
 */
#include <assert.h>
#include <stdlib.h>

#include "store/filter.h"
#include "store/handle.h"
#include "store/shown.h"

#define TAG_PAGE 256

typedef bool row_visit(void *ctx, const struct owner_pin *row); /* false: enough */

struct listing {
	struct store *store;
	struct slice owner;
	struct row_filter filter;
	struct arena *mem;
	struct arena *scratch; /* emptied for each row */
	bool bounded;          /* only ids below `below` */
	struct ulid below;
	size_t budget;    /* rows that may still be read */
	struct ulid last; /* the row that was read last */
	bool cut;         /* the budget is used up */
	row_visit *visit;
	void *ctx;
	struct peer_zones zones; /* where `peer_no` is asked for */
	struct err *err;
	bool failed; /* in a visit, with *err */
};

static void charge(struct listing *l, size_t rows)
{
	l->budget -= rows < l->budget ? rows : l->budget;
}

/* Does one of the copies that its owner is shown lie there? */
static bool on_peer(struct listing *l, const struct owner_pin *row, uint32_t peer_no)
{
	const struct cid_view *shown;
	struct cid_view view;

	l->failed = !store_copies(l->store, row->cid, l->scratch, &view, l->err);
	if (l->failed)
		return false;
	charge(l, PIN_READ_COST + view.n_copies);
	shown = shown_view(row, &view, l->zones, l->scratch);
	for (size_t i = 0; i < shown->n_copies; i++)
		if (shown->copies[i].peer_no == peer_no)
			return true;
	return false;
}

static bool matches(struct listing *l, const struct owner_pin *row)
{
	uint32_t peer_no = l->filter.filter->peer_no;

	return row_matches(&l->filter, row, l->scratch) && (!peer_no || on_peer(l, row, peer_no));
}

/* Whether the rows behind this one are wanted too. */
static bool offer(struct listing *l, const struct owner_pin *row)
{
	int64_t after = l->filter.filter->after;

	if (after != 0 && ulid_us(&row->request_id) < after)
		return false;
	if (l->budget == 0) {
		l->cut = true;
		return false;
	}
	l->budget--;
	l->last = row->request_id;
	arena_reset(l->scratch);
	if (matches(l, row))
		return l->visit(l->ctx, row);
	return !l->failed;
}

/* ---- sources ---------------------------------------------------------------------------- */

static bool on_owner_row(void *ctx, const void *row)
{
	return offer(ctx, row);
}

static bool list_owner(struct listing *l, struct err *err)
{
	struct owner_pin key = { .owner = l->owner };
	struct store_query query = { .table = TABLE_OWNER_PINS, .equal = &key, .n_equal = 1 };

	if (l->bounded) {
		key.period = period_of(&l->below);
		key.request_id = l->below;
		query.after = &key;
		query.n_after = 4;
	}
	return store_read(l->store, &query, on_owner_row, l, err);
}

/* Offers the rows of some ids; *more is false when enough was seen. */
static bool offer_ids(struct listing *l, const struct ulid *ids, size_t n, bool *more,
		      struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();

	for (size_t i = 0; i < n && *more; i++) {
		const struct owner_pin *row;

		arena_reset(mem);
		if (!store_find(l->store, l->owner, ids[i], mem, &row, err))
			return false;
		*more = !row || offer(l, row);
	}
	return true;
}

struct id_page {
	struct ulid ids[TAG_PAGE];
	size_t n;
};

static bool on_tag_row(void *ctx, const void *row)
{
	struct id_page *page = ctx;

	page->ids[page->n++] = ((const struct tag_pin *)row)->request_id;
	return true;
}

static bool list_tag(struct listing *l, struct slice tag, struct err *err)
{
	struct tag_pin key = { .owner = l->owner, .tag = tag };
	struct store_query query = {
		.table = TABLE_TAGS_INDEX, .equal = &key, .n_equal = 2, .limit = TAG_PAGE
	};
	struct id_page page;
	bool more = true;

	if (l->bounded) {
		key.request_id = l->below;
		key.period = period_of(&l->below);
		query.after = &key;
		query.n_after = 4;
	}
	do {
		page.n = 0;
		if (!store_read(l->store, &query, on_tag_row, &page, err) ||
		    !offer_ids(l, page.ids, page.n, &more, err))
			return false;
		if (page.n > 0) {
			key.request_id = page.ids[page.n - 1];
			key.period = period_of(&key.request_id);
			query.after = &key;
			query.n_after = 4;
		}
	} while (more && page.n == TAG_PAGE);
	return true;
}

static int newest_first(const void *a, const void *b)
{
	return ulid_cmp(b, a);
}

static bool list_cids(struct listing *l, struct err *err)
{
	const struct pin_filter *f = l->filter.filter;
	struct view_builder facts = { .mem = l->mem };
	struct request *requests;
	struct ulid *ids;
	size_t n, n_ids = 0;
	bool more = true;

	for (size_t i = 0; i < f->n_cids; i++)
		if (!view_add_facts(l->store, f->cids[i], store_bucket(l->store, f->cids[i]),
				    l->owner, &facts, err))
			return false;
	n = requests_fold(facts.facts, facts.n_facts, l->mem, &requests);
	ids = arena_new_array(l->mem, struct ulid, n);
	for (size_t i = 0; i < n; i++) {
		struct ulid id = requests[i].create->request_id;

		if (requests[i].life == REQUEST_LIVE &&
		    !(l->bounded && ulid_cmp(&id, &l->below) >= 0))
			ids[n_ids++] = id;
	}
	if (n_ids > 0)
		qsort(ids, n_ids, sizeof(*ids), newest_first);
	return offer_ids(l, ids, n_ids, &more, err);
}

static void bound(struct listing *l, struct ulid id)
{
	if (!l->bounded || ulid_cmp(&id, &l->below) < 0)
		l->below = id;
	l->bounded = true;
}

/* The lowest id of a time: those made then and later are not below it. */
static struct ulid lowest_id(int64_t us)
{
	static const uint8_t zero[8];
	int64_t ms = us / US_PER_MS;

	if (us <= 0)
		return (struct ulid){ { 0 } };
	return ms > ULID_MS_MAX ? ulid_make(ULID_MS_MAX, 999, 0, zero)
				: ulid_make(ms, (unsigned)(us % US_PER_MS), 0, zero);
}

/* Whether the owner has pins of any of `statuses` at all, where the totals tell it exactly: else
 * all rows of an owner were read to find none. */
static bool has_status(struct store *store, struct slice owner, unsigned statuses, bool *out,
		       struct err *err)
{
	struct owner_usage usage;

	*out = statuses == 0 || !store_serial(store);
	if (*out)
		return true;
	if (!store_usage(store, owner, &usage, err))
		return false;
	for (unsigned s = 0; s < STATUS_COUNT; s++)
		*out |= (statuses >> s & 1) && usage.pins[s] > 0;
	return true;
}

static bool list_from(struct listing *l, struct err *err)
{
	const struct pin_filter *filter = l->filter.filter;
	struct slice tag;
	bool there;

	if (filter->n_cids > 0)
		return list_cids(l, err);
	tag = row_filter_tag(&l->filter, l->mem);
	if (tag.len > 0)
		return list_tag(l, tag, err);
	return has_status(l->store, l->owner, filter->statuses, &there, err) &&
	       (!there || list_owner(l, err));
}

static bool list_rows(struct store *store, struct slice owner, const struct pin_filter *filter,
		      const struct ulid *below, struct arena *mem, row_visit *visit, void *ctx,
		      struct listing *l, struct err *err)
{
	CLEANUP(arena_free) struct arena *scratch = arena_new();

	*l = (struct listing){ .store = store,
			       .owner = owner,
			       .filter = row_filter(filter, mem),
			       .mem = mem,
			       .scratch = scratch,
			       .budget = store->options.scan_budget ? store->options.scan_budget
								    : PIN_SCAN_BUDGET,
			       .visit = visit,
			       .ctx = ctx,
			       .err = err };
	if (filter->peer_no)
		l->zones = store_zones(store, mem);
	if (below)
		bound(l, *below);
	if (filter->before != 0)
		bound(l, lowest_id(filter->before));
	return list_from(l, err) && !l->failed;
}

/* ---- pages -------------------------------------------------------------------------------- */

struct page_builder {
	struct arena *mem;
	struct owner_pin *rows;
	size_t n, cap, limit;
	bool whole_ms; /* ends between two milliseconds if it can */
	bool more;
};

static int64_t ms_of(const struct owner_pin *row)
{
	return row->created_at / US_PER_MS;
}

static void page_add(struct page_builder *p, const struct owner_pin *row)
{
	p->rows = arena_grow(p->mem, p->rows, p->n, &p->cap, sizeof(*p->rows));
	p->rows[p->n++] = *(const struct owner_pin *)row_copy(TABLE_OWNER_PINS, row, p->mem);
}

/* The page is full and this row comes next. */
static bool page_end(struct page_builder *p, const struct owner_pin *row)
{
	size_t first = p->n;

	p->more = true;
	while (p->whole_ms && first > 0 && ms_of(&p->rows[first - 1]) == ms_of(row))
		first--;
	if (first > 0)
		p->n = first; /* the whole group comes with the next page */
	return false;
}

static bool page_visit(void *ctx, const struct owner_pin *row)
{
	struct page_builder *p = ctx;

	if (p->n >= p->limit)
		return page_end(p, row);
	page_add(p, row);
	return true;
}

static bool read_page(struct store *store, struct slice owner, const struct pin_filter *filter,
		      const struct ulid *below, struct page_builder *page, struct pin_page *out,
		      struct err *err)
{
	struct listing l;
	struct ulid last;

	assert(page->limit > 0);
	if (!list_rows(store, owner, filter, below, page->mem, page_visit, page, &l, err))
		return err_wrap(err, "list pins of %.*s", SLICE_FMT(owner));
	*out = (struct pin_page){
		.rows = page->rows, .n = page->n, .more = page->more, .cut = l.cut
	};
	if (!page->more && !l.cut)
		return true;
	last = page->more ? page->rows[page->n - 1].request_id : l.last;
	out->next = cursor_encode(store->cluster_key, owner, filter,
				  SLICE_OF(last.bytes, sizeof(last.bytes)), page->mem);
	return true;
}

bool store_list(struct store *store, struct slice owner, const struct pin_filter *filter,
		struct slice cursor, size_t limit, struct arena *mem, struct pin_page *out,
		struct err *err)
{
	struct page_builder page = { .mem = mem, .limit = limit };
	struct ulid below;
	struct slice place;

	if (cursor.len > 0) {
		if (!cursor_decode(store->cluster_key, owner, filter, cursor, mem, &place, err))
			return false;
		if (place.len != sizeof(below.bytes))
			return err_set(err, ERR_INVALID,
				       "the cursor is of another version: begin again without it");
		memcpy(below.bytes, place.ptr, sizeof(below.bytes));
	}
	return read_page(store, owner, filter, cursor.len > 0 ? &below : NULL, &page, out, err);
}

bool store_list_by_time(struct store *store, struct slice owner, const struct pin_filter *filter,
			size_t limit, struct arena *mem, struct pin_page *out, struct err *err)
{
	struct page_builder page = { .mem = mem, .limit = limit, .whole_ms = true };

	return read_page(store, owner, filter, NULL, &page, out, err);
}

/* ---- counts ---------------------------------------------------------------------------------- */

struct counter {
	size_t n, at_most;
};

static bool count_visit(void *ctx, const struct owner_pin *row UNUSED)
{
	struct counter *c = ctx;

	return ++c->n <= c->at_most;
}

static bool only_statuses(const struct pin_filter *f)
{
	return f->n_cids == 0 && !f->name.ptr && f->before == 0 && f->after == 0 &&
	       f->meta.n == 0 && f->tags.n == 0 && f->expires_before == 0 && f->peer_no == 0;
}

static bool count_totals(struct store *store, struct slice owner, unsigned statuses, size_t at_most,
			 size_t *out, struct err *err)
{
	struct owner_usage usage;
	uint64_t n = 0;

	if (!store_usage(store, owner, &usage, err))
		return false;
	for (unsigned s = 0; s < STATUS_COUNT; s++)
		if (statuses == 0 || statuses & 1u << s)
			n += usage.pins[s];
	*out = n > at_most ? at_most + 1 : (size_t)n;
	return true;
}

bool store_count(struct store *store, struct slice owner, const struct pin_filter *filter,
		 size_t at_most, size_t *out, bool *cut, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct counter counter = { .at_most = at_most };
	struct listing l;

	*cut = false;
	if (store_serial(store) && only_statuses(filter))
		return count_totals(store, owner, filter->statuses, at_most, out, err);
	if (!list_rows(store, owner, filter, NULL, mem, count_visit, &counter, &l, err))
		return err_wrap(err, "count pins of %.*s", SLICE_FMT(owner));
	*out = counter.n;
	*cut = l.cut;
	return true;
}
