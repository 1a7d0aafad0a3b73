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
#include "role/restored.h"
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
	bool sweeping, resumed;
	bool rebalancing;    /* the sweep moves copies */
	bool forcing;        /* the guard lets all pass meanwhile */
	bool sweep_again;    /* a peer came, too late for a part of the sweep or for all of it */
	struct buf again_to; /* the end of that part; empty: all */
	struct buf stop;     /* where the running one ends; empty: at the last CID */
	bool from_first;     /* to the last CID, by this process: its totals are whole */
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
	bool changed;              /* totals that are not kept yet */
	bool ordered, order_rebalance, order_force;
	unsigned
		ordering; /* orders being written down: a sweep that ends leaves their rows alone */
};

struct reconciler *reconciler_new(const struct reconciler_options *options)
{
	struct reconciler *r = xcalloc(1, sizeof(*r));

	r->options = *options;
	r->replanner = replanner_new(&options->replan);
	r->walks = walks_new(options->replan.store, r->replanner, options->batch_max);
	r->orphans = orphan_walk_new(options->replan.store);
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

void reconciler_note_copies(struct reconciler *r, struct slice cid,
			    const struct copy_counts *change)
{
	uint32_t bucket = store_bucket(r->options.replan.store, cid);

	pthread_mutex_lock(&r->lock);
	change_totals(&r->state.totals, change);
	r->changed = true;
	if (bucket < r->counted) {
		r->behind.desired += change->desired;
		r->behind.actual += change->actual;
		r->behind.missing += change->missing;
		r->behind.surplus += change->surplus;
	}
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

/* ---- orders ------------------------------------------------------------------- */

/* Two jobs, so that a restart goes on with what was running, and whether it is forced. */
static const struct slice sweep_job = { (const uint8_t *)"sweep", 5 };
static const struct slice rebalance_job = { (const uint8_t *)"rebalance", 9 };
static const struct slice force_job = { (const uint8_t *)"force", 5 };

/* Keeps where a job stands; NULL: it does not run. */
static bool save_position(struct store *store, struct slice job, const struct slice *position,
			  struct arena *mem, struct err *err)
{
	struct job_cursor key = { .job = job }, row = { .job = job };
	const void *old;
	bool done;

	if (!store_row(store, TABLE_JOB_CURSOR, &key, mem, &old, err))
		return false;
	if (!old && !position)
		return true;
	if (position)
		row.position = *position;
	return store_swap_row(store, TABLE_JOB_CURSOR, old, position ? &row : NULL, &done, err);
}

static void note_order(struct reconciler *r, bool rebalance, bool force)
{
	pthread_mutex_lock(&r->lock);
	r->ordered = true;
	r->order_rebalance |= rebalance; /* one that was not begun yet counts too */
	r->order_force |= force;
	pthread_mutex_unlock(&r->lock);
}

static bool write_order(struct store *store, bool rebalance, bool force, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct slice first = { 0 };
	struct err ignored;

	if ((rebalance && !save_position(store, rebalance_job, &first, mem, err)) ||
	    (force && !save_position(store, force_job, &first, mem, err)) ||
	    ((rebalance || force) && !store_sync(store, store_mark(store), err)))
		return false;
	/* Last: while the mark stands a force does not, to the process after this one either. */
	if (!force || restored_clear(store, err))
		return true;
	if (!save_position(store, force_job, NULL, mem, &ignored))
		log_err(LOG_WARN, &ignored, "take an order back");
	return false;
}

static void note_ordering(struct reconciler *r, int more)
{
	pthread_mutex_lock(&r->lock);
	r->ordering += (unsigned)more;
	pthread_mutex_unlock(&r->lock);
}

bool reconciler_order_sweep(struct reconciler *r, bool rebalance, bool force, struct err *err)
{
	bool ok;

	note_ordering(r, 1);
	ok = write_order(r->options.replan.store, rebalance, force, err);
	if (ok)
		note_order(r, rebalance, force);
	note_ordering(r, -1);
	return ok;
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

static struct slice job_of(const struct reconciler *r)
{
	return r->rebalancing ? rebalance_job : sweep_job;
}

static bool find_job(struct reconciler *r, struct slice job, const struct job_cursor **out,
		     struct err *err)
{
	struct job_cursor key = { .job = job };
	const void *row;

	if (!store_row(r->options.replan.store, TABLE_JOB_CURSOR, &key, r->mem, &row, err))
		return false;
	*out = row;
	return true;
}

/* Was the order to force given?  Not if it came no further than to be written down. */
static bool find_force(struct reconciler *r, bool *out, struct err *err)
{
	const struct job_cursor *force;
	int64_t restored;

	if (!find_job(r, force_job, &force, err) ||
	    !restored_at(r->options.replan.store, &restored, err))
		return false;
	*out = force && restored == 0;
	return !force || *out ||
	       save_position(r->options.replan.store, force_job, NULL, r->mem, err);
}

/* Goes on where the process before this one was. */
static bool resume(struct reconciler *r, struct err *err)
{
	const struct job_cursor *sweep, *rebalance, *job;
	struct sweep_totals totals = { 0 };
	int64_t swept_at = 0;
	bool force;

	if (!find_job(r, sweep_job, &sweep, err) || !find_job(r, rebalance_job, &rebalance, err) ||
	    !find_force(r, &force, err) ||
	    !swept_find(r->options.replan.store, &totals, &swept_at, r->mem, err))
		return false;
	pthread_mutex_lock(&r->lock);
	r->state.totals = totals;
	r->state.swept_at = swept_at;
	pthread_mutex_unlock(&r->lock);
	r->resumed = true;
	r->rebalancing = rebalance != NULL;
	replanner_rebalance(r->replanner, r->rebalancing);
	job = rebalance ? rebalance : sweep;
	if (job) {
		buf_add_slice(&r->position, job->position);
		r->sweeping = true;
		r->forcing = force;
		replanner_force(r->replanner, force);
	} else if (force) { /* it had not begun */
		note_order(r, false, true);
	}
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

static bool is_being_ordered(struct reconciler *r)
{
	bool ordered;

	pthread_mutex_lock(&r->lock);
	ordered = r->ordered || r->ordering > 0;
	pthread_mutex_unlock(&r->lock);
	return ordered;
}

static bool end_sweep(struct reconciler *r, const struct sweep_totals *last_page, struct err *err)
{
	struct clock *clock = r->options.replan.clock;

	/* The rows of an order that came meanwhile are those of the sweep that begins now. */
	if (!is_being_ordered(r) &&
	    (!save_position(r->options.replan.store, job_of(r), NULL, r->mem, err) ||
	     (r->forcing && !save_position(r->options.replan.store, force_job, NULL, r->mem, err))))
		return false;
	add_totals(&r->totals, last_page);
	r->sweeping = r->rebalancing = r->forcing = false;
	r->position.len = 0;
	r->sweep_at = clock_mono_us(clock) + r->options.sweep_us;
	replanner_rebalance(r->replanner, false);
	replanner_force(r->replanner, false);
	pthread_mutex_lock(&r->lock);
	r->state.swept_at = clock_wall_us(clock);
	if (r->from_first) {
		r->state.totals = r->totals;
		change_totals(&r->state.totals, &r->behind);
		r->changed = true;
	}
	r->counted = 0;
	pthread_mutex_unlock(&r->lock);
	r->keep_at = 0;
	r->sweeping_keys = true;
	return true;
}

static uint32_t bucket_of(const struct buf *position)
{
	uint32_t bucket;

	static_assert(sizeof(bucket) == STORE_POSITION_BUCKET, "see store_scan()");
	memcpy(&bucket, position->ptr, sizeof(bucket));
	return be32toh(bucket);
}

/* From now on what changes at these CIDs is not met any more. */
static void note_counted(struct reconciler *r, const struct swept *s)
{
	uint64_t counted = UINT64_MAX;

	if (s->n == sweep_max(r))
		counted = 1 + (uint64_t)bucket_of(&s->position);
	pthread_mutex_lock(&r->lock);
	r->counted = counted;
	pthread_mutex_unlock(&r->lock);
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
		note_counted(r, &s);
	items = batch_items(s.batch, &n);
	ok = ok && remove_orphans(r, err) && repair_all(r, items, n, err) &&
	     replan(r->replanner, items, n, err);
	if (ok && (s.n < sweep_max(r) || is_behind(&s.position, &r->stop))) {
		ok = end_sweep(r, &s.totals, err);
	} else if (ok) {
		const struct slice at = buf_slice(&s.position);

		r->position.len = 0;
		buf_add_slice(&r->position, at);
		add_totals(&r->totals, &s.totals); /* of what is not swept again */
		ok = save_position(r->options.replan.store, job_of(r), &at, r->mem, err);
	}
	buf_free(&s.position);
	return ok;
}

/* From the first CID on, wherever another one was. */
static bool start_sweep(struct reconciler *r, struct err *err)
{
	struct store *store = r->options.replan.store;
	const struct slice first = { 0 };
	bool ordered, rebalance, force;

	pthread_mutex_lock(&r->lock);
	ordered = r->ordered;
	rebalance = r->order_rebalance || r->rebalancing;
	force = r->order_force || r->forcing;
	r->ordered = r->order_rebalance = r->order_force = false;
	r->state.swept = 0;
	r->behind = (struct copy_counts){ 0 };
	r->counted = 0;
	pthread_mutex_unlock(&r->lock);
	if (!save_position(store, sweep_job, NULL, r->mem, err) ||
	    !save_position(store, rebalance_job, rebalance ? &first : NULL, r->mem, err) ||
	    !save_position(store, force_job, force ? &first : NULL, r->mem, err)) {
		if (ordered)
			note_order(r, rebalance, force);
		return false;
	}
	if (ordered) /* who orders it knows the peers as they are now */
		replanner_forget_peers(r->replanner);
	replanner_rebalance(r->replanner, rebalance);
	replanner_force(r->replanner, force);
	r->sweeping = true;
	r->rebalancing = rebalance;
	r->forcing = force;
	r->stop.len = 0;
	if (!ordered && r->sweep_again)
		buf_add_slice(&r->stop, buf_slice(&r->again_to));
	r->sweep_again = false;
	r->from_first = r->stop.len == 0;
	r->totals = (struct sweep_totals){ 0 };
	r->position.len = 0;
	return true;
}

static bool sweep_ordered(struct reconciler *r)
{
	bool ordered;

	pthread_mutex_lock(&r->lock);
	ordered = r->ordered;
	pthread_mutex_unlock(&r->lock);
	return ordered;
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
	if (sweep_ordered(r) ||
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
