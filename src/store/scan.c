/*
 * scan.c -- every CID in store order, with all its rows.
 *
 * Facts and copies lie in two tables of one order; a chunk of facts is read, then the
 * copies up to where it ends, and both are merged up to the last CID that is known whole, so memory
 * is bounded by a chunk or by the largest CID.
 *
 * A position is
 *
 *	| bucket (4, big-endian) | length of CID (1) | CID | owner and id (0 or 16 + n) |
 *
 * and says: go on behind this; with an owner and an id: behind that request of the CID.
 */
#include <assert.h>

#include "base/log.h"
#include "model/cid.h"
#include "store/handle.h"

#define CHUNK_FACTS  512 /* small: who stops within a chunk has read the rest for nothing */
#define CHUNK_COPIES 2048
#define BUCKETS      (UINT32_C(1) << BUCKET_BITS)

struct place { /* a CID in store order */
	uint32_t bucket;
	struct slice cid;
};

static int place_cmp(struct place a, struct place b)
{
	if (a.bucket != b.bucket)
		return a.bucket < b.bucket ? -1 : 1;
	return slice_cmp(a.cid, b.cid);
}

/* ---- positions --------------------------------------------------------------------------- */

struct position {
	struct place place; /* empty CID: before the first of its bucket */
	struct slice owner; /* empty: behind the whole CID */
	struct ulid id;
};

static struct slice position_encode(struct place place, const struct fact *create,
				    struct arena *mem)
{
	size_t head = 5 + place.cid.len;
	size_t len = head + (create ? sizeof(create->request_id) + create->owner.len : 0);
	uint8_t *p = arena_alloc(mem, len);

	assert(place.cid.len <= UINT8_MAX);
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(place.bucket >> (24 - 8 * i));
	p[4] = (uint8_t)place.cid.len;
	memcpy(p + 5, place.cid.ptr, place.cid.len);
	if (create) {
		memcpy(p + head, &create->request_id, sizeof(create->request_id));
		memcpy(p + head + sizeof(create->request_id), create->owner.ptr, create->owner.len);
	}
	return SLICE_OF(p, len);
}

static bool position_decode(struct slice bytes, struct position *out, struct err *err)
{
	size_t cid_len = bytes.len > 5 ? bytes.ptr[4] : 0, rest;

	memset(out, 0, sizeof(*out));
	if (cid_len == 0 || bytes.len < 5 + cid_len)
		return err_set(err, ERR_INVALID, "scan position of %zu bytes makes no sense",
			       bytes.len);
	for (int i = 0; i < 4; i++)
		out->place.bucket = out->place.bucket << 8 | bytes.ptr[i];
	out->place.cid = SLICE_OF(bytes.ptr + 5, cid_len);
	rest = bytes.len - 5 - cid_len;
	if (rest == 0)
		return true;
	if (rest <= sizeof(out->id))
		return err_set(err, ERR_INVALID, "scan position of %zu bytes makes no sense",
			       bytes.len);
	memcpy(&out->id, bytes.ptr + 5 + cid_len, sizeof(out->id));
	out->owner =
		SLICE_OF(bytes.ptr + bytes.len - rest + sizeof(out->id), rest - sizeof(out->id));
	return true;
}

/* ---- chunks ------------------------------------------------------------------------------ */

struct limits { /* rows of a chunk */
	size_t facts, copies;
};
static const struct limits chunk_limits = { CHUNK_FACTS, CHUNK_COPIES };

struct chunk {
	struct arena *mem;
	struct view_builder rows;
	uint32_t *fact_buckets;     /* of rows.facts */
	struct copy_row *copy_rows; /* of rows.copies; of each only the place is used */
	size_t cap_buckets, cap_rows;
	struct limits max;
};

static bool on_fact(void *ctx, const void *row)
{
	const struct fact_row *r = row;
	struct chunk *c = ctx;

	c->fact_buckets = arena_grow(c->mem, c->fact_buckets, c->rows.n_facts, &c->cap_buckets,
				     sizeof(*c->fact_buckets));
	c->fact_buckets[c->rows.n_facts] = r->bucket;
	view_add_fact(&c->rows, &r->fact);
	return true;
}

static bool on_copy(void *ctx, const void *row)
{
	const struct copy_row *r = row;
	struct chunk *c = ctx;

	c->copy_rows = arena_grow(c->mem, c->copy_rows, c->rows.n_copies, &c->cap_rows,
				  sizeof(*c->copy_rows));
	c->copy_rows[c->rows.n_copies] =
		(struct copy_row){ .bucket = r->bucket, .cid = arena_copy(c->mem, r->cid) };
	view_add_copy(&c->rows, &r->copy);
	return true;
}

