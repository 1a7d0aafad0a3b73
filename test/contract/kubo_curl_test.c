/* The libcurl client against a node that misbehaves in every way fake_kubo_server knows. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kubo/kubo_curl.h"
#include "lib/kubo_server.h"

#define CID "bafkreia"

struct rig {
	struct clock clock;
	struct kubo *kubo;
	struct kubo_server server;
	char dir[40];
};

static int set_up(void **state)
{
	struct rig *rig = test_calloc(1, sizeof(*rig));
	struct err err;
	unsigned node;

	clock_init_system(&rig->clock);
	kubo_server_start(&rig->server, getenv("FAKE_KUBO_SERVER"), NULL, NULL);
	assert_true(kubo_curl_new(&rig->clock, &rig->kubo, &err));
	assert_true(kubo_add_node(rig->kubo, &(struct kubo_node){ .url = rig->server.url }, &node,
				  &err));
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	kubo_free(rig->kubo);
	kubo_server_stop(&rig->server);
	test_free(rig);
	return 0;
}

static void order(struct rig *rig, const char *text)
{
	kubo_server_order(&rig->server, text, NULL, 0);
}

static uint64_t start(struct rig *rig, struct kubo_op op)
{
	struct err err = { 0 };
	uint64_t id;

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
	start(rig, op);
	return next(rig);
}

#define ADD                                                                                  \
	{                                                                                    \
		.kind = KUBO_PIN_ADD, .cid = CID, .type = KUBO_RECURSIVE, .stall_us = 100000 \
	}
#define LS                                                                                    \
	{                                                                                     \
		.kind = KUBO_PIN_LS, .cid = CID, .type = KUBO_RECURSIVE, .timeout_us = 100000 \
	}
#define RM                                      \
	{                                       \
		.kind = KUBO_PIN_RM, .cid = CID \
	}
#define STAT                                  \
	{                                     \
		.kind = KUBO_STAT, .cid = CID \
	}
#define LIST                                                  \
	{                                                     \
		.kind = KUBO_PIN_LIST, .type = KUBO_RECURSIVE \
	}
#define GC                           \
	{                            \
		.kind = KUBO_REPO_GC \
	}

static const struct {
	const char *fault; /* of the order; then the operation runs once */
	struct kubo_op op;
	enum kubo_outcome want;
	int status;
	const char *text; /* a part of done.text */
} cases[] = {
	/* 200, and the failure comes after it: never a success. */
	{ "late-error&text=context%20deadline%20exceeded", ADD, KUBO_TIMED_OUT, 200, "context" },
	{ "late-error&text=no%20space%20left%20on%20device", ADD, KUBO_DISK_FULL, 200, "space" },
	{ "late-error&text=boom", LIST, KUBO_UNKNOWN, 200, "nonsense" },
	{ "late-error&text=boom", GC, KUBO_UNKNOWN, 200, "nonsense" },
	{ "error-line&text=boom", ADD, KUBO_UNKNOWN, 200, "boom" },
	{ "empty", ADD, KUBO_UNKNOWN, 200, "without a result" },
	{ "empty", RM, KUBO_UNKNOWN, 200, "without a result" },
	{ "empty", LS, KUBO_UNKNOWN, 200, "without a result" },
	{ "garbage", ADD, KUBO_UNKNOWN, 200, "no sense" },
	{ "garbage", LIST, KUBO_UNKNOWN, 200, "no sense" },
	{ "long-line", ADD, KUBO_UNKNOWN, 200, "no sense" },
	{ "cut", ADD, KUBO_UNREACHABLE, 200, "" },
	{ "cut", RM, KUBO_UNREACHABLE, 200, "" },
	{ "cut", LIST, KUBO_UNREACHABLE, 200, "" },
	{ "close", ADD, KUBO_UNREACHABLE, 0, "" },
	/* No news. */
	{ "silent", ADD, KUBO_STALLED, 0, "no progress" },
	{ "no-progress&ms=5", ADD, KUBO_STALLED, 0, "no progress" },
	{ "silent", LS, KUBO_TIMED_OUT, 0, "in time" },
	{ "slow&ms=20", RM, KUBO_NOT_PINNED, 500, "not pinned" },
	/* Failures that say so; "%s" of the words is left to kubo_classify()'s test. */
	{ "deny", ADD, KUBO_DENIED, 403, "Forbidden" },
	{ "fail&text=not%20pinned%20or%20pinned%20indirectly", RM, KUBO_NOT_PINNED, 500, "not" },
	{ "fail&text=bafkreia%20already%20pinned%20recursively", ADD, KUBO_ALREADY_PINNED, 500,
	  "already" },
	{ "fail&text=pin:%20block%20was%20not%20found%20locally%20(offline)", ADD, KUBO_NOT_LOCAL,
	  500, "locally" },
	{ "fail&text=pin:%20context%20canceled", ADD, KUBO_RESTARTING, 500, "canceled" },
	{ "fail&text=invalid%20path", ADD, KUBO_BAD_REQUEST, 500, "path" },
	{ "fail&text=boom", ADD, KUBO_UNKNOWN, 500, "boom" },
	{ "status&n=502&text=bad%20gateway", ADD, KUBO_RESTARTING, 502, "bad gateway" },
	{ "status&n=301&text=moved", ADD, KUBO_UNKNOWN, 301, "moved" },
	{ "status&n=404&text=404%20page%20not%20found", GC, KUBO_BAD_REQUEST, 404, "page" },
	/* Growing progress holds off the stall, however long the whole takes. */
	{ "progress&ms=30&n=10", ADD, KUBO_OK, 200, "" },
};

