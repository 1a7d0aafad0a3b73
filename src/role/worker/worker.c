#include "role/worker/worker.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/log.h"
#include "role/worker/node.h"

#define TAKE_MAX        256 /* assignments taken at once */
#define SYNC_MAX        256
#define OWN_CALLS       8                /* signs of life, lists and a collection: on one node */
#define RESULTS_MAX     256              /* of Kubo calls, before the nodes have their turn */
#define RESOLVE_LOOK_US (20 * US_PER_MS) /* between two looks at names being looked up */

/* ---- calls ------------------------------------------------------------------------- */

bool node_call(struct node *node, struct task *task, struct kubo_op op, uint64_t *id,
	       struct err *err)
{
	struct worker *w = node->worker;
	struct call *call = xcalloc(1, sizeof(*call));

	*call = (struct call){ .node = node, .task = task, .kind = op.kind };
	op.node = node->index;
	op.ctx = call;
	if (!kubo_start(w->options.kubo, &op, id, err)) {
		xfree(call);
		*id = 0;
		return false;
	}
	call->id = *id;
	LIST_INSERT_HEAD(&w->calls, call, running);
	return true;
}

bool node_dial(struct node *node, const char *addr, struct err *err)
{
	uint64_t op;

	if (node->n_dials >= node->worker->policy.max_dials)
		return err_set(err, ERR_EXHAUSTED, "too many addresses are being dialled");
	if (!node_call(node, NULL, (struct kubo_op){ .kind = KUBO_SWARM_CONNECT, .addr = addr },
		       &op, err))
		return false;
	node->n_dials++;
	return true;
}

/* ---- making ------------------------------------------------------------------------ */

/* Keeps a copy of the options and begins to drive the node. */
static bool add_node(struct worker *w, const struct worker_node_options *options, struct err *err)
{
	struct kubo_node kubo = options->kubo;
	struct node *node;
	unsigned index;

	/* All that may run by the policy: nothing waits for what takes longer. */
	if (kubo.max_connections == 0)
		kubo.max_connections = node_slots(&w->policy, true) + w->policy.max_patient +
				       CALLS_MAX + w->policy.max_dials + OWN_CALLS;
	if (!kubo_add_node(w->options.kubo, &kubo, &index, err))
		return false;
	node = xcalloc(1, sizeof(*node));
	*node = (struct node){ .worker = w, .options = *options, .index = index };
	LIST_INIT(&node->running);
	journal_init(&node->journal, rand_u64(node->worker->options.rand));
	turn_init(&node->turn, owner_bound, w->bounds);
	turn_init(&node->removals, NULL, NULL);
	pthread_mutex_lock(&w->lock);
	w->nodes = xrealloc(w->nodes, (w->n_nodes + 1) * sizeof(w->nodes[0]));
	w->nodes[w->n_nodes++] = node;
	w->shown = xrealloc(w->shown, w->n_nodes * sizeof(w->shown[0]));
	w->shown[w->n_nodes - 1] = (struct worker_node){ 0 };
	w->n_shown = w->n_nodes;
	pthread_mutex_unlock(&w->lock);
	return true;
}

static const char *keep_text(struct arena *mem, const char *text)
{
	return text ? arena_printf(mem, "%s", text) : NULL;
}

static struct worker_node_options keep_options(struct arena *mem,
					       const struct worker_node_options *o)
{
	return (struct worker_node_options){
		.kubo = { .url = keep_text(mem, o->kubo.url),
			  .auth = o->kubo.auth,
			  .secret = keep_text(mem, o->kubo.secret),
			  .ca_file = keep_text(mem, o->kubo.ca_file),
			  .max_connections = o->kubo.max_connections },
		.zone = arena_copy(mem, o->zone),
		.tags = slice_list_copy(mem, o->tags),
	};
}

