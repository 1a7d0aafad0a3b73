#include "store/state.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "model/cluster_pin.h"
#include "store/handle.h"
#include "store/state_entry.h"

#define BATCH_SIZE   1000
#define CHANGE_CIDS  256               /* CIDs of one change of the store */
#define BATCH_BYTES  ((size_t)4 << 20) /* of pins; memory is bounded whatever a pin holds */
#define STREAM_BYTES 65536

/* ---- reading ------------------------------------------------------------------------------ */

/* The newest live request of the owner; NULL: none. */
static const struct request *newest(struct slice owner, const struct cid_view *view,
				    struct arena *mem)
{
	const struct request *found = NULL;
	struct request *requests;
	size_t n = requests_fold(view->facts, view->n_facts, mem, &requests);

	for (size_t i = 0; i < n; i++) /* in the order of ids */
		if (requests[i].life == REQUEST_LIVE && slice_eq(requests[i].create->owner, owner))
			found = &requests[i];
	return found;
}

bool state_get(struct store *store, struct slice owner, struct slice cid, struct arena *mem,
	       struct slice *out, struct err *err)
{
	const struct request *r;
	struct cid_view view;

	if (!store_view(store, cid, mem, &view, err))
		return false;
	r = newest(owner, &view, mem);
	*out = r ? cluster_pin_bytes(r, mem) : (struct slice){ NULL, 0 };
	return true;
}

struct listing {
	struct slice owner; /* ptr NULL: all */
	struct arena *mem;  /* emptied for each CID */
	state_pin_fn *each;
	void *ctx;
};

static int by_owner(const void *a, const void *b)
{
	const struct request *x = *(const struct request *const *)a;
	const struct request *y = *(const struct request *const *)b;
	int c = slice_cmp(x->create->owner, y->create->owner);

	return c ? c : ulid_cmp(&x->create->request_id, &y->create->request_id);
}

/* The newest live request of each owner. */
static bool list_owners(struct listing *l, const struct cid_view *view)
{
	const struct request **live;
	struct request *requests;
	size_t n = requests_fold(view->facts, view->n_facts, l->mem, &requests), n_live = 0;

	live = arena_new_array(l->mem, const struct request *, n + 1);
	for (size_t i = 0; i < n; i++)
		if (requests[i].life == REQUEST_LIVE)
			live[n_live++] = &requests[i];
	if (n_live > 1)
		qsort(live, n_live, sizeof(*live), by_owner);
	for (size_t i = 0; i < n_live; i++) {
		bool last = i + 1 == n_live ||
			    !slice_eq(live[i]->create->owner, live[i + 1]->create->owner);

		if (last && !l->each(l->ctx, live[i]))
			return false;
	}
	return true;
}

static bool on_cid(void *ctx, const struct cid_view *view, struct slice position UNUSED)
{
	struct listing *l = ctx;
	const struct request *r;

	arena_reset(l->mem);
	if (!l->owner.ptr)
		return list_owners(l, view);
	r = newest(l->owner, view, l->mem);
	return !r || l->each(l->ctx, r);
}

bool state_list(struct store *store, struct slice owner, state_pin_fn *each, void *ctx,
		struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct listing listing = { owner, mem, each, ctx };

	return store_scan_cids(store, 0, 1, (struct slice){ NULL, 0 }, on_cid, &listing, err);
}

/* ---- orders ------------------------------------------------------------------------------- */

struct order {
	struct slice cid;
	struct slice pin; /* ptr NULL: remove */
	struct ulid id;   /* of the request that is made */
	int64_t created_at;
	struct slice owner;
	size_t no;
	bool changed;
};

struct state_batch {
	struct store *store;
	struct buf owner; /* of the next orders */
	struct state_batch_options options;
	struct arena *mem; /* of the orders */
	struct order *orders;
	size_t n, bytes;
	int64_t oldest_us; /* mono; of the orders */
	uint64_t mark;     /* of what was sent */
	struct state_counts counts;
	bool failed; /* something, since the last commit */
	struct err why;
};

void state_batch_of_owner(struct state_batch *b, struct slice owner)
{
	b->owner.len = 0;
	buf_add(&b->owner, owner.ptr, owner.len);
}

