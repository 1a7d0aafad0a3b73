#include "role/worker/turn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/attr.h"

struct work {
	struct turn_entry entry;
	char name;
};

/* The name of the next one, which ends at once. */
static char next(struct turn *t, int64_t now)
{
	struct turn_entry *e = turn_next(t, now, TURN_OF_ALL);

	if (!e)
		return '-';
	assert_int_equal(e->place, TURN_RUNNING);
	turn_remove(t, e);
	return CONTAINER_OF(e, struct work, entry)->name;
}

/* The same for every owner. */
static unsigned bound(void *ctx, struct slice owner UNUSED)
{
	return *(unsigned *)ctx;
}

static void owners_take_turns_whatever_they_queue(void **state UNUSED)
{
	struct work many[1000] = { 0 }, one = { .name = 'b' };
	struct turn t;
	int until_b = 0;

	turn_init(&t, bound, &(unsigned){ 0 });
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		many[i].name = 'a';
		turn_add_fresh(&t, &many[i].entry, SLICE_LIT("ada"), 100, 0);
	}
	assert_int_equal(next(&t, 0), 'a');
	turn_add_fresh(&t, &one.entry, SLICE_LIT("bob"), 0, 0);
	while (next(&t, 0) != 'b')
		until_b++;
	assert_in_range(until_b, 0, 1);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		turn_remove(&t, &many[i].entry);
	turn_deinit(&t);
}

static void the_newest_is_not_behind_the_queue_and_the_oldest_is_not_forgotten(void **state UNUSED)
{
	struct work w[6] = { { .name = '1' }, { .name = '2' }, { .name = '3' },
			     { .name = '4' }, { .name = '5' }, { .name = '6' } };
	char order[7] = "";
	struct turn t;

	turn_init(&t, bound, &(unsigned){ 0 });
	for (size_t i = 0; i < 6; i++)
		turn_add_fresh(&t, &w[i].entry, SLICE_LIT("ada"), 0, 0);
	for (size_t i = 0; i < 6; i++)
		order[i] = next(&t, 0);
	assert_string_equal(order, "615243");
	assert_int_equal(next(&t, 0), '-');
	turn_deinit(&t);
}

static void what_counts_is_when_it_was_asked_for(void **state UNUSED)
{
	struct work w[4] = { { .name = 'b' }, { .name = 'd' }, { .name = 'a' }, { .name = 'c' } };
	static const int64_t asked_at[] = { 20, 40, -10, 30 };
	char order[5] = "";
	struct turn t;

	turn_init(&t, bound, &(unsigned){ 0 });
	for (size_t i = 0; i < 4; i++)
		turn_add_fresh(&t, &w[i].entry, SLICE_LIT("ada"), 0, asked_at[i]);
	for (size_t i = 0; i < 4; i++)
		order[i] = next(&t, 0);
	assert_string_equal(order, "dacb");
	turn_deinit(&t);
}

static bool any(const struct turn_entry *e UNUSED)
{
	return true;
}

static bool due_before_10(const struct turn_entry *e)
{
	return e->order < 10;
}

static void what_must_not_be_given_up_is_passed_over(void **state UNUSED)
{
	struct work retries[3] = { 0 };
	struct turn t;

	turn_init(&t, NULL, NULL);
	for (size_t i = 0; i < 3; i++)
		turn_add_retry(&t, &retries[i].entry, SLICE_LIT("ada"), 8 + (int64_t)i);
	assert_ptr_equal(turn_spare(&t, any), &retries[2].entry);
	assert_ptr_equal(turn_spare(&t, due_before_10), &retries[1].entry);
	for (size_t i = 0; i < 2; i++)
		turn_remove(&t, &retries[i].entry);
	assert_null(turn_spare(&t, due_before_10));
	turn_remove(&t, &retries[2].entry);
	turn_deinit(&t);
}

