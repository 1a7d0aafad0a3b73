#include "role/reconciler.h"

#include <assert.h>
#include <endian.h>
#include <pthread.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "reconcile/reserve.h"
#include "role/batch.h"
#include "role/op_log.h"
#include "role/sweep_orders.h"
#include "role/swept.h"
#include "role/walk.h"
#include "role/wanted.h"

#define PUT_OFF_LOOK_US (10 * US_PER_MS)
#define KEEP_US         US_PER_MIN /* between two times that the totals are kept */

struct known_peer {
	uint32_t peer_no;
	enum peer_health health;
	enum place_wish wish;
	bool unsure; /* it was dead before this process looked */
	bool full;
	uint32_t place; /* a hash of its zone and tags */
};

struct reconciler {
	struct reconciler_options options;
	struct replanner *replanner;
	struct arena *mem; /* of one step */
	/* peers */
	struct known_peer *known;
	size_t n_known;
	int64_t peers_at; /* mono */
	struct walks *walks;
	/* sweep */
	struct orphan_walk *orphans;
	struct sweep_orders *orders;
	bool sweeping, resumed;
	struct sweep_kind kind; /* of the running sweep; none runs: all false */
	bool sweep_again;       /* a peer came, too late for a part of the sweep or for all of it */
	struct buf again_to;    /* the end of that part; empty: all */
	struct buf stop;        /* where the running one ends; empty: at the last CID */
	bool from_first;        /* to the last CID, by this process: its totals are whole */
	struct sweep_totals totals;
	struct buf position;
	int64_t sweep_at; /* mono; the next sweep */
	int64_t pace_at;  /* mono; the next batch of the running one */
	int64_t keep_at;  /* mono; of the totals */
	/* idempotency keys, after a sweep */
	bool sweeping_keys;
	struct arena *keys_mem[2]; /* the row that ends one page is kept for the next */
	unsigned keys_page;
	const void *keys_after;
	/* shared with other threads */
	pthread_mutex_t lock;
	struct reconciler_state state;
	struct copy_counts behind; /* what changed where the running sweep has counted before */
	uint64_t counted;          /* buckets below this it has counted */
	struct copy_counts behind_page; /* the same of the page that it is at: that is read again */
	uint64_t counting;              /* if it fails; up to this bucket */
	bool changed;                   /* totals that are not kept yet */
};

struct reconciler *reconciler_new(const struct reconciler_options *options)
{
	struct reconciler *r = xcalloc(1, sizeof(*r));

