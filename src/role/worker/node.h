/*
 * node.h -- one Kubo node of a worker: its state, its tasks, and the calls that run.
 *
 * Internal to role/worker/: worker.c drives nodes, identity.c knows who they are and whether they
 * are there, queue.c takes assignments and gives turns, carry.c carries tasks out, origins.c dials,
 * denied.c refuses some, watch.c looks after running fetches, gc.c collects, inventory.c compares.
 * All of it runs in the worker's thread.
 */
#pragma once

#include <pthread.h>

#include "role/worker/owner_bounds.h"
#include "role/worker/resolve.h"
#include "role/worker/task.h"
#include "role/worker/worker.h"

struct inventory;

struct node {
	struct worker *worker;
	unsigned index;                     /* of the Kubo client */
	struct worker_node_options options; /* its texts live in the worker's `kept` */
	enum worker_node_state state;
	uint32_t peer_no; /* 0 until the node told who it is */
	char peer_id[128];
	struct slice_list addresses; /* heap */
	char agent[96];
	char down_reason[KUBO_TEXT_MAX + 1];

	/* signs of life */
	uint64_t id_op, repo_op;
	int64_t heartbeat_at, report_at; /* mono */
	int64_t last_seen;               /* wall; 0 = never */
	uint64_t free_bytes, used_bytes, capacity_bytes;
	bool news;     /* report at once */
	bool troubled; /* a call broke off: nothing is begun until the next sign of life */

	/* assignments */
	bool subscribed;
	bool syncing; /* reading open copies from the store */
	struct cid sync_after;
	struct journal journal;
	size_t judge_left;    /* the deny list was changed: so many slots are looked at yet */
	size_t judge_slot;    /* the next one */
	size_t judge_slots;   /* that there were when that began */
	int64_t judge_at;     /* mono; not before, for the list could not be read */
	struct turn turn;     /* of what is to be pinned */
	struct turn removals; /* of what is to go, or only to be looked at: they need no slot */
	struct task_list running;
	unsigned n_calls;    /* tasks with a running call */
	unsigned n_fetching; /* of those: fetches that hold a slot, and probes before them */
	unsigned n_patient;
	unsigned n_dials; /* running swarm/connect, whoever asked for them */
	bool crowded;     /* nothing is begun until what was told is taken */

	/* comparison */
	struct inventory *inventory; /* NULL: none is running */
	int64_t compare_at;          /* mono */
	int64_t compared_at;         /* wall */
	uint64_t foreign, surplus;

	/* collection */
	enum node_gc gc;
	int64_t drain_until; /* mono; while draining: what is still being fetched is broken off */
	uint64_t gc_op;
	int64_t gc_at; /* wall */
	uint64_t gc_collected;

	uint64_t pinned, unpinned, failed, lost;
};

/* How far a fetch has come, for those who ask. */
struct fetch {
	uint32_t peer_no;
	struct cid cid;
	struct kubo_progress progress;
};

LIST_HEAD(call_list, call);

struct worker {
	struct worker_options options;
	struct worker_policy policy;
	char pin_name[64];   /* "pinfold/<store id>" */
	struct node **nodes; /* they stay where they are: calls and tasks point to them; added to
				under the lock, and their options never change */
	unsigned n_nodes;
	struct resolver *resolver;
	struct owner_bounds *bounds;
	uint64_t deny_changes;     /* of the deny list, as last seen; 0: it is empty;
				      UINT64_MAX: not seen yet */
	int64_t deny_at;           /* mono; the next look at that */
	struct call_list calls;    /* running ones */
	struct arena *mem;         /* of one step */
	struct arena *kept;        /* texts of nodes' options; under the lock */
	pthread_mutex_t lock;      /* of what follows */
	struct worker_node *shown; /* n_shown of them */
	unsigned n_shown;
	struct worker_node_options *added; /* orders: nodes to begin with */
	unsigned n_added;
	struct fetch *fetches; /* running ones that take long */
	unsigned n_fetches, fetches_cap;
	uint32_t gc_peer; /* an order; 0 = none */
};

/* What comes back from Kubo: which node, and which task or none. */
struct call {
	LIST_ENTRY(call) running;
	struct node *node;
	struct task *task;
	uint64_t id;
	enum kubo_kind kind;
	bool orphan; /* its end is nobody's concern any more */
};

/* Starts `op` on the node for `task` (may be NULL); its end comes to node_done() or to
 * the node. */
bool node_call(struct node *node, struct task *task, struct kubo_op op, uint64_t *id,
	       struct err *err) MUST_CHECK;

/* Asks the node to connect to an address; how that goes is nobody's concern.  ERR_EXHAUSTED:
 * too many are being dialled, and this one is not. */
bool node_dial(struct node *node, const char *addr, struct err *err) MUST_CHECK;

#define ROOM_WAIT_US (20 * US_PER_MS) /* until it is looked at again whether there is room */
#define CALLS_MAX    64               /* running calls of tasks on one node beside its fetches */

/* Running fetches with progress at once on one node: what an owner asks for who has none running
 * does not wait for what others are fetching. */
static inline unsigned node_slots(const struct worker_policy *policy, bool newcomer)
{
	return policy->max_fetches + (newcomer ? (policy->max_fetches + 1) / 2 : 0);
}

