#include "model/multiaddr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "model/hex_test.h"

/* As another implementation (go-multiaddr) has them: text, bytes, canonical text. */
static const struct {
	const char *text, *bytes, *canonical;
} good[] = {
	{ "/ip4/127.0.0.1/udp/1234", "047f000001910204d2", "/ip4/127.0.0.1/udp/1234" },
	{ "/ip4/127.0.0.1/tcp/4321", "047f0000010610e1", "/ip4/127.0.0.1/tcp/4321" },
	{ "/ip4/1.2.3.4/tcp/4001/p2p/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC",
	  "0401020304060fa1a503221220d52ebb89d85b02a284948203a62ff28389c57c9f42beec4ec20db76a68911c"
	  "0b",
	  "/ip4/1.2.3.4/tcp/4001/p2p/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC" },
	{ "/ip4/1.2.3.4/tcp/4001/ipfs/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC",
	  "0401020304060fa1a503221220d52ebb89d85b02a284948203a62ff28389c57c9f42beec4ec20db76a68911c"
	  "0b",
	  "/ip4/1.2.3.4/tcp/4001/p2p/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC" },
	{ "/ip6/2601:9:4f81:9700:803e:ca65:66e8:c21/udp/1234/quic",
	  "29260100094f819700803eca6566e80c21910204d2cc03",
	  "/ip6/2601:9:4f81:9700:803e:ca65:66e8:c21/udp/1234/quic" },
	{ "/ip6/::1/tcp/0", "2900000000000000000000000000000001060000", "/ip6/::1/tcp/0" },
	{ "/ip6/2001:DB8:0:0:0:0:0:1/udp/65535/quic-v1",
	  "2920010db80000000000000000000000019102ffffcd03", "/ip6/2001:db8::1/udp/65535/quic-v1" },
	{ "/ip6zone/eth0/ip6/fe80::1/tcp/80",
	  "2a046574683029fe800000000000000000000000000001060050",
	  "/ip6zone/eth0/ip6/fe80::1/tcp/80" },
	{ "/dns4/example.com/tcp/443/wss", "360b6578616d706c652e636f6d0601bbde03",
	  "/dns4/example.com/tcp/443/wss" },
	{ "/dns6/ipfs.example/tcp/443/tls/sni/a.example/http",
	  "370c697066732e6578616d706c650601bbc003c10309612e6578616d706c65e003",
	  "/dns6/ipfs.example/tcp/443/tls/sni/a.example/http" },
	{ "/dnsaddr/bootstrap.libp2p.io", "3813626f6f7473747261702e6c69627032702e696f",
	  "/dnsaddr/bootstrap.libp2p.io" },
	{ "/dns/xn--bcher-kva.example/tcp/443/https",
	  "3515786e2d2d62636865722d6b76612e6578616d706c650601bbbb03",
	  "/dns/xn--bcher-kva.example/tcp/443/https" },
	{ "/ip4/127.0.0.1/udp/1234/quic-v1/webtransport/certhash/"
	  "uEiDDq4_xNyDorZBH3TlGazyJdOWSwvo4PUo5YHFMrvDE8g",
	  "047f000001910204d2cd03d103d203221220c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960"
	  "714caef0c4f2",
	  "/ip4/127.0.0.1/udp/1234/quic-v1/webtransport/certhash/"
	  "uEiDDq4_xNyDorZBH3TlGazyJdOWSwvo4PUo5YHFMrvDE8g" },
	{ "/ip4/127.0.0.1/udp/1234/webrtc-direct/certhash/"
	  "bciqdaawigbzv4l5y4r3ge7lgfkd2z6xbrdxm4eqjyfzqzcqcdkdv5ki",
	  "047f000001910204d29802d2032212203002c830735e2fb8e476627d662a87acfae188eece1209c1730c8a02"
	  "1a875ea9",
	  "/ip4/127.0.0.1/udp/1234/webrtc-direct/certhash/"
	  "uEiAwAsgwc14vuOR2Yn1mKoes-uGI7s4SCcFzDIoCGodeqQ" },
	{ "/ip4/127.0.0.1/udp/1234/webrtc-direct/certhash/"
	  "zQmbWTwYGcmdyK9CYfNBcfs9nhZs17a6FQ4Y8oea278xx41",
	  "047f000001910204d29802d203221220c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714c"
	  "aef0c4f2",
	  "/ip4/127.0.0.1/udp/1234/webrtc-direct/certhash/"
	  "uEiDDq4_xNyDorZBH3TlGazyJdOWSwvo4PUo5YHFMrvDE8g" },
	{ "/p2p-circuit/p2p/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC",
	  "a202a503221220d52ebb89d85b02a284948203a62ff28389c57c9f42beec4ec20db76a68911c0b",
	  "/p2p-circuit/p2p/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC" },
	{ "/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA",
	  "a503260024080112202ffa35a99d3a3cfbb17bb7c1dc5561b18a8dcca4df38dc613ea859c37eb1336b",
	  "/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA" },
	{ "/p2p/k51qzi5uqu5dh9xctmfy9dlgvcmkn9lp6wlqb2tm8568r5g45wyu379bu4xrgq",
	  "a503260024080112202bd76823d6de7bdd8cbd010a6b40f7f2ad230d7a7cc4c59af2e160c70036b54a",
	  "/p2p/12D3KooWCmWCwWrsu3r2vrAtuVzG6CrM7XuHjTeymF2QbpBMJJcH" },
	{ "/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:1234",
	  "bd03adadec040be047f9658668b11a504f3155001f231a37f54c4476c07fb4cc139ed7e30304d2",
	  "/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:1234" },
	{ "/unix/a/b/c", "9003062f612f622f63", "/unix/a/b/c" },
	{ "/ip4/1.2.3.4/tcp/80/http/http-path/foo%2Fbar",
	  "0401020304060050e003e10307666f6f2f626172",
	  "/ip4/1.2.3.4/tcp/80/http/http-path/foo%2Fbar" },
	{ "/ip4/1.2.3.4/tcp/80/ws", "0401020304060050dd03", "/ip4/1.2.3.4/tcp/80/ws" },
	{ "/ip4/1.2.3.4/sctp/80", "040102030484010050", "/ip4/1.2.3.4/sctp/80" },
	{ "/ip4/1.2.3.4/dccp/80", "0401020304210050", "/ip4/1.2.3.4/dccp/80" },
	{ "/ip4/1.2.3.4/udp/80/utp", "040102030491020050ae02", "/ip4/1.2.3.4/udp/80/utp" },
	{ "/ip4/1.2.3.4/tcp/9090/webrtc", "04010203040623829902", "/ip4/1.2.3.4/tcp/9090/webrtc" },
	{ "/ip6/::ffff:1.2.3.4/tcp/1", "2900000000000000000000ffff01020304060001",
	  "/ip6/::ffff:1.2.3.4/tcp/1" },
	{ "/ip6/0:0:0:0:0:0:800:a849/tcp/1", "290000000000000000000000000800a849060001",
	  "/ip6/::800:a849/tcp/1" },
	{ "/garlic32/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/http",
	  "bf0320"
	  "0000000000000000000000000000000000000000000000000000000000000000"
	  "e003",
	  "/garlic32/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/http" },
};

