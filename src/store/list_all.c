/*
 * list_all.c -- live requests of all owners: those with a copy on one peer, or those that end
 * soon.  For operators.
 *
 * Two indexes lead to the requests; of each the row is read that its owner's listing shows.  A
 * page goes on behind what it looked at last, whether that was shown or not:
 *
 *	| expires_at (8) | rev (8) | request id (16) | length of CID (1) | CID | owner |
 *
 * the key columns of a row of pin_ttl_queue, or a CID of pins_by_peer and a request for it (no
 * owner: behind the CID).
 */
#include <assert.h>

#include "model/cid.h"
#include "store/filter.h"
#include "store/handle.h"

#define PLACE_HEAD 33
#define PLACE_MAX  (PLACE_HEAD + CID_MAX + OWNER_MAX)

struct place {
	int64_t expires_at;
	uint64_t rev;
	struct ulid id;
	struct slice cid, owner;
};

struct walk {
	struct store *store;
	struct row_filter filter;
	struct arena *mem;     /* of the page */
	struct arena *scratch; /* of one row of the index and its requests */
	struct peer_zone zone; /* of the peer */
	size_t budget, limit;
	uint8_t place[PLACE_MAX]; /* looked at last */
	size_t place_len;         /* 0: nothing yet */
	struct owner_pin *rows;
	size_t n, cap;
	bool more, cut;
	struct err *err;
	bool failed; /* in a visit, with *err */
};

/* ---- places ------------------------------------------------------------------------------ */

static void put_number(uint8_t *p, uint64_t x)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(x >> (56 - 8 * i));
}

static uint64_t get_number(const uint8_t *p)
{
	uint64_t x = 0;

	for (int i = 0; i < 8; i++)
		x = x << 8 | p[i];
	return x;
}

static void keep_place(struct walk *w, const struct place *at)
{
	uint8_t *p = w->place;

	assert(at->cid.len <= CID_MAX && at->owner.len <= OWNER_MAX);
	put_number(p, (uint64_t)at->expires_at);
	put_number(p + 8, at->rev);
	memcpy(p + 16, at->id.bytes, sizeof(at->id.bytes));
	p[32] = (uint8_t)at->cid.len;
	memcpy(p + PLACE_HEAD, at->cid.ptr, at->cid.len);
	if (at->owner.len > 0)
		memcpy(p + PLACE_HEAD + at->cid.len, at->owner.ptr, at->owner.len);
	w->place_len = PLACE_HEAD + at->cid.len + at->owner.len;
}

