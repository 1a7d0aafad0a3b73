#include "role/worker/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attr.h"

static struct cid cid_of(unsigned n)
{
	struct cid cid = { .len = 36 };

	memcpy(cid.bytes, "\x01\x55\x12\x20", 4);
	memcpy(cid.bytes + 4, &n, sizeof(n));
	return cid;
}

static void count(void *ctx, struct task *task UNUSED)
{
	++*(unsigned *)ctx;
}

static void remove_it(void *ctx, struct task *task)
{
	journal_remove(ctx, task);
}

static void a_journal_finds_what_was_added_however_much_it_is(void **state UNUSED)
{
	struct journal j;
	unsigned n = 0;

	journal_init(&j, 7);
	for (unsigned i = 0; i < 1000; i++) {
		struct cid cid = cid_of(i);

		assert_null(journal_find(&j, cid_slice(&cid)));
		journal_add(&j, &cid);
	}
	for (unsigned i = 0; i < 1000; i++) {
		struct cid cid = cid_of(i);
		struct task *t = journal_find(&j, cid_slice(&cid));

		assert_non_null(t);
		assert_memory_equal(&t->cid, &cid, sizeof(cid));
		if (i % 2)
			journal_remove(&j, t);
	}
	assert_int_equal(j.n, 500);
	journal_each(&j, count, &n);
	assert_int_equal(n, 500);
	journal_each(&j, remove_it, &j);
	assert_int_equal(j.n, 0);
	journal_deinit(&j);
}

static void an_assignment_is_copied_and_a_newer_report_of_ones_own_stays(void **state UNUSED)
{
	char owner[] = "ada";
	struct slice origin = SLICE_LIT("/ip4/1.2.3.4/tcp/1/p2p/x");
	struct bus_msg msg = {
		.peer_no = 7,
		.owner = slice_str(owner),
		.origins = { &origin, 1 },
		.copy = { .gen = 10,
			  .desired = true,
			  .stamp = 3,
			  .attempts = 2,
			  .error = SLICE_LIT("no room") },
	};
	struct cid cid = cid_of(1);
	struct journal j;
	struct task *t;

	journal_init(&j, 7);
	t = journal_add(&j, &cid);
	task_assign(t, &msg);
	owner[0] = 'x';
	assert_true(slice_eq_str(t->owner, "ada"));
	assert_int_equal(t->origins.n, 1);
	assert_true(slice_eq(t->origins.at[0], origin));
	assert_int_equal(t->copy.peer_no, 7);
	assert_int_equal(t->copy.attempts, 2);
	assert_true(slice_eq_str(t->copy.error, "no room"));

	t->copy.stamp = 20; /* told since; the next order has not heard of it */
	t->copy.attempts = 5;
	msg.copy.gen = 30;
	msg.copy.peer_no = 7;
	msg.copy.desired = false;
	task_assign(t, &msg);
	assert_int_equal(t->copy.gen, 30);
	assert_false(t->copy.desired);
	assert_int_equal(t->copy.stamp, 20);
	assert_int_equal(t->copy.attempts, 5);
	journal_deinit(&j);
}

static void texts_of_errors_are_cut(void **state UNUSED)
{
	char text[1000];
	struct bus_msg msg = { .copy = { .gen = 1, .error = SLICE_OF((uint8_t *)text, 1000) } };
	struct cid cid = cid_of(1);
	struct journal j;
	struct task *t;

	memset(text, 'a', sizeof(text));
	journal_init(&j, 7);
	t = journal_add(&j, &cid);
	task_assign(t, &msg);
	assert_int_equal(t->copy.error.len, TASK_ERROR_MAX);
	journal_deinit(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_journal_finds_what_was_added_however_much_it_is),
		cmocka_unit_test(an_assignment_is_copied_and_a_newer_report_of_ones_own_stays),
		cmocka_unit_test(texts_of_errors_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
