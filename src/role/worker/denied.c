/* denied.c -- the deny list: what it names is not fetched, whenever that was asked for. */
#include "role/worker/node.h"

#define JUDGE_SLOTS 256 /* of the journal in one step; each has one task or so */

bool node_is_denied(struct node *node, const struct task *t, const char **why, struct err *err)
{
	struct worker *w = node->worker;
	const struct deny *entry = NULL;

	*why = NULL;
	/* Not read for each fetch where nobody ever denied anything. */
	if (w->deny_changes > 0 &&
	    !cluster_denied(w->options.cluster, &t->cid, w->mem, &entry, err))
		return false;
	if (entry)
		*why = arena_printf(w->mem, "this content is on the deny list%s%.*s",
				    entry->reason.len > 0 ? ": " : "", SLICE_FMT(entry->reason));
	return true;
}

bool worker_watch_deny_list(struct worker *w, int64_t *due_us, struct err *err)
{
	int64_t now = clock_mono_us(w->options.clock);
	uint64_t n;

	*due_us = w->deny_at;
	if (now < w->deny_at)
		return true;
	*due_us = w->deny_at = now + w->policy.heartbeat_us;
	if (!cluster_deny_changes(w->options.cluster, &n, err))
		return false;
	if (n == w->deny_changes)
		return true;
	w->deny_changes = n;
	for (unsigned i = 0; i < w->n_nodes; i++) {
		w->nodes[i]->judging = true;
		w->nodes[i]->judge_slot = 0;
	}
	return true;
}

/* It is as if it had never been tried. */
static bool allow(struct node *node, struct task *t, struct err *err)
{
	struct copy *c = &t->copy;

	c->attempts = 0;
	c->failure = FAILURE_NONE;
	c->next_at = c->failing_since = 0;
	task_set_error(t, (struct slice){ 0 });
	if (!node_report(node, t, COPY_QUEUED, err))
		return false;
	node_queue(node, t);
	return true;
}

bool node_judge(struct node *node, struct task *t, struct err *err)
{
	bool was = t->copy.failure == FAILURE_DENIED && copy_state(&t->copy) == COPY_ERROR;
	const char *why;

	if (!t->copy.desired || (t->op && t->step != TASK_FETCHING))
		return true;
	if (!node_is_denied(node, t, &why, err))
		return false;
	if (t->op && why) { /* carry.c finds out why */
		kubo_cancel(node->worker->options.kubo, t->op);
	} else if (!t->op && why && !was) {
		return node_deny(node, t, why, err);
	} else if (!t->op && !why && was) {
		return allow(node, t, err);
	}
	return true;
}

/* If the journal widens meanwhile, tasks only go to slots behind: some are judged twice. */
bool node_judge_tasks(struct node *node, bool *more, struct err *err)
{
	const struct journal *j = &node->journal;
	size_t end = node->judge_slot + JUDGE_SLOTS;

	for (; node->judging && node->judge_slot < end && node->judge_slot < j->n_slots;
	     node->judge_slot++)
		for (struct task *t = j->slots[node->judge_slot]; t; t = t->next)
			if (!node_judge(node, t, err))
				return false;
	if (node->judge_slot >= j->n_slots)
		node->judging = false;
	*more = node->judging;
	return true;
}
