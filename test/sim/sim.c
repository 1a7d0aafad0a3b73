/* sim.c -- the world and its scheduler. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "model/version.h"

#define BUSY_US  (300 * US_PER_S) /* users and faults */
#define QUIET_US (2 * US_PER_H)   /* then nothing but the system; at most */
#define LOOK_US  US_PER_MIN       /* between two looks whether all is at rest */
#define SWEEP_US (180 * US_PER_S) /* between two sweeps, and two comparisons */

/* ---- telling -------------------------------------------------------------------- */

void sim_trace(struct sim *sim, const char *fmt, ...)
{
	va_list ap;

	if (!sim->trace || sim->judging)
		return;
	printf("%10.3f ", (double)(sim->now - 2 * US_PER_DAY) / 1e6);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void sim_violated(struct sim *sim, const char *fmt, ...)
{
	char text[sizeof(sim->violation)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!sim->judging)
		sim_trace(sim, "VIOLATION %s", text);
	if (!sim->violation[0])
		memcpy(sim->violation, text, sizeof(text));
}

bool sim_chance(struct sim *sim, unsigned ppm)
{
	return ppm > 0 && rand_below(&sim->rand.base, 1000000) < ppm;
}

/* ---- clocks ----------------------------------------------------------------------- */

static int64_t world_now(struct clock *clock)
{
	return CONTAINER_OF(clock, struct sim, clock)->now;
}

int64_t sim_wall(const struct sim *sim)
{
	return sim->now + sim->wall_off;
}

static int64_t world_wall(struct clock *clock)
{
	return sim_wall(CONTAINER_OF(clock, struct sim, clock));
}

static int64_t process_wall(struct clock *clock)
{
	struct process *p = CONTAINER_OF(clock, struct process, clock);

	return sim_wall(p->sim) + p->skew;
}

/* The world's clock, or that of one machine. */
static void jump(struct sim *sim)
{
	int64_t by = rand_below(&sim->rand.base, 2) ? US_PER_DAY : -US_PER_DAY;
	struct process *p = &sim->processes[rand_below(&sim->rand.base, SIM_PROCESSES)];

	if (rand_below(&sim->rand.base, 2)) {
		sim->wall_off = sim->wall_off ? 0 : by;
		sim_trace(sim, "all clocks are %+lld s off", (long long)(sim->wall_off / US_PER_S));
		return;
	}
	p->skew = p->skew > US_PER_H || p->skew < -US_PER_H ? 0 : by;
	sim_trace(sim, "the clock of %s %u is %+lld s off", p->kind, p->number,
		  (long long)(p->skew / US_PER_S));
}

static int64_t process_mono(struct clock *clock)
{
	return CONTAINER_OF(clock, struct process, clock)->sim->now;
}

/* ---- the store's fate --------------------------------------------------------------- */

/* Comparisons and walks read the pins of a peer in 4096 parts that are nearly all empty. */
static bool dull(struct sim *sim, enum store_mem_call call, const struct store_write *write)
{
	return call == STORE_MEM_READ && write->table == TABLE_PINS_BY_PEER &&
	       !sim_chance(sim, 20000);
}

/* One place to interleave at a call is enough: what runs between two calls is nobody else's. */
static enum store_mem_fate fate(void *ctx, void *instance, enum store_mem_call call,
				const struct store_write *write)
{
	struct sim *sim = ctx;
	struct process *p = instance;
	const struct sim_fault *f = &sim->fault;

	if (!p)
		return FATE_LAND; /* the checker's handle */
	if (!dull(sim, call, write))
		sim_yield(sim);
	if (p->killed)
		return FATE_KILLED;
	if (sim_chance(sim, f->fail))
		return FATE_FAIL;
	if (call == STORE_MEM_READ)
		return FATE_LAND;
	if (sim_chance(sim, f->unknown))
		return FATE_LAND_UNKNOWN;
	if (sim_chance(sim, f->lost))
		return FATE_LOST;
	if (call == STORE_MEM_WRITE && sim_chance(sim, f->late))
		return FATE_LATE;
	return FATE_LAND;
}

/* ---- fibers ---------------------------------------------------------------------------- */

void sim_yield(struct sim *sim UNUSED)
{
	fiber_yield();
}

bool sim_wait(struct role_fiber *rf, int64_t until)
{
	struct sim *sim = rf->process->sim;

	rf->wait_until = until;
	while (!rf->process->killed && !rf->knocked && sim->now < rf->wait_until)
		fiber_yield();
	rf->wait_until = 0;
	rf->knocked = false;
	return !rf->process->killed;
}

static bool ready(const struct role_fiber *rf)
{
	return rf->fiber && (rf->wait_until == 0 || rf->knocked || rf->process->killed ||
			     rf->process->sim->now >= rf->wait_until);
}

static void run_role(void *arg)
{
	struct role_fiber *rf = arg;

	rf->run(rf);
}

static void add_role(struct process *p, const char *name, void (*run)(struct role_fiber *rf))
{
	struct role_fiber *rf = &p->roles[p->n_roles++];

	*rf = (struct role_fiber){ .process = p, .name = name, .run = run };
	rf->fiber = fiber_new(run_role, rf);
	p->n_running++;
}

/* ---- roles -------------------------------------------------------------------------------- */

static const struct replan_policy replan_policy = {
	.health = { .suspect_us = 12 * US_PER_S,
		    .down_us = 25 * US_PER_S,
		    .grace_us = 30 * US_PER_S },
	.reconcile = { .republish_us = 40 * US_PER_S,
		       .forget_us = 4 * US_PER_MIN,
		       .recheck_us = 40 * US_PER_S },
	.peers_refresh_us = US_PER_S,
	/* The guard has tests of its own; here everything moves. */
	.guard = { .permille = 1000, .least = 1000000, .window_us = 60 * US_PER_S },
};

static struct replan_options replan_options(struct process *p)
{
	return (struct replan_options){ .store = p->store,
					.bus = p->bus,
					.clock = &p->clock,
					.instance = p->instance,
					.policy = &replan_policy,
					.since_us = clock_mono_us(&p->clock) };
}

/* A role's step failed: the real loop logs it and tries again, and so do we. */
static int64_t after_failure(struct role_fiber *rf, const struct err *err)
{
	struct sim *sim = rf->process->sim;

	if (!rf->process->killed)
		sim_trace(sim, "%s %u %s: %s", rf->process->kind, rf->process->number, rf->name,
			  err->text);
	if (err->code != ERR_TIMEOUT && err->code != ERR_UNAVAILABLE && err->code != ERR_CANCELED)
		sim_violated(sim, "%s: %s fault: %s", rf->name, err_code_name(err->code),
			     err->text);
	return sim->now + US_PER_S;
}

#define STEP_LOOP(rf, call)                              \
	do {                                             \
		struct err err = { 0 };                  \
		int64_t due;                             \
                                                         \
		if (!(call))                             \
			due = after_failure((rf), &err); \
		if (!sim_wait((rf), due))                \
			break;                           \
	} while (1)

static void run_planner(struct role_fiber *rf)
{
	CLEANUP(planner_free)
	struct planner *p = planner_new(&(struct planner_options){
		.replan = replan_options(rf->process), .poll_us = 5 * US_PER_S, .batch_max = 4 });

	STEP_LOOP(rf, planner_step(p, &due, &err));
}

static void run_reconciler(struct role_fiber *rf)
{
	CLEANUP(reconciler_free)
	struct reconciler *r =
		reconciler_new(&(struct reconciler_options){ .replan = replan_options(rf->process),
							     .peers_us = 5 * US_PER_S,
							     .sweep_us = SWEEP_US,
							     .pace_us = US_PER_S,
							     .batch_max = 4 });

	STEP_LOOP(rf, reconciler_step(r, &due, &err));
}

static void run_ttl(struct role_fiber *rf)
{
	CLEANUP(ttl_free)
	struct ttl *t = ttl_new(&(struct ttl_options){ .replan = replan_options(rf->process),
						       .scan_us = SIM_EXPIRING_US,
						       .batch_max = 8 });

	STEP_LOOP(rf, ttl_step(t, &due, &err));
}

static struct worker_policy worker_policy(const struct sim *sim)
{
	return (struct worker_policy){
		.max_fetches = 3,
		.max_patient = 3,
		.patience_us = 2 * US_PER_S,
		.stall_us = 30 * US_PER_S,
		.retry = { .min_us = US_PER_S, .max_us = 60 * US_PER_S },
		.unpin_grace_us = US_PER_S,
		.heartbeat_us = 5 * US_PER_S,
		.heartbeat_timeout_us = 5 * US_PER_S,
		.report_us = 5 * US_PER_S,
		.compare_us = SWEEP_US,
		.journal_max = 4, /* small, so that sync in parts is tried */
		.take_adopted = sim->shape.take_adopted,
	};
}

/* Options only live while the worker does: on its fiber's stack. */
struct worker_site {
	struct worker_policy policy;
	struct worker_node_options nodes[2 * SIM_NODES];
	char urls[2 * SIM_NODES][16];
};

static struct worker *make_worker(struct process *p, struct worker_site *site)
{
	struct worker *w = NULL;
	struct err err = { 0 };
	const struct worker_options options = {
		.kubo = sim_kubo_attach(p),
		.cluster = p->cluster,
		.bus = p->bus,
		.clock = &p->clock,
		.rand = &p->rand.base,
		.store_id = "sim",
		.policy = &site->policy,
		.nodes = site->nodes,
		.n_nodes = p->n_nodes,
	};

	site->policy = worker_policy(p->sim);
	for (unsigned i = 0; i < p->n_nodes; i++) {
		/* A node that is there twice has two URLs. */
		snprintf(site->urls[i], sizeof(site->urls[i]), "fake:%0*u", (int)i + 1,
			 p->nodes[i]);
		site->nodes[i] = (struct worker_node_options){ .kubo.url = site->urls[i] };
		if (p->sim->shape.zoned)
			site->nodes[i].zone = SIM_ZONE_NAME(p->nodes[i] % SIM_ZONES);
	}
	if (!worker_new(&options, &w, &err))
		sim_violated(p->sim, "a worker cannot be made: %s", err.text);
	return w;
}

static void run_worker(struct role_fiber *rf)
{
	struct process *p = rf->process;
	struct worker_site site = { 0 };
	CLEANUP(worker_free) struct worker *w = make_worker(p, &site);

	STEP_LOOP(rf, worker_step(w, p->sim->now, &due, &err));
}

/* ---- processes ------------------------------------------------------------------------------ */

static void run_start(struct role_fiber *rf)
{
	struct process *p = rf->process;
	struct sim *sim = p->sim;
	struct err err = { 0 };

	if (!store_open(store_mem_attach(sim->mem, &p->clock, 0, p),
			&(struct store_options){ .instance = p->instance,
						 .clock = &p->clock,
						 .rand = &p->rand.base,
						 .expiring_us = SIM_EXPIRING_US },
			&p->store, &err)) {
		after_failure(rf, &err);
		p->killed = true; /* it starts again later, as under a supervisor */
		return;
	}
	p->cluster = cluster_new(p->store, &p->clock, p->instance);
	if (strcmp(p->kind, "api") == 0) {
		add_role(p, "user", sim_user);
		add_role(p, "user", sim_user);
		if (p->number == 0)
			add_role(p, "operator", sim_operator);
	} else if (strcmp(p->kind, "core") == 0) {
		add_role(p, "planner", run_planner);
		add_role(p, "reconciler", run_reconciler);
		add_role(p, "ttl", run_ttl);
	} else {
		add_role(p, "worker", run_worker);
	}
}

static void process_start(struct sim *sim, struct process *p)
{
	int64_t skew = sim->fault.skew_us;

	p->alive = true;
	p->killed = false;
	p->fresh_bus = true;
	p->skew = skew > 0 ? (int64_t)rand_below(&sim->rand.base, (uint64_t)(2 * skew)) - skew : 0;
	p->clock = (struct clock){ .wall_us = process_wall, .mono_us = process_mono };
	rand_init_seeded(&p->rand, rand_u64(&sim->rand.base));
	p->instance = ++sim->next_instance % (INSTANCE_MAX + 1);
	p->bus = sim_bus_attach(sim->bus, p);
	p->n_roles = p->n_running = 0;
	add_role(p, "start", run_start);
	sim_trace(sim, "%s %u starts as instance %u, clock %+lld ms", p->kind, p->number,
		  p->instance, (long long)(p->skew / 1000));
}

/* All its fibers have returned. */
static void process_bury(struct sim *sim, struct process *p)
{
	for (unsigned i = 0; i < p->n_roles; i++)
		fiber_free(p->roles[i].fiber);
	p->n_roles = 0;
	cluster_free(p->cluster);
	store_close(p->store);
	bus_close(p->bus);
	p->cluster = NULL;
	p->store = NULL;
	p->bus = NULL;
	p->alive = false;
	p->start_at = sim->now + (int64_t)rand_below(&sim->rand.base, 40 * US_PER_S);
}

static void process_kill(struct sim *sim, struct process *p)
{
	if (!p->alive || p->killed)
		return;
	sim_trace(sim, "%s %u is killed", p->kind, p->number);
	p->killed = true;
}

static void resume(struct sim *sim, struct role_fiber *rf)
{
	struct process *p = rf->process;

	sim->steps++;
	sim->hash =
		(sim->hash ^ (uint64_t)(p - sim->processes) ^ (uint64_t)sim->now) * 1099511628211u;
	if (fiber_resume(rf->fiber))
		return;
	fiber_free(rf->fiber);
	rf->fiber = NULL;
	if (--p->n_running == 0 && p->killed)
		process_bury(sim, p);
}

/* ---- Kubos ----------------------------------------------------------------------------------- */

unsigned sim_cid_of(const struct sim *sim, struct slice cid)
{
	unsigned c = 0;

	while (c < SIM_CIDS && !slice_eq(cid_slice(&sim->cids[c]), cid))
		c++;
	return c;
}

unsigned sim_node_of_peer(struct slice peer_id)
{
	for (unsigned n = 0; n < SIM_NODES; n++) {
		char id[16];

		snprintf(id, sizeof(id), "fake%u", n);
		if (slice_eq_str(peer_id, id))
			return n;
	}
	return SIM_NODES;
}

/* All pins and blocks of a node are gone. */
static void lose_repository(struct sim *sim, unsigned n)
{
	sim_trace(sim, "kubo %u loses its repository", n);
	for (unsigned c = 0; c < SIM_CIDS; c++) {
		sim->own[c][n] = false;
		if (fake_kubo_pin(sim->kubos, n, sim->texts[c]))
			sim->lost[c][n]++;
	}
	fake_kubo_lose_repo(sim->kubos, n);
}

/* What nobody could give can be had from now on. */
static void provide(struct sim *sim, unsigned c)
{
	if (!sim->unfetchable[c])
		return;
	sim_trace(sim, "cid %u can be fetched", c);
	sim->unfetchable[c] = false;
	for (unsigned n = 0; n < SIM_NODES; n++)
		fake_kubo_fetch(sim->kubos, n, sim->texts[c],
				(int64_t)rand_below(&sim->rand.base, 8 * US_PER_S));
}

static void trouble_a_kubo(struct sim *sim)
{
	unsigned n = (unsigned)rand_below(&sim->rand.base, SIM_NODES);
	unsigned c = (unsigned)rand_below(&sim->rand.base, SIM_CIDS);
	struct fake_kubo_knobs *knobs = fake_kubo_knobs(sim->kubos, n);

	switch (rand_below(&sim->rand.base, 9)) {
	case 0:
	case 1:
		sim_trace(sim, "kubo %u restarts", n);
		fake_kubo_restart(sim->kubos, n,
				  (int64_t)rand_below(&sim->rand.base, 120 * US_PER_S));
		break;
	case 2:
	case 3:
		if (!sim->own[c][n] && fake_kubo_pin(sim->kubos, n, sim->texts[c])) {
			sim_trace(sim, "kubo %u loses cid %u", n, c);
			fake_kubo_lose_pin(sim->kubos, n, sim->texts[c]);
			sim->lost[c][n]++;
		}
		break;
	case 4:
		knobs->disk_full = !knobs->disk_full;
		break;
	case 5:
		knobs->hang = !knobs->hang;
		break;
	case 6:
		knobs->break_ppm = knobs->break_ppm ? 0 : 50000;
		break;
	case 7:
		lose_repository(sim, n);
		break;
	default:
		knobs->latency_us = (int64_t)rand_below(&sim->rand.base, 500000);
		break;
	}
}

static void calm_kubos(struct sim *sim)
{
	for (unsigned n = 0; n < SIM_NODES; n++)
		*fake_kubo_knobs(sim->kubos, n) = (struct fake_kubo_knobs){ .latency_us = 1000 };
}

/* ---- the scheduler -----------------------------------------------------------------------------
 */

static struct role_fiber *pick_ready(struct sim *sim)
{
	struct role_fiber *ready_ones[SIM_PROCESSES * ARRAY_LEN(sim->processes[0].roles)];
	unsigned n = 0;

	for (unsigned i = 0; i < SIM_PROCESSES; i++)
		for (unsigned k = 0; k < sim->processes[i].n_roles; k++)
			if (ready(&sim->processes[i].roles[k]))
				ready_ones[n++] = &sim->processes[i].roles[k];
	return n > 0 ? ready_ones[rand_below(&sim->rand.base, n)] : NULL;
}

static void sooner(int64_t *at, int64_t candidate)
{
	if (candidate < *at)
		*at = candidate;
}

/* Nobody can run: on to when somebody can. */
static void advance(struct sim *sim, int64_t end)
{
	int64_t next = end, kubo = fake_kubo_due(sim->kubos);

	sooner(&next, kubo);
	for (unsigned i = 0; i < SIM_PROCESSES; i++) {
		struct process *p = &sim->processes[i];

		if (!p->alive)
			sooner(&next, p->start_at);
		for (unsigned k = 0; k < p->n_roles; k++)
			if (p->roles[k].fiber)
				sooner(&next, p->roles[k].wait_until);
	}
	if (next > sim->now)
		sim->now = next;
	if (kubo <= sim->now)
		for (unsigned i = SIM_API + SIM_CORES; i < SIM_PROCESSES; i++)
			for (unsigned k = 0; k < sim->processes[i].n_roles; k++)
				sim->processes[i].roles[k].knocked = true;
}

/* About once in `every_us`, judged at each step by the time since the last. */
static bool happens(struct sim *sim, int64_t *next, int64_t every_us)
{
	if (every_us == 0 || sim->now < *next)
		return false;
	*next = sim->now + 1 + (int64_t)rand_below(&sim->rand.base, (uint64_t)(2 * every_us));
	return true;
}

static void start_dead(struct sim *sim)
{
	for (unsigned i = 0; i < SIM_PROCESSES; i++)
		if (!sim->processes[i].alive && sim->now >= sim->processes[i].start_at)
			process_start(sim, &sim->processes[i]);
}

static void run_until(struct sim *sim, int64_t end)
{
	int64_t next_kill = 0, next_kubo = 0, next_jump = sim->now + US_PER_S;

	while (sim->now < end && !sim->violation[0]) {
		struct role_fiber *rf;

		start_dead(sim);
		if (happens(sim, &next_kill, sim->fault.kill_us))
			process_kill(sim,
				     &sim->processes[rand_below(&sim->rand.base, SIM_PROCESSES)]);
		if (happens(sim, &next_kubo, sim->fault.kubo_us))
			trouble_a_kubo(sim);
		if (happens(sim, &next_jump, sim->fault.jump_us))
			jump(sim);
		if (store_mem_late(sim->mem) > 0 && sim_chance(sim, 3000))
			store_mem_land_late(sim->mem,
					    rand_below(&sim->rand.base, store_mem_late(sim->mem)));
		rf = pick_ready(sim);
		if (rf)
			resume(sim, rf);
		else
			advance(sim, end);
		if (rf && sim_chance(sim, 100000))
			sim->now += (int64_t)rand_below(&sim->rand.base, 300);
	}
}

/* ---- one run ------------------------------------------------------------------------------- */

static void make_content(struct sim *sim)
{
	for (unsigned i = 0; i < SIM_CIDS; i++) {
		struct cid *cid = &sim->cids[i];

		/* CIDv1 raw, SHA-256; every third as the v0 of some other digest. */
		cid->len = i % 3 == 2 ? 34 : 36;
		memcpy(cid->bytes, i % 3 == 2 ? "\x12\x20" : "\x01\x55\x12\x20",
		       i % 3 == 2 ? 2 : 4);
		rand_fill(&sim->rand.base, cid->bytes + cid->len - 32, 32);
		cid_text(cid, 0, sim->texts[i]);
		sim->unfetchable[i] = i >= SIM_CIDS - 3;
		for (unsigned n = 0; n < SIM_NODES; n++)
			fake_kubo_fetch(sim->kubos, n, sim->texts[i],
					sim->unfetchable[i] ? FAKE_KUBO_NEVER
							    : (int64_t)rand_below(&sim->rand.base,
										  8 * US_PER_S));
	}
	for (unsigned n = 0; n < SIM_NODES; n++) {
		sim->own[n][n] = sim->own[n + SIM_NODES][n] = true;
		fake_kubo_put_pin(sim->kubos, n, sim->texts[n], KUBO_RECURSIVE, "my holiday");
		fake_kubo_put_pin(sim->kubos, n, sim->texts[n + SIM_NODES], KUBO_DIRECT,
				  "my block");
	}
}

/* Which worker has which node: one each, or as it falls; some nodes twice, at one worker
 * or two. */
static void give_nodes(struct sim *sim)
{
	struct process *workers = &sim->processes[SIM_API + SIM_CORES];
	bool plain = rand_below(&sim->rand.base, 2);

	for (unsigned n = 0; n < SIM_NODES; n++) {
		struct process *w =
			&workers[plain ? n : (unsigned)rand_below(&sim->rand.base, SIM_WORKERS)];

		w->nodes[w->n_nodes++] = n;
		if (!plain && rand_below(&sim->rand.base, 3) == 0) {
			w = &workers[rand_below(&sim->rand.base, SIM_WORKERS)];
			w->nodes[w->n_nodes++] = n;
		}
	}
	for (unsigned i = 0; i < SIM_WORKERS; i++)
		if (workers[i].n_nodes == 0)
			workers[i].start_at = INT64_MAX;
	/* One may join late. */
	if (workers[0].n_nodes > 0 && rand_below(&sim->rand.base, 3) == 0)
		workers[0].start_at =
			sim->now + (int64_t)rand_below(&sim->rand.base, 200 * US_PER_S);
}

static void make_world(struct sim *sim)
{
	static const char *const kinds[] = { "api", "core", "worker" };

	sim->mem = sim->shape.serial ? store_mem_new()
				     : store_mem_new_loose(&(struct store_mem_loose){ .fate = fate,
										      .ctx = sim });
	sim->bus = sim_bus_new(sim);
	sim->kubos = fake_kubo_new(SIM_NODES, &sim->clock, &sim->rand.base);
	make_content(sim);
	for (unsigned i = 0; i < SIM_PROCESSES; i++) {
		unsigned kind = i < SIM_API ? 0 : i < SIM_API + SIM_CORES ? 1 : 2;

		sim->processes[i] = (struct process){
			.sim = sim,
			.kind = kinds[kind],
			.number = kind == 2 ? i - SIM_API - SIM_CORES : i,
			.start_at = sim->now,
		};
	}
	give_nodes(sim);
}

static void end_world(struct sim *sim)
{
	for (unsigned i = 0; i < SIM_PROCESSES; i++)
		process_kill(sim, &sim->processes[i]);
	for (unsigned i = 0; i < SIM_PROCESSES; i++) {
		struct process *p = &sim->processes[i];

		while (p->alive && p->n_running > 0)
			for (unsigned k = 0; k < p->n_roles; k++)
				if (p->roles[k].fiber)
					resume(sim, &p->roles[k]);
		if (p->alive)
			process_bury(sim, p);
	}
	sim_bus_free(sim->bus);
	fake_kubo_free(sim->kubos);
	store_mem_free(sim->mem);
}

static struct sim_fault some_faults(struct sim *sim)
{
	struct rand *r = &sim->rand.base;
	/* One world in eight is perfect, the others are bad in their own ways. */
	unsigned bad = rand_below(r, 8) ? 1 : 0;
	struct sim_fault fault = { 0 };

	/* One after the other: the draws in an initializer may come in any order. */
	fault.unknown = bad * (unsigned)rand_below(r, 4000);
	fault.late = bad * (unsigned)rand_below(r, 4000);
	fault.lost = bad * (unsigned)rand_below(r, 4000);
	fault.fail = bad * (unsigned)rand_below(r, 4000);
	fault.drop = bad * (unsigned)rand_below(r, 300000);
	fault.repeat = bad * (unsigned)rand_below(r, 200000);
	fault.delay_us = (int64_t)rand_below(r, 5 * US_PER_S);
	fault.skew_us = bad * (int64_t)rand_below(r, US_PER_S);
	fault.kill_us = bad * (10 * US_PER_S + (int64_t)rand_below(r, 150 * US_PER_S));
	fault.kubo_us = bad * (10 * US_PER_S + (int64_t)rand_below(r, 150 * US_PER_S));
	fault.jump_us = bad * (rand_below(r, 5) == 0) * 60 * US_PER_S;
	return fault;
}

static struct sim_shape some_shape(struct sim *sim)
{
	struct rand *r = &sim->rand.base;
	struct sim_shape shape = { 0 };

	shape.serial = rand_below(r, 8) == 0;
	shape.zoned = rand_below(r, 2);
	shape.take_adopted = rand_below(r, 4) == 0;
	return shape;
}

static void calm_world(struct sim *sim)
{
	sim_trace(sim, "the faults stop");
	sim->quiet = true;
	sim->fault = (struct sim_fault){ .delay_us = US_PER_S };
	sim->wall_off = 0;
	for (unsigned i = 0; i < SIM_PROCESSES; i++)
		sim->processes[i].skew = 0;
	calm_kubos(sim);
	provide(sim, SIM_CIDS - 2); /* the last one will never be */
	while (store_mem_late(sim->mem) > 0)
		store_mem_land_late(sim->mem, 0);
}

/* At rest: nothing is found, and some time later still nothing. */
static void come_to_rest(struct sim *sim)
{
	int64_t end = sim->now + QUIET_US, clean_since = 0;
	char found[sizeof(sim->violation)] = "";

	while (sim->now < end && !sim->violation[0]) {
		run_until(sim, sim->now + LOOK_US);
		if (sim->violation[0])
			return;
		sim->judging = true;
		sim_check(sim);
		sim->judging = false;
		memcpy(found, sim->violation, sizeof(found));
		sim->violation[0] = '\0';
		if (found[0])
			clean_since = 0;
		else if (clean_since == 0)
			clean_since = sim->now;
		else if (sim->now - clean_since > SWEEP_US + LOOK_US)
			return;
	}
	sim_check(sim); /* it is told now, with the whole story */
	if (!sim->violation[0])
		sim_violated(sim, "it does not come to rest; the last was: %s", found);
}

bool sim_run(struct sim *sim, uint64_t seed, bool trace)
{
	*sim = (struct sim){
		.seed = seed, .trace = trace, .strict = sim->strict, .now = 2 * US_PER_DAY
	};
	sim->clock = (struct clock){ .wall_us = world_wall, .mono_us = world_now };
	rand_init_seeded(&sim->rand, seed);
	sim->fault = some_faults(sim);
	sim->shape = some_shape(sim);
	/* Whose clock jumps may end what expires within days at once. */
	sim->wall_high = sim->fault.jump_us ? sim->now + 3 * US_PER_DAY : 0;
	make_world(sim);
	run_until(sim, sim->now + BUSY_US / 2);
	provide(sim, SIM_CIDS - 3);
	run_until(sim, sim->now + BUSY_US / 2);
	if (!sim->violation[0]) {
		calm_world(sim);
		come_to_rest(sim);
	}
	end_world(sim);
	return !sim->violation[0];
}
