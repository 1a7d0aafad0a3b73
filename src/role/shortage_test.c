#include "role/shortage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/rand.h"
#include "model/cid.h"
#include "role/store_test.h"

#define NOW TEST_START_US

struct world {
	struct test_store s;
	struct peer_watch *watch;
	struct replan_policy policy;
	struct slice cid;
	struct ulid id;
	uint32_t peer_no;
	/* of the request that ask() makes, and of the copy that is there */
	struct slice_list zones, peer_tags;
	int32_t replicas;
	bool held;
};

static int set_up(void **state)
{
	static const struct health_policy health = { .suspect_us = US_PER_MIN,
						     .down_us = US_PER_H,
						     .grace_us = US_PER_H };
	static struct world world;
	struct world *w = &world;
	struct cid cid;
	struct err err;

	*w = (struct world){ .replicas = 1, .id = { .bytes = { 1 } } };
	w->policy = (struct replan_policy){ .reconcile = { .republish_us = US_PER_H,
							   .forget_us = US_PER_H,
							   .recheck_us = US_PER_H } };
	test_store_open(&w->s, NULL);
	w->watch = peer_watch_new(&health, &w->s.clock);
	assert_true(store_peer_no(w->s.store, SLICE_LIT("12D3KooWpeer"), &w->peer_no, &err));
	assert_true(store_peer_report(
		w->s.store,
		&(struct peer_row){ .peer_no = w->peer_no, .report_version = 1, .last_seen = NOW },
		&err));
	assert_true(cid_parse(SLICE_LIT("bafkqaaik"), &cid, NULL, &err));
	w->cid = arena_copy(w->s.mem, cid_slice(&cid));
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

static bool decide(void *ctx, const struct cid_view *view, int64_t now_us UNUSED, struct arena *mem,
		   struct cid_change *out, struct err *err UNUSED)
{
	struct world *w = ctx;
	struct fact *facts = arena_new_array(mem, struct fact, 2);
	struct copy *copy = arena_new_of(mem, struct copy);

	facts[0] = (struct fact){ .cid = view->cid,
				  .owner = SLICE_LIT("me"),
				  .request_id = w->id,
				  .created_at = NOW,
				  .mode = PIN_RECURSIVE,
				  .cid_base = 'b' };
	facts[1] = (struct fact){ .cid = view->cid,
				  .owner = SLICE_LIT("me"),
				  .request_id = w->id,
				  .rev = view->next,
				  .kind = FACT_REVISION,
				  .zones = w->zones,
				  .peer_tags = w->peer_tags,
				  .rf_min = w->replicas,
				  .rf_max = w->replicas };
	/* one that another request has given up just now */
	*copy = (struct copy){ .peer_no = w->peer_no, .gen = view->next, .mode = PIN_RECURSIVE };
	*out = (struct cid_change){
		.facts = facts, .n_facts = 2, .desired = copy, .n_desired = w->held
	};
	return true;
}

static struct shortage ask(struct world *w)
{
	const struct replan_options options = {
		.store = w->s.store, .clock = &w->s.clock, .watch = w->watch, .policy = &w->policy
	};
	struct shortage out;
	struct cid_view view;
	void *ctx = w;
	struct err err;

	assert_true(store_change(w->s.store, &w->cid, &ctx, 1, decide, w->s.mem, &err));
	assert_true(store_view(w->s.store, w->cid, w->s.mem, &view, &err));
	assert_true(shortage_find(&options, &view, &w->id, w->s.mem, &out, &err));
	return out;
}

static void what_has_a_peer_lacks_nothing(void **state)
{
	struct shortage s = ask(*state);

	assert_int_equal(s.missing, 0);
	assert_int_equal(s.n, 0);
}

static void a_peer_that_was_given_up_just_now_can_be_asked_again(void **state)
{
	struct world *w = *state;
	struct shortage s;

	w->held = true;
	w->replicas = 2;
	s = ask(w);
	assert_int_equal(s.missing, 1);
	assert_int_equal(s.n, 0);
}

static void a_peer_that_does_not_fit_says_why(void **state)
{
	struct slice eu = SLICE_LIT("eu");
	struct world *w = *state;
	struct shortage s;

	w->zones = (struct slice_list){ &eu, 1 };
	s = ask(w);
	assert_int_equal(s.missing, 1);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.peers[0].why, PLACE_WRONG_ZONE);
	assert_true(slice_eq_str(s.peers[0].peer_id, "12D3KooWpeer"));
	w->zones.n = 0;
	w->peer_tags = (struct slice_list){ &eu, 1 };
	s = ask(w);
	assert_int_equal(s.peers[0].why, PLACE_WRONG_TAGS);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_has_a_peer_lacks_nothing),
		T(a_peer_that_was_given_up_just_now_can_be_asked_again),
		T(a_peer_that_does_not_fit_says_why),
	};

	return cmocka_run_group_tests_name("role/shortage", tests, NULL, NULL);
}
