#include "lib/fake_kubo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct stopped_clock {
	struct clock base;
	int64_t now_us;
};

static int64_t stopped_us(struct clock *clock)
{
	return CONTAINER_OF(clock, struct stopped_clock, base)->now_us;
}

struct world {
	struct stopped_clock clock;
	struct rand_seeded rand;
	struct fake_kubo *fake;
	struct kubo *kubo;
};

static int set_up(void **state)
{
	static struct world w;
	struct err err;
	unsigned node;

	w = (struct world){ .clock = { { stopped_us, stopped_us }, 1000 } };
	rand_init_seeded(&w.rand, 7);
	w.fake = fake_kubo_new(2, &w.clock.base, &w.rand.base);
	w.kubo = fake_kubo_client(w.fake);
	assert_true(kubo_add_node(w.kubo, &(struct kubo_node){ .url = "fake:1" }, &node, &err));
	assert_true(kubo_add_node(w.kubo, &(struct kubo_node){ .url = "fake:0" }, &node, &err));
	assert_int_equal(node, 1);
	*state = &w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	kubo_free(w->kubo);
	fake_kubo_free(w->fake);
	return 0;
}

/* Node 1 of the client is node 0 of the world. */
#define NODE  1
#define WORLD 0

static uint64_t start(struct world *w, struct kubo_op op)
{
	struct err err = { 0 };
	uint64_t id;

	op.node = NODE;
	if (!kubo_start(w->kubo, &op, &id, &err))
		fail_msg("%s", err.text);
	return id;
}

static uint64_t add(struct world *w, const char *cid)
{
	return start(w, (struct kubo_op){ .kind = KUBO_PIN_ADD,
					  .cid = cid,
					  .type = KUBO_RECURSIVE,
					  .name = "pinfold/x" });
}

/* Moves the clock until something has ended. */
static struct kubo_done finish(struct world *w)
{
	struct kubo_done done;

	while (!kubo_next(w->kubo, 0, &done)) {
		int64_t due = fake_kubo_due(w->fake);

		assert_true(due < INT64_MAX && due > w->clock.now_us);
		w->clock.now_us = due;
	}
	return done;
}

static enum kubo_outcome run(struct world *w, struct kubo_op op)
{
	start(w, op);
	return finish(w).outcome;
}

static void a_pin_is_made_seen_and_removed(void **state)
{
	struct world *w = *state;
	struct kubo_done done;

	fake_kubo_knobs(w->fake, WORLD)->latency_us = 500;
	assert_int_equal(
		run(w, (struct kubo_op){ .kind = KUBO_PIN_LS, .cid = "a", .type = KUBO_RECURSIVE }),
		KUBO_NOT_PINNED);
	add(w, "a");
	assert_false(kubo_next(w->kubo, INT64_MAX, &done));
	assert_int_equal(finish(w).outcome, KUBO_OK);
	assert_int_equal(w->clock.now_us, 3000);
	start(w, (struct kubo_op){ .kind = KUBO_PIN_LS, .cid = "a", .type = KUBO_RECURSIVE });
	done = finish(w);
	assert_int_equal(done.outcome, KUBO_OK);
	assert_string_equal(done.pin.name, "pinfold/x");
	assert_int_equal(done.took_us, 1000);
	assert_string_equal(fake_kubo_pin(w->fake, WORLD, "a")->cid, "a");
	assert_null(fake_kubo_pin(w->fake, 1, "a"));
	assert_int_equal(run(w, (struct kubo_op){ .kind = KUBO_PIN_RM, .cid = "a" }), KUBO_OK);
	assert_int_equal(run(w, (struct kubo_op){ .kind = KUBO_PIN_RM, .cid = "a" }),
			 KUBO_NOT_PINNED);
	assert_int_equal(fake_kubo_n_pins(w->fake, WORLD), 0);
}

