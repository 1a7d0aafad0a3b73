#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/attr.h"
#include "role/cluster_pin_json.h"

#define CID    "QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmq"
#define CID_1  "bafybeifpaez32hlrz5tmr7scndxtjgw3auuloyuyxblynqmjw5saapewmu"
#define PEER   "12D3KooWGHTKzeT4KaLGLrbKKyT8zKrBPXAUBRzCAN6ZMDMo4M6M"
#define PEER_2 "12D3KooWFBFCDQzAkQSwPZLV883pKdsmb6urQ3sMjfJHUxn5GCVv"

static const struct slice NOBODY = { NULL, 0 };

/* As ipfs-cluster prints them: one with what is there without any option, one with all. */
static const char plain[] =
	"{\"replication_factor_min\":-1,\"replication_factor_max\":-1,\"name\":\"\","
	"\"mode\":\"recursive\",\"shard_size\":0,\"user_allocations\":null,"
	"\"expire_at\":\"0001-01-01T00:00:00Z\",\"metadata\":null,\"pin_update\":null,"
	"\"origins\":[],\"cid\":\"" CID "\",\"type\":\"pin\",\"allocations\":[],"
	"\"max_depth\":-1,\"reference\":null,\"timestamp\":\"2023-11-14T22:13:20Z\"}\n";
static const char full[] =
	"{\"replication_factor_min\":2,\"replication_factor_max\":3,\"name\":\"a b \\\"\xc3\xa4\","
	"\"mode\":\"direct\",\"shard_size\":104857600,\"user_allocations\":null,"
	"\"expire_at\":\"2027-01-15T08:00:00Z\",\"metadata\":{\"a\":\"\",\"b c\":\"d\"},"
	"\"pin_update\":\"" CID "\",\"origins\":[\"/ip4/1.2.3.4/tcp/4001/p2p/" PEER "\","
	"\"/dns4/example.org/tcp/443/wss\"],\"cid\":\"" CID_1 "\",\"type\":\"clusterdag-pin\","
	"\"allocations\":[\"" PEER "\",\"" PEER_2 "\"],\"max_depth\":0,\"reference\":\"" CID "\","
	"\"timestamp\":\"2023-11-14T22:13:20Z\"}\n";

static struct cluster_pin read_pin(const char *text, struct arena *mem)
{
	struct cluster_pin pin;
	struct slice owner;
	struct err err;

	if (!cluster_pin_json_read(slice_str(text), mem, &pin, &owner, &err))
		fail_msg("%s", err.text);
	return pin;
}

static void what_ipfs_cluster_wrote_is_written_the_same(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	CLEANUP(buf_free) struct buf out = { 0 };
	struct cluster_pin pin = read_pin(plain, mem);

	assert_true(cluster_pin_json_write(&pin, NOBODY, &out));
	pin = read_pin(full, mem);
	assert_true(cluster_pin_json_write(&pin, NOBODY, &out));
	assert_true(slice_eq_str(buf_slice(&out), arena_printf(mem, "%s%s", plain, full)));
}

static void an_owner_stands_before_what_ipfs_cluster_wrote(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	CLEANUP(buf_free) struct buf out = { 0 };
	struct cluster_pin pin = read_pin(plain, mem);
	struct slice owner;
	struct err err;

	assert_true(cluster_pin_json_write(&pin, SLICE_LIT("alice"), &out));
	assert_true(slice_eq_str(buf_slice(&out),
				 arena_printf(mem, "{\"owner\":\"alice\",%s", plain + 1)));
	assert_true(cluster_pin_json_read(buf_slice(&out), mem, &pin, &owner, &err));
	assert_true(slice_eq_str(owner, "alice"));
	assert_true(cluster_pin_json_read(slice_str(plain), mem, &pin, &owner, &err));
	assert_null(owner.ptr);
}

static void every_member_is_a_field_of_the_pin(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct cluster_pin pin = read_pin(full, mem);

	assert_int_equal(pin.rf_min, 2);
	assert_int_equal(pin.rf_max, 3);
	assert_true(slice_eq_str(pin.name, "a b \"\xc3\xa4"));
	assert_int_equal(pin.max_depth, 0);
	assert_int_equal(pin.shard_size, 104857600);
	assert_int_equal(pin.expire_at, 1800000000);
	assert_int_equal(pin.metadata.n, 2);
	assert_true(slice_eq_str(pin.metadata.at[1].key, "b c"));
	assert_true(slice_eq_str(pin.metadata.at[1].value, "d"));
	assert_int_equal(pin.pin_update.len, 34);
	assert_int_equal(pin.origins.n, 2);
	assert_int_equal(pin.cid.len, 36);
	assert_int_equal(pin.type, CLUSTER_DAG);
	assert_int_equal(pin.allocations.n, 2);
	assert_int_equal(pin.allocations.at[0].len, 38);
	assert_int_equal(pin.reference.len, 34);
	assert_int_equal(pin.timestamp, 1700000000);
}

