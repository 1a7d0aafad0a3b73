#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attr.h"
#include "store/rocksdb/committer.h"

#define PATIENCE 5000 /* ms */

/* A log whose syncs wait until the test lets them. */
struct fixture {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	uint64_t end;
	unsigned begun, allowed; /* syncs */
	bool sync_fails, recover_fails;
	unsigned recoveries;
	pthread_t syncer; /* who made the last sync */
	struct committer *committer;
};

struct answer {
	struct fixture *f;
	pthread_t asker;
	bool given, ok;
	struct err err;
};

static uint64_t log_end(void *ctx)
{
	struct fixture *f = ctx;
	uint64_t end;

	pthread_mutex_lock(&f->mutex);
	end = f->end;
	pthread_mutex_unlock(&f->mutex);
	return end;
}

static bool log_sync(void *ctx, uint64_t end UNUSED, struct err *err)
{
	struct fixture *f = ctx;
	unsigned me;
	bool fails;

	pthread_mutex_lock(&f->mutex);
	me = ++f->begun;
	f->syncer = pthread_self();
	pthread_cond_broadcast(&f->changed);
	while (f->allowed < me)
		pthread_cond_wait(&f->changed, &f->mutex);
	fails = f->sync_fails;
	pthread_mutex_unlock(&f->mutex);
	return !fails || err_set(err, ERR_UNAVAILABLE, "the sync failed");
}

static bool log_recover(void *ctx, struct err *err)
{
	struct fixture *f = ctx;
	bool fails;

	pthread_mutex_lock(&f->mutex);
	f->recoveries++;
	fails = f->recover_fails;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->mutex);
	return !fails || err_set(err, ERR_NO_SPACE, "the disk is full");
}

static int setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));
	struct committer_log log = { log_end, log_sync, log_recover, f };

	pthread_mutex_init(&f->mutex, NULL);
	pthread_cond_init(&f->changed, NULL);
	f->committer = committer_new(&log);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->committer)
		committer_free(f->committer);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->mutex);
	test_free(f);
	return 0;
}

static void on_answer(void *ctx, const struct err *err)
{
	struct answer *a = ctx;

	pthread_mutex_lock(&a->f->mutex);
	a->given = true;
	a->ok = !err;
	if (err)
		a->err = *err;
	pthread_cond_broadcast(&a->f->changed);
	pthread_mutex_unlock(&a->f->mutex);
}

static void await_begun(struct fixture *f, unsigned syncs)
{
	pthread_mutex_lock(&f->mutex);
	while (f->begun < syncs)
		pthread_cond_wait(&f->changed, &f->mutex);
	pthread_mutex_unlock(&f->mutex);
}

/* One write, and waiting for it. */
static void write_and_wait(struct fixture *f, struct answer *a)
{
	a->f = f;
	a->given = false;
	pthread_mutex_lock(&f->mutex);
	f->end++;
	pthread_mutex_unlock(&f->mutex);
	committer_when_durable(f->committer, committer_mark(f->committer), on_answer, a);
}

static void *ask(void *ctx)
{
	struct answer *a = ctx;

	write_and_wait(a->f, a);
	return NULL;
}

/* By a thread of its own: the first one syncs himself. */
static void begin_round(struct fixture *f, struct answer *a)
{
	*a = (struct answer){ .f = f };
	assert_int_equal(pthread_create(&a->asker, NULL, ask, a), 0);
	await_begun(f, f->allowed + 1);
}

static void end_round(struct answer *a)
{
	assert_int_equal(pthread_join(a->asker, NULL), 0);
}

static void allow(struct fixture *f, unsigned syncs, bool sync_fails)
{
	pthread_mutex_lock(&f->mutex);
	f->allowed = syncs;
	f->sync_fails = sync_fails;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->mutex);
}

static void await_answer(struct answer *a)
{
	pthread_mutex_lock(&a->f->mutex);
	while (!a->given)
		pthread_cond_wait(&a->f->changed, &a->f->mutex);
	pthread_mutex_unlock(&a->f->mutex);
}

static void assert_refused(struct answer *a, enum err_code code)
{
	await_answer(a);
	assert_false(a->ok);
	assert_int_equal(a->err.code, code);
}

static void await_writable(struct fixture *f)
{
	struct err err;

	for (int ms = 0; !committer_ok(f->committer, &err); ms++) {
		assert_true(ms < PATIENCE);
		usleep(1000);
	}
}

