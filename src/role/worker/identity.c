/* identity.c -- who a node is, whether it is there, and what is known of it. */
#include <assert.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/log.h"
#include "role/worker/node.h"

/* ---- who a node is -------------------------------------------------------------------- */

static void remove_turn(void *ctx UNUSED, struct task *t)
{
	node_leave_turn(t);
}

static void free_addresses(struct node *node)
{
	for (size_t i = 0; i < node->addresses.n; i++)
		xfree((void *)node->addresses.at[i].ptr);
	xfree(node->addresses.at);
	node->addresses = (struct slice_list){ 0 };
}

void node_deinit(struct node *node)
{
	journal_each(&node->journal, remove_turn, node);
	turn_deinit(&node->turn);
	turn_deinit(&node->removals);
	journal_deinit(&node->journal);
	inventory_free(node->inventory);
	free_addresses(node);
}

/* Leaves all work of a node: what runs is broken off and nobody waits for its end. */
static void drop_work(struct node *node)
{
	struct worker *w = node->worker;
	struct call *call;

	LIST_FOREACH(call, &w->calls, running)
	{
		if (call->node != node || call->kind == KUBO_ID)
			continue;
		call->orphan = true;
		kubo_cancel(w->options.kubo, call->id);
	}
	journal_each(&node->journal, remove_turn, node);
	journal_deinit(&node->journal);
	journal_init(&node->journal, rand_u64(node->worker->options.rand));
	LIST_INIT(&node->running);
	node->n_calls = node->n_fetching = node->n_patient = node->n_dials = 0;
	inventory_free(node->inventory);
	node->inventory = NULL;
	node->repo_op = node->gc_op = 0;
	node->gc = GC_NONE;
	node->syncing = node->subscribed = false;
	node->peer_no = 0;
}

/* Two URLs of one Kubo: the one that answers now has the work. */
static void retire_others(struct node *node)
{
	struct worker *w = node->worker;

	for (unsigned i = 0; i < w->n_nodes; i++) {
		struct node *other = w->nodes[i];

		if (other == node || other->peer_no == 0 ||
		    strcmp(other->peer_id, node->peer_id) != 0)
			continue;
		drop_work(other);
		other->state = NODE_DUPLICATE;
	}
}

static bool same_kubo(const struct worker *w, const struct node *node, const char *peer_id)
{
	for (unsigned i = 0; i < w->n_nodes; i++)
		if (w->nodes[i] != node && w->nodes[i]->state == NODE_UP &&
		    strcmp(w->nodes[i]->peer_id, peer_id) == 0)
			return true;
	return false;
}

static bool has_address(const struct node *node, const char *addr)
{
	for (size_t i = 0; i < node->addresses.n; i++)
		if (slice_eq(node->addresses.at[i], slice_str(addr)))
			return true;
	return false;
}

/* In whatever order. */
static bool same_addresses(const struct node *node, const struct kubo_node_id *who)
{
	if (node->addresses.n != who->n_addrs)
		return false;
	for (unsigned i = 0; i < who->n_addrs; i++)
		if (!has_address(node, who->addrs[i]))
			return false;
	return true;
}

static void keep_addresses(struct node *node, const struct kubo_node_id *who)
{
	free_addresses(node);
	node->addresses.at = xcalloc(who->n_addrs, sizeof(struct slice));
	for (unsigned i = 0; i < who->n_addrs; i++)
		node->addresses.at[node->addresses.n++] = slice_str(xstrdup(who->addrs[i]));
}

/* Kubo nodes that serve one store should know each other: copies travel between them. */
static void meet_neighbours(struct node *node)
{
	struct slice_list list;
	struct err err = { 0 };

	if (!cluster_neighbours(node->worker->options.cluster, node->peer_no, node->worker->mem,
				&list, &err)) {
		log_err(LOG_DEBUG, &err, "find neighbours");
		return;
	}
	for (size_t i = 0; i < list.n; i++)
		if (!node_dial(node, (const char *)list.at[i].ptr, &err))
			log_err(LOG_DEBUG, &err, "meet a neighbour");
}

static bool join(struct node *node, const char *peer_id, struct err *err)
{
	struct worker *w = node->worker;

	if (node->peer_no > 0 && strcmp(node->peer_id, peer_id) == 0)
		return true;
	if (node->peer_no > 0)
		log_warn("%s is another node now: %s was %s", node->options.kubo.url, peer_id,
			 node->peer_id);
	if (node->peer_no > 0) {
		drop_work(node);
		node->state = NODE_UNKNOWN; /* it is greeted as a new one */
	}
	snprintf(node->peer_id, sizeof(node->peer_id), "%s", peer_id);
	if (!cluster_join(w->options.cluster, slice_str(peer_id), &node->peer_no, err) ||
	    !cluster_introduce(w->options.cluster, node->peer_no, node->options.zone,
			       node->options.tags, err)) {
		node->peer_no = 0;
		return false;
	}
	return true;
}

