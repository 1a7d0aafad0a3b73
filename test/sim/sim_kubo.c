/* sim_kubo.c -- a process's client of the world's Kubos: other roles may run before and
 * after each call, and removals are held against what users were promised. */
#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "kubo/kubo_ops.h"
#include "sim.h"

struct sim_kubo {
	struct kubo base;
	struct process *process;
	struct kubo *fake;
	unsigned world_node[2 * SIM_NODES]; /* by node index of this client; a node may be there
					       twice */
};

static struct sim_kubo *downcast(struct kubo *kubo)
{
	return CONTAINER_OF(kubo, struct sim_kubo, base);
}

static bool sim_add_node(struct kubo *kubo, const struct kubo_node *cfg, struct err *err)
{
	struct sim_kubo *k = downcast(kubo);
	unsigned node;

	if (!kubo_add_node(k->fake, cfg, &node, err))
		return false;
	assert(node < 2 * SIM_NODES);
	k->world_node[node] = (unsigned)atoi(cfg->url + strlen("fake:"));
	return true;
}

static bool sim_start(struct kubo *kubo, const struct kubo_op *op, uint64_t id, struct err *err)
{
	struct sim_kubo *k = downcast(kubo);
	struct sim *sim = k->process->sim;

	sim_yield(sim);
	if (k->process->killed)
		return err_set(err, ERR_CANCELED, "killed");
	if (op->kind == KUBO_PIN_LS)
		sim_probe(sim, k->world_node[op->node], op->cid);
	if (op->kind == KUBO_PIN_RM)
		sim_removal(sim, k->world_node[op->node], op->cid);
	return k->fake->ops->start(k->fake, op, id, err); /* under the same id */
}

static void sim_cancel(struct kubo *kubo, uint64_t id)
{
	struct kubo *fake = downcast(kubo)->fake;

	fake->ops->cancel(fake, id);
}

static bool sim_next(struct kubo *kubo, int64_t until_mono_us, struct kubo_done *out)
{
	struct sim_kubo *k = downcast(kubo);

	sim_yield(k->process->sim);
	return !k->process->killed && kubo_next(k->fake, until_mono_us, out);
}

static void sim_wake(struct kubo *kubo UNUSED)
{
	/* Everybody is knocked at whenever something happens. */
}

static bool sim_progress(struct kubo *kubo, uint64_t id, struct kubo_progress *out)
{
	struct kubo *fake = downcast(kubo)->fake;

	return fake->ops->progress(fake, id, out);
}

static void sim_free(struct kubo *kubo)
{
	struct sim_kubo *k = downcast(kubo);

	k->process->kubo = NULL;
	kubo_free(k->fake);
	xfree(k);
}

static const struct kubo_ops sim_ops = {
	.name = "sim",
	.free = sim_free,
	.add_node = sim_add_node,
	.start = sim_start,
	.cancel = sim_cancel,
	.next = sim_next,
	.wake = sim_wake,
	.progress = sim_progress,
};

struct kubo *sim_kubo_attach(struct process *process)
{
	struct sim_kubo *k = xcalloc(1, sizeof(*k));

	k->base.ops = &sim_ops;
	k->process = process;
	k->fake = fake_kubo_client(process->sim->kubos);
	process->kubo = &k->base;
	return &k->base;
}

int64_t sim_kubo_due(const struct process *process)
{
	return process->kubo ? fake_kubo_client_due(downcast(process->kubo)->fake) : INT64_MAX;
}
