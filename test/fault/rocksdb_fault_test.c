/* rocksdb_fault_test.c -- what a broken directory, a full disk and a kill may do to a
 * store on disk: nothing that was acknowledged is lost or changed in silence. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "lib/temp_dir.h"
#include "store/rocksdb/store_rocksdb.h"

#define ROWS        300
#define SMALL_FILE  4096
#define SYNCED_SLOT 28 /* bytes of a slot that say something */

struct fixture {
	char root[TEMP_DIR_MAX]; /* everything of the test */
	char dir[TEMP_DIR_MAX + 16], copy[TEMP_DIR_MAX + 16];
	struct store_backend *b;
	struct err err;
};

static int setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	temp_dir_make(f->root);
	snprintf(f->dir, sizeof(f->dir), "%s/store", f->root);
	snprintf(f->copy, sizeof(f->copy), "%s/copy", f->root);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->b)
		f->b->ops->close(f->b);
	temp_dir_remove(f->root);
	test_free(f);
	return 0;
}

/* ---- a store --------------------------------------------------------------------------- */

static bool open_at(struct fixture *f, const char *path, bool create)
{
	struct store_rocksdb_options options = { .path = path,
						 .create = create,
						 .cache_bytes = 1 << 20 };

	return store_rocksdb_open(&options, &f->b, &f->err);
}

static void must_open(struct fixture *f, const char *path, bool create)
{
	if (!open_at(f, path, create))
		fail_msg("%s", f->err.text);
}

static void shut(struct fixture *f)
{
	f->b->ops->close(f->b);
	f->b = NULL;
}

static bool put(struct store_backend *b, uint32_t i, struct err *err)
{
	char value[64];
	int n = snprintf(value, sizeof(value), "value %u of a row that fills a little", i);
	struct job_cursor row = { .job = SLICE_LIT("job"),
				  .part = i,
				  .position = SLICE_OF(value, (size_t)n),
				  .epoch = i };
	struct store_write w = { .table = TABLE_JOB_CURSOR, .row = &row };

	return b->ops->write(b, &w, 1, err);
}

struct outcome {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool done, ok;
	struct err err;
};

static void on_durable(void *ctx, const struct err *err)
{
	struct outcome *o = ctx;

	pthread_mutex_lock(&o->mutex);
	o->done = true;
	o->ok = !err;
	if (err)
		o->err = *err;
	pthread_cond_signal(&o->changed);
	pthread_mutex_unlock(&o->mutex);
}

static bool sync_store(struct store_backend *b, struct err *err)
{
	struct outcome o = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };

	b->ops->when_durable(b, b->ops->mark(b), on_durable, &o);
	pthread_mutex_lock(&o.mutex);
	while (!o.done)
		pthread_cond_wait(&o.changed, &o.mutex);
	pthread_mutex_unlock(&o.mutex);
	if (!o.ok)
		*err = o.err;
	return o.ok;
}

static bool check_row(void *ctx, const void *row)
{
	const struct job_cursor *c = row;
	uint32_t *next = ctx;
	char value[64];

	snprintf(value, sizeof(value), "value %u of a row that fills a little", c->part);
	if (c->part != *next || c->epoch != c->part || !slice_eq_str(c->position, value))
		return false;
	++*next;
	return true;
}

/* How many rows from the first on are there and right; UINT32_MAX: they cannot be read. */
static uint32_t good_rows(struct fixture *f)
{
	struct store_query q = { .table = TABLE_JOB_CURSOR };
	uint32_t n = 0;

	return f->b->ops->read(f->b, &q, check_row, &n, &f->err) ? n : UINT32_MAX;
}

static void fill(struct fixture *f, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		assert_true(put(f->b, i, &f->err));
	assert_true(sync_store(f->b, &f->err));
}

/* ---- directories ------------------------------------------------------------------------- */

