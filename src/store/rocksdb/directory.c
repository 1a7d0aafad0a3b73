#include "store/rocksdb/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/dir.h"
#include "store/rocksdb/log_file.h"
#include "store/rocksdb/synced.h"

#define FORMAT_MAX 256

/* ---- FORMAT ---------------------------------------------------------------------------- */

/* Of FORMAT_MAX bytes at `out`. */
static struct slice format_text(char *out, unsigned format, const char *state)
{
	int n = snprintf(out, FORMAT_MAX, "pinfold store\nformat %u\nstate %s\n", format, state);
	uint32_t crc = log_file_crc32c(SLICE_OF(out, (size_t)n));

	n += snprintf(out + n, FORMAT_MAX - (size_t)n, "crc %08" PRIx32 "\n", crc);
	return SLICE_OF(out, (size_t)n);
}

static bool write_format(const struct directory *dir, unsigned format, const char *state,
			 struct err *err)
{
	char text[FORMAT_MAX];

	return dir_write(dir, "FORMAT", format_text(text, format, state), err);
}

static bool is_format(struct slice text, unsigned format, const char *state)
{
	char wanted[FORMAT_MAX];

	return slice_eq(text, format_text(wanted, format, state));
}

bool format_decode(struct slice text, unsigned format, enum directory_state *state, struct err *err)
{
	size_t n = text.len < FORMAT_MAX ? text.len : FORMAT_MAX - 1;
	char begin[FORMAT_MAX] = "";
	unsigned found;

	for (unsigned known = format; known >= 1; known--) {
		*state = DIRECTORY_READY;
		if (is_format(text, known, "ready"))
			return true;
		*state = DIRECTORY_NEW;
		if (is_format(text, known, "new"))
			return true;
	}
	if (n > 0)
		memcpy(begin, text.ptr, n);
	if (sscanf(begin, "pinfold store\nformat %u", &found) == 1 && found > format)
		return err_set(
			err, ERR_INVALID,
			"the store has format %u, this program knows %u: use a newer program",
			found, format);
	return err_set(err, ERR_CORRUPT,
		       "FORMAT is damaged: restore it, or the whole directory from a backup");
}

static bool read_format(struct directory *dir, unsigned format, struct err *err)
{
	CLEANUP(buf_free) struct buf text = { 0 };

	return dir_read(dir, "FORMAT", &text, err) &&
	       (format_decode(buf_slice(&text), format, &dir->state, err) ||
		err_wrap(err, "%s", dir->path));
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
		return dir_failed(dir, ".", err);
	pid = lock_holder(dir);
	if (pid == 0)
		return err_set(err, ERR_UNAVAILABLE,
			       "%s is in use: stop the program that has it open", dir->path);
	return err_set(err, ERR_UNAVAILABLE, "%s is in use by process %ld: stop it first",
		       dir->path, pid);
}

static bool open_path(struct directory *dir, bool create, struct err *err)
{
	if (create && !dir->read_only && !dir_make(dir->path))
		return err_set(err, errno == EACCES ? ERR_DENIED : ERR_INVALID,
			       "cannot make the directory %s: %s", dir->path, strerror(errno));
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir->fd < 0 && errno == ENOENT)
		return err_set(err, ERR_INVALID, "%s: no such directory", dir->path);
	if (dir->fd < 0 && errno == ENOTDIR)
		return err_set(err, ERR_INVALID, "%s is not a directory", dir->path);
	if (dir->fd >= 0 && (dir->read_only || faccessat(dir->fd, ".", W_OK, AT_EACCESS) == 0))
		return true;
	if (errno == EACCES || errno == EPERM || errno == EROFS)
		return err_set(err, ERR_DENIED,
			       "%s: %s: give this user the right to read and write it", dir->path,
			       strerror(errno));
	return err_set(err, ERR_UNAVAILABLE, "%s: %s", dir->path, strerror(errno));
}

static bool open_format(struct directory *dir, bool create, unsigned format, struct err *err)
{
	char stranger[NAME_MAX + 1] = "";

	if (faccessat(dir->fd, "FORMAT", F_OK, AT_EACCESS) == 0)
		return read_format(dir, format, err);
	if (!dir_list(dir, find_stranger, stranger, err))
		return false;
	if (stranger[0] || !create || dir->read_only)
		return err_set(err, ERR_INVALID,
			       "%s is not a Pinfold store: it has no file FORMAT%s%s", dir->path,
			       stranger[0] ? ", but has " : "", stranger);
	dir->state = DIRECTORY_NEW;
	return write_format(dir, format, "new", err);
}