static void what_is_given_up_for_room_is_a_late_retry_then_one_from_the_middle(void **state UNUSED)
{
	struct work w[7] = { 0 }, bob = { .name = 'b' }, retries[2] = { 0 };
	struct turn t;

	turn_init(&t, NULL, NULL);
	assert_null(turn_spare(&t, any));
	turn_add_fresh(&t, &bob.entry, SLICE_LIT("bob"), 0, 1);
	for (size_t i = 0; i < 7; i++)
		turn_add_fresh(&t, &w[i].entry, SLICE_LIT("ada"), 0, (int64_t)i);
	turn_add_retry(&t, &retries[0].entry, SLICE_LIT("ada"), 9);
	turn_add_retry(&t, &retries[1].entry, SLICE_LIT("bob"), 10);
	for (int i = 2; i-- > 0; turn_remove(&t, &retries[i].entry))
		assert_ptr_equal(turn_spare(&t, any), &retries[i].entry);
	for (int i = 0; i < 5; i++) {
		struct turn_entry *spare = turn_spare(&t, any);

		assert_true(spare != &w[0].entry && spare != &w[6].entry && spare != &bob.entry);
		turn_remove(&t, spare);
	}
	turn_remove(&t, &w[0].entry);
	turn_remove(&t, &w[6].entry);
	assert_ptr_equal(turn_spare(&t, any), &bob.entry);
	turn_remove(&t, &bob.entry);
	turn_deinit(&t);
}

static bool is_marked(const struct turn_entry *e)
{
	return CONTAINER_OF(e, const struct work, entry)->name == '!';
}

/* Neither one beside the middle nor somebody else's is missed. */
static void room_is_found_as_long_as_one_may_go(void **state UNUSED)
{
	struct work w[8] = { 0 }; /* the last one is another owner's */
	struct turn t;

	turn_init(&t, NULL, NULL);
	for (int i = 0; i < 8; i++)
		turn_add_fresh(&t, &w[i].entry, i < 7 ? SLICE_LIT("ada") : SLICE_LIT("bob"), 0, i);
	assert_null(turn_spare(&t, is_marked));
	for (int i = 0; i < 8; i++) {
		w[i].name = '!';
		assert_ptr_equal(turn_spare(&t, is_marked), &w[i].entry);
		w[i].name = ' ';
	}
	for (int i = 0; i < 8; i++)
		turn_remove(&t, &w[i].entry);
	turn_deinit(&t);
}

static void higher_priority_goes_first(void **state UNUSED)
{
	struct work w[4] = { { .name = 'l' }, { .name = 'h' }, { .name = 'm' }, { .name = 'H' } };
	static const int32_t priority[] = { -100, 100, 0, 100 };
	char order[5] = "";
	struct turn t;

	turn_init(&t, bound, &(unsigned){ 0 });
	for (size_t i = 0; i < 4; i++)
		turn_add_fresh(&t, &w[i].entry, SLICE_LIT("ada"), priority[i], 0);
	for (size_t i = 0; i < 4; i++)
		order[i] = next(&t, 0);
	assert_string_equal(order, "Hhml");
	turn_deinit(&t);
}

static void retries_wait_for_their_time_and_get_every_fourth_turn(void **state UNUSED)
{
	struct work fresh[6], retry[2] = { { .name = 'r' }, { .name = 's' } };
	char order[9] = "";
	struct turn t;

	turn_init(&t, bound, &(unsigned){ 0 });
	turn_add_retry(&t, &retry[0].entry, SLICE_LIT("ada"), 50);
	turn_add_retry(&t, &retry[1].entry, SLICE_LIT("bob"), 90);
	assert_int_equal(turn_due(&t), 50);
	assert_int_equal(next(&t, 49), '-');
	for (size_t i = 0; i < 6; i++) {
		fresh[i] = (struct work){ .name = 'f' };
		turn_add_fresh(&t, &fresh[i].entry, SLICE_LIT("ada"), 0, 0);
	}
	for (size_t i = 0; i < 8; i++)
		order[i] = next(&t, 100);
	assert_string_equal(order, "fffrfffs"); /* a turn that nobody could have is none */
	assert_int_equal(turn_due(&t), INT64_MAX);
	turn_deinit(&t);
}