bool worker_new(const struct worker_options *options, struct worker **out, struct err *err)
{
	struct worker *w = xcalloc(1, sizeof(*w));

	w->options = *options;
	w->policy = *options->policy;
	w->deny_changes = UINT64_MAX; /* not known yet: each fetch asks */
	w->mem = arena_new();
	w->kept = arena_new();
	w->resolver = resolver_new();
	w->bounds = owner_bounds_new(options->cluster, options->clock,
				     options->policy->max_owner_fetches);
	LIST_INIT(&w->calls);
	pthread_mutex_init(&w->lock, NULL);
	snprintf(w->pin_name, sizeof(w->pin_name), "pinfold/%s", options->store_id);
	for (unsigned i = 0; i < options->n_nodes; i++) {
		struct worker_node_options kept = keep_options(w->kept, &options->nodes[i]);

		if (!add_node(w, &kept, err)) {
			worker_free(w);
			return false;
		}
	}
	*out = w;
	return true;
}

void worker_add_node(struct worker *w, const struct worker_node_options *node)
{
	pthread_mutex_lock(&w->lock);
	w->added = xrealloc(w->added, (w->n_added + 1) * sizeof(w->added[0]));
	w->added[w->n_added++] = keep_options(w->kept, node);
	pthread_mutex_unlock(&w->lock);
	worker_knock(w);
}

/* Begins with the nodes that were ordered since. */
static void take_added(struct worker *w)
{
	struct worker_node_options *added;
	unsigned n;

	pthread_mutex_lock(&w->lock);
	added = w->added;
	n = w->n_added;
	w->added = NULL;
	w->n_added = 0;
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < n; i++) {
		struct err err = { 0 };

		if (!add_node(w, &added[i], &err))
			log_err(LOG_ERROR, &err, "add a node");
	}
	xfree(added);
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	kubo_free(w->options.kubo);
	resolver_free(w->resolver);
	owner_bounds_free(w->bounds);
	while (!LIST_EMPTY(&w->calls)) {
		struct call *call = LIST_FIRST(&w->calls);

		LIST_REMOVE(call, running);
		xfree(call);
	}
	for (unsigned i = 0; i < w->n_nodes; i++) {
		node_deinit(w->nodes[i]);
		xfree(w->nodes[i]);
	}
	xfree(w->nodes);
	xfree(w->shown);
	xfree(w->fetches);
	xfree(w->added);
	arena_free(w->kept);
	arena_free(w->mem);
	pthread_mutex_destroy(&w->lock);
	xfree(w);
}

void worker_knock(void *w)
{
	kubo_wake(((struct worker *)w)->options.kubo);
}

/* ---- assignments --------------------------------------------------------------------------- */

static void take_assignment(void *ctx, const struct bus_msg *msg)
{
	node_assign(ctx, msg);
}

static bool take_assignments(struct node *node, bool *more, struct err *err)
{
	struct worker *w = node->worker;
	size_t n;

	*more = false;
	if (!node->subscribed)
		return true;
	/* What can be done without makes room for what is new: the store brings it back. */
	while (node->journal.n >= 2 * w->policy.journal_max && node_evict(node))
		continue;
	if (node->journal.n >= 2 * w->policy.journal_max)
		return true;
	if (bus_overflowed(w->options.bus, BUS_PIN_ASSIGN, node->peer_no)) {
		node->syncing = true;
		node->sync_after.len = 0;
	}
	if (!bus_take(w->options.bus, BUS_PIN_ASSIGN, node->peer_no, TAKE_MAX, take_assignment,
		      node, &n, err))
		return false;
	*more = n == TAKE_MAX;
	return true;
}

/* The next part of pin.sync, when the journal has room.  Retries do without it if need be, for
 * planners remind of them (R10): what was never tried must not be behind what fails for ever. */
static bool sync_assignments(struct node *node, bool *more, struct err *err)
{
	struct worker *w = node->worker;
	size_t n, room = w->policy.journal_max;
	struct bus_msg *msgs;

	*more = false;
	if (!node->syncing || node->state != NODE_UP)
		return true;
	while (node->journal.n >= room && node_evict_retry(node))
		continue;
	if (node->journal.n >= room)
		return true;
	if (!cluster_sync(w->options.cluster, node->peer_no, cid_slice(&node->sync_after), SYNC_MAX,
			  w->mem, &msgs, &n, err))
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct copy *c = &msgs[i].copy;
		bool retry = c->desired && copy_backs_off(c);

		if (c->gen > 0 && !copy_settled(c) && !(retry && node->journal.n >= room / 2))
			node_assign(node, &msgs[i]);
	}
	if (n > 0 && !cid_decode(msgs[n - 1].cid, &node->sync_after, err))
		return false;
	node->syncing = n == SYNC_MAX;
	*more = node->syncing;
	return true;
}

