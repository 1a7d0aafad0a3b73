/* The client against two real Kubo nodes, started by tools/kubo in a directory of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "kubo/kubo_curl.h"

#define MISSING  "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy" /* nobody has it */
#define MANY     700
#define STALL_US (1500 * US_PER_MS)

struct rig {
	struct clock clock;
	struct kubo *kubo;
	char dir[40];
	char swarm[2][200], socket[2][100];
	unsigned node[2];
};

/* What a shell command prints, without the last line break. */
static char *shell(const char *fmt, ...) PRINTF(1, 2);
static char *shell(const char *fmt, ...)
{
	char command[1000], *out = xcalloc(1, 200000);
	size_t n;
	va_list ap;
	FILE *pipe;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	n = fread(out, 1, 199999, pipe);
	if (pclose(pipe) != 0)
		fail_msg("failed: %s", command);
	if (n > 0)
		out[n - 1] = 0;
	return out;
}

#define TOOL "\"$KUBO_TOOL\" "

static void tool(const char *verb)
{
	xfree(shell(TOOL "%s", verb));
}

static void read_field(const char *line, const char *key, char *out, size_t size)
{
	const char *at = strstr(line, key);

	assert_non_null(at);
	at += strlen(key) + 2; /* the colon and a quote */
	snprintf(out, size, "%.*s", (int)strcspn(at, "\""), at);
}

