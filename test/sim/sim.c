/* sim.c -- the world and its scheduler. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"

#define BUSY_US  (300 * US_PER_S) /* users and faults */
#define QUIET_US (2 * US_PER_H)   /* then nothing but the system; at most */
#define STORY_US (12 * US_PER_H)  /* a scenario, at most */
#define LOOK_US  US_PER_MIN       /* between two looks whether all is at rest */

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

/* ---- the store's fate --------------------------------------------------------------- */

/* Half of all calls look whether a derived row of a CID is as it should be, dozens in a row: others
 * run between one in eight of them. */
static bool dull(struct sim *sim, enum store_mem_call call, const struct store_write *write)
{
	return call == STORE_MEM_READ &&
	       (write->table == TABLE_TAGS_INDEX || write->table == TABLE_OWNER_PARTS) &&
	       !sim_chance(sim, 125000);
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

/* ---- the scheduler -----------------------------------------------------------------------------
 */

/* It runs at each step: without a branch that cannot be foretold. */
static struct role_fiber *pick_ready(struct sim *sim)
{
	struct role_fiber *ready_ones[SIM_PROCESSES * ARRAY_LEN(sim->processes[0].roles)];
	const int64_t now = sim->now;
	unsigned n = 0;

	for (struct process *p = sim->processes; p < sim->processes + SIM_PROCESSES; p++)
		for (unsigned k = 0; k < p->n_roles; k++) {
			struct role_fiber *rf = &p->roles[k];

			ready_ones[n] = rf;
			n += rf->fiber && ((rf->wait_until <= now) | rf->knocked | p->killed);
		}
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
	int64_t next = end;

	for (unsigned i = 0; i < SIM_PROCESSES; i++) {
		struct process *p = &sim->processes[i];

		if (!p->alive)
			sooner(&next, p->start_at);
		sooner(&next, sim_kubo_due(p));
		for (unsigned k = 0; k < p->n_roles; k++)
			if (p->roles[k].fiber)
				sooner(&next, p->roles[k].wait_until);
	}
	if (next > sim->now)
		sim->now = next;
	for (unsigned i = 0; i < SIM_PROCESSES; i++)
		if (sim_kubo_due(&sim->processes[i]) <= sim->now)
			sim_knock(&sim->processes[i], "worker");
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
			sim_process_start(sim, &sim->processes[i]);
}

static void run_until(struct sim *sim, int64_t end)
{
	int64_t next_kill = 0, next_kubo = 0, next_jump = sim->now + US_PER_S;

	while (sim->now < end && !sim->violation[0]) {
		struct role_fiber *rf;

		start_dead(sim);
		if (happens(sim, &next_kill, sim->fault.kill_us))
			sim_process_kill(
				sim, &sim->processes[rand_below(&sim->rand.base, SIM_PROCESSES)]);
		if (happens(sim, &next_kubo, sim->fault.kubo_us))
			sim_trouble_a_kubo(sim);
		if (happens(sim, &next_jump, sim->fault.jump_us))
			sim_jump(sim);
		if (store_mem_late(sim->mem) > 0 && sim_chance(sim, 3000))
			store_mem_land_late(sim->mem,
					    rand_below(&sim->rand.base, store_mem_late(sim->mem)));
		rf = pick_ready(sim);
		if (rf)
			sim_resume(sim, rf);
		else
			advance(sim, end);
		if (rf && sim_chance(sim, 100000))
			sim->now += (int64_t)rand_below(&sim->rand.base, 300);
	}
}

/* ---- one run ------------------------------------------------------------------------------- */

static void make_world(struct sim *sim)
{
	static const char *const kinds[] = { "api", "core", "worker" };

	sim->mem = sim->shape.serial ? store_mem_new()
				     : store_mem_new_loose(&(struct store_mem_loose){ .fate = fate,
										      .ctx = sim });
	sim->bus = sim_bus_new(sim);
	sim->kubos = fake_kubo_new(SIM_NODES, &sim->clock, &sim->rand.base);
	sim_make_content(sim);
	for (unsigned i = 0; i < SIM_PROCESSES; i++) {
		unsigned kind = i < SIM_API ? 0 : i < SIM_API + SIM_CORES ? 1 : 2;

		sim->processes[i] = (struct process){
			.sim = sim,
			.kind = kinds[kind],
			.number = kind == 2 ? i - SIM_API - SIM_CORES : i,
			.start_at = sim->now,
		};
	}
	sim_give_nodes(sim);
}

static void end_world(struct sim *sim)
{
	for (unsigned i = 0; i < SIM_PROCESSES; i++)
		sim_process_kill(sim, &sim->processes[i]);
	for (unsigned i = 0; i < SIM_PROCESSES; i++) {
		struct process *p = &sim->processes[i];

		while (p->alive && p->n_running > 0)
			for (unsigned k = 0; k < p->n_roles; k++)
				if (p->roles[k].fiber)
					sim_resume(sim, &p->roles[k]);
		if (p->alive)
			sim_process_bury(sim, p);
	}
	sim_bus_free(sim->bus);
	fake_kubo_free(sim->kubos);
	store_mem_free(sim->mem);
}

static void calm_world(struct sim *sim)
{
	sim_trace(sim, "the faults stop");
	sim->quiet = true;
	sim->fault = (struct sim_fault){ .delay_us = US_PER_S };
	sim->wall_off = 0;
	for (unsigned i = 0; i < SIM_PROCESSES; i++)
		sim->processes[i].skew = 0;
	sim_calm_kubos(sim);
	sim_provide(sim, SIM_CIDS - 2); /* the last one will never be */
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
		else if (sim->now - clean_since > SIM_SWEEP_US + LOOK_US)
			return;
	}
	sim_check(sim); /* it is told now, with the whole story */
	if (!sim->violation[0])
		sim_violated(sim, "it does not come to rest; the last was: %s", found);
}

/* Users, an operator and faults for a while, by chance. */
static void busy(struct sim *sim)
{
	run_until(sim, sim->now + BUSY_US / 2);
	sim_provide(sim, SIM_CIDS - 3);
	run_until(sim, sim->now + BUSY_US / 2);
}

static void tell_story(struct sim *sim)
{
	int64_t end = sim->now + STORY_US;

	while (!sim->told && sim->now < end && !sim->violation[0])
		run_until(sim, sim->now + US_PER_S);
	if (!sim->told)
		sim_violated(sim, "the story has no end");
}

bool sim_run(struct sim *sim, uint64_t seed, const struct sim_scenario *scenario, bool trace)
{
	*sim = (struct sim){ .seed = seed,
			     .scenario = scenario,
			     .trace = trace,
			     .strict = sim->strict,
			     .now = 2 * US_PER_DAY };
	sim->clock = (struct clock){ .wall_us = world_wall, .mono_us = world_now };
	rand_init_seeded(&sim->rand, seed);
	if (scenario) {
		sim->shape = scenario->shape;
	} else {
		sim->fault = sim_some_faults(sim);
		sim->shape = sim_some_shape(sim);
	}
	/* Whose clock jumps may end what expires within days at once. */
	sim->wall_high = sim->fault.jump_us ? sim->now + 3 * US_PER_DAY : 0;
	make_world(sim);
	if (scenario)
		tell_story(sim);
	else
		busy(sim);
	if (!sim->violation[0]) {
		calm_world(sim);
		come_to_rest(sim);
	}
	end_world(sim);
	return !sim->violation[0];
}
