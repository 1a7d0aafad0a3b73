#include "role/api/delegates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "role/api/pin_json.h"
#include "role/store_test.h"

#define ID "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"

struct fixture {
	struct test_store s;
	struct delegates *delegates;
	struct buf json;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	test_store_open(&f->s, NULL);
	f->delegates = delegates_new(f->s.store, &f->s.clock, 60 * US_PER_S);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	delegates_free(f->delegates);
	test_store_close(&f->s);
	buf_free(&f->json);
	xfree(f);
	return 0;
}

/* Peer n answers at 45.0.0.<n>, and in its own network; it was last seen `ago`. */
static void add_peer(struct fixture *f, unsigned n, int64_t ago)
{
	char id[16], public[128], private[128];
	struct slice addresses[2];
	struct peer_row row = { .report_version = 1000, .wish_version = 1000 };
	struct err err;

	snprintf(id, sizeof(id), "peer%u", n);
	snprintf(private, sizeof(private), "/ip4/10.0.0.%u/tcp/4001/p2p/" ID, n);
	snprintf(public, sizeof(public), "/ip4/45.0.0.%u/tcp/4001/p2p/" ID, n);
	addresses[0] = slice_str(private);
	addresses[1] = slice_str(public);
	row.addresses = (struct slice_list){ .at = addresses, .n = 2 };
	row.last_seen = f->s.now - ago;
	row.zone = n % 2 ? SLICE_LIT("odd") : SLICE_LIT("even");
	if (!store_peer_no(f->s.store, slice_str(id), &row.peer_no, &err) ||
	    !store_peer_report(f->s.store, &row, &err) || !store_peer_wish(f->s.store, &row, &err))
		fail_msg("%s", err.text);
	assert_int_equal(row.peer_no, n);
}

static const char *written(struct fixture *f, const struct owner_pin *pin,
			   const struct copy *copies, size_t n)
{
	const struct cid_view view = { .cid = pin->cid, .copies = copies, .n_copies = n };
	struct json_writer w = json_writer(&f->json);
	struct err err;

	f->json.len = 0;
	f->s.now += 2 * US_PER_S;
	if (!delegates_refresh(f->delegates, &err))
		fail_msg("%s", err.text);
	delegates_write(f->delegates, pin, copies ? &view : NULL, &w);
	buf_add_byte(&f->json, 0);
	return (const char *)f->json.ptr;
}

static bool names(const char *json, unsigned n)
{
	char text[64];

	snprintf(text, sizeof(text), "45.0.0.%u/", n);
	return strstr(json, text) != NULL;
}

static struct owner_pin pin_of(const uint8_t cid[36], int32_t replicas)
{
	return (struct owner_pin){ .cid = SLICE_OF(cid, 36), .rf_max = replicas };
}

static const uint8_t a_cid[36] = { 0x01, 0x55, 0x12, 0x20, 1, 2, 3 };

static void those_that_were_assigned_the_content_are_named(void **state)
{
	struct fixture *f = *state;
	const struct owner_pin pin = pin_of(a_cid, 2);
	const struct copy copies[] = {
		{ .peer_no = 2, .gen = 5, .desired = true, .state = COPY_PINNED, .state_gen = 5 },
		{ .peer_no = 3, .gen = 5, .desired = true },
		{ .peer_no = 4, .gen = 5, .desired = false },
	};
	const char *json;

	for (unsigned i = 1; i <= 6; i++)
		add_peer(f, i, 0);
	json = written(f, &pin, copies, 3);
	assert_false(names(json, 2)); /* has it */
	assert_true(names(json, 3));
	assert_false(names(json, 4)); /* gives it up */
	assert_null(strstr(json, "10.0.0."));
}

static void before_they_are_assigned_those_are_named_that_will_be(void **state)
{
	struct fixture *f = *state;
	struct owner_pin pin = pin_of(a_cid, 1);
	struct slice even = SLICE_LIT("even");
	unsigned named = 0;
	const char *json;

	for (unsigned i = 1; i <= 6; i++)
		add_peer(f, i, i == 5 ? 70 * US_PER_S : 0);
	json = written(f, &pin, NULL, 0);
	for (unsigned i = 1; i <= 6; i++)
		named += names(json, i);
	assert_int_equal(named, 1);
	assert_false(names(json, 5));
	pin.rf_max = 6;
	pin.zones = (struct slice_list){ .at = &even, .n = 1 };
	json = written(f, &pin, NULL, 0);
	for (unsigned i = 1; i <= 6; i++)
		assert_int_equal(names(json, i), i % 2 == 0);
}

static void where_nobody_is_up_any_peer_is_better_than_none(void **state)
{
	struct fixture *f = *state;
	const struct owner_pin pin = pin_of(a_cid, 1);

	assert_non_null(strstr(written(f, &pin, NULL, 0), "/ip4/127.0.0.1/tcp/9/p2p/"));
	add_peer(f, 1, 10 * US_PER_MIN);
	assert_true(names(written(f, &pin, NULL, 0), 1));
}

static void a_few_are_enough(void **state)
{
	struct fixture *f = *state;
	const struct owner_pin pin = pin_of(a_cid, REPLICAS_EVERYWHERE);
	unsigned n = 0;

	for (unsigned i = 1; i <= 20; i++)
		add_peer(f, i, 0);
	for (const char *at = written(f, &pin, NULL, 0); (at = strstr(at, "/p2p/")); at++)
		n++;
	assert_int_equal(n, DELEGATES_MAX);
}

static void an_error_of_any_length_is_shown_as_far_as_there_is_room(void **state)
{
	struct fixture *f = *state;
	const struct owner_pin pin = pin_of(a_cid, 1);
	char error[1001];
	struct copy copy = { .desired = true,
			     .gen = 1000,
			     .state_gen = 1000,
			     .state = COPY_ERROR,
			     .attempts = 1,
			     .error = SLICE_OF(error, 1000) };
	const struct cid_view view = { .copies = &copy, .n_copies = 1 };
	const struct pin_extra extra = { .delegates = f->delegates, .view = &view };
	struct json_writer w = json_writer(&f->json);
	const char *details;
	struct err err;

	memset(error, 'e', sizeof(error));
	assert_true(delegates_refresh(f->delegates, &err));
	psa_write_status(&w, &pin, &extra);
	buf_add_byte(&f->json, '\0');
	details = strstr((const char *)f->json.ptr, "failed: e");
	assert_non_null(details);
	assert_true(strspn(details + 8, "e") < 400);
	assert_true(details[8 + strspn(details + 8, "e")] == '"');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(those_that_were_assigned_the_content_are_named,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			before_they_are_assigned_those_are_named_that_will_be, setup, teardown),
		cmocka_unit_test_setup_teardown(where_nobody_is_up_any_peer_is_better_than_none,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_few_are_enough, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_error_of_any_length_is_shown_as_far_as_there_is_room, setup, teardown),
	};
	return cmocka_run_group_tests_name("role/api/delegates", tests, NULL, NULL);
}