/* ---- a step ------------------------------------------------------------------------------------
 */

static bool finish(struct worker *w, const struct kubo_done *done, struct err *err)
{
	struct call *call = done->ctx;
	struct call ended;

	ended = *call;
	if (!done->more) {
		LIST_REMOVE(call, running);
		xfree(call);
	}
	assert(ended.node->worker == w);
	if (ended.orphan)
		return true;
	if (ended.task)
		return node_done(ended.node, ended.task, done, err);
	return node_answered(ended.node, done, err);
}

static void show(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->n_fetches = 0;
	for (unsigned i = 0; i < w->n_nodes; i++)
		node_show_fetches(w->nodes[i]);
	for (unsigned i = 0; i < w->n_nodes; i++) {
		const struct node *node = w->nodes[i];
		struct worker_node *s = &w->shown[i];

		*s = (struct worker_node){
			.state = node->state,
			.peer_no = node->peer_no,
			.queued = node->turn.n_fresh + node->removals.n_fresh,
			.retrying = node->turn.n_retries + node->removals.n_retries,
			.active = node->n_calls,
			.patient = node->n_patient,
			.pinned = node->pinned,
			.unpinned = node->unpinned,
			.failed = node->failed,
			.lost = node->lost,
			.foreign = node->foreign,
			.surplus = node->surplus,
			.compared_at = node->compared_at,
			.free_bytes = node->free_bytes,
			.used_bytes = node->used_bytes,
			.gc = node->gc,
			.gc_at = node->gc_at,
			.gc_collected = node->gc_collected,
		};
		snprintf(s->peer_id, sizeof(s->peer_id), "%s", node->peer_id);
		snprintf(s->url, sizeof(s->url), "%s", node->options.kubo.url);
		snprintf(s->down_reason, sizeof(s->down_reason), "%s", node->down_reason);
	}
	pthread_mutex_unlock(&w->lock);
}

static void sooner(int64_t *due_us, int64_t at)
{
	if (at < *due_us)
		*due_us = at;
}

static bool step_node(struct node *node, int64_t *due_us, struct err *err)
{
	struct worker *w = node->worker;
	int64_t now = clock_mono_us(w->options.clock), watch_at, gc_at;
	bool more_msgs, more_sync, more_compare;

	if (!node_heartbeat(node, now, err) || !node_tell_health(node, now, err) ||
	    !take_assignments(node, &more_msgs, err) || !sync_assignments(node, &more_sync, err))
		return false;
	sooner(due_us, node_judge_tasks(node));
	if (node->state == NODE_UP && !node->inventory && now >= node->compare_at &&
	    !inventory_start(node, err))
		return false;
	/* Slots are taken away before they are given. */
	if (!inventory_step(node, &more_compare, err) || !gc_step(node, &gc_at, err) ||
	    !node_watch(node, &watch_at, err) || !node_carry(node, err))
		return false;
	if (more_msgs || more_sync || more_compare)
		*due_us = now;
	if (!node->id_op)
		sooner(due_us, node->heartbeat_at);
	if (node->peer_no > 0)
		sooner(due_us, node->report_at);
	sooner(due_us, watch_at);
	sooner(due_us, gc_at);
	sooner(due_us, node_begin_due(node));
	return true;
}

/* What goes wrong with one node keeps no other from its step. */
static void keep_first(bool *ok, struct err *err, const struct err *why)
{
	if (*ok)
		*err = *why;
	else
		log_err(LOG_WARN, why, "step of a node");
	*ok = false;
}

