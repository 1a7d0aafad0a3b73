/* carry.c -- carrying out assignments: one function a step of a task. */
#include "base/alloc.h"
#include "base/log.h"
#include "role/worker/node.h"
#include "role/worker/pin_name.h"

#define TROUBLES_MAX 3 /* calls in a row that break off: it is the CID, not the node */

/* ---- reports --------------------------------------------------------------------- */

bool node_report_copy(struct node *node, struct slice cid, const struct copy *observed,
		      struct err *err)
{
	struct bus_msg msg = {
		.topic = BUS_PIN_STATUS,
		.cid = cid,
		.peer_no = node->peer_no,
		.copy = *observed,
	};

	return bus_publish(node->worker->options.bus, &msg, 1, err);
}

bool node_report(struct node *node, struct task *t, enum copy_state state, struct err *err)
{
	struct copy *c = &t->copy;

	int64_t now = node_wall_us(node);

	/* Above all that is known, and dated by the clock: above what was forgotten too. */
	c->stamp = copy_version(c) + 1 > (uint64_t)now ? copy_version(c) + 1 : (uint64_t)now;
	c->state = (uint8_t)state;
	c->state_gen = c->gen;
	c->observed_at = now;
	return node_report_copy(node, cid_slice(&t->cid), c, err);
}

/* ---- calls ---------------------------------------------------------------------------- */

static bool start(struct node *node, struct task *t, enum task_step step, struct kubo_op op,
		  struct err *err)
{
	char text[CID_TEXT_MAX];

	cid_text(&t->cid, 0, text);
	op.cid = text;
	if (!node_call(node, t, op, &t->op, err))
		return false;
	t->step = step;
	LIST_INSERT_HEAD(&node->running, t, running);
	node->n_calls++;
	t->holds_slot =
		t->copy.desired && !t->to_judge && (step == TASK_PROBING || step == TASK_FETCHING);
	node->n_fetching += t->holds_slot;
	return true;
}

static bool probe(struct node *node, struct task *t, enum kubo_type type, struct err *err)
{
	t->probed = type;
	return start(node, t, TASK_PROBING, (struct kubo_op){ .kind = KUBO_PIN_LS, .type = type },
		     err);
}

/* How every task begins: what is there is neither added nor, if it is gone, removed.  A recursive
 * pin serves a direct wish as well, and is what nearly all are: it is looked for first. */
bool node_begin(struct node *node, struct task *t, struct err *err)
{
	return probe(node, t, KUBO_RECURSIVE, err);
}

static bool ours(const struct node *node, const struct kubo_pin *pin)
{
	return pin_name_is_ours(node->worker->pin_name, pin->name);
}

/* Remembers the user's direct pin that our pin hides, or is about to; NULL: none. */
static void hide(struct task *t, const char *name)
{
	char *hidden = name ? xstrdup(name) : NULL;

	xfree(t->hidden);
	t->hidden = hidden;
}

static bool fetch(struct node *node, struct task *t, struct err *err)
{
	const char *own = node->worker->pin_name;
	char over[KUBO_NAME_MAX + 1];

	if (node->gc != GC_NONE) { /* a collection waits for all fetches to end */
		node_queue(node, t);
		return true;
	}
	node_dial_origins(node, t);
	t->started_at = t->grown_at = node_mono_us(node);
	t->weigh_at = t->started_at + node->worker->policy.patience_us;
	t->told_pinning = false;
	t->progress = (struct kubo_progress){ 0 };
	if (t->hidden)
		pin_name_over(own, t->hidden, over);
	return start(node, t, TASK_FETCHING,
		     (struct kubo_op){ .kind = KUBO_PIN_ADD,
				       .type = t->copy.mode == PIN_DIRECT ? KUBO_DIRECT
									  : KUBO_RECURSIVE,
				       .name = t->hidden ? over : own,
				       .stall_us = node->worker->policy.stall_us },
		     err);
}

