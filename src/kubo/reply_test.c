#include "kubo/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Decodes one line; writes what came of it as text. */
static void decode(enum kubo_kind kind, const char *line, char *got, size_t size)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct kubo_done done = { .kind = kind };
	struct reply r = { .done = &done, .mem = mem };
	const struct kubo_pin *pin;

	if (!reply_line(&r, slice_str(line))) {
		snprintf(got, size, "nonsense");
	} else if (done.text[0]) {
		snprintf(got, size, "error: %s", done.text);
	} else if (kind == KUBO_PIN_LIST) {
		pin = (const void *)r.pins.ptr;
		snprintf(got, size, "%s %s '%s'", pin->cid, kubo_type_name(pin->type), pin->name);
	} else if (kind == KUBO_REPO_GC) {
		snprintf(got, size, "collected %u", (unsigned)done.collected);
	} else if (kind == KUBO_PIN_ADD) {
		snprintf(got, size, "%s%u %u", r.complete ? "pinned " : "",
			 (unsigned)done.progress.nodes, (unsigned)done.progress.bytes);
	} else if (!r.complete) {
		snprintf(got, size, "goes on");
	} else if (kind == KUBO_ID) {
		snprintf(got, size, "%s %s %u %s", done.who.peer_id, done.who.agent,
			 done.who.n_addrs, done.who.n_addrs ? done.who.addrs[0] : "-");
	} else if (kind == KUBO_VERSION) {
		snprintf(got, size, "%s", done.version);
	} else if (kind == KUBO_PIN_LS) {
		snprintf(got, size, "%s %s '%s'", done.pin.cid, kubo_type_name(done.pin.type),
			 done.pin.name);
	} else if (kind == KUBO_STAT) {
		snprintf(got, size, "%llu bytes", (unsigned long long)done.size_bytes);
	} else if (kind == KUBO_REPO_STAT) {
		snprintf(got, size, "%u of %u", (unsigned)done.repo.used_bytes,
			 (unsigned)done.repo.max_bytes);
	} else {
		snprintf(got, size, "done");
	}
	buf_free(&r.pins);
}

static const struct {
	enum kubo_kind kind;
	const char *line, *want;
} cases[] = {
	{ KUBO_PIN_ADD, "{\"Pins\":[\"bafy\"]}", "pinned 0 0" },
	{ KUBO_PIN_ADD, "{\"Progress\":33,\"Bytes\":8390218}", "33 8390218" },
	{ KUBO_PIN_ADD, "{\"Pins\":[\"bafy\"],\"Progress\":3}", "pinned 3 0" },
	{ KUBO_PIN_ADD, "{}", "0 0" },
	/* Nothing but a pin that is named is a pin. */
	{ KUBO_PIN_ADD, "{\"Pins\":[]}", "nonsense" },
	{ KUBO_PIN_ADD, "{\"Pins\":null}", "nonsense" },
	{ KUBO_PIN_ADD, "{\"Pins\":[7]}", "nonsense" },
	{ KUBO_PIN_ADD, "{\"Pins\":\"bafy\"}", "nonsense" },
	{ KUBO_PIN_ADD, "{\"Progress\":-1}", "nonsense" },
	{ KUBO_PIN_ADD, "{\"Progress\":\"1\"}", "nonsense" },
	{ KUBO_PIN_ADD, "{\"Progress\":1,\"Progress\":2}", "nonsense" },
	{ KUBO_PIN_ADD, "{\"Pins\":[\"bafy\"]", "nonsense" },
	{ KUBO_PIN_ADD, "[\"bafy\"]", "nonsense" },
	{ KUBO_PIN_ADD, "pinned", "nonsense" },
	{ KUBO_PIN_ADD, "{\"Message\":\"boom\",\"Code\":0,\"Type\":\"error\"}", "error: boom" },
	{ KUBO_PIN_ADD, "{\"Message\":\"\",\"Code\":0,\"Type\":\"error\"}",
	  "error: failed without a message" },
	{ KUBO_PIN_RM, "{\"Pins\":[\"bafy\"]}", "done" },
	{ KUBO_PIN_RM, "{}", "goes on" },
	{ KUBO_PIN_UPDATE, "{\"Pins\":[\"/ipfs/a\",\"/ipfs/b\"]}", "done" },
	{ KUBO_PIN_LS, "{\"Keys\":{\"bafy\":{\"Type\":\"recursive\",\"Name\":\"n\"}}}",
	  "bafy recursive 'n'" },
	{ KUBO_PIN_LS, "{\"Keys\":{\"bafy\":{\"Type\":\"indirect through bafz\"}}}",
	  "bafy indirect ''" },
	{ KUBO_PIN_LS, "{\"Keys\":{\"bafy\":{\"Type\":\"other\"}}}", "nonsense" },
	{ KUBO_PIN_LS, "{\"Keys\":{}}", "nonsense" },
	{ KUBO_PIN_LS, "{}", "nonsense" },
	{ KUBO_PIN_LIST, "{\"Cid\":\"bafy\",\"Type\":\"direct\",\"Name\":\"\"}", "bafy direct ''" },
	{ KUBO_PIN_LIST, "{\"Cid\":\"bafy\"}", "nonsense" },
	{ KUBO_PIN_LIST, "{\"Type\":\"direct\"}", "nonsense" },
	{ KUBO_ID, "{\"ID\":\"12D3\",\"Addresses\":[\"/ip4/1\"],\"AgentVersion\":\"kubo/1/\"}",
	  "12D3 kubo/1/ 1 /ip4/1" },
	{ KUBO_ID, "{\"ID\":\"12D3\",\"Addresses\":null}", "12D3  0 -" },
	{ KUBO_ID, "{\"ID\":\"12D3\",\"Addresses\":[1]}", "nonsense" },
	{ KUBO_ID, "{}", "nonsense" },
	{ KUBO_VERSION, "{\"Version\":\"0.42.0\",\"Repo\":\"18\"}", "0.42.0" },
	{ KUBO_VERSION, "{}", "nonsense" },
	{ KUBO_STAT, "{\"Hash\":\"Qm\",\"Size\":5,\"CumulativeSize\":77}", "77 bytes" },
	{ KUBO_STAT, "{\"UniqueBlocks\":2,\"TotalSize\":88,\"DagStats\":[{\"Size\":99}]}",
	  "88 bytes" },
	{ KUBO_STAT, "{\"DagStats\":[{\"Cid\":\"Qm\",\"NumBlocks\":2,\"Size\":99}]}", "99 bytes" },
	{ KUBO_STAT, "{\"Size\":9223372036854775807}", "9223372036854775807 bytes" },
	{ KUBO_STAT, "{\"Size\":9223372036854775808}", "nonsense" },
	{ KUBO_STAT, "{}", "nonsense" },
	{ KUBO_REPO_STAT, "{\"RepoSize\":12,\"StorageMax\":34,\"NumObjects\":0}", "12 of 34" },
	{ KUBO_REPO_STAT, "{\"StorageMax\":34}", "nonsense" },
	{ KUBO_SWARM_CONNECT, "{\"Strings\":[\"connect 12D3 success\"]}", "done" },
	{ KUBO_SWARM_CONNECT, "{\"Strings\":[\"connect 12D3 failure: no\"]}",
	  "error: connect 12D3 failure: no" },
	{ KUBO_SWARM_CONNECT, "{\"Strings\":[]}", "nonsense" },
	{ KUBO_REPO_GC, "{\"Key\":{\"/\":\"bafy\"}}", "collected 1" },
	{ KUBO_REPO_GC, "{\"Error\":\"boom\"}", "error: boom" },
	{ KUBO_REPO_GC, "{}", "nonsense" },
};

