#include "role/worker/resolve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <pthread.h>

#include <cmocka.h>

struct found {
	struct arena *mem;
	char text[512]; /* the last one */
	unsigned n, node;
};

static void note(void *ctx, unsigned node, const struct multiaddr *addr)
{
	struct found *f = ctx;
	struct slice text = multiaddr_text(addr, f->mem);

	f->n++;
	f->node = node;
	snprintf(f->text, sizeof(f->text), "%.*s ", SLICE_FMT(text));
}

static struct multiaddr parsed(const char *text)
{
	struct multiaddr addr;
	struct err err;

	assert_true(multiaddr_parse(slice_str(text), &addr, &err));
	return addr;
}

/* Until nothing is being looked up. */
static void finish(struct resolver *r, struct found *f)
{
	for (int i = 0; i < 2000 && resolver_take(r, note, f) > 0; i++)
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
}

static void a_name_becomes_its_addresses(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct found f = { .mem = mem };
	struct resolver *r = resolver_new();
	struct multiaddr addr = parsed("/dns4/localhost/tcp/4001");
	struct err err;

	assert_true(resolve_needed(&addr));
	assert_true(resolver_start(r, 7, &addr, &err));
	finish(r, &f);
	assert_string_equal(f.text, "/ip4/127.0.0.1/tcp/4001 ");
	assert_int_equal(f.node, 7);
	assert_int_equal(resolver_take(r, note, &f), 0);
	assert_int_equal(f.n, 1); /* given once */
	resolver_free(r);
}

static void other_addresses_are_not_looked_up(void **state UNUSED)
{
	static const char *const texts[] = { "/ip4/127.0.0.1/tcp/1", "/unix/tmp/x" };
	struct resolver *r = resolver_new();

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct multiaddr addr = parsed(texts[i]);
		struct err err = { 0 };

		assert_false(resolve_needed(&addr));
		assert_false(resolver_start(r, 0, &addr, &err));
		assert_int_equal(err.code, ERR_INVALID);
	}
	resolver_free(r);
}

static void too_many_at_once_are_refused(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct found f = { .mem = mem };
	struct resolver *r = resolver_new();
	struct multiaddr addr = parsed("/dns4/localhost/tcp/4001");
	struct err err = { 0 };

	for (int i = 0; i < RESOLVE_MAX; i++)
		assert_true(resolver_start(r, 0, &addr, &err));
	assert_false(resolver_start(r, 0, &addr, &err));
	assert_int_equal(err.code, ERR_EXHAUSTED);
	finish(r, &f);
	assert_int_equal(f.n, RESOLVE_MAX);
	assert_true(resolver_start(r, 0, &addr, &err));
	resolver_free(r); /* with one running */
}

/* ---- /dnsaddr ------------------------------------------------------------------------- */

#define ID    "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"
#define OTHER "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"

struct zone { /* a name server that knows a few names */
	struct {
		const char *name, *texts[4];
	} names[4];
	int socket;
	struct sockaddr_in at;
	pthread_t thread;
	unsigned asked;
};

/* The name of a question, dotted. */
static size_t question_name(const uint8_t *q, char out[256])
{
	size_t at = 0, n = 0;

	for (; q[at]; at += 1u + q[at]) {
		memcpy(out + n, q + at + 1, q[at]);
		n += q[at];
		out[n++] = '.';
	}
	out[n ? n - 1 : 0] = '\0';
	return at + 1;
}

static size_t add_record(uint8_t *out, const char *text)
{
	static const uint8_t head[] = { 0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 0, 0 };
	size_t n = strlen(text);

	memcpy(out, head, sizeof(head));
	out[11] = (uint8_t)(n + 1);
	out[12] = (uint8_t)n;
	memcpy(out + 13, text, n);
	return 13 + n;
}

/* Answers until it is asked nothing. */
static void *serve(void *arg)
{
	struct zone *z = arg;
	uint8_t msg[1500];
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(z->socket, msg, 512, 0, (struct sockaddr *)&from, &from_len)) > 12) {
		char name[256];
		size_t len = 12 + question_name(msg + 12, name) + 4;

		z->asked++;
		msg[2] |= 0x80;
		msg[3] = 3; /* no such name */
		memset(msg + 6, 0, 6);
		for (size_t i = 0; i < 4 && z->names[i].name; i++) {
			if (strcmp(z->names[i].name, name) != 0)
				continue;
			msg[3] = 0;
			for (size_t k = 0; k < 4 && z->names[i].texts[k]; k++, msg[7]++)
				len += add_record(msg + len, z->names[i].texts[k]);
		}
		sendto(z->socket, msg, len, 0, (struct sockaddr *)&from, from_len);
		from_len = sizeof(from);
	}
	return NULL;
}