static bool size(struct node *node, struct task *t, struct err *err)
{
	return start(node, t, TASK_SIZING, (struct kubo_op){ .kind = KUBO_STAT }, err);
}

static bool settled(struct node *node, struct task *t, enum copy_state state, struct err *err)
{
	struct copy *c = &t->copy;

	c->attempts = 0;
	c->failure = FAILURE_NONE;
	task_set_error(t, (struct slice){ 0 });
	c->next_at = c->failing_since = 0;
	if (state == COPY_PINNED)
		node->pinned++;
	else
		node->unpinned++;
	if (!node_report(node, t, state, err))
		return false;
	node_forget(node, t);
	return true;
}

static enum copy_failure failure_of(enum kubo_outcome outcome)
{
	switch (outcome) {
	case KUBO_STALLED:
	case KUBO_NOT_LOCAL:
		return FAILURE_STALLED;
	case KUBO_TIMED_OUT:
	case KUBO_UNREACHABLE:
	case KUBO_RESTARTING:
		return FAILURE_UNREACHABLE;
	case KUBO_DENIED:
		return FAILURE_REFUSED;
	case KUBO_DISK_FULL:
		return FAILURE_NO_SPACE;
	case KUBO_BAD_REQUEST:
		return FAILURE_INVALID;
	case KUBO_OK:
	case KUBO_NOT_PINNED:
	case KUBO_ALREADY_PINNED:
	case KUBO_CANCELED:
	case KUBO_UNKNOWN:
	case KUBO_N_OUTCOMES:
		break;
	}
	return FAILURE_OTHER;
}

static bool failed(struct node *node, struct task *t, enum copy_failure failure, const char *text,
		   struct err *err)
{
	const struct worker_options *o = &node->worker->options;
	struct copy *c = &t->copy;
	int64_t wall = node_wall_us(node);
	bool told;

	t->to_judge = false;
	node->failed += failure != FAILURE_DENIED;
	if (c->attempts < UINT16_MAX)
		c->attempts++;
	c->failure = (uint8_t)failure;
	if (c->failing_since == 0)
		c->failing_since = wall;
	c->next_at = wall + retry_delay_us(&node->worker->policy.retry, failure, c->attempts,
					   rand_u64(o->rand));
	task_set_error(t, slice_str(text));
	told = node_report(node, t, COPY_ERROR,
			   err); /* first: the wait is that of what is reported */
	node_queue(node, t);
	return told;
}

/* The node is gone or going: nothing was learned of the CID. */
static bool node_trouble(enum kubo_outcome outcome)
{
	return outcome == KUBO_UNREACHABLE || outcome == KUBO_RESTARTING;
}

/* ---- what follows a call ------------------------------------------------------------------ */

/* It is there already. */
static bool found(struct node *node, struct task *t, const struct kubo_done *done, struct err *err)
{
	t->copy.adopted = !ours(node, &done->pin);
	return t->copy.size > 0 ? settled(node, t, COPY_PINNED, err) : size(node, t, err);
}

/* The deny list says nothing of it any more: what failed for it, as if it had never been tried. */
static bool allowed(struct node *node, struct task *t, struct err *err)
{
	struct copy *c = &t->copy;
	bool told;

	t->to_judge = false;
	if (c->failure != FAILURE_DENIED) {
		node_queue(node, t);
		return true;
	}
	c->attempts = 0;
	c->failure = FAILURE_NONE;
	c->next_at = c->failing_since = 0;
	task_set_error(t, (struct slice){ 0 });
	told = node_report(node, t, COPY_QUEUED, err);
	node_queue(node, t);
	return told;
}

static bool after_probe_to_pin(struct node *node, struct task *t, const struct kubo_done *done,
			       struct err *err)
{
	enum kubo_type wish = t->copy.mode == PIN_DIRECT ? KUBO_DIRECT : KUBO_RECURSIVE;
	const char *denied;
	bool theirs;

