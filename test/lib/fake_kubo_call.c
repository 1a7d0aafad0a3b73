#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "lib/fake_kubo_world.h"

static int64_t after(int64_t time_us, int64_t wait_us)
{
	return wait_us <= 0 || time_us > INT64_MAX - wait_us ? INT64_MAX : time_us + wait_us;
}

static struct fake_node *node_of(const struct call *call)
{
	return &call->client->fake->nodes[call->node];
}

static int64_t way_us(const struct call *call)
{
	const struct fake_kubo_knobs *knobs = &node_of(call)->knobs;
	int64_t jitter = knobs->jitter_us;

	if (jitter > 0)
		jitter = (int64_t)rand_below(call->client->fake->rand, (uint64_t)jitter + 1);
	return knobs->latency_us + jitter;
}

void call_free(struct call *call)
{
	if (!call)
		return;
	arena_free(call->mem);
	xfree(call);
}

/* How far a fetch has come at `now_us`. */
struct kubo_progress call_progress(const struct call *call, int64_t now_us)
{
	struct content c = content_of(&call->client->fake->contents, call->op.cid);
	uint64_t blocks = 0;

	if (call->state != CALL_FETCHING)
		return call->done.progress;
	if (call->fetch_us > 0)
		blocks = (uint64_t)((double)(now_us - call->fetch_from_us) * (double)c.blocks /
				    (double)call->fetch_us);
	if (blocks > c.blocks)
		blocks = c.blocks;
	return (struct kubo_progress){ blocks, blocks * (c.size_bytes / c.blocks) };
}

static void leave_state(struct call *call)
{
	if (call->op.kind == KUBO_PIN_ADD && call->state == CALL_FETCHING)
		node_of(call)->seen.adds--;
}

void call_end(struct call *call, enum kubo_outcome outcome, int status, const char *text,
	      int64_t now_us)
{
	if (call->op.kind == KUBO_PIN_ADD)
		call->done.progress = call_progress(call, now_us);
	leave_state(call);
	call->state = CALL_ENDED;
	call->next_us = call->give_up_us = INT64_MAX;
	call->done.outcome = outcome;
	call->done.http_status = status;
	call->done.took_us = now_us - call->started_us;
	snprintf(call->done.text, sizeof(call->done.text), "%s", text);
}

/* The node is finished; its answer is under way. */
static void answer(struct call *call, enum kubo_outcome outcome, int status, const char *text,
		   int64_t now_us)
{
	leave_state(call);
	call->state = CALL_ANSWERED;
	call->next_us = now_us + way_us(call);
	call->done.outcome = outcome;
	call->done.http_status = status;
	snprintf(call->done.text, sizeof(call->done.text), "%s", text);
}

static void answer_ok(struct call *call, int64_t now_us)
{
	answer(call, KUBO_OK, 200, "", now_us);
}

/* A direct pin over a recursive one is refused: asked when the root block is there. */
static bool refuse_direct(struct call *call, int64_t now_us)
{
	const struct kubo_pin *pin = fake_node_pin(node_of(call), call->op.cid);

	if (call->op.type != KUBO_DIRECT || !pin || pin->type != KUBO_RECURSIVE)
		return false;
	answer(call, KUBO_ALREADY_PINNED, 500, "already pinned recursively", now_us);
	return true;
}

static void finish_add(struct call *call, int64_t now_us)
{
	struct content c = content_of(&call->client->fake->contents, call->op.cid);

	if (refuse_direct(call, now_us))
		return;
	fake_node_item(node_of(call), call->op.cid)->local = true;
	fake_node_put_pin(node_of(call), call->op.cid, call->op.type, call->op.name);
	call->done.progress = (struct kubo_progress){ c.blocks, c.size_bytes };
	answer_ok(call, now_us);
}

/* Kubo gives up on a call without progress; with evenly spaced blocks that is known before. */
void call_begin_fetch(struct call *call, int64_t fetch_us, int64_t now_us)
{
	struct content c = content_of(&call->client->fake->contents, call->op.cid);
	struct kubo_limits limits = kubo_limits_of(&call->op);
	bool hang = node_of(call)->knobs.hang;
	bool stalls = hang || fetch_us < 0 || fetch_us / (int64_t)c.blocks > limits.stall_us;
	int64_t timeout_us = after(call->started_us, limits.timeout_us);

	call->fetch_from_us = now_us;
	call->fetch_us = hang ? -1 : fetch_us;
	call->next_us = call->fetch_us < 0 ? INT64_MAX : now_us + fetch_us;
	call->give_up_us = stalls ? after(now_us, limits.stall_us) : INT64_MAX;
	call->gives_up_as = KUBO_STALLED;
	if (timeout_us < call->give_up_us) {
		call->give_up_us = timeout_us;
		call->gives_up_as = KUBO_TIMED_OUT;
	}
}

static bool has_room(struct call *call)
{
	struct fake_kubo *fake = call->client->fake;
	struct fake_node *node = node_of(call);
	uint64_t size = content_of(&fake->contents, call->op.cid).size_bytes;

	if (node->knobs.disk_full)
		return false;
	return node->knobs.capacity_bytes == 0 ||
	       fake_node_used(node, &fake->contents) + size <= node->knobs.capacity_bytes;
}

