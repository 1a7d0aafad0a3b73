/* store_test.h -- a store in memory, and clocks that stand until a test moves them: what tests of
 * one module of roles begin with. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/mem/store_mem.h"

#define TEST_START_US INT64_C(1800000000000000)

struct test_store {
	struct clock clock;
	int64_t now; /* of the wall clock; the monotonic one goes with it, but for ... */
	int64_t set; /* ... what the wall clock was set by */
	struct rand_seeded rand;
	struct store_mem *data;
	struct store *store;
	struct arena *mem;
};

static inline int64_t test_wall_us(struct clock *clock)
{
	return CONTAINER_OF(clock, struct test_store, clock)->now;
}

static inline int64_t test_mono_us(struct clock *clock)
{
	struct test_store *t = CONTAINER_OF(clock, struct test_store, clock);

	return t->now - t->set;
}

/* *t stays where it is.  `loose` NULL: a serial store. */
static inline void test_store_open(struct test_store *t, const struct store_mem_loose *loose)
{
	const struct store_options options = { .instance = 1,
					       .clock = &t->clock,
					       .rand = &t->rand.base };
	struct err err;

	*t = (struct test_store){ .clock = { test_wall_us, test_mono_us }, .now = TEST_START_US };
	rand_init_seeded(&t->rand, 1);
	t->mem = arena_new();
	t->data = loose ? store_mem_new_loose(loose) : store_mem_new();
	if (!store_open(store_mem_attach(t->data, &t->clock, 0, NULL), &options, &t->store, &err))
		fail_msg("%s", err.text);
}

static inline void test_store_close(struct test_store *t)
{
	store_close(t->store);
	store_mem_free(t->data);
	arena_free(t->mem);
}
static inline void test_store_close_at_scope_end(struct test_store *t)
{
	test_store_close(t);
}