static void fetching_shows_progress_and_stalls_without(void **state)
{
	struct world *w = *state;
	struct kubo_progress p;
	struct kubo_done done;
	uint64_t id;

	fake_kubo_content(w->fake, "a", 1000, 10);
	fake_kubo_fetch(w->fake, WORLD, "a", 100 * US_PER_S);
	id = add(w, "a");
	w->clock.now_us += 50 * US_PER_S;
	assert_true(kubo_progress(w->kubo, id, &p));
	assert_int_equal(p.nodes, 5);
	assert_int_equal(p.bytes, 500);
	assert_int_equal(finish(w).outcome, KUBO_OK);
	assert_false(kubo_progress(w->kubo, id, &p));
	assert_true(fake_kubo_has(w->fake, WORLD, "a"));

	fake_kubo_fetch(w->fake, WORLD, "b", FAKE_KUBO_NEVER);
	add(w, "b");
	done = finish(w);
	assert_int_equal(done.outcome, KUBO_STALLED);
	assert_int_equal(done.took_us, 2 * US_PER_MIN);
	assert_null(fake_kubo_pin(w->fake, WORLD, "b"));

	/* A provider turns up while it waits. */
	add(w, "b");
	w->clock.now_us += US_PER_MIN;
	fake_kubo_fetch(w->fake, WORLD, "b", US_PER_S);
	done = finish(w);
	assert_int_equal(done.outcome, KUBO_OK);
	assert_int_equal(done.took_us, US_PER_MIN + US_PER_S);
}

static void a_readd_that_fails_drops_the_pin(void **state)
{
	struct world *w = *state;
	uint64_t id;

	fake_kubo_put_pin(w->fake, WORLD, "a", KUBO_RECURSIVE, "");
	fake_kubo_fetch(w->fake, WORLD, "a", FAKE_KUBO_NEVER); /* its blocks got lost */
	id = add(w, "a");
	assert_null(fake_kubo_pin(w->fake, WORLD, "a"));
	kubo_cancel(w->kubo, id);
	kubo_cancel(w->kubo, id);
	assert_int_equal(finish(w).outcome, KUBO_CANCELED);
	assert_int_equal(fake_kubo_due(w->fake), INT64_MAX);
	assert_null(fake_kubo_pin(w->fake, WORLD, "a"));
	assert_int_equal(fake_kubo_seen(w->fake, WORLD)->readds, 1);
	assert_int_equal(fake_kubo_seen(w->fake, WORLD)->adds, 0);
}

static void a_restart_breaks_calls_and_keeps_pins(void **state)
{
	struct world *w = *state;

	fake_kubo_put_pin(w->fake, WORLD, "a", KUBO_RECURSIVE, "theirs");
	fake_kubo_fetch(w->fake, WORLD, "b", US_PER_S);
	add(w, "b");
	w->clock.now_us += 1000;
	assert_int_equal(fake_kubo_seen(w->fake, WORLD)->adds, 1);
	fake_kubo_restart(w->fake, WORLD, US_PER_S);
	assert_int_equal(finish(w).outcome, KUBO_UNREACHABLE);
	assert_int_equal(run(w, (struct kubo_op){ .kind = KUBO_VERSION }), KUBO_UNREACHABLE);
	w->clock.now_us += US_PER_S;
	assert_int_equal(run(w, (struct kubo_op){ .kind = KUBO_VERSION }), KUBO_OK);
	assert_int_equal(fake_kubo_n_pins(w->fake, WORLD), 1);
}

static void a_list_comes_in_bounded_parts(void **state)
{
	struct world *w = *state;
	struct kubo_done done;
	char cid[8];

	for (unsigned i = 0; i < 25; i++) {
		snprintf(cid, sizeof(cid), "c%02u", i);
		fake_kubo_put_pin(w->fake, WORLD, cid, i == 7 ? KUBO_DIRECT : KUBO_RECURSIVE, "n");
	}
	fake_kubo_knobs(w->fake, WORLD)->list_chunk = 10;
	start(w, (struct kubo_op){ .kind = KUBO_PIN_LIST, .type = KUBO_RECURSIVE });
	for (unsigned part = 0; part < 3; part++) {
		done = finish(w);
		assert_int_equal(done.outcome, KUBO_OK);
		assert_int_equal(done.list.n, part < 2 ? 10 : 4);
		assert_int_equal(done.more, part < 2);
	}
	assert_string_equal(done.list.pins[3].cid, "c24");
}

static const struct {
	const char *what;
	struct fake_kubo_knobs knobs;
	enum kubo_outcome want;
} moods[] = {
	{ "refuses", { .refuse = true }, KUBO_DENIED },
	{ "hangs", { .hang = true }, KUBO_STALLED },
	{ "is full", { .disk_full = true }, KUBO_DISK_FULL },
	{ "is too small", { .capacity_bytes = 999 }, KUBO_DISK_FULL },
	{ "is big enough", { .capacity_bytes = 1000 }, KUBO_OK },
	{ "breaks", { .break_ppm = 1000000 }, KUBO_UNREACHABLE },
};

