#include "store/shown.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/attr.h"

#define CREATED (1000 * US_PER_S)

/* A letter of a copy on peer 0, 1...: P pinned, Q queued, E failed, x pinned and not desired. */
static struct copy copy_of(char letter, uint32_t peer_no)
{
	return (struct copy){ .peer_no = peer_no,
			      .gen = 7,
			      .state_gen = letter == 'Q' ? 0 : 7,
			      .desired = letter != 'x',
			      .state = letter == 'E' ? COPY_ERROR : COPY_PINNED };
}

static void a_request_is_shown_the_copies_that_serve_it_and_no_more(void **state UNUSED)
{
	static const struct {
		const char *copies;
		int32_t rf_max;
		const char *zone; /* NULL: any */
		const char *shown;
	} cases[] = {
		{ "", 1, NULL, "" },
		{ "PP", 1, NULL, "0" },
		{ "QP", 1, NULL, "1" },
		{ "QPP", 2, NULL, "12" },
		{ "EQP", 2, NULL, "02" },
		{ "PQE", 3, NULL, "012" },
		{ "PQE", 4, NULL, "012" },
		{ "PQEx", -1, NULL, "012" },
		{ "xP", 2, NULL, "1" },
		/* even peers lie in a, odd ones in b */
		{ "PPPP", 1, "b", "1" },
		{ "PPPP", 4, "b", "13" },
		{ "PQPQ", -1, "b", "13" },
		{ "PPPP", 4, "c", "" },
	};
	static const struct peer_zone at[] = {
		{ 0, SLICE_LIT("a") },
		{ 1, SLICE_LIT("b") },
		{ 2, SLICE_LIT("a") },
		{ 3, SLICE_LIT("b") },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(arena_free) struct arena *mem = arena_new();
		struct slice zone = slice_str(cases[i].zone ? cases[i].zone : "");
		struct owner_pin row = { .rf_max = cases[i].rf_max };
		size_t n = strlen(cases[i].copies);
		const struct cid_view *view;
		struct copy copies[4];
		char shown[5] = "";

		if (cases[i].zone)
			row.zones = (struct slice_list){ &zone, 1 };
		for (size_t k = 0; k < n; k++)
			copies[k] = copy_of(cases[i].copies[k], (uint32_t)k);
		view = shown_view(&row, &(struct cid_view){ .copies = copies, .n_copies = n },
				  (struct peer_zones){ at, ARRAY_LEN(at) }, mem);
		for (size_t k = 0; k < view->n_copies; k++)
			shown[k] = (char)('0' + view->copies[k].peer_no);
		assert_string_equal(shown, cases[i].shown);
	}
}

static struct copy shown(int64_t created_at, const struct copy *c)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct owner_pin row = { .rf_max = 1,
				       .created_at = created_at,
				       .rev = (uint64_t)CREATED + US_PER_H };
	const struct cid_view all = { .copies = c, .n_copies = 1 };
	const struct cid_view *view = shown_view(&row, &all, (struct peer_zones){ 0 }, mem);

	assert_int_equal(view->n_copies, 1);
	return view->copies[0];
}

static void nothing_is_shown_of_the_time_before_a_request(void **state UNUSED)
{
	struct copy failed = copy_of('E', 1), c;

	failed.attempts = 5;
	failed.failure = FAILURE_STALLED;
	failed.error = SLICE_LIT("why");
	failed.assigned_at = CREATED;
	failed.failing_since = CREATED + 1;
	failed.observed_at = CREATED + 2;
	failed.next_at = CREATED + US_PER_H;
	/* made before it all */
	c = shown(CREATED, &failed);
	assert_memory_equal(&c, &failed, sizeof(c));
	/* made after it was assigned, after it first failed, after it last failed */
	c = shown(CREATED + 1, &failed);
	assert_int_equal(c.assigned_at, 0);
	assert_int_equal(c.attempts, 5);
	c = shown(CREATED + 2, &failed);
	assert_int_equal(c.failing_since, 0);
	assert_int_equal(c.attempts, 1);
	assert_int_equal(c.observed_at, CREATED + 2);
	assert_true(slice_eq_str(c.error, "why"));
	c = shown(CREATED + 3, &failed);
	assert_int_equal(copy_state(&c), COPY_QUEUED);
	assert_int_equal(c.attempts, 0);
	assert_int_equal(c.failure, FAILURE_NONE);
	assert_int_equal(c.error.len, 0);
	assert_int_equal(c.observed_at + c.next_at + c.failing_since + c.assigned_at, 0);
	/* assigned anew for it, and not answered yet */
	failed.gen = 8;
	failed.assigned_at = CREATED + 4;
	c = shown(CREATED + 3, &failed);
	assert_int_equal(c.assigned_at, CREATED + 4);
	assert_int_equal(c.attempts, 0);
	assert_int_equal(c.error.len, 0);
}

static void no_more_copies_are_told_as_pinned_than_were_asked_for(void **state UNUSED)
{
	assert_int_equal(shown_pinned(&(struct owner_pin){ .rf_max = 1, .copies = 3 }), 1);
	assert_int_equal(shown_pinned(&(struct owner_pin){ .rf_max = 3, .copies = 2 }), 2);
	assert_int_equal(shown_pinned(&(struct owner_pin){ .rf_max = -1, .copies = 3 }), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_shown_the_copies_that_serve_it_and_no_more),
		cmocka_unit_test(nothing_is_shown_of_the_time_before_a_request),
		cmocka_unit_test(no_more_copies_are_told_as_pinned_than_were_asked_for),
	};

	return cmocka_run_group_tests_name("shown", tests, NULL, NULL);
}