static void a_bound_that_changes_holds_from_the_next_turn_on(void **state UNUSED)
{
	struct work a[3] = { { .name = 'a' }, { .name = 'b' }, { .name = 'c' } };
	unsigned most = 1;
	struct turn t;

	turn_init(&t, bound, &most);
	for (size_t i = 0; i < 3; i++)
		turn_add_fresh(&t, &a[i].entry, SLICE_LIT("ada"), 0, 0);
	assert_non_null(turn_next(&t, 0, TURN_OF_ALL));
	assert_null(turn_next(&t, 0, TURN_OF_ALL));
	most = 2;
	assert_non_null(turn_next(&t, 0, TURN_OF_ALL));
	assert_null(turn_next(&t, 0, TURN_OF_ALL));
	for (size_t i = 0; i < 3; i++)
		turn_remove(&t, &a[i].entry);
	turn_deinit(&t);
}

static void an_owner_at_his_bound_waits_and_others_do_not(void **state UNUSED)
{
	struct work a[3] = { { .name = 'a' }, { .name = 'b' }, { .name = 'c' } };
	struct work retry = { .name = 'r' }, other = { .name = 'x' };
	struct turn_entry *running[2];
	struct turn t;

	turn_init(&t, bound, &(unsigned){ 2 });
	for (size_t i = 0; i < 3; i++)
		turn_add_fresh(&t, &a[i].entry, SLICE_LIT("ada"), 0, 0);
	turn_add_retry(&t, &retry.entry, SLICE_LIT("ada"), 0);
	for (size_t i = 0; i < 2; i++)
		assert_non_null(running[i] = turn_next(&t, 10, TURN_OF_ALL));
	assert_int_equal(next(&t, 10), '-');
	turn_add_fresh(&t, &other.entry, SLICE_LIT("bob"), 0, 0);
	assert_int_equal(next(&t, 10), 'x');
	assert_int_equal(next(&t, 10), '-');
	turn_remove(&t, running[0]);
	assert_int_not_equal(next(&t, 10), '-');
	turn_add_retry(&t, running[1], SLICE_LIT("ada"), 99); /* it failed */
	assert_int_not_equal(next(&t, 10), '-');
	assert_int_equal(next(&t, 10), '-');
	assert_int_equal(turn_due(&t), 99);
	turn_remove(&t, running[1]);
	turn_deinit(&t);
}

static void a_newcomer_is_who_has_nothing_running(void **state UNUSED)
{
	struct work a[2] = { { .name = 'a' }, { .name = 'A' } };
	struct work b[2] = { { .name = 'b' }, { .name = 'B' } };
	struct turn_entry *first;
	struct turn t;

	turn_init(&t, bound, &(unsigned){ 0 });
	for (size_t i = 0; i < 2; i++)
		turn_add_fresh(&t, &a[i].entry, SLICE_LIT("ada"), 0, 0);
	assert_non_null(first = turn_next(&t, 0, TURN_OF_NEWCOMERS));
	assert_null(turn_next(&t, 0, TURN_OF_NEWCOMERS));
	turn_add_fresh(&t, &b[0].entry, SLICE_LIT("bob"), 0, 0);
	turn_add_retry(&t, &b[1].entry, SLICE_LIT("bob"), 0);
	assert_ptr_equal(turn_next(&t, 0, TURN_OF_NEWCOMERS), &b[0].entry);
	assert_null(turn_next(&t, 0, TURN_OF_NEWCOMERS));
	turn_remove(&t, &b[0].entry);
	assert_null(turn_next(&t, 0, TURN_OF_NEWCOMERS)); /* a retry is nothing new */
	turn_remove(&t, first);
	assert_non_null(turn_next(&t, 0, TURN_OF_NEWCOMERS));
	turn_remove(&t, &a[0].entry);
	turn_remove(&t, &a[1].entry);
	turn_remove(&t, &b[1].entry);
	turn_deinit(&t);
}

