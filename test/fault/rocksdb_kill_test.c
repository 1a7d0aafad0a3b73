/* rocksdb_kill_test.c -- what was acknowledged survives kills. */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "rocksdb_fixture.h"

#define WRITERS   4
#define KILLS     20
#define MOST_ROWS 1000000

struct writer {
	struct store_backend *b;
	uint32_t first;
	int out;
};

/* Notes what was told as durable; true if it was a row, false at the end. */
static bool hear(int in, bool *told, uint32_t *next)
{
	uint32_t i;

	if (read(in, &i, sizeof(i)) != sizeof(i))
		return false;
	assert_true(i < MOST_ROWS);
	told[i] = true;
	if (i + WRITERS >= *next)
		*next = i + 1 + WRITERS;
	return true;
}

/* Tells each row that is durable, for ever. */
static void *write_and_tell(void *ctx)
{
	struct writer *w = ctx;
	struct err err;

	for (uint32_t i = w->first;; i += WRITERS) {
		if (!put(w->b, i, &err) || !sync_store(w->b, &err))
			abort();
		if (write(w->out, &i, sizeof(i)) != sizeof(i))
			abort();
	}
	return NULL;
}

static void run_writers(struct fixture *f, uint32_t first, int out)
{
	struct writer writers[WRITERS];
	pthread_t threads[WRITERS];

	if (!open_at(f, f->dir, true))
		abort();
	for (uint32_t i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ f->b, first + i, out };
		if (pthread_create(&threads[i], NULL, write_and_tell, &writers[i]) != 0)
			abort();
	}
	pthread_join(threads[0], NULL);
	abort();
}

static bool note_row(void *ctx, const void *row)
{
	bool *there = ctx;

	there[((const struct job_cursor *)row)->part] = true;
	return true;
}

static void what_was_acknowledged_survives_kills(void **state)
{
	struct fixture *f = *state;
	bool *told = xcalloc(MOST_ROWS, 1), *there = xcalloc(MOST_ROWS, 1);
	struct store_query q = { .table = TABLE_JOB_CURSOR };
	uint32_t next = 0, i;
	size_t acknowledged = 0;

	srand(1);
	for (int kill_no = 0; kill_no < KILLS; kill_no++) {
		int status, ends[2];
		pid_t child;

		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		child = fork();
		if (child == 0)
			run_writers(f, next, ends[1]);
		close(ends[1]);
		/* Every other one as early as while it opens. */
		if (kill_no % 2 && hear(ends[0], told, &next))
			acknowledged++;
		usleep((useconds_t)(rand() % 150000));
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		while (hear(ends[0], told, &next))
			acknowledged++;
		close(ends[0]);
	}
	must_open(f, f->dir, false);
	assert_true(f->b->ops->read(f->b, &q, note_row, there, &f->err));
	for (i = 0; i < MOST_ROWS; i++)
		if (told[i] && !there[i])
			fail_msg("row %u was acknowledged and is gone", i);
	print_message("%zu rows acknowledged in %d lives\n", acknowledged, KILLS);
	assert_true(acknowledged >= KILLS / 2);
	xfree(told);
	xfree(there);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_was_acknowledged_survives_kills),
	};

	return cmocka_run_group_tests_name("fault/rocksdb_kill", tests, NULL, NULL);
}