static void lines_are_decoded_strictly(void **state UNUSED)
{
	char got[300];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		decode(cases[i].kind, cases[i].line, got, sizeof(got));
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s: %s, not %s", cases[i].line, got, cases[i].want);
	}
}

static void progress_never_falls(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct kubo_done done = { .kind = KUBO_PIN_ADD };
	struct reply r = { .done = &done, .mem = mem };

	assert_true(reply_line(&r, SLICE_LIT("{\"Progress\":9,\"Bytes\":90}")));
	assert_true(reply_line(&r, SLICE_LIT("{\"Pins\":[\"bafy\"]}")));
	assert_int_equal(done.progress.nodes, 9);
	assert_int_equal(done.progress.bytes, 90);
	assert_true(r.complete);
}

static void error_pages_become_one_printable_line(void **state UNUSED)
{
	char text[KUBO_TEXT_MAX + 1];
	char longer[3 * KUBO_TEXT_MAX + 1];

	reply_error_text(SLICE_LIT("{\"Message\":\"not\\npinned\",\"Code\":0,\"Type\":\"error\"}"),
			 text);
	assert_string_equal(text, "not pinned");
	reply_error_text(SLICE_LIT("404 page not found\n\nmore"), text);
	assert_string_equal(text, "404 page not found");
	reply_error_text(SLICE_LIT(""), text);
	assert_string_equal(text, "failed without a message");
	reply_error_text(SLICE_LIT("\x1b[31mred\r\n"), text);
	assert_string_equal(text, " [31mred");
	/* Cut at a whole character: "ä" is two bytes. */
	for (size_t i = 0; i < sizeof(longer) - 1; i += 2)
		memcpy(longer + i, "\xc3\xa4", 2);
	reply_error_text(SLICE_OF(longer + 1, sizeof(longer) - 2), text);
	assert_int_equal(strlen(text), KUBO_TEXT_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_decoded_strictly),
		cmocka_unit_test(progress_never_falls),
		cmocka_unit_test(error_pages_become_one_printable_line),
	};
	return cmocka_run_group_tests_name("kubo/reply", tests, NULL, NULL);
}