/* Of a new one it is not known who made it, and whether that was synced. */
static bool open_state(struct directory *dir, struct err *err)
{
	if (dir->state == DIRECTORY_READY)
		return synced_open(dir, &dir->synced, err);
	return dir->read_only || dir_sync_parent(dir->path) || dir_failed(dir, "..", err);
}

bool directory_open(const char *path, bool create, bool read_only, unsigned format,
		    struct directory *out, struct err *err)
{
	struct directory dir = DIRECTORY_CLOSED;

	dir.path = xstrdup(path);
	dir.read_only = read_only;
	if (!open_path(&dir, create, err) || !lock(&dir, err) ||
	    !open_format(&dir, create, format, err) || !open_state(&dir, err)) {
		directory_close(&dir);
		return false;
	}
	*out = dir;
	return true;
}

void directory_close(struct directory *dir)
{
	synced_close(&dir->synced);
	directory_forget_log(dir);
	if (dir->watch_fd >= 0)
		close(dir->watch_fd);
	if (dir->spare_fd >= 0)
		close(dir->spare_fd);
	if (dir->fd >= 0)
		close(dir->fd);
	xfree(dir->path);
	*dir = DIRECTORY_CLOSED;
}

/* ---- SYNCED ----------------------------------------------------------------------------- */

bool directory_make_ready(struct directory *dir, unsigned format, struct err *err)
{
	if (!synced_make(dir, 0, err) || !synced_open(dir, &dir->synced, err) ||
	    !write_format(dir, format, "ready", err))
		return false;
	dir->state = DIRECTORY_READY;
	return true;
}

struct oldest_log {
	uint64_t kept, found; /* 0: none */
};

static bool find_oldest_log(void *ctx, const char *name)
{
	struct oldest_log *oldest = ctx;
	uint64_t number = strtoull(name, NULL, 10);

	if (dir_name_ends(name, ".log") && number >= oldest->kept &&
	    (oldest->found == 0 || number < oldest->found))
		oldest->found = number;
	return true;
}

uint64_t directory_synced(const struct directory *dir)
{
	return dir->synced.sequence;
}

void directory_set_synced(struct directory *dir, uint64_t sequence, uint64_t kept)
{
	uint64_t oldest_log = dir->synced.oldest_log;

	if (kept > dir->kept || dir->kept == 0) {
		struct oldest_log oldest = { .kept = kept };
		struct err err;

		oldest_log = dir_list(dir, find_oldest_log, &oldest, &err) ? oldest.found : 0;
		dir->kept = kept;
	}
	synced_write(&dir->synced, sequence, oldest_log);
}

/* ---- backups ---------------------------------------------------------------------------- */

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
	struct directory dir = DIRECTORY_CLOSED;
	struct sync_all sync = { .ok = true };
	bool ok;

	dir.path = xstrdup(path);
	dir.fd = sync.dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok = dir.fd >= 0 ? dir_list(&dir, sync_one, &sync, err) : dir_failed(&dir, ".", err);

	if (ok && !sync.ok)
		ok = dir_failed(&dir, ".", err);
	ok = ok && synced_make(&dir, synced, err) && write_format(&dir, format, "ready", err);
	if (ok && !dir_sync_parent(path))
		ok = dir_failed(&dir, "..", err);
	directory_close(&dir);
	return ok;
}

/* ---- space ------------------------------------------------------------------------------ */

struct total {
	int dir_fd;
	uint64_t bytes;
};

static bool add_table(void *ctx, const char *name)
{
	struct total *t = ctx;
	struct stat st;

	if (dir_name_ends(name, ".sst") && fstatat(t->dir_fd, name, &st, 0) == 0)
		t->bytes += (uint64_t)st.st_size;
	return true;
}

uint64_t directory_table_bytes(const struct directory *dir)
{
	struct total total = { .dir_fd = dir->fd };
	struct err err;

	return dir_list(dir, add_table, &total, &err) ? total.bytes : 0;
}

bool directory_try_write(const struct directory *dir, size_t bytes, struct err *err)
{
	static const char name[] = "PROBE";
	void *zeros = xcalloc(1, bytes);
	int fd = openat(dir->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && dir_write_at(fd, SLICE_OF(zeros, bytes), 0) && fsync(fd) == 0;

	ok = ok || dir_failed(dir, name, err);
	if (fd >= 0) {
		close(fd);
		unlinkat(dir->fd, name, 0);
	}
	xfree(zeros);
	return ok;
}
