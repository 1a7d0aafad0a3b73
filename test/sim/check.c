/* check.c -- what must hold: while the world runs (removals) and at its end (everything). */
#include <stdio.h>

#include "role/wanted.h"
#include "role/worker/pin_name.h"
#include "sim.h"

static int cid_index(const struct sim *sim, const char *text)
{
	for (int i = 0; i < SIM_CIDS; i++)
		if (strcmp(sim->texts[i], text) == 0)
			return i;
	return -1;
}

void sim_probe(struct sim *sim, unsigned node, const char *cid)
{
	int i = cid_index(sim, cid);

	if (i >= 0)
		sim->probed_at[i][node] = sim->now;
}

/* The latest time that any clock may have shown. */
static int64_t wall_high(const struct sim *sim)
{
	int64_t now = sim_wall(sim) + sim->fault.skew_us;

	return now > sim->wall_high ? now : sim->wall_high;
}

/* Was it promised before `at`, and is it certain that it still is? */
static bool promised(const struct sim *sim, const struct wish *w, int64_t at)
{
	return w->made == KNOWN_YES && w->made_at < at && w->ended == KNOWN_NO &&
	       w->soonest_expiry > wall_high(sim) + 5 * US_PER_S;
}

/* Would a pin of the CID on the node count for the wish? */
static bool counts(const struct sim *sim, const struct wish *w, unsigned node,
		   const struct kubo_pin *pin)
{
	if (sim->shape.zoned && w->zone && node % SIM_ZONES != w->zone - 1)
		return false;
	return w->direct || !pin || pin->type == KUBO_RECURSIVE;
}

/* A copy may go although somebody wants the CID, if enough others are there; those that
 * the world took away behind everybody's back count as there. */
static void removal_for(struct sim *sim, unsigned node, int c, const struct wish *w)
{
	int32_t need = w->rf_min == REPLICAS_EVERYWHERE ? 1 : w->rf_min, have = 0;

	if (!counts(sim, w, node, fake_kubo_pin(sim->kubos, node, sim->texts[c])))
		return;
	for (unsigned n = 0; n < SIM_NODES; n++) {
		const struct kubo_pin *pin = fake_kubo_pin(sim->kubos, n, sim->texts[c]);

		have += n != node && (pin || sim->lost[c][n] > 0) && counts(sim, w, n, pin);
	}
	if (have < need)
		sim_violated(sim,
			     "node %u: cid %d is unpinned while %d copies are promised by request "
			     "%u and %d are elsewhere",
			     node, c, need, (unsigned)(w - sim->wishes), have);
}

/* Two workers of one node (one is replaced by another) may remove at the same moment, and Kubo
 * has no removal of a pin as it was seen: what comes back between the two may go with the second.
 */
static bool has_one_worker(const struct sim *sim, unsigned node)
{
	unsigned n = 0;

	for (unsigned i = SIM_API + SIM_CORES; i < SIM_PROCESSES; i++)
		for (unsigned k = 0; k < sim->processes[i].n_nodes; k++)
			n += sim->processes[i].nodes[k] == node;
	return n == 1;
}

void sim_removal(struct sim *sim, unsigned node, const char *cid)
{
	int c = cid_index(sim, cid);
	const struct kubo_pin *pin;

	if (c < 0 || !(pin = fake_kubo_pin(sim->kubos, node, cid)))
		return;
	sim_trace(sim, "node %u: cid %d is removed", node, c);
	if (!pin_name_is_ours("pinfold/sim", pin->name) && !sim->shape.take_adopted &&
	    has_one_worker(sim, node))
		sim_violated(sim, "node %u: the user's own pin of cid %d is removed", node, c);
	sim->own[c][node] = false;
	for (unsigned i = 0; i < sim->n_wishes; i++)
		if (sim->wishes[i].cid == (unsigned)c &&
		    promised(sim, &sim->wishes[i], sim->probed_at[c][node] - US_PER_S))
			removal_for(sim, node, c, &sim->wishes[i]);
}

/* ---- the end ---------------------------------------------------------------------- */

struct peers_seen {                  /* by node */
	uint32_t peer_no[SIM_NODES]; /* 0: not known to the store */
	enum peer_wish wish[SIM_NODES];
};