static void every_misbehaviour_has_its_outcome(void **state)
{
	struct rig *rig = *state;
	char text[200];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct kubo_done done;

		snprintf(text, sizeof(text), "fault?name=%s", cases[i].fault);
		order(rig, text);
		done = run(rig, cases[i].op);
		if (done.outcome != cases[i].want || done.more ||
		    (cases[i].status && done.http_status != cases[i].status))
			fail_msg("%s of %s: %s %d (%s)", cases[i].fault,
				 kubo_kind_name(cases[i].op.kind), kubo_outcome_name(done.outcome),
				 done.http_status, done.text);
		if (!strstr(done.text, cases[i].text) && strcmp(cases[i].text, "nonsense") != 0)
			fail_msg("%s: '%s'", cases[i].fault, done.text);
		assert_int_equal(done.outcome == KUBO_OK, done.text[0] == 0);
	}
	/* And none of it spoils what comes after. */
	order(rig, "fault?name=none");
	assert_int_equal(run(rig, (struct kubo_op)ADD).outcome, KUBO_OK);
}

static void progress_can_be_read_while_it_runs(void **state)
{
	struct rig *rig = *state;
	struct kubo_progress progress = { 0 };
	struct kubo_done done;
	uint64_t id;

	order(rig, "fault?name=progress&ms=2");
	id = start(rig,
		   (struct kubo_op){ .kind = KUBO_PIN_ADD, .cid = CID, .type = KUBO_RECURSIVE });
	while (progress.nodes < 5) {
		assert_false(kubo_next(rig->kubo, clock_mono_us(&rig->clock) + 1000, &done));
		assert_true(kubo_progress(rig->kubo, id, &progress));
		assert_int_equal(progress.bytes, 1000 * progress.nodes);
	}
	kubo_cancel(rig->kubo, id);
	done = next(rig);
	assert_int_equal(done.outcome, KUBO_CANCELED);
	assert_true(done.progress.nodes >= 5);
}

static void a_pin_that_is_lost_is_seen_by_looking(void **state)
{
	struct rig *rig = *state;

	order(rig, "fault?name=lose&on=pin/add");
	assert_int_equal(run(rig, (struct kubo_op)ADD).outcome, KUBO_OK);
	assert_int_equal(run(rig, (struct kubo_op)LS).outcome, KUBO_NOT_PINNED);
	order(rig, "pin?arg=" CID);
	assert_int_equal(run(rig, (struct kubo_op)LS).outcome, KUBO_OK);
	order(rig, "lose?arg=" CID);
	assert_int_equal(run(rig, (struct kubo_op)LS).outcome, KUBO_NOT_PINNED);
}

static void size_of_other_codecs_comes_from_dag_stat(void **state)
{
	struct rig *rig = *state;
	struct kubo_done done;

	order(rig, "pin?arg=" CID);
	order(rig, "fault?name=fail&on=files/stat&text=proto:%20illegal%20wireType%207");
	done = run(rig, (struct kubo_op)STAT);
	assert_int_equal(done.outcome, KUBO_OK);
	assert_int_equal(done.size_bytes, 2000);
	/* What is not here is not asked for a second time. */
	order(rig, "fault?name=none");
	order(rig, "lose?arg=" CID);
	assert_int_equal(run(rig, (struct kubo_op)STAT).outcome, KUBO_NOT_LOCAL);
}

