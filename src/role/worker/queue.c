/* queue.c -- assignments come in, tasks wait for their turn and get it. */
#include "base/alloc.h"
#include "base/log.h"
#include "role/worker/node.h"

/* ---- turns ------------------------------------------------------------------------- */

static int64_t until(int64_t due_us, int64_t now_us, int64_t most_us)
{
	int64_t wait = due_us - now_us;

	return wait < most_us ? wait : most_us;
}

/* How long a task has to wait yet.  The times are wall times, others' too: a clock that was
 * set back must not hold anything up for longer than was meant. */
static int64_t wait_of(const struct node *node, const struct task *t)
{
	const struct worker_policy *policy = &node->worker->policy;
	int64_t now = node_wall_us(node), grace = 0, retry = 0;

	if (!t->copy.desired)
		grace = until(t->copy.assigned_at + policy->unpin_grace_us, now,
			      policy->unpin_grace_us);
	if (copy_backs_off(&t->copy))
		retry = until(t->copy.next_at, now, policy->retry.max_us);
	return grace > retry ? grace : retry;
}

static struct turn *turn_of(struct node *node, const struct task *t)
{
	return t->copy.desired && !t->to_judge ? &node->turn : &node->removals;
}

void node_leave_turn(struct task *t)
{
	if (t->among)
		turn_remove(t->among, &t->turn);
	t->among = NULL;
}

void node_retry_at(struct node *node, struct task *t, int64_t due_us)
{
	node_leave_turn(t);
	t->step = TASK_WAITING;
	t->among = turn_of(node, t);
	turn_add_retry(t->among, &t->turn, t->owner, due_us);
}

/* Puts a task where it waits. */
void node_queue(struct node *node, struct task *t)
{
	int64_t wait = wait_of(node, t);

	t->again = copy_backs_off(&t->copy);
	if (!t->to_judge && (wait > 0 || t->again)) {
		node_retry_at(node, t, node_mono_us(node) + (wait > 0 ? wait : 0));
		return;
	}
	node_leave_turn(t);
	t->step = TASK_WAITING;
	t->among = turn_of(node, t);
	turn_add_fresh(t->among, &t->turn, t->owner, t->copy.priority, t->asked_at);
}

void node_forget(struct node *node, struct task *t)
{
	node_leave_turn(t);
	journal_remove(&node->journal, t);
}

/* ---- assignments --------------------------------------------------------------------- */

/* A worker that knows a newer generation answers with it (R4).  A state of an older generation
 * says nothing of this one: as long as it waits, it is queued. */
static void answer_newer(struct node *node, struct task *t)
{
	struct err err = { 0 };

	if (!node_report(node, t, copy_state(&t->copy), &err))
		log_err(LOG_WARN, &err, "answer an old assignment");
}

/* Somebody asked for it since: his origins may be what was missing. */
static void take_requests(struct node *node, struct task *t, const struct bus_msg *msg)
{
	if (msg->asked_at <= t->asked_at)
		return;
	task_set_requests(t, msg);
	if (t->step == TASK_FETCHING)
		node_dial_origins(node, t);
	else if (!t->op)
		node_queue(node, t);
}

void node_assign(struct node *node, const struct bus_msg *msg)
{
	struct task *t = journal_find(&node->journal, msg->cid);
	struct cid cid;
	struct err err = { 0 };

	if (t && msg->copy.gen < t->copy.gen) {
		answer_newer(node, t);
		return;
	}
	if (t && msg->copy.gen == t->copy.gen) { /* under way */
		take_requests(node, t, msg);
		return;
	}
	if (!t) {
		if (!cid_decode(msg->cid, &cid, &err)) {
			log_err(LOG_ERROR, &err, "assignment");
			return;
		}
		t = journal_add(&node->journal, &cid);
	}
	t->was_pinned = t->was_pinned || copy_state(&msg->copy) == COPY_PINNED;
	task_assign(t, msg);
	t->to_judge = false;
	if (t->op) {
		t->renewed = true; /* what runs ends first, then the new order is looked at */
		if (t->step == TASK_FETCHING && !t->copy.desired)
			kubo_cancel(node->worker->options.kubo, t->op);
		return;
	}
	node_queue(node, t);
	/* It may wait for long, and nothing else tells that it is in vain. */
	if (t->copy.failure == FAILURE_DENIED && !node_judge(node, t, &err))
		log_err(LOG_WARN, &err, "look at the deny list");
}

static void revive(void *ctx, struct task *t)
{
	struct node *node = ctx;

	if (t->op || t->turn.place == TURN_FRESH)
		return;
	node_queue(node, t);
}

void node_revive(struct node *node)
{
	journal_each(&node->journal, revive, node);
}

/* ---- beginning ------------------------------------------------------------------------------ */

static bool may_call(const struct node *node)
{
	return node->state == NODE_UP && !node->troubled;
}

/* Removals, probes before them and to judge, and sizes run beside the fetches, whose places they
 * never take. */
