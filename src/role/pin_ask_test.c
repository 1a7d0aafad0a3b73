#include "role/pin_ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define PEER "12D3KooWGRUVh7SGNS5DPyoHWTt3ZVUWZRgBGx6rqG9eBeYDcL1Q"

static const struct owner_row plain_owner = { .owner = { (const uint8_t *)"alice", 5 } };

/* The empty directory, v0. */
static struct slice some_cid(struct cid *cid)
{
	struct err err;

	assert_true(cid_parse(SLICE_LIT("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"), cid,
			      NULL, &err));
	return cid_slice(cid);
}

static int setup(void **state)
{
	*state = arena_new();
	return 0;
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static struct pair_list one_pair(struct arena *mem, const char *key, const char *value)
{
	struct pair_list list = { arena_new_array(mem, struct pair, 1), 1 };

	list.at[0] = (struct pair){ slice_str(key), slice_str(value) };
	return list;
}

static void reserved_meta_keys_set_what_they_name(void **state)
{
	static const struct {
		const char *key, *value;
		unsigned given; /* 0: refused */
		int32_t min, max, priority;
		int64_t ttl_us;
		size_t n_tags;
	} cases[] = {
		{ "pinfold.replicas", "3", ASK_REPLICAS, .min = 3, .max = 3 },
		{ "pinfold.replicas", "2-5", ASK_REPLICAS, .min = 2, .max = 5 },
		{ "pinfold.replicas", "all", ASK_REPLICAS, .min = -1, .max = -1 },
		{ "pinfold.replicas", "-1", ASK_REPLICAS, .min = -1, .max = -1 },
		{ "pinfold.replicas", "0", 0 },
		{ "pinfold.replicas", "101", 0 },
		{ "pinfold.replicas", "3-2", 0 },
		{ "pinfold.replicas", "2-", 0 },
		{ "pinfold.replicas", "-", 0 },
		{ "pinfold.replicas", "", 0 },
		{ "pinfold.replicas", " 2", 0 },
		{ "pinfold.replicas", "1-all", 0 },
		{ "pinfold.ttl", "30d", ASK_EXPIRY, .ttl_us = 30 * US_PER_DAY },
		{ "pinfold.ttl", "never", ASK_EXPIRY },
		{ "pinfold.ttl", "0s", 0 },
		{ "pinfold.ttl", "-1d", 0 },
		{ "pinfold.ttl", "99999d", 0 },
		{ "pinfold.ttl", "soon", 0 },
		{ "pinfold.tags", "red,blue,red", ASK_TAGS, .n_tags = 2 },
		{ "pinfold.tags", "red,,blue", 0 },
		{ "pinfold.tags", "", 0 },
		{ "pinfold.priority", "-100", ASK_PRIORITY, .priority = -100 },
		{ "pinfold.priority", "101", 0 },
		{ "pinfold.priority", "1.5", 0 },
		{ "pinfold.prio", "1", 0 },
		{ "pinfold.", "1", 0 },
	};
	struct arena *mem = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pin_ask ask = { .given = ASK_META,
				       .meta = one_pair(mem, cases[i].key, cases[i].value) };
		struct pin_ask out = { 0 };
		struct err err = { 0 };
		bool ok = pin_ask_check(&ask, false, mem, &out, &err);

		if (ok != (cases[i].given != 0))
			fail_msg("%s=%s: %s", cases[i].key, cases[i].value,
				 ok ? "accepted" : err.text);
		if (!ok) {
			assert_int_equal(err.code, ERR_INVALID);
			assert_non_null(strstr(err.text, cases[i].key));
			continue;
		}
		assert_int_equal(out.given, ASK_META | cases[i].given);
		assert_int_equal(out.rf_min, cases[i].min);
		assert_int_equal(out.rf_max, cases[i].max);
		assert_int_equal(out.priority, cases[i].priority);
		assert_int_equal(out.ttl_us, cases[i].ttl_us);
		assert_int_equal(out.tags.n, cases[i].n_tags);
		assert_true(slice_eq_str(out.meta.at[0].value, cases[i].value));
	}
}

static void a_reserved_key_beside_its_field_is_refused(void **state)
{
	struct arena *mem = *state;
	struct pin_ask ask = { .given = ASK_META | ASK_PRIORITY,
			       .priority = 1,
			       .meta = one_pair(mem, "pinfold.priority", "1") };
	struct err err = { 0 };

	assert_false(pin_ask_check(&ask, false, mem, &(struct pin_ask){ 0 }, &err));
	assert_non_null(strstr(err.text, "give one"));
}

