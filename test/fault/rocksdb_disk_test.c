/* rocksdb_disk_test.c -- a full and a failing disk: nothing is acknowledged that was not synced.
 * Runs with fail_writes.so preloaded. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/dir.h"
#include "rocksdb_fixture.h"

#define PRESSURES 30

static void tell_disk(const char *what)
{
	const char *path = getenv("PINFOLD_FAIL_WRITES");
	int fd;

	assert_non_null(path);
	unlink(path);
	if (!what)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_true(syscall(SYS_write, fd, what, strlen(what)) > 0); /* write() may be refused */
	close(fd);
}

static void wait_until_writable(struct fixture *f)
{
	struct store_counters counters;

	for (int i = 0; i < 1000; i++) {
		f->b->ops->counters(f->b, &counters);
		if (!counters.read_only)
			return;
		usleep(20000);
	}
	fail_msg("still read-only: %s", counters.reason);
}

static void check_disk_failure(struct fixture *f, const char *what, enum err_code code)
{
	struct store_counters counters;

	must_open(f, f->dir, true);
	fill(f, 0, ROWS);
	tell_disk(what);
	if (put(f->b, ROWS, &f->err))
		assert_false(sync_store(f->b, &f->err));
	assert_int_equal(f->err.code, code);
	assert_false(put(f->b, ROWS + 1, &f->err));
	assert_int_equal(f->err.code, code);
	assert_false(sync_store(f->b, &f->err));
	f->b->ops->counters(f->b, &counters);
	assert_true(counters.read_only);
	assert_true(good_rows(f) >= ROWS); /* reading goes on */
	usleep(1500000);                   /* also after it has tried to write again */
	assert_true(good_rows(f) >= ROWS);
	tell_disk(NULL);
	wait_until_writable(f);
	assert_true(good_rows(f) >= ROWS);
	fill(f, ROWS, ROWS + 50);
	shut(f);
	must_open(f, f->dir, false);
	assert_int_equal(good_rows(f), ROWS + 50);
}

static void a_full_disk_stops_writes_until_there_is_space(void **state)
{
	check_disk_failure(*state, "full", ERR_NO_SPACE);
}

static void a_failed_sync_acknowledges_nothing_until_opened_anew(void **state)
{
	check_disk_failure(*state, "sync", ERR_UNAVAILABLE);
}

static void a_mark_made_before_a_failure_is_never_acknowledged(void **state)
{
	struct fixture *f = *state;
	struct outcome o = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };
	uint64_t mark;

	must_open(f, f->dir, true);
	fill(f, 0, 10);
	assert_true(put(f->b, 10, &f->err));
	mark = f->b->ops->mark(f->b);
	tell_disk("sync");
	assert_false(sync_store(f->b, &f->err));
	tell_disk(NULL);
	wait_until_writable(f);
	fill(f, 11, 20);
	f->b->ops->when_durable(f->b, mark, on_durable, &o);
	assert_true(o.done);
	assert_false(o.ok);
	assert_int_equal(o.err.code, ERR_UNAVAILABLE);
}

static void closing_a_store_on_a_full_disk_refuses_who_waits(void **state)
{
	struct fixture *f = *state;
	struct outcome o = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };

	must_open(f, f->dir, true);
	fill(f, 0, 10);
	assert_true(put(f->b, 10, &f->err));
	tell_disk("sync");
	f->b->ops->when_durable(f->b, f->b->ops->mark(f->b), on_durable, &o);
	shut(f);
	tell_disk(NULL);
	assert_true(o.done);
	assert_false(o.ok);
	must_open(f, f->dir, false);
	assert_true(good_rows(f) >= 10);
}

static void of_a_write_that_the_disk_failed_in_nobody_knows_whether_it_is_there(void **state)
{
	struct fixture *f = *state;

	must_open(f, f->dir, true);
	fill(f, 0, 10);
	tell_disk("broken");
	assert_false(put(f->b, 10, &f->err));
	assert_int_equal(f->err.code, ERR_TIMEOUT);
	assert_false(put(f->b, 11, &f->err)); /* was not tried */
	assert_int_equal(f->err.code, ERR_UNAVAILABLE);
	tell_disk(NULL);
	wait_until_writable(f);
	fill(f, 10, 20);
	assert_int_equal(good_rows(f), 20);
}

struct relay { /* two who read, so that always at least one does */
	struct fixture *f;
	atomic_uint begun[2];
	atomic_bool stop;
};

struct runner {
	struct relay *relay;
	int me;
};

static bool until_the_other_reads(void *ctx, const void *row UNUSED)
{
	struct runner *r = ctx;
	unsigned before = r->relay->begun[!r->me];

	r->relay->begun[r->me]++;
	while (r->relay->begun[!r->me] == before && !r->relay->stop)
		usleep(100);
	return false;
}