	r->options = *options;
	r->replanner = replanner_new(&options->replan);
	r->walks = walks_new(options->replan.store, r->replanner, options->batch_max);
	r->orphans = orphan_walk_new(options->replan.store);
	r->orders = sweep_orders_new(options->replan.store);
	r->mem = arena_new();
	r->keys_mem[0] = arena_new();
	r->keys_mem[1] = arena_new();
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

void reconciler_free(struct reconciler *r)
{
	if (!r)
		return;
	walks_free(r->walks);
	orphan_walk_free(r->orphans);
	sweep_orders_free(r->orders);
	xfree(r->known);
	buf_free(&r->position);
	buf_free(&r->again_to);
	buf_free(&r->stop);
	replanner_free(r->replanner);
	arena_free(r->keys_mem[0]);
	arena_free(r->keys_mem[1]);
	arena_free(r->mem);
	pthread_mutex_destroy(&r->lock);
	xfree(r);
}

void reconciler_state(struct reconciler *r, struct reconciler_state *out)
{
	pthread_mutex_lock(&r->lock);
	*out = r->state;
	pthread_mutex_unlock(&r->lock);
}

/* What is counted is what was met, in passing: it may be off by what changed just then. */
static uint64_t changed_by(uint64_t count, int64_t by)
{
	return by < 0 && (uint64_t)-by > count ? 0 : count + (uint64_t)by;
}

static void change_totals(struct sweep_totals *totals, const struct copy_counts *by)
{
	totals->desired = changed_by(totals->desired, by->desired);
	totals->actual = changed_by(totals->actual, by->actual);
	totals->missing = changed_by(totals->missing, by->missing);
	totals->surplus = changed_by(totals->surplus, by->surplus);
}

static void add_counts(struct copy_counts *to, const struct copy_counts *more)
{
	to->desired += more->desired;
	to->actual += more->actual;
	to->missing += more->missing;
	to->surplus += more->surplus;
}

void reconciler_note_copies(struct reconciler *r, struct slice cid,
			    const struct copy_counts *change)
{
	uint32_t bucket = store_bucket(r->options.replan.store, cid);

	pthread_mutex_lock(&r->lock);
	change_totals(&r->state.totals, change);
	r->changed = true;
	if (bucket < r->counted)
		add_counts(&r->behind, change);
	else if (bucket < r->counting)
		add_counts(&r->behind_page, change);
	pthread_mutex_unlock(&r->lock);
}

/* Now and then: what is lost of it the next sweep finds. */
static void keep_totals(struct reconciler *r)
{
	struct clock *clock = r->options.replan.clock;
	struct reconciler_state state;
	struct err err;
	bool changed;

	if (clock_mono_us(clock) < r->keep_at)
		return;
	pthread_mutex_lock(&r->lock);
	state = r->state;
	changed = r->changed;
	r->changed = false;
	pthread_mutex_unlock(&r->lock);
	if (!changed)
		return;
	r->keep_at = clock_mono_us(clock) + KEEP_US;
	if (swept_keep(r->options.replan.store, &state.totals, state.swept_at, r->mem, &err))
		return;
	log_err(LOG_WARN, &err, "keep what was counted");
	pthread_mutex_lock(&r->lock);
	r->changed = true;
	pthread_mutex_unlock(&r->lock);
}

bool reconciler_order_sweep(struct reconciler *r, bool rebalance, bool force, struct err *err)
{
	return sweep_orders_give(r->orders, rebalance, force, err);
}

/* ---- reports ------------------------------------------------------------------ */

/* A report that is lost is asked for again (R10). */
static void collect(void *ctx, const struct bus_msg *msg)
{
	struct copy half = msg->copy;

	half.peer_no = msg->peer_no;
	half.gen = 0; /* the desired half is not the worker's to tell */
	half.desired = false;
	batch_add_observed(ctx, msg->cid, &half);
}

static bool take_reports(struct reconciler *r, size_t *n, struct err *err)
{
	struct batch *batch = batch_new(r->mem);
	const struct replan_item *items;
	size_t n_items;

	if (!bus_take(r->options.replan.bus, BUS_PIN_STATUS, 0, r->options.batch_max, collect,
		      batch, n, err))
		return false;
	items = batch_items(batch, &n_items);
	if (!replan(r->replanner, items, n_items, err))
		return false;
	pthread_mutex_lock(&r->lock);
	r->state.reports += *n;
	pthread_mutex_unlock(&r->lock);
	return true;
}

/* ---- peers -------------------------------------------------------------------- */

/* Changes that can move a copy: to or from DEAD, and any wish. */
static bool matters(const struct known_peer *before, const struct known_peer *now)
{
	return (before->health == HEALTH_DEAD) != (now->health == HEALTH_DEAD) ||
	       before->wish != now->wish;
}

#define FULL_BELOW 1  /* copies of the usual size that a peer has room for */
#define ROOM_FROM  16 /* of one that was full: it is not to be told of each time one goes */

static bool is_full(const struct reconciler *r, const struct place_peer *peer, bool was_full)
{
	return reserve_is_full(peer, r->options.replan.policy->reconcile.keep_free_bytes,
			       was_full ? ROOM_FROM : FULL_BELOW);
}

static uint32_t hash(uint32_t h, struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		h = (h ^ text.ptr[i]) * 16777619U;
	return (h ^ ',') * 16777619U;
}

static uint32_t place_of(const struct place_peer *peer)
{
	uint32_t h = hash(2166136261U, peer->zone); /* FNV-1a */

	for (size_t i = 0; i < peer->tags.n; i++)
		h = hash(h, peer->tags.at[i]);
	return h;
}

static struct known_peer know(const struct reconciler *r, const struct known_peer *before,
			      const struct place_peer *peer, bool unsure)
{
	return (struct known_peer){ .peer_no = peer->peer_no,
				    .health = peer->health,
				    .wish = peer->wish,
				    .unsure = unsure,
				    .full = is_full(r, peer, before && before->full),
				    .place = place_of(peer) };
}

/* It was passed over for so long that nobody waits for it any more, or is in another zone or
 * has other tags now: what is wanted everywhere, or had too few peers, is found by looking at
 * everything. */
static bool is_back(const struct known_peer *before, const struct known_peer *now)
{
	bool was_gone = before->health == HEALTH_DEAD || before->unsure;

	return (was_gone && now->health == HEALTH_UP) || (before->full && !now->full) ||
	       (before->wish != PLACE_ACTIVE && now->wish == PLACE_ACTIVE) ||
	       before->place != now->place;
}

/* What the running sweep looks at from now on it looks at with that peer: only what it has looked
 * at before is to be swept again. */
static void sweep_again(struct reconciler *r)
{
	r->stop.len = r->again_to.len = 0;
	if (r->sweeping)
		buf_add_slice(&r->again_to, buf_slice(&r->position));
	r->sweep_again |= !r->sweeping || r->again_to.len > 0;
}

static void note_peer(struct reconciler *r, const struct known_peer *before,
		      const struct known_peer *now, bool first)
{
	/* A new peer may be what pins "everywhere" and unfilled ones wait for. */
	bool sweep = before ? is_back(before, now) : !first;
	/* The others may have changed while nobody ran. */
	bool walk = before ? matters(before, now)
			   : first && (now->health == HEALTH_DEAD || now->wish != PLACE_ACTIVE);

	if (sweep || walk)
		replanner_forget_peers(r->replanner);
	if (walk)
		walks_start(r->walks, now->peer_no);
	if (sweep)
		sweep_again(r);
}

static bool look_at_peers(struct reconciler *r, struct err *err)
{
	struct replan_options *o = &r->options.replan;
	struct known_peer *known;
	struct peers peers;
	bool first = r->peers_at == 0;
	size_t k = 0;

	if (clock_mono_us(o->clock) < r->peers_at)
		return true;
	if (!peers_load(o->store, o->watch, r->mem, &peers, err))
		return false;
	r->peers_at = clock_mono_us(o->clock) + r->options.peers_us;
	known = xcalloc(peers.n + 1, sizeof(known[0]));
	for (size_t i = 0; i < peers.n; i++) {
		const struct place_peer *now = &peers.at[i];
		const struct known_peer *before = NULL;

		while (k < r->n_known && r->known[k].peer_no < now->peer_no)
			k++;
		if (k < r->n_known && r->known[k].peer_no == now->peer_no)
			before = &r->known[k];
		known[i] = know(r, before, now, peers.unsure[i]);
		note_peer(r, before, &known[i], first);
	}
	xfree(r->known);
	r->known = known;
	r->n_known = peers.n;
	return true;
}

/* ---- sweep -------------------------------------------------------------------- */

/* The sweep that runs from now on. */
static void set_kind(struct reconciler *r, const struct sweep_kind *kind)
{
	r->kind = *kind;
	replanner_rebalance(r->replanner, kind->rebalance);
	replanner_force(r->replanner, kind->force);
}

/* Goes on where the process before this one was. */
static bool resume(struct reconciler *r, struct err *err)
{
	struct sweep_totals totals = { 0 };
	int64_t swept_at = 0;
	struct sweep_kind kind;
	const struct slice *at;

	if (!swept_find(r->options.replan.store, &totals, &swept_at, r->mem, err) ||
	    !sweep_orders_resume(r->orders, &kind, &at, r->mem, err))
		return false;
	pthread_mutex_lock(&r->lock);
	r->state.totals = totals;
	r->state.swept_at = swept_at;
	pthread_mutex_unlock(&r->lock);
	r->resumed = true;
	set_kind(r, &kind);
	r->sweeping = at != NULL;
	if (at)
		buf_add_slice(&r->position, *at);
	return true;
}

struct swept {
	struct reconciler *r;
	struct batch *batch; /* what is to be looked at */
	struct arena *mem;   /* for one CID */
	struct sweep_totals totals;
	struct buf position;
	size_t n;
};

static void add_totals(struct sweep_totals *to, const struct sweep_totals *more)
{
	to->pins += more->pins;
	to->desired += more->desired;
	to->actual += more->actual;
	to->missing += more->missing;
	to->surplus += more->surplus;
}

static void count_view(const struct cid_view *view, struct arena *mem, struct sweep_totals *t)
{
	struct request *requests;
	size_t n = requests_fold(view->facts, view->n_facts, mem, &requests);
	struct copy_counts counts = { 0 };

	for (size_t i = 0; i < n; i++)
		t->pins += requests[i].life != REQUEST_ENDED;
	copy_counts_add(&counts, view->copies, view->n_copies, 1);
	change_totals(t, &counts);
}

/* A sweep reads in chunks, and seldom has anything to write. */
static size_t sweep_max(const struct reconciler *r)
{
	return r->options.sweep_max > 0 ? r->options.sweep_max : r->options.batch_max;
}

static void count_swept(struct reconciler *r, size_t wrong)
{
	pthread_mutex_lock(&r->lock);
	r->state.repaired += wrong;
	r->state.swept++;
	pthread_mutex_unlock(&r->lock);
}

/* Nearly all are: of those the rows were read once, by the scan.  What cannot be judged is looked
 * at in the way that tells what is wrong. */
static bool is_in_order(const struct swept *s, const struct cid_view *view)
{
	struct store *store = s->r->options.replan.store;
	struct err err;
	bool yes;

	return replan_is_idle(s->r->replanner, view, s->mem, &yes, &err) && yes &&
	       store_in_order(store, view, s->mem, &yes, &err) && yes;
}

static bool sweep_cid(void *ctx, const struct cid_view *view, struct slice position)
{
	struct swept *s = ctx;

	arena_reset(s->mem);
	if (is_in_order(s, view)) {
		replanner_saw_idle(s->r->replanner);
		count_swept(s->r, 0);
	} else {
		batch_set_bury(s->batch, batch_add(s->batch, view->cid));
	}
	count_view(view, s->mem, &s->totals);
	s->position.len = 0;
	buf_add_slice(&s->position, position);
	return ++s->n < sweep_max(s->r);
}

static bool repair_all(struct reconciler *r, const struct replan_item *items, size_t n,
		       struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		size_t wrong = 0;

		if (!store_repair(r->options.replan.store, items[i].cid, false, &wrong, err)) {
			if (!row_at_fault(err))
				return false;
			log_err(LOG_ERROR, err, "sweep: a CID is passed over");
		}
		if (wrong > 0)
			log_warn("sweep: %zu derived rows of a CID were wrong and are mended",
				 wrong);
		count_swept(r, wrong);
	}
	return true;
}

