#include "role/replan.h"

#include "base/alloc.h"
#include "base/log.h"
#include "model/version.h"
#include "reconcile/reserve.h"
#include "role/bury.h"
#include "role/restored.h"
#include "role/waits.h"
#include "role/wanted.h"

struct replanner {
	struct replan_options options;
	struct replan_policy policy;
	struct arena *peers_mem;
	struct peers peers;
	int64_t peers_at;    /* mono; 0 = never loaded */
	bool restored;       /* and nobody looked at that yet: see restored.h */
	uint64_t usual_size; /* bytes of a copy, as far as seen */
	bool force;
	struct guard guard;
};

/* One CID's way through a batch.  decide() may run several times for it. */
struct look {
	struct replanner *r;
	const struct replan_item *item;
	struct bus_msg *assign; /* for the desired halves of all rounds, as they are now */
	size_t n_assign;
	bool woken_done; /* the item's wake rows were handed in for removal */
	int64_t wake_at; /* the earliest wake row written; 0 = none */
	bool changed;    /* anything was written */
	bool expired;    /* a request came to its end */
	unsigned guarded;
	uint32_t *counted; /* peers whose copies the guard let go, in any round */
	size_t n_counted;
	struct promise { /* as last decided: space that counts as taken */
		uint32_t peer_no;
		uint64_t size;
	} * promises;
	size_t n_promises;
	struct outcome outcome; /* of all rounds: each follows one that was written */
};

struct replanner *replanner_new(const struct replan_options *options)
{
	struct replanner *r = xcalloc(1, sizeof(*r));

	r->options = *options;
	r->policy = *options->policy;
	r->peers_mem = arena_new();
	r->usual_size = RESERVE_USUAL;
	return r;
}

void replanner_free(struct replanner *r)
{
	if (!r)
		return;
	arena_free(r->peers_mem);
	xfree(r);
}

void replanner_rebalance(struct replanner *r, bool on)
{
	r->policy.reconcile.rebalance = on;
}

void replanner_forget_peers(struct replanner *r)
{
	r->peers_at = 0;
}

void replanner_force(struct replanner *r, bool on)
{
	r->force = on;
}

static bool refresh_peers(struct replanner *r, struct err *err)
{
	int64_t mono = clock_mono_us(r->options.clock);
	CLEANUP(arena_free) struct arena *mem = NULL;
	struct peers peers;
	int64_t restored;

	if (r->peers_at > 0 && mono - r->peers_at < r->policy.peers_refresh_us)
		return true;
	mem = arena_new();
	if (!peers_load(r->options.store, r->options.watch, mem, &peers, err) ||
	    !peers_count_coming(r->options.store, &peers, err) ||
	    !restored_at(r->options.store, &restored, err))
		return false;
	r->restored = restored > 0;
	r->policy.reconcile.ends_from = (uint64_t)restored;
	arena_free(r->peers_mem);
	r->peers_mem = TAKE(mem);
	r->peers = peers;
	r->peers_at = mono;
	return true;
}

/* ---- the view after what was reported and what is due ------------------------- */

struct picture {
	struct copy *copies; /* sorted by peer_no */
	size_t n_copies;
	const struct copy **reported; /* of the item, those that told something new */
	size_t n_reported;
	struct fact *ends; /* of requests whose expiry has passed */
	size_t n_ends;
	uint64_t seen; /* the highest version of a copy */
	struct wanted_request *requests;
	size_t n_requests;
	int64_t pending; /* a replaced one is looked at again by then; 0 = none */
};

static struct copy *copy_of(struct picture *p, uint32_t peer_no)
{
	size_t i = 0;

	while (i < p->n_copies && p->copies[i].peer_no < peer_no)
		i++;
	if (i < p->n_copies && p->copies[i].peer_no == peer_no)
		return &p->copies[i];
	memmove(&p->copies[i + 1], &p->copies[i], (p->n_copies - i) * sizeof(p->copies[0]));
	p->copies[i] = (struct copy){ .peer_no = peer_no };
	p->n_copies++;
	return &p->copies[i];
}

