#include "store/rocksdb/directory.h"

#include <assert.h>
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/rocksdb/log_file.h"

#define SYNCED_SIZE 1024
#define SLOT_SIZE   512
#define SLOT_BYTES  24 /* of a slot, before its checksum */
#define FORMAT_MAX  256

/* ---- files --------------------------------------------------------------------------- */

static bool failed(const struct directory *dir, const char *name, struct err *err)
{
	int e = errno;
	enum err_code code = e == ENOSPC || e == EDQUOT || e == EFBIG ? ERR_NO_SPACE
			     : e == EACCES || e == EPERM              ? ERR_DENIED
			     : e == ENOENT                            ? ERR_CORRUPT
								      : ERR_UNAVAILABLE;

	if (e == ENOENT)
		return err_set(err, code,
			       "%s/%s is missing: restore it, or the whole directory "
			       "from a backup",
			       dir->path, name);
	return err_set(err, code, "%s/%s: %s", dir->path, name, strerror(e));
}

/* All of a small file; *n is its length, at most `max`. */
static bool read_file(const struct directory *dir, const char *name, char *out, size_t max,
		      size_t *n, struct err *err)
{
	int fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return failed(dir, name, err);
	got = read(fd, out, max);
	close(fd);
	if (got < 0)
		return failed(dir, name, err);
	*n = (size_t)got;
	return true;
}

/* Whole or not at all, and durable. */
static bool write_file(const struct directory *dir, const char *name, const void *bytes, size_t n,
		       struct err *err)
{
	char draft[64];
	int fd;
	bool ok;

	snprintf(draft, sizeof(draft), "%s.new", name);
	fd = openat(dir->fd, draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed(dir, draft, err);
	ok = write(fd, bytes, n) == (ssize_t)n && fsync(fd) == 0;
	ok = close(fd) == 0 && ok;
	ok = ok && renameat(dir->fd, draft, dir->fd, name) == 0 && fsync(dir->fd) == 0;
	return ok || failed(dir, name, err);
}

struct mapping {
	void *at;
	size_t len;
};

static void unmap(struct mapping *m)
{
	if (m->len > 0)
		munmap(m->at, m->len);
}

static bool map_file(const struct directory *dir, const char *name, struct mapping *out,
		     struct err *err)
{
	int fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	*out = (struct mapping){ 0 };
	if (fd < 0)
		return failed(dir, name, err);
	if (fstat(fd, &st) < 0 || st.st_size == 0) {
		close(fd);
		return true;
	}
	out->at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (out->at == MAP_FAILED)
		return failed(dir, name, err);
	out->len = (size_t)st.st_size;
	return true;
}

/* Calls `each` with the name of every file until it returns false. */
static bool list(const struct directory *dir, bool (*each)(void *ctx, const char *name), void *ctx,
		 struct err *err)
{
	int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (!d)
		return failed(dir, ".", err);
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    !each(ctx, e->d_name))
			break;
	closedir(d);
	return true;
}

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && strcmp(name + n - m, end) == 0;
}

/* ---- FORMAT ---------------------------------------------------------------------------- */

static bool write_format(const struct directory *dir, unsigned format, const char *state,
			 struct err *err)
{
	char text[FORMAT_MAX];
	int n = snprintf(text, sizeof(text), "pinfold store\nformat %u\nstate %s\n", format, state);
	uint32_t crc = log_file_crc32c(SLICE_OF(text, (size_t)n));

	n += snprintf(text + n, sizeof(text) - (size_t)n, "crc %08" PRIx32 "\n", crc);
	return write_file(dir, "FORMAT", text, (size_t)n, err);
}

static bool is_format(const char *text, unsigned format, const char *state)
{
	char wanted[FORMAT_MAX];
	int n = snprintf(wanted, sizeof(wanted), "pinfold store\nformat %u\nstate %s\n", format,
			 state);

	snprintf(wanted + n, sizeof(wanted) - (size_t)n, "crc %08" PRIx32 "\n",
		 log_file_crc32c(SLICE_OF(wanted, (size_t)n)));
	return strcmp(text, wanted) == 0;
}

static bool read_format(struct directory *dir, unsigned format, struct err *err)
{
	char text[FORMAT_MAX];
	unsigned found;
	size_t n;

	if (!read_file(dir, "FORMAT", text, sizeof(text) - 1, &n, err))
		return false;
	text[n] = '\0';
	for (unsigned known = format; known >= 1; known--) {
		dir->state = DIRECTORY_READY;
		if (is_format(text, known, "ready"))
			return true;
		dir->state = DIRECTORY_NEW;
		if (is_format(text, known, "new"))
			return true;
	}
	if (sscanf(text, "pinfold store\nformat %u", &found) == 1 && found > format)
		return err_set(err, ERR_INVALID,
			       "%s has store format %u, this program knows %u: use a newer program",
			       dir->path, found, format);
	return err_set(err, ERR_CORRUPT,
		       "%s/FORMAT is damaged: restore it, or the whole directory from a backup",
		       dir->path);
}