static void run_pin_add(struct call *call, int64_t now_us)
{
	struct fake_node *node = node_of(call);
	struct kubo_pin *pin = fake_node_pin(node, call->op.cid);
	struct item *item = fake_node_item(node, call->op.cid);

	if (refuse_direct(call, now_us))
		return;
	if (pin && pin->type == KUBO_RECURSIVE) {
		node->seen.readds++;
		if (!node->knobs.readd_is_safe)
			fake_node_drop_pin(node, call->op.cid);
	}
	if (item->local && !node->knobs.hang) {
		finish_add(call, now_us);
		return;
	}
	if (!has_room(call)) {
		answer(call, KUBO_DISK_FULL, 500, "no space left on device", now_us);
		return;
	}
	call->state = CALL_FETCHING;
	if (++node->seen.adds > node->seen.adds_most)
		node->seen.adds_most = node->seen.adds;
	call_begin_fetch(call, item->fetch_us, now_us);
}

static void run_pin_ls(struct call *call, int64_t now_us)
{
	struct kubo_pin *pin = fake_node_pin(node_of(call), call->op.cid);

	if (!pin || pin->type != call->op.type) {
		answer(call, KUBO_NOT_PINNED, 500, "is not pinned", now_us);
		return;
	}
	call->done.pin = (struct kubo_pin){ call->op.cid, arena_printf(call->mem, "%s", pin->name),
					    pin->type };
	answer_ok(call, now_us);
}

static void run_pin_rm(struct call *call, int64_t now_us)
{
	if (!fake_node_pin(node_of(call), call->op.cid)) {
		answer(call, KUBO_NOT_PINNED, 500, "not pinned or pinned indirectly", now_us);
		return;
	}
	fake_node_drop_pin(node_of(call), call->op.cid);
	answer_ok(call, now_us);
}

static void run_pin_update(struct call *call, int64_t now_us)
{
	struct fake_node *node = node_of(call);
	struct kubo_pin *from = fake_node_pin(node, call->op.cid);
	struct kubo_pin *to = fake_node_pin(node, call->op.to_cid);

	if (!from || from->type != KUBO_RECURSIVE) {
		answer(call, KUBO_NOT_PINNED, 500, "'from' cid was not recursively pinned already",
		       now_us);
		return;
	}
	if (strcmp(call->op.cid, call->op.to_cid) == 0) {
		answer_ok(call, now_us);
		return;
	}
	if (to && to->type == KUBO_RECURSIVE) {
		answer(call, KUBO_ALREADY_PINNED, 500, "'to' cid was already recursively pinned",
		       now_us);
		return;
	}
	if (fake_node_item(node, call->op.to_cid)->fetch_us < 0) {
		call->state = CALL_HUNG;
		call->next_us = INT64_MAX;
		return;
	}
	fake_node_item(node, call->op.to_cid)->local = true;
	fake_node_put_pin(node, call->op.to_cid, KUBO_RECURSIVE, from->name);
	if (!call->op.keep_old)
		fake_node_drop_pin(node, call->op.cid);
	answer_ok(call, now_us);
}

static void run_pin_list(struct call *call, int64_t now_us)
{
	struct fake_node *node = node_of(call);

	call->listed = arena_new_array(call->mem, struct kubo_pin, node->pins.n + 1);
	for (size_t i = 0; i < node->pins.n; i++) {
		const struct kubo_pin *pin = node->pins.at[i];

		if (pin->type != call->op.type)
			continue;
		call->listed[call->n_listed++] =
			(struct kubo_pin){ arena_printf(call->mem, "%s", pin->cid),
					   arena_printf(call->mem, "%s", pin->name), pin->type };
	}
	answer_ok(call, now_us);
}

static void run_stat(struct call *call, int64_t now_us)
{
	if (!fake_node_item(node_of(call), call->op.cid)->local) {
		answer(call, KUBO_NOT_LOCAL, 500, "block was not found locally (offline)", now_us);
		return;
	}
	call->done.size_bytes = content_of(&call->client->fake->contents, call->op.cid).size_bytes;
	answer_ok(call, now_us);
}

static void run_small(struct call *call, int64_t now_us)
{
	struct fake_kubo *fake = call->client->fake;
	struct fake_node *node = node_of(call);
	const char **addrs;

	if (call->op.kind == KUBO_ID) {
		addrs = arena_new_array(call->mem, const char *, 1);
		addrs[0] = arena_printf(call->mem, "/ip4/127.0.0.1/tcp/%u/p2p/fake%u",
					4001 + call->node, call->node);
		call->done.who = (struct kubo_node_id){ strrchr(addrs[0], '/') + 1, "kubo/0.42.0/",
							addrs, 1 };
	} else if (call->op.kind == KUBO_VERSION) {
		call->done.version = "0.42.0";
	} else if (call->op.kind == KUBO_REPO_STAT) {
		call->done.repo = (struct kubo_repo){ fake_node_used(node, &fake->contents),
						      node->knobs.capacity_bytes };
	} else if (call->op.kind == KUBO_REPO_GC) {
		call->done.collected = fake_node_collect(node, &fake->contents);
	} else {
		snprintf(node->seen.last_addr, sizeof(node->seen.last_addr), "%s", call->op.addr);
	}
	answer_ok(call, now_us);
}

