/*
 * directory_logs.c -- the logs of a directory: whether all are there and whole, and syncing them.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/rocksdb/dir_file.h"
#include "store/rocksdb/log_file.h"

#define LOGS_MAX      4096
#define FILES_POLL_US 10000
#define FILES_WAIT_US (5 * US_PER_S)

struct logs { /* those that count: of those that may be removed some may be gone already */
	struct log_numbers numbers;
	uint64_t *at;
	size_t *torn; /* of each: bytes at its end that hold no whole record */
	size_t n;
};

struct log_name {
	char text[32];
};

static struct log_name log_name(uint64_t number)
{
	struct log_name name;

	snprintf(name.text, sizeof(name.text), "%06" PRIu64 ".log", number);
	return name;
}

static bool collect_log(void *ctx, const char *name)
{
	struct logs *logs = ctx;
	uint64_t number = strtoull(name, NULL, 10);

	if (dir_name_ends(name, ".log") && number >= logs->numbers.needed &&
	    number >= logs->numbers.kept && logs->n < LOGS_MAX)
		logs->at[logs->n++] = number;
	return true;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Wraps the finding of a reader of `name`. */
static bool is_damaged(const struct directory *dir, const char *name, struct err *err)
{
	return err_wrap(err, "%s/%s: restore the directory from a backup", dir->path, name);
}

static bool read_manifest(const struct directory *dir, struct log_numbers *out, struct err *err)
{
	CLEANUP(buf_free) struct buf current = { 0 }, manifest = { 0 };
	char *name;

	if (!dir_read(dir, "CURRENT", &current, err))
		return false;
	if (current.len < 10 || current.len > NAME_MAX ||
	    memcmp(current.ptr, "MANIFEST-", 9) != 0 || current.ptr[current.len - 1] != '\n')
		return err_set(err, ERR_CORRUPT,
			       "%s/CURRENT is damaged: restore the directory from a backup",
			       dir->path);
	name = (char *)current.ptr;
	name[current.len - 1] = '\0';
	return dir_read(dir, name, &manifest, err) &&
	       (log_file_numbers(buf_slice(&manifest), out, err) || is_damaged(dir, name, err));
}

static bool read_log(const struct directory *dir, uint64_t number, struct log_sequence *out,
		     struct err *err)
{
	CLEANUP(buf_free) struct buf log = { 0 };
	struct log_name name = log_name(number);

	return dir_read(dir, name.text, &log, err) &&
	       (log_file_sequence(buf_slice(&log), out, err) || is_damaged(dir, name.text, err));
}

/* The sequence numbers go on from log to log: none is missing between, none but the
 * last was cut behind what was recovered from it. */
static bool read_logs(const struct directory *dir, struct logs *logs, uint64_t *end,
		      struct err *err)
{
	struct log_sequence all = { 0 }, one;

	for (size_t i = 0; i < logs->n; i++) {
		if (!read_log(dir, logs->at[i], &one, err))
			return false;
		logs->torn[i] = one.torn;
		if (!one.any)
			continue;
		if (all.any && one.first != all.last + 1)
			return err_set(err, ERR_CORRUPT,
				       "%s: writes %" PRIu64 " to %" PRIu64 " before %06" PRIu64
				       ".log are missing: restore the directory from a backup",
				       dir->path, all.last + 1, one.first - 1, logs->at[i]);
		all = one;
		*end = one.last;
	}
	return true;
}

/* The sequence numbers cannot tell that the oldest log is gone. */
static bool check_oldest_log(const struct directory *dir, const struct log_numbers *numbers,
			     struct err *err)
{
	uint64_t oldest = dir->synced.oldest_log;
	struct log_name name = log_name(oldest);

	return oldest == 0 || oldest < numbers->kept ||
	       faccessat(dir->fd, name.text, F_OK, AT_EACCESS) == 0 ||
	       dir_failed(dir, name.text, err);
}

static bool sync_log(const struct directory *dir, uint64_t number, struct err *err)
{
	struct log_name name = log_name(number);
	int fd = openat(dir->fd, name.text, O_RDONLY | O_CLOEXEC);
	bool ok = (fd >= 0 && fsync(fd) == 0) || dir_failed(dir, name.text, err);

	if (fd >= 0)
		close(fd);
	return ok;
}

static bool sync_logs(const struct directory *dir, const struct logs *logs, struct err *err)
{
	for (size_t i = 0; i < logs->n; i++)
		if (!sync_log(dir, logs->at[i], err))
			return false;
	return true;
}

static bool find_logs(const struct directory *dir, struct logs *logs, uint64_t *end,
		      struct err *err)
{
	bool ok;

	*end = 0;
	if (!read_manifest(dir, &logs->numbers, err) || !check_oldest_log(dir, &logs->numbers, err))
		return false;
	logs->at = xcalloc(LOGS_MAX, sizeof(logs->at[0]));
	logs->torn = xcalloc(LOGS_MAX, sizeof(logs->torn[0]));
	ok = dir_list(dir, collect_log, logs, err);
	qsort(logs->at, logs->n, sizeof(logs->at[0]), by_number);
	return ok && read_logs(dir, logs, end, err);
}

static void free_logs(struct logs *logs)
{
	xfree(logs->at);
	xfree(logs->torn);
}

bool directory_check_logs(const struct directory *dir, uint64_t *end, bool *torn, struct err *err)
{
	struct logs logs = { 0 };
	bool ok = find_logs(dir, &logs, end, err) && (dir->read_only || sync_logs(dir, &logs, err));

	*torn = false;
	for (size_t i = 0; ok && i < logs.n; i++)
		*torn |= logs.torn[i] > 0;
	free_logs(&logs);
	return ok;
}

static bool cut(const struct directory *dir, uint64_t number, size_t torn, struct err *err)
{
	struct log_name name = log_name(number);
	int fd = openat(dir->fd, name.text, O_RDWR | O_CLOEXEC);
	struct stat st;
	bool ok = (fd >= 0 && fstat(fd, &st) == 0 && ftruncate(fd, st.st_size - (off_t)torn) == 0 &&
		   fsync(fd) == 0) ||
		  dir_failed(dir, name.text, err);

	if (fd >= 0)
		close(fd);
	return ok;
}

bool directory_cut_logs(const struct directory *dir, struct err *err)
{
	struct logs logs = { 0 };
	uint64_t end;
	bool ok = find_logs(dir, &logs, &end, err);

	for (size_t i = 0; ok && i < logs.n; i++)
		ok = logs.torn[i] == 0 || cut(dir, logs.at[i], logs.torn[i], err);
	free_logs(&logs);
	return ok;
}

/* ---- syncing what is written ------------------------------------------------------------ */

struct newer_logs {
	uint64_t than;
	struct buf numbers; /* uint64_t each */
};

static bool collect_newer(void *ctx, const char *name)
{
	struct newer_logs *logs = ctx;
	uint64_t number = strtoull(name, NULL, 10);

	if (dir_name_ends(name, ".log") && number > logs->than)
		buf_add(&logs->numbers, &number, sizeof(number));
	return true;
}

/* Syncs the log and keeps it open instead of the last one.  A log that is gone was written into
 * tables before it was removed. */
static bool sync_newer(struct directory *dir, uint64_t number, struct err *err)
{
	struct log_name name = log_name(number);
	int fd = openat(dir->fd, name.text, O_WRONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return true;
	if (fd < 0)
		return dir_failed(dir, name.text, err);
	if (dir->log_fd >= 0)
		close(dir->log_fd);
	dir->log_fd = fd;
	dir->log = number;
	return fdatasync(fd) == 0 || dir_failed(dir, name.text, err);
}

static bool sync_all_newer(struct directory *dir, struct buf *numbers, struct err *err)
{
	size_t n = numbers->len / sizeof(uint64_t);

	if (n == 0)
		return true;
	qsort(numbers->ptr, n, sizeof(uint64_t), by_number);
	for (size_t i = 0; i < n; i++) {
		uint64_t number;

		memcpy(&number, numbers->ptr + i * sizeof(number), sizeof(number));
		if (!sync_newer(dir, number, err))
			return false;
	}
	return fsync(dir->fd) == 0 || dir_failed(dir, ".", err);
}

/* Files that are made are told of before anything can be written to them.  Where the kernel has no
 * watch to give, the directory is listed each time. */
static void watch(struct directory *dir)
{
	dir->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (dir->watch_fd < 0 ||
	    inotify_add_watch(dir->watch_fd, dir->path, IN_CREATE | IN_MOVED_TO) >= 0)
		return;
	close(dir->watch_fd);
	dir->watch_fd = -1;
}

static bool tells_of_log(const char *events, size_t n)
{
	for (size_t at = 0; at < n;) {
		struct inotify_event e;

		memcpy(&e, events + at, sizeof(e));
		at += sizeof(e);
		if (e.mask != IN_CREATE &&
		    e.mask != IN_MOVED_TO) /* some were lost, or all will be */
			return true;
		if (e.len > 0 && dir_name_ends(events + at, ".log"))
			return true;
		at += e.len;
	}
	return false;
}

static bool may_be_newer(struct directory *dir)
{
	char events[4096];
	ssize_t n;

	if (dir->watch_fd < 0) {
		watch(dir);
		return true;
	}
	while ((n = read(dir->watch_fd, events, sizeof(events))) > 0)
		if (tells_of_log(events, (size_t)n))
			dir->looked = false;
	return !dir->looked || errno != EAGAIN;
}

void directory_forget_log(struct directory *dir)
{
	if (dir->log_fd >= 0)
		close(dir->log_fd);
	dir->log_fd = -1;
	dir->looked = false;
}

/* RocksDB writes to the newest log alone, and makes a newer one only between two writes: once there
 * is one, what was the newest is synced for the last time.  False: errno too says why. */
static bool sync_logs_once(struct directory *dir, struct err *err)
{
	struct newer_logs newer = { .than = dir->log };
	struct log_name name = log_name(dir->log);
	bool may = may_be_newer(dir), ok = !may || dir_list(dir, collect_newer, &newer, err);

	if (ok && dir->log_fd >= 0 && fdatasync(dir->log_fd) != 0)
		ok = dir_failed(dir, name.text, err);
	ok = ok && sync_all_newer(dir, &newer.numbers, err);
	dir->looked = ok;
	buf_free(&newer.numbers);
	return ok;
}

/* Where there is none to be had, a later sync takes it. */
static void keep_spare(struct directory *dir)
{
	if (dir->spare_fd < 0)
		dir->spare_fd = fcntl(dir->fd, F_DUPFD_CLOEXEC, 0);
}

static void give_spare(struct directory *dir)
{
	close(dir->spare_fd);
	dir->spare_fd = -1;
}

/* A new log costs a descriptor.  That connections hold all of them is no fault of the disk, and
 * opening the database anew would take many more; but where those wait for this very sync none
 * comes free before it has ended. */
bool directory_sync_logs(struct directory *dir, struct err *err)
{
	for (int64_t waited = 0; !sync_logs_once(dir, err);) {
		if ((errno != EMFILE && errno != ENFILE) || waited >= FILES_WAIT_US)
			return false;
		if (dir->spare_fd >= 0) {
			give_spare(dir);
			continue;
		}
		if (waited == 0)
			log_err(LOG_WARN, err, "a sync waits for a free file descriptor");
		usleep(FILES_POLL_US);
		waited += FILES_POLL_US;
	}
	keep_spare(dir);
	return true;
}
