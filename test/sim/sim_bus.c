/* sim_bus.c -- a bus that loses, repeats, delays and reorders, and tells nobody. */
#include <assert.h>
#include <sys/queue.h>

#include "base/alloc.h"
#include "bus/bus_ops.h"
#include "sim.h"

struct sim_msg {
	struct sim_msg *next;
	int64_t due; /* mono */
	struct arena *mem;
	struct bus_msg msg;
};

struct sim_bus {
	struct sim *sim;
	struct sim_msg *msgs;
	LIST_HEAD(, sim_bus_handle) handles;
};

struct sim_bus_handle {
	struct bus base;
	LIST_ENTRY(sim_bus_handle) entry;
	struct sim_bus *bus;
	struct process *process;
	uint32_t peers[2 * SIM_NODES]; /* whose assignments it is told of */
	unsigned n_peers;
};

static struct sim_bus_handle *downcast(struct bus *bus)
{
	return CONTAINER_OF(bus, struct sim_bus_handle, base);
}

static bool pass(struct sim_bus_handle *h, struct err *err)
{
	sim_yield(h->bus->sim);
	return !h->process->killed || err_set(err, ERR_CANCELED, "killed");
}

static void put(struct sim_bus *b, const struct bus_msg *msg)
{
	struct sim_msg *m = xcalloc(1, sizeof(*m));

	m->mem = arena_new();
	m->msg = *msg;
	m->msg.cid = arena_copy(m->mem, msg->cid);
	m->msg.owner = arena_copy(m->mem, msg->owner);
	m->msg.copy.error = arena_copy(m->mem, msg->copy.error);
	m->msg.origins = slice_list_copy(m->mem, msg->origins);
	m->due = b->sim->now;
	if (b->sim->fault.delay_us > 0)
		m->due += (int64_t)rand_below(&b->sim->rand.base, (uint64_t)b->sim->fault.delay_us);
	m->next = b->msgs;
	b->msgs = m;
}

static bool takes(const struct sim_bus_handle *h, const struct bus_msg *m)
{
	for (unsigned i = 0; i < h->n_peers; i++)
		if (h->peers[i] == m->peer_no)
			return true;
	return m->topic != BUS_PIN_ASSIGN;
}

static void knock_takers(struct sim_bus *bus, const struct bus_msg *m)
{
	static const char *const takers[] = {
		[BUS_PIN_REQUEST] = "planner",
		[BUS_PIN_ASSIGN] = "worker",
		[BUS_PIN_STATUS] = "reconciler",
	};

	struct sim_bus_handle *h;

	LIST_FOREACH(h, &bus->handles, entry)
	{
		if (takes(h, m))
			sim_knock(h->process, takers[m->topic]);
	}
}

static void tell(struct sim *sim, const struct bus_msg *m)
{
	static const char *const topics[] = {
		[BUS_PIN_REQUEST] = "look at",
		[BUS_PIN_ASSIGN] = "assigned",
		[BUS_PIN_STATUS] = "reported",
	};
	const struct copy *c = &m->copy;

	if (!sim->trace)
		return;
	if (m->topic == BUS_PIN_REQUEST)
		sim_trace(sim, "%s cid %u", topics[m->topic], sim_cid_of(sim, m->cid));
	else
		sim_trace(sim, "%s to peer %u: cid %u %s gen %llu, %s of gen %llu stamp %llu %.*s",
			  topics[m->topic], m->peer_no, sim_cid_of(sim, m->cid),
			  c->desired ? "desired" : "not desired", (unsigned long long)c->gen,
			  copy_state_name((enum copy_state)c->state),
			  (unsigned long long)c->state_gen, (unsigned long long)c->stamp,
			  SLICE_FMT(c->error));
}

static bool sim_publish(struct bus *bus, const struct bus_msg *msgs, size_t n, struct err *err)
{
	struct sim_bus_handle *h = downcast(bus);
	struct sim *sim = h->bus->sim;

	for (size_t i = 0; i < n; i++) {
		if (!pass(h, err))
			return false;
		tell(sim, &msgs[i]);
		if (!sim_chance(sim, sim->fault.drop))
			put(h->bus, &msgs[i]);
		knock_takers(h->bus, &msgs[i]);
	}
	return pass(h, err);
}

