#include "role/outcome.h"

#include "base/attr.h"

void copy_counts_add(struct copy_counts *counts, const struct copy *copies, size_t n, int times)
{
	for (size_t i = 0; i < n; i++) {
		enum copy_state state = copy_state(&copies[i]);
		bool desired = copies[i].desired;

		counts->desired += times * desired;
		counts->actual += times * (desired && state == COPY_PINNED);
		counts->missing += times * (desired && state != COPY_PINNED);
		counts->surplus += times * (!desired && state != COPY_UNPINNED);
	}
}

static const struct copy *find(const struct copy *copies, size_t n, uint32_t peer_no)
{
	for (size_t i = 0; i < n; i++)
		if (copies[i].peer_no == peer_no)
			return &copies[i];
	return NULL;
}

static bool is_forgotten(const struct reconcile_plan *plan, uint32_t peer_no)
{
	for (size_t i = 0; i < plan->n_forget; i++)
		if (plan->forget[i] == peer_no)
			return true;
	return false;
}

static void count_change(const struct outcome_view *v, struct copy_counts *change)
{
	const struct reconcile_plan *plan = v->plan;

	copy_counts_add(change, v->before, v->n_before, -1);
	copy_counts_add(change, plan->desired, plan->n_desired, 1);
	for (size_t i = 0; i < v->n_after; i++)
		if (!find(plan->desired, plan->n_desired, v->after[i].peer_no) &&
		    !is_forgotten(plan, v->after[i].peer_no))
			copy_counts_add(change, &v->after[i], 1, 1);
}

static void finish(struct outcome *o, enum outcome_source source, bool desired, int64_t after_us)
{
	o->finished[o->n_finished++] = (struct finished){ source, desired, after_us };
}

/* The reconciler's own: what no request waits for, or had before. */
static bool is_reconcilers(const struct copy *c)
{
	static const bool own[] = {
		[REASON_NONE] = false,      [REASON_REQUESTED] = false,  [REASON_REPLACED] = true,
		[REASON_REBALANCED] = true, [REASON_EVERYWHERE] = false, [REASON_ENDED] = false,
		[REASON_SURPLUS] = true,    [REASON_DRAINED] = true,     [REASON_CHANGED] = false,
		[REASON_LOST] = true,
	};

	return c->reason < ARRAY_LEN(own) && own[c->reason];
}

static void note_copies(const struct outcome_view *v, struct outcome *o)
{
	for (size_t i = 0; i < v->n_reported; i++) {
		uint32_t peer_no = v->reported[i]->peer_no;
		const struct copy *now = find(v->after, v->n_after, peer_no);
		const struct copy *before = find(v->before, v->n_before, peer_no);

		if (!copy_settled(now) || now->gen == 0 || (before && copy_settled(before)))
			continue;
		o->settled[o->n_settled++] =
			(struct settled){ now->desired, v->now_us - now->assigned_at };
		if (is_reconcilers(now))
			finish(o, SOURCE_RECONCILER, now->desired, v->now_us - now->assigned_at);
	}
}

static void note_pinned(const struct outcome_view *v, struct outcome *o)
{
	for (size_t i = 0; i < v->n_requests; i++) {
		const struct request *r = v->requests[i].request;

		if (r->life == REQUEST_LIVE &&
		    request_status(r, v->after, v->n_after, v->zones, v->now_us, 0) ==
			    STATUS_PINNED &&
		    request_status(r, v->before, v->n_before, v->zones, v->now_us, 0) !=
			    STATUS_PINNED)
			finish(o, SOURCE_API, true, v->now_us - r->create->created_at);
	}
}

static bool all_gone(const struct copy *copies, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (copies[i].desired || copy_state(&copies[i]) != COPY_UNPINNED)
			return false;
	return true;
}

/* The last copy has gone that the newest end let go. */
static void note_gone(const struct outcome_view *v, struct outcome *o)
{
	const struct fact *end = NULL;

	if (all_gone(v->before, v->n_before) || !all_gone(v->after, v->n_after))
		return;
	for (size_t i = 0; i < v->n_requests; i++) {
		const struct fact *other = v->requests[i].request->end;

		if (v->requests[i].wanted)
			return;
		if (other && (!end || other->rev > end->rev))
			end = other;
	}
	if (end) /* its revision is the time that it was made at */
		finish(o, end->cause == END_BY_TTL ? SOURCE_RECONCILER : SOURCE_API, false,
		       v->now_us - (int64_t)end->rev);
}

struct outcome outcome_of(const struct outcome_view *v, struct arena *mem)
{
	struct outcome o = { 0 };

	count_change(v, &o.change);
	if (v->n_reported == 0)
		return o;
	o.settled = arena_new_array(mem, struct settled, v->n_reported);
	o.finished = arena_new_array(mem, struct finished, v->n_reported + v->n_requests + 1);
	note_copies(v, &o);
	note_pinned(v, &o);
	note_gone(v, &o);
	return o;
}

void outcome_add(struct outcome *to, struct outcome more, struct arena *mem)
{
	struct finished *finished =
		arena_new_array(mem, struct finished, to->n_finished + more.n_finished);
	struct settled *settled =
		arena_new_array(mem, struct settled, to->n_settled + more.n_settled);

	for (size_t i = 0; i < to->n_finished; i++)
		finished[i] = to->finished[i];
	for (size_t i = 0; i < more.n_finished; i++)
		finished[to->n_finished++] = more.finished[i];
	for (size_t i = 0; i < to->n_settled; i++)
		settled[i] = to->settled[i];
	for (size_t i = 0; i < more.n_settled; i++)
		settled[to->n_settled++] = more.settled[i];
	to->finished = finished;
	to->settled = settled;
	to->change.desired += more.change.desired;
	to->change.actual += more.change.actual;
	to->change.missing += more.change.missing;
	to->change.surplus += more.change.surplus;
}