static const struct request *find(const struct truth *t, const struct wish *w)
{
	for (size_t i = 0; i < t->n; i++)
		if (ulid_cmp(&t->requests[i].request->create->request_id, &w->id) == 0)
			return t->requests[i].request;
	return NULL;
}

static void check_wish(struct sim *sim, const struct truth *t, unsigned i)
{
	const struct wish *w = &sim->wishes[i];
	const struct request *r = find(t, w);
	bool live = r && r->life == REQUEST_LIVE;
	int64_t margin = 120 * US_PER_S;

	if (w->made != KNOWN_YES)
		return;
	if (w->ended == KNOWN_YES && live)
		sim_violated(sim, "request %u was ended by its owner and is live", i);
	if (w->ended == KNOWN_NO && w->soonest_expiry > wall_high(sim) + margin && !live)
		sim_violated(sim, "request %u was acknowledged, never ended, and is gone", i);
	if (w->latest_expiry < sim_wall(sim) - margin && live)
		sim_violated(sim, "request %u has expired and is live", i);
}

/* Requests come from users: from an answered call, or from one whose outcome is not known,
 * and from that only one. */
static void check_origin(struct sim *sim, const struct truth *t, unsigned c)
{
	int unknown[SIM_OWNERS] = { 0 };

	for (unsigned i = 0; i < sim->n_wishes; i++)
		if (sim->wishes[i].cid == c && sim->wishes[i].made == KNOWN_MAYBE)
			unknown[sim->wishes[i].owner]++;
	for (size_t i = 0; i < t->n; i++) {
		const struct request *r = t->requests[i].request;
		bool known = false;

		for (unsigned k = 0; k < sim->n_wishes; k++)
			known |= sim->wishes[k].made == KNOWN_YES &&
				 ulid_cmp(&sim->wishes[k].id, &r->create->request_id) == 0;
		/* One that was made and taken back at once is nobody's concern. */
		if (known || r->life != REQUEST_LIVE)
			continue;
		for (unsigned o = 0; o < SIM_OWNERS; o++)
			if (slice_eq(r->create->owner, SIM_OWNER_NAME(o)) && unknown[o]-- == 0)
				sim_violated(sim, "cid %u has a request that nobody made", c);
	}
}

static void tell_copies(struct sim *sim, const struct truth *t, unsigned c,
			const struct peers_seen *peers)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct request *r = t->requests[i].request;

		sim_trace(sim, "cid %u: request rf %d-%d%s zone %.*s, %s", c, r->revision->rf_min,
			  r->revision->rf_max, r->create->mode == PIN_DIRECT ? " direct" : "",
			  SLICE_FMT(r->revision->zones.n ? r->revision->zones.at[0]
							 : SLICE_LIT("any")),
			  t->requests[i].wanted ? "wanted" : "not wanted");
	}
	for (size_t i = 0; i < t->view.n_copies; i++) {
		const struct copy *copy = &t->view.copies[i];

		for (unsigned n = 0; n < SIM_NODES; n++)
			if (peers->peer_no[n] == copy->peer_no)
				sim_trace(sim,
					  "cid %u: copy on node %u: %s (%s) gen %llu, %s of gen "
					  "%llu stamp %llu%s, %s",
					  c, n, copy->desired ? "desired" : "not desired",
					  copy_reason_name((enum copy_reason)copy->reason),
					  (unsigned long long)copy->gen,
					  copy_state_name((enum copy_state)copy->state),
					  (unsigned long long)copy->state_gen,
					  (unsigned long long)copy->stamp,
					  copy->adopted ? ", adopted" : "",
					  fake_kubo_pin(sim->kubos, n, sim->texts[c])
						  ? "pinned"
						  : "not pinned");
	}
}

static unsigned node_of(const struct peers_seen *peers, uint32_t peer_no)
{
	unsigned n = 0;

	while (n < SIM_NODES && peers->peer_no[n] != peer_no)
		n++;
	return n;
}

/* 1 + the number of the zone that a request names; 0: any. */
static unsigned zone_of(const struct request *r)
{
	unsigned z = 0;

	while (r->revision->zones.n > 0 && !slice_eq(r->revision->zones.at[0], SIM_ZONE_NAME(z)))
		z++;
	return r->revision->zones.n > 0 ? z + 1 : 0;
}

