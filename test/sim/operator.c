/* operator.c -- an operator who drains, pauses and resumes peers and denies CIDs. */
#include "model/version.h"
#include "role/deny.h"
#include "sim.h"

static const char *const wish_names[] = {
	[PEER_ACTIVE] = "is active",
	[PEER_PAUSED] = "is paused",
	[PEER_DRAINING] = "is drained",
};

static bool set_wish(struct process *p, const struct peer_row *peer, enum peer_wish wish,
		     struct err *err)
{
	struct peer_row row = *peer;

	row.wish = (uint8_t)wish;
	row.wish_version = version_next(peer->wish_version, clock_wall_us(&p->clock), p->instance);
	sim_trace(p->sim, "node %u %s", sim_node_of_peer(peer->peer_id), wish_names[wish]);
	return store_peer_wish(p->store, &row, err);
}

bool sim_set_wish(struct process *p, unsigned node, enum peer_wish wish, struct arena *mem,
		  struct err *err)
{
	struct peer_row *rows;
	size_t n;

	if (!store_peers(p->store, mem, &rows, &n, err))
		return false;
	for (size_t i = 0; i < n; i++)
		if (sim_node_of_peer(rows[i].peer_id) == node)
			return set_wish(p, &rows[i], wish, err);
	return err_set(err, ERR_UNAVAILABLE, "node %u is no peer yet", node);
}

static bool change_a_peer(struct process *p, struct arena *mem, struct err *err)
{
	struct rand *r = &p->sim->rand.base;
	struct peer_row *rows, *row;
	enum peer_wish wish;
	size_t n;

	if (!store_peers(p->store, mem, &rows, &n, err))
		return false;
	if (n == 0)
		return true;
	row = &rows[rand_below(r, n)];
	wish = (enum peer_wish)rand_below(r, 3);
	/* As in /v1: not before its worker introduced it. */
	return row->wish_version == 0 || set_wish(p, row, wish, err);
}

bool sim_deny(struct process *p, unsigned c, bool deny, struct arena *mem, struct err *err)
{
	struct sim *sim = p->sim;
	bool did, ok;
	uint8_t digest[DENY_DIGEST_LEN];
	struct deny row = { .digest = SLICE_OF(digest, sizeof(digest)),
			    .reason = SLICE_LIT("because"),
			    .added_at = clock_wall_us(&p->clock) };

	sim_trace(sim, "cid %u is %s", c, deny ? "denied" : "allowed");
	deny_digest(&sim->cids[c], digest);
	sim->denied[c] = KNOWN_MAYBE;
	ok = deny ? deny_add(p->store, &row, mem, &did, err)
		  : deny_remove(p->store, row.digest, mem, &did, err);
	if (ok)
		sim->denied[c] = deny ? KNOWN_YES : KNOWN_NO;
	return ok;
}

static bool change_a_denial(struct process *p, struct arena *mem, struct err *err)
{
	struct rand *r = &p->sim->rand.base;
	unsigned c = (unsigned)rand_below(r, SIM_CIDS);

	return sim_deny(p, c, rand_below(r, 3) == 0, mem, err);
}

/* In the end all is allowed again, and what was asked for goes on by itself. */
static bool allow_all(struct process *p, struct arena *mem, struct err *err)
{
	for (unsigned c = 0; c < SIM_CIDS; c++)
		if (p->sim->denied[c] != KNOWN_NO && !sim_deny(p, c, false, mem, err))
			return false;
	return true;
}

/* In the end one peer at most is left as it is. */
static bool resume_peers(struct process *p, struct arena *mem, struct err *err)
{
	struct peer_row *rows;
	unsigned left = 0;
	size_t n;

	if (!store_peers(p->store, mem, &rows, &n, err))
		return false;
	for (size_t i = 0; i < n; i++)
		if (rows[i].wish_version > 0 && rows[i].wish != PEER_ACTIVE && left++ > 0 &&
		    !set_wish(p, &rows[i], PEER_ACTIVE, err))
			return false;
	return true;
}

void sim_operator(struct role_fiber *rf)
{
	struct process *p = rf->process;
	struct sim *sim = p->sim;
	CLEANUP(arena_free) struct arena *mem = arena_new();

	while (!sim->operator_done &&
	       sim_wait(rf, sim->now + (int64_t)rand_below(&sim->rand.base, 50 * US_PER_S))) {
		struct err err = { 0 };
		bool ok;

		arena_reset(mem);
		if (sim->quiet)
			ok = sim->operator_done =
				resume_peers(p, mem, &err) && allow_all(p, mem, &err);
		else if (rand_below(&sim->rand.base, 2))
			ok = change_a_peer(p, mem, &err);
		else
			ok = change_a_denial(p, mem, &err);
		if (!ok)
			sim_trace(sim, "operator: %s", err.text);
	}
}
