/*
 * task.h -- one assignment on its way, and the journal of a node's tasks.
 */
#pragma once

#include <sys/queue.h>

#include "base/clock.h"
#include "bus/bus.h"
#include "kubo/kubo.h"
#include "model/cid.h"
#include "role/worker/turn.h"

#define TASK_ERROR_MAX 200

enum task_step {
	TASK_WAITING,   /* for its turn, a retry time or a grace */
	TASK_PROBING,   /* pin/ls */
	TASK_FETCHING,  /* pin/add */
	TASK_SIZING,    /* files/stat, where pin/add told no size */
	TASK_REMOVING,  /* pin/rm */
	TASK_RESTORING, /* pin/add of what our pin hid */
};

struct task {
	struct task *next; /* in its hash slot */
	struct turn_entry turn;
	struct turn *among;       /* where it has its turns */
	LIST_ENTRY(task) running; /* while a call runs */
	struct cid cid;

	/* the assignment, and the observed half as last reported */
	struct copy copy;          /* its error: heap */
	struct slice owner;        /* heap */
	int64_t asked_at;          /* when the newest request for it was made */
	struct slice_list origins; /* heap */

	enum task_step step;
	uint64_t op;           /* the running Kubo call; 0 = none */
	int64_t started_at;    /* mono; of the fetch */
	int64_t grown_at;      /* mono; when it was seen last that it had got something */
	int64_t weigh_at;      /* mono; the next look */
	enum kubo_type probed; /* while PROBING */
	struct kubo_progress progress;
	bool holds_slot; /* one of the node's max_fetches */
	bool patient;    /* a fetch that gave its slot away */
	bool told_pinning;
	bool again;        /* it has failed before under this order */
	unsigned troubles; /* calls in a row that broke off */
	bool to_judge;     /* the deny list says something else of it than before: it is probed,
			    * without a slot, and judged then */
	bool renewed;      /* the assignment changed while a call was running */
	bool was_pinned;   /* the store counts it as pinned: report a loss at once */
	char *hidden;      /* heap; the name of the user's direct pin that ours hides; NULL: none */
	bool owed;         /* that pin is gone with ours: it is to be put back */
};

LIST_HEAD(task_list, task);

struct journal {
	struct task **slots;
	size_t n_slots, n;
	uint64_t salt;
};

/* `salt`: any number that tenants cannot know, so that no CIDs can be made to meet in one slot. */
void journal_init(struct journal *j, uint64_t salt);
void journal_deinit(struct journal *j);
struct task *journal_find(const struct journal *j, struct slice cid);
/* A new task for `cid`, which is not there yet. */
struct task *journal_add(struct journal *j, const struct cid *cid);
void journal_remove(struct journal *j, struct task *task); /* frees it */
/* Calls `each` for all; `each` may remove the task it is given. */
void journal_each(struct journal *j, void (*each)(void *ctx, struct task *task), void *ctx);

/* Did this very order fail, so that the next try waits for its time? */
static inline bool copy_backs_off(const struct copy *c)
{
	return c->attempts > 0 && c->state_gen == c->gen && c->next_at > 0;
}

/* Keeps at most TASK_ERROR_MAX bytes of what went wrong; empty: nothing did. */
void task_set_error(struct task *task, struct slice text);

/* Takes over an assignment whose generation is not older than the one known.  The back-off belongs
 * to the order that failed: a new one (a retry that was asked for, a removal) does not wait for
 * it, nor does it later, when something else is reported of it. */
void task_assign(struct task *task, const struct bus_msg *msg);
/* Takes over of an assignment what its requests tell: whose it is, since when, and origins. */
void task_set_requests(struct task *task, const struct bus_msg *msg);
