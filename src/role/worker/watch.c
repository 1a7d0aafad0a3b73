/* watch.c -- running fetches: says that they run, and takes slots from those that get nothing. */
#include "base/alloc.h"
#include "role/worker/node.h"

#define TELL_US (300 * US_PER_MS) /* a fetch that lasts so long is reported as running */

/* Moves a fetch that got nothing lately out of the slots, and one that goes on into them. */
static void weigh(struct node *node, struct task *t, int64_t now)
{
	uint64_t had = t->progress.nodes;
	bool patient;

	if (!kubo_progress(node->worker->options.kubo, t->op, &t->progress))
		return;
	patient = t->progress.nodes == had;
	if (!patient)
		t->grown_at = now;
	if (patient == t->patient)
		return;
	t->patient = patient;
	t->holds_slot = !patient;
	node->n_fetching += patient ? -1 : 1;
	node->n_patient += patient ? 1 : -1;
}

/* Looks at one fetch; *next: when to look again. */
static bool watch(struct node *node, struct task *t, int64_t now, int64_t *next, struct err *err)
{
	int64_t patience = node->worker->policy.patience_us;
	int64_t tell_at = t->started_at + TELL_US;

	if (!t->told_pinning && now >= tell_at) { /* what is done at once is reported once */
		t->told_pinning = true;
		if (!node_report(node, t, COPY_PINNING, err))
			return false;
	}
	if (t->weigh_at <= now) {
		weigh(node, t, now);
		t->weigh_at = now + patience;
	}
	*next = t->weigh_at;
	if (!t->told_pinning && tell_at < *next)
		*next = tell_at;
	return true;
}

/* Of two fetches that get nothing: which is to go first?  A retry, and what got nothing for
 * longest. */
static bool goes_before(const struct task *a, const struct task *b)
{
	return a->again != b->again ? a->again : a->grown_at < b->grown_at;
}

bool node_watch(struct node *node, int64_t *due_us, struct err *err)
{
	const struct worker_policy *policy = &node->worker->policy;
	int64_t now = node_mono_us(node), due = INT64_MAX, next;
	struct task *t, *least = NULL;

	LIST_FOREACH(t, &node->running, running)
	{
		if (t->step != TASK_FETCHING)
			continue;
		if (!watch(node, t, now, &next, err))
			return false;
		if (next < due)
			due = next;
		if (t->patient && (!least || goes_before(t, least)))
			least = t;
	}
	if (node->n_patient > policy->max_patient && least) {
		kubo_cancel(node->worker->options.kubo, least->op);
		due = now;
	}
	*due_us = due;
	return true;
}

static bool has_blocks(const struct node *node, const struct task *t)
{
	struct kubo_progress now = t->progress;

	return now.nodes > 0 ||
	       (kubo_progress(node->worker->options.kubo, t->op, &now) && now.nodes > 0);
}

void node_break_off(struct node *node, bool all)
{
	struct task *t;

	LIST_FOREACH(t, &node->running, running)
	{
		if (t->step != TASK_FETCHING || (!all && has_blocks(node, t)))
			continue;
		t->renewed = true; /* no failure of its own */
		kubo_cancel(node->worker->options.kubo, t->op);
	}
}

void node_show_fetches(struct node *node)
{
	struct worker *w = node->worker;
	struct task *t;

	LIST_FOREACH(t, &node->running, running)
	{
		if (t->step != TASK_FETCHING || !t->told_pinning)
			continue;
		if (w->n_fetches == w->fetches_cap) {
			w->fetches_cap = w->fetches_cap ? 2 * w->fetches_cap : 32;
			w->fetches = xrealloc(w->fetches, w->fetches_cap * sizeof(w->fetches[0]));
		}
		w->fetches[w->n_fetches++] = (struct fetch){ node->peer_no, t->cid, t->progress };
	}
}