static bool node_up(struct node *node, const struct kubo_node_id *who, struct err *err)
{
	struct worker *w = node->worker;
	bool was_up;

	if (same_kubo(w, node, who->peer_id)) {
		if (node->state != NODE_DUPLICATE)
			log_warn("%s is a Kubo node that another URL already names (%s): not used "
				 "twice",
				 node->options.kubo.url, who->peer_id);
		if (node->peer_no > 0)
			drop_work(node);
		node->state = NODE_DUPLICATE;
		return true;
	}
	if (!join(node, who->peer_id, err))
		return false;
	was_up = node->state == NODE_UP;
	retire_others(node);
	if (!node->subscribed) {
		if (!bus_subscribe(w->options.bus, BUS_PIN_ASSIGN, node->peer_no, worker_knock, w,
				   err))
			return false;
		node->subscribed = true;
	}
	node->last_seen = clock_wall_us(w->options.clock);
	node->down_reason[0] = '\0';
	node->state = NODE_UP;
	node->troubled = false;
	if (!same_addresses(node, who)) { /* soon after a start it knows local ones alone */
		keep_addresses(node, who);
		node->news = true;
	}
	if (was_up)
		return true;
	snprintf(node->agent, sizeof(node->agent), "%s", who->agent);
	node->news = true;
	node->syncing = true;
	node->sync_after.len = 0;
	node->compare_at = 0;
	log_info("peer %u is up: %s at %s", node->peer_no, who->peer_id, node->options.kubo.url);
	meet_neighbours(node);
	node_revive(node);
	return true;
}

static void node_down(struct node *node, const char *reason)
{
	if (node->state != NODE_DOWN) {
		log_warn("%s does not answer: %s", node->options.kubo.url, reason);
		node->news = node->peer_no > 0;
	}
	node->state = NODE_DOWN;
	snprintf(node->down_reason, sizeof(node->down_reason), "%s", reason);
}

/* ---- signs of life ----------------------------------------------------------------------- */

static bool ask(struct node *node, enum kubo_kind kind, uint64_t *op, struct err *err)
{
	return node_call(node, NULL,
			 (struct kubo_op){ .kind = kind,
					   .timeout_us =
						   node->worker->policy.heartbeat_timeout_us },
			 op, err);
}

bool node_heartbeat(struct node *node, int64_t now, struct err *err)
{
	if (now < node->heartbeat_at || node->id_op)
		return true;
	node->heartbeat_at = now + node->worker->policy.heartbeat_us;
	if (!ask(node, KUBO_ID, &node->id_op, err))
		return false;
	return node->repo_op || ask(node, KUBO_REPO_STAT, &node->repo_op, err);
}

bool node_tell_health(struct node *node, int64_t now, struct err *err)
{
	struct worker *w = node->worker;
	struct peer_report report;

	if (node->peer_no == 0 || node->state == NODE_DUPLICATE ||
	    (!node->news && now < node->report_at))
		return true;
	report = (struct peer_report){
		.peer_no = node->peer_no,
		.addresses = node->addresses,
		.url = slice_str(node->options.kubo.url),
		.agent = slice_str(node->agent),
		.down_reason = slice_str(node->down_reason),
		.free_bytes = node->free_bytes,
		.used_bytes = node->used_bytes,
		.capacity_bytes = node->capacity_bytes,
		.last_seen = node->last_seen,
		.compared_at = node->compared_at,
	};
	if (!cluster_report(w->options.cluster, &report, err))
		return false;
	node->news = false;
	node->report_at = now + w->policy.report_us;
	return true;
}

static void note_repo(struct node *node, const struct kubo_repo *repo)
{
	bool first = node->capacity_bytes == 0;

	node->used_bytes = repo->used_bytes;
	node->capacity_bytes = repo->max_bytes;
	node->free_bytes =
		repo->max_bytes > repo->used_bytes ? repo->max_bytes - repo->used_bytes : 0;
	node->news |= first;
}

bool node_answered(struct node *node, const struct kubo_done *done, struct err *err)
{
	if (done->kind == KUBO_PIN_LIST)
		return inventory_take(node, done, err);
	if (done->kind == KUBO_REPO_STAT) {
		node->repo_op = 0;
		if (done->outcome == KUBO_OK)
			note_repo(node, &done->repo);
		return true;
	}
	if (done->kind == KUBO_SWARM_CONNECT) {
		node->n_dials--;
		return true;
	}
	if (done->kind == KUBO_REPO_GC) {
		gc_done(node, done);
		return true;
	}
	assert(done->kind == KUBO_ID);
	node->id_op = 0;
	if (done->outcome == KUBO_OK)
		return node_up(node, &done->who, err);
	node_down(node, done->text);
	return true;
}
