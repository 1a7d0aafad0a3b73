/* rocksdb_damage_test.c -- what a flipped bit, a missing or a cut file may do to a store on disk:
 * it is refused, or nothing that was acknowledged is lost or changed in silence. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attr.h"
#include "rocksdb_fixture.h"

#define SMALL_FILE  4096
#define LOG_BLOCK   32768
#define SYNCED_SLOT 28 /* bytes of a slot that say something */

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
			if (i == newest_log) { /* all of it was synced */
				if (!refused_or_whole(f, &files, &no) || !no)
					fail_msg("%s cut to %zu was accepted", gone.name, cuts[k]);
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
		sort_files(&files);
		write_dir(f->copy, &files);
		if (!refused_or_whole(f, &files, &no))
			fail_msg("without %s: %s", gone.name, f->err.text);
		if (!no && !does_not_matter(gone.name))
			fail_msg("that %s is gone was not seen", gone.name);
		files.at[files.n++] = gone;
		sort_files(&files);
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
			execl("/proc/self/exe", "rocksdb_damage_test", "live", f->dir, NULL);
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

/* The same store, of which the rows in the log alone were written and not synced. */
static void make_unsynced_store(struct fixture *f, struct files *out)
{
	struct files before;
	struct buf *synced;

	must_open(f, f->dir, true);
	fill(f, 0, ROWS / 2);
	assert_true(f->b->ops->verify(f->b, NULL, NULL, &f->err)); /* flushes */
	read_dir(f->dir, &before);
	fill(f, ROWS / 2, ROWS);
	read_dir(f->dir, out); /* while it is open */
	shut(f);
	synced = &find_file(out, "SYNCED")->bytes;
	buf_free(synced);
	*synced = find_file(&before, "SYNCED")->bytes;
	find_file(&before, "SYNCED")->bytes = (struct buf){ 0 };
	free_files(&before);
}

static void a_cut_tail_of_the_newest_log_costs_the_cut_writes_alone(void **state)
{
	struct fixture *f = *state;
	struct files files;

	make_unsynced_store(f, &files);
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

/* A loss of power can leave the length of a file without some of its pages. */
static void pages_that_never_came_to_the_disk_cost_unsynced_writes_alone(void **state)
{
	struct fixture *f = *state;
	struct files files;

	make_unsynced_store(f, &files);
	for (size_t page = 0; page < 3; page++) {
		struct buf *log = &find_file(&files, ".log")->bytes;
		size_t at = page < 2 ? 4096 * (page + 1) : log->len / 512 * 512;
		struct buf whole = { 0 };
		uint32_t left;

		assert_true(at < log->len);
		buf_add_slice(&whole, buf_slice(log));
		memset(log->ptr + at, 0, log->len - at < 4096 ? log->len - at : 4096);
		write_dir(f->copy, &files);
		must_open(f, f->copy, false);
		left = good_rows(f);
		assert_in_range(left, ROWS / 2, ROWS - 1);
		fill(f, left, ROWS);
		shut(f);
		must_open(f, f->copy, false);
		assert_int_equal(good_rows(f), ROWS);
		shut(f);
		buf_free(log);
		*log = whole;
	}
	free_files(&files);
}

static void pages_that_are_gone_from_what_was_synced_are_missed(void **state)
{
	struct fixture *f = *state;
	struct files files;
	struct buf *log;
	bool no;

	make_killed_store(f, &files);
	log = &find_file(&files, ".log")->bytes;
	memset(log->ptr + 4096, 0, 4096);
	write_dir(f->copy, &files);
	assert_true(refused_or_whole(f, &files, &no));
	assert_true(no);
	assert_non_null(strstr(f->err.text, "were synced and are missing"));
	free_files(&files);
}

/* The length of the log's first `n` records, all of which lie in its first block. */
static size_t log_prefix(struct slice log, size_t n)
{
	size_t at = 0;

	while (n-- > 0) {
		assert_true(at + 7 < log.len && log.ptr[at + 6] == 1);
		at += 7 + log.ptr[at + 4] + 256u * log.ptr[at + 5];
	}
	assert_true(at < LOG_BLOCK);
	return at;
}

/* The end of the first block never came to the disk, and the second begins with a record: what
 * RocksDB would go on with, though writes before it are missing. */
static void make_store_with_a_hole(struct fixture *f, struct files *out)
{
	struct buf *log, holed = { 0 };
	size_t before, behind;

	make_unsynced_store(f, out);
	log = &find_file(out, ".log")->bytes;
	before = log_prefix(buf_slice(log), 50);
	behind = log_prefix(buf_slice(log), 100);
	buf_add(&holed, log->ptr, before);
	memset(buf_reserve(&holed, LOG_BLOCK - before), 0, LOG_BLOCK - before);
	holed.len = LOG_BLOCK;
	buf_add(&holed, log->ptr + behind, log->len - behind);
	buf_free(log);
	*log = holed;
	write_dir(f->copy, out);
}

static void a_hole_in_the_newest_log_ends_it_for_good(void **state)
{
	struct fixture *f = *state;
	struct files files;

	make_store_with_a_hole(f, &files);
	must_open(f, f->copy, false);
	assert_int_equal(good_rows(f), ROWS / 2 + 50);
	fill(f, ROWS / 2 + 50, ROWS / 2 + 60);
	shut(f);
	must_open(f, f->copy, false);
	assert_int_equal(good_rows(f), ROWS / 2 + 60);
	free_files(&files);
}

static void a_hole_in_the_newest_log_is_never_read_across(void **state)
{
	struct fixture *f = *state;
	struct store_rocksdb_options options = { .path = f->copy, .read_only = true };
	struct files files;

	make_store_with_a_hole(f, &files);
	assert_false(store_rocksdb_open(&options, &f->b, &f->err));
	f->b = NULL;
	assert_int_equal(f->err.code, ERR_CORRUPT);
	assert_non_null(strstr(f->err.text, "open it once for writing"));
	assert_true(same_files(f->copy, &files));
	must_open(f, f->copy, false);
	shut(f);
	assert_true(store_rocksdb_open(&options, &f->b, &f->err));
	assert_int_equal(good_rows(f), ROWS / 2 + 50);
	free_files(&files);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(a_flipped_bit_is_refused_or_without_effect),
		T(every_bit_of_the_end_of_the_log_matters),
		T(a_missing_or_cut_file_is_refused_or_without_effect),
		T(a_missing_log_is_seen_whichever_it_is),
		T(logs_that_were_removed_with_reason_are_not_missed),
		T(a_cut_tail_of_the_newest_log_costs_the_cut_writes_alone),
		T(pages_that_never_came_to_the_disk_cost_unsynced_writes_alone),
		T(pages_that_are_gone_from_what_was_synced_are_missed),
		T(a_hole_in_the_newest_log_ends_it_for_good),
		T(a_hole_in_the_newest_log_is_never_read_across),
	};

	if (argc > 2 && strcmp(argv[1], "live") == 0)
		return live_and_be_killed(argv[2]);
	return cmocka_run_group_tests_name("fault/rocksdb_damage", tests, NULL, NULL);
}