/* A page of the idempotency keys that are over. */
static bool step_keys(struct reconciler *r, struct err *err)
{
	struct arena *mem = r->keys_mem[r->keys_page ^ 1];

	arena_reset(mem);
	if (!op_log_sweep(r->options.replan.store, clock_wall_us(r->options.replan.clock),
			  r->options.batch_max, mem, &r->keys_after, err))
		return false;
	r->keys_page ^= 1;
	r->sweeping_keys = r->keys_after != NULL;
	return true;
}

static uint32_t bucket_of(const struct buf *position)
{
	uint32_t bucket;

	static_assert(sizeof(bucket) == STORE_POSITION_BUCKET, "see store_scan()");
	memcpy(&bucket, position->ptr, sizeof(bucket));
	return be32toh(bucket);
}

/* From now on what changes at these CIDs is not met any more, unless the page fails. */
static void begin_page(struct reconciler *r, const struct swept *s)
{
	uint64_t counting = UINT64_MAX;

	if (s->n == sweep_max(r))
		counting = 1 + (uint64_t)bucket_of(&s->position);
	pthread_mutex_lock(&r->lock);
	r->counting = counting;
	pthread_mutex_unlock(&r->lock);
}

/* `done`: it is not read again. */
static void end_page(struct reconciler *r, bool done)
{
	pthread_mutex_lock(&r->lock);
	if (done) {
		add_counts(&r->behind, &r->behind_page);
		r->counted = r->counting;
	}
	r->counting = r->counted;
	r->behind_page = (struct copy_counts){ 0 };
	pthread_mutex_unlock(&r->lock);
}

