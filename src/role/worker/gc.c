/*
 * gc.c -- collections of what no pin holds: drain the node, collect, go on.
 *
 * While a node drains no fetch begins.  Those that get blocks have as long to end as one that gets
 * none; until they have, removals go on.
 */
#include "base/log.h"
#include "role/worker/node.h"

static bool any_running(const struct worker *w)
{
	for (unsigned i = 0; i < w->n_nodes; i++)
		if (w->nodes[i]->gc != GC_NONE)
			return true;
	return false;
}

/* The one order that stands, if it is for this node; it goes on standing while another collects,
 * which may have begun since it was taken. */
static bool ordered(struct node *node)
{
	struct worker *w = node->worker;
	bool mine;

	if (any_running(w))
		return false;
	pthread_mutex_lock(&w->lock);
	mine = node->peer_no > 0 && w->gc_peer == node->peer_no;
	if (mine)
		w->gc_peer = 0;
	pthread_mutex_unlock(&w->lock);
	return mine;
}

/* The operator's threshold is reached, and it is not long ago that nothing was found. */
static bool due(const struct node *node)
{
	const struct worker_policy *policy = &node->worker->policy;

	return policy->gc_permille > 0 && node->capacity_bytes > 0 &&
	       node->used_bytes / 1000 > node->capacity_bytes / 1000 * policy->gc_permille / 1000 &&
	       clock_wall_us(node->worker->options.clock) - node->gc_at > policy->gc_pause_us &&
	       !any_running(node->worker);
}

/* Fetches that get something may go on for as long as one without may. */
static void drain(struct node *node)
{
	log_info("collection on peer %u: waiting for its fetches to end", node->peer_no);
	node->gc = GC_DRAINING;
	node->drain_until = node_mono_us(node) + node->worker->policy.stall_us;
	node_break_off(node, false);
}

bool gc_step(struct node *node, int64_t *due_us, struct err *err)
{
	*due_us = INT64_MAX;
	if (node->state != NODE_UP)
		return true;
	if (node->gc == GC_NONE && (ordered(node) || due(node)))
		drain(node);
	if (node->gc != GC_DRAINING)
		return true;
	if (node->drain_until <= node_mono_us(node))
		node_break_off(node, true);
	else
		*due_us = node->drain_until;
	if (node->n_calls > 0)
		return true;
	node->gc = GC_RUNNING;
	return node_call(node, NULL, (struct kubo_op){ .kind = KUBO_REPO_GC }, &node->gc_op, err);
}

void gc_done(struct node *node, const struct kubo_done *done)
{
	node->gc_op = 0;
	node->gc = GC_NONE;
	node->gc_at = clock_wall_us(node->worker->options.clock);
	node->gc_collected = done->outcome == KUBO_OK ? done->collected : 0;
	node->heartbeat_at = 0; /* its space is news */
	if (done->outcome == KUBO_OK)
		log_info("collection on peer %u: %llu blocks removed", node->peer_no,
			 (unsigned long long)done->collected);
	else
		log_warn("collection on peer %u: %s", node->peer_no, done->text);
}