static void take_in_reports(struct picture *p, const struct cid_view *view,
			    const struct replan_item *item, struct arena *mem)
{
	p->copies = arena_new_array(mem, struct copy, view->n_copies + item->n_observed);
	p->reported = arena_new_array(mem, const struct copy *, item->n_observed);
	p->n_copies = view->n_copies;
	if (view->n_copies > 0)
		memcpy(p->copies, view->copies, view->n_copies * sizeof(p->copies[0]));
	for (size_t i = 0; i < item->n_observed; i++)
		if (copy_merge(copy_of(p, item->observed[i].peer_no), &item->observed[i]))
			p->reported[p->n_reported++] = &item->observed[i];
	for (size_t i = 0; i < p->n_copies; i++)
		if (copy_version(&p->copies[i]) > p->seen)
			p->seen = copy_version(&p->copies[i]);
}

static bool look_at(struct replanner *r, const struct cid_view *view,
		    const struct replan_item *item, int64_t now_us, struct arena *mem,
		    struct picture *p, struct err *err)
{
	take_in_reports(p, view, item, mem);
	return wanted_requests(r->options.store, view, now_us, mem, &p->requests, &p->n_requests,
			       &p->pending, err);
}

/* Whoever sees a live request past its expiry ends it, judging the revision seen. */
static void end_expired(struct picture *p, int64_t now_us, uint64_t rev, struct arena *mem)
{
	p->ends = arena_new_array(mem, struct fact, p->n_requests);
	for (size_t i = 0; i < p->n_requests; i++) {
		const struct request *r = p->requests[i].request;
		struct request *ended;
		struct fact *end;

		if (r->life != REQUEST_LIVE || r->revision->expires_at == 0 ||
		    r->revision->expires_at > now_us)
			continue;
		end = &p->ends[p->n_ends++];
		*end = (struct fact){
			.cid = r->create->cid,
			.owner = r->create->owner,
			.request_id = r->create->request_id,
			.rev = rev,
			.kind = FACT_END,
			.cause = END_BY_TTL,
			.judged_rev = r->revision->rev,
		};
		ended = arena_new_of(mem, struct request);
		*ended = *r;
		ended->life = REQUEST_ENDED;
		ended->end = end;
		ended->last_rev = rev;
		p->requests[i] = (struct wanted_request){ .request = ended };
	}
}

/* ---- the guard ------------------------------------------------------------------ */

static bool is_counted(const struct look *look, uint32_t peer_no)
{
	for (size_t i = 0; i < look->n_counted; i++)
		if (look->counted[i] == peer_no)
			return true;
	return false;
}

/* A decision that is made again follows one that was written: what the guard let go then is gone,
 * and is neither counted twice nor given back. */
static void ask_guard(struct look *look, struct reconcile_plan *plan, int64_t now_us,
		      struct arena *mem)
{
	struct replanner *r = look->r;
	uint32_t *counted = arena_new_array(mem, uint32_t, look->n_counted + plan->n_given_up);
	size_t n = look->n_counted;
	int64_t again = now_us + r->policy.guard.window_us;

	look->guarded = 0;
	if (n > 0)
		memcpy(counted, look->counted, n * sizeof(*counted));
	for (size_t i = 0; i < plan->n_given_up; i++)
		if (!is_counted(look, plan->given_up[i]))
			counted[n++] = plan->given_up[i];
	if (n == look->n_counted || r->force)
		return;
	if (!r->restored &&
	    guard_take(&r->guard, &r->policy.guard, (unsigned)(n - look->n_counted))) {
		look->counted = counted;
		look->n_counted = n;
		return;
	}
	look->guarded = (unsigned)(n - look->n_counted);
	guard_strip(plan, mem);
	if (plan->next_at == 0 || again < plan->next_at)
		plan->next_at = again;
}

/* ---- space ---------------------------------------------------------------------- */

static void count_promises(struct look *look, bool taken_back)
{
	struct peers *peers = &look->r->peers;

	for (size_t i = 0; i < look->n_promises; i++)
		reserve_promise(peers->at, peers->n, look->promises[i].peer_no,
				look->promises[i].size, taken_back);
}

static bool on_its_way(const struct copy *c)
{
	return c->desired && copy_state(c) != COPY_PINNED;
}

static const struct copy *find_copy(const struct copy *copies, size_t n, uint32_t peer_no)
{
	for (size_t i = 0; i < n; i++)
		if (copies[i].peer_no == peer_no)
			return &copies[i];
	return NULL;
}