static void every_knob_has_its_outcome(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(moods); i++) {
		enum kubo_outcome got;

		*fake_kubo_knobs(w->fake, WORLD) = moods[i].knobs;
		fake_kubo_fetch(w->fake, WORLD, "a", US_PER_S);
		add(w, "a");
		got = finish(w).outcome;
		if (got != moods[i].want)
			fail_msg("a node that %s: %s", moods[i].what, kubo_outcome_name(got));
	}
	*fake_kubo_knobs(w->fake, WORLD) = (struct fake_kubo_knobs){ .hang = true };
	fake_kubo_fetch(w->fake, WORLD, "b", FAKE_KUBO_LOCAL);
	assert_int_equal((add(w, "b"), finish(w).outcome), KUBO_STALLED);
}

static void collecting_leaves_what_is_pinned(void **state)
{
	struct world *w = *state;
	struct kubo_done done;

	fake_kubo_fetch(w->fake, WORLD, NULL, US_PER_S);
	assert_int_equal((add(w, "a"), finish(w).outcome), KUBO_OK);
	assert_int_equal((add(w, "b"), finish(w).outcome), KUBO_OK);
	assert_int_equal(run(w, (struct kubo_op){ .kind = KUBO_PIN_RM, .cid = "b" }), KUBO_OK);
	assert_int_equal(run(w, (struct kubo_op){ .kind = KUBO_STAT, .cid = "b" }), KUBO_OK);
	start(w, (struct kubo_op){ .kind = KUBO_REPO_GC });
	done = finish(w);
	assert_int_equal(done.collected, 1);
	assert_int_equal(run(w, (struct kubo_op){ .kind = KUBO_STAT, .cid = "b" }), KUBO_NOT_LOCAL);
	start(w, (struct kubo_op){ .kind = KUBO_REPO_STAT });
	assert_int_equal(finish(w).repo.used_bytes, 1000);
}

static void malformed_operations_are_refused(void **state)
{
	static const struct kubo_op bad[] = {
		{ .kind = KUBO_VERSION, .node = 2 },
		{ .kind = KUBO_PIN_LS },
		{ .kind = KUBO_PIN_LS, .cid = "" },
		{ .kind = KUBO_PIN_LS, .cid = "a b" },
		{ .kind = KUBO_PIN_ADD, .cid = "a", .name = "x\ny" },
		{ .kind = KUBO_PIN_UPDATE, .cid = "a" },
		{ .kind = KUBO_SWARM_CONNECT },
	};
	struct world *w = *state;
	struct err err;
	uint64_t id;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(kubo_start(w->kubo, &bad[i], &id, &err));
		assert_int_equal(err.code, ERR_INVALID);
	}
}

static void a_dead_client_breaks_its_calls_off(void **state)
{
	struct world *w = *state;
	struct kubo *other = fake_kubo_client(w->fake);
	struct err err;
	unsigned node;
	uint64_t id;

	assert_true(kubo_add_node(other, &(struct kubo_node){ .url = "fake:0" }, &node, &err));
	fake_kubo_fetch(w->fake, WORLD, "a", US_PER_S);
	assert_true(kubo_start(
		other,
		&(struct kubo_op){ .kind = KUBO_PIN_ADD, .cid = "a", .type = KUBO_RECURSIVE }, &id,
		&err));
	w->clock.now_us += 10;
	assert_int_equal(fake_kubo_seen(w->fake, WORLD)->adds, 1);
	kubo_free(other);
	assert_int_equal(fake_kubo_seen(w->fake, WORLD)->adds, 0);
	w->clock.now_us += 2 * US_PER_S;
	assert_null(fake_kubo_pin(w->fake, WORLD, "a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_pin_is_made_seen_and_removed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(fetching_shows_progress_and_stalls_without, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_readd_that_fails_drops_the_pin, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_restart_breaks_calls_and_keeps_pins, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_list_comes_in_bounded_parts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_knob_has_its_outcome, set_up, tear_down),
		cmocka_unit_test_setup_teardown(collecting_leaves_what_is_pinned, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(malformed_operations_are_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_dead_client_breaks_its_calls_off, set_up,
						tear_down),
	};
	return cmocka_run_group_tests_name("fake_kubo", tests, NULL, NULL);
}
