#include "contract/role/roles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "model/cid.h"

#define GROUP_DESIRED  1 /* of placements_by_cid: see store/rows.h */
#define GROUP_OBSERVED 2
#define BUS_QUEUE      100000
#define ROUNDS         200 /* of steps at one time: more means that something never rests */

static int64_t test_time(struct clock *clock)
{
	return ((struct roles *)(void *)clock)->now;
}

static void meddle(struct roles *r, const struct copy_row *row)
{
	r->meddling = true;
	r->meanwhile(r, row);
	r->meddling = false;
}

static enum store_mem_fate count(void *ctx, void *instance UNUSED, enum store_mem_call call,
				 const struct store_write *write)
{
	struct roles *r = ctx;

	r->store_calls++;
	if (call != STORE_MEM_WRITE || write->table != TABLE_PLACEMENTS_BY_CID)
		return FATE_LAND;
	r->reports += write->group == GROUP_OBSERVED;
	if (write->group == GROUP_DESIRED && r->meanwhile && !r->meddling)
		meddle(r, write->row);
	return FATE_LAND;
}

static int64_t or_else(int64_t given, int64_t other)
{
	return given ? given : other;
}

static void count_guarded(void *ctx, unsigned copies)
{
	struct roles *r = ctx;

	r->guarded += copies;
	held_back_note(r->held_back, r->now, copies);
}

static void note_finished(void *ctx, enum outcome_source source, bool desired, int64_t after_us)
{
	struct roles *r = ctx;

	r->finished[source][desired]++;
	r->finished_us = after_us;
}

static void note_copies(void *ctx, struct slice cid, const struct copy_counts *change)
{
	reconciler_note_copies(((struct roles *)ctx)->reconciler, cid, change);
}

struct replan_options roles_replan(struct roles *r)
{
	return (struct replan_options){ .store = r->store,
					.bus = r->bus,
					.clock = &r->clock,
					.watch = r->watch,
					.instance = 1,
					.policy = &r->replan_policy,
					.events = { .ctx = r,
						    .finished = note_finished,
						    .copies = note_copies,
						    .guarded = count_guarded } };
}

static const struct health_policy health_policy = { .suspect_us = 12 * US_PER_S,
						    .down_us = 25 * US_PER_S,
						    .grace_us = 30 * US_PER_S };

static void set_policies(struct roles *r)
{
	const struct roles_options *o = &r->options;

	r->replan_policy = (struct replan_policy){
		.reconcile = { .republish_us = 40 * US_PER_S,
			       .forget_us = 4 * US_PER_MIN,
			       .recheck_us = 40 * US_PER_S },
		.peers_refresh_us = US_PER_S,
		.guard = { .permille = o->guard_permille,
			   .least = (unsigned)or_else(o->guard_least, 1000000),
			   .window_us = 10 * US_PER_MIN },
	};
	r->worker_policy = (struct worker_policy){
		.max_fetches = (unsigned)or_else(o->max_fetches, 8),
		.max_patient = 8,
		.max_dials = 16,
		.max_owner_fetches = 0,
		.patience_us = or_else(o->patience_us, 2 * US_PER_S),
		.stall_us = 30 * US_PER_S,
		.retry = { .min_us = US_PER_S, .max_us = 60 * US_PER_S },
		.unpin_grace_us = US_PER_S,
		.heartbeat_us = 5 * US_PER_S,
		.heartbeat_timeout_us = 5 * US_PER_S,
		.report_us = 5 * US_PER_S,
		.compare_us = or_else(o->compare_us, US_PER_H),
		.journal_max = 100000,
		.take_adopted = o->take_adopted,
	};
}

static size_t batch_max(const struct roles *r)
{
	return (size_t)or_else((int64_t)r->options.batch_max, 64);
}

static int64_t scan_interval(const struct roles *r)
{
	return or_else(r->options.scan_us, 5 * US_PER_MIN);
}

static void make_planner(struct roles *r)
{
	r->planner = planner_new(&(struct planner_options){
		.replan = roles_replan(r), .poll_us = 5 * US_PER_S, .batch_max = batch_max(r) });
}

static void make_ttl(struct roles *r)
{
	r->ttl = ttl_new(&(struct ttl_options){ .replan = roles_replan(r),
						.scan_us = scan_interval(r),
						.batch_max = batch_max(r) });
}

static void make_reconciler(struct roles *r)
{
	r->reconciler = reconciler_new(
		&(struct reconciler_options){ .replan = roles_replan(r),
					      .peers_us = 5 * US_PER_S,
					      .sweep_us = or_else(r->options.sweep_us, US_PER_H),
					      .pace_us = US_PER_MS,
					      .batch_max = batch_max(r) });
}

