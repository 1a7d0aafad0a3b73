/* worker_roles.h -- what the tests of role/worker/ begin with. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/role/roles.h"
#include "role/worker/node.h"

#define PEER 1 /* the number of the first node */

static inline struct roles *start(const struct roles_options *options)
{
	struct roles *r = roles_new(options);

	roles_run(r, 10 * US_PER_S); /* the nodes are up, compared and known */
	return r;
}

static inline enum pin_status status(struct roles *r, struct ulid id)
{
	bool found;

	return roles_status(r, "ada", id, &found);
}

/* The worker alone, while no planner looks. */
static inline void work(struct roles *r, int64_t us)
{
	for (int64_t end = r->now + us; r->now < end; r->now += 10 * US_PER_MS) {
		struct err err = { 0 };
		int64_t due;

		assert_true(worker_step(r->worker, r->now, &due, &err));
	}
}

/* Fetches of CIDs 100, 101, ... that get a block every 25 seconds. */
static inline void trickle(struct roles *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const char *cid = roles_text(r, 100 + i);

		fake_kubo_content(r->fake, cid, 1000000, 100);
		fake_kubo_fetch(r->fake, 0, cid, 2500 * US_PER_S);
		roles_pin(r, "ada", 100 + i, NULL);
	}
	roles_run(r, 40 * US_PER_S); /* each has its first block */
}
