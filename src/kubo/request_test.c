#include "kubo/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
	struct kubo_op op;
	bool dag;
	const char *want;
} commands[] = {
	{ { .kind = KUBO_ID }, .want = "id" },
	{ { .kind = KUBO_VERSION }, .want = "version" },
	{ { .kind = KUBO_PIN_LS, .cid = "QmX", .type = KUBO_DIRECT },
	  .want = "pin/ls?arg=QmX&names=true&type=direct" },
	{ { .kind = KUBO_PIN_ADD, .cid = "QmX", .type = KUBO_RECURSIVE },
	  .want = "pin/add?arg=QmX&progress=true" },
	{ { .kind = KUBO_PIN_ADD, .cid = "QmX", .type = KUBO_DIRECT, .name = "a/b&c=d \xc3\xa4" },
	  .want = "pin/add?arg=QmX&progress=true&recursive=false&name=a%2Fb%26c%3Dd%20%C3%A4" },
	{ { .kind = KUBO_PIN_RM, .cid = "QmX" }, .want = "pin/rm?arg=QmX" },
	{ { .kind = KUBO_PIN_UPDATE, .cid = "QmX", .to_cid = "QmY" },
	  .want = "pin/update?arg=QmX&arg=QmY&unpin=true" },
	{ { .kind = KUBO_PIN_UPDATE, .cid = "QmX", .to_cid = "QmY", .keep_old = true },
	  .want = "pin/update?arg=QmX&arg=QmY&unpin=false" },
	{ { .kind = KUBO_PIN_LIST, .type = KUBO_RECURSIVE },
	  .want = "pin/ls?stream=true&names=true&type=recursive" },
	{ { .kind = KUBO_STAT, .cid = "QmX" },
	  .want = "files/stat?arg=%2Fipfs%2FQmX&offline=true" },
	{ { .kind = KUBO_STAT, .cid = "QmX" },
	  .dag = true,
	  .want = "dag/stat?arg=QmX&progress=false&offline=true" },
	{ { .kind = KUBO_REPO_STAT }, .want = "repo/stat?size-only=true" },
	{ { .kind = KUBO_SWARM_CONNECT, .addr = "/ip4/127.0.0.1/tcp/1/p2p/12D3" },
	  .want = "swarm/connect?arg=%2Fip4%2F127.0.0.1%2Ftcp%2F1%2Fp2p%2F12D3" },
	{ { .kind = KUBO_REPO_GC }, .want = "repo/gc?stream-errors=true" },
};

static void commands_carry_what_kubo_needs(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		__attribute__((cleanup(buf_free_at_scope_end))) struct buf got = { 0 };

		request_command(&got, &commands[i].op, commands[i].dag);
		buf_add_byte(&got, 0);
		assert_string_equal((const char *)got.ptr, commands[i].want);
	}
}

static const struct {
	const char *url, *base, *socket_path; /* base NULL: refused */
} urls[] = {
	{ "http://127.0.0.1:5001", "http://127.0.0.1:5001/api/v0/", "" },
	{ "http://127.0.0.1:5001/", "http://127.0.0.1:5001/api/v0/", "" },
	{ "https://kubo.example", "https://kubo.example/api/v0/", "" },
	{ "http://[::1]:5001/ipfs-3//", "http://[::1]:5001/ipfs-3/api/v0/", "" },
	{ "unix:/run/kubo.sock", "http://kubo/api/v0/", "/run/kubo.sock" },
	{ "unix:///run/kubo.sock", "http://kubo/api/v0/", "/run/kubo.sock" },
	{ "unix:kubo.sock", NULL, NULL },
	{ "ftp://127.0.0.1", NULL, NULL },
	{ "127.0.0.1:5001", NULL, NULL },
	{ "http://", NULL, NULL },
	{ "http://a:99999", NULL, NULL },
	{ "http://user:secret@127.0.0.1", NULL, NULL },
	{ "http://127.0.0.1/?x=y", NULL, NULL },
	{ "", NULL, NULL },
};

static void node_urls_are_taken_apart(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		__attribute__((cleanup(buf_free_at_scope_end))) struct buf base = { 0 };
		__attribute__((cleanup(buf_free_at_scope_end))) struct buf path = { 0 };
		struct err err = { 0 };

		if (!request_base(urls[i].url, &base, &path, &err)) {
			if (urls[i].base)
				fail_msg("%s: %s", urls[i].url, err.text);
			assert_int_equal(err.code, ERR_INVALID);
			continue;
		}
		if (!urls[i].base)
			fail_msg("%s was taken", urls[i].url);
		assert_true(slice_eq_str(buf_slice(&base), urls[i].base));
		assert_true(slice_eq_str(buf_slice(&path), urls[i].socket_path));
	}
}

static void passwords_in_urls_are_not_shown(void **state UNUSED)
{
	static const char *const shown[][2] = {
		{ "http://127.0.0.1:5001", "http://127.0.0.1:5001" },
		{ "http://user:secret@h:5001/x", "http://***@h:5001/x" },
		{ "http://user:se/cr@t@h", "http://***@h" },
		{ "htp:/user:secret@h", "***@h" },
		{ "user:secret@h:5001", "***@h:5001" },
		{ "user:secret@http://h", "***@http://h" },
		{ "unix:/run/a@b.sock", "unix:/run/a@b.sock" },
	};

	for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
		__attribute__((cleanup(buf_free_at_scope_end))) struct buf got = { 0 };

		request_shown(shown[i][0], &got);
		buf_add_byte(&got, 0);
		assert_string_equal((const char *)got.ptr, shown[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_carry_what_kubo_needs),
		cmocka_unit_test(node_urls_are_taken_apart),
		cmocka_unit_test(passwords_in_urls_are_not_shown),
	};
	return cmocka_run_group_tests_name("kubo/request", tests, NULL, NULL);
}