static void make_worker(struct roles *r)
{
	struct worker_node_options nodes[ROLES_NODES_MAX] = { 0 };
	char urls[ROLES_NODES_MAX][16];
	struct err err;

	r->kubo = fake_kubo_client(r->fake);
	for (unsigned i = 0; i < r->options.nodes; i++) {
		snprintf(urls[i], sizeof(urls[i]), "fake:%u", i);
		nodes[i].kubo.url = urls[i];
	}
	if (!worker_new(&(struct worker_options){ .kubo = r->kubo,
						  .cluster = r->cluster,
						  .bus = r->bus,
						  .clock = &r->clock,
						  .rand = &r->rand.base,
						  .store_id = "test",
						  .policy = &r->worker_policy,
						  .nodes = nodes,
						  .n_nodes = r->options.nodes },
			&r->worker, &err))
		fail_msg("%s", err.text);
}

struct roles *roles_new(const struct roles_options *options)
{
	struct roles *r = xcalloc(1, sizeof(*r));
	const struct store_mem_loose knobs = { .fate = count, .ctx = r };
	int64_t scan_us;
	struct err err;

	r->options = *options;
	r->now = INT64_C(1800000000000000);
	r->clock = (struct clock){ test_time, test_time };
	scan_us = scan_interval(r);
	rand_init_seeded(&r->rand, 1);
	r->mem = arena_new();
	r->data = store_mem_new_loose(&knobs);
	failing_store_init(&r->failing, store_mem_attach(r->data, &r->clock, 0, NULL));
	if (!store_open(&r->failing.base,
			&(struct store_options){ .instance = 1,
						 .clock = &r->clock,
						 .rand = &r->rand.base,
						 .expiring_us = scan_us },
			&r->store, &err))
		fail_msg("%s", err.text);
	r->bus = bus_local_new(&(struct bus_local_options){
		.queue_max = options->bus_queue ? options->bus_queue : BUS_QUEUE });
	set_policies(r);
	r->held_back = held_back_new(r->replan_policy.guard.window_us);
	r->watch = peer_watch_new(&health_policy, &r->clock);
	r->pins = pins_new(&(struct pins_options){ .store = r->store,
						   .bus = r->bus,
						   .clock = &r->clock,
						   .instance = 1,
						   .expiring_us = scan_us });
	make_planner(r);
	make_reconciler(r);
	make_ttl(r);
	r->cluster = cluster_new(r->store, &r->clock, r->watch, 1);
	r->fake = fake_kubo_new(options->nodes, &r->clock, &r->rand.base);
	make_worker(r);
	return r;
}

void roles_restart_worker(struct roles *r)
{
	struct worker_node node = { 0 };
	struct err err = { 0 };
	int64_t due;

	worker_free(r->worker);
	make_worker(r);
	while (node.peer_no == 0) { /* until then the bus knows the one that died */
		assert_true(worker_step(r->worker, r->now, &due, &err));
		assert_true(worker_node_at(r->worker, 0, &node));
	}
}

void roles_restart_planner(struct roles *r)
{
	planner_free(r->planner);
	make_planner(r);
}

void roles_restart_reconciler(struct roles *r)
{
	reconciler_free(r->reconciler);
	make_reconciler(r);
}

void roles_rest(struct roles *r, int64_t us)
{
	r->now += us;
	ttl_free(r->ttl);
	planner_free(r->planner);
	worker_free(r->worker);
	r->worker = NULL;
	cluster_free(r->cluster);
	peer_watch_free(r->watch);
	r->watch = peer_watch_new(&health_policy, &r->clock);
	r->cluster = cluster_new(r->store, &r->clock, r->watch, 1);
	make_planner(r);
	make_ttl(r);
	roles_restart_reconciler(r);
	roles_restart_worker(r);
}

void roles_free(struct roles *r)
{
	if (!r)
		return;
	worker_free(r->worker);
	fake_kubo_free(r->fake);
	cluster_free(r->cluster);
	ttl_free(r->ttl);
	reconciler_free(r->reconciler);
	planner_free(r->planner);
	pins_free(r->pins);
	bus_close(r->bus);
	store_close(r->store);
	r->failing.inner->ops->close(r->failing.inner);
	store_mem_free(r->data);
	held_back_free(r->held_back);
	peer_watch_free(r->watch);
	arena_free(r->mem);
	xfree(r);
}

/* One step of each; gives the earliest time that one of them wants to be called at. */
static int64_t step_all(struct roles *r)
{
	int64_t due[4];
	struct err err = { 0 };

	if (!planner_step(r->planner, &due[0], &err) ||
	    !worker_step(r->worker, r->now, &due[1], &err) ||
	    !reconciler_step(r->reconciler, &due[2], &err) || !ttl_step(r->ttl, &due[3], &err))
		fail_msg("%s", err.text);
	for (int i = 1; i < 4; i++)
		if (due[i] < due[0])
			due[0] = due[i];
	return due[0];
}

static bool messages_wait(struct roles *r)
{
	struct bus_counters c;

	bus_counters(r->bus, &c);
	return c.waiting[BUS_PIN_REQUEST] + c.waiting[BUS_PIN_ASSIGN] + c.waiting[BUS_PIN_STATUS] >
	       0;
}

