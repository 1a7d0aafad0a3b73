/* What kubo.h promises, on every back end: nodes in memory, and libcurl to a fake server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kubo/kubo_curl.h"
#include "lib/fake_kubo.h"
#include "lib/kubo_server.h"

#define CID_A "bafkreia"
#define CID_B "bafkreib"

struct rig {
	struct clock clock;
	struct rand_seeded rand;
	struct kubo *kubo;
	struct fake_kubo *fake; /* one of these two is there */
	struct kubo_server server;
	unsigned node;
};

static int set_up_fake(void **state)
{
	struct rig *rig = test_calloc(1, sizeof(*rig));
	struct err err;

	clock_init_system(&rig->clock);
	rand_init_seeded(&rig->rand, 1);
	rig->fake = fake_kubo_new(1, &rig->clock, &rig->rand.base);
	rig->kubo = fake_kubo_client(rig->fake);
	assert_true(
		kubo_add_node(rig->kubo, &(struct kubo_node){ .url = "fake:0" }, &rig->node, &err));
	*state = rig;
	return 0;
}

static int set_up_curl(void **state)
{
	struct rig *rig = test_calloc(1, sizeof(*rig));
	struct err err;

	clock_init_system(&rig->clock);
	kubo_server_start(&rig->server, getenv("FAKE_KUBO_SERVER"), NULL, NULL);
	assert_true(kubo_curl_new(&rig->clock, &rig->kubo, &err));
	assert_true(kubo_add_node(rig->kubo, &(struct kubo_node){ .url = rig->server.url },
				  &rig->node, &err));
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	kubo_free(rig->kubo);
	if (rig->fake)
		fake_kubo_free(rig->fake);
	else
		kubo_server_stop(&rig->server);
	test_free(rig);
	return 0;
}

static uint64_t start(struct rig *rig, struct kubo_op op)
{
	struct err err = { 0 };
	uint64_t id;

	op.node = rig->node;
	if (!kubo_start(rig->kubo, &op, &id, &err))
		fail_msg("%s", err.text);
	return id;
}

static struct kubo_done next(struct rig *rig)
{
	struct kubo_done done;

	if (!kubo_next(rig->kubo, clock_mono_us(&rig->clock) + 20 * US_PER_S, &done))
		fail_msg("nothing ended");
	return done;
}

static struct kubo_done run(struct rig *rig, struct kubo_op op)
{
	uint64_t id = start(rig, op);
	struct kubo_done done = next(rig);

	assert_int_equal(done.id, id);
	assert_int_equal(done.kind, op.kind);
	assert_ptr_equal(done.ctx, op.ctx);
	assert_int_equal(done.node, rig->node);
	if ((done.outcome == KUBO_OK) != (done.text[0] == 0))
		fail_msg("%s: '%s'", kubo_outcome_name(done.outcome), done.text);
	return done;
}

static void expect(struct rig *rig, enum kubo_outcome want, struct kubo_op op)
{
	struct kubo_done done = run(rig, op);

	if (done.outcome != want)
		fail_msg("%s: %s (%s), not %s", kubo_kind_name(op.kind),
			 kubo_outcome_name(done.outcome), done.text, kubo_outcome_name(want));
}

/* A call that nothing answers until it is canceled. */
static void hang(struct rig *rig)
{
	if (rig->fake)
		fake_kubo_knobs(rig->fake, 0)->hang = true;
	else
		kubo_server_order(&rig->server, "fault?name=silent", NULL, 0);
}