struct state_batch *state_batch_new(struct store *store, struct slice owner,
				    const struct state_batch_options *options)
{
	struct state_batch *b = xcalloc(1, sizeof(*b));

	b->store = store;
	state_batch_of_owner(b, owner);
	b->options = *options;
	if (b->options.size == 0)
		b->options.size = BATCH_SIZE;
	if (b->options.timeout_us == 0)
		b->options.timeout_us = US_PER_S;
	b->mem = arena_new();
	b->orders = xcalloc(b->options.size, sizeof(*b->orders));
	return b;
}

void state_batch_free(struct state_batch *b)
{
	if (!b)
		return;
	buf_free(&b->owner);
	arena_free(b->mem);
	xfree(b->orders);
	xfree(b);
}

struct state_counts state_batch_counts(const struct state_batch *batch)
{
	return batch->counts;
}

static void tell(struct state_batch *b, struct slice cid, bool taken, const struct err *err)
{
	if (!taken) {
		if (!b->failed || b->why.code == ERR_INVALID)
			b->why = *err;
		b->failed = true;
		b->counts.failed++;
	}
	if (b->options.tell)
		b->options.tell(b->options.ctx, cid, taken, err);
}

/* ---- decisions ------------------------------------------------------------------------------ */

static struct fact end_of(const struct request *r, uint64_t rev, enum end_cause cause)
{
	return (struct fact){ .owner = r->create->owner,
			      .request_id = r->create->request_id,
			      .rev = rev,
			      .kind = FACT_END,
			      .cause = (uint8_t)cause };
}

/* The two facts of a new request.  That the pin becomes facts was tried when it came. */
static void add_request(const struct order *o, uint64_t rev, struct arena *mem, struct fact out[2])
{
	struct cluster_pin pin;
	struct err err;

	out[0] = (struct fact){ .owner = o->owner,
				.request_id = o->id,
				.kind = FACT_CREATE,
				.created_at = o->created_at,
				.cid_base = o->cid.ptr[0] == 1 ? 'b' : CID_BASE_V0,
				.pin_proto = o->pin };
	out[1] = (struct fact){
		.owner = o->owner, .request_id = o->id, .rev = rev, .kind = FACT_REVISION
	};
	if (!cluster_pin_decode(o->pin, mem, &pin, &err) ||
	    !cluster_pin_facts(&pin, mem, &out[0], &out[1], &err))
		assert(!"it could be read before");
}

/* Whether the order ends this request: what is added replaces what was added alone. */
static bool ends(const struct order *o, const struct request *r)
{
	return r->life == REQUEST_LIVE && (!o->pin.ptr || r->create->pin_proto.len > 0);
}

static bool decide(void *ctx, const struct cid_view *view, int64_t now_us, struct arena *mem,
		   struct cid_change *out, struct err *err UNUSED)
{
	struct order *o = ctx;
	struct wake *wake = arena_new_of(mem, struct wake);
	const struct request *last = NULL;
	struct request *requests;
	size_t n = requests_fold(view->facts, view->n_facts, mem, &requests), n_facts = 0;
	struct fact *facts = arena_new_array(mem, struct fact, n + 2);

	for (size_t i = 0; i < n; i++) {
		const struct request *r = &requests[i];

		if (!slice_eq(r->create->owner, o->owner))
			continue;
		if (o->pin.ptr && ulid_cmp(&r->create->request_id, &o->id) == 0)
			return true; /* this is the view of what was written */
		if (!ends(o, r))
			continue;
		last = r;
		facts[n_facts] =
			end_of(r, view->next, o->pin.ptr ? END_BY_REPLACEMENT : END_BY_OWNER);
		facts[n_facts++].replaced_by = o->id;
	}
	if (o->pin.ptr && last && slice_eq(cluster_pin_bytes(last, mem), o->pin))
		return true;
	if (o->pin.ptr) {
		add_request(o, view->next, mem, facts + n_facts);
		n_facts += 2;
	}
	if (n_facts == 0)
		return true;
	o->changed = true;
	*wake = (struct wake){ .due_at = now_us, .cause = WAKE_REQUEST };
	*out = (struct cid_change){ .facts = facts, .n_facts = n_facts, .wake = wake, .n_wake = 1 };
	return true;
}