static void zone_start(struct zone *z)
{
	socklen_t len = sizeof(z->at);

	z->at = (struct sockaddr_in){ .sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	z->socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(z->socket, (struct sockaddr *)&z->at, len), 0);
	assert_int_equal(getsockname(z->socket, (struct sockaddr *)&z->at, &len), 0);
	assert_int_equal(pthread_create(&z->thread, NULL, serve, z), 0);
}

static void zone_end(struct zone *z)
{
	sendto(z->socket, "", 1, 0, (struct sockaddr *)&z->at, sizeof(z->at));
	pthread_join(z->thread, NULL);
	close(z->socket);
}

static unsigned look_up(struct zone *z, const char *text, struct found *f)
{
	struct resolver *r = resolver_new();
	struct multiaddr addr = parsed(text);
	struct err err;

	zone_start(z);
	resolver_ask_at(r, &z->at);
	assert_true(resolve_needed(&addr));
	assert_true(resolver_start(r, 3, &addr, &err));
	finish(r, f);
	resolver_free(r);
	zone_end(z);
	return f->n;
}

static void a_dnsaddr_becomes_the_addresses_of_its_peer(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct found f = { .mem = mem };
	struct zone z = { .names = { { "_dnsaddr.example.org",
				       { "dnsaddr=/ip4/198.51.100.7/tcp/4001/p2p/" ID,
					 "dnsaddr=/ip4/198.51.100.8/tcp/4001/p2p/" OTHER,
					 "v=spf1 -all", "dnsaddr=nonsense" } } } };

	assert_int_equal(look_up(&z, "/dnsaddr/example.org/p2p/" ID, &f), 1);
	assert_string_equal(f.text, "/ip4/198.51.100.7/tcp/4001/p2p/" ID " ");
	assert_int_equal(f.node, 3);
}

static void names_behind_a_dnsaddr_are_looked_up_in_turn(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct found f = { .mem = mem };
	struct zone z = { .names = { { "_dnsaddr.example.org",
				       { "dnsaddr=/dnsaddr/a.example.org/p2p/" ID } },
				     { "_dnsaddr.a.example.org",
				       { "dnsaddr=/dns4/localhost/tcp/4001/p2p/" ID } } } };

	assert_int_equal(look_up(&z, "/dnsaddr/example.org/p2p/" ID, &f), 1);
	assert_string_equal(f.text, "/ip4/127.0.0.1/tcp/4001/p2p/" ID " ");
}

static void a_dnsaddr_that_leads_to_itself_ends(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct found f = { .mem = mem };
	struct zone z = { .names = { { "_dnsaddr.example.org",
				       { "dnsaddr=/dnsaddr/example.org/p2p/" ID,
					 "dnsaddr=/dnsaddr/example.org/p2p/" ID } } } };

	assert_int_equal(look_up(&z, "/dnsaddr/example.org/p2p/" ID, &f), 0);
	assert_int_equal(z.asked, 1 + 2 + 4);
}

static void a_dnsaddr_that_is_not_there_gives_nothing(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct found f = { .mem = mem };
	struct zone z = { 0 };

	assert_int_equal(look_up(&z, "/dnsaddr/example.org/p2p/" ID, &f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_becomes_its_addresses),
		cmocka_unit_test(other_addresses_are_not_looked_up),
		cmocka_unit_test(too_many_at_once_are_refused),
		cmocka_unit_test(a_dnsaddr_becomes_the_addresses_of_its_peer),
		cmocka_unit_test(names_behind_a_dnsaddr_are_looked_up_in_turn),
		cmocka_unit_test(a_dnsaddr_that_leads_to_itself_ends),
		cmocka_unit_test(a_dnsaddr_that_is_not_there_gives_nothing),
	};
	return cmocka_run_group_tests_name("role/resolve", tests, NULL, NULL);
}