/* Copies that set out now: each takes space that its peer still reports as free.  A decision
 * that is made again takes the place of the one before. */
static void promise(struct look *look, const struct picture *p, const struct reconcile_plan *plan,
		    struct arena *mem)
{
	uint64_t size = 0;

	count_promises(look, true);
	for (size_t i = 0; i < p->n_copies; i++)
		if (p->copies[i].size > size)
			size = p->copies[i].size;
	look->promises = arena_new_array(mem, struct promise, plan->n_desired);
	look->n_promises = 0;
	for (size_t i = 0; i < plan->n_desired; i++) {
		const struct copy *now = &plan->desired[i];
		const struct copy *was = find_copy(p->copies, p->n_copies, now->peer_no);

		if (now->desired && !(was && was->desired) && on_its_way(now))
			look->promises[look->n_promises++] = (struct promise){ now->peer_no, size };
	}
	count_promises(look, false);
}

/* ---- the decision ----------------------------------------------------------------- */

static void note_outcome(struct look *look, const struct cid_view *view, const struct picture *p,
			 const struct reconcile_plan *plan, int64_t now_us, struct arena *mem)
{
	const struct outcome_view seen = {
		.before = view->copies,
		.n_before = view->n_copies,
		.after = p->copies,
		.n_after = p->n_copies,
		.reported = p->reported,
		.n_reported = p->n_reported,
		.requests = p->requests,
		.n_requests = p->n_requests,
		.plan = plan,
		.zones = store_zones(look->r->options.store, mem),
		.now_us = now_us,
	};

	outcome_add(&look->outcome, outcome_of(&seen, mem), mem);
}

static void address_one(struct look *look, const struct picture *p,
			const struct reconcile_plan *plan, uint32_t peer_no,
			const struct request *requests, struct arena *mem)
{
	struct copy copy = { .peer_no = peer_no };

	for (size_t i = 0; i < look->n_assign; i++)
		if (look->assign[i].peer_no == peer_no)
			return;
	for (size_t i = 0; i < p->n_copies; i++)
		if (p->copies[i].peer_no == peer_no)
			copy = p->copies[i];
	for (size_t i = 0; i < plan->n_desired; i++)
		if (plan->desired[i].peer_no == peer_no)
			copy_merge(&copy, &plan->desired[i]);
	if (copy.gen > 0)
		look->assign[look->n_assign++] =
			assignment(&copy, look->item->cid, requests, p->n_requests, mem);
}

/* What an earlier round decided may be written by now, then this one has nothing to say of it
 * and its worker is still to be told. */
static void address(struct look *look, const struct picture *p, const struct reconcile_plan *plan,
		    struct arena *mem)
{
	struct request *requests = arena_new_array(mem, struct request, p->n_requests);
	const struct bus_msg *before = look->assign;
	size_t n_before = look->n_assign;

	for (size_t i = 0; i < p->n_requests; i++)
		requests[i] = *p->requests[i].request;
	look->assign = arena_new_array(mem, struct bus_msg, n_before + plan->n_publish);
	look->n_assign = 0;
	for (size_t i = 0; i < n_before; i++)
		address_one(look, p, plan, before[i].peer_no, requests, mem);
	for (size_t i = 0; i < plan->n_publish; i++)
		address_one(look, p, plan, plan->publish[i], requests, mem);
}

/* Only an end tells that copies may go.  Where nothing else wants the CID it stays until they
 * have gone, and else until those have gone that have no place any more. */
static bool ends_are_told(const struct picture *p, const struct reconcile_plan *plan)
{
	if (p->n_copies == 0)
		return true;
	if (plan->n_held > 0)
		return false;
	for (size_t i = 0; i < p->n_requests; i++)
		if (p->requests[i].wanted)
			return true;
	return false;
}

static void wake(struct look *look, int64_t next_at, int64_t now_us, struct arena *mem,
		 struct cid_change *out)
{
	const struct replan_item *item = look->item;