/* ---- sending -------------------------------------------------------------------------------- */

static int by_owner_and_cid(const void *a, const void *b)
{
	const struct order *x = a, *y = b;
	int c = slice_cmp(x->owner, y->owner);

	if (!c)
		c = slice_cmp(x->cid, y->cid);
	return c ? c : (x->no > y->no) - (x->no < y->no);
}

/* Leaves of each owner and CID the last order. */
static void keep_last(struct state_batch *b)
{
	size_t kept = 0;

	qsort(b->orders, b->n, sizeof(*b->orders), by_owner_and_cid);
	for (size_t i = 0; i < b->n; i++) {
		if (kept > 0 && slice_eq(b->orders[kept - 1].cid, b->orders[i].cid) &&
		    slice_eq(b->orders[kept - 1].owner, b->orders[i].owner))
			kept--;
		b->orders[kept++] = b->orders[i];
	}
	b->n = kept;
}

/* How many orders from there on may be one change: CIDs are distinct within an owner alone. */
static size_t together(const struct state_batch *b, size_t at)
{
	size_t n = 1;

	while (n < CHANGE_CIDS && at + n < b->n &&
	       slice_eq(b->orders[at].owner, b->orders[at + n].owner))
		n++;
	return n;
}

static bool change(struct state_batch *b, struct order *orders, size_t n, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct slice cids[CHANGE_CIDS];
	void *ctxs[CHANGE_CIDS];

	for (size_t i = 0; i < n; i++) {
		cids[i] = orders[i].cid;
		ctxs[i] = &orders[i];
		if (orders[i].pin.ptr &&
		    !store_new_request_id(b->store, orders[i].owner, &orders[i].id,
					  &orders[i].created_at, err))
			return false;
	}
	return store_change(b->store, cids, ctxs, n, decide, mem, err);
}

/* All or, after a failure, none of what is left. */
static bool send(struct state_batch *b, struct err *err)
{
	bool ok = true;

	keep_last(b);
	for (size_t at = 0, n; at < b->n; at += n) {
		n = together(b, at);
		ok = ok && change(b, b->orders + at, n, err);
		for (size_t i = at; i < at + n; i++) {
			if (!ok)
				tell(b, b->orders[i].cid, false, err);
			else if (b->orders[i].changed)
				b->counts.changed++;
			else
				b->counts.unchanged++;
		}
	}
	b->mark = store_mark(b->store);
	b->n = b->bytes = 0;
	arena_reset(b->mem);
	return ok;
}

static bool put(struct state_batch *b, struct slice cid, struct slice pin, struct err *err)
{
	int64_t now = clock_mono_us(b->store->options.clock);

	if (b->n == 0)
		b->oldest_us = now;
	b->orders[b->n] = (struct order){ .cid = arena_copy(b->mem, cid),
					  .owner = arena_copy(b->mem, buf_slice(&b->owner)),
					  .no = b->n };
	if (pin.ptr)
		b->orders[b->n].pin = arena_copy(b->mem, pin);
	b->n++;
	b->bytes += cid.len + pin.len + b->owner.len;
	if (b->n < b->options.size && b->bytes < BATCH_BYTES &&
	    now - b->oldest_us < b->options.timeout_us)
		return true;
	return send(b, err);
}

/* Whether it can become a request. */
static bool check(struct slice cid, struct slice bytes, struct arena *mem, struct cluster_pin *pin,
		  struct err *err)
{
	struct fact create = { .kind = FACT_CREATE }, revision = { .kind = FACT_REVISION };
	struct cid decoded;

	if (bytes.len == 0)
		return err_set(err, ERR_INVALID, "an empty pin");
	return cid_decode(cid, &decoded, err) && cid_check_pinnable(&decoded, err) &&
	       cluster_pin_decode(bytes, mem, pin, err) &&
	       cluster_pin_facts(pin, mem, &create, &revision, err);
}