static void requests_are_as_kubo_wants_them(void **state)
{
	struct rig *rig = *state;
	char head[2000];

	run(rig, (struct kubo_op)LS);
	kubo_server_order(&rig->server, "last", head, sizeof(head));
	assert_ptr_equal(strstr(head, "POST /api/v0/pin/ls?arg=" CID), head);
	assert_non_null(strstr(head, "\r\nUser-Agent: pinfold/" PINFOLD_VERSION "\r\n"));
	assert_non_null(strstr(head, "\r\nContent-Length: 0\r\n"));
	assert_null(strstr(head, "Expect"));
	assert_null(strstr(head, "Content-Type"));
	assert_null(strstr(head, "cid-base"));
}

static void proxies_of_the_environment_are_ignored(void **state)
{
	struct rig *rig = *state;

	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	assert_int_equal(run(rig, (struct kubo_op){ .kind = KUBO_VERSION }).outcome, KUBO_OK);
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
}

static enum kubo_outcome version_with(struct rig *rig, struct kubo_node cfg)
{
	struct err err = { 0 };
	unsigned node;

	if (!kubo_add_node(rig->kubo, &cfg, &node, &err))
		fail_msg("%s", err.text);
	return run(rig, (struct kubo_op){ .kind = KUBO_VERSION, .node = node }).outcome;
}

static void a_server_with_secret(struct rig *rig, const char *header, struct kubo_node good)
{
	struct kubo_server server;

	kubo_server_start(&server, getenv("FAKE_KUBO_SERVER"), "--auth", header);
	good.url = server.url;
	assert_int_equal(version_with(rig, good), KUBO_OK);
	good.secret = "wrong:one";
	assert_int_equal(version_with(rig, good), KUBO_DENIED);
	good.auth = KUBO_AUTH_NONE;
	assert_int_equal(version_with(rig, good), KUBO_DENIED);
	kubo_server_stop(&server);
}

static void secrets_are_sent_as_configured(void **state)
{
	struct rig *rig = *state;

	a_server_with_secret(rig, "Bearer tok",
			     (struct kubo_node){ .auth = KUBO_AUTH_BEARER, .secret = "tok" });
	a_server_with_secret(rig, "Basic dXNlcjpwYXNz",
			     (struct kubo_node){ .auth = KUBO_AUTH_BASIC, .secret = "user:pass" });
}

static void a_unix_socket_is_a_node_too(void **state)
{
	struct rig *rig = *state;
	char dir[] = "/tmp/kubo_curl_XXXXXX", path[60];
	struct kubo_server server;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/api", dir);
	kubo_server_start(&server, getenv("FAKE_KUBO_SERVER"), "--unix", path);
	assert_int_equal(version_with(rig, (struct kubo_node){ .url = server.url }), KUBO_OK);
	kubo_server_stop(&server);
	assert_int_equal(version_with(rig, (struct kubo_node){ .url = server.url }),
			 KUBO_UNREACHABLE);
	unlink(path);
	rmdir(dir);
}

static void a_node_that_is_not_there_is_unreachable(void **state)
{
	struct rig *rig = *state;
	struct kubo_server gone;

	kubo_server_start(&gone, getenv("FAKE_KUBO_SERVER"), NULL, NULL);
	kubo_server_stop(&gone);
	assert_int_equal(version_with(rig, (struct kubo_node){ .url = gone.url }),
			 KUBO_UNREACHABLE);
	assert_int_equal(version_with(rig, (struct kubo_node){ .url = "http://kubo.invalid" }),
			 KUBO_UNREACHABLE);
}

static void calls_beyond_the_cap_wait_their_turn(void **state)
{
	struct rig *rig = *state;
	struct err err;
	unsigned node;
	uint64_t ids[5];
	struct kubo_done done;

	assert_true(kubo_add_node(
		rig->kubo, &(struct kubo_node){ .url = rig->server.url, .max_connections = 2 },
		&node, &err));
	order(rig, "fault?name=silent&times=2");
	for (unsigned i = 0; i < 5; i++)
		ids[i] = start(rig, (struct kubo_op){ .kind = KUBO_VERSION, .node = node });
	assert_false(kubo_next(rig->kubo, clock_mono_us(&rig->clock) + 30000, &done));
	kubo_cancel(rig->kubo, ids[3]); /* still waiting */
	assert_int_equal(next(rig).id, ids[3]);
	kubo_cancel(rig->kubo, ids[0]);
	done = next(rig);
	assert_int_equal(done.id, ids[0]);
	assert_int_equal(done.outcome, KUBO_CANCELED);
	done = next(rig);
	assert_int_equal(done.id, ids[2]);
	assert_int_equal(done.outcome, KUBO_OK);
	assert_int_equal(next(rig).id, ids[4]);
	kubo_cancel(rig->kubo, ids[1]);
	assert_int_equal(next(rig).id, ids[1]);
}

