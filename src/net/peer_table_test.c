#include "net/peer_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <arpa/inet.h>

#include <cmocka.h>

#include "base/attr.h"

static struct http_peer peer(const char *text)
{
	struct http_peer p = { .ip = { [10] = 0xff, [11] = 0xff } };

	if (strchr(text, ':'))
		assert_int_equal(inet_pton(AF_INET6, text, p.ip), 1);
	else
		assert_int_equal(inet_pton(AF_INET, text, p.ip + 12), 1);
	return p;
}

static void addresses_are_counted_apart(void **state UNUSED)
{
	struct peer_table *table = peer_table_new();
	struct http_peer a = peer("192.0.2.1"), b = peer("192.0.2.2");

	assert_true(peer_table_enter(table, &a, 2));
	assert_true(peer_table_enter(table, &a, 2));
	assert_false(peer_table_enter(table, &a, 2));
	assert_true(peer_table_enter(table, &b, 2));
	peer_table_leave(table, &a);
	assert_true(peer_table_enter(table, &a, 2));
	for (int i = 0; i < 2; i++)
		peer_table_leave(table, &a);
	peer_table_leave(table, &b);
	peer_table_free(table); /* asserts that nothing is left */
}

static void a_customer_of_ipv6_counts_once(void **state UNUSED)
{
	struct peer_table *table = peer_table_new();
	struct http_peer a = peer("2001:db8:1:2::1"), b = peer("2001:db8:1:2:ffff::9"),
			 c = peer("2001:db8:1:3::1");

	assert_true(peer_table_enter(table, &a, 1));
	assert_false(peer_table_enter(table, &b, 1));
	assert_true(peer_table_enter(table, &c, 1));
	peer_table_leave(table, &b);
	peer_table_leave(table, &c);
	peer_table_free(table);
}

static void many_addresses_come_and_go(void **state UNUSED)
{
	struct peer_table *table = peer_table_new();
	struct http_peer p = peer("10.0.0.0");

	for (unsigned i = 0; i < 20000; i++) {
		memcpy(p.ip + 12, &i, 4);
		assert_true(peer_table_enter(table, &p, 1));
		assert_false(peer_table_enter(table, &p, 1));
	}
	for (unsigned i = 0; i < 20000; i++) {
		memcpy(p.ip + 12, &i, 4);
		peer_table_leave(table, &p);
	}
	peer_table_free(table);
}

static void addresses_have_a_text(void **state UNUSED)
{
	struct http_peer a = peer("192.0.2.1"), b = peer("2001:db8::1");
	char text[HTTP_PEER_TEXT];

	assert_string_equal(http_peer_text(&a, text), "192.0.2.1");
	assert_string_equal(http_peer_text(&b, text), "2001:db8::1");
}

static void the_machine_itself_is_known(void **state UNUSED)
{
	static const struct {
		const char *address;
		bool loopback;
	} cases[] = {
		{ "127.0.0.1", true },  { "127.255.255.255", true },
		{ "126.0.0.1", false }, { "128.0.0.1", false },
		{ "::1", true },        { "::2", false },
		{ "::", false },        { "2001:db8::1", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_peer p = peer(cases[i].address);

		assert_int_equal(http_peer_is_loopback(&p), cases[i].loopback);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_counted_apart),
		cmocka_unit_test(a_customer_of_ipv6_counts_once),
		cmocka_unit_test(many_addresses_come_and_go),
		cmocka_unit_test(addresses_have_a_text),
		cmocka_unit_test(the_machine_itself_is_known),
	};
	return cmocka_run_group_tests_name("net/peer_table", tests, NULL, NULL);
}