static void names_may_have_255_code_points(void **state)
{
	struct arena *mem = *state;
	char text[4 * 256];

	for (size_t n = 254; n <= 256; n++) {
		struct pin_ask ask = { .given = ASK_NAME }, out;
		struct err err = { 0 };

		for (size_t i = 0; i < n; i++)
			memcpy(text + 4 * i, "\xf0\x9f\x90\xa7", 4);
		ask.name = SLICE_OF(text, 4 * n);
		assert_int_equal(pin_ask_check(&ask, false, mem, &out, &err), n <= 255);
	}
}

static void texts_that_are_not_text_are_refused(void **state)
{
	struct arena *mem = *state;
	const struct slice bad[] = { SLICE_LIT("a\xff"), SLICE_LIT("a\0b"),
				     SLICE_LIT("\xed\xa0\x80") };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct slice entry = bad[i];
		struct pair pair = { bad[i], SLICE_LIT("v") }, turned = { SLICE_LIT("k"), bad[i] };
		struct pin_ask asks[] = {
			{ .given = ASK_NAME, .name = bad[i] },
			{ .given = ASK_TAGS, .tags = { &entry, 1 } },
			{ .given = ASK_ZONES, .zones = { &entry, 1 } },
			{ .given = ASK_META, .meta = { &pair, 1 } },
			{ .given = ASK_META, .meta = { &turned, 1 } },
			{ .key = bad[i] },
		};

		for (size_t j = 0; j < ARRAY_LEN(asks); j++) {
			struct err err = { 0 };

			assert_false(
				pin_ask_check(&asks[j], false, mem, &(struct pin_ask){ 0 }, &err));
			assert_int_equal(err.code, ERR_INVALID);
		}
	}
}

static void tags_become_a_sorted_set(void **state)
{
	struct arena *mem = *state;
	struct slice words[] = { SLICE_LIT("b"), SLICE_LIT("a"), SLICE_LIT("b"), SLICE_LIT("aa") };
	struct pin_ask ask = { .given = ASK_TAGS, .tags = { words, 4 } }, out;
	struct err err = { 0 };

	assert_true(pin_ask_check(&ask, false, mem, &out, &err));
	assert_int_equal(out.tags.n, 3);
	assert_true(slice_eq_str(out.tags.at[0], "a") && slice_eq_str(out.tags.at[1], "aa") &&
		    slice_eq_str(out.tags.at[2], "b"));
}

static void origins_end_in_a_peer_id_and_are_unique(void **state)
{
	static const struct {
		const char *a, *b;
		bool ok;
	} cases[] = {
		{ "/ip4/203.0.113.7/tcp/4001/p2p/" PEER, NULL, true },
		{ "/ip4/203.0.113.7/tcp/4001", NULL, false },
		{ "203.0.113.7", NULL, false },
		{ "", NULL, false },
		{ "/ip4/203.0.113.7/tcp/4001/p2p/" PEER, "/ip4/203.0.113.7/tcp/4002/p2p/" PEER,
		  true },
		{ "/ip4/203.0.113.7/tcp/4001/p2p/" PEER, "/ip4/203.0.113.7/tcp/4001/ipfs/" PEER,
		  false },
	};
	struct arena *mem = *state;
	struct cid cid;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct slice at[] = { slice_str(cases[i].a),
				      slice_str(cases[i].b ? cases[i].b : "") };
		struct pin_ask ask = { .cid = some_cid(&cid),
				       .origins = { at, cases[i].b ? 2 : 1 } },
			       out;
		struct err err = { 0 };

		if (pin_ask_check(&ask, true, mem, &out, &err) != cases[i].ok)
			fail_msg("case %zu: %s", i, err.text);
	}
}

static void silence_gets_the_owners_defaults_and_a_revision_keeps_the_rest(void **state)
{
	struct arena *mem = *state;
	struct owner_row owner = plain_owner;
	struct pin_ask ask = { .given = ASK_NAME, .name = SLICE_LIT("n") };
	struct fact first, second;
	struct err err = { 0 };

	(void)mem;
	owner.rf_min = 2;
	owner.rf_max = 3;
	owner.ttl_us = US_PER_H;
	owner.priority = 7;
	assert_true(pin_ask_apply(&ask, NULL, &owner, 1, 1, 1000, &first, &err));
	assert_int_equal(first.rf_min, 2);
	assert_int_equal(first.rf_max, 3);
	assert_int_equal(first.priority, 7);
	assert_int_equal(first.expires_at, 1000 + US_PER_H);
	ask = (struct pin_ask){ .given = ASK_EXPIRY | ASK_PRIORITY, .priority = -1 };
	assert_true(pin_ask_apply(&ask, &first, &plain_owner, 1, 1, 2000, &second, &err));
	assert_int_equal(second.rf_max, 3);
	assert_int_equal(second.priority, -1);
	assert_int_equal(second.expires_at, 0);
	assert_true(slice_eq_str(second.name, "n"));
	assert_false(pin_ask_same(&first, &second));
}