/* Planners and reconcilers are knocked at without. */
static bool sim_subscribe(struct bus *bus, enum bus_topic topic, uint32_t peer_no,
			  void (*notify)(void *ctx) UNUSED, void *ctx UNUSED,
			  struct err *err UNUSED)
{
	struct sim_bus_handle *h = downcast(bus);

	assert(topic == BUS_PIN_ASSIGN);
	for (unsigned i = 0; i < h->n_peers; i++)
		if (h->peers[i] == peer_no)
			return true;
	assert(h->n_peers < ARRAY_LEN(h->peers));
	h->peers[h->n_peers++] = peer_no;
	return true;
}

/* Some message that is due for the taker, not the first one. */
static struct sim_msg *pick(struct sim_bus *b, enum bus_topic topic, uint32_t peer_no)
{
	struct sim_msg **found = NULL, *m;
	unsigned n = 0;

	for (struct sim_msg **at = &b->msgs; *at; at = &(*at)->next)
		if ((*at)->msg.topic == topic && (*at)->due <= b->sim->now &&
		    (topic != BUS_PIN_ASSIGN || (*at)->msg.peer_no == peer_no) &&
		    rand_below(&b->sim->rand.base, ++n) == 0)
			found = at;
	if (!found)
		return NULL;
	m = *found;
	*found = m->next;
	return m;
}

static void free_msg(struct sim_msg *m)
{
	arena_free(m->mem);
	xfree(m);
}

static bool sim_take(struct bus *bus, enum bus_topic topic, uint32_t peer_no, size_t max,
		     bus_handler *handler, void *ctx, size_t *n, struct err *err)
{
	struct sim_bus_handle *h = downcast(bus);
	struct sim_msg *m;

	*n = 0;
	if (!pass(h, err))
		return false;
	while (*n < max && (m = pick(h->bus, topic, peer_no))) {
		if (sim_chance(h->bus->sim, h->bus->sim->fault.repeat))
			put(h->bus, &m->msg);
		handler(ctx, &m->msg);
		free_msg(m);
		(*n)++;
	}
	return pass(h, err);
}

static bool sim_overflowed(struct bus *bus, enum bus_topic topic UNUSED, uint32_t peer_no UNUSED)
{
	struct sim_bus_handle *h = downcast(bus);
	bool fresh = h->process->fresh_bus;

	h->process->fresh_bus = false;
	return fresh;
}

static size_t sim_room(struct bus *bus, enum bus_topic topic UNUSED, uint32_t peer_no UNUSED)
{
	struct sim *sim = downcast(bus)->bus->sim;

	return sim_chance(sim, sim->fault.drop) ? 0 : SIZE_MAX;
}

static void sim_counters(struct bus *bus UNUSED, struct bus_counters *out)
{
	*out = (struct bus_counters){ 0 };
}

static void sim_close(struct bus *bus)
{
	struct sim_bus_handle *h = downcast(bus);

	LIST_REMOVE(h, entry);
	xfree(h);
}

static const struct bus_ops sim_ops = {
	.name = "sim",
	.close = sim_close,
	.publish = sim_publish,
	.subscribe = sim_subscribe,
	.take = sim_take,
	.overflowed = sim_overflowed,
	.room = sim_room,
	.counters = sim_counters,
};

struct sim_bus *sim_bus_new(struct sim *sim)
{
	struct sim_bus *b = xcalloc(1, sizeof(*b));

	b->sim = sim;
	return b;
}

void sim_bus_free(struct sim_bus *b)
{
	while (b->msgs) {
		struct sim_msg *next = b->msgs->next;

		free_msg(b->msgs);
		b->msgs = next;
	}
	xfree(b);
}

struct bus *sim_bus_attach(struct sim_bus *bus, struct process *process)
{
	struct sim_bus_handle *h = xcalloc(1, sizeof(*h));

	*h = (struct sim_bus_handle){ .base.ops = &sim_ops, .bus = bus, .process = process };
	LIST_INSERT_HEAD(&bus->handles, h, entry);
	return &h->base;
}
