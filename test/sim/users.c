/* users.c -- users that ask for pins, change and end them, and remember what they were told. */
#include <stdio.h>

#include "model/version.h"
#include "sim.h"

static uint64_t below(struct sim *sim, uint64_t n)
{
	return rand_below(&sim->rand.base, n);
}

static struct wish *some_wish(struct sim *sim)
{
	struct wish *w;

	if (sim->n_wishes == 0)
		return NULL;
	w = &sim->wishes[below(sim, sim->n_wishes)];
	return w->made == KNOWN_YES && w->ended == KNOWN_NO ? w : NULL;
}

static unsigned number_of(const struct sim *sim, const struct wish *w)
{
	return (unsigned)(w - sim->wishes);
}

void sim_expires(struct wish *w, int64_t at, bool certain)
{
	/* 0 is never: later than any time. */
	int64_t late = at ? at : INT64_MAX;

	if (certain) {
		w->soonest_expiry = w->latest_expiry = late;
		return;
	}
	if (late < w->soonest_expiry)
		w->soonest_expiry = late;
	if (late > w->latest_expiry)
		w->latest_expiry = late;
}

/* ---- calls and what is known after them --------------------------------------------- */

struct user_call {
	struct sim *sim;
	struct pins *pins;
	struct arena *mem;
	struct pins_call call;
	struct pins_result result;
	uint64_t mark;
	struct err err;
	bool late; /* what is asked for has expired */
};

static struct user_call call_of(struct sim *sim, struct pins *pins, struct arena *mem,
				unsigned owner)
{
	return (struct user_call){
		.sim = sim,
		.pins = pins,
		.mem = mem,
		.call = { .owner = SIM_OWNER_NAME(owner), .route = SLICE_LIT("sim") },
	};
}

/* Was it done?  pins.h: nothing is known after a time-out, and nothing was done after any
 * other fault; a process that was killed tells its user nothing. */
static enum known known(struct user_call *c, bool ok)
{
	if (ok && c->result.outcome == PINS_INVALID && !c->late && !c->sim->wall_high)
		sim_violated(c->sim, "a sound request is refused: %s", c->result.why);
	if (ok)
		return c->result.outcome == PINS_DONE ? KNOWN_YES : KNOWN_NO;
	return c->err.code == ERR_UNAVAILABLE ? KNOWN_NO : KNOWN_MAYBE;
}

static const char *told(const struct user_call *c, enum known known)
{
	if (known == KNOWN_YES)
		return c->result.replayed ? "done before" : "done";
	return c->err.code ? c->err.text : pins_outcome_name(c->result.outcome);
}

/* ---- making ---------------------------------------------------------------------------- */

struct wish *sim_new_wish(struct sim *sim, unsigned owner, unsigned cid)
{
	struct wish *w;

	if (sim->n_wishes == SIM_WISHES)
		return NULL;
	w = &sim->wishes[sim->n_wishes++];
	*w = (struct wish){ .owner = owner, .cid = cid, .rf_min = 1, .rf_max = 1 };
	w->made = KNOWN_MAYBE; /* until it is answered */
	sim_expires(w, 0, true);
	return w;
}

static struct wish *any_wish(struct sim *sim, unsigned owner, unsigned cid)
{
	struct wish *w = sim_new_wish(sim, owner, cid);

	if (!w)
		return NULL;
	w->rf_min = 1 + (int32_t)below(sim, 3);
	w->rf_max = w->rf_min + (int32_t)below(sim, 2);
	if (w->rf_max > 3)
		w->rf_max = 3;
	if (below(sim, 12) == 0)
		w->rf_min = w->rf_max = REPLICAS_EVERYWHERE;
	if (sim->shape.zoned && below(sim, 3) == 0)
		w->zone = 1 + (unsigned)below(sim, SIM_ZONES);
	w->direct = below(sim, 6) == 0;
	w->priority = (int32_t)below(sim, 3) - 1;
	if (below(sim, 3) == 0)
		w->asked_expiry =
			sim_wall(sim) + 20 * US_PER_S + (int64_t)below(sim, 300) * US_PER_S;
	if (below(sim, 2))
		w->key = ++sim->next_key;
	sim_expires(w, w->asked_expiry, true);
	return w;
}

