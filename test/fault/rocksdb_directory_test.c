/* rocksdb_directory_test.c -- directories that are no store of ours, in use or of others, and
 * backups. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rocksdb_fixture.h"

/* ---- strangers ------------------------------------------------------------------------------- */

static void wrong_directories_are_refused_and_left_as_they_are(void **state)
{
	struct fixture *f = *state;
	struct files files;
	char path[512];

	assert_false(open_at(f, f->dir, false));
	assert_int_equal(f->err.code, ERR_INVALID);
	assert_non_null(strstr(f->err.text, "no such directory"));

	write_file(f->root, "plain", SLICE_LIT("x"));
	snprintf(path, sizeof(path), "%s/plain", f->root);
	assert_false(open_at(f, path, true));
	assert_non_null(strstr(f->err.text, "not a directory"));

	assert_int_equal(mkdir(f->dir, 0700), 0);
	assert_false(open_at(f, f->dir, false));
	assert_non_null(strstr(f->err.text, "not a Pinfold store"));
	write_file(f->dir, "letter", SLICE_LIT("dear"));
	read_dir(f->dir, &files);
	assert_false(open_at(f, f->dir, true));
	assert_non_null(strstr(f->err.text, "letter"));
	assert_true(same_files(f->dir, &files));
	free_files(&files);
}

static void a_store_of_a_newer_format_is_refused_and_left_as_it_is(void **state)
{
	struct fixture *f = *state;
	struct files files;

	must_open(f, f->dir, true);
	shut(f);
	write_file(f->dir, "FORMAT", SLICE_LIT("pinfold store\nformat 2\nnews\n"));
	read_dir(f->dir, &files);
	assert_false(open_at(f, f->dir, true));
	assert_int_equal(f->err.code, ERR_INVALID);
	assert_non_null(strstr(f->err.text, "format 2"));
	assert_true(same_files(f->dir, &files));
	free_files(&files);
}

static void a_store_in_use_is_refused_and_says_by_whom(void **state)
{
	struct fixture *f = *state;
	struct fixture second = { .err.code = ERR_NONE };
	char who[64];
	pid_t child;
	int status;

	must_open(f, f->dir, true);
	assert_false(open_at(&second, f->dir, true));
	assert_int_equal(second.err.code, ERR_UNAVAILABLE);
	snprintf(who, sizeof(who), "process %ld", (long)getpid());
	child = fork();
	if (child == 0)
		_exit(open_at(&second, f->dir, true) ? 1 : !strstr(second.err.text, who));
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
}

static void a_directory_of_another_user_is_refused(void **state)
{
	struct fixture *f = *state;
	pid_t child;
	int status;

	must_open(f, f->dir, true);
	shut(f);
	chmod(f->root, 0755);
	chmod(f->dir, geteuid() == 0 ? 0700 : 0);
	child = fork();
	if (child == 0) {
		if (geteuid() == 0 && seteuid(65534) != 0)
			_exit(2);
		_exit(open_at(f, f->dir, true) ? 1 : f->err.code != ERR_DENIED);
	}
	waitpid(child, &status, 0);
	chmod(f->dir, 0700);
	assert_int_equal(status, 0);
}

static void a_store_killed_while_it_was_made_is_made_again(void **state)
{
	struct fixture *f = *state;
	struct files files;

	make_killed_store(f, &files);
	free_files(&files);
	temp_dir_remove(f->dir);
	assert_int_equal(mkdir(f->dir, 0700), 0);
	write_file(f->dir, "FORMAT.new", SLICE_LIT("pinf"));
	must_open(f, f->dir, true);
	fill(f, 0, ROWS);
	shut(f);
	must_open(f, f->dir, false);
	assert_int_equal(good_rows(f), ROWS);
}

static void a_store_opened_read_only_is_not_changed(void **state)
{
	struct fixture *f = *state;
	struct store_rocksdb_options options = { .path = f->copy, .read_only = true };
	struct files files;

	make_killed_store(f, &files);
	write_dir(f->copy, &files);
	assert_true(store_rocksdb_open(&options, &f->b, &f->err));
	assert_int_equal(good_rows(f), ROWS);
	assert_false(put(f->b, 1, &f->err));
	assert_int_equal(f->err.code, ERR_DENIED);
	shut(f);
	assert_true(same_files(f->copy, &files));
	free_files(&files);
}

/* ---- backup -------------------------------------------------------------------------------------
 */

static void a_backup_of_a_live_store_is_a_store(void **state)
{
	struct fixture *f = *state;

	must_open(f, f->dir, true);
	fill(f, 0, ROWS);
	if (!f->b->ops->backup(f->b, f->copy, &f->err))
		fail_msg("%s", f->err.text);
	assert_false(f->b->ops->backup(f->b, f->copy, &f->err));
	assert_int_equal(f->err.code, ERR_INVALID);
	fill(f, ROWS, ROWS + 10);
	shut(f);
	must_open(f, f->copy, false);
	assert_int_equal(good_rows(f), ROWS);
	fill(f, ROWS, ROWS + 20); /* they share no file that is written */
	shut(f);
	must_open(f, f->dir, false);
	assert_int_equal(good_rows(f), ROWS + 10);
}

static void a_backup_that_cannot_be_made_names_the_directory_and_the_remedy(void **state)
{
	struct fixture *f = *state;
	char path[512];
	struct stat st;

	must_open(f, f->dir, true);
	fill(f, 0, 1);
	snprintf(path, sizeof(path), "%s/not/there", f->dir);
	assert_false(f->b->ops->backup(f->b, path, &f->err));
	assert_int_equal(f->err.code, ERR_INVALID);
	assert_non_null(strstr(f->err.text, path));
	assert_non_null(strstr(f->err.text, "name a new directory in one that exists"));
	snprintf(path, sizeof(path), "/proc/self/backup");
	assert_false(f->b->ops->backup(f->b, path, &f->err));
	assert_int_equal(f->err.code, ERR_INVALID);
	assert_non_null(strstr(f->err.text, path));
	snprintf(path, sizeof(path), "%s/FORMAT/x", f->dir);
	assert_false(f->b->ops->backup(f->b, path, &f->err));
	assert_int_equal(f->err.code, ERR_INVALID);
	assert_int_not_equal(stat(path, &st), 0);
	shut(f);
}

/* As on a file system that cannot keep the page: if it were mapped, writing would end the
 * process. */
static void a_store_lives_on_when_what_it_notes_cannot_be_kept(void **state)
{
	struct fixture *f = *state;
	char name[TEMP_DIR_MAX + 32];

	must_open(f, f->dir, true);
	snprintf(name, sizeof(name), "%s/SYNCED", f->dir);
	assert_int_equal(truncate(name, 0), 0);
	fill(f, 0, 10);
	assert_int_equal(good_rows(f), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(wrong_directories_are_refused_and_left_as_they_are),
		T(a_store_of_a_newer_format_is_refused_and_left_as_it_is),
		T(a_store_in_use_is_refused_and_says_by_whom),
		T(a_directory_of_another_user_is_refused),
		T(a_store_killed_while_it_was_made_is_made_again),
		T(a_store_lives_on_when_what_it_notes_cannot_be_kept),
		T(a_store_opened_read_only_is_not_changed),
		T(a_backup_of_a_live_store_is_a_store),
		T(a_backup_that_cannot_be_made_names_the_directory_and_the_remedy),
	};

	return cmocka_run_group_tests_name("fault/rocksdb_directory", tests, NULL, NULL);
}