static bool end_sweep(struct reconciler *r, const struct sweep_totals *last_page, struct err *err)
{
	struct clock *clock = r->options.replan.clock;

	if (!sweep_orders_end(r->orders, &r->kind, r->mem, err))
		return false;
	end_page(r, true);
	add_totals(&r->totals, last_page);
	r->sweeping = false;
	set_kind(r, &(struct sweep_kind){ 0 });
	r->position.len = 0;
	r->sweep_at = clock_mono_us(clock) + r->options.sweep_us;
	pthread_mutex_lock(&r->lock);
	r->state.swept_at = clock_wall_us(clock);
	if (r->from_first) {
		r->state.totals = r->totals;
		change_totals(&r->state.totals, &r->behind);
		r->changed = true;
	}
	r->counted = r->counting = 0;
	pthread_mutex_unlock(&r->lock);
	r->keep_at = 0;
	r->sweeping_keys = true;
	return true;
}

static bool is_behind(const struct buf *position, const struct buf *stop)
{
	return stop->len > 0 && memcmp(position->ptr, stop->ptr, STORE_POSITION_BUCKET) > 0;
}

/* A row whose truth is gone is met by nobody who goes by CID.  Few of a step: each costs half of
 * what a CID does, and there are some of each CID. */
static bool remove_orphans(struct reconciler *r, struct err *err)
{
	size_t removed;
	bool ok = orphan_walk_step(r->orphans, sweep_max(r) / 4 + 1, &removed, err);

	pthread_mutex_lock(&r->lock);
	r->state.repaired += removed;
	pthread_mutex_unlock(&r->lock);
	return ok;
}