static void *read_on(void *ctx)
{
	struct store_query q = { .table = TABLE_JOB_CURSOR };
	struct runner *r = ctx;
	struct store_backend *b = r->relay->f->b;
	struct err err;

	while (!r->relay->stop)
		(void)!b->ops->read(b, &q, until_the_other_reads, r, &err);
	return NULL;
}

static void a_disk_that_is_well_again_is_written_to_however_many_read(void **state)
{
	struct relay relay = { .f = *state };
	struct runner runners[] = { { &relay, 0 }, { &relay, 1 } };
	pthread_t threads[2];

	must_open(relay.f, relay.f->dir, true);
	fill(relay.f, 0, 10);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_on, &runners[i]), 0);
	tell_disk("sync");
	if (put(relay.f->b, 10, &relay.f->err))
		assert_false(sync_store(relay.f->b, &relay.f->err));
	tell_disk(NULL);
	wait_until_writable(relay.f);
	fill(relay.f, 10, 20);
	relay.stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(good_rows(relay.f), 20);
}

/* Opens an empty directory while one directory cannot be synced. */
static bool opens_without_sync_of(struct fixture *f, const char *unsynced)
{
	char told[TEMP_DIR_MAX + 32];
	bool ok;

	snprintf(told, sizeof(told), "sync %s", unsynced);
	tell_disk(told);
	ok = open_at(f, f->dir, true);
	tell_disk(NULL);
	return ok;
}

/* Whoever made it may have been killed before he synced it. */
static void a_store_is_not_begun_in_a_directory_that_may_go(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdir(f->dir, 0700), 0);
	assert_false(opens_without_sync_of(f, f->root));
	assert_int_equal(f->err.code, ERR_UNAVAILABLE);
	must_open(f, f->dir, true); /* what it has left is taken for a new one */
	shut(f);
	assert_true(opens_without_sync_of(f, f->root));
}

static void a_directory_is_made_for_good_or_not_made(void **state)
{
	struct fixture *f = *state;
	char told[TEMP_DIR_MAX + 32];

	snprintf(told, sizeof(told), "sync %s", f->root);
	tell_disk(told);
	assert_false(dir_make(f->dir));
	assert_true(dir_make(f->root)); /* that is there already */
	tell_disk(NULL);
	assert_true(dir_make(f->copy));
}

/* Some rows are synced, and one more is written to a log made since. */
static void write_to_a_new_log(struct fixture *f)
{
	must_open(f, f->dir, true);
	fill(f, 0, 10);
	assert_true(f->b->ops->verify(f->b, NULL, NULL, &f->err)); /* flushes */
	assert_true(put(f->b, 10, &f->err));
}

static void a_log_that_could_not_be_listed_is_not_taken_for_synced(void **state)
{
	struct fixture *f = *state;

	write_to_a_new_log(f);
	tell_disk("list");
	assert_false(sync_store(f->b, &f->err));
	assert_int_equal(f->err.code, ERR_UNAVAILABLE);
	tell_disk(NULL);
	wait_until_writable(f);
	fill(f, 11, 20);
	assert_int_equal(good_rows(f), 20);
}

/* While the newest log cannot be synced; of one that is removed if `removed`. */
static void tell_newest_log(struct fixture *f, bool removed)
{
	char told[TEMP_DIR_MAX + 96];
	struct files files;

	read_dir(f->dir, &files);
	snprintf(told, sizeof(told), "sync %s/%s%s", f->dir, find_file(&files, ".log")->name,
		 removed ? " (deleted)" : "");
	free_files(&files);
	tell_disk(told);
}

/* The kernel tells of it once, to who had the log open. */
static void a_log_that_the_database_could_not_sync_is_not_taken_for_synced(void **state)
{
	struct fixture *f = *state;

	write_to_a_new_log(f);
	tell_newest_log(f, false);
	assert_false(f->b->ops->verify(f->b, NULL, NULL, &f->err)); /* flushes */
	tell_disk(NULL);
	assert_false(sync_store(f->b, &f->err));
	assert_int_equal(f->err.code, ERR_UNAVAILABLE);
	wait_until_writable(f);
	assert_int_equal(good_rows(f), 11);
}

static void a_log_that_was_made_good_is_not_synced_any_more(void **state)
{
	struct fixture *f = *state;

	must_open(f, f->dir, true);
	fill(f, 0, 10);
	tell_newest_log(f, false);
	assert_true(put(f->b, 10, &f->err));
	assert_false(sync_store(f->b, &f->err));
	tell_newest_log(f, true);
	wait_until_writable(f);
	fill(f, 11, 20);
	tell_disk(NULL);
	assert_int_equal(good_rows(f), 20);
}