/* However many of an owner's retries are due, nobody else's wait behind them. */
static void retries_of_others_do_not_wait_behind_those_of_an_owner_at_his_bound(void **state UNUSED)
{
	static struct work many[1000];
	struct work one = { .name = 'b' };
	struct turn_entry *running;
	struct turn t;

	turn_init(&t, bound, &(unsigned){ 1 });
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		many[i] = (struct work){ .name = 'a' };
		turn_add_retry(&t, &many[i].entry, SLICE_LIT("ada"), 1);
	}
	assert_non_null(running = turn_next(&t, 10, TURN_OF_ALL));
	turn_add_retry(&t, &one.entry, SLICE_LIT("bob"), 9);
	assert_int_equal(turn_due(&t), 9);
	assert_int_equal(next(&t, 8), '-');
	assert_int_equal(next(&t, 10), 'b');
	assert_int_equal(turn_due(&t), INT64_MAX);
	turn_remove(&t, running);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		turn_remove(&t, &many[i].entry);
	turn_deinit(&t);
}

static void owners_take_turns_with_their_retries_too(void **state UNUSED)
{
	struct work a[4] = { { .name = '1' }, { .name = '2' }, { .name = '3' }, { .name = '4' } };
	struct work b[2] = { { .name = 'b' }, { .name = 'B' } };
	char order[7] = "";
	struct turn t;

	turn_init(&t, bound, &(unsigned){ 0 });
	for (int i = 0; i < 4; i++)
		turn_add_retry(&t, &a[i].entry, SLICE_LIT("ada"), 10 + i);
	for (int i = 0; i < 2; i++)
		turn_add_retry(&t, &b[i].entry, SLICE_LIT("bob"), 50 - i);
	for (size_t i = 0; i < 6; i++)
		order[i] = next(&t, 100);
	assert_string_equal(order, "1B2b34");
	turn_deinit(&t);
}

static void removed_entries_do_not_come(void **state UNUSED)
{
	struct work a = { .name = 'a' }, b = { .name = 'b' };
	struct turn t;

	turn_init(&t, bound, &(unsigned){ 0 });
	turn_add_fresh(&t, &a.entry, SLICE_LIT("ada"), 0, 0);
	turn_add_retry(&t, &b.entry, SLICE_LIT("ada"), 0);
	turn_remove(&t, &a.entry);
	turn_remove(&t, &a.entry);
	turn_remove(&t, &b.entry);
	assert_int_equal(next(&t, 10), '-');
	assert_int_equal(t.n_fresh + t.n_retries, 0);
	turn_deinit(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(owners_take_turns_whatever_they_queue),
		cmocka_unit_test(
			the_newest_is_not_behind_the_queue_and_the_oldest_is_not_forgotten),
		cmocka_unit_test(what_counts_is_when_it_was_asked_for),
		cmocka_unit_test(what_must_not_be_given_up_is_passed_over),
		cmocka_unit_test(
			what_is_given_up_for_room_is_a_late_retry_then_one_from_the_middle),
		cmocka_unit_test(room_is_found_as_long_as_one_may_go),
		cmocka_unit_test(higher_priority_goes_first),
		cmocka_unit_test(retries_wait_for_their_time_and_get_every_fourth_turn),
		cmocka_unit_test(an_owner_at_his_bound_waits_and_others_do_not),
		cmocka_unit_test(a_newcomer_is_who_has_nothing_running),
		cmocka_unit_test(a_bound_that_changes_holds_from_the_next_turn_on),
		cmocka_unit_test(
			retries_of_others_do_not_wait_behind_those_of_an_owner_at_his_bound),
		cmocka_unit_test(owners_take_turns_with_their_retries_too),
		cmocka_unit_test(removed_entries_do_not_come),
	};
	return cmocka_run_group_tests_name("role/turn", tests, NULL, NULL);
}