static bool chunk_read(struct store *store, struct chunk *c, struct place from, uint32_t last,
		       struct err *err)
{
	struct fact_row fact_from = { .bucket = from.bucket, .fact.cid = from.cid };
	struct copy_row copy_from = { .bucket = from.bucket, .cid = from.cid };
	struct fact_row fact_last = { .bucket = last };
	struct copy_row copy_last = { .bucket = last };
	bool whole = from.cid.len == 0; /* behind the bucket, not behind a CID of it */
	bool start = whole && from.bucket == UINT32_MAX;
	struct store_query facts = {
		.table = TABLE_PINS_BY_CID,
		.after = start ? NULL : &fact_from,
		.n_after = start   ? 0
			   : whole ? 1
				   : 3,
		.until = &fact_last,
		.n_until = 1,
		.limit = c->max.facts,
	};
	struct store_query copies = {
		.table = TABLE_PLACEMENTS_BY_CID,
		.after = start ? NULL : &copy_from,
		.n_after = start   ? 0
			   : whole ? 1
				   : 2,
		.until = &copy_last,
		.n_until = 1,
		.limit = c->max.copies,
	};

	if (!store_read(store, &facts, on_fact, c, err))
		return false;
	if (c->rows.n_facts >= c->max.facts) { /* what lies behind belongs to later chunks */
		copy_last.bucket = c->fact_buckets[c->rows.n_facts - 1];
		copy_last.cid = c->rows.facts[c->rows.n_facts - 1].cid;
		copies.n_until = 2;
	}
	return store_read(store, &copies, on_copy, c, err);
}

static struct place fact_at(const struct chunk *c, size_t i)
{
	return (struct place){ c->fact_buckets[i], c->rows.facts[i].cid };
}

static struct place copy_at(const struct chunk *c, size_t i)
{
	return (struct place){ c->copy_rows[i].bucket, c->copy_rows[i].cid };
}

/* Everything before this place is whole; false: all of the chunk is. */
static bool chunk_horizon(const struct chunk *c, struct place *out)
{
	bool cut = false;

	if (c->rows.n_facts >= c->max.facts) {
		*out = fact_at(c, c->rows.n_facts - 1);
		cut = true;
	}
	if (c->rows.n_copies >= c->max.copies) {
		struct place p = copy_at(c, c->rows.n_copies - 1);

		if (!cut || place_cmp(p, *out) < 0)
			*out = p;
		cut = true;
	}
	return cut;
}

/* ---- the scan ------------------------------------------------------------------------------ */

/* What one scan reads: behind `from`, up to the bucket `last`. */
struct span {
	struct position from;
	uint32_t last;
	struct limits read; /* of the chunk it read last */
	bool read_ends;     /* with the CID that is given: what lies behind it is not read yet */
};

typedef bool view_fn(void *ctx, const struct cid_view *view, struct place place, struct arena *mem);

struct merge {
	size_t fact, copy; /* the next of each */
	size_t views;
};

/* Where the next whole CID of a chunk is; false if there is none. */
static bool merge_place(const struct chunk *c, const struct merge *m, const struct place *horizon,
			struct place *out)
{
	bool has_fact = m->fact < c->rows.n_facts, has_copy = m->copy < c->rows.n_copies;

	if (!has_fact && !has_copy)
		return false;
	if (has_fact && (!has_copy || place_cmp(fact_at(c, m->fact), copy_at(c, m->copy)) <= 0))
		*out = fact_at(c, m->fact);
	else
		*out = copy_at(c, m->copy);
	return !horizon || place_cmp(*out, *horizon) < 0;
}

/* All rows of the CID at `place`, which is the next. */
static struct cid_view merge_next(const struct chunk *c, struct merge *m, struct place place)
{
	struct cid_view view = { .cid = place.cid,
				 .facts = c->rows.facts ? c->rows.facts + m->fact : NULL,
				 .copies = c->rows.copies ? c->rows.copies + m->copy : NULL };

	for (; m->fact < c->rows.n_facts && place_cmp(fact_at(c, m->fact), place) == 0; m->fact++)
		view.n_facts++;
	for (; m->copy < c->rows.n_copies && place_cmp(copy_at(c, m->copy), place) == 0; m->copy++)
		view.n_copies++;
	view_take_floor(&view);
	m->views++;
	return view;
}