	if (next_at > 0)
		next_at = waits_until(look->r->options.store, item->cid, next_at, now_us);
	if (next_at > 0 && (look->wake_at == 0 || next_at < look->wake_at)) {
		struct wake *row = arena_new_of(mem, struct wake);

		look->wake_at = next_at;
		*row = (struct wake){ .due_at = look->wake_at, .cause = WAKE_RECHECK };
		out->wake = row;
		out->n_wake = 1;
	}
	if (!look->woken_done) {
		struct wake *rows = arena_new_array(mem, struct wake, item->n_woken);
		size_t n = 0;

		look->woken_done = true;
		for (size_t i = 0; i < item->n_woken; i++)
			if (item->woken[i].due_at != look->wake_at) /* not the one just written */
				rows[n++] = item->woken[i];
		out->woken = rows;
		out->n_woken = n;
	}
}

static struct reconcile_plan plan_for(const struct replanner *r, const struct picture *p,
				      struct slice cid, int64_t now_us, uint64_t next,
				      const struct reconcile_policy *policy, struct arena *mem)
{
	const struct reconcile_view view = {
		.now_us = now_us,
		.seed = store_bucket(r->options.store, cid),
		.requests = p->requests,
		.n_requests = p->n_requests,
		.copies = p->copies,
		.n_copies = p->n_copies,
		.peers = r->peers.at,
		.n_peers = r->peers.n,
		.next_gen = next,
		.usual_size = r->usual_size,
		.pending_until = p->pending,
	};

	return reconcile_step(&view, policy, mem);
}

static bool decide(void *ctx, const struct cid_view *view, int64_t now_us, struct arena *mem,
		   struct cid_change *out, struct err *err)
{
	struct look *look = ctx;
	struct replanner *r = look->r;
	struct picture p = { 0 };
	struct reconcile_plan plan;
	struct copy *observed;
	uint64_t next;

	if (!look_at(r, view, look->item, now_us, mem, &p, err))
		return false;
	/* A worker may be ahead of the store: what is decided now lies above its report too. */
	next = view->next > p.seen ? view->next : version_next(p.seen, now_us, r->options.instance);
	end_expired(&p, now_us, next, mem);
	plan = plan_for(r, &p, view->cid, now_us, next, &r->policy.reconcile, mem);
	ask_guard(look, &plan, now_us, mem);
	observed = arena_new_array(mem, struct copy, p.n_reported);
	for (size_t i = 0; i < p.n_reported; i++) {
		observed[i] = *p.reported[i];
		r->usual_size = reserve_usual(r->usual_size, observed[i].size);
	}
	promise(look, &p, &plan, mem);
	*out = (struct cid_change){
		.facts = p.ends,
		.n_facts = p.n_ends,
		.desired = plan.desired,
		.n_desired = plan.n_desired,
		.observed = observed,
		.n_observed = p.n_reported,
		.forget = plan.forget,
		.n_forget = plan.n_forget,
	};
	if (look->item->bury)
		bury(view, p.requests, p.n_requests, ends_are_told(&p, &plan),
		     (uint64_t)(now_us - r->policy.reconcile.forget_us), mem, out);
	wake(look, plan.next_at, now_us, mem, out);
	if (p.n_ends + plan.n_desired + p.n_reported + plan.n_forget > 0) {
		look->changed = true;
		look->expired |= p.n_ends > 0;
		note_outcome(look, view, &p, &plan, now_us, mem);
	}
	address(look, &p, &plan, mem);
	return true;
}

/* ---- the batch ---------------------------------------------------------------------- */

static bool tell_workers(struct replanner *r, const struct look *looks, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++)
		if (!bus_publish(r->options.bus, looks[i].assign, looks[i].n_assign, err))
			return false;
	return true;
}

static void tell_guarded(struct replanner *r, unsigned copies)
{
	const struct replan_events *e = &r->options.events;

	if (!r->guard.told && r->restored)
		log_warn("the store was restored: copies that nothing explains are held back "
			 "until `pinfold rebalance --force`; `pinfold drift` tells how many");
	else if (!r->guard.told)
		log_warn("the mass-unpin guard holds copies back: more than %u permille of the "
			 "CIDs of a pass, or %u, would be given up; `pinfold drift` tells how many",
			 r->policy.guard.permille, r->policy.guard.least);
	r->guard.told = true;
	if (e->guarded)
		e->guarded(e->ctx, copies);
}

