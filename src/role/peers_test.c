#include "role/peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/rand.h"
#include "role/store_test.h"

struct world {
	struct test_store s;
	struct peer_watch *watch;
	uint64_t version;
	uint32_t peer_no;
};

static const struct health_policy policy = { .suspect_us = 30 * US_PER_S,
					     .down_us = 2 * US_PER_MIN,
					     .grace_us = 10 * US_PER_MIN };

static void restart(struct world *w)
{
	peer_watch_free(w->watch);
	w->watch = peer_watch_new(&policy, &w->s.clock);
}

static int set_up(void **state)
{
	static struct world world;
	struct world *w = &world;
	struct err err;

	*w = (struct world){ .version = 1000 };
	test_store_open(&w->s, NULL);
	assert_true(store_peer_no(w->s.store, SLICE_LIT("12D3KooWpeer"), &w->peer_no, &err));
	restart(w);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	peer_watch_free(w->watch);
	test_store_close(&w->s);
	return 0;
}

static void answer(struct world *w)
{
	struct err err;

	w->version += 1000;
	assert_true(store_peer_report(w->s.store,
				      &(struct peer_row){ .peer_no = w->peer_no,
							  .report_version = w->version,
							  .last_seen = w->s.now },
				      &err));
}

static enum peer_health look(struct world *w)
{
	struct peers peers;
	struct err err;

	assert_true(peers_load(w->s.store, w->watch, w->s.mem, &peers, &err));
	assert_int_equal(peers.n, 1);
	return peers.at[0].health;
}

static void pass(struct world *w, int64_t us)
{
	w->s.now += us;
}

/* Looks every few seconds meanwhile, as the reconciler does. */
static void watch_for(struct world *w, int64_t us)
{
	for (int64_t end = w->s.now + us; w->s.now < end; look(w))
		pass(w, 5 * US_PER_S);
}

static void lively(struct world *w)
{
	for (int i = 0; i < 3; i++) {
		answer(w);
		assert_int_equal(look(w), HEALTH_UP);
		pass(w, 10 * US_PER_S);
	}
}

static void a_peer_that_falls_silent_is_given_up_step_by_step(void **state)
{
	struct world *w = *state;

	lively(w);
	assert_int_equal(look(w), HEALTH_UP);
	watch_for(w, 20 * US_PER_S);
	assert_int_equal(look(w), HEALTH_SUSPECT);
	watch_for(w, 90 * US_PER_S);
	assert_int_equal(look(w), HEALTH_DOWN);
	watch_for(w, 10 * US_PER_MIN);
	assert_int_equal(look(w), HEALTH_DEAD);
	answer(w);
	assert_int_equal(look(w), HEALTH_UP);
}

/* The machine was off: nobody looked, so nobody knows. */
static void after_an_outage_no_peer_is_dead_before_it_was_looked_for(void **state)
{
	struct world *w = *state;

	lively(w);
	pass(w, US_PER_H);
	restart(w);
	assert_int_equal(look(w), HEALTH_SUSPECT);
	watch_for(w, 11 * US_PER_MIN);
	assert_int_equal(look(w), HEALTH_DOWN);
	watch_for(w, 2 * US_PER_MIN);
	assert_int_equal(look(w), HEALTH_DEAD);
}

static void a_clock_that_is_set_changes_nothing_about_peers_that_were_seen(void **state)
{
	static const int64_t steps[] = { US_PER_H, -US_PER_H, 365 * US_PER_DAY };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		lively(w);
		w->s.now += steps[i];
		w->s.set += steps[i];
		assert_int_equal(look(w), HEALTH_UP);
		watch_for(w, 40 * US_PER_S);
		assert_int_equal(look(w), HEALTH_SUSPECT);
		watch_for(w, 13 * US_PER_MIN);
		assert_int_equal(look(w), HEALTH_DEAD);
	}
}

/* The store was away, or the machine stood still: nothing was looked for in vain meanwhile. */
static void time_in_which_nobody_looked_is_no_silence(void **state)
{
	struct world *w = *state;

	lively(w);
	pass(w, US_PER_H);
	assert_int_equal(look(w), HEALTH_SUSPECT);
	watch_for(w, 11 * US_PER_MIN);
	assert_int_equal(look(w), HEALTH_DOWN);
	watch_for(w, 2 * US_PER_MIN);
	assert_int_equal(look(w), HEALTH_DEAD);
}

/* A change that is noticed late is no sign of life now. */
static void what_changed_while_nobody_looked_may_be_old(void **state)
{
	struct world *w = *state;

	lively(w);
	answer(w);
	pass(w, 5 * US_PER_MIN);
	assert_int_equal(look(w), HEALTH_SUSPECT);
	answer(w);
	assert_int_equal(look(w), HEALTH_UP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(a_peer_that_falls_silent_is_given_up_step_by_step),
		T(after_an_outage_no_peer_is_dead_before_it_was_looked_for),
		T(time_in_which_nobody_looked_is_no_silence),
		T(a_clock_that_is_set_changes_nothing_about_peers_that_were_seen),
		T(what_changed_while_nobody_looked_may_be_old),
	};
	return cmocka_run_group_tests_name("role/peers", tests, NULL, NULL);
}