static void a_recursive_pin_comes_and_goes(void **state)
{
	struct rig *rig = *state;
	struct kubo_done done;

	expect(rig, KUBO_NOT_PINNED,
	       (struct kubo_op){ .kind = KUBO_PIN_LS, .cid = CID_A, .type = KUBO_RECURSIVE });
	expect(rig, KUBO_OK,
	       (struct kubo_op){ .kind = KUBO_PIN_ADD,
				 .cid = CID_A,
				 .type = KUBO_RECURSIVE,
				 .name = "pinfold/1 ä" });
	done = run(rig,
		   (struct kubo_op){
			   .kind = KUBO_PIN_LS, .cid = CID_A, .type = KUBO_RECURSIVE, .ctx = rig });
	assert_int_equal(done.outcome, KUBO_OK);
	assert_string_equal(done.pin.cid, CID_A);
	assert_string_equal(done.pin.name, "pinfold/1 ä");
	assert_int_equal(done.pin.type, KUBO_RECURSIVE);
	expect(rig, KUBO_NOT_PINNED,
	       (struct kubo_op){ .kind = KUBO_PIN_LS, .cid = CID_A, .type = KUBO_DIRECT });
	expect(rig, KUBO_ALREADY_PINNED,
	       (struct kubo_op){ .kind = KUBO_PIN_ADD, .cid = CID_A, .type = KUBO_DIRECT });
	expect(rig, KUBO_OK, (struct kubo_op){ .kind = KUBO_PIN_RM, .cid = CID_A });
	expect(rig, KUBO_NOT_PINNED, (struct kubo_op){ .kind = KUBO_PIN_RM, .cid = CID_A });
}

static void a_direct_pin_is_seen_as_one(void **state)
{
	struct rig *rig = *state;

	expect(rig, KUBO_OK,
	       (struct kubo_op){ .kind = KUBO_PIN_ADD, .cid = CID_A, .type = KUBO_DIRECT });
	expect(rig, KUBO_OK,
	       (struct kubo_op){ .kind = KUBO_PIN_LS, .cid = CID_A, .type = KUBO_DIRECT });
	expect(rig, KUBO_NOT_PINNED,
	       (struct kubo_op){ .kind = KUBO_PIN_LS, .cid = CID_A, .type = KUBO_RECURSIVE });
}

static void an_update_moves_the_pin_and_its_name(void **state)
{
	struct rig *rig = *state;
	struct kubo_op update = { .kind = KUBO_PIN_UPDATE, .cid = CID_A, .to_cid = CID_B };
	struct kubo_done done;

	expect(rig, KUBO_NOT_PINNED, update);
	expect(rig, KUBO_OK,
	       (struct kubo_op){
		       .kind = KUBO_PIN_ADD, .cid = CID_A, .type = KUBO_RECURSIVE, .name = "n" });
	update.keep_old = true;
	expect(rig, KUBO_OK, update);
	expect(rig, KUBO_ALREADY_PINNED, update);
	done = run(rig,
		   (struct kubo_op){ .kind = KUBO_PIN_LS, .cid = CID_B, .type = KUBO_RECURSIVE });
	assert_string_equal(done.pin.name, "n");
	expect(rig, KUBO_OK, (struct kubo_op){ .kind = KUBO_PIN_RM, .cid = CID_B });
	update.keep_old = false;
	expect(rig, KUBO_OK, update);
	expect(rig, KUBO_NOT_PINNED, (struct kubo_op){ .kind = KUBO_PIN_RM, .cid = CID_A });
}

static void small_calls_give_typed_answers(void **state)
{
	struct rig *rig = *state;
	struct kubo_done done = run(rig, (struct kubo_op){ .kind = KUBO_ID });

	assert_int_equal(done.outcome, KUBO_OK);
	assert_true(strlen(done.who.peer_id) > 0);
	assert_int_equal(done.who.n_addrs, 1);
	assert_non_null(strstr(done.who.addrs[0], "/p2p/"));
	assert_memory_equal(done.who.agent, "kubo/", 5);
	done = run(rig, (struct kubo_op){ .kind = KUBO_VERSION });
	assert_string_equal(done.version, "0.42.0");
	expect(rig, KUBO_OK,
	       (struct kubo_op){ .kind = KUBO_SWARM_CONNECT, .addr = "/ip4/127.0.0.1/p2p/x" });
	expect(rig, KUBO_OK,
	       (struct kubo_op){ .kind = KUBO_PIN_ADD, .cid = CID_A, .type = KUBO_RECURSIVE });
	done = run(rig, (struct kubo_op){ .kind = KUBO_STAT, .cid = CID_A });
	assert_int_equal(done.outcome, KUBO_OK);
	assert_int_equal(done.size_bytes, 1000);
	done = run(rig, (struct kubo_op){ .kind = KUBO_REPO_STAT });
	assert_int_equal(done.repo.used_bytes, 1000);
	expect(rig, KUBO_OK, (struct kubo_op){ .kind = KUBO_REPO_GC });
}