bool worker_step(struct worker *w, int64_t until_us, int64_t *due_us, struct err *err)
{
	struct kubo_done done;
	struct err deny_why = { 0 };
	int64_t until = until_us, deny_at;
	bool ok = true;
	unsigned n = 0;

	arena_reset(w->mem);
	owner_bounds_step(w->bounds);
	*due_us = clock_mono_us(w->options.clock) + w->policy.heartbeat_us;
	while (n < RESULTS_MAX && kubo_next(w->options.kubo, until, &done)) {
		struct err why = { 0 };

		if (!finish(w, &done, &why))
			keep_first(&ok, err, &why);
		until = 0;
		n++;
		if (done.more) /* a part of a long list: others have their turn before the next */
			n = RESULTS_MAX;
	}
	if (n == RESULTS_MAX)
		*due_us = 0; /* there may be more */
	take_added(w);
	if (resolver_take(w->resolver, worker_dial_found, w) > 0)
		sooner(due_us, clock_mono_us(w->options.clock) + RESOLVE_LOOK_US);
	if (!worker_watch_deny_list(w, &deny_at, &deny_why))
		keep_first(&ok, err, &deny_why);
	sooner(due_us, deny_at);
	for (unsigned i = 0; i < w->n_nodes; i++) {
		struct err why = { 0 };

		if (!step_node(w->nodes[i], due_us, &why))
			keep_first(&ok, err, &why);
	}
	show(w);
	return ok;
}

bool worker_node_at(struct worker *w, unsigned i, struct worker_node *out)
{
	bool found;

	pthread_mutex_lock(&w->lock);
	found = i < w->n_shown;
	if (found)
		*out = w->shown[i];
	pthread_mutex_unlock(&w->lock);
	return found;
}

bool worker_node_of(struct worker *w, uint32_t peer_no, struct worker_node *out)
{
	bool found = false;

	pthread_mutex_lock(&w->lock);
	for (unsigned i = 0; i < w->n_shown && !found; i++) {
		found = w->shown[i].peer_no == peer_no;
		if (found)
			*out = w->shown[i];
	}
	pthread_mutex_unlock(&w->lock);
	return found;
}

bool worker_kubo_of(struct worker *w, uint32_t peer_no, struct kubo_node *out)
{
	bool found = false;

	pthread_mutex_lock(&w->lock);
	for (unsigned i = 0; i < w->n_shown && !found; i++) {
		found = w->shown[i].peer_no == peer_no && w->shown[i].state != NODE_DUPLICATE;
		if (found)
			*out = w->nodes[i]->options.kubo;
	}
	pthread_mutex_unlock(&w->lock);
	return found;
}

/* Is an order for this node about to be taken? */
static bool stands(const struct worker *w, const struct worker_node *node)
{
	return w->gc_peer > 0 && node->peer_no == w->gc_peer && node->state == NODE_UP;
}

enum worker_gc worker_order_gc(struct worker *w, uint32_t peer_no)
{
	enum worker_gc result = WORKER_GC_NO_PEER;

	pthread_mutex_lock(&w->lock);
	for (unsigned i = 0; i < w->n_shown; i++)
		if (w->shown[i].peer_no == peer_no && w->shown[i].state == NODE_UP)
			result = WORKER_GC_ORDERED;
	for (unsigned i = 0; i < w->n_shown && result == WORKER_GC_ORDERED; i++)
		if (w->shown[i].gc != GC_NONE || stands(w, &w->shown[i]))
			result = WORKER_GC_BUSY;
	if (result == WORKER_GC_ORDERED)
		w->gc_peer = peer_no;
	pthread_mutex_unlock(&w->lock);
	if (result == WORKER_GC_ORDERED)
		worker_knock(w);
	return result;
}

bool worker_progress(struct worker *w, uint32_t peer_no, struct slice cid,
		     struct kubo_progress *out)
{
	bool found = false;

	pthread_mutex_lock(&w->lock);
	for (unsigned i = 0; i < w->n_fetches && !found; i++) {
		found = w->fetches[i].peer_no == peer_no &&
			slice_eq(cid_slice(&w->fetches[i].cid), cid);
		if (found)
			*out = w->fetches[i].progress;
	}
	pthread_mutex_unlock(&w->lock);
	return found;
}