	if (done->outcome == KUBO_OK && t->probed >= wish)
		return found(node, t, done, err);
	if (done->outcome != KUBO_OK && done->outcome != KUBO_NOT_PINNED)
		return failed(node, t, failure_of(done->outcome), done->text, err);
	/* A recursive pin replaces a direct one, which may be the user's own. */
	if (t->probed == KUBO_RECURSIVE)
		return probe(node, t, KUBO_DIRECT, err);
	theirs = done->outcome == KUBO_OK && !ours(node, &done->pin);
	if (theirs || !t->owed)
		hide(t, theirs && !node->worker->policy.take_adopted ? done->pin.name : NULL);
	t->copy.adopted = false;
	if (t->was_pinned) {
		t->was_pinned = false;
		node->lost++;
		if (!node_report(node, t, COPY_QUEUED, err))
			return false;
	}
	if (!node_is_denied(node, t, &denied, err))
		return false;
	if (denied)
		return failed(node, t, FAILURE_DENIED, denied, err);
	return t->to_judge ? allowed(node, t, err) : fetch(node, t, err);
}

/* Our pin is gone.  The user's own that it hid, if any, comes back. */
static bool removed(struct node *node, struct task *t, struct err *err)
{
	if (!t->owed)
		return settled(node, t, COPY_UNPINNED, err);
	return start(node, t, TASK_RESTORING,
		     (struct kubo_op){ .kind = KUBO_PIN_ADD,
				       .type = KUBO_DIRECT,
				       .name = t->hidden,
				       .stall_us = node->worker->policy.stall_us },
		     err);
}

/* Kubo has it just now: only what is there is looked at a last time, and refusing to remove it
 * tells what Kubo told. */
static bool remove_pin(struct node *node, struct task *t, const struct kubo_pin *pin,
		       struct err *err)
{
	bool wanted;

	if (!cluster_still_wanted(node->worker->options.cluster, cid_slice(&t->cid), node->peer_no,
				  &wanted, err)) {
		/* No answer means no unpin.  The copy is not at fault: just later. */
		node_retry_at(node, t, node_mono_us(node) + node->worker->policy.retry.min_us);
		return false;
	}
	if (wanted) { /* said, so that a planner looks again (R9) */
		if (!node_report(node, t, COPY_PINNED, err))
			return false;
		node_forget(node, t);
		return true;
	}
	if (ours(node, pin))
		hide(t, pin_name_hidden(node->worker->pin_name, pin->name));
	/* From now on, for whatever comes before the answer. */
	t->owed = t->hidden != NULL;
	return start(node, t, TASK_REMOVING, (struct kubo_op){ .kind = KUBO_PIN_RM }, err);
}

static bool after_probe_to_unpin(struct node *node, struct task *t, const struct kubo_done *done,
				 struct err *err)
{
	bool there = done->outcome == KUBO_OK;

	if (there && !ours(node, &done->pin) && !node->worker->policy.take_adopted) {
		t->copy.adopted = true;
		return settled(node, t, COPY_UNPINNED, err);
	}
	/* pin/rm would take a direct pin too: whose is it? */
	if (done->outcome == KUBO_NOT_PINNED && t->probed == KUBO_RECURSIVE)
		return probe(node, t, KUBO_DIRECT, err);
	if (done->outcome == KUBO_NOT_PINNED) /* what a user pins now is not ours to remove */
		return removed(node, t, err);
	if (!there)
		return failed(node, t, failure_of(done->outcome), done->text, err);
	return remove_pin(node, t, &done->pin, err);
}

/* It is to be judged, or its slot was needed. */
static bool after_cancel(struct node *node, struct task *t, const struct kubo_done *done,
			 struct err *err)
{
	if (t->to_judge) {
		node_queue(node, t);
		return true;
	}
	return failed(node, t, FAILURE_STALLED,
		      done->progress.nodes > 0 ? "no provider gives more blocks"
					       : "no provider gave a first block",
		      err);
}