void roles_run(struct roles *r, int64_t us)
{
	int64_t end = r->now + us;

	for (;;) {
		int64_t due = r->now;

		for (int i = 0; i < ROUNDS; i++) {
			due = step_all(r);
			if (due > r->now && !messages_wait(r) && fake_kubo_due(r->fake) > r->now)
				break;
		}
		if (r->now >= end)
			return;
		if (fake_kubo_due(r->fake) < due)
			due = fake_kubo_due(r->fake);
		if (due <= r->now)
			due = r->now + US_PER_MS;
		r->now = due < end ? due : end;
	}
}

struct slice roles_cid(struct roles *r, unsigned n)
{
	uint8_t *cid = arena_alloc(r->mem, 36);

	memset(cid, 0, 36);
	memcpy(cid, "\x01\x55\x12\x20", 4);
	memcpy(cid + 4, &n, sizeof(n));
	return SLICE_OF(cid, 36);
}

const char *roles_text(struct roles *r, unsigned n)
{
	char *text = arena_alloc(r->mem, CID_TEXT_MAX);
	struct cid cid;
	struct err err;

	if (!cid_decode(roles_cid(r, n), &cid, &err))
		fail_msg("%s", err.text);
	cid_text(&cid, 0, text);
	return text;
}

struct ulid roles_pin(struct roles *r, const char *owner, unsigned n, const struct pin_ask *ask)
{
	const struct pins_call call = { .owner = slice_str(owner), .route = SLICE_LIT("create") };
	struct pin_ask full = ask ? *ask : (struct pin_ask){ 0 };
	struct pins_result result;
	struct err err = { 0 };
	uint64_t mark;

	full.cid = roles_cid(r, n);
	if (!pins_create(r->pins, &call, &full, 1, r->mem, &result, &mark, &err))
		fail_msg("%s", err.text);
	if (result.outcome != PINS_DONE)
		fail_msg("%s: %s", pins_outcome_name(result.outcome), result.why);
	return result.request_id;
}

void roles_replace(struct roles *r, const char *owner, struct ulid old, unsigned n,
		   const struct pin_ask *ask)
{
	const struct pins_call call = { .owner = slice_str(owner), .route = SLICE_LIT("replace") };
	struct pin_ask full = *ask;
	struct pins_result result;
	struct err err = { 0 };
	uint64_t mark;

	full.cid = roles_cid(r, n);
	if (!pins_replace(r->pins, &call, old, &full, r->mem, &result, &mark, &err) ||
	    result.outcome != PINS_DONE)
		fail_msg("%s", err.text);
}

void roles_revise(struct roles *r, const char *owner, struct ulid id, const struct pin_ask *ask)
{
	const struct pins_call call = { .owner = slice_str(owner), .route = SLICE_LIT("revise") };
	struct pins_result result;
	struct err err = { 0 };
	uint64_t mark;

	if (!pins_revise(r->pins, &call, id, 0, ask, r->mem, &result, &mark, &err))
		fail_msg("%s", err.text);
	if (result.outcome != PINS_DONE)
		fail_msg("%s: %s", pins_outcome_name(result.outcome), result.why);
}

void roles_wish(struct roles *r, uint32_t peer_no, enum peer_wish wish)
{
	struct peer_row *rows;
	struct err err = { 0 };
	size_t n;

	if (!store_peers(r->store, r->mem, &rows, &n, &err))
		fail_msg("%s", err.text);
	for (size_t i = 0; i < n; i++) {
		if (rows[i].peer_no != peer_no)
			continue;
		rows[i].wish = (uint8_t)wish;
		rows[i].wish_version += 1000;
		assert_true(store_peer_wish(r->store, &rows[i], &err));
	}
}

void roles_unpin(struct roles *r, const char *owner, struct ulid id)
{
	const struct pins_call call = { .owner = slice_str(owner), .route = SLICE_LIT("remove") };
	const struct pin_target target = { .id = id };
	struct pins_result result;
	struct err err = { 0 };
	uint64_t mark;

	if (!pins_remove(r->pins, &call, &target, 1, r->mem, &result, &mark, &err) ||
	    result.outcome != PINS_DONE)
		fail_msg("%s", err.text);
}

enum pin_status roles_status(struct roles *r, const char *owner, struct ulid id, bool *found)
{
	const struct owner_pin *row;
	struct err err;

	if (!store_find(r->store, slice_str(owner), id, r->mem, &row, &err))
		fail_msg("%s", err.text);
	*found = row != NULL;
	return row ? (enum pin_status)row->status : STATUS_QUEUED;
}

struct copy roles_copy(struct roles *r, unsigned n, uint32_t peer_no)
{
	struct cid_view view;
	struct err err;

	if (!store_copies(r->store, roles_cid(r, n), r->mem, &view, &err))
		fail_msg("%s", err.text);
	for (size_t i = 0; i < view.n_copies; i++)
		if (view.copies[i].peer_no == peer_no)
			return view.copies[i];
	return (struct copy){ 0 };
}
