/* scenarios.c -- stories with one user and no faults but those they tell of; only the schedule
 * is left to chance.  After each the world has to come to rest and agree, as after all runs. */
#include "role/worker/pin_name.h"
#include "sim.h"

#define CLEAN 8 /* the CID that no user of a node pinned himself, and that can be fetched */
#define OWN   0 /* pinned recursively by the user of node 0 */
#define BLOCK 4 /* pinned directly by the user of node 0 */
#define MANY  300
#define NEVER 11 /* nobody has it, and nobody will */

struct story {
	struct sim *sim;
	struct role_fiber *rf;
	struct pins *pins;
	struct arena *mem;
};

static struct story begin(struct role_fiber *rf)
{
	return (struct story){ .sim = rf->process->sim,
			       .rf = rf,
			       .pins = sim_pins_new(rf->process),
			       .mem = arena_new() };
}

static void end(struct story *s)
{
	pins_free(s->pins);
	arena_free(s->mem);
	s->sim->told = true;
}

/* ---- what is told -------------------------------------------------------------------- */

static void pass(struct story *s, int64_t us)
{
	int64_t until = s->sim->now + us;

	while (s->sim->now < until && sim_wait(s->rf, until))
		;
}

static struct wish *ask(struct story *s, unsigned owner, unsigned cid, int32_t replicas,
			int64_t for_us)
{
	struct wish *w = sim_new_wish(s->sim, owner, cid);

	w->rf_min = w->rf_max = replicas;
	if (for_us > 0)
		w->asked_expiry = sim_wall(s->sim) + for_us;
	sim_expires(w, w->asked_expiry, true);
	sim_ask(s->sim, s->pins, w, s->mem);
	if (w->made != KNOWN_YES)
		sim_violated(s->sim, "a pin cannot be made");
	return w;
}

static void give_up(struct story *s, struct wish *w)
{
	sim_end(s->sim, s->pins, w, s->mem);
	if (w->ended != KNOWN_YES)
		sim_violated(s->sim, "a pin cannot be ended");
}

static void wish_for(struct story *s, unsigned node, enum peer_wish wish)
{
	struct err err = { 0 };

	if (!sim_set_wish(s->rf->process, node, wish, s->mem, &err))
		sim_violated(s->sim, "an operator's word is not taken: %s", err.text);
}

/* ---- what is seen --------------------------------------------------------------------- */

static bool holds(const struct story *s, unsigned node, unsigned cid)
{
	const struct kubo_pin *pin = fake_kubo_pin(s->sim->kubos, node, s->sim->texts[cid]);

	return pin && pin_name_is_ours("pinfold/sim", pin->name);
}

static int copies(const struct story *s, unsigned cid)
{
	int n = 0;

	for (unsigned node = 0; node < SIM_NODES; node++)
		n += holds(s, node, cid);
	return n;
}

static unsigned first_holder(const struct story *s, unsigned cid)
{
	unsigned node = 0;

	while (node < SIM_NODES - 1 && !holds(s, node, cid))
		node++;
	return node;
}

static void expect_copies(struct story *s, unsigned cid, int n, int64_t within_us)
{
	int64_t until = s->sim->now + within_us;

	while (copies(s, cid) != n && s->sim->now < until && !s->sim->violation[0])
		pass(s, US_PER_S / 4);
	if (copies(s, cid) != n)
		sim_violated(s->sim, "cid %u: %d copies, not %d, after %lld s", cid, copies(s, cid),
			     n, (long long)(within_us / US_PER_S));
}

static void expect(struct story *s, bool so, const char *what)
{
	if (!so)
		sim_violated(s->sim, "not so: %s", what);
}

/* All peers are there: one may have joined late. */
static void everybody(struct story *s)
{
	pass(s, 210 * US_PER_S);
}

/* ---- the stories ------------------------------------------------------------------------ */