static bool may_remove(const struct node *node)
{
	unsigned fetches = node->n_fetching + node->n_patient;

	if (node->gc == GC_RUNNING || (node->gc == GC_DRAINING && fetches == 0))
		return false;
	return may_call(node) && node->n_calls - fetches < CALLS_MAX;
}

static bool may_fetch(const struct node *node, bool newcomer)
{
	const struct worker_policy *policy = &node->worker->policy;
	unsigned slots = node_slots(policy, newcomer);

	return may_call(node) && node->gc == GC_NONE && node->n_fetching < slots &&
	       node->n_calls < CALLS_MAX + slots + policy->max_patient;
}

/* While all places of those that get nothing are taken, retries are begun one at a time: they would
 * take the places of such as may find a provider yet, but must not wait for all of these. */
static bool may_retry(const struct node *node)
{
	const struct task *t;

	if (node->n_patient == 0 || node->n_patient < node->worker->policy.max_patient)
		return true;
	LIST_FOREACH(t, &node->running, running)
	{
		if (t->again && t->copy.desired)
			return false;
	}
	return true;
}

int64_t node_begin_due(const struct node *node)
{
	int64_t fetch = INT64_MAX, removal = INT64_MAX;

	if (node->crowded)
		return node_mono_us(node) + ROOM_WAIT_US;
	if (may_fetch(node, false) && may_retry(node))
		fetch = turn_due(&node->turn);
	if (may_remove(node))
		removal = turn_due(&node->removals);
	return fetch < removal ? fetch : removal;
}

/* That a user's pin is to be put back nobody else knows. */
static bool may_forget(const struct turn_entry *e)
{
	return !CONTAINER_OF(e, const struct task, turn)->owed;
}

bool node_evict_retry(struct node *node)
{
	struct turn_entry *spare = turn_spare(&node->turn, may_forget);

	if (!spare || spare->place != TURN_RETRY)
		return false;
	node_forget(node, CONTAINER_OF(spare, struct task, turn));
	return true;
}

bool node_evict(struct node *node)
{
	struct turn_entry *spare = turn_spare(&node->turn, may_forget);
	struct task *t;

	if (!spare)
		spare = turn_spare(&node->removals, may_forget);
	if (!spare)
		return false;
	t = CONTAINER_OF(spare, struct task, turn);
	/* Of what failed a planner reminds.  Anything else is read anew when there is room again;
	 * to do so for each that fails would be to read all for ever. */
	if (!copy_backs_off(&t->copy)) {
		node->syncing = true;
		node->sync_after.len = 0;
	}
	node_forget(node, t);
	return true;
}

/* What has its turn now; removals first: they are quick and make room. */
static struct turn_entry *next_turn(struct node *node)
{
	int64_t now = node_mono_us(node);
	struct turn_entry *e = NULL;

	if (may_remove(node))
		e = turn_next(&node->removals, now, TURN_OF_ALL);
	if (!e && may_fetch(node, false))
		e = turn_next(&node->turn, now, may_retry(node) ? TURN_OF_ALL : TURN_OF_FRESH);
	else if (!e && may_fetch(node, true))
		e = turn_next(&node->turn, now, TURN_OF_NEWCOMERS);
	return e;
}

/* Has anything a turn now, if there is room to tell of it? */
static bool has_turn(const struct node *node)
{
	int64_t now = node_mono_us(node);
	const struct turn *t = &node->turn, *r = &node->removals;

	return (may_fetch(node, true) && (t->n_fresh > 0 || turn_due(t) <= now)) ||
	       (may_remove(node) && (r->n_fresh > 0 || turn_due(r) <= now));
}

/* How many tasks may be begun so that all that run find room for what they will tell, that they
 * last and how they end: a report that is dropped is asked for again only when its CID's wake-up is
 * due.  Each node has its share of the room, whatever the others do, and something to do while
 * there is any: what gets nothing for long must not keep it from all else. */
static size_t room_to_tell(const struct node *node)
{
	const struct worker *w = node->worker;
	size_t room = bus_room(w->options.bus, BUS_PIN_STATUS, 0), share = room / w->n_nodes;
	size_t owed = 0;
	const struct task *t;

	LIST_FOREACH(t, &node->running, running)
	{
		owed += t->step == TASK_FETCHING && t->told_pinning ? 1 : 2;
	}
	if (share > owed + 1)
		return (share - owed) / 2;
	return room > 1 && node->n_calls == node->n_patient;
}

bool node_carry(struct node *node, struct err *err)
{
	size_t room = room_to_tell(node);
	struct turn_entry *e;

	node->crowded = room == 0 && has_turn(node);
	while (room-- > 0 && (e = next_turn(node))) {
		struct task *t = CONTAINER_OF(e, struct task, turn);

		if (!node_begin(node, t, err)) {
			node_put_back(node, t);
			return false;
		}
	}
	return true;
}