static void an_expiry_lies_ahead_and_within_the_owners_bound(void **state UNUSED)
{
	static const struct {
		int64_t ttl_us, expires_at, ttl_max_us;
		bool ok;
	} cases[] = {
		{ 10, 0, 0, true },   { 0, 999, 0, false }, { 0, 1000, 0, false },
		{ 0, 1001, 0, true }, { 10, 0, 10, true },  { 11, 0, 10, false },
		{ 0, 0, 10, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pin_ask ask = { .given = ASK_EXPIRY,
				       .ttl_us = cases[i].ttl_us,
				       .expires_at = cases[i].expires_at };
		struct owner_row owner = plain_owner;
		struct err err = { 0 };
		struct fact out;

		owner.ttl_max_us = cases[i].ttl_max_us;
		if (pin_ask_apply(&ask, NULL, &owner, 1, 1, 1000, &out, &err) != cases[i].ok)
			fail_msg("case %zu: %s", i, err.text);
	}
}

static void an_owners_default_expiry_is_within_his_bound(void **state UNUSED)
{
	static const struct {
		int64_t ttl_us, ttl_max_us, expires_at;
	} cases[] = {
		{ 0, 0, 0 }, { 90, 0, 1090 }, { 0, 30, 1030 }, { 90, 30, 1030 }, { 9, 30, 1009 }
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct pin_ask ask = { .given = 0 };
		struct owner_row owner = plain_owner;
		struct fact out;
		struct err err;

		owner.ttl_us = cases[i].ttl_us;
		owner.ttl_max_us = cases[i].ttl_max_us;
		assert_true(pin_ask_apply(&ask, NULL, &owner, 1, 1, 1000, &out, &err));
		assert_int_equal(out.expires_at, cases[i].expires_at);
	}
}

static void fingerprints_tell_calls_apart_and_not_their_spelling(void **state)
{
	struct arena *mem = *state;
	struct slice ab[] = { SLICE_LIT("a"), SLICE_LIT("b") },
		     ba[] = { SLICE_LIT("b"), SLICE_LIT("a") };
	struct pin_ask asks[] = {
		{ .given = ASK_TAGS, .tags = { ab, 2 } },
		{ .given = ASK_TAGS, .tags = { ba, 2 } },
		{ .given = ASK_TAGS, .tags = { ab, 1 } },
		{ .given = ASK_NAME, .name = SLICE_LIT("ab") },
		{ .given = ASK_EXPIRY, .ttl_us = 5 },
		{ .given = ASK_EXPIRY, .expires_at = 5 },
	};
	struct slice prints[ARRAY_LEN(asks)];
	struct ulid about = { { 0 } };
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		struct pin_ask out;

		assert_true(pin_ask_check(&asks[i], false, mem, &out, &err));
		prints[i] = pin_ask_fingerprint(&out, about, 0, mem);
		for (size_t j = 0; j < i; j++)
			assert_int_equal(slice_eq(prints[i], prints[j]), i == 1 && j == 0);
	}
	assert_false(slice_eq(prints[0], pin_ask_fingerprint(&asks[0], about, 1, mem)));
	about.bytes[0] = 1;
	assert_false(slice_eq(prints[0], pin_ask_fingerprint(&asks[0], about, 0, mem)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reserved_meta_keys_set_what_they_name, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_reserved_key_beside_its_field_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(names_may_have_255_code_points, setup, teardown),
		cmocka_unit_test_setup_teardown(texts_that_are_not_text_are_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(tags_become_a_sorted_set, setup, teardown),
		cmocka_unit_test_setup_teardown(origins_end_in_a_peer_id_and_are_unique, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			silence_gets_the_owners_defaults_and_a_revision_keeps_the_rest, setup,
			teardown),
		cmocka_unit_test(an_expiry_lies_ahead_and_within_the_owners_bound),
		cmocka_unit_test(an_owners_default_expiry_is_within_his_bound),
		cmocka_unit_test_setup_teardown(
			fingerprints_tell_calls_apart_and_not_their_spelling, setup, teardown),
	};

	return cmocka_run_group_tests_name("pin_ask", tests, NULL, NULL);
}