static bool in_zone(unsigned node, unsigned zone)
{
	return zone == 0 || node % SIM_ZONES == zone - 1;
}

static int32_t active_in(const struct peers_seen *peers, unsigned zone)
{
	int32_t n = 0;

	for (unsigned i = 0; i < SIM_NODES; i++)
		n += peers->peer_no[i] && peers->wish[i] == PEER_ACTIVE && in_zone(i, zone);
	return n;
}

/* What a request may have at most in its zone and must have there at least. */
static int32_t target(const struct request *r, int32_t available)
{
	int32_t rf = r->revision->rf_max;

	return rf == REPLICAS_EVERYWHERE || rf > available ? available : rf;
}

/* Requests of one zone share their copies; of several each may have its own. */
static int32_t most_copies(const struct truth *t)
{
	int32_t most[SIM_ZONES + 1] = { 0 }, sum = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct request *r = t->requests[i].request;
		int32_t want = t->requests[i].wanted ? target(r, SIM_NODES) : 0;

		if (want > most[zone_of(r)])
			most[zone_of(r)] = want;
	}
	for (unsigned z = 0; z <= SIM_ZONES; z++)
		sum += most[z];
	return sum;
}

static void check_request(struct sim *sim, const struct truth *t, const struct request *r,
			  unsigned c, const struct peers_seen *peers)
{
	int32_t need = target(r, active_in(peers, zone_of(r))), have = 0;

	for (size_t i = 0; i < t->view.n_copies; i++) {
		const struct copy *copy = &t->view.copies[i];
		unsigned node = node_of(peers, copy->peer_no);

		have += copy->desired && node < SIM_NODES && in_zone(node, zone_of(r)) &&
			peers->wish[node] != PEER_DRAINING &&
			(r->create->mode == PIN_DIRECT || copy->mode == PIN_RECURSIVE);
	}
	if (have < need)
		sim_violated(sim, "cid %u: a request has %d copies and asks for %d", c, have, need);
}

/* May a peer that is drained keep a copy?  Only if a request has nowhere else to go. */
static bool may_stay(const struct truth *t, const struct peers_seen *peers)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct request *r = t->requests[i].request;
		int32_t min = r->revision->rf_min == REPLICAS_EVERYWHERE ? 1 : r->revision->rf_min;

		if (t->requests[i].wanted && active_in(peers, zone_of(r)) < min)
			return true;
	}
	return false;
}

/* Does a request ask for more than its zone can give? */
static bool short_of_peers(const struct truth *t, const struct peers_seen *peers)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->requests[i].wanted &&
		    t->requests[i].request->revision->rf_max >
			    active_in(peers, zone_of(t->requests[i].request)))
			return true;
	return false;
}

static void check_copies(struct sim *sim, const struct truth *t, unsigned c,
			 const struct peers_seen *peers)
{
	int32_t desired = 0, most = most_copies(t);

	for (size_t i = 0; i < t->view.n_copies; i++) {
		const struct copy *copy = &t->view.copies[i];
		unsigned node = node_of(peers, copy->peer_no);

		if (!copy->desired)
			continue;
		desired++;
		if (!sim->unfetchable[c] && copy_state(copy) != COPY_PINNED)
			sim_violated(sim, "cid %u on node %u: the store says %s", c, node,
				     copy_state_name(copy_state(copy)));
		if (node < SIM_NODES && peers->wish[node] == PEER_DRAINING &&
		    !sim->unfetchable[c] && !may_stay(t, peers))
			sim_violated(sim, "cid %u is to stay on node %u, which is drained", c,
				     node);
	}
	for (size_t i = 0; i < t->n; i++)
		if (t->requests[i].wanted)
			check_request(sim, t, t->requests[i].request, c, peers);
	/* What nobody has may be looked for in more places than it is wanted in; and as long as
	 * a request has less than it asks for, no copy is given up (reconcile.h). */
	if (!sim->unfetchable[c] && desired > most && !short_of_peers(t, peers))
		sim_violated(sim, "cid %u: %d copies are desired, the requests ask for %d", c,
			     desired, most);
}

