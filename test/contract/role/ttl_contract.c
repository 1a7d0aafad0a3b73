/* What role/ttl.h promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/role/roles.h"

static struct ulid pin_for(struct roles *r, unsigned n, int64_t ttl_us)
{
	return roles_pin(r, "ada", n, &(struct pin_ask){ .given = ASK_EXPIRY, .ttl_us = ttl_us });
}

static int64_t step(struct roles *r)
{
	struct err err = { 0 };
	int64_t due;

	if (!ttl_step(r->ttl, &due, &err))
		fail_msg("%s", err.text);
	return due;
}

static bool lives(struct roles *r, struct ulid id)
{
	bool found;

	roles_status(r, "ada", id, &found);
	return found;
}

static void what_the_queue_holds_is_met_on_time_and_never_early(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = roles_new(&(struct roles_options){ .nodes = 1 });
	struct ulid id = pin_for(r, 1, 90 * US_PER_S);
	int64_t due = step(r);

	assert_int_equal(due, r->now + 90 * US_PER_S);
	r->now = due - 1;
	step(r);
	assert_true(lives(r, id));
	r->now = due;
	step(r);
	assert_false(lives(r, id));
}

static void what_is_made_after_a_scan_ends_at_the_next(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = roles_new(&(struct roles_options){ .nodes = 1 });
	int64_t due = step(r);
	struct ulid id;

	assert_int_equal(due, r->now + 5 * US_PER_MIN);
	r->now += US_PER_S;
	id = pin_for(r, 1, 10 * US_PER_S);
	r->now = due;
	step(r);
	assert_false(lives(r, id));
}

static void what_is_pinned_shows_as_expiring_one_scan_before(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = roles_new(&(struct roles_options){ .nodes = 1 });
	struct ulid far = pin_for(r, 1, 8 * US_PER_MIN), near = pin_for(r, 2, 4 * US_PER_MIN);
	bool found;

	roles_run(r, 5 * US_PER_S);
	assert_int_not_equal(roles_status(r, "ada", far, &found), STATUS_EXPIRING);
	assert_int_equal(roles_status(r, "ada", near, &found), STATUS_EXPIRING);
	r->now += 4 * US_PER_MIN; /* the near one is due: not a whole scan */
	step(r);
	assert_int_equal(roles_status(r, "ada", far, &found), STATUS_EXPIRING);
}

static void what_no_node_has_never_shows_as_expiring(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = roles_new(&(struct roles_options){ .nodes = 1 });
	struct ulid id = pin_for(r, 1, 4 * US_PER_MIN);
	bool found;

	step(r);
	assert_int_equal(roles_status(r, "ada", id, &found), STATUS_QUEUED);
	r->now += 4 * US_PER_MIN - 1;
	step(r);
	assert_int_equal(roles_status(r, "ada", id, &found), STATUS_QUEUED);
	assert_true(found);
}

static void a_late_row_is_found_by_a_whole_scan(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = roles_new(&(struct roles_options){ .nodes = 1 });
	struct ulid id;
	int64_t due = step(r);

	r->now = due;
	step(r);
	r->now -= 9 * US_PER_MIN; /* an instance whose clock is slow */
	id = pin_for(r, 1, US_PER_MIN);
	r->now = due + 5 * US_PER_MIN;
	step(r);
	assert_false(lives(r, id));
}

/* Else n expiries within a scan cost n * n looks. */
static void a_step_between_scans_reads_only_what_is_new(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = roles_new(&(struct roles_options){ .nodes = 1 });
	enum { PINS = 200 };
	uint64_t whole, timed = 0;

	for (unsigned i = 0; i < PINS; i++)
		pin_for(r, i, (60 + i) * US_PER_S);
	r->store_calls = 0;
	r->now = step(r);
	whole = r->store_calls;
	for (unsigned i = 0; i < 20; i++) {
		r->store_calls = 0;
		r->now = step(r);
		if (r->store_calls > timed)
			timed = r->store_calls;
	}
	assert_in_range(timed, 1, whole / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_queue_holds_is_met_on_time_and_never_early),
		cmocka_unit_test(what_is_made_after_a_scan_ends_at_the_next),
		cmocka_unit_test(what_is_pinned_shows_as_expiring_one_scan_before),
		cmocka_unit_test(what_no_node_has_never_shows_as_expiring),
		cmocka_unit_test(a_late_row_is_found_by_a_whole_scan),
		cmocka_unit_test(a_step_between_scans_reads_only_what_is_new),
	};
	return cmocka_run_group_tests_name("role/ttl", tests, NULL, NULL);
}