static bool step_sweep(struct reconciler *r, struct err *err)
{
	CLEANUP(arena_free) struct arena *one = arena_new();
	struct swept s = { .r = r, .batch = batch_new(r->mem), .mem = one };
	const struct replan_item *items;
	size_t n;
	bool ok;

	ok = store_scan_readable(r->options.replan.store, buf_slice(&r->position), sweep_cid, &s,
				 err);
	if (ok)
		begin_page(r, &s);
	items = batch_items(s.batch, &n);
	ok = ok && repair_all(r, items, n, err) && replan(r->replanner, items, n, err);
	if (ok && (s.n < sweep_max(r) || is_behind(&s.position, &r->stop))) {
		ok = end_sweep(r, &s.totals, err);
	} else if (ok) {
		const struct slice at = buf_slice(&s.position);

		r->position.len = 0;
		buf_add_slice(&r->position, at);
		add_totals(&r->totals, &s.totals); /* of what is not swept again */
		end_page(r, true);
		ok = sweep_orders_keep(r->orders, &r->kind, at, r->mem, err);
	}
	end_page(r, false);
	buf_free(&s.position);
	return ok && remove_orphans(r, err); /* last: if it fails the sweep has gone on */
}

/* From the first CID on, wherever another one was. */
static bool start_sweep(struct reconciler *r, struct err *err)
{
	struct sweep_kind kind = r->kind;
	bool ordered;

	if (!sweep_orders_begin(r->orders, &kind, &ordered, r->mem, err))
		return false;
	pthread_mutex_lock(&r->lock);
	r->state.swept = 0;
	r->behind = (struct copy_counts){ 0 };
	r->counted = r->counting = 0;
	pthread_mutex_unlock(&r->lock);
	if (ordered) /* who orders it knows the peers as they are now */
		replanner_forget_peers(r->replanner);
	set_kind(r, &kind);
	r->sweeping = true;
	r->stop.len = 0;
	if (!ordered && r->sweep_again)
		buf_add_slice(&r->stop, buf_slice(&r->again_to));
	r->sweep_again = false;
	r->from_first = r->stop.len == 0;
	r->totals = (struct sweep_totals){ 0 };
	r->position.len = 0;
	return true;
}