static void a_sign_of_life_waits_for_no_other_call(void **state)
{
	struct rig *rig = *state;
	struct kubo_done done;
	struct err err;
	uint64_t ids[3];
	unsigned node;

	assert_true(kubo_add_node(
		rig->kubo, &(struct kubo_node){ .url = rig->server.url, .max_connections = 1 },
		&node, &err));
	order(rig, "fault?name=silent&times=1");
	ids[0] = start(rig, (struct kubo_op){ .kind = KUBO_VERSION, .node = node });
	ids[1] = start(rig, (struct kubo_op){ .kind = KUBO_VERSION, .node = node });
	assert_false(kubo_next(rig->kubo, clock_mono_us(&rig->clock) + 30000, &done));
	ids[2] = start(rig, (struct kubo_op){ .kind = KUBO_ID, .node = node });
	done = next(rig);
	assert_int_equal(done.id, ids[2]);
	assert_int_equal(done.outcome, KUBO_OK);
	kubo_cancel(rig->kubo, ids[0]);
	assert_int_equal(next(rig).id, ids[0]);
	assert_int_equal(next(rig).id, ids[1]);
}

static void *wake_it(void *ctx)
{
	kubo_wake(ctx);
	return NULL;
}

static void waking_ends_the_wait(void **state)
{
	struct rig *rig = *state;
	struct kubo_done done;
	pthread_t thread;
	int64_t hour_us = clock_mono_us(&rig->clock) + US_PER_H;

	kubo_wake(rig->kubo);
	kubo_wake(rig->kubo);
	assert_false(kubo_next(rig->kubo, hour_us, &done));
	assert_int_equal(pthread_create(&thread, NULL, wake_it, rig->kubo), 0);
	assert_false(kubo_next(rig->kubo, hour_us, &done));
	pthread_join(thread, NULL);
	/* Woken once for each wait, not for ever after. */
	assert_false(kubo_next(rig->kubo, clock_mono_us(&rig->clock) + 2000, &done));
	assert_true(clock_mono_us(&rig->clock) < hour_us);
}

static void other_calls_run_between_the_parts_of_a_list(void **state)
{
	struct rig *rig = *state;
	struct kubo_done done;
	unsigned n = 0, started = 0, ended = 0;
	char text[60];
	uint64_t list;

	for (unsigned i = 0; i < 2000; i++) {
		snprintf(text, sizeof(text), "bafy%05u", i);
		assert_int_equal(run(rig, (struct kubo_op){ .kind = KUBO_PIN_ADD,
							    .cid = text,
							    .type = KUBO_RECURSIVE })
					 .outcome,
				 KUBO_OK);
	}
	list = start(rig, (struct kubo_op)LIST);
	do {
		start(rig, (struct kubo_op){ .kind = KUBO_VERSION });
		done = next(rig);
		started++;
		ended += done.kind == KUBO_VERSION;
		if (done.id == list)
			n += done.list.n;
	} while (done.id != list || done.more);
	assert_int_equal(n, 2000);
	for (; ended < started; ended++)
		assert_int_equal(next(rig).kind, KUBO_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_misbehaviour_has_its_outcome, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(progress_can_be_read_while_it_runs, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_pin_that_is_lost_is_seen_by_looking, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(size_of_other_codecs_comes_from_dag_stat, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(requests_are_as_kubo_wants_them, set_up, tear_down),
		cmocka_unit_test_setup_teardown(proxies_of_the_environment_are_ignored, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(secrets_are_sent_as_configured, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_unix_socket_is_a_node_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_node_that_is_not_there_is_unreachable, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(calls_beyond_the_cap_wait_their_turn, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_sign_of_life_waits_for_no_other_call, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(waking_ends_the_wait, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_calls_run_between_the_parts_of_a_list, set_up,
						tear_down),
	};
	return cmocka_run_group_tests_name("kubo curl", tests, NULL, NULL);
}