static void a_list_holds_every_pin_once(void **state)
{
	enum { N = 3000 };
	struct rig *rig = *state;
	bool seen[N] = { false };
	unsigned parts = 0, running = 0, started = 0;
	struct kubo_done done;
	char cid[20];

	while (started < N || running > 0) {
		for (; started < N && running < 50; running++, started++) {
			snprintf(cid, sizeof(cid), "bafy%05u", started);
			start(rig, (struct kubo_op){ .kind = KUBO_PIN_ADD,
						     .cid = cid,
						     .type = KUBO_RECURSIVE,
						     .name = "list" });
		}
		assert_int_equal(next(rig).outcome, KUBO_OK);
		running--;
	}
	expect(rig, KUBO_OK,
	       (struct kubo_op){ .kind = KUBO_PIN_ADD, .cid = CID_A, .type = KUBO_DIRECT });
	start(rig, (struct kubo_op){ .kind = KUBO_PIN_LIST, .type = KUBO_RECURSIVE });
	do {
		done = next(rig);
		assert_int_equal(done.outcome, KUBO_OK);
		assert_true(done.list.n <= KUBO_LIST_MAX);
		for (unsigned i = 0; i < done.list.n; i++) {
			const struct kubo_pin *pin = &done.list.pins[i];
			unsigned n = (unsigned)atoi(pin->cid + 4);

			assert_true(n < N && !seen[n]);
			seen[n] = true;
			assert_string_equal(pin->name, "list");
			assert_int_equal(pin->type, KUBO_RECURSIVE);
		}
		parts++;
	} while (done.more);
	for (unsigned i = 0; i < N; i++)
		assert_true(seen[i]);
	assert_true(parts >= N / KUBO_LIST_MAX);
	assert_false(kubo_next(rig->kubo, 0, &done));
}

static void an_empty_list_ends_at_once(void **state)
{
	struct rig *rig = *state;
	struct kubo_done done =
		run(rig, (struct kubo_op){ .kind = KUBO_PIN_LIST, .type = KUBO_RECURSIVE });

	assert_int_equal(done.outcome, KUBO_OK);
	assert_int_equal(done.list.n, 0);
	assert_false(done.more);
}

static void a_canceled_call_ends_once(void **state)
{
	struct rig *rig = *state;
	struct kubo_done done;
	uint64_t id;

	hang(rig);
	id = start(rig, (struct kubo_op){ .kind = KUBO_PIN_RM, .cid = CID_A });
	assert_false(kubo_next(rig->kubo, clock_mono_us(&rig->clock) + 10000, &done));
	kubo_cancel(rig->kubo, id);
	kubo_cancel(rig->kubo, id);
	done = next(rig);
	assert_int_equal(done.id, id);
	assert_int_equal(done.outcome, KUBO_CANCELED);
	kubo_cancel(rig->kubo, id);
	assert_false(kubo_next(rig->kubo, clock_mono_us(&rig->clock) + 10000, &done));
}

static void a_list_canceled_between_parts_ends_once(void **state)
{
	struct rig *rig = *state;
	struct kubo_done done;
	char cid[20];
	uint64_t id;

	for (unsigned i = 0; i < 5000; i++) {
		snprintf(cid, sizeof(cid), "bafy%05u", i);
		expect(rig, KUBO_OK,
		       (struct kubo_op){
			       .kind = KUBO_PIN_ADD, .cid = cid, .type = KUBO_RECURSIVE });
	}
	id = start(rig, (struct kubo_op){ .kind = KUBO_PIN_LIST, .type = KUBO_RECURSIVE });
	done = next(rig);
	assert_true(done.more);
	kubo_cancel(rig->kubo, id);
	do {
		done = next(rig);
		assert_int_equal(done.id, id);
	} while (done.more);
	/* The fake holds the whole list already: its end was on the way. */
	assert_int_equal(done.outcome, rig->fake ? KUBO_OK : KUBO_CANCELED);
	assert_false(kubo_next(rig->kubo, 0, &done));
}

