/* reconciler_roles.h -- what the tests of the reconciler begin with. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/role/roles.h"
#include "role/restored.h"
#include "role/worker/node.h"

static inline uint64_t moves_left(struct roles *r)
{
	const struct replan_options options = roles_replan(r);
	struct rebalance_preview out;
	struct err err = { 0 };

	if (!reconciler_preview(&options, US_PER_MIN, &out, &err))
		fail_msg("%s", err.text);
	return out.moves;
}

/* All `pins` lie on the first of two nodes, for the second was not there yet; now it is. */
static inline struct roles *lopsided(unsigned pins, unsigned guard_least)
{
	struct roles *r = roles_new(
		&(struct roles_options){ .nodes = 2, .batch_max = 4, .guard_least = guard_least });

	fake_kubo_restart(r->fake, 1, US_PER_MIN);
	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < pins; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), pins);
	assert_in_range(moves_left(r), pins / 4, pins);
	return r;
}

static inline void order(struct roles *r, bool rebalance, bool force)
{
	struct err err = { 0 };

	if (!reconciler_order_sweep(r->reconciler, rebalance, force, &err))
		fail_msg("%s", err.text);
}

static inline uint64_t swept(struct roles *r)
{
	struct reconciler_state state;

	reconciler_state(r->reconciler, &state);
	return state.swept;
}

/* Lets the reconciler alone go on until it has looked at `n` CIDs in this sweep. */
static inline void sweep_to(struct roles *r, uint64_t n)
{
	struct err err = { 0 };
	int64_t due;

	do {
		r->now += US_PER_MS; /* its pause */
		if (!reconciler_step(r->reconciler, &due, &err))
			fail_msg("%s", err.text);
	} while (swept(r) < n);
	assert_in_range(swept(r), n, n + 4);
}

static inline unsigned copies(struct roles *r)
{
	return fake_kubo_n_pins(r->fake, 0) + fake_kubo_n_pins(r->fake, 1);
}

static inline unsigned pins_on(struct roles *r, unsigned node)
{
	return fake_kubo_n_pins(r->fake, node);
}

static inline unsigned wanted_on(struct roles *r, unsigned pins, uint32_t peer_no)
{
	unsigned n = 0;

	for (unsigned i = 0; i < pins; i++)
		n += roles_copy(r, i, peer_no).desired;
	return n;
}

static inline struct roles *one_node_with(unsigned pins)
{
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 1 });

	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < pins; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, US_PER_MIN);
	return r;
}

static inline void set_zone(struct roles *r, uint32_t peer_no, const char *zone)
{
	const struct peer_row wish = { .peer_no = peer_no,
				       .wish_version = (uint64_t)r->now + 1000,
				       .zone = slice_str(zone),
				       .wish = PEER_ACTIVE };
	struct err err;

	assert_true(store_peer_wish(r->store, &wish, &err));
}

static inline struct ulid pin_in(struct roles *r, const char *owner, unsigned n, const char *zone,
				 int32_t replicas)
{
	struct slice zones[] = { slice_str(zone) };

	return roles_pin(r, owner, n,
			 &(struct pin_ask){ .given = ASK_REPLICAS | ASK_ZONES,
					    .rf_min = replicas,
					    .rf_max = replicas,
					    .zones = { zones, 1 } });
}