static void each_text_has_its_bytes_and_they_one_text(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct hex_bytes h = hex(good[i].bytes);
		struct multiaddr addr, again;
		struct err err = { 0 };

		print_message("%s\n", good[i].text);
		if (!multiaddr_parse(slice_str(good[i].text), &addr, &err))
			fail_msg("%s", err.text);
		assert_true(slice_eq(multiaddr_slice(&addr), HEX_SLICE(h)));
		assert_string_equal(multiaddr_text(&addr, mem).ptr, good[i].canonical);
		assert_true(multiaddr_decode(HEX_SLICE(h), &again, &err));
		assert_true(slice_eq(multiaddr_slice(&again), HEX_SLICE(h)));
	}
}

static void texts_that_are_no_address_are_refused(void **state UNUSED)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "empty" },
		{ "/", "nothing between" },
		{ "//", "nothing between" },
		{ "ip4/1.2.3.4", "expected" },
		{ "/ip4", "expected" },
		{ "/ip4/", "nothing between" },
		{ "/ip4/1.2.3.4/", "nothing between" },
		{ "/ip4/1.2.3.4//tcp/80", "nothing between" },
		{ "/ip4/1.2.3.256", "IPv4" },
		{ "/ip4/1.2.3", "IPv4" },
		{ "/ip4/01.2.3.4", "IPv4" },
		{ "/ip4/::1", "IPv4" },
		{ "/ip4/1.2.3.4 ", "IPv4" },
		{ "/ip6/1.2.3.4", "IPv6" },
		{ "/ip6/::1%eth0", "IPv6" },
		{ "/ip6/:::", "IPv6" },
		{ "/ip4/1.2.3.4/tcp", "expected" },
		{ "/ip4/1.2.3.4/tcp/65536", "65535" },
		{ "/ip4/1.2.3.4/tcp/080", "65535" },
		{ "/ip4/1.2.3.4/tcp/-1", "65535" },
		{ "/ip4/1.2.3.4/tcp/+1", "65535" },
		{ "/ip4/1.2.3.4/tcp/http", "65535" },
		{ "/ip4/1.2.3.4/TCP/80", "not known" },
		{ "/ip4/1.2.3.4/tcp/80/wsx", "not known" },
		{ "/ip4/1.2.3.4/udp/80/quic/80", "not known" },
		{ "/dns4/", "nothing between" },
		{ "/dns4/a..b", "host name" },
		{ "/dns4/.a", "host name" },
		{ "/dns4/a.", "host name" },
		{ "/dns4/a b", "host name" },
		{ "/dns4/b\xc3\xbc"
		  "cher.example",
		  "host name" },
		{ "/dns4/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		  "host name" },
		{ "/ip6zone/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/ip6/::1", "zone" },
		{ "/p2p/", "nothing between" },
		{ "/p2p/Qm0", "base58btc" },
		{ "/p2p/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNK", "peer id" },
		{ "/p2p/bafkqaaa", "libp2p-key" },
		{ "/certhash/uEiDD", "certhash: digest has" },
		{ "/certhash/EiDDq4_xNyDorZBH3TlGazyJdOWSwvo4PUo5YHFMrvDE8g", "multibase" },
		{ "/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd", "colon" },
		{ "/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:0", "port 0" },
		{ "/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:", "65535" },
		{ "/onion3/vww6ybal4bd7szmg:80", "56 base32" },
		{ "/garlic32/aaaa", "2 bytes" },
		{ "/garlic32/aa", "1 bytes" },
		{ "/unix", "path" },
		{ "/unix/", "path" },
		{ "/unix/run/", "path" },
		{ "/unix/\xff", "UTF-8" },
		{ "/http-path/a%2", "percent" },
		{ "/http-path/a%2g", "percent" },
		{ "/http-path/a+b", "percent" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct multiaddr addr = { .len = 7 };
		struct err err = { 0 };

		assert_false(multiaddr_parse(slice_str(bad[i].text), &addr, &err));
		print_message("%s\n", err.text);
		assert_int_equal(err.code, ERR_INVALID);
		assert_non_null(strstr(err.text, bad[i].why));
		assert_int_equal(addr.len, 7);
	}
}

