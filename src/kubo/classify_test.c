#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kubo/kubo.h"

static const struct {
	int status;
	const char *message;
	enum kubo_outcome want;
} cases[] = {
	/* Words of Kubo 0.42 as they come over the wire. */
	{ 500, "not pinned or pinned indirectly", KUBO_NOT_PINNED },
	{ 500, "path 'bafkqaaa' is not pinned", KUBO_NOT_PINNED },
	{ 500, "'from' cid was not recursively pinned already", KUBO_NOT_PINNED },
	{ 500, "'to' cid was already recursively pinned", KUBO_ALREADY_PINNED },
	{ 500, "pin: bafkqaaa already pinned recursively", KUBO_ALREADY_PINNED },
	{ 500, "bafkqaaa is pinned recursively", KUBO_ALREADY_PINNED },
	{ 500, "pin: block was not found locally (offline): ipld: could not find bafkqaaa",
	  KUBO_NOT_LOCAL },
	{ 200, "context deadline exceeded", KUBO_TIMED_OUT },
	{ 500, "pin: context deadline exceeded", KUBO_TIMED_OUT },
	{ 500, "pin: context canceled", KUBO_RESTARTING },
	{ 200, "pin: promise channel was closed", KUBO_RESTARTING }, /* SIGTERM in mid-pin */
	{ 500, "connect 12D3KooW failure: failed to dial: dial to self attempted",
	  KUBO_BAD_REQUEST },
	{ 200, "pin: write /repo/blocks/XX/put-1: no space left on device", KUBO_DISK_FULL },
	/* The missing block is the consequence, the disk the cause. */
	{ 500, "could not find bafkqaaa: no space left on device", KUBO_DISK_FULL },
	{ 500, "connect 12D3KooW failure: failed to dial 12D3KooW: all dials failed",
	  KUBO_UNREACHABLE },
	{ 403, "Kubo RPC Access Denied: Please provide a valid authorization token", KUBO_DENIED },
	{ 403, "not pinned", KUBO_DENIED },
	{ 401, "", KUBO_DENIED },
	{ 500, "invalid path \"x\": path does not have enough components", KUBO_BAD_REQUEST },
	{ 500, "invalid path \"x\": invalid cid: cid too short", KUBO_BAD_REQUEST },
	{ 400, "argument \"ipfs-path\" is required", KUBO_BAD_REQUEST },
	{ 405, "405 - Method Not Allowed", KUBO_BAD_REQUEST },
	{ 404, "404 page not found", KUBO_BAD_REQUEST },
	{ 414, "", KUBO_BAD_REQUEST },
	/* A proxy before a daemon that is not there. */
	{ 502, "<html>Bad Gateway</html>", KUBO_RESTARTING },
	{ 503, "", KUBO_RESTARTING },
	{ 504, "", KUBO_TIMED_OUT },
	{ 507, "", KUBO_DISK_FULL },
	{ 500, "something nobody has seen", KUBO_UNKNOWN },
	{ 429, "slow down", KUBO_UNKNOWN },
	{ 200, "", KUBO_UNKNOWN },
};

static void known_texts_are_sorted_by_remedy(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		enum kubo_outcome got = kubo_classify(cases[i].status, cases[i].message);

		if (got != cases[i].want)
			print_error("%d %s\n", cases[i].status, cases[i].message);
		assert_string_equal(kubo_outcome_name(got), kubo_outcome_name(cases[i].want));
	}
}

static void every_name_is_there(void **state UNUSED)
{
	enum kubo_type type;

	for (unsigned i = 0; i < KUBO_N_KINDS; i++)
		assert_non_null(kubo_kind_name(i));
	for (unsigned i = 0; i < KUBO_N_OUTCOMES; i++)
		assert_non_null(kubo_outcome_name(i));
	for (unsigned i = 0; i <= KUBO_INDIRECT; i++) {
		assert_true(kubo_type_of(kubo_type_name(i), &type));
		assert_int_equal(type, i);
	}
	assert_false(kubo_type_of("indirect through bafkqaaa", &type));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_texts_are_sorted_by_remedy),
		cmocka_unit_test(every_name_is_there),
	};
	return cmocka_run_group_tests_name("kubo/classify", tests, NULL, NULL);
}