static void tell_events(struct replanner *r, const struct look *look)
{
	const struct replan_events *e = &r->options.events;
	const struct outcome *o = &look->outcome;

	if (look->changed && e->changed)
		e->changed(e->ctx, look->item->cid);
	if (look->expired && e->expired)
		e->expired(e->ctx, look->item->cid);
	for (size_t i = 0; e->finished && i < o->n_finished; i++)
		e->finished(e->ctx, o->finished[i].source, o->finished[i].desired,
			    o->finished[i].after_us);
	for (size_t i = 0; e->settled && i < o->n_settled; i++)
		e->settled(e->ctx, o->settled[i].desired, o->settled[i].after_us);
	if (e->copies && look->changed)
		e->copies(e->ctx, look->item->cid, &o->change);
	if (look->guarded > 0)
		tell_guarded(r, look->guarded);
}

static bool look_at_all(struct replanner *r, const struct replan_item *items, size_t n,
			struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct slice *cids = arena_new_array(mem, struct slice, n);
	struct look *looks = arena_new_array(mem, struct look, n);
	void **ctxs = arena_new_array(mem, void *, n);

	if (n == 0)
		return true;
	if (!refresh_peers(r, err))
		return false;
	guard_see(&r->guard, &r->policy.guard, clock_mono_us(r->options.clock), n);
	for (size_t i = 0; i < n; i++) {
		looks[i] = (struct look){ .r = r, .item = &items[i] };
		cids[i] = items[i].cid;
		ctxs[i] = &looks[i];
	}
	if (!store_change(r->options.store, cids, ctxs, n, decide, mem, err))
		return false;
	for (size_t i = 0; i < n; i++)
		tell_events(r, &looks[i]);
	/* A hint that cannot be sent is found in peer_open by the worker's next sync, and in
	 * the re-check that stands in the store. */
	if (!tell_workers(r, looks, n, err))
		log_err(LOG_WARN, err, "send assignments");
	return true;
}

bool replan(struct replanner *r, const struct replan_item *items, size_t n, struct err *err)
{
	if (look_at_all(r, items, n, err))
		return true;
	if (!row_at_fault(err))
		return false;
	/* One CID that cannot be read must not hold the others up. */
	for (size_t i = 0; i < n; i++) {
		if (look_at_all(r, &items[i], 1, err))
			continue;
		if (!row_at_fault(err))
			return false;
		log_err(LOG_ERROR, err, "a CID is passed over");
		if (!waits_put_off(r->options.store, &items[i], clock_wall_us(r->options.clock),
				   err))
			return false;
	}
	return true;
}

bool replan_is_idle(struct replanner *r, const struct cid_view *view, struct arena *mem, bool *idle,
		    struct err *err)
{
	const struct replan_item nothing = { .cid = view->cid };
	int64_t now_us = clock_wall_us(r->options.clock);
	struct cid_change change = { 0 };
	struct reconcile_plan plan;
	struct picture p = { 0 };

	if (!refresh_peers(r, err) || !look_at(r, view, &nothing, now_us, mem, &p, err))
		return false;
	plan = plan_for(r, &p, view->cid, now_us, version_next(p.seen, now_us, r->options.instance),
			&r->policy.reconcile, mem);
	bury(view, p.requests, p.n_requests, ends_are_told(&p, &plan),
	     (uint64_t)(now_us - r->policy.reconcile.forget_us), mem, &change);
	end_expired(&p, now_us, 0, mem);
	*idle = p.n_ends + plan.n_desired + plan.n_publish + plan.n_forget + change.n_bury == 0 &&
		plan.next_at == 0;
	return true;
}

void replanner_saw_idle(struct replanner *r)
{
	guard_see(&r->guard, &r->policy.guard, clock_mono_us(r->options.clock), 1);
}

bool replan_count_moves(struct replanner *r, const struct cid_view *view, uint64_t *moves,
			struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct reconcile_policy policy = r->policy.reconcile;
	const struct replan_item nothing = { .cid = view->cid };
	int64_t now_us = clock_wall_us(r->options.clock);
	struct reconcile_plan plan;
	struct picture p = { 0 };

	if (!refresh_peers(r, err) || !look_at(r, view, &nothing, now_us, mem, &p, err))
		return false;
	policy.rebalance = true;
	plan = plan_for(r, &p, view->cid, now_us, version_next(p.seen, now_us, r->options.instance),
			&policy, mem);
	*moves = 0;
	for (size_t i = 0; i < plan.n_desired; i++)
		*moves += plan.desired[i].desired && plan.desired[i].reason == REASON_REBALANCED;
	return true;
}