static void bytes_that_are_no_address_are_refused(void **state UNUSED)
{
	static const char *const bad[] = {
		"",
		"04",
		"04010203",
		"0401020304"
		"06",
		"0401020304060f",
		"7f",
		"8400",
		"0401020304"
		"8400"
		"0050",
		"35",
		"3500",
		"3505612e62",
		"3501ff",
		"a50300",
		"a503021200",
		"d20301ff",
		"9003012f",
		"9003022f00",
		"900301ff",
		"e10300",
		"2a0120",
		"bf0321"
		"000000000000000000000000000000000000000000000000000000000000000000",
		"bd03adadec040be047f9658668b11a504f3155001f231a37f54c4476c07fb4cc139ed7e3030000",
		"9003022f61060050",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct hex_bytes h = hex(bad[i]);
		struct multiaddr addr;
		struct err err = { 0 };

		print_message("\"%s\"\n", bad[i]);
		assert_false(multiaddr_decode(HEX_SLICE(h), &addr, &err));
		assert_int_equal(err.code, ERR_INVALID);
	}
}

static void an_address_that_is_too_long_is_refused(void **state UNUSED)
{
	char text[MULTIADDR_TEXT_MAX + 2] = "";
	struct multiaddr addr;
	struct err err = { 0 };
	size_t n = 0;

	for (int i = 0; i < MULTIADDR_MAX / 2; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "/ws");
	assert_true(multiaddr_parse(SLICE_OF(text, n), &addr, &err));
	assert_int_equal(addr.len, MULTIADDR_MAX);
	memcpy(text + n, "/ws", 3);
	assert_false(multiaddr_parse(SLICE_OF(text, n + 3), &addr, &err));
	assert_non_null(strstr(err.text, "longer than"));
	memset(text, 'a', sizeof(text));
	memcpy(text, "/unix/", 6);
	assert_false(multiaddr_parse(SLICE_OF(text, 1000), &addr, &err));
	assert_false(multiaddr_parse(SLICE_OF(text, sizeof(text)), &addr, &err));
}