/* Opening it anew fails as well, as long as the directory cannot be synced. */
static void a_recovery_that_fails_is_tried_again_and_reading_goes_on(void **state)
{
	struct fixture *f = *state;
	char told[TEMP_DIR_MAX + 32];

	write_to_a_new_log(f);
	snprintf(told, sizeof(told), "sync %s", f->dir);
	tell_disk(told);
	assert_false(sync_store(f->b, &f->err));
	for (int i = 0; i < 5; i++) { /* more than two tries */
		usleep(500000);
		assert_int_equal(good_rows(f), 11);
		assert_false(put(f->b, 11, &f->err));
		assert_int_equal(f->err.code, ERR_UNAVAILABLE);
	}
	tell_disk(NULL);
	wait_until_writable(f);
	fill(f, 11, 20);
	assert_int_equal(good_rows(f), 20);
}

static void what_was_written_and_not_synced_is_not_opened_unless_it_can_be(void **state)
{
	struct fixture *f = *state;
	struct files files;

	make_killed_store(f, &files);
	write_dir(f->dir, &files);
	free_files(&files);
	tell_newest_log(f, false);
	assert_false(open_at(f, f->dir, false));
	assert_int_equal(f->err.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(f->err.text, ".log"));
	tell_disk(NULL);
	must_open(f, f->dir, false);
	assert_int_equal(good_rows(f), ROWS);
}

static void a_store_that_finds_no_space_is_begun_when_there_is_some(void **state)
{
	struct fixture *f = *state;

	tell_disk("full");
	assert_false(open_at(f, f->dir, true));
	assert_int_equal(f->err.code, ERR_NO_SPACE);
	assert_non_null(strstr(f->err.text, "FORMAT"));
	tell_disk(NULL);
	must_open(f, f->dir, true);
	fill(f, 0, 10);
	assert_int_equal(good_rows(f), 10);
}

/* Whether there is a backup after it failed while the disk was told `what`. */
static bool backed_up_while(struct fixture *f, const char *what)
{
	struct store_backend *b = f->b;
	bool ok;

	temp_dir_remove(f->copy);
	tell_disk(what);
	assert_false(b->ops->backup(b, f->copy, &f->err));
	assert_int_equal(f->err.code, ERR_UNAVAILABLE);
	tell_disk(NULL);
	ok = open_at(f, f->copy, false);
	if (ok)
		shut(f);
	f->b = b;
	return ok;
}

static void a_backup_that_is_not_wholly_on_the_disk_is_none(void **state)
{
	struct fixture *f = *state;
	char told[TEMP_DIR_MAX + 64];

	must_open(f, f->dir, true);
	fill(f, 0, 10);
	assert_false(backed_up_while(f, "list"));
	snprintf(told, sizeof(told), "sync %s/CURRENT", f->copy);
	assert_false(backed_up_while(f, told));
	snprintf(told, sizeof(told), "sync %s/SYNCED.new", f->copy);
	assert_false(backed_up_while(f, told));
	temp_dir_remove(f->copy);
	assert_true(f->b->ops->backup(f->b, f->copy, &f->err));
	shut(f);
	must_open(f, f->copy, false);
	assert_int_equal(good_rows(f), 10);
}

/* More new files than the kernel keeps in mind, so that it tells of none that comes then. */
static void overflow_watches(const char *dir)
{
	FILE *in = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
	unsigned max;

	assert_non_null(in);
	assert_int_equal(fscanf(in, "%u", &max), 1);
	fclose(in);
	for (unsigned i = 0; i < max + 2; i++) {
		char path[TEMP_DIR_MAX + 32];

		snprintf(path, sizeof(path), "%s/%u", dir, i % 2); /* of equals it keeps one */
		assert_int_equal(mknod(path, S_IFREG | 0600, 0), 0);
		unlink(path);
	}
}

static void a_log_that_the_kernel_did_not_tell_of_is_synced(void **state)
{
	struct fixture *f = *state;
	must_open(f, f->dir, true);
	fill(f, 0, 10);
	fill(f, 10, 20); /* by now it has looked, and is told */
	overflow_watches(f->dir);
	assert_true(f->b->ops->verify(f->b, NULL, NULL, &f->err)); /* flushes */
	assert_true(put(f->b, 20, &f->err));
	tell_newest_log(f, false);
	assert_false(sync_store(f->b, &f->err));
	tell_disk(NULL);
	wait_until_writable(f);
	assert_int_equal(good_rows(f), 21);
}

struct one_sync {
	struct fixture *f;
	atomic_bool done;
	bool ok;
};

static void *sync_once(void *ctx)
{
	struct one_sync *s = ctx;
	struct err err;

	s->ok = sync_store(s->f->b, &err);
	s->done = true;
	return NULL;
}

