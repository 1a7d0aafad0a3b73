#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bin/command.h"
#include "role/restored.h"
#include "store/rocksdb/store_rocksdb.h"
#include "store/store_ops.h"

static int remove_one(const char *path, const struct stat *st UNUSED, int type UNUSED,
		      struct FTW *ftw UNUSED)
{
	return remove(path);
}

struct fixture {
	char dir[48], store[64], backup[64], restored[64];
};

/* Runs the command line; --store-rocksdb-path is `path`. */
static enum exit_code run(const char *verb, const char *arg, const char *path)
{
	char *argv[8] = { (char *)"pinfold", (char *)"store",
			  (char *)verb,      (char *)"--store-rocksdb-path",
			  (char *)path,      (char *)arg };

	return command_main(arg ? 6 : 5, argv, NULL);
}

struct opened {
	struct clock clock;
	struct rand rand;
	struct store *store;
};

static void open_store(struct opened *o, const char *path, bool create)
{
	struct store_rocksdb_options where = { .path = path, .create = create };
	const struct store_options options = { .clock = &o->clock, .rand = &o->rand };
	struct store_backend *backend;
	struct err err;

	clock_init_system(&o->clock);
	rand_init_system(&o->rand);
	if (!store_rocksdb_open(&where, &backend, &err) ||
	    !store_open(backend, &options, &o->store, &err))
		fail_msg("%s", err.text);
}

/* Opens the store, makes or finds the number of a peer, and tells the id of the store. */
static uint32_t peer_of(const char *path, bool create, char id[32])
{
	struct opened o;
	struct err err;
	uint32_t no = 0;

	open_store(&o, path, create);
	if (!store_peer_no(o.store, SLICE_LIT("a peer of old"), &no, &err))
		fail_msg("%s", err.text);
	snprintf(id, 32, "%s", store_id(o.store));
	store_close(o.store);
	return no;
}

static bool is_restored(const char *path)
{
	struct opened o;
	struct err err;
	int64_t at;

	open_store(&o, path, false);
	if (!restored_at(o.store, &at, &err))
		fail_msg("%s", err.text);
	store_close(o.store);
	return at > 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char id[32];

	snprintf(f->dir, sizeof(f->dir), "/tmp/pinfold-cmd-store-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->store, sizeof(f->store), "%s/store", f->dir);
	snprintf(f->backup, sizeof(f->backup), "%s/backup", f->dir);
	snprintf(f->restored, sizeof(f->restored), "%s/restored", f->dir);
	peer_of(f->store, true, id);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static void what_was_backed_up_comes_back(void **state)
{
	struct fixture *f = *state;
	char id[32], again[32];
	uint32_t no = peer_of(f->store, false, id);

	assert_int_equal(run("check", NULL, f->store), EXIT_DONE);
	assert_int_equal(run("backup", f->backup, f->store), EXIT_DONE);
	assert_int_equal(run("restore", f->backup, f->restored), EXIT_DONE);
	assert_int_equal(peer_of(f->restored, false, again), no);
	assert_string_equal(id, again);
	assert_true(is_restored(f->restored));
	assert_false(is_restored(f->store) || is_restored(f->backup));
}

static void a_store_in_use_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct store_rocksdb_options where = { .path = f->store };
	struct store_backend *backend;
	struct store *store;
	struct clock clock;
	struct rand rand;
	struct err err;

	clock_init_system(&clock);
	rand_init_system(&rand);
	assert_true(store_rocksdb_open(&where, &backend, &err));
	assert_true(store_open(backend, &(struct store_options){ .clock = &clock, .rand = &rand },
			       &store, &err));
	assert_int_equal(run("check", NULL, f->store), EXIT_FAILED);
	assert_int_equal(run("export", NULL, f->store), EXIT_FAILED);
	assert_int_equal(run("import", NULL, f->store), EXIT_FAILED);
	store_close(store);
}

static void nothing_that_is_there_is_written_over(void **state)
{
	struct fixture *f = *state;
	char before[32], after[32];

	assert_int_equal(run("backup", f->backup, f->store), EXIT_DONE);
	peer_of(f->restored, true, before);
	assert_int_equal(run("backup", f->backup, f->store), EXIT_FAILED);
	assert_int_equal(run("restore", f->backup, f->restored), EXIT_FAILED);
	peer_of(f->restored, false, after);
	assert_string_equal(before, after);
}

/* Flips a bit in the middle of every table file. */
static void damage(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		uint8_t byte;
		struct stat st;
		int fd;

		if (!strstr(entry->d_name, ".sst"))
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_RDWR);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(pread(fd, &byte, 1, st.st_size / 2), 1);
		byte ^= 1;
		assert_int_equal(pwrite(fd, &byte, 1, st.st_size / 2), 1);
		close(fd);
	}
	closedir(dir);
}

static void a_damaged_backup_is_told_before_anything_is_made(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run("backup", f->backup, f->store), EXIT_DONE);
	damage(f->backup);
	assert_int_equal(run("restore", f->backup, f->restored), EXIT_FAILED);
	assert_int_equal(access(f->restored, F_OK), -1);
	assert_int_equal(run("check", NULL, f->backup), EXIT_FAILED);
	assert_int_equal(run("check", NULL, f->dir), EXIT_FAILED);
}

/* A row of a listing that nothing stands behind. */
static void write_orphan(const char *path)
{
	struct owner_pin row = { .owner = SLICE_LIT("nobody"),
				 .cid = SLICE_LIT("\x01\x55\x00\x00") };
	struct store_write put = { .table = TABLE_OWNER_PINS, .kind = WRITE_PUT, .row = &row };
	struct store_rocksdb_options where = { .path = path };
	struct store_backend *backend;
	struct err err;

	if (!store_rocksdb_open(&where, &backend, &err) ||
	    !backend->ops->write(backend, &put, 1, &err))
		fail_msg("%s", err.text);
	backend->ops->close(backend);
}

/* What a command prints on stdout. */
static void run_told(const char *verb, const char *arg, const char *path, enum exit_code want,
		     char out[600])
{
	FILE *file = tmpfile();
	int stdout_fd = dup(STDOUT_FILENO);
	size_t n;

	fflush(stdout);
	dup2(fileno(file), STDOUT_FILENO);
	assert_int_equal(run(verb, arg, path), want);
	fflush(stdout);
	dup2(stdout_fd, STDOUT_FILENO);
	close(stdout_fd);
	rewind(file);
	n = fread(out, 1, 599, file);
	out[n] = '\0';
	fclose(file);
}

static void a_check_tells_its_first_finding_to_programs_too(void **state)
{
	struct fixture *f = *state;
	char told[600];

	run_told("check", "--json", f->store, EXIT_DONE, told);
	assert_null(strstr(told, "first"));
	write_orphan(f->store);
	run_told("check", "--json", f->store, EXIT_FAILED, told);
	assert_non_null(strstr(told, "\"orphans\":1"));
	assert_non_null(strstr(told, "\"first\":\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_backed_up_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_store_in_use_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_that_is_there_is_written_over, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_damaged_backup_is_told_before_anything_is_made,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_check_tells_its_first_finding_to_programs_too,
						setup, teardown),
	};
	return cmocka_run_group_tests_name("bin/cmd_store", tests, NULL, NULL);
}
