/* denied.c -- the deny list: what it names is not fetched, whenever that was asked for. */
#include "base/log.h"
#include "role/wanted.h"
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

/* A whole round from where it stands: a list that changes all the time must not keep it from the
 * end of the journal. */
static void judge_all(struct node *node)
{
	node->judge_left = node->judge_slots = node->journal.n_slots;
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
	for (unsigned i = 0; i < w->n_nodes; i++)
		judge_all(w->nodes[i]);
	return true;
}

bool node_judge(struct node *node, struct task *t, struct err *err)
{
	bool was = t->copy.failure == FAILURE_DENIED && copy_state(&t->copy) == COPY_ERROR;
	const char *why;

	if (!t->copy.desired || t->to_judge || (t->op && t->step != TASK_FETCHING))
		return true;
	if (!node_is_denied(node, t, &why, err))
		return false;
	if ((why != NULL) == (was && !t->op))
		return true;
	/* What is there already stays: that is looked at first, when it is what waits. */
	t->to_judge = true;
	if (t->op)
		kubo_cancel(node->worker->options.kubo, t->op);
	else
		node_queue(node, t);
	return true;
}

/* One entry that cannot be read holds no other task up: its own fetch asks again. */
static bool judge_slot(struct node *node, size_t slot, struct err *err)
{
	for (struct task *t = node->journal.slots[slot]; t; t = t->next) {
		if (node_judge(node, t, err))
			continue;
		if (!row_at_fault(err))
			return false;
		log_err(LOG_ERROR, err, "an entry of the deny list is passed over");
	}
	return true;
}

int64_t node_judge_tasks(struct node *node)
{
	int64_t now = node_mono_us(node);
	struct err err = { 0 };

	if (node->judge_left > 0 && node->judge_slots != node->journal.n_slots)
		judge_all(node); /* it was widened, and tasks are elsewhere */
	if (node->judge_left == 0 || now < node->judge_at)
		return node->judge_left == 0 ? INT64_MAX : node->judge_at;
	for (int i = 0; i < JUDGE_SLOTS && node->judge_left > 0; i++) {
		node->judge_slot &= node->judge_slots - 1;
		if (!judge_slot(node, node->judge_slot, &err)) {
			log_err(LOG_WARN, &err, "look at the deny list");
			return node->judge_at = now + node->worker->policy.heartbeat_us;
		}
		node->judge_slot++;
		node->judge_left--;
	}
	return node->judge_left > 0 ? now : INT64_MAX;
}
