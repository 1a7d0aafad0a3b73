#include "role/worker/resolve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

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
	static const char *const texts[] = { "/ip4/127.0.0.1/tcp/1", "/dnsaddr/localhost",
					     "/unix/tmp/x" };
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_becomes_its_addresses),
		cmocka_unit_test(other_addresses_are_not_looked_up),
		cmocka_unit_test(too_many_at_once_are_refused),
	};
	return cmocka_run_group_tests_name("role/resolve", tests, NULL, NULL);
}