static void (*const run_kind[KUBO_N_KINDS])(struct call *, int64_t) = {
	[KUBO_ID] = run_small,          [KUBO_VERSION] = run_small,
	[KUBO_PIN_LS] = run_pin_ls,     [KUBO_PIN_ADD] = run_pin_add,
	[KUBO_PIN_RM] = run_pin_rm,     [KUBO_PIN_UPDATE] = run_pin_update,
	[KUBO_PIN_LIST] = run_pin_list, [KUBO_STAT] = run_stat,
	[KUBO_REPO_STAT] = run_small,   [KUBO_SWARM_CONNECT] = run_small,
	[KUBO_REPO_GC] = run_small,
};

static bool cid_breaks(const struct call *call)
{
	const char *cid = node_of(call)->knobs.break_cid;

	return cid && call->op.kind == KUBO_PIN_ADD && strcmp(cid, call->op.cid) == 0;
}

static void arrive(struct call *call, int64_t now_us)
{
	struct fake_node *node = node_of(call);
	bool breaks = node->knobs.break_ppm > 0 &&
		      rand_below(call->client->fake->rand, 1000000) < node->knobs.break_ppm;

	if (now_us < node->down_until_us) {
		call_end(call, KUBO_UNREACHABLE, 0, "connection refused", now_us);
		return;
	}
	if (cid_breaks(call))
		node->down_until_us = now_us + node->knobs.break_down_us;
	if (cid_breaks(call) || (breaks && rand_below(call->client->fake->rand, 2) == 0)) {
		call_end(call, KUBO_UNREACHABLE, 0, "connection broke", now_us);
		return;
	}
	node->seen.calls[call->op.kind]++;
	if (node->knobs.refuse) {
		answer(call, KUBO_DENIED, 403, "Kubo RPC Access Denied", now_us);
	} else if (node->knobs.hang && call->op.kind != KUBO_PIN_ADD) {
		call->state = CALL_HUNG;
		call->next_us = INT64_MAX;
	} else {
		run_kind[call->op.kind](call, now_us);
		if (breaks)
			call_end(call, KUBO_UNREACHABLE, 0, "connection broke", now_us);
	}
}

static void step_call(struct call *call)
{
	int64_t at_us = call->next_us;

	if (call->give_up_us < at_us) {
		call_end(call, call->gives_up_as, 0,
			 call->gives_up_as == KUBO_STALLED ? "no progress" : "no answer in time",
			 call->give_up_us);
		return;
	}
	switch (call->state) {
	case CALL_SENT:
		arrive(call, at_us);
		return;
	case CALL_FETCHING:
		finish_add(call, at_us);
		return;
	case CALL_ANSWERED:
		call_end(call, call->done.outcome, call->done.http_status,
			 arena_printf(call->mem, "%s", call->done.text), at_us);
		return;
	case CALL_HUNG:
	case CALL_ENDED:
		break;
	}
	assert(!"a call without a next step");
}

int64_t call_due(const struct call *call)
{
	return call->give_up_us < call->next_us ? call->give_up_us : call->next_us;
}

struct call *call_first_due(const struct fake_kubo *fake)
{
	struct call *first = NULL;

	for (struct call *call = fake->calls; call; call = call->next) {
		if (call_due(call) < INT64_MAX && (!first || call_due(call) < call_due(first)))
			first = call;
	}
	return first;
}

int64_t fake_settle(struct fake_kubo *fake)
{
	int64_t now_us = clock_mono_us(fake->clock);
	struct call *call;

	while ((call = call_first_due(fake)) && call_due(call) <= now_us)
		step_call(call);
	return now_us;
}

static const char *keep(struct arena *mem, const char *s)
{
	return s ? arena_printf(mem, "%s", s) : NULL;
}

struct call *call_new(struct client *client, const struct kubo_op *op, uint64_t id)
{
	struct call *call = xcalloc(1, sizeof(*call)), **at = &client->fake->calls;
	int64_t now_us = fake_settle(client->fake);
	struct kubo_limits limits = kubo_limits_of(op);
	bool stalls = limits.timeout_us == 0;

	call->client = client;
	call->node = client->nodes[op->node];
	call->mem = arena_new();
	call->op = *op;
	call->op.cid = keep(call->mem, op->cid);
	call->op.to_cid = keep(call->mem, op->to_cid);
	call->op.name = keep(call->mem, op->name);
	call->op.addr = keep(call->mem, op->addr);
	call->started_us = now_us;
	call->next_us = now_us + way_us(call);
	call->give_up_us = after(now_us, stalls ? limits.stall_us : limits.timeout_us);
	call->gives_up_as = stalls ? KUBO_STALLED : KUBO_TIMED_OUT;
	call->done =
		(struct kubo_done){ .id = id, .ctx = op->ctx, .kind = op->kind, .node = op->node };
	while (*at)
		at = &(*at)->next;
	*at = call;
	return call;
}