/* With the CID of its key in it, as it will be read: so the same pin again is known for it. */
static bool put_renamed(struct state_batch *b, struct slice cid, struct cluster_pin *pin,
			struct err *err)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct err why;

	if (pin->cid.len > 0) {
		err_set(&why, ERR_INVALID,
			"the pin names another CID than its key; the key counts");
		tell(b, cid, true, &why);
	}
	pin->cid = cid;
	cluster_pin_encode(pin, &out);
	return put(b, cid, buf_slice(&out), err);
}

bool state_batch_add(struct state_batch *batch, struct slice cid, struct slice bytes,
		     struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct cluster_pin pin;
	struct err why;

	if (!check(cid, bytes, mem, &pin, &why)) {
		tell(batch, cid, false, &why);
		return true;
	}
	return slice_eq(pin.cid, cid) ? put(batch, cid, bytes, err)
				      : put_renamed(batch, cid, &pin, err);
}

bool state_batch_rm(struct state_batch *batch, struct slice cid, struct err *err)
{
	return put(batch, cid, (struct slice){ NULL, 0 }, err);
}

bool state_batch_commit(struct state_batch *batch, struct err *err)
{
	if (!send(batch, err) || !store_sync(batch->store, batch->mark, err))
		return false;
	if (!batch->failed)
		return true;
	batch->failed = false;
	*err = batch->why;
	return false;
}

/* ---- streams -------------------------------------------------------------------------------- */

struct marshalling {
	struct arena *mem; /* emptied for each pin */
	struct buf out;
	state_write_fn *write;
	void *ctx;
	struct err *err;
	bool ok;
};

static bool flush(struct marshalling *m)
{
	m->ok = m->write(m->ctx, buf_slice(&m->out), m->err);
	m->out.len = 0;
	return m->ok;
}

static bool on_pin(void *ctx, const struct request *r)
{
	struct marshalling *m = ctx;

	arena_reset(m->mem);
	state_entry_write(r->create->cid, cluster_pin_bytes(r, m->mem), &m->out);
	return m->out.len < STREAM_BYTES || flush(m);
}

bool state_marshal(struct store *store, struct slice owner, state_write_fn *write, void *ctx,
		   struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct marshalling m = { .mem = mem, .write = write, .ctx = ctx, .err = err, .ok = true };
	bool ok = state_list(store, owner, on_pin, &m, err) && m.ok;

	ok = ok && (m.out.len == 0 || flush(&m));
	buf_free(&m.out);
	return ok;
}

/* Adds the whole entries at the front of `in`. */
static bool take_entries(struct state_batch *batch, struct buf *in, uint64_t *passed,
			 struct err *err)
{
	struct slice rest = buf_slice(in), value;
	enum state_entry got;
	struct cid cid;
	size_t used;

	while ((got = state_entry_read(rest, &cid, &value, &used, err)) == STATE_ENTRY_WHOLE) {
		if (!state_batch_add(batch, cid_slice(&cid), value, err))
			return false;
		rest = SLICE_OF(rest.ptr + used, rest.len - used);
		*passed += used;
	}
	if (got == STATE_ENTRY_BAD)
		return err_wrap(err, "byte %llu", (unsigned long long)*passed);
	buf_drop(in, in->len - rest.len);
	return true;
}

static bool read_all(struct state_batch *batch, state_read_fn *read, void *ctx, struct err *err)
{
	CLEANUP(buf_free) struct buf in = { 0 };
	uint64_t passed = 0;
	size_t n;

	do {
		if (!read(ctx, buf_reserve(&in, STREAM_BYTES), STREAM_BYTES, &n, err))
			return false;
		in.len += n;
		if (!take_entries(batch, &in, &passed, err))
			return false;
	} while (n > 0);
	return in.len == 0 || err_set(err, ERR_INVALID, "byte %llu: the stream is cut",
				      (unsigned long long)passed);
}

bool state_unmarshal(struct state_batch *batch, state_read_fn *read, void *ctx, struct err *err)
{
	bool ok = read_all(batch, read, ctx, err);
	struct err second;

	return state_batch_commit(batch, ok ? err : &second) && ok;
}