static void two_owners(struct role_fiber *rf)
{
	struct story s = begin(rf);
	struct wish *ada, *bob;

	everybody(&s);
	ada = ask(&s, 0, CLEAN, 1, 0);
	bob = ask(&s, 1, CLEAN, 1, 0);
	expect_copies(&s, CLEAN, 1, US_PER_MIN);
	give_up(&s, ada);
	pass(&s, 5 * US_PER_MIN);
	expect_copies(&s, CLEAN, 1, 0);
	give_up(&s, bob);
	expect_copies(&s, CLEAN, 0, US_PER_MIN);
	end(&s);
}

static void drain(struct role_fiber *rf)
{
	struct story s = begin(rf);
	unsigned node;

	everybody(&s);
	ask(&s, 0, CLEAN, 2, 0);
	expect_copies(&s, CLEAN, 2, US_PER_MIN);
	node = first_holder(&s, CLEAN);
	wish_for(&s, node, PEER_DRAINING);
	for (int i = 0; i < 300 && holds(&s, node, CLEAN); i++)
		pass(&s, US_PER_S);
	expect(&s, !holds(&s, node, CLEAN), "a drained peer has no copy");
	expect_copies(&s, CLEAN, 2, 0);
	wish_for(&s, node, PEER_ACTIVE);
	pass(&s, 5 * US_PER_MIN);
	expect(&s, !holds(&s, node, CLEAN), "nothing moves back of itself");
	end(&s);
}

static void dead_peer(struct role_fiber *rf)
{
	struct story s = begin(rf);
	unsigned node;

	everybody(&s);
	ask(&s, 0, CLEAN, 2, 0);
	expect_copies(&s, CLEAN, 2, US_PER_MIN);
	node = first_holder(&s, CLEAN);
	fake_kubo_restart(s.sim->kubos, node, 20 * US_PER_MIN);
	expect_copies(&s, CLEAN, 3, 5 * US_PER_MIN);  /* the dead one's is still on its disk */
	expect_copies(&s, CLEAN, 2, 40 * US_PER_MIN); /* it is back */
	end(&s);
}

static void time_to_live(struct role_fiber *rf)
{
	struct story s = begin(rf);
	struct wish *w;

	everybody(&s);
	w = ask(&s, 0, CLEAN, 1, 10 * US_PER_MIN);
	expect_copies(&s, CLEAN, 1, US_PER_MIN);
	pass(&s, w->asked_expiry - US_PER_S - sim_wall(s.sim));
	expect_copies(&s, CLEAN, 1, 0); /* never early */
	expect_copies(&s, CLEAN, 0, SIM_EXPIRING_US + 10 * US_PER_S);
	w = ask(&s, 0, CLEAN, 1, 5 * US_PER_MIN);
	expect_copies(&s, CLEAN, 1, US_PER_MIN);
	sim_renew(s.sim, s.pins, w, sim_wall(s.sim) + US_PER_DAY, s.mem);
	pass(&s, 20 * US_PER_MIN);
	expect_copies(&s, CLEAN, 1, 0);
	end(&s);
}

/* In the moment in which the expiry is being judged: a renewal that was acknowledged counts. */
static void renewal(struct role_fiber *rf)
{
	struct story s = begin(rf);
	unsigned renewed = 0;

	everybody(&s);
	for (int i = 0; i < 60; i++) {
		struct wish *w = ask(&s, 0, CLEAN, 1, 30 * US_PER_S);

		pass(&s, w->asked_expiry - sim_wall(s.sim) -
				 (int64_t)rand_below(&s.sim->rand.base, 30));
		if (sim_renew(s.sim, s.pins, w, sim_wall(s.sim) + US_PER_DAY, s.mem) != KNOWN_YES)
			continue; /* too late */
		renewed++;
		expect_copies(&s, CLEAN, 1, 0);
		pass(&s, 5 * US_PER_S);
		expect_copies(&s, CLEAN, 1, 0);
		give_up(&s, w);
		expect_copies(&s, CLEAN, 0, US_PER_MIN);
	}
	expect(&s, renewed > 0, "some renewals come in time");
	end(&s);
}