/* The cursor's hash says that a server of this store made `bytes`, but not which version of it. */
static bool place_of(struct slice bytes, struct place *out, struct err *err)
{
	size_t cid_len = bytes.len < PLACE_HEAD ? 0 : bytes.ptr[32];

	if (bytes.len < PLACE_HEAD || cid_len > CID_MAX || bytes.len - PLACE_HEAD < cid_len ||
	    bytes.len - PLACE_HEAD - cid_len > OWNER_MAX)
		return err_set(err, ERR_INVALID,
			       "the cursor is of another version: begin again without it");
	*out = (struct place){
		.expires_at = (int64_t)get_number(bytes.ptr),
		.rev = get_number(bytes.ptr + 8),
		.cid = SLICE_OF(bytes.ptr + PLACE_HEAD, cid_len),
		.owner = SLICE_OF(bytes.ptr + PLACE_HEAD + cid_len,
				  bytes.len - PLACE_HEAD - cid_len),
	};

	memcpy(out->id.bytes, bytes.ptr + 16, sizeof(out->id.bytes));
	return true;
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* Whether one more row may be looked at, which costs as much as so many.  What is left pays for
 * it, however dear: a page of any budget gets on. */
static bool spend(struct walk *w, size_t cost)
{
	w->cut = w->budget == 0;
	w->budget -= cost < w->budget ? cost : w->budget;
	return !w->cut;
}

static bool is_asked_for(const struct walk *w, const struct owner_pin *row)
{
	const struct pin_filter *f = w->filter.filter;
	bool cid = f->n_cids == 0;

	for (size_t i = 0; i < f->n_cids && !cid; i++)
		cid = slice_eq(f->cids[i], row->cid);
	return cid && row_matches(&w->filter, row, w->scratch);
}

/* Adds the row of a request, if it is asked for; false: the page is full. */
static bool offer(struct walk *w, const struct owner_pin *row)
{
	if (!is_asked_for(w, row))
		return true;
	w->more = w->n == w->limit;
	if (w->more)
		return false;
	w->rows = arena_grow(w->mem, w->rows, w->n, &w->cap, sizeof(*w->rows));
	w->rows[w->n++] = *(const struct owner_pin *)row_copy(TABLE_OWNER_PINS, row, w->mem);
	return true;
}

/* ---- by expiry --------------------------------------------------------------------------- */

static bool on_ttl(void *ctx, const void *row)
{
	const struct ttl_row *t = row;
	const struct owner_pin *pin;
	struct walk *w = ctx;

	if (!spend(w, PIN_READ_COST))
		return false;
	arena_reset(w->scratch);
	w->failed = !store_find(w->store, t->owner, t->request_id, w->scratch, &pin, w->err);
	if (w->failed)
		return false;
	/* A row of an earlier revision, or of what has ended, stays until its hour is over. */
	if (pin && pin->rev == t->rev && !offer(w, pin))
		return false;
	keep_place(w, &(struct place){ t->expires_at, t->rev, t->request_id, t->cid, t->owner });
	return true;
}

static bool walk_expiries(struct walk *w, const struct place *from, struct err *err)
{
	int64_t until = w->filter.filter->expires_before - 1;
	struct ttl_row after = { 0 };
	struct ttl_row last = { .ttl_bucket = hour_of(until), .expires_at = until };
	struct store_query query = { .table = TABLE_PIN_TTL_QUEUE, .until = &last, .n_until = 3 };

	if (from) {
		after = (struct ttl_row){ .ttl_bucket = hour_of(from->expires_at),
					  .expires_at = from->expires_at,
					  .cid = from->cid,
					  .owner = from->owner,
					  .request_id = from->id,
					  .rev = from->rev };
		query.after = &after;
		query.n_after = table_schema(TABLE_PIN_TTL_QUEUE)->n_key;
	}
	return store_read(w->store, &query, on_ttl, w, err);
}

/* ---- by peer ----------------------------------------------------------------------------- */

struct cid_look { /* at the requests for a CID that the peer has, as they are read */
	struct walk *w;
	struct view_builder one; /* the facts of one */
	bool ended;              /* by the page's limit or budget, or a failure */
};

static bool offer_request(struct walk *w, const struct fact *fact)
{
	const struct owner_pin *pin;

	w->failed = !store_find(w->store, fact->owner, fact->request_id, w->scratch, &pin, w->err);
	return !w->failed && (!pin || offer(w, pin));
}

/* The facts of one request are there. */
static bool look_at_request(struct cid_look *l)
{
	const struct fact *first = l->one.facts;
	struct walk *w = l->w;
	struct request r;
	bool counts;

	if (l->one.n_facts == 0)
		return true;
	r = request_fold(first, l->one.n_facts);
	counts = r.life == REQUEST_LIVE && request_allows(&r, &w->zone);
	l->ended = !spend(w, l->one.n_facts + (counts ? PIN_READ_COST : 0)) ||
		   (counts && !offer_request(w, first));
	if (l->ended)
		return false;
	keep_place(w, &(struct place){
			      .id = first->request_id, .cid = first->cid, .owner = first->owner });
	arena_reset(w->scratch);
	l->one = (struct view_builder){ .mem = w->scratch };
	return true;
}

static bool on_fact(void *ctx, const void *row)
{
	const struct fact *fact = &((const struct fact_row *)row)->fact;
	struct cid_look *l = ctx;

	if (l->one.n_facts > 0 &&
	    (!slice_eq(l->one.facts->owner, fact->owner) ||
	     ulid_cmp(&l->one.facts->request_id, &fact->request_id) != 0) &&
	    !look_at_request(l))
		return false;
	view_add_fact(&l->one, fact);
	return true;
}

static bool look_past(struct walk *w, struct slice cid, size_t cost)
{
	if (!spend(w, cost))
		return false;
	keep_place(w, &(struct place){ .cid = cid });
	return true;
}

/* Every request for a CID on which the peer's copy counts, behind `from`.  A CID may have any
 * number of them: they are read no further than the page goes. */
static bool look_at_cid(struct walk *w, struct slice cid, const struct place *from)
{
	struct fact_row key = { .bucket = store_bucket(w->store, cid), .fact = { .cid = cid } };
	struct fact_row behind = key;
	struct store_query query = { .table = TABLE_PINS_BY_CID, .equal = &key, .n_equal = 3 };
	struct cid_look l = { .w = w, .one = { .mem = w->scratch } };

	if (from) {
		behind.fact.owner = from->owner;
		behind.fact.request_id = from->id;
		query.after = &behind;
		query.n_after = 5;
	}
	arena_reset(w->scratch);
	if (!store_read(w->store, &query, on_fact, &l, w->err)) {
		w->failed = true;
		return false;
	}
	return !l.ended && look_at_request(&l) && look_past(w, cid, PIN_READ_COST);
}

static bool on_peer_pin(void *ctx, const void *row)
{
	const struct peer_pin *p = row;
	struct walk *w = ctx;

	return p->desired ? look_at_cid(w, p->cid, NULL) : look_past(w, p->cid, 1);
}

/* The CID among whose requests the page before ended, if the peer is still to have it. */
static bool go_on_in_cid(struct walk *w, const struct place *from, bool *more, struct err *err)
{
	const struct peer_pin *row;

	if (!store_peer_pin(w->store, w->filter.filter->peer_no, from->cid, w->mem, &row, err))
		return false;
	*more = !row || !row->desired || look_at_cid(w, from->cid, from);
	return !w->failed;
}

static bool walk_peer(struct walk *w, const struct place *from, struct err *err)
{
	struct peer_pin key = { .peer_no = w->filter.filter->peer_no };
	struct store_query query = { .table = TABLE_PINS_BY_PEER, .equal = &key, .n_equal = 1 };
	bool more = true;

	w->zone = peer_zone(store_zones(w->store, w->mem), key.peer_no);
	if (from) {
		if (from->owner.len > 0 && !go_on_in_cid(w, from, &more, err))
			return false;
		key.pb = (uint16_t)(store_bucket(w->store, from->cid) >> (BUCKET_BITS - 12));
		key.cid = from->cid;
		query.after = &key;
		query.n_after = 3;
	}
	return !more || store_read(w->store, &query, on_peer_pin, w, err);
}

/* ---- pages ------------------------------------------------------------------------------- */

static const struct slice everybody = { NULL, 0 }; /* in a cursor's hash: no owner is called so */

bool store_list_all(struct store *store, const struct pin_filter *filter, struct slice cursor,
		    size_t limit, struct arena *mem, struct pin_page *out, struct err *err)
{
	CLEANUP(arena_free) struct arena *scratch = arena_new();
	struct walk w = { .store = store,
			  .filter = row_filter(filter, mem),
			  .mem = mem,
			  .scratch = scratch,
			  .budget = store->options.scan_budget ? store->options.scan_budget
							       : PIN_SCAN_BUDGET,
			  .limit = limit,
			  .err = err };
	struct place from, *start;
	struct slice place;
	bool ok;

	assert(limit > 0 && (filter->peer_no || filter->expires_before));
	if (cursor.len > 0) {
		if (!cursor_decode(store->cluster_key, everybody, filter, cursor, mem, &place, err))
			return false;
		if (!place_of(place, &from, err))
			return false;
		keep_place(&w, &from);
	}
	start = cursor.len > 0 ? &from : NULL;
	ok = filter->peer_no ? walk_peer(&w, start, err) : walk_expiries(&w, start, err);
	if (!ok || w.failed)
		return err_wrap(err, "list pins of all owners");
	*out = (struct pin_page){ .rows = w.rows, .n = w.n, .more = w.more, .cut = w.cut };
	if (w.more || w.cut)
		out->next = cursor_encode(store->cluster_key, everybody, filter,
					  SLICE_OF(w.place, w.place_len), mem);
	return true;
}