static void parts_come_out_in_order(void **state UNUSED)
{
	struct multiaddr_part part;
	struct multiaddr addr;
	struct slice rest;
	struct err err;

	assert_true(multiaddr_parse(SLICE_LIT("/ip4/1.2.3.4/tcp/80/ws"), &addr, &err));
	rest = multiaddr_slice(&addr);
	assert_true(multiaddr_next(&rest, &part));
	assert_int_equal(part.code, MULTIADDR_IP4);
	assert_true(slice_eq_str(part.value, "\x01\x02\x03\x04"));
	assert_true(multiaddr_next(&rest, &part));
	assert_string_equal(part.name, "tcp");
	assert_true(multiaddr_next(&rest, &part));
	assert_int_equal(part.code, MULTIADDR_WS);
	assert_int_equal(part.value.len, 0);
	assert_false(multiaddr_next(&rest, &part));
}

#define PEER  "QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC"
#define RELAY "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"

static void the_peer_is_the_end_of_the_way(void **state UNUSED)
{
	static const struct {
		const char *text, *peer;
	} cases[] = {
		{ "/ip4/1.2.3.4/tcp/80/p2p/" PEER, PEER },
		{ "/p2p/" PEER, PEER },
		{ "/ip4/1.2.3.4/tcp/80/p2p/" RELAY "/p2p-circuit/p2p/" PEER, PEER },
		{ "/ip4/1.2.3.4/tcp/80/p2p/" RELAY "/p2p-circuit", NULL },
		{ "/ip4/1.2.3.4/tcp/80", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[PEER_ID_TEXT_MAX];
		struct multiaddr addr;
		struct peer_id peer;
		struct err err;

		print_message("%s\n", cases[i].text);
		assert_true(multiaddr_parse(slice_str(cases[i].text), &addr, &err));
		assert_int_equal(multiaddr_peer(&addr, &peer), cases[i].peer != NULL);
		if (!cases[i].peer)
			continue;
		peer_id_text(&peer, text);
		assert_string_equal(text, cases[i].peer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_text_has_its_bytes_and_they_one_text),
		cmocka_unit_test(texts_that_are_no_address_are_refused),
		cmocka_unit_test(bytes_that_are_no_address_are_refused),
		cmocka_unit_test(an_address_that_is_too_long_is_refused),
		cmocka_unit_test(parts_come_out_in_order),
		cmocka_unit_test(the_peer_is_the_end_of_the_way),
	};
	return cmocka_run_group_tests_name("model/multiaddr", tests, NULL, NULL);
}