static int start_nodes(void **state)
{
	struct rig *rig = xcalloc(1, sizeof(*rig));
	struct err err = { 0 };
	char *status, url[100];
	const char *line;

	strcpy(rig->dir, "/tmp/kubo_nodes_XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	setenv("KUBO_NODES_DIR", rig->dir, 1);
	*state = rig;
	status = shell(TOOL "start 2");
	line = status;
	clock_init_system(&rig->clock);
	assert_true(kubo_curl_new(&rig->clock, &rig->kubo, &err));
	for (unsigned i = 0; i < 2; i++, line = strchr(line, '\n') ? strchr(line, '\n') + 1 : "") {
		read_field(line, "\"api\"", url, sizeof(url));
		read_field(line, "\"socket\"", rig->socket[i], sizeof(rig->socket[i]));
		read_field(line, "\"swarm\"", rig->swarm[i], sizeof(rig->swarm[i]));
		assert_true(kubo_add_node(rig->kubo, &(struct kubo_node){ .url = url },
					  &rig->node[i], &err));
	}
	xfree(status);
	return 0;
}

static int stop_nodes(void **state)
{
	struct rig *rig = *state;

	kubo_free(rig->kubo);
	tool("wipe");
	assert_int_equal(rmdir(rig->dir), 0);
	xfree(rig);
	return 0;
}

static uint64_t start(struct rig *rig, unsigned node, struct kubo_op op)
{
	struct err err = { 0 };
	uint64_t id;

	op.node = node;
	if (!kubo_start(rig->kubo, &op, &id, &err))
		fail_msg("%s", err.text);
	return id;
}

static struct kubo_done next(struct rig *rig)
{
	struct kubo_done done;

	if (!kubo_next(rig->kubo, clock_mono_us(&rig->clock) + US_PER_MIN, &done))
		fail_msg("nothing ended");
	return done;
}

static struct kubo_done expect(struct rig *rig, unsigned node, enum kubo_outcome want,
			       struct kubo_op op)
{
	struct kubo_done done;

	start(rig, node, op);
	done = next(rig);
	if (done.outcome != want)
		fail_msg("%s: %s %d (%s), not %s", kubo_kind_name(op.kind),
			 kubo_outcome_name(done.outcome), done.http_status, done.text,
			 kubo_outcome_name(want));
	return done;
}

#define OP(what, the_cid)                                                      \
	(struct kubo_op)                                                       \
	{                                                                      \
		.kind = KUBO_##what, .cid = (the_cid), .type = KUBO_RECURSIVE, \
		.name = "pinfold/test", .stall_us = 30 * US_PER_S              \
	}
#define DIRECT(what, the_cid)                                              \
	(struct kubo_op)                                                   \
	{                                                                  \
		.kind = KUBO_##what, .cid = (the_cid), .type = KUBO_DIRECT \
	}

/* Puts fresh content on node 1, unpinned; two megabytes are a DAG of several blocks. */
static char *content(unsigned kib)
{
	return shell("head -c %u /dev/urandom | " TOOL
		     "ipfs 1 add -Q --cid-version=1 --pin=false --chunker=size-262144",
		     kib << 10);
}

static void pins_come_and_go(void **state)
{
	struct rig *rig = *state;
	char *cid = content(2048);
	struct kubo_done done;

	expect(rig, 0, KUBO_NOT_PINNED, OP(PIN_LS, cid));
	done = expect(rig, 0, KUBO_OK, OP(PIN_ADD, cid));
	done = expect(rig, 0, KUBO_OK, OP(PIN_LS, cid));
	assert_string_equal(done.pin.cid, cid);
	assert_string_equal(done.pin.name, "pinfold/test");
	assert_int_equal(done.pin.type, KUBO_RECURSIVE);
	expect(rig, 0, KUBO_NOT_PINNED, DIRECT(PIN_LS, cid));
	expect(rig, 0, KUBO_ALREADY_PINNED, DIRECT(PIN_ADD, cid));
	expect(rig, 0, KUBO_OK, OP(PIN_RM, cid));
	expect(rig, 0, KUBO_NOT_PINNED, OP(PIN_RM, cid));
	expect(rig, 0, KUBO_OK, DIRECT(PIN_ADD, cid));
	expect(rig, 0, KUBO_OK, DIRECT(PIN_LS, cid));
	expect(rig, 0, KUBO_NOT_PINNED, OP(PIN_LS, cid));
	expect(rig, 0, KUBO_OK, OP(PIN_RM, cid));
	xfree(cid);
}

static void updates_move_a_pin(void **state)
{
	struct rig *rig = *state;
	char *from = content(1), *to = content(1);
	struct kubo_op update = { .kind = KUBO_PIN_UPDATE, .cid = from, .to_cid = to };

	expect(rig, 0, KUBO_NOT_PINNED, update);
	expect(rig, 0, KUBO_OK, OP(PIN_ADD, from));
	update.keep_old = true;
	expect(rig, 0, KUBO_OK, update);
	expect(rig, 0, KUBO_OK, OP(PIN_LS, from));
	expect(rig, 0, KUBO_ALREADY_PINNED, update);
	expect(rig, 0, KUBO_OK, OP(PIN_RM, to));
	update.keep_old = false;
	expect(rig, 0, KUBO_OK, update);
	expect(rig, 0, KUBO_NOT_PINNED, OP(PIN_RM, from));
	expect(rig, 0, KUBO_OK, OP(PIN_RM, to));
	xfree(from);
	xfree(to);
}

static void content_is_fetched_from_the_neighbour(void **state)
{
	struct rig *rig = *state;
	char *cid = content(8192);
	struct kubo_done done;

	expect(rig, 1, KUBO_NOT_LOCAL, OP(STAT, cid));
	expect(rig, 1, KUBO_OK, OP(PIN_ADD, cid));
	done = expect(rig, 1, KUBO_OK, OP(STAT, cid));
	assert_true(done.size_bytes > 8u << 20 && done.size_bytes < 9u << 20);
	expect(rig, 1, KUBO_OK, OP(PIN_RM, cid));
	xfree(cid);
}

static void missing_content_stalls_and_leaves_nothing(void **state)
{
	struct rig *rig = *state;
	struct kubo_op add = OP(PIN_ADD, MISSING);
	struct kubo_done done;
	uint64_t id;

	add.stall_us = STALL_US;
	done = expect(rig, 1, KUBO_STALLED, add);
	assert_int_equal(done.progress.nodes, 0);
	expect(rig, 1, KUBO_NOT_PINNED, OP(PIN_LS, MISSING));
	id = start(rig, 1, OP(PIN_ADD, MISSING));
	assert_false(kubo_next(rig->kubo, clock_mono_us(&rig->clock) + STALL_US, &done));
	kubo_cancel(rig->kubo, id);
	assert_int_equal(next(rig).outcome, KUBO_CANCELED);
}

static void sizes_of_all_codecs_are_found(void **state)
{
	struct rig *rig = *state;
	char *pb = content(2048), *raw = content(1);
	char *cbor = shell("echo '{\"a\":{\"/\":\"%s\"}}' | " TOOL "ipfs 1 dag put", pb);
	struct kubo_done done;

	done = expect(rig, 0, KUBO_OK, OP(STAT, pb));
	assert_true(done.size_bytes > 2u << 20);
	done = expect(rig, 0, KUBO_OK, OP(STAT, raw));
	assert_int_equal(done.size_bytes, 1024);
	done = expect(rig, 0, KUBO_OK, OP(STAT, cbor));
	assert_true(done.size_bytes > 2u << 20);
	expect(rig, 0, KUBO_NOT_LOCAL, OP(STAT, MISSING));
	xfree(pb);
	xfree(raw);
	xfree(cbor);
}

static void the_whole_inventory_is_listed(void **state)
{
	struct rig *rig = *state;
	struct kubo_done done;
	unsigned n = 0, named = 0;

	xfree(shell("mkdir %s/many && for i in $(seq %u); do echo $i > %s/many/$i; done", rig->dir,
		    MANY, rig->dir));
	xfree(shell(TOOL "ipfs 1 add -q --cid-version=1 --pin-name=many %s/many/*", rig->dir));
	xfree(shell("rm -r %s/many", rig->dir));
	start(rig, 0, OP(PIN_LIST, NULL));
	do {
		done = next(rig);
		assert_int_equal(done.outcome, KUBO_OK);
		assert_true(done.list.n <= KUBO_LIST_MAX);
		for (unsigned i = 0; i < done.list.n; i++, n++)
			named += strcmp(done.list.pins[i].name, "many") == 0;
	} while (done.more);
	assert_int_equal(named, MANY);
	assert_true(n >= MANY);
}

static void nodes_say_who_they_are(void **state)
{
	struct rig *rig = *state;
	struct kubo_done done = expect(rig, 0, KUBO_OK, (struct kubo_op){ .kind = KUBO_ID });

	assert_int_equal(done.who.n_addrs, 1);
	assert_string_equal(done.who.addrs[0], rig->swarm[0]);
	assert_memory_equal(done.who.agent, "kubo/0.", 7);
	done = expect(rig, 0, KUBO_OK, (struct kubo_op){ .kind = KUBO_VERSION });
	assert_memory_equal(done.version, "0.", 2);
}

static void space_is_counted_and_freed(void **state)
{
	struct rig *rig = *state;
	char *cid = content(4096);
	struct kubo_done done = expect(rig, 0, KUBO_OK, (struct kubo_op){ .kind = KUBO_REPO_STAT });

	assert_true(done.repo.used_bytes > 4u << 20);
	assert_true(done.repo.max_bytes > done.repo.used_bytes);
	done = expect(rig, 0, KUBO_OK, (struct kubo_op){ .kind = KUBO_REPO_GC });
	assert_true(done.collected > 4);
	expect(rig, 0, KUBO_NOT_LOCAL, OP(STAT, cid));
	xfree(cid);
}

static void peers_are_connected_by_address(void **state)
{
	struct rig *rig = *state;
	struct kubo_op op = { .kind = KUBO_SWARM_CONNECT, .addr = rig->swarm[1] };

	expect(rig, 0, KUBO_OK, op);
	op.addr = "/ip4/127.0.0.1/tcp/9/p2p/12D3KooWGwvh624FaLjc5SjDzUNguanEQgPzfvcVRTXGu7fUJ8Jq";
	expect(rig, 0, KUBO_UNREACHABLE, op);
	op.addr = rig->swarm[0];
	expect(rig, 0, KUBO_BAD_REQUEST, op); /* itself */
	op.addr = "/ip4/127.0.0.1/tcp/9";
	expect(rig, 0, KUBO_BAD_REQUEST, op);
}

static void nonsense_is_a_bad_request(void **state)
{
	static const char *const cids[] = {
		"nonsense",
		"bafkqaaab",
		"bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52z",
		"zb2rhe5P4gXftAwvA4eXQ5HJwsER2owDyS9sKaQRRVQPn93bA1", /* bad base58 check: cut */
		"bafkqaaa/../x",
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < ARRAY_LEN(cids); i++)
		expect(rig, 0, KUBO_BAD_REQUEST, OP(PIN_ADD, cids[i]));
}

static void a_unix_socket_reaches_the_node(void **state)
{
	struct rig *rig = *state;
	struct err err;
	unsigned node;
	char url[200];

	snprintf(url, sizeof(url), "unix:%s", rig->socket[0]);
	assert_true(kubo_add_node(rig->kubo, &(struct kubo_node){ .url = url }, &node, &err));
	expect(rig, node, KUBO_OK, (struct kubo_op){ .kind = KUBO_VERSION });
	expect(rig, node, KUBO_NOT_PINNED, OP(PIN_LS, MISSING));
}

static void a_kill_in_mid_pin_breaks_it_and_keeps_pins(void **state)
{
	struct rig *rig = *state;
	char *cid = content(1);
	struct kubo_done done;

	expect(rig, 1, KUBO_OK, OP(PIN_ADD, cid));
	start(rig, 1, OP(PIN_ADD, MISSING));
	assert_false(kubo_next(rig->kubo, clock_mono_us(&rig->clock) + STALL_US, &done));
	tool("kill 2");
	assert_int_equal(next(rig).outcome, KUBO_UNREACHABLE);
	expect(rig, 1, KUBO_UNREACHABLE, OP(PIN_LS, cid));
	tool("boot 2");
	expect(rig, 1, KUBO_OK, OP(PIN_LS, cid));
	expect(rig, 1, KUBO_NOT_PINNED, OP(PIN_LS, MISSING));
	expect(rig, 1, KUBO_OK, OP(PIN_RM, cid));
	xfree(cid);
}

static void an_orderly_stop_in_mid_pin_is_a_restart(void **state)
{
	struct rig *rig = *state;
	struct kubo_done done;

	start(rig, 1, OP(PIN_ADD, MISSING));
	assert_false(kubo_next(rig->kubo, clock_mono_us(&rig->clock) + STALL_US, &done));
	tool("stop");
	done = next(rig);
	/* It says so if it comes to it, or the connection breaks. */
	if (done.outcome != KUBO_RESTARTING && done.outcome != KUBO_UNREACHABLE)
		fail_msg("%s (%s)", kubo_outcome_name(done.outcome), done.text);
	tool("boot 1");
	tool("boot 2");
}

static void a_paused_node_times_out_and_comes_back(void **state)
{
	struct rig *rig = *state;

	tool("pause 2");
	expect(rig, 1, KUBO_TIMED_OUT,
	       (struct kubo_op){ .kind = KUBO_VERSION, .timeout_us = 300 * US_PER_MS });
	tool("resume 2");
	expect(rig, 1, KUBO_OK, (struct kubo_op){ .kind = KUBO_VERSION });
}

static unsigned add_node_with(struct rig *rig, enum kubo_auth auth, const char *secret)
{
	char url[200];
	struct err err;
	unsigned node;

	snprintf(url, sizeof(url), "unix:%s", rig->socket[1]);
	assert_true(kubo_add_node(rig->kubo,
				  &(struct kubo_node){ .url = url, .auth = auth, .secret = secret },
				  &node, &err));
	return node;
}

/* The last test: node 2 asks for secrets afterwards. */
static void secrets_open_the_paths_they_are_for(void **state)
{
	struct rig *rig = *state;
	unsigned bearer = add_node_with(rig, KUBO_AUTH_BEARER, "tok");
	unsigned basic = add_node_with(rig, KUBO_AUTH_BASIC, "u:pass:word");
	unsigned wrong = add_node_with(rig, KUBO_AUTH_BEARER, "other");

	tool("kill 2");
	xfree(shell(TOOL "ipfs 2 config --json API.Authorizations '"
			 "{\"w\":{\"AuthSecret\":\"bearer:tok\",\"AllowedPaths\":[\"/api/v0\"]},"
			 "\"l\":{\"AuthSecret\":\"basic:u:pass:word\","
			 "\"AllowedPaths\":[\"/api/v0/pin/ls\"]}}'"));
	setenv("KUBO_AUTH", "Bearer tok", 1);
	tool("boot 2");
	expect(rig, rig->node[1], KUBO_DENIED, OP(PIN_LS, MISSING));
	expect(rig, wrong, KUBO_DENIED, OP(PIN_LS, MISSING));
	expect(rig, bearer, KUBO_NOT_PINNED, OP(PIN_LS, MISSING));
	expect(rig, bearer, KUBO_NOT_PINNED, OP(PIN_RM, MISSING));
	expect(rig, basic, KUBO_NOT_PINNED, OP(PIN_LS, MISSING));
	expect(rig, basic, KUBO_DENIED, OP(PIN_RM, MISSING));
	unsetenv("KUBO_AUTH");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_say_who_they_are),
		cmocka_unit_test(pins_come_and_go),
		cmocka_unit_test(updates_move_a_pin),
		cmocka_unit_test(content_is_fetched_from_the_neighbour),
		cmocka_unit_test(missing_content_stalls_and_leaves_nothing),
		cmocka_unit_test(sizes_of_all_codecs_are_found),
		cmocka_unit_test(the_whole_inventory_is_listed),
		cmocka_unit_test(space_is_counted_and_freed),
		cmocka_unit_test(peers_are_connected_by_address),
		cmocka_unit_test(nonsense_is_a_bad_request),
		cmocka_unit_test(a_unix_socket_reaches_the_node),
		cmocka_unit_test(a_kill_in_mid_pin_breaks_it_and_keeps_pins),
		cmocka_unit_test(an_orderly_stop_in_mid_pin_is_a_restart),
		cmocka_unit_test(a_paused_node_times_out_and_comes_back),
		cmocka_unit_test(secrets_open_the_paths_they_are_for),
	};
	return cmocka_run_group_tests_name("kubo nodes", tests, start_nodes, stop_nodes);
}