static void those_who_come_during_a_sync_are_answered_by_one_more(void **state)
{
	struct store_counters counters = { 0 };
	struct fixture *f = *state;
	struct answer first, others[2] = { 0 };

	begin_round(f, &first);
	write_and_wait(f, &others[0]);
	write_and_wait(f, &others[1]);
	allow(f, 2, false);
	end_round(&first);
	for (int i = 0; i < 2; i++) {
		await_answer(&others[i]);
		assert_true(others[i].ok);
	}
	assert_true(first.ok);
	assert_int_equal(f->begun, 2);
	committer_counters(f->committer, &counters);
	assert_int_equal(counters.syncs, 2);
	assert_int_equal(counters.synced_writes, 3);
}

static void those_who_came_during_a_sync_that_failed_are_refused_with_its_reason(void **state)
{
	struct fixture *f = *state;
	struct answer first, second = { 0 }, late;
	uint64_t mark;

	begin_round(f, &first);
	write_and_wait(f, &second);
	mark = committer_mark(f->committer);
	allow(f, 1, true);
	end_round(&first);
	assert_refused(&first, ERR_UNAVAILABLE);
	assert_refused(&second, ERR_UNAVAILABLE);
	assert_string_equal(second.err.text, "the sync failed");
	assert_int_equal(f->begun, 1); /* what failed is not tried again */
	await_writable(f);
	late = (struct answer){ .f = f };
	committer_when_durable(f->committer, mark, on_answer, &late);
	assert_refused(&late, ERR_UNAVAILABLE);
}

static void a_write_that_fails_during_a_sync_takes_its_yes_away(void **state)
{
	const struct err why = { .code = ERR_NO_SPACE, .text = "no space" };
	struct fixture *f = *state;
	struct answer a = { 0 };

	begin_round(f, &a);
	committer_fail(f->committer, &why);
	allow(f, 1, false);
	end_round(&a);
	assert_refused(&a, ERR_NO_SPACE);
}

static void until_it_is_recovered_the_newest_reason_is_told(void **state)
{
	const struct err why = { .code = ERR_UNAVAILABLE, .text = "a write failed" };
	struct store_counters counters = { 0 };
	struct fixture *f = *state;
	struct answer a = { 0 };
	struct err err;

	f->recover_fails = true;
	committer_fail(f->committer, &why);
	write_and_wait(f, &a);
	assert_refused(&a, ERR_UNAVAILABLE);
	for (int ms = 0; committer_ok(f->committer, &err) || err.code != ERR_NO_SPACE; ms++) {
		assert_true(ms < PATIENCE);
		usleep(1000);
	}
	committer_counters(f->committer, &counters);
	assert_true(counters.read_only);
	assert_string_equal(counters.reason, "the disk is full");
	pthread_mutex_lock(&f->mutex);
	f->recover_fails = false;
	pthread_mutex_unlock(&f->mutex);
	await_writable(f);
	allow(f, 1, false);
	write_and_wait(f, &a);
	await_answer(&a);
	assert_true(a.ok);
}

static void who_waits_when_it_ends_is_answered(void **state)
{
	struct fixture *f = *state;
	struct answer first, a = { 0 };

	begin_round(f, &first);
	write_and_wait(f, &a);
	allow(f, 2, false);
	end_round(&first);
	committer_free(f->committer);
	f->committer = NULL;
	assert_true(a.given);
	assert_true(a.ok);
}

static void who_comes_while_nobody_syncs_does_it_himself(void **state)
{
	struct fixture *f = *state;
	struct answer a = { 0 };

	allow(f, 2, false);
	for (unsigned i = 1; i <= 2; i++) {
		write_and_wait(f, &a);
		assert_true(a.given && a.ok);
		assert_int_equal(f->begun, i);
		assert_true(pthread_equal(f->syncer, pthread_self()));
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(those_who_come_during_a_sync_are_answered_by_one_more),
		T(those_who_came_during_a_sync_that_failed_are_refused_with_its_reason),
		T(a_write_that_fails_during_a_sync_takes_its_yes_away),
		T(until_it_is_recovered_the_newest_reason_is_told),
		T(who_waits_when_it_ends_is_answered),
		T(who_comes_while_nobody_syncs_does_it_himself),
	};

	return cmocka_run_group_tests_name("store/committer", tests, NULL, NULL);
}