/* The same for every repetition. */
static struct pin_ask ask_of(struct sim *sim, const struct wish *w, struct arena *mem)
{
	struct pin_ask ask = {
		.cid = cid_slice(&sim->cids[w->cid]),
		.direct = w->direct,
		.given = ASK_REPLICAS | ASK_EXPIRY | ASK_PRIORITY | ASK_NAME | ASK_TAGS | ASK_ZONES,
		.name = slice_str(sim->texts[w->cid]),
		.rf_min = w->rf_min,
		.rf_max = w->rf_max,
		.priority = w->priority,
		.expires_at = w->asked_expiry,
	};

	if (w->key)
		ask.key = slice_str(arena_printf(mem, "key-%u", w->key));
	if (w->zone) {
		ask.zones = (struct slice_list){ arena_new_of(mem, struct slice), 1 };
		ask.zones.at[0] = SIM_ZONE_NAME(w->zone - 1);
	}
	ask.tags = (struct slice_list){ arena_new_of(mem, struct slice), 1 };
	ask.tags.at[0] = slice_str(arena_printf(mem, "tag-%u", w->cid % 3));
	return ask;
}

static void made(struct user_call *c, struct wish *w, enum known now)
{
	if (now != KNOWN_YES) {
		if (!w->repeated)
			w->made = now;
		return;
	}
	if (w->made == KNOWN_YES && ulid_cmp(&w->id, &c->result.request_id) != 0)
		sim_violated(c->sim, "call %u was repeated and made another request",
			     number_of(c->sim, w));
	if (w->made != KNOWN_YES)
		w->made_at = c->sim->now;
	w->made = KNOWN_YES;
	w->id = c->result.request_id;
}

void sim_ask(struct sim *sim, struct pins *pins, struct wish *w, struct arena *mem)
{
	struct user_call c = call_of(sim, pins, mem, w->owner);
	enum known denied, now;
	struct pin_ask ask;

	ask = ask_of(sim, w, mem);
	denied = sim->denied[w->cid];
	now = known(&c, pins_create(pins, &c.call, &ask, 1, mem, &c.result, &c.mark, &c.err));
	if (now == KNOWN_YES && denied == KNOWN_YES && sim->denied[w->cid] == KNOWN_YES)
		sim_violated(sim, "cid %u is denied and was accepted", w->cid);
	made(&c, w, now);
	sim_trace(sim, "user %u makes %u of cid %u rf %d-%d%s%s: %s", w->owner, number_of(sim, w),
		  w->cid, w->rf_min, w->rf_max, w->direct ? " direct" : "",
		  w->zone ? " in a zone" : "", told(&c, now));
}

static void create(struct sim *sim, struct pins *pins, struct arena *mem)
{
	unsigned owner = (unsigned)below(sim, SIM_OWNERS);
	struct wish *w = any_wish(sim, owner, (unsigned)below(sim, SIM_CIDS));

	if (w)
		sim_ask(sim, pins, w, mem);
}

/* Calls that were answered, lost or refused come again under their key. */
static void repeat(struct sim *sim, struct pins *pins, struct arena *mem)
{
	struct wish *w = sim->n_wishes ? &sim->wishes[below(sim, sim->n_wishes)] : NULL;
	enum known now;
	struct user_call c;
	struct pin_ask ask;

	if (!w || !w->key)
		return;
	w->repeated = true;
	if (w->made == KNOWN_NO)
		w->made = KNOWN_MAYBE;
	c = call_of(sim, pins, mem, w->owner);
	ask = ask_of(sim, w, mem);
	c.late = w->asked_expiry > 0 && w->asked_expiry < sim_wall(sim) + 3 * US_PER_S;
	now = known(&c, pins_create(pins, &c.call, &ask, 1, mem, &c.result, &c.mark, &c.err));
	if (c.result.outcome == PINS_KEY_REUSED)
		sim_violated(sim, "call %u was repeated as it was and is refused",
			     number_of(sim, w));
	made(&c, w, now);
	sim_trace(sim, "user %u repeats %u: %s", w->owner, number_of(sim, w), told(&c, now));
}

/* ---- changing and ending ------------------------------------------------------------------ */

void sim_end(struct sim *sim, struct pins *pins, struct wish *w, struct arena *mem)
{
	struct user_call c = call_of(sim, pins, mem, w->owner);

	w->ended = KNOWN_MAYBE;
	w->ended_at = sim->now;
	w->ended = known(&c, pins_remove(pins, &c.call, &(struct pin_target){ .id = w->id }, 1, mem,
					 &c.result, &c.mark, &c.err));
	sim_trace(sim, "user %u ends %u: %s", w->owner, number_of(sim, w), told(&c, w->ended));
}