static bool scan_views(struct store *store, struct span *span, view_fn *each, void *ctx,
		       struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new(), *one = arena_new();
	struct place from = span->from.place;
	struct slice from_cid = from.cid;
	uint8_t kept[UINT8_MAX]; /* the CID of `from` while the arena is emptied */

	span->read = chunk_limits;
	for (;;) {
		struct chunk chunk = { .mem = mem, .rows.mem = mem, .max = span->read };
		struct place horizon, place, next;
		struct merge m = { 0 };
		bool cut, more;

		arena_reset(mem);
		from.cid = arena_copy(mem, from_cid);
		if (!chunk_read(store, &chunk, from, span->last, err))
			return false;
		cut = chunk_horizon(&chunk, &horizon);
		more = merge_place(&chunk, &m, cut ? &horizon : NULL, &next);
		while (more) {
			struct cid_view view = merge_next(&chunk, &m, next);

			place = next;
			more = merge_place(&chunk, &m, cut ? &horizon : NULL, &next);
			span->read_ends = !more;
			arena_reset(one);
			if (!each(ctx, &view, place, one))
				return true;
			from = place;
		}
		if (!cut)
			return true;
		if (m.views == 0) { /* one CID is larger than a chunk */
			span->read.facts *= 2;
			span->read.copies *= 2;
			continue;
		}
		assert(from.cid.len <= sizeof(kept));
		memcpy(kept, from.cid.ptr, from.cid.len);
		from_cid = SLICE_OF(kept, from.cid.len);
		span->read = chunk_limits;
	}
}

/* The buckets of `part`; of them those behind the position `from`, if it is not empty. */
static bool span_of(unsigned part, unsigned parts, struct slice from, struct span *out,
		    struct err *err)
{
	uint32_t first = (uint32_t)((uint64_t)BUCKETS * part / parts);

	assert(part < parts && parts <= BUCKETS);
	*out = (struct span){
		.from.place.bucket = first - 1, /* wraps: before the first */
		.last = (uint32_t)((uint64_t)BUCKETS * (part + 1) / parts) - 1,
	};
	return from.len == 0 || position_decode(from, &out->from, err);
}

struct cid_scan {
	store_cid_fn *each;
	void *ctx;
};

static bool on_cid(void *ctx, const struct cid_view *view, struct place place, struct arena *mem)
{
	struct cid_scan *scan = ctx;

	return scan->each(scan->ctx, view, position_encode(place, NULL, mem));
}

bool store_scan_cids(struct store *store, unsigned part, unsigned parts, struct slice from,
		     store_cid_fn *each, void *ctx, struct err *err)
{
	struct cid_scan scan = { each, ctx };
	struct span span;

	return span_of(part, parts, from, &span, err) &&
	       scan_views(store, &span, on_cid, &scan, err);
}

/* ---- past what cannot be read --------------------------------------------------------- */

struct readable_scan {
	struct cid_scan cids;
	struct span span;       /* behind the last CID given; no CID: behind the bucket */
	uint8_t cid[UINT8_MAX]; /* of its beginning */
	bool stopped;
};

static void move_to(struct readable_scan *scan, struct place place)
{
	assert(place.cid.len <= sizeof(scan->cid));
	if (place.cid.len > 0)
		memcpy(scan->cid, place.cid.ptr, place.cid.len);
	scan->span.from.place = (struct place){ place.bucket, SLICE_OF(scan->cid, place.cid.len) };
}

static bool on_readable(void *ctx, const struct cid_view *view, struct place place,
			struct arena *mem)
{
	struct readable_scan *scan = ctx;

	scan->stopped = !on_cid(&scan->cids, view, place, mem);
	move_to(scan, place);
	return !scan->stopped;
}

/* Whether that chunk can be read as far as it does not go beyond the bucket `last`. */
static bool chunk_readable(struct store *store, const struct span *span, uint32_t last,
			   struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct chunk chunk = { .mem = mem, .rows.mem = mem, .max = span->read };

	return chunk_read(store, &chunk, span->from.place, last, err);
}

/* The first bucket from `low` on up to which the chunk that failed cannot be read. */
static bool find_unreadable(struct store *store, const struct span *span, uint32_t low,
			    uint32_t *out, struct err *err)
{
	uint32_t high = span->last;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (chunk_readable(store, span, middle, err))
			low = middle + 1;
		else if (err->code == ERR_CORRUPT)
			high = middle;
		else
			return false;
	}
	*out = low;
	return !chunk_readable(store, span, low, err) && err->code == ERR_CORRUPT;
}