/* The last progress of a fetch tells the bytes of all blocks, each once, as dag/stat would; only
 * where it tells none (direct pins, Kubo before 0.40) the size is asked for. */
static bool after_fetch(struct node *node, struct task *t, const struct kubo_done *done,
			struct err *err)
{
	if (done->outcome == KUBO_OK && done->progress.bytes > 0) {
		t->copy.size = done->progress.bytes;
		return settled(node, t, COPY_PINNED, err);
	}
	if (done->outcome == KUBO_OK || done->outcome == KUBO_ALREADY_PINNED)
		return size(node, t, err);
	if (done->outcome == KUBO_CANCELED)
		return after_cancel(node, t, done, err);
	return failed(node, t, failure_of(done->outcome), done->text, err);
}

static bool after_removal(struct node *node, struct task *t, const struct kubo_done *done,
			  struct err *err)
{
	if (done->outcome != KUBO_OK && done->outcome != KUBO_NOT_PINNED)
		return failed(node, t, failure_of(done->outcome), done->text, err);
	return removed(node, t, err);
}

static bool after_restoring(struct node *node, struct task *t, const struct kubo_done *done,
			    struct err *err)
{
	if (done->outcome == KUBO_OK || done->outcome == KUBO_ALREADY_PINNED)
		return settled(node, t, COPY_UNPINNED, err);
	return failed(node, t, failure_of(done->outcome), done->text, err); /* comes back here */
}

static void give_back(struct node *node, struct task *t)
{
	LIST_REMOVE(t, running);
	node->n_calls--;
	node->n_patient -= t->patient;
	node->n_fetching -= t->holds_slot;
	t->patient = t->holds_slot = false;
	t->op = 0;
}

/* True if nothing was learned of the CID: the node was not to be had.  A call that breaks off
 * each time while the node answers others (a proxy that will not pass it, a CID that a daemon
 * dies of) has failed like any other.  That the node could say whether it has a pin tells nothing
 * of that, that blocks came does. */
static bool broke_off(struct node *node, struct task *t, const struct kubo_done *done)
{
	bool trouble = node_trouble(done->outcome);

	if (done->progress.nodes > 0 || (t->step != TASK_PROBING && !trouble))
		t->troubles = 0;
	if (!trouble)
		return false;
	node->troubled = true;
	node->heartbeat_at = 0; /* ask at once whether it is still there */
	if (++t->troubles < TROUBLES_MAX)
		return true;
	t->troubles = 0;
	return false;
}

/* What could not be told or begun, later. */
void node_put_back(struct node *node, struct task *t)
{
	if (t->turn.place == TURN_RUNNING && !t->op)
		node_retry_at(node, t, node_mono_us(node) + node->worker->policy.retry.min_us);
}

static bool go_on(struct node *node, struct task *t, const struct kubo_done *done, struct err *err)
{
	enum task_step step = t->step;

	give_back(node, t);
	if (broke_off(node, t, done) || t->renewed) {
		t->renewed = false;
		node_queue(node, t);
		return true;
	}
	switch (step) {
	case TASK_PROBING:
		return t->copy.desired ? after_probe_to_pin(node, t, done, err)
				       : after_probe_to_unpin(node, t, done, err);
	case TASK_FETCHING:
		return after_fetch(node, t, done, err);
	case TASK_SIZING:
		if (done->outcome == KUBO_OK)
			t->copy.size = done->size_bytes;
		return settled(node, t, COPY_PINNED,
			       err); /* a size that is not known is no failure */
	case TASK_REMOVING:
		return after_removal(node, t, done, err);
	case TASK_RESTORING:
		return after_restoring(node, t, done, err);
	case TASK_WAITING:
		break;
	}
	return err_set(err, ERR_INTERNAL, "a call ended for a task that had none");
}

bool node_done(struct node *node, struct task *t, const struct kubo_done *done, struct err *err)
{
	if (go_on(node, t, done, err))
		return true;
	node_put_back(node, t);
	return false;
}
