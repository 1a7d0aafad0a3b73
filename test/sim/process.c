/* process.c -- the processes of the world and the roles that run in them. */
#include <stdio.h>

#include "model/version.h"
#include "sim.h"

static int64_t process_wall(struct clock *clock)
{
	struct process *p = CONTAINER_OF(clock, struct process, clock);

	return sim_wall(p->sim) + p->skew;
}

static int64_t process_mono(struct clock *clock)
{
	return CONTAINER_OF(clock, struct process, clock)->sim->now;
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

static const struct health_policy health_policy = { .suspect_us = 12 * US_PER_S,
						    .down_us = 25 * US_PER_S,
						    .grace_us = 30 * US_PER_S };
static const struct replan_policy replan_policy = {
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
					.watch = p->watch,
					.instance = p->instance,
					.policy = &replan_policy };
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
							     .sweep_us = SIM_SWEEP_US,
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
		.max_dials = 4,
		.patience_us = 2 * US_PER_S,
		.stall_us = 30 * US_PER_S,
		.retry = { .min_us = US_PER_S, .max_us = 60 * US_PER_S },
		.unpin_grace_us = US_PER_S,
		.heartbeat_us = 5 * US_PER_S,
		.heartbeat_timeout_us = 5 * US_PER_S,
		.report_us = 5 * US_PER_S,
		.compare_us = SIM_SWEEP_US,
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
	p->watch = peer_watch_new(&health_policy, &p->clock);
	p->cluster = cluster_new(p->store, &p->clock, p->watch, p->instance);
	if (strcmp(p->kind, "api") == 0 && sim->scenario) {
		if (p->number == 0)
			add_role(p, "user", sim->scenario->story);
	} else if (strcmp(p->kind, "api") == 0) {
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

void sim_process_start(struct sim *sim, struct process *p)
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
void sim_process_bury(struct sim *sim, struct process *p)
{
	for (unsigned i = 0; i < p->n_roles; i++)
		fiber_free(p->roles[i].fiber);
	p->n_roles = 0;
	cluster_free(p->cluster);
	peer_watch_free(p->watch);
	store_close(p->store);
	bus_close(p->bus);
	p->cluster = NULL;
	p->watch = NULL;
	p->store = NULL;
	p->bus = NULL;
	p->alive = false;
	p->start_at = sim->now + (int64_t)rand_below(&sim->rand.base, 40 * US_PER_S);
}

void sim_process_kill(struct sim *sim, struct process *p)
{
	if (!p->alive || p->killed)
		return;
	sim_trace(sim, "%s %u is killed", p->kind, p->number);
	p->killed = true;
}

void sim_knock(struct process *p, const char *role)
{
	for (unsigned i = 0; i < p->n_roles; i++)
		if (strcmp(p->roles[i].name, role) == 0)
			p->roles[i].knocked = true;
}

void sim_resume(struct sim *sim, struct role_fiber *rf)
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
		sim_process_bury(sim, p);
}