struct file {
	char name[64];
	struct buf bytes;
};
struct files {
	struct file at[64];
	size_t n;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static void read_dir(const char *path, struct files *out)
{
	DIR *d = opendir(path);
	struct dirent *e;

	assert_non_null(d);
	*out = (struct files){ .n = 0 };
	while ((e = readdir(d))) {
		struct file *file = &out->at[out->n];
		char name[512];
		struct stat st;
		FILE *in;

		if (e->d_name[0] == '.')
			continue;
		snprintf(file->name, sizeof(file->name), "%.63s", e->d_name);
		snprintf(name, sizeof(name), "%s/%s", path, file->name);
		in = fopen(name, "rb");
		assert_non_null(in);
		assert_int_equal(fstat(fileno(in), &st), 0);
		file->bytes.len = fread(buf_reserve(&file->bytes, (size_t)st.st_size + 1), 1,
					(size_t)st.st_size, in);
		fclose(in);
		out->n++;
	}
	closedir(d);
	qsort(out->at, out->n, sizeof(out->at[0]), by_name);
}

static void write_file(const char *path, const char *name, struct slice bytes)
{
	char full[512];
	FILE *out;

	snprintf(full, sizeof(full), "%s/%s", path, name);
	out = fopen(full, "wb");
	assert_non_null(out);
	assert_int_equal(fwrite(bytes.ptr, 1, bytes.len, out), bytes.len);
	fclose(out);
}

static void write_dir(const char *path, const struct files *files)
{
	temp_dir_remove(path);
	assert_int_equal(mkdir(path, 0700), 0);
	for (size_t i = 0; i < files->n; i++)
		write_file(path, files->at[i].name, buf_slice(&files->at[i].bytes));
}

static void free_files(struct files *files)
{
	for (size_t i = 0; i < files->n; i++)
		buf_free(&files->at[i].bytes);
}

static bool same_files(const char *path, const struct files *wanted)
{
	struct files now;
	bool same;

	read_dir(path, &now);
	same = now.n == wanted->n;
	for (size_t i = 0; same && i < now.n; i++)
		same = strcmp(now.at[i].name, wanted->at[i].name) == 0 &&
		       slice_eq(buf_slice(&now.at[i].bytes), buf_slice(&wanted->at[i].bytes));
	free_files(&now);
	return same;
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n >= m && strcmp(name + n - m, suffix) == 0;
}

static struct file *find_file(struct files *files, const char *part)
{
	for (size_t i = files->n; i-- > 0;) /* the newest of its kind */
		if (strstr(files->at[i].name, part))
			return &files->at[i];
	fail_msg("no %s", part);
	return NULL;
}

/* A store with half its rows in tables and half in the log alone, as a kill leaves it. */
static void make_killed_store(struct fixture *f, struct files *out)
{
	must_open(f, f->dir, true);
	fill(f, 0, ROWS / 2);
	assert_true(f->b->ops->verify(f->b, &f->err)); /* flushes */
	fill(f, ROWS / 2, ROWS);
	read_dir(f->dir, out); /* while it is open */
	shut(f);
}

/* ---- damage -------------------------------------------------------------------------------- */

/* RocksDB never reads these, or only to write them again. */
static bool does_not_matter(const char *name)
{
	return strncmp(name, "OPTIONS-", 8) == 0 || strncmp(name, "LOG", 3) == 0 ||
	       strcmp(name, "IDENTITY") == 0 || strcmp(name, "LOCK") == 0;
}

/* Opens the damaged copy: refused with nothing changed, or everything is there. */
static bool refused_or_whole(struct fixture *f, const struct files *damaged, bool *refused)
{
	bool ok;

	*refused = !open_at(f, f->copy, false);
	if (*refused) {
		bool told = strstr(f->err.text, f->copy) != NULL &&
			    (f->err.code == ERR_CORRUPT || f->err.code == ERR_INVALID);

		if (!told)
			print_error("unclear: %s\n", f->err.text);
		return told && same_files(f->copy, damaged);
	}
	ok = good_rows(f) == ROWS;
	shut(f);
	return ok;
}

/* How many bits behind this one the next to be flipped lies: of small files every bit is, and
 * every byte of the MANIFEST; of the others some, so that the whole takes seconds. */
static size_t next_flip(const struct file *file, size_t bit)
{
	if (strncmp(file->name, "MANIFEST", 8) == 0)
		return 9;
	if (strcmp(file->name, "SYNCED") == 0 ? bit / 8 % 512 < SYNCED_SLOT
					      : file->bytes.len < SMALL_FILE)
		return 1;
	return (does_not_matter(file->name) ? 97 * 101 * 8 : 97 * 8) + 1;
}

/* No flip in these is without effect. */
static bool all_of_it_matters(const char *name)
{
	return has_suffix(name, ".log") || strncmp(name, "MANIFEST", 8) == 0 ||
	       strcmp(name, "CURRENT") == 0 || strcmp(name, "FORMAT") == 0;
}

static void a_flipped_bit_is_refused_or_without_effect(void **state)
{
	struct fixture *f = *state;
	struct files files;
	size_t flips = 0, refused = 0, missed = 0;

	make_killed_store(f, &files);
	for (size_t i = 0; i < files.n; i++) {
		struct file *file = &files.at[i];
		bool no = false;

		for (size_t bit = 0; bit < 8 * file->bytes.len; bit += next_flip(file, bit)) {
			uint8_t *byte = &file->bytes.ptr[bit / 8], flip = (uint8_t)(1u << bit % 8);

			*byte ^= flip;
			if (no) /* the last one has changed nothing */
				write_file(f->copy, file->name, buf_slice(&file->bytes));
			else
				write_dir(f->copy, &files);
			if (!refused_or_whole(f, &files, &no)) {
				print_error("%s, bit %zu: %s\n", file->name, bit, f->err.text);
				missed++;
			}
			if (!no && all_of_it_matters(file->name)) {
				print_error("%s, bit %zu was accepted\n", file->name, bit);
				missed++;
			}
			*byte ^= flip;
			flips++;
			refused += no;
		}
	}
	free_files(&files);
	print_message("%zu bits flipped, %zu refused\n", flips, refused);
	assert_int_equal(missed, 0);
}

static void every_bit_of_the_end_of_the_log_matters(void **state)
{
	struct fixture *f = *state;
	struct files files;
	struct buf *log;
	bool no;

	make_killed_store(f, &files);
	log = &find_file(&files, ".log")->bytes;
	for (size_t bit = 8 * (log->len - 40); bit < 8 * log->len; bit++) {
		log->ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
		write_dir(f->copy, &files);
		if (!refused_or_whole(f, &files, &no) || !no)
			fail_msg("bit %zu was accepted", bit);
		log->ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	free_files(&files);
}

static void a_missing_or_cut_file_is_refused_or_without_effect(void **state)
{
	struct fixture *f = *state;
	struct files files;
	size_t newest_log;

	make_killed_store(f, &files);
	newest_log = (size_t)(find_file(&files, ".log") - files.at);
	for (size_t i = 0; i < files.n; i++) {
		struct buf whole = files.at[i].bytes;
		size_t cuts[] = { 0, 1, whole.len / 2, whole.len ? whole.len - 1 : 0 };
		struct file gone = files.at[i];
		bool no;

		for (size_t k = 0; k < ARRAY_LEN(cuts) && whole.len > cuts[k]; k++) {
			files.at[i].bytes.len = cuts[k];
			write_dir(f->copy, &files);
			if (i == newest_log) {
				bool accepted = open_at(f, f->copy, false);

				/* cut inside a record: what a loss of power leaves */
				assert_true(accepted || f->err.code == ERR_CORRUPT);
				assert_int_equal(accepted, cuts[k] > 0);
				if (accepted)
					assert_true(good_rows(f) >= ROWS / 2);
				if (accepted)
					shut(f);
			} else if (!refused_or_whole(f, &files, &no)) {
				fail_msg("%s cut to %zu: %s", gone.name, cuts[k], f->err.text);
			} else {
				/* a cut MANIFEST lacks an edit, which may be without effect */
				if (!no && !does_not_matter(gone.name) &&
				    strncmp(gone.name, "MANIFEST", 8) != 0)
					fail_msg("%s cut to %zu was accepted", gone.name, cuts[k]);
			}
			files.at[i].bytes = whole;
		}
		files.at[i] = files.at[--files.n];
		qsort(files.at, files.n, sizeof(files.at[0]), by_name);
		write_dir(f->copy, &files);
		if (!refused_or_whole(f, &files, &no))
			fail_msg("without %s: %s", gone.name, f->err.text);
		if (!no && !does_not_matter(gone.name))
			fail_msg("that %s is gone was not seen", gone.name);
		files.at[files.n++] = gone;
		qsort(files.at, files.n, sizeof(files.at[0]), by_name);
	}
	free_files(&files);
}

/* Takes each log away in turn; how many of them were missed. */
static size_t logs_missed(struct fixture *f, struct files *files)
{
	size_t missed = 0;

	for (size_t i = 0; i < files->n; i++) {
		struct file gone = files->at[i];
		bool no;

		if (!has_suffix(gone.name, ".log"))
			continue;
		memmove(&files->at[i], &files->at[i + 1], (--files->n - i) * sizeof(files->at[0]));
		write_dir(f->copy, files);
		if (!refused_or_whole(f, files, &no))
			fail_msg("without %s: %s", gone.name, f->err.text);
		missed += no;
		memmove(&files->at[i + 1], &files->at[i], (files->n++ - i) * sizeof(files->at[0]));
		files->at[i] = gone;
	}
	return missed;
}

static void a_missing_log_is_seen_whichever_it_is(void **state)
{
	struct fixture *f = *state;
	struct files files;

	make_killed_store(f, &files);
	for (uint32_t life = 1; life <= 4; life++) { /* each leaves one log more */
		write_dir(f->dir, &files);
		free_files(&files);
		must_open(f, f->dir, false);
		fill(f, ROWS - life, ROWS);
		read_dir(f->dir, &files); /* while it is open */
		shut(f);
		assert_int_equal(logs_missed(f, &files), life + 1);
	}
	free_files(&files);
}

/* A life that fills some logs, in two tables, and ends by a kill: a program of its own, for a
 * forked child would be without RocksDB's threads. */
static int live_and_be_killed(const char *path)
{
	struct store_rocksdb_options options = {
		.path = path, .create = true, .cache_bytes = 1 << 20, .log_bytes = 16 << 10
	};
	struct lease lease = { .name = SLICE_LIT("one") };
	struct store_write w = { .table = TABLE_LEASES, .row = &lease };
	struct store_backend *b;
	struct err err;

	if (!store_rocksdb_open(&options, &b, &err)) {
		print_error("%s\n", err.text);
		return 1;
	}
	for (lease.epoch = 0; lease.epoch < 20; lease.epoch++) {
		bool ok = b->ops->write(b, &w, 1, &err);

		for (uint32_t i = 0; ok && i < ROWS; i++)
			ok = put(b, i, &err);
		if (!ok || !sync_store(b, &err))
			return 1;
	}
	return raise(SIGKILL);
}

static void logs_that_were_removed_with_reason_are_not_missed(void **state)
{
	struct fixture *f = *state;

	for (int life = 0; life < 10; life++) {
		struct files files;
		pid_t child = fork();
		int status;

		if (child == 0) {
			execl("/proc/self/exe", "rocksdb_fault_test", "live", f->dir, NULL);
			_exit(1);
		}
		waitpid(child, &status, 0);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			fail_msg("life %d ended with %x", life, status);
		read_dir(f->dir, &files);
		assert_true(logs_missed(f, &files) > 0);
		free_files(&files);
	}
}

static void a_cut_tail_of_the_newest_log_costs_the_cut_writes_alone(void **state)
{
	struct fixture *f = *state;
	struct files files;

	make_killed_store(f, &files);
	find_file(&files, ".log")->bytes.len -= 5;
	write_dir(f->copy, &files);
	must_open(f, f->copy, false);
	assert_int_equal(good_rows(f), ROWS - 1);
	fill(f, ROWS - 1, ROWS);
	shut(f);
	must_open(f, f->copy, false);
	assert_int_equal(good_rows(f), ROWS);
	free_files(&files);
}

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

/* ---- kills
 * ---------------------------------------------------------------------------------------- */

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

/* ---- full and failing disks
 * ------------------------------------------------------------------------ */

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

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest damage[] = {
		T(a_flipped_bit_is_refused_or_without_effect),
		T(every_bit_of_the_end_of_the_log_matters),
		T(a_missing_or_cut_file_is_refused_or_without_effect),
		T(a_missing_log_is_seen_whichever_it_is),
		T(logs_that_were_removed_with_reason_are_not_missed),
		T(a_cut_tail_of_the_newest_log_costs_the_cut_writes_alone),
		T(wrong_directories_are_refused_and_left_as_they_are),
		T(a_store_of_a_newer_format_is_refused_and_left_as_it_is),
		T(a_store_in_use_is_refused_and_says_by_whom),
		T(a_directory_of_another_user_is_refused),
		T(a_store_killed_while_it_was_made_is_made_again),
		T(a_store_opened_read_only_is_not_changed),
		T(a_backup_of_a_live_store_is_a_store),
		T(a_backup_that_cannot_be_made_names_the_directory_and_the_remedy),
		T(what_was_acknowledged_survives_kills),
	};
	const struct CMUnitTest disk[] = {
		T(a_full_disk_stops_writes_until_there_is_space),
		T(a_failed_sync_acknowledges_nothing_until_opened_anew),
		T(a_mark_made_before_a_failure_is_never_acknowledged),
		T(closing_a_store_on_a_full_disk_refuses_who_waits),
	};

	if (argc > 2 && strcmp(argv[1], "live") == 0)
		return live_and_be_killed(argv[2]);
	/* The tests of the disk want fail_writes.so preloaded: a run of their own. */
	if (argc > 1 && strcmp(argv[1], "disk") == 0)
		return cmocka_run_group_tests(disk, NULL, NULL);
	return cmocka_run_group_tests(damage, NULL, NULL);
}