/* Nobody hears of a request, nor of its end: what is written down beforehand reminds of them long
 * before a sweep comes by. */
static void unheard(struct role_fiber *rf)
{
	struct story s = begin(rf);

	everybody(&s);
	for (int i = 0; i < 10; i++) {
		struct wish *w;

		s.sim->fault.drop = 1000000;
		w = ask(&s, 0, CLEAN, 1, 0);
		s.sim->fault.drop = 0;
		expect_copies(&s, CLEAN, 1, SIM_SWEEP_US / 2);
		s.sim->fault.drop = 1000000;
		give_up(&s, w);
		s.sim->fault.drop = 0;
		expect_copies(&s, CLEAN, 0, SIM_SWEEP_US / 2);
	}
	end(&s);
}

static void cancel(struct role_fiber *rf)
{
	struct story s = begin(rf);
	struct wish *w;

	everybody(&s);
	w = ask(&s, 0, NEVER, 3, 0);
	pass(&s, 10 * US_PER_S); /* it is under way */
	give_up(&s, w);
	pass(&s, US_PER_MIN);
	for (unsigned n = 0; n < SIM_NODES; n++) {
		expect(&s, fake_kubo_seen(s.sim->kubos, n)->adds == 0,
		       "nothing is fetched any more");
		fake_kubo_fetch(s.sim->kubos, n, s.sim->texts[NEVER], FAKE_KUBO_LOCAL);
	}
	pass(&s, 10 * US_PER_MIN);
	expect_copies(&s, NEVER, 0, 0);
	end(&s);
}

static bool is_the_users(const struct story *s, unsigned cid, enum kubo_type type)
{
	const struct kubo_pin *pin = fake_kubo_pin(s->sim->kubos, 0, s->sim->texts[cid]);

	return pin && pin->type == type && !pin_name_is_ours("pinfold/sim", pin->name);
}

static void foreign_pins(struct role_fiber *rf)
{
	struct story s = begin(rf);
	struct wish *own, *block;

	everybody(&s);
	own = ask(&s, 0, OWN, REPLICAS_EVERYWHERE, 0);
	block = ask(&s, 0, BLOCK, REPLICAS_EVERYWHERE, 0);
	expect_copies(&s, OWN, SIM_NODES - 1, US_PER_MIN); /* his own counts as one */
	expect_copies(&s, BLOCK, SIM_NODES, US_PER_MIN);
	expect(&s, is_the_users(&s, OWN, KUBO_RECURSIVE), "his pin keeps his name");
	give_up(&s, own);
	give_up(&s, block);
	expect_copies(&s, OWN, 0, US_PER_MIN);
	expect_copies(&s, BLOCK, 0, US_PER_MIN);
	pass(&s, US_PER_MIN);
	expect(&s, is_the_users(&s, OWN, KUBO_RECURSIVE), "his pin stays");
	expect(&s, is_the_users(&s, BLOCK, KUBO_DIRECT), "his block is pinned again");
	end(&s);
}

/* Far more that nobody has than a worker can try or remember, all of one owner. */
static void unfetchable(struct role_fiber *rf)
{
	struct story s = begin(rf);
	struct pin_ask ask_all[MANY] = { 0 };
	uint8_t cids[MANY][36];
	struct pins_result results[MANY];
	struct pins_call call = { .owner = SIM_OWNER_NAME(0), .route = SLICE_LIT("sim") };
	struct err err = { 0 };
	uint64_t mark;

	everybody(&s);
	for (unsigned n = 0; n < SIM_NODES; n++)
		fake_kubo_fetch(s.sim->kubos, n, NULL, FAKE_KUBO_NEVER);
	for (unsigned i = 0; i < MANY; i++) {
		memcpy(cids[i], "\x01\x55\x12\x20", 4);
		rand_fill(&s.sim->rand.base, cids[i] + 4, 32);
		ask_all[i] = (struct pin_ask){ .cid = SLICE_OF(cids[i], 36),
					       .given = ASK_REPLICAS,
					       .rf_min = 2,
					       .rf_max = 2 };
	}
	expect(&s,
	       pins_create(s.pins, &call, ask_all, MANY, s.mem, results, &mark, &err) &&
		       results[MANY - 1].outcome == PINS_DONE,
	       "they are taken");
	pass(&s, 5 * US_PER_MIN);
	ask(&s, 0, CLEAN, 2, 0);
	expect_copies(&s, CLEAN, 2, US_PER_MIN);
	ask(&s, 1, CLEAN, 3, 0);
	expect_copies(&s, CLEAN, 3, US_PER_MIN);
	end(&s);
}