static void a_sync_without_a_free_descriptor_waits_for_one(void **state)
{
	struct fixture *f = *state;
	struct one_sync sync = { .f = f };
	struct store_counters counters;
	pthread_t thread;

	write_to_a_new_log(f);
	tell_disk("files");
	assert_int_equal(pthread_create(&thread, NULL, sync_once, &sync), 0);
	usleep(200000);
	f->b->ops->counters(f->b, &counters);
	assert_false(counters.read_only);
	assert_false(sync.done);
	tell_disk(NULL);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(sync.ok);
}

static void a_sync_that_never_gets_a_descriptor_fails_in_the_end(void **state)
{
	struct fixture *f = *state;
	struct store_counters counters;

	write_to_a_new_log(f);
	tell_disk("files");
	assert_false(sync_store(f->b, &f->err));
	f->b->ops->counters(f->b, &counters);
	assert_true(counters.read_only);
	tell_disk(NULL);
	wait_until_writable(f);
	assert_true(put(f->b, 11, &f->err));
	assert_true(sync_store(f->b, &f->err));
	assert_int_equal(good_rows(f), 12);
}

/* As connections do whose replies wait for the sync. */
static void a_sync_goes_on_while_others_hold_all_descriptors(void **state)
{
	struct fixture *f = *state;
	struct rlimit was, few;
	int held[64];
	size_t n = 0;
	bool ok;

	write_to_a_new_log(f);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = was;
	few.rlim_cur = (rlim_t)dup(0) + 32;
	close((int)few.rlim_cur - 32);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (n < ARRAY_LEN(held) && (held[n] = dup(0)) >= 0)
		n++;
	assert_true(n < ARRAY_LEN(held));
	ok = sync_store(f->b, &f->err);
	while (n > 0)
		close(held[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_true(ok);
}

struct pressure {
	struct fixture *f;
	atomic_bool stop;
};

static void *write_on(void *ctx)
{
	struct pressure *p = ctx;
	struct err err;

	for (uint32_t i = 0; !p->stop; i++)
		(void)!put(p->f->b, i % ROWS, &err);
	return NULL;
}

static void *sync_on(void *ctx)
{
	struct pressure *p = ctx;
	struct err err;

	while (!p->stop)
		(void)!sync_store(p->f->b, &err);
	return NULL;
}

/* A write that fails while the log is being synced must not end the process. */
static void a_disk_that_becomes_full_between_write_and_sync_stops_writes(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < PRESSURES; i++) {
		struct pressure p = { .f = f };
		pthread_t threads[4];
		uint32_t left;

		must_open(f, f->dir, true);
		for (int k = 0; k < 4; k++)
			assert_int_equal(pthread_create(&threads[k], NULL,
							k < 2 ? sync_on : write_on, &p),
					 0);
		usleep(20000);
		tell_disk("full");
		usleep(20000);
		p.stop = true;
		for (int k = 0; k < 4; k++)
			pthread_join(threads[k], NULL);
		left = good_rows(f);
		assert_in_range(left, 1, ROWS);
		tell_disk(NULL);
		shut(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_full_disk_stops_writes_until_there_is_space),
		T(a_failed_sync_acknowledges_nothing_until_opened_anew),
		T(a_mark_made_before_a_failure_is_never_acknowledged),
		T(of_a_write_that_the_disk_failed_in_nobody_knows_whether_it_is_there),
		T(a_disk_that_is_well_again_is_written_to_however_many_read),
		T(a_store_is_not_begun_in_a_directory_that_may_go),
		T(a_directory_is_made_for_good_or_not_made),
		T(a_disk_that_becomes_full_between_write_and_sync_stops_writes),
		T(a_log_that_could_not_be_listed_is_not_taken_for_synced),
		T(a_log_that_the_kernel_did_not_tell_of_is_synced),
		T(a_log_that_the_database_could_not_sync_is_not_taken_for_synced),
		T(a_log_that_was_made_good_is_not_synced_any_more),
		T(a_recovery_that_fails_is_tried_again_and_reading_goes_on),
		T(what_was_written_and_not_synced_is_not_opened_unless_it_can_be),
		T(a_store_that_finds_no_space_is_begun_when_there_is_some),
		T(a_backup_that_is_not_wholly_on_the_disk_is_none),
		T(a_sync_without_a_free_descriptor_waits_for_one),
		T(a_sync_that_never_gets_a_descriptor_fails_in_the_end),
		T(a_sync_goes_on_while_others_hold_all_descriptors),
		T(closing_a_store_on_a_full_disk_refuses_who_waits),
	};

	return cmocka_run_group_tests_name("fault/rocksdb_disk", tests, NULL, NULL);
}