/* What the Kubos hold, asked of them and not of the store. */
static void check_kubos(struct sim *sim, const struct truth *t, unsigned c,
			const struct peers_seen *peers)
{
	for (unsigned n = 0; n < SIM_NODES; n++) {
		const struct kubo_pin *pin = fake_kubo_pin(sim->kubos, n, sim->texts[c]);
		const struct copy *copy = NULL;

		for (size_t i = 0; i < t->view.n_copies; i++)
			if (t->view.copies[i].desired &&
			    t->view.copies[i].peer_no == peers->peer_no[n])
				copy = &t->view.copies[i];
		if (sim->own[c][n] && !pin)
			sim_violated(sim, "node %u: the user's own pin of cid %u is gone", n, c);
		if (copy && !pin && !sim->unfetchable[c])
			sim_violated(sim, "node %u: cid %u is desired and not pinned", n, c);
		if (copy && pin && copy->mode == PIN_RECURSIVE && pin->type != KUBO_RECURSIVE &&
		    !sim->unfetchable[c])
			sim_violated(sim, "node %u: only the block of cid %u is pinned", n, c);
		/* The worker of a drained peer keeps what is nowhere else to be had. */
		if (!copy && pin && pin_name_is_ours("pinfold/sim", pin->name) &&
		    (peers->wish[n] == PEER_ACTIVE || !may_stay(t, peers)))
			sim_violated(sim, "node %u: cid %u is pinned and not desired", n, c);
	}
}

static bool see_peers(struct store *store, struct arena *mem, struct peers_seen *out,
		      struct err *err)
{
	struct peer_row *rows;
	size_t n;

	*out = (struct peers_seen){ 0 };
	if (!store_peers(store, mem, &rows, &n, err))
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned node = sim_node_of_peer(rows[i].peer_id);

		if (node == SIM_NODES)
			continue;
		out->peer_no[node] = rows[i].peer_no;
		out->wish[node] = (enum peer_wish)rows[i].wish;
	}
	return true;
}

bool sim_truth(struct sim *sim, struct store *store, unsigned cid, struct arena *mem,
	       struct truth *out, struct err *err)
{
	return store_view(store, cid_slice(&sim->cids[cid]), mem, &out->view, err) &&
	       wanted_requests(store, &out->view, sim_wall(sim), mem, &out->requests, &out->n, NULL,
			       err);
}

static bool check_cid(struct sim *sim, struct store *store, const struct peers_seen *peers,
		      unsigned c, struct arena *mem, struct err *err)
{
	struct truth t;
	size_t wrong;

	if (!sim_truth(sim, store, c, mem, &t, err))
		return false;
	for (unsigned i = 0; i < sim->n_wishes; i++)
		if (sim->wishes[i].cid == c)
			check_wish(sim, &t, i);
	tell_copies(sim, &t, c, peers);
	check_origin(sim, &t, c);
	check_copies(sim, &t, c, peers);
	check_kubos(sim, &t, c, peers);
	if (!store_repair(store, cid_slice(&sim->cids[c]), true, &wrong, err))
		return false;
	if (wrong > 0 && (sim->strict || sim->shape.serial) && sim->wall_high == 0)
		sim_violated(sim, "cid %u: %zu derived rows are wrong", c, wrong);
	return true;
}

static bool check_store(struct sim *sim, struct store *store, struct arena *mem, struct err *err)
{
	struct peers_seen peers;

	if (!see_peers(store, mem, &peers, err))
		return false;
	for (unsigned c = 0; c < SIM_CIDS; c++)
		if (!check_cid(sim, store, &peers, c, mem, err))
			return false;
	/* What a clock a day ahead showed as expiring is shown so until the request changes. */
	return !(sim->strict || sim->shape.serial) || sim->wall_high > 0 ||
	       sim_check_lists(sim, store, mem, err);
}

void sim_check(struct sim *sim)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	CLEANUP(store_close) struct store *store = NULL;
	struct err err = { 0 };

	if (!store_open(store_mem_attach(sim->mem, &sim->clock, 0, NULL),
			&(struct store_options){ .clock = &sim->clock,
						 .rand = &sim->rand.base,
						 .expiring_us = SIM_EXPIRING_US },
			&store, &err) ||
	    !check_store(sim, store, mem, &err))
		sim_violated(sim, "the store cannot be read: %s", err.text);
}