static unsigned fetches(const struct story *s)
{
	unsigned n = 0;

	for (unsigned node = 0; node < SIM_NODES; node++)
		n += fake_kubo_seen(s->sim->kubos, node)->adds;
	return n;
}

static void say(struct story *s, unsigned cid, bool denied)
{
	struct err err = { 0 };

	if (!sim_deny(s->rf->process, cid, denied, s->mem, &err))
		sim_violated(s->sim, "the deny list cannot be changed: %s", err.text);
}

static void deny(struct role_fiber *rf)
{
	struct story s = begin(rf);

	everybody(&s);
	for (unsigned n = 0; n < SIM_NODES; n++)
		fake_kubo_fetch(s.sim->kubos, n, s.sim->texts[CLEAN], US_PER_H);
	fake_kubo_content(s.sim->kubos, s.sim->texts[CLEAN], 1 << 20, 10000);
	ask(&s, 0, CLEAN, 2, 0);
	pass(&s, 5 * US_PER_S);
	expect(&s, fetches(&s) == 2, "it is being fetched");
	say(&s, CLEAN, true);
	pass(&s, 20 * US_PER_S);
	expect(&s, fetches(&s) == 0, "no node fetches it any more");
	for (unsigned n = 0; n < SIM_NODES; n++)
		fake_kubo_fetch(s.sim->kubos, n, s.sim->texts[CLEAN], FAKE_KUBO_LOCAL);
	pass(&s, US_PER_H);
	expect(&s, copies(&s, CLEAN) == 0, "nor later, although it could be had");
	say(&s, CLEAN, false);
	expect_copies(&s, CLEAN, 2, 20 * US_PER_S);
	say(&s, CLEAN, true);
	pass(&s, US_PER_H);
	expect(&s, copies(&s, CLEAN) == 2, "what is pinned stays");
	say(&s, CLEAN, false);
	end(&s);
}

const struct sim_scenario sim_scenarios[] = {
	{ "two-owners", "one copy for two owners goes with the last", { 0 }, two_owners },
	{ "drain", "a drained peer's copies are elsewhere before they go", { 0 }, drain },
	{ "dead-peer",
	  "what a dead peer had is made anew, and nothing too many when it is back",
	  { 0 },
	  dead_peer },
	{ "ttl",
	  "never early, at most one look late, and a renewal beats the expiry",
	  { 0 },
	  time_to_live },
	{ "renewal",
	  "a renewal that was acknowledged beats an expiry that is judged just then",
	  { 0 },
	  renewal },
	{ "unheard",
	  "a request whose messages are all lost is carried out in time",
	  { 0 },
	  unheard },
	{ "cancel", "what is given up while it is fetched is not pinned later", { 0 }, cancel },
	{ "foreign-pins",
	  "the pins of a node's user are his, before and after",
	  { 0 },
	  foreign_pins },
	{ "deny", "what is denied is not fetched, and goes on when it is allowed", { 0 }, deny },
	{ "unfetchable", "what nobody has never delays what somebody has", { 0 }, unfetchable },
};
const unsigned sim_n_scenarios = ARRAY_LEN(sim_scenarios);