static void what_is_not_there_is_what_most_pins_have(void **state UNUSED)
{
	static const struct {
		const char *text;
		int32_t type, max_depth;
	} cases[] = {
		{ "{\"cid\":\"" CID "\"}", CLUSTER_PIN, CLUSTER_RECURSIVE },
		{ "{\"cid\":\"" CID "\",\"mode\":\"direct\"}", CLUSTER_PIN, 0 },
		{ "{\"cid\":\"" CID "\",\"mode\":\"direct\",\"max_depth\":-1}", CLUSTER_PIN,
		  CLUSTER_RECURSIVE },
		{ "{\"cid\":\"" CID "\",\"type\":null,\"max_depth\":null,\"metadata\":null,"
		  "\"origins\":null,\"allocations\":null,\"name\":null,\"expire_at\":null}",
		  CLUSTER_PIN, CLUSTER_RECURSIVE },
		{ "{\"cid\":\"" CID "\",\"type\":\"bad-type\",\"max_depth\":3,\"newer\":[1]}",
		  CLUSTER_BAD, 3 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(arena_free) struct arena *mem = arena_new();
		struct cluster_pin pin = read_pin(cases[i].text, mem);

		assert_int_equal(pin.type, cases[i].type);
		assert_int_equal(pin.max_depth, cases[i].max_depth);
		assert_int_equal(pin.name.len + pin.metadata.n + pin.origins.n, 0);
		assert_int_equal(pin.allocations.n + pin.expire_at + pin.timestamp, 0);
	}
}

static void metadata_is_sorted_and_times_are_whole_seconds(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct cluster_pin pin =
		read_pin("{\"cid\":\"" CID "\",\"metadata\":{\"b\":\"1\",\"a\":\"2\"},"
			 "\"timestamp\":\"2023-11-14T23:13:20.123456789+01:00\"}",
			 mem);

	assert_true(slice_eq_str(pin.metadata.at[0].key, "a"));
	assert_int_equal(pin.timestamp, 1700000000);
}

static void what_makes_no_sense_is_refused_by_its_member(void **state UNUSED)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "{}", "cid" },
		{ "[]", "object" },
		{ "{\"cid\":null}", "cid" },
		{ "{\"cid\":\"Qm\"}", "cid" },
		{ "{\"cid\":{\"/\":\"" CID "\"}}", "cid is an object" },
		{ "{\"cid\":\"" CID "\",\"type\":\"all\"}", "type is \"all\"" },
		{ "{\"cid\":\"" CID "\",\"type\":2}", "type is 2" },
		{ "{\"cid\":\"" CID "\",\"expire_at\":\"tomorrow\"}", "expire_at" },
		{ "{\"cid\":\"" CID "\",\"timestamp\":\"1969-12-31T23:59:59Z\"}", "before 1970" },
		{ "{\"cid\":\"" CID "\",\"allocations\":[\"\"]}", "allocations" },
		{ "{\"cid\":\"" CID "\",\"origins\":[\"/ip4/1\"]}", "origins" },
		{ "{\"cid\":\"" CID "\",\"metadata\":{\"a\":1}}", "metadata" },
		{ "{\"cid\":\"" CID "\",\"reference\":\"\"}", "reference" },
		{ "{\"cid\":\"" CID "\",\"pin_update\":\"x\"}", "pin_update" },
		{ "{\"cid\":\"" CID "\",\"max_depth\":3000000000}", "max_depth" },
		{ "{\"cid\":\"" CID "\",\"cid\":\"" CID "\"}", "twice" },
		{ "{\"cid\":\"" CID "\",\"owner\":\"a b\"}", "owner is \"a b\"" },
		{ "{\"cid\":\"" CID "\"} x", "JSON" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(arena_free) struct arena *mem = arena_new();
		struct cluster_pin pin;
		struct slice owner;
		struct err err;

		assert_false(
			cluster_pin_json_read(slice_str(cases[i].text), mem, &pin, &owner, &err));
		assert_int_equal(err.code, ERR_INVALID);
		if (!strstr(err.text, cases[i].said))
			fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].said);
	}
}