static inline int64_t node_mono_us(const struct node *node)
{
	return clock_mono_us(node->worker->options.clock);
}

static inline int64_t node_wall_us(const struct node *node)
{
	return clock_wall_us(node->worker->options.clock);
}

/* ---- identity.c: who a node is ------------------------------------------------- */

/* Asks for a sign of life when it is time to. */
bool node_heartbeat(struct node *node, int64_t now_us, struct err *err) MUST_CHECK;
/* Reports its health, when it is time to or there is news. */
bool node_tell_health(struct node *node, int64_t now_us, struct err *err) MUST_CHECK;
/* A call that was no task's ended. */
bool node_answered(struct node *node, const struct kubo_done *done, struct err *err) MUST_CHECK;
/* Frees what the node holds, but not the node. */
void node_deinit(struct node *node);

/* ---- queue.c: tasks that wait --------------------------------------------------- */

/* Takes an assignment: makes or changes the task. */
void node_assign(struct node *node, const struct bus_msg *msg);
/* Puts a task where it waits: for its turn, its next try, or a grace. */
void node_queue(struct node *node, struct task *task);
/* Has it wait until then (mono), whatever it would wait for otherwise. */
void node_retry_at(struct node *node, struct task *task, int64_t due_us);
/* Takes a task's turn away; it may have none. */
void node_leave_turn(struct task *task);
/* Frees the task. */
void node_forget(struct node *node, struct task *task);
/* Every waiting task gets a new turn: the node is back. */
void node_revive(struct node *node);
/* Forgets the task that waits longest for its next try; false if none waits.  The store is read
 * anew when there is room. */
bool node_evict(struct node *node);
/* Forgets the retry that is due last, which a planner reminds of (R10); false if there is none. */
bool node_evict_retry(struct node *node);
/* When a task is ready to be begun that may be begun then (mono); INT64_MAX: none is, until
 * something ends. */
int64_t node_begin_due(const struct node *node);
/* Gives turns while there is room. */
bool node_carry(struct node *node, struct err *err) MUST_CHECK;

/* ---- origins.c ------------------------------------------------------------------- */

/* Asks the node to connect to the addresses that came with the task's requests. */
void node_dial_origins(struct node *node, const struct task *task);
/* A resolver_fn: an address of an origin was found; `ctx` is the worker. */
void worker_dial_found(void *ctx, unsigned index, const struct multiaddr *addr);

/* ---- carry.c: tasks whose turn it is ---------------------------------------------- */

/* The first call of a task. */
bool node_begin(struct node *node, struct task *task, struct err *err) MUST_CHECK;
/* What could not be told or begun waits for another try. */
void node_put_back(struct node *node, struct task *task);
/* A call of a task ended. */
bool node_done(struct node *node, struct task *task, const struct kubo_done *done,
	       struct err *err) MUST_CHECK;
/* Reports an observed half without a task. */
bool node_report_copy(struct node *node, struct slice cid, const struct copy *observed,
		      struct err *err) MUST_CHECK;
/* Reports the task's observed half with this state. */
bool node_report(struct node *node, struct task *task, enum copy_state state,
		 struct err *err) MUST_CHECK;

/* ---- denied.c: what is not to be fetched ---------------------------------------------- */

/* *why, in the arena of the step: what the deny list says of the task's CID; NULL: nothing. */
bool node_is_denied(struct node *node, const struct task *task, const char **why,
		    struct err *err) MUST_CHECK;
/* Judges one task by the list as it is now: if that says anything else than before, a running fetch
 * is broken off, and the task gets a turn soon in which a probe comes first. */
bool node_judge(struct node *node, struct task *task, struct err *err) MUST_CHECK;
/* Notices that the list was changed; *due_us: to be called again then. */
bool worker_watch_deny_list(struct worker *w, int64_t *due_us, struct err *err) MUST_CHECK;
/* After that: a part of the node's tasks is judged by it anew.  Gives when to be called again
 * (mono); INT64_MAX: all are. */
int64_t node_judge_tasks(struct node *node);

/* ---- watch.c: running fetches -------------------------------------------------------- */

/* Tells of fetches that last and takes slots from those that get nothing; *due_us: when to look
 * at them again. */
bool node_watch(struct node *node, int64_t *due_us, struct err *err) MUST_CHECK;
/* Breaks fetches off, unless `all` those that have got nothing yet; they wait for another turn. */
void node_break_off(struct node *node, bool all);
/* Adds the running fetches that last to the worker's list; holds its lock. */
void node_show_fetches(struct node *node);

/* ---- gc.c: collection --------------------------------------------------------------- */

/* Begins what is ordered or due, goes on with what has begun; *due_us: to be called again then. */
bool gc_step(struct node *node, int64_t *due_us, struct err *err) MUST_CHECK;
/* The collection ended. */
void gc_done(struct node *node, const struct kubo_done *done);

/* ---- inventory.c: comparison ---------------------------------------------------- */

bool inventory_start(struct node *node, struct err *err) MUST_CHECK;
/* A part of the node's list, or its end. */
bool inventory_take(struct node *node, const struct kubo_done *done, struct err *err) MUST_CHECK;
/* Goes on comparing after the list has ended; *more tells whether there is more to do. */
bool inventory_step(struct node *node, bool *more, struct err *err) MUST_CHECK;
void inventory_free(struct inventory *inventory); /* NULL is fine */