/* Gives what can be read up to the bucket `last`, and goes behind it unless it was stopped.  Where
 * a chunk cannot be read, what lies before its first bucket at fault is given in the same way: in
 * smaller chunks another may turn out to be. */
static bool scan_readable(struct store *store, struct readable_scan *scan, uint32_t last,
			  struct err *err)
{
	const struct place *at = &scan->span.from.place;

	while (!scan->stopped && at->bucket + (at->cid.len == 0) <= last) {
		struct span span = scan->span;
		uint32_t first, bad;

		span.last = last;
		if (scan_views(store, &span, on_readable, scan, err))
			return true;
		if (err->code != ERR_CORRUPT)
			return false;
		span.from = scan->span.from;
		first = at->bucket + (at->cid.len == 0);
		if (!find_unreadable(store, &span, first, &bad, err))
			return false;
		log_err(LOG_ERROR, err, "a bucket is passed over");
		if (bad > first && !scan_readable(store, scan, bad - 1, err))
			return false;
		if (!scan->stopped)
			move_to(scan, (struct place){ bad, { NULL, 0 } });
	}
	return true;
}

bool store_scan_readable(struct store *store, struct slice from, store_cid_fn *each, void *ctx,
			 struct err *err)
{
	struct readable_scan scan = { .cids = { each, ctx } };

	if (!span_of(0, 1, from, &scan.span, err))
		return false;
	move_to(&scan, scan.span.from.place);
	return scan_readable(store, &scan, scan.span.last, err);
}

/* ---- pins ------------------------------------------------------------------------------ */

struct pin_scan {
	struct store *store;
	struct slice owner; /* empty: all */
	struct span span;   /* its position may lie within a CID */
	store_pin_fn *each;
	void *ctx;
	int64_t now_us;
	bool stopped;
};

static bool passed(const struct pin_scan *scan, struct place place, const struct fact *create)
{
	const struct position *p = &scan->span.from;
	int c;

	if (place_cmp(p->place, place) != 0)
		return false;
	c = slice_cmp(create->owner, p->owner);
	return c < 0 || (c == 0 && ulid_cmp(&create->request_id, &p->id) <= 0);
}

static bool is_given(const struct pin_scan *scan, struct place place, const struct request *r)
{
	return r->life == REQUEST_LIVE && !passed(scan, place, r->create) &&
	       (scan->owner.len == 0 || slice_eq(scan->owner, r->create->owner));
}

static bool on_view(void *ctx, const struct cid_view *view, struct place place, struct arena *mem)
{
	struct pin_scan *scan = ctx;
	struct folded_view f = view_fold(view, place.bucket, mem);
	struct derive_now now = derive_at(scan->store, &f, scan->now_us, mem);
	size_t n = f.n_requests;

	while (n > 0 && !is_given(scan, place, &f.requests[n - 1]))
		n--;
	for (size_t i = 0; i < n; i++) {
		const struct request *r = &f.requests[i];
		bool last = i + 1 == n; /* of the CID: the position is behind it */
		struct scanned_pin pin = { .request = r,
					   .copies = view->copies,
					   .n_copies = view->n_copies,
					   .read_ends = last && scan->span.read_ends };

		if (!is_given(scan, place, r))
			continue;
		pin.status = request_status(r, view->copies, view->n_copies, now.zones, now.now_us,
					    now.expiring_us);
		if (!scan->each(scan->ctx, &pin,
				position_encode(place, last ? NULL : r->create, mem))) {
			scan->stopped = true;
			return false;
		}
	}
	return true;
}

/* The CID that a position lies in: its other requests are still to come. */
static bool rest_of_cid(struct store *store, struct pin_scan *scan, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct place place = scan->span.from.place;
	struct cid_view view;

	if (!view_read(store, place.cid, place.bucket, mem, &view, err))
		return false;
	scan->span.read_ends = true;
	on_view(scan, &view, place, mem);
	return true;
}

bool store_scan(struct store *store, struct slice owner, unsigned part, unsigned parts,
		struct slice from, store_pin_fn *each, void *ctx, struct err *err)
{
	struct pin_scan scan = { .store = store,
				 .owner = owner,
				 .each = each,
				 .ctx = ctx,
				 .now_us = clock_wall_us(store->options.clock) };

	if (!span_of(part, parts, from, &scan.span, err))
		return false;
	if (scan.span.from.owner.len > 0 && !rest_of_cid(store, &scan, err))
		return false;
	return scan.stopped || scan_views(store, &scan.span, on_view, &scan, err);
}