static void what_the_format_has_no_word_for_is_told(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct slice no_peer = SLICE_LIT("\x99");
	const struct cluster_pin whole = read_pin(full, mem);
	struct cluster_pin cases[] = { whole, whole, whole, whole, whole };
	struct err err;

	cases[0].type = 5;
	cases[1].allocations = (struct slice_list){ &no_peer, 1 };
	cases[2].origins = (struct slice_list){ &no_peer, 1 };
	cases[3].reference = no_peer;
	cases[4].expire_at = UINT64_MAX;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_free) struct buf out = { 0 };
		struct cluster_pin pin;
		struct slice owner;

		assert_false(cluster_pin_json_write(&cases[i], NOBODY, &out));
		assert_true(cluster_pin_json_read(buf_slice(&out), mem, &pin, &owner, &err));
	}
}

static void a_field_of_a_newer_version_is_told(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	CLEANUP(buf_free) struct buf bytes = { 0 }, out = { 0 };
	struct cluster_pin pin = read_pin(full, mem);
	struct err err;

	cluster_pin_encode(&pin, &bytes);
	buf_add_slice(&bytes, SLICE_LIT("\x78\x01")); /* field 15 */
	assert_true(cluster_pin_decode(buf_slice(&bytes), mem, &pin, &err));
	assert_false(cluster_pin_json_write(&pin, NOBODY, &out));
	assert_true(slice_eq_str(buf_slice(&out), full));
}

/* ---- streams ------------------------------------------------------------------------------ */

#define CASE_MAX 6

struct stream {
	const char *text;
	struct {
		uint64_t line;
		const char *text;
	} objects[CASE_MAX]; /* ends with line 0 */
};

static const struct stream streams[] = {
	{ "", { { 0 } } },
	{ "\n \r\n\t\n", { { 0 } } },
	{ "{\"a\":1}\n{\"b\":2}\n", { { 1, "{\"a\":1}\n" }, { 2, "{\"b\":2}\n" } } },
	{ "\n{\"a\":1} \r\n\n{\"b\":2}", { { 2, "{\"a\":1} \r\n" }, { 4, "{\"b\":2}" } } },
	{ "{\n \"a\": {\n  }\n}\n{\n}\n", { { 1, "{\n \"a\": {\n  }\n}\n" }, { 5, "{\n}\n" } } },
	{ "{\"a\":\n{\"b\":2}\n", { { 1, "{\"a\":\n" }, { 2, "{\"b\":2}\n" } } },
	{ "what\n{\"b\":2}\n", { { 1, "what\n" }, { 2, "{\"b\":2}\n" } } },
	{ "[\n{\"b\":2},\n{}\n]\n",
	  { { 1, "[\n" }, { 2, "{\"b\":2},\n" }, { 3, "{}\n" }, { 4, "]\n" } } },
	{ "{\n \"a\": 1", { { 1, "{\n \"a\": 1" } } },
	{ "{\"b\":2}\n{\n", { { 1, "{\"b\":2}\n" }, { 2, "{\n" } } },
};

/* `first` bytes come before the others. */
static void check_stream(const struct stream *s, size_t first)
{
	struct slice rest = SLICE_OF(s->text, first), text;
	struct cluster_pin_lines lines = { 0 };
	bool end = false;
	size_t n = 0;

	for (;;) {
		if (cluster_pin_lines_next(&lines, &rest, end, &text)) {
			assert_int_equal(lines.line, s->objects[n].line);
			assert_true(slice_eq_str(text, s->objects[n].text));
			n++;
		} else if (!end) {
			rest.len = strlen(s->text) - (size_t)(rest.ptr - (const uint8_t *)s->text);
			end = true;
		} else {
			break;
		}
	}
	assert_int_equal(s->objects[n].line, 0);
	assert_int_equal(rest.len, 0);
}

static void a_stream_falls_into_its_objects_however_it_arrives(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(streams); i++)
		for (size_t first = 0; first <= strlen(streams[i].text); first++)
			check_stream(&streams[i], first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_ipfs_cluster_wrote_is_written_the_same),
		cmocka_unit_test(an_owner_stands_before_what_ipfs_cluster_wrote),
		cmocka_unit_test(every_member_is_a_field_of_the_pin),
		cmocka_unit_test(what_is_not_there_is_what_most_pins_have),
		cmocka_unit_test(metadata_is_sorted_and_times_are_whole_seconds),
		cmocka_unit_test(what_makes_no_sense_is_refused_by_its_member),
		cmocka_unit_test(what_the_format_has_no_word_for_is_told),
		cmocka_unit_test(a_field_of_a_newer_version_is_told),
		cmocka_unit_test(a_stream_falls_into_its_objects_however_it_arrives),
	};
	return cmocka_run_group_tests_name("role/cluster_pin_json", tests, NULL, NULL);
}
