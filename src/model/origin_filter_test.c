#include "model/origin_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct ip ip(const char *text)
{
	struct err err = { 0 };
	struct ip out = { 0 };

	if (!ip_parse(slice_str(text), &out, &err))
		fail_msg("%s", err.text);
	return out;
}

static struct ip_net net(const char *text)
{
	struct err err = { 0 };
	struct ip_net out = { 0 };

	if (!ip_net_parse(slice_str(text), &out, &err))
		fail_msg("%s", err.text);
	return out;
}

static void only_public_addresses_may_be_dialled(void **state UNUSED)
{
	static const struct {
		const char *ip;
		const char *why; /* NULL: may be dialled */
	} cases[] = {
		{ "1.1.1.1", NULL },
		{ "9.255.255.255", NULL },
		{ "11.0.0.0", NULL },
		{ "100.63.255.255", NULL },
		{ "100.128.0.0", NULL },
		{ "172.15.255.255", NULL },
		{ "172.32.0.0", NULL },
		{ "192.167.255.255", NULL },
		{ "198.17.255.255", NULL },
		{ "198.20.0.0", NULL },
		{ "223.255.255.255", NULL },
		{ "2606:4700:4700::1111", NULL },
		{ "2a00:1450::1", NULL },
		{ "2001:200::1", NULL },
		{ "::ffff:1.1.1.1", NULL },
		{ "64:ff9b::1.1.1.1", NULL },
		{ "2002:101:101::1", NULL },
		{ "0.0.0.0", "this network" },
		{ "10.0.0.0", "private" },
		{ "10.255.255.255", "private" },
		{ "100.64.0.0", "carrier-grade" },
		{ "100.127.255.255", "carrier-grade" },
		{ "127.0.0.1", "loopback" },
		{ "127.255.255.254", "loopback" },
		{ "169.254.169.254", "link-local" },
		{ "172.16.0.1", "private" },
		{ "172.31.255.255", "private" },
		{ "192.0.0.8", "protocol" },
		{ "192.0.2.1", "documentation" },
		{ "192.88.99.1", "6to4" },
		{ "192.168.1.1", "private" },
		{ "198.18.0.1", "benchmarks" },
		{ "198.19.255.255", "benchmarks" },
		{ "198.51.100.1", "documentation" },
		{ "203.0.113.1", "documentation" },
		{ "224.0.0.1", "multicast" },
		{ "240.0.0.1", "reserved" },
		{ "255.255.255.255", "reserved" },
		{ "::", "reserved" },
		{ "::1", "loopback" },
		{ "::2", "reserved" },
		{ "::127.0.0.1", "reserved" },
		{ "::1.1.1.1", "reserved" },
		{ "::ffff:127.0.0.1", "loopback" },
		{ "::ffff:a00:1", "private" },
		{ "64:ff9b::10.0.0.1", "private" },
		{ "64:ff9b::7f00:1", "loopback" },
		{ "64:ff9b:1::1", "local NAT64" },
		{ "100::1", "reserved" },
		{ "2001::1", "protocol" },
		{ "2001:0:4136:e378:8000:63bf:3fff:fdd2", "protocol" },
		{ "2001:db8::1", "documentation" },
		{ "2002:a00:1::1", "private" },
		{ "2002:7f00:1::", "loopback" },
		{ "3fff::1", "documentation" },
		{ "3fff:fff::1", "documentation" },
		{ "4000::1", "reserved" },
		{ "5f00::1", "reserved" },
		{ "fc00::1", "private" },
		{ "fdff::1", "private" },
		{ "fe80::1", "link-local" },
		{ "febf::1", "link-local" },
		{ "fec0::1", "site-local" },
		{ "ff02::1", "multicast" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { 0 };
		struct ip target = ip(cases[i].ip);

		print_message("%s\n", cases[i].ip);
		assert_int_equal(origin_filter_ip(&target, NULL, 0, &err), cases[i].why == NULL);
		if (!cases[i].why)
			continue;
		assert_int_equal(err.code, ERR_DENIED);
		assert_non_null(strstr(err.text, cases[i].why));
	}
}

static void what_the_operator_lists_may_be_dialled(void **state UNUSED)
{
	struct ip_net allowed[] = { net("10.1.0.0/16"), net("127.0.0.1"), net("fd00::/8") };
	static const struct {
		const char *ip;
		bool ok;
	} cases[] = {
		{ "10.1.2.3", true },
		{ "10.2.0.0", false },
		{ "127.0.0.1", true },
		{ "127.0.0.2", false },
		{ "fd12::1", true },
		{ "fc12::1", false },
		{ "::ffff:10.1.2.3", true },
		{ "64:ff9b::10.1.2.3", true },
		{ "2002:a01:203::1", true },
		{ "2002:a02:203::1", false },
		{ "64:ff9b::10.2.2.3", false },
		{ "1.1.1.1", true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip target = ip(cases[i].ip);
		struct err err;

		print_message("%s\n", cases[i].ip);
		assert_int_equal(origin_filter_ip(&target, allowed, 3, &err), cases[i].ok);
	}
}

static void nets_have_the_addresses_of_their_prefix(void **state UNUSED)
{
	static const struct {
		const char *net, *ip;
		bool has;
	} cases[] = {
		{ "0.0.0.0/0", "10.0.0.1", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "::1", true },
		{ "::/0", "10.0.0.1", false },
		{ "10.0.0.0/9", "10.127.255.255", true },
		{ "10.0.0.0/9", "10.128.0.0", false },
		{ "10.0.0.1/32", "10.0.0.1", true },
		{ "10.0.0.1", "10.0.0.2", false },
		{ "::ffff:10.0.0.0/104", "10.9.9.9", true },
		{ "fd00::/9", "fd80::", false },
		{ "fd00::1/128", "fd00::1", true },
		{ "fd00::1", "fd00::2", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip_net n = net(cases[i].net);
		struct ip target = ip(cases[i].ip);

		print_message("%s %s\n", cases[i].net, cases[i].ip);
		assert_int_equal(ip_net_has(&n, &target), cases[i].has);
	}
}

static void nets_are_read_strictly(void **state UNUSED)
{
	static const char *const bad[] = {
		"",
		"/8",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/08",
		"10.0.0.0/-1",
		"10.0.0.0/8 ",
		" 10.0.0.0/8",
		"10.0.0/8",
		"10.1.2.3/8",
		"::/129",
		"fd00::1/8",
		"fe80::1%lo",
		"localhost",
		"10.0.0.0/8/8",
		"010.0.0.0/8",
		"10.0.0.0/255.0.0.0",
		"0xa000000",
		"167772160",
		"10.0.0.0/1a",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = { 0 };
		struct ip_net n;

		print_message("\"%s\"\n", bad[i]);
		assert_false(ip_net_parse(slice_str(bad[i]), &n, &err));
		assert_int_equal(err.code, ERR_INVALID);
	}
}

#define PEER "/p2p/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC"

static void every_address_of_an_origin_counts(void **state UNUSED)
{
	static const struct {
		const char *addr;
		const char *why; /* NULL: may be dialled */
	} cases[] = {
		{ "/ip4/1.1.1.1/tcp/4001" PEER, NULL },
		{ "/ip6/2606:4700::1/udp/4001/quic-v1" PEER, NULL },
		{ "/ip4/1.1.1.1/tcp/443/tls/sni/a.example/ws" PEER, NULL },
		{ "/ip4/10.0.0.1/tcp/4001" PEER, "10.0.0.1" },
		{ "/ip6/::ffff:10.0.0.1/tcp/4001" PEER, "10.0.0.1" },
		{ "/ip6/fd00::1/tcp/4001" PEER, "fd00::1" },
		{ "/ip4/1.1.1.1/tcp/4001" PEER "/p2p-circuit/ip4/10.0.0.1/tcp/1" PEER, "10.0.0.1" },
		{ "/dns4/localhost/tcp/4001" PEER, "dns4" },
		{ "/dnsaddr/example.com" PEER, "dnsaddr" },
		{ "/ip4/1.1.1.1/tcp/4001/dns/a.example", "by dns" },
		{ "/unix/run/kubo.sock", "unix" },
		{ "/ip6zone/eth0/ip6/2606:4700::1/tcp/1", "ip6zone" },
		{ PEER, "must have an IP" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct multiaddr addr;
		struct err err = { 0 };

		print_message("%s\n", cases[i].addr);
		assert_true(multiaddr_parse(slice_str(cases[i].addr), &addr, &err));
		assert_int_equal(origin_filter_check(&addr, NULL, 0, &err), cases[i].why == NULL);
		if (!cases[i].why)
			continue;
		assert_int_equal(err.code, ERR_DENIED);
		assert_non_null(strstr(err.text, cases[i].why));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_public_addresses_may_be_dialled),
		cmocka_unit_test(what_the_operator_lists_may_be_dialled),
		cmocka_unit_test(nets_have_the_addresses_of_their_prefix),
		cmocka_unit_test(nets_are_read_strictly),
		cmocka_unit_test(every_address_of_an_origin_counts),
	};
	return cmocka_run_group_tests_name("model/origin_filter", tests, NULL, NULL);
}
