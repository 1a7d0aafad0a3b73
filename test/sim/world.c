/* world.c -- what the world is made of, and what happens to its Kubos and clocks. */
#include <stdio.h>

#include "sim.h"

struct sim_fault sim_some_faults(struct sim *sim)
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

struct sim_shape sim_some_shape(struct sim *sim)
{
	struct rand *r = &sim->rand.base;
	struct sim_shape shape = { 0 };

	shape.serial = rand_below(r, 8) == 0;
	shape.zoned = rand_below(r, 2);
	shape.take_adopted = rand_below(r, 4) == 0;
	return shape;
}

void sim_make_content(struct sim *sim)
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
void sim_give_nodes(struct sim *sim)
{
	struct process *workers = &sim->processes[SIM_API + SIM_CORES];
	bool plain = rand_below(&sim->rand.base, 2) || sim->scenario;

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
void sim_provide(struct sim *sim, unsigned c)
{
	if (!sim->unfetchable[c])
		return;
	sim_trace(sim, "cid %u can be fetched", c);
	sim->unfetchable[c] = false;
	for (unsigned n = 0; n < SIM_NODES; n++)
		fake_kubo_fetch(sim->kubos, n, sim->texts[c],
				(int64_t)rand_below(&sim->rand.base, 8 * US_PER_S));
}

void sim_trouble_a_kubo(struct sim *sim)
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

void sim_calm_kubos(struct sim *sim)
{
	for (unsigned n = 0; n < SIM_NODES; n++)
		*fake_kubo_knobs(sim->kubos, n) = (struct fake_kubo_knobs){ .latency_us = 1000 };
}

/* ---- clocks ---- */

/* The world's clock, or that of one machine. */
void sim_jump(struct sim *sim)
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