static void a_call_without_answer_times_out(void **state)
{
	struct rig *rig = *state;
	int64_t due_us;
	struct kubo_done done;

	hang(rig);
	start(rig, (struct kubo_op){ .kind = KUBO_VERSION, .timeout_us = 30000 });
	due_us = clock_mono_us(&rig->clock) + 30000;
	while (!kubo_next(rig->kubo, due_us, &done))
		assert_true(clock_mono_us(&rig->clock) < due_us + 10 * US_PER_S);
	assert_int_equal(done.outcome, KUBO_TIMED_OUT);
	assert_int_equal(done.http_status, 0);
}

static void a_pin_without_progress_stalls(void **state)
{
	struct rig *rig = *state;
	struct kubo_progress progress;
	struct kubo_done done;
	int64_t due_us;
	uint64_t id;

	if (rig->fake)
		fake_kubo_fetch(rig->fake, 0, CID_A, FAKE_KUBO_NEVER);
	else
		kubo_server_order(&rig->server, "fault?name=no-progress&ms=5", NULL, 0);
	id = start(rig, (struct kubo_op){ .kind = KUBO_PIN_ADD,
					  .cid = CID_A,
					  .type = KUBO_RECURSIVE,
					  .stall_us = 60000 });
	assert_true(kubo_progress(rig->kubo, id, &progress));
	assert_int_equal(progress.nodes, 0);
	due_us = clock_mono_us(&rig->clock) + 60000;
	while (!kubo_next(rig->kubo, due_us, &done))
		assert_true(clock_mono_us(&rig->clock) < due_us + 10 * US_PER_S);
	assert_int_equal(done.outcome, KUBO_STALLED);
	assert_false(kubo_progress(rig->kubo, id, &progress));
}

static void freeing_it_ends_running_calls(void **state)
{
	struct rig *rig = *state;
	struct kubo_done done;

	hang(rig);
	for (unsigned i = 0; i < 50; i++) /* more than run at once */
		start(rig, (struct kubo_op){ .kind = KUBO_VERSION });
	assert_false(kubo_next(rig->kubo, clock_mono_us(&rig->clock) + 10000, &done));
}

#define CONTRACT(set_up)                                                                           \
	cmocka_unit_test_setup_teardown(a_recursive_pin_comes_and_goes, set_up, tear_down),        \
		cmocka_unit_test_setup_teardown(a_direct_pin_is_seen_as_one, set_up, tear_down),   \
		cmocka_unit_test_setup_teardown(an_update_moves_the_pin_and_its_name, set_up,      \
						tear_down),                                        \
		cmocka_unit_test_setup_teardown(small_calls_give_typed_answers, set_up,            \
						tear_down),                                        \
		cmocka_unit_test_setup_teardown(a_list_holds_every_pin_once, set_up, tear_down),   \
		cmocka_unit_test_setup_teardown(an_empty_list_ends_at_once, set_up, tear_down),    \
		cmocka_unit_test_setup_teardown(a_canceled_call_ends_once, set_up, tear_down),     \
		cmocka_unit_test_setup_teardown(a_list_canceled_between_parts_ends_once, set_up,   \
						tear_down),                                        \
		cmocka_unit_test_setup_teardown(a_call_without_answer_times_out, set_up,           \
						tear_down),                                        \
		cmocka_unit_test_setup_teardown(a_pin_without_progress_stalls, set_up, tear_down), \
		cmocka_unit_test_setup_teardown(freeing_it_ends_running_calls, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest fake[] = { CONTRACT(set_up_fake) };
	const struct CMUnitTest curl[] = { CONTRACT(set_up_curl) };

	return cmocka_run_group_tests_name("kubo fake", fake, NULL, NULL) +
	       cmocka_run_group_tests_name("kubo curl", curl, NULL, NULL);
}