/* Reports come first, and whatever wakes the role makes no pause shorter. */
static bool sweep_has_its_turn(const struct reconciler *r, size_t n_reports)
{
	const struct reconciler_options *o = &r->options;
	int64_t now = clock_mono_us(o->replan.clock);

	return n_reports < o->batch_max && now >= r->pace_at &&
	       (now >= r->pace_at + SWEEP_PUT_OFF_US || !o->must_wait ||
		!o->must_wait(o->must_wait_ctx));
}

/* When it is to be looked at again whether it has. */
static int64_t sweep_due(const struct reconciler *r)
{
	int64_t now = clock_mono_us(r->options.replan.clock);

	return r->pace_at >= now ? r->pace_at : now + PUT_OFF_LOOK_US;
}

static bool sweep_on(struct reconciler *r, size_t n_reports, struct err *err)
{
	if (!(r->sweeping || r->sweeping_keys) || !sweep_has_its_turn(r, n_reports))
		return true;
	if ((r->sweeping && !step_sweep(r, err)) || (r->sweeping_keys && !step_keys(r, err)))
		return false;
	r->pace_at = clock_mono_us(r->options.replan.clock) + r->options.pace_us;
	return true;
}

bool reconciler_step(struct reconciler *r, int64_t *due_us, struct err *err)
{
	struct clock *clock = r->options.replan.clock;
	size_t n_reports;

	arena_reset(r->mem);
	*due_us = clock_mono_us(clock) + r->options.peers_us;
	if (!r->resumed && !resume(r, err))
		return false;
	if (!take_reports(r, &n_reports, err) || !look_at_peers(r, err))
		return false;
	if (!walks_step(r->walks, r->mem, err))
		return false;
	keep_totals(r);
	pthread_mutex_lock(&r->lock);
	r->state.walks = walks_count(r->walks);
	pthread_mutex_unlock(&r->lock);
	if (sweep_orders_waiting(r->orders) ||
	    (!r->sweeping && (r->sweep_again || clock_mono_us(clock) >= r->sweep_at))) {
		if (!start_sweep(r, err))
			return false;
	}
	if (!sweep_on(r, n_reports, err))
		return false;
	*due_us = r->peers_at;
	if (n_reports == r->options.batch_max || walks_count(r->walks) > 0)
		*due_us = clock_mono_us(clock);
	else if (r->sweeping || r->sweeping_keys)
		*due_us = sweep_due(r);
	else if (r->sweep_at < *due_us)
		*due_us = r->sweep_at;
	return true;
}

/* ---- preview -------------------------------------------------------------------- */

struct preview {
	struct replanner *replanner;
	struct clock *clock;
	int64_t until; /* mono */
	struct rebalance_preview *out;
	struct err *err;
	bool ok;
};

static bool preview_cid(void *ctx, const struct cid_view *view, struct slice position UNUSED)
{
	struct preview *p = ctx;
	uint64_t moves;

	if (clock_mono_us(p->clock) >= p->until) {
		p->out->whole = false;
		return false;
	}
	p->ok = replan_count_moves(p->replanner, view, &moves, p->err);
	p->out->cids++;
	p->out->moves += p->ok ? moves : 0;
	return p->ok;
}

bool reconciler_preview(const struct replan_options *options, int64_t for_us,
			struct rebalance_preview *out, struct err *err)
{
	CLEANUP(replanner_free) struct replanner *replanner = replanner_new(options);
	struct preview p = { .replanner = replanner,
			     .clock = options->clock,
			     .until = clock_mono_us(options->clock) + for_us,
			     .out = out,
			     .err = err,
			     .ok = true };

	*out = (struct rebalance_preview){ .whole = true };
	return store_scan_cids(options->store, 0, 1, (struct slice){ 0 }, preview_cid, &p, err) &&
	       p.ok;
}