/* ---- opening ----------------------------------------------------------------------------- */

static bool is_stranger(const char *name)
{
	return strcmp(name, "FORMAT.new") != 0 && strcmp(name, "lost+found") != 0;
}

static bool find_stranger(void *ctx, const char *name)
{
	char *out = ctx;

	if (!is_stranger(name))
		return true;
	snprintf(out, NAME_MAX + 1, "%s", name);
	return false;
}

/* Who holds the lock of this directory, by the kernel's list; 0: not known.  (Asking for
 * RocksDB's own lock would mean to open and close its file, and closing it in the process
 * that holds the lock would release it.) */
static long lock_holder(const struct directory *dir)
{
	FILE *locks = fopen("/proc/locks", "re");
	unsigned long long inode;
	char line[256];
	struct stat st;
	long pid = 0;

	if (!locks)
		return 0;
	while (pid == 0 && fstat(dir->fd, &st) == 0 && fgets(line, sizeof(line), locks))
		if (sscanf(line, "%*s FLOCK %*s %*s %ld %*x:%*x:%llu", &pid, &inode) != 2 ||
		    inode != st.st_ino)
			pid = 0;
	fclose(locks);
	return pid;
}

static bool lock(struct directory *dir, struct err *err)
{
	long pid;

	if (flock(dir->fd, (dir->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
		return true;
	if (errno != EWOULDBLOCK)
		return failed(dir, ".", err);
	pid = lock_holder(dir);
	if (pid == 0)
		return err_set(err, ERR_UNAVAILABLE,
			       "%s is in use: stop the program that has it open", dir->path);
	return err_set(err, ERR_UNAVAILABLE, "%s is in use by process %ld: stop it first",
		       dir->path, pid);
}

/* A new entry is there after a loss of power only if its directory was synced too. */
static bool sync_parent(const char *path)
{
	char *copy = xstrdup(path); /* dirname() writes into it */
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* One that may be written and not read cannot be synced. */
	bool ok = fd >= 0 ? fsync(fd) == 0 : errno == EACCES;

	if (fd >= 0)
		close(fd);
	xfree(copy);
	return ok;
}

static bool open_path(struct directory *dir, bool create, struct err *err)
{
	if (create && !dir->read_only &&
	    (mkdir(dir->path, 0700) == 0 ? !sync_parent(dir->path) : errno != EEXIST))
		return err_set(err, errno == EACCES ? ERR_DENIED : ERR_INVALID,
			       "cannot make the directory %s: %s", dir->path, strerror(errno));
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir->fd < 0 && errno == ENOENT)
		return err_set(err, ERR_INVALID, "%s: no such directory", dir->path);
	if (dir->fd < 0 && errno == ENOTDIR)
		return err_set(err, ERR_INVALID, "%s is not a directory", dir->path);
	if (dir->fd < 0 || (!dir->read_only && faccessat(dir->fd, ".", W_OK, AT_EACCESS) < 0))
		return err_set(err, ERR_DENIED,
			       "%s: %s: give this user the right to read and write it", dir->path,
			       strerror(errno));
	return true;
}

static bool map_synced(struct directory *dir, struct err *err)
{
	int flags = dir->read_only ? O_RDONLY : O_RDWR;
	int fd = openat(dir->fd, "SYNCED", flags | O_CLOEXEC);
	struct stat st;
	void *at;

	if (fd < 0)
		return failed(dir, "SYNCED", err);
	if (fstat(fd, &st) < 0 || st.st_size != SYNCED_SIZE) {
		close(fd);
		return err_set(err, ERR_CORRUPT,
			       "%s/SYNCED was cut: restore it, or the whole directory from a "
			       "backup",
			       dir->path);
	}
	at = mmap(NULL, SYNCED_SIZE, PROT_READ | (dir->read_only ? 0 : PROT_WRITE), MAP_SHARED, fd,
		  0);
	close(fd);
	if (at == MAP_FAILED)
		return failed(dir, "SYNCED", err);
	dir->synced = at;
	return true;
}

static bool open_format(struct directory *dir, bool create, unsigned format, struct err *err)
{
	char stranger[NAME_MAX + 1] = "";

	if (faccessat(dir->fd, "FORMAT", F_OK, AT_EACCESS) == 0)
		return read_format(dir, format, err);
	if (!list(dir, find_stranger, stranger, err))
		return false;
	if (stranger[0] || !create || dir->read_only)
		return err_set(err, ERR_INVALID,
			       "%s is not a Pinfold store: it has no file FORMAT%s%s", dir->path,
			       stranger[0] ? ", but has " : "", stranger);
	dir->state = DIRECTORY_NEW;
	return write_format(dir, format, "new", err);
}

bool directory_open(const char *path, bool create, bool read_only, unsigned format,
		    struct directory *out, struct err *err)
{
	struct directory dir = { .path = xstrdup(path), .fd = -1, .read_only = read_only };

	if (!open_path(&dir, create, err) || !lock(&dir, err) ||
	    !open_format(&dir, create, format, err) ||
	    (dir.state == DIRECTORY_READY && !map_synced(&dir, err))) {
		directory_close(&dir);
		return false;
	}
	*out = dir;
	return true;
}

void directory_close(struct directory *dir)
{
	if (dir->synced)
		munmap(dir->synced, SYNCED_SIZE);
	if (dir->fd >= 0)
		close(dir->fd);
	xfree(dir->path);
	*dir = (struct directory){ .fd = -1 };
}

/* ---- SYNCED -------------------------------------------------------------------------------- */

struct slot {
	uint64_t turn, sequence, oldest_log;
	bool good;
};

static struct slot read_slot(const uint8_t *at)
{
	uint64_t words[3];
	uint32_t crc;

	memcpy(words, at, SLOT_BYTES);
	memcpy(&crc, at + SLOT_BYTES, sizeof(crc));
	return (struct slot){ le64toh(words[0]), le64toh(words[1]), le64toh(words[2]),
			      le32toh(crc) == log_file_crc32c(SLICE_OF(at, SLOT_BYTES)) };
}

static void write_slot(uint8_t *at, uint64_t turn, uint64_t sequence, uint64_t oldest_log)
{
	uint64_t words[3] = { htole64(turn), htole64(sequence), htole64(oldest_log) };
	uint32_t crc = htole32(log_file_crc32c(SLICE_OF(words, SLOT_BYTES)));

	memcpy(at, words, SLOT_BYTES);
	memcpy(at + SLOT_BYTES, &crc, sizeof(crc));
}

/* Which of the two counts; -1: neither. */
static int newest_slot(const uint8_t *synced, struct slot *out)
{
	struct slot a = read_slot(synced), b = read_slot(synced + SLOT_SIZE);
	int newest = !a.good && !b.good ? -1 : !b.good || (a.good && a.turn > b.turn) ? 0 : 1;

	*out = newest == 1 ? b : a;
	return newest;
}

uint64_t directory_synced(const struct directory *dir)
{
	struct slot slot;

	return newest_slot(dir->synced, &slot) < 0 ? 0 : slot.sequence;
}

struct oldest_log {
	uint64_t kept, found; /* 0: none */
};

static bool find_oldest_log(void *ctx, const char *name)
{
	struct oldest_log *oldest = ctx;
	uint64_t number = strtoull(name, NULL, 10);

	if (ends_with(name, ".log") && number >= oldest->kept &&
	    (oldest->found == 0 || number < oldest->found))
		oldest->found = number;
	return true;
}

void directory_set_synced(struct directory *dir, uint64_t sequence, uint64_t kept)
{
	struct slot slot;
	int newest = newest_slot(dir->synced, &slot);

	if (dir->oldest_log == 0 || kept > dir->kept) {
		struct oldest_log oldest = { .kept = kept };
		struct err err;

		dir->oldest_log = list(dir, find_oldest_log, &oldest, &err) ? oldest.found : 0;
		dir->kept = kept;
	}
	write_slot(dir->synced + (newest == 0 ? SLOT_SIZE : 0), slot.turn + 1, sequence,
		   dir->oldest_log);
}

static bool make_synced(const struct directory *dir, uint64_t sequence, struct err *err)
{
	uint8_t bytes[SYNCED_SIZE] = { 0 };

	write_slot(bytes, 1, sequence, 0);
	write_slot(bytes + SLOT_SIZE, 0, 0, 0);
	return write_file(dir, "SYNCED", bytes, sizeof(bytes), err);
}

bool directory_make_ready(struct directory *dir, unsigned format, struct err *err)
{
	if (!make_synced(dir, 0, err) || !map_synced(dir, err) ||
	    !write_format(dir, format, "ready", err))
		return false;
	dir->state = DIRECTORY_READY;
	return true;
}

struct sync_all {
	int dir_fd;
	bool ok;
};

static bool sync_one(void *ctx, const char *name)
{
	struct sync_all *s = ctx;
	int fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC);

	s->ok = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	return s->ok;
}

bool directory_seal_backup(const char *path, unsigned format, uint64_t synced, struct err *err)
{
	struct directory dir = { .path = xstrdup(path),
				 .fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	struct sync_all sync = { .dir_fd = dir.fd, .ok = true };
	bool ok = dir.fd >= 0 ? list(&dir, sync_one, &sync, err) : failed(&dir, ".", err);

	if (ok && !sync.ok)
		ok = failed(&dir, ".", err);
	ok = ok && make_synced(&dir, synced, err) && write_format(&dir, format, "ready", err);
	if (ok && !sync_parent(path))
		ok = failed(&dir, "..", err);
	directory_close(&dir);
	return ok;
}

/* ---- logs ------------------------------------------------------------------------------------ */

#define LOGS_MAX 4096

struct logs { /* those that count: of those that may be removed some may be gone already */
	struct log_numbers numbers;
	uint64_t *at;
	size_t *torn; /* of each: bytes at its end that hold no whole record */
	size_t n;
};

static bool collect_log(void *ctx, const char *name)
{
	struct logs *logs = ctx;
	uint64_t number = strtoull(name, NULL, 10);

	if (ends_with(name, ".log") && number >= logs->numbers.needed &&
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
	char name[64];
	struct mapping map;
	size_t n;
	bool ok;

	if (!read_file(dir, "CURRENT", name, sizeof(name) - 1, &n, err))
		return false;
	name[n] = '\0';
	if (n < 10 || strncmp(name, "MANIFEST-", 9) != 0 || name[n - 1] != '\n')
		return err_set(err, ERR_CORRUPT,
			       "%s/CURRENT is damaged: restore the directory from a backup",
			       dir->path);
	name[n - 1] = '\0';
	if (!map_file(dir, name, &map, err))
		return false;
	ok = log_file_numbers(SLICE_OF(map.at, map.len), out, err);
	unmap(&map);
	return ok || is_damaged(dir, name, err);
}

static bool read_log(const struct directory *dir, uint64_t number, struct log_sequence *out,
		     struct err *err)
{
	char name[32];
	struct mapping map;
	bool ok;

	snprintf(name, sizeof(name), "%06" PRIu64 ".log", number);
	if (!map_file(dir, name, &map, err))
		return false;
	ok = log_file_sequence(SLICE_OF(map.at, map.len), out, err);
	unmap(&map);
	return ok || is_damaged(dir, name, err);
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
	struct slot slot;
	char name[32];

	if (newest_slot(dir->synced, &slot) < 0 || slot.oldest_log == 0 ||
	    slot.oldest_log < numbers->kept)
		return true;
	snprintf(name, sizeof(name), "%06" PRIu64 ".log", slot.oldest_log);
	return faccessat(dir->fd, name, F_OK, AT_EACCESS) == 0 || failed(dir, name, err);
}

static bool sync_logs(const struct directory *dir, const struct logs *logs, struct err *err)
{
	char name[32];

	for (size_t i = 0; i < logs->n; i++) {
		struct sync_all sync = { .dir_fd = dir->fd };

		snprintf(name, sizeof(name), "%06" PRIu64 ".log", logs->at[i]);
		if (!sync_one(&sync, name))
			return failed(dir, name, err);
	}
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
	ok = list(dir, collect_log, logs, err);
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
	struct stat st;
	char name[32];
	bool ok;
	int fd;

	snprintf(name, sizeof(name), "%06" PRIu64 ".log", number);
	fd = openat(dir->fd, name, O_RDWR | O_CLOEXEC);
	ok = fd >= 0 && fstat(fd, &st) == 0 && ftruncate(fd, st.st_size - (off_t)torn) == 0 &&
	     fsync(fd) == 0;
	ok = ok || failed(dir, name, err);
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

/* ---- space --------------------------------------------------------------------------------------
 */

struct total {
	int dir_fd;
	uint64_t bytes;
};

static bool add_table(void *ctx, const char *name)
{
	struct total *t = ctx;
	struct stat st;

	if (ends_with(name, ".sst") && fstatat(t->dir_fd, name, &st, 0) == 0)
		t->bytes += (uint64_t)st.st_size;
	return true;
}

uint64_t directory_table_bytes(const struct directory *dir)
{
	struct total total = { .dir_fd = dir->fd };
	struct err err;

	return list(dir, add_table, &total, &err) ? total.bytes : 0;
}

bool directory_try_write(const struct directory *dir, size_t bytes, struct err *err)
{
	static const char name[] = "PROBE";
	void *zeros = xcalloc(1, bytes);
	int fd = openat(dir->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write(fd, zeros, bytes) == (ssize_t)bytes && fsync(fd) == 0;
	int e = errno;

	if (fd >= 0) {
		close(fd);
		unlinkat(dir->fd, name, 0);
	}
	xfree(zeros);
	errno = e;
	return ok || failed(dir, name, err);
}