static void end(struct sim *sim, struct pins *pins, struct arena *mem)
{
	struct wish *w = some_wish(sim);

	if (w)
		sim_end(sim, pins, w, mem);
}

enum known sim_renew(struct sim *sim, struct pins *pins, struct wish *w, int64_t expires_at,
		     struct arena *mem)
{
	struct pin_ask ask = { .given = ASK_EXPIRY, .expires_at = expires_at };
	struct user_call c = call_of(sim, pins, mem, w->owner);
	bool sure = w->soonest_expiry == w->latest_expiry;
	unsigned n = ++w->renewals;
	enum known now;

	sim_expires(w, ask.expires_at, false); /* while nobody knows, both may count */
	now = known(&c,
		    pins_revise(pins, &c.call, w->id, 0, &ask, mem, &c.result, &c.mark, &c.err));
	/* Of two users who renew one pin at a time either may be the later one. */
	if (now == KNOWN_YES && sure && w->renewals == n)
		sim_expires(w, ask.expires_at, true);
	sim_trace(sim, "user %u renews %u to %lld: %s", w->owner, number_of(sim, w),
		  (long long)(ask.expires_at / US_PER_S), told(&c, now));
	return now;
}

static void renew(struct sim *sim, struct pins *pins, struct arena *mem)
{
	struct wish *w = some_wish(sim);
	int64_t at = 0;

	if (!w)
		return;
	if (below(sim, 2))
		at = sim_wall(sim) + (int64_t)below(sim, 400) * US_PER_S + 60 * US_PER_S;
	sim_renew(sim, pins, w, at, mem);
}

static void replace(struct sim *sim, struct pins *pins, struct arena *mem)
{
	struct wish *old = some_wish(sim), *w;
	unsigned cid = (unsigned)below(sim, SIM_CIDS);
	struct user_call c;
	struct pin_ask ask;
	enum known now;

	if (old && below(sim, 3) == 0)
		cid = old->cid;
	if (!old || !(w = any_wish(sim, old->owner, cid)))
		return;
	w->key = 0; /* a repetition would have to name the old request again */
	c = call_of(sim, pins, mem, old->owner);
	ask = ask_of(sim, w, mem);
	old->ended = KNOWN_MAYBE;
	old->ended_at = sim->now;
	now = known(&c,
		    pins_replace(pins, &c.call, old->id, &ask, mem, &c.result, &c.mark, &c.err));
	old->ended = now;
	made(&c, w, now);
	sim_trace(sim, "user %u replaces %u by %u of cid %u: %s", old->owner, number_of(sim, old),
		  number_of(sim, w), w->cid, told(&c, now));
}

static void retry(struct sim *sim, struct pins *pins, struct arena *mem)
{
	struct wish *w = some_wish(sim);
	struct user_call c;
	enum known now;

	if (!w)
		return;
	c = call_of(sim, pins, mem, w->owner);
	now = known(&c, pins_retry(pins, &c.call, &(struct pin_target){ .id = w->id }, mem,
				   &c.result, &c.mark, &c.err));
	sim_trace(sim, "user %u retries %u: %s", w->owner, number_of(sim, w), told(&c, now));
}

struct pins *sim_pins_new(struct process *p)
{
	return pins_new(&(struct pins_options){ .store = p->store,
						.bus = p->bus,
						.clock = &p->clock,
						.instance = p->instance,
						.expiring_us = SIM_EXPIRING_US });
}

void sim_user(struct role_fiber *rf)
{
	struct sim *sim = rf->process->sim;
	CLEANUP(arena_free) struct arena *mem = arena_new();
	CLEANUP(pins_free) struct pins *pins = sim_pins_new(rf->process);
	static void (*const verbs[])(struct sim *, struct pins *, struct arena *) = {
		create, create, create, create, repeat,  repeat,
		end,    end,    end,    renew,  replace, retry,
	};

	while (sim_wait(rf, sim->now + (int64_t)below(sim, 8 * US_PER_S))) {
		if (sim->quiet)
			return;
		arena_reset(mem);
		verbs[below(sim, ARRAY_LEN(verbs))](sim, pins, mem);
	}
}
