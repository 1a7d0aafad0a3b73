#include "role/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/attr.h"

static void a_cid_is_there_once_with_all_that_was_said_of_it(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct batch *batch = batch_new(mem);
	const struct replan_item *items;
	char text[] = "one";
	size_t n;

	batch_add_wake(batch, SLICE_OF((uint8_t *)text, 3), &(struct wake){ .due_at = 1 });
	text[0] = 'x'; /* the batch has a copy of its own */
	batch_add(batch, SLICE_LIT("two"));
	batch_add_wake(batch, SLICE_LIT("one"), &(struct wake){ .due_at = 2 });
	batch_set_bury(batch, batch_add(batch, SLICE_LIT("one")));
	items = batch_items(batch, &n);
	assert_int_equal(n, 2);
	assert_true(slice_eq_str(items[0].cid, "one"));
	assert_int_equal(items[0].n_woken, 2);
	assert_int_equal(items[0].woken[0].due_at, 1);
	assert_int_equal(items[0].woken[1].due_at, 2);
	assert_true(slice_eq_str(items[0].woken[1].cid, "one"));
	assert_true(items[0].bury);
	assert_true(slice_eq_str(items[1].cid, "two"));
	assert_false(items[1].bury);
}

static void of_several_reports_of_a_peer_the_newest_counts_whatever_their_order(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct batch *batch = batch_new(mem);
	const struct replan_item *items;
	size_t n;

	for (uint64_t i = 0; i < 3; i++)
		batch_add_observed(batch, SLICE_LIT("one"),
				   &(struct copy){ .peer_no = 1,
						   .stamp = (const uint64_t[]){ 5, 9, 7 }[i],
						   .attempts = (uint16_t)i });
	batch_add_observed(batch, SLICE_LIT("one"), &(struct copy){ .peer_no = 2, .stamp = 1 });
	items = batch_items(batch, &n);
	assert_int_equal(n, 1);
	assert_int_equal(items[0].n_observed, 2);
	assert_int_equal(items[0].observed[0].stamp, 9);
	assert_int_equal(items[0].observed[0].attempts, 1);
	assert_int_equal(items[0].observed[1].peer_no, 2);
}

static void many_cids_keep_their_order(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct batch *batch = batch_new(mem);
	const struct replan_item *items;
	char text[16];
	size_t n;

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 3000; i++) {
			snprintf(text, sizeof(text), "cid-%d", i);
			assert_int_equal(batch_add(batch, slice_str(text)), i);
		}
	items = batch_items(batch, &n);
	assert_int_equal(n, 3000);
	assert_true(slice_eq_str(items[2999].cid, "cid-2999"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cid_is_there_once_with_all_that_was_said_of_it),
		cmocka_unit_test(
			of_several_reports_of_a_peer_the_newest_counts_whatever_their_order),
		cmocka_unit_test(many_cids_keep_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
