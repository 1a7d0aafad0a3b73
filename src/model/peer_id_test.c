#include "model/peer_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/hex_test.h"

#define RSA     "1220d52ebb89d85b02a284948203a62ff28389c57c9f42beec4ec20db76a68911c0b"
#define ED25519 "0024080112202bd76823d6de7bdd8cbd010a6b40f7f2ad230d7a7cc4c59af2e160c70036b54a"

static const struct {
	const char *text, *bytes, *canonical;
} good[] = {
	{ "QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC", RSA,
	  "QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC" },
	{ "12D3KooWCmWCwWrsu3r2vrAtuVzG6CrM7XuHjTeymF2QbpBMJJcH", ED25519,
	  "12D3KooWCmWCwWrsu3r2vrAtuVzG6CrM7XuHjTeymF2QbpBMJJcH" },
	{ "k51qzi5uqu5dh9xctmfy9dlgvcmkn9lp6wlqb2tm8568r5g45wyu379bu4xrgq", ED25519,
	  "12D3KooWCmWCwWrsu3r2vrAtuVzG6CrM7XuHjTeymF2QbpBMJJcH" },
	{ "f0172" ED25519, ED25519, "12D3KooWCmWCwWrsu3r2vrAtuVzG6CrM7XuHjTeymF2QbpBMJJcH" },
	{ "f0172" RSA, RSA, "QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC" },
};

static void both_texts_name_the_same_peer(void **state UNUSED)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct hex_bytes h = hex(good[i].bytes);
		char text[PEER_ID_TEXT_MAX];
		struct peer_id id, again;
		struct err err = { 0 };

		print_message("%s\n", good[i].text);
		if (!peer_id_parse(slice_str(good[i].text), &id, &err))
			fail_msg("%s", err.text);
		assert_true(slice_eq(peer_id_slice(&id), HEX_SLICE(h)));
		assert_int_equal(peer_id_text(&id, text), strlen(good[i].canonical));
		assert_string_equal(text, good[i].canonical);
		assert_true(peer_id_decode(HEX_SLICE(h), &again, &err));
	}
}

static void what_names_no_peer_is_refused(void **state UNUSED)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "empty" },
		{ "Q", "peer id" },
		{ "1", "peer id" },
		{ "11", "neither" },
		{ "Qm0", "base58btc" },
		{ "QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNK", "peer id" },
		{ "zQmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC", "Qm..." },
		{ "bafkqaaa", "libp2p-key" },
		{ "f01720000", "neither" },
		{ "f0172110"
		  "4"
		  "01020304",
		  "peer id" },
		{ "f0172002b"
		  "0000000000000000000000000000000000000000000000000000000000000000"
		  "0000000000000000000000",
		  "neither" },
		{ " 12D3KooWCmWCwWrsu3r2vrAtuVzG6CrM7XuHjTeymF2QbpBMJJcH", "begins with" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct peer_id id = { .len = 7 };
		struct err err = { 0 };

		assert_false(peer_id_parse(slice_str(bad[i].text), &id, &err));
		print_message("%s\n", err.text);
		assert_int_equal(err.code, ERR_INVALID);
		assert_non_null(strstr(err.text, bad[i].why));
		assert_int_equal(id.len, 7);
	}
}

static void the_longest_id_fits_its_text(void **state UNUSED)
{
	uint8_t bytes[PEER_ID_MAX] = { 0x00, PEER_ID_MAX - 2 };
	char text[PEER_ID_TEXT_MAX];
	struct peer_id id, again;
	struct err err;

	memset(bytes + 2, 0xff, sizeof(bytes) - 2);
	assert_true(peer_id_decode(SLICE_OF(bytes, sizeof(bytes)), &id, &err));
	peer_id_text(&id, text);
	assert_true(peer_id_parse(slice_str(text), &again, &err));
	assert_true(slice_eq(peer_id_slice(&id), peer_id_slice(&again)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_texts_name_the_same_peer),
		cmocka_unit_test(what_names_no_peer_is_refused),
		cmocka_unit_test(the_longest_id_fits_its_text),
	};
	return cmocka_run_group_tests_name("model/peer_id", tests, NULL, NULL);
}
