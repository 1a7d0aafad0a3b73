#include "bin/copy_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/dir.h"

static bool sys_failed(struct err *err, const char *doing, const char *path)
{
	return err_set(err, errno == ENOSPC || errno == EDQUOT ? ERR_NO_SPACE : ERR_INVALID,
		       "%s %s: %s", doing, path, strerror(errno));
}

static bool copy_bytes(int from, int to)
{
	char bytes[1 << 16];

	for (;;) {
		ssize_t got = read(from, bytes, sizeof(bytes));

		if (got <= 0)
			return got == 0;
		for (ssize_t put = 0; put < got;) {
			ssize_t n = write(to, bytes + put, (size_t)(got - put));

			if (n < 0)
				return false;
			put += n;
		}
	}
}

static bool copy_file(int from_dir, int to_dir, const char *name, struct err *err)
{
	int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat st;
	bool ok = from >= 0 && to >= 0 && fstat(from, &st) == 0;

	if (ok && !S_ISREG(st.st_mode)) {
		errno = EINVAL;
		ok = false;
	}
	ok = ok && copy_bytes(from, to) && fsync(to) == 0;
	if (!ok)
		sys_failed(err, "copy", name);
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return ok;
}

static bool is_dot(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

static bool copy_files(DIR *from, int to_dir, struct err *err)
{
	struct dirent *entry;

	while (errno = 0, (entry = readdir(from)))
		if (!is_dot(entry->d_name) && !copy_file(dirfd(from), to_dir, entry->d_name, err))
			return false;
	if (errno != 0)
		return sys_failed(err, "read", "the directory");
	return fsync(to_dir) == 0 || sys_failed(err, "sync", "the copy");
}

static void remove_dir(const char *path, int fd)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (!is_dot(entry->d_name))
			unlinkat(fd, entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(path);
}

static bool copy_into(DIR *from, const char *part, const char *to, copy_dir_fn *finish,
		      struct err *err)
{
	int fd;
	bool ok;

	if (mkdir(part, 0700) != 0)
		return sys_failed(err, "make", part);
	fd = open(part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok = fd >= 0 ? copy_files(from, fd, err) : sys_failed(err, "open", part);
	ok = ok && finish(part, err);
	if (ok && rename(part, to) != 0)
		ok = sys_failed(err, "rename the copy to", to);
	if (!ok && fd >= 0)
		remove_dir(part, fd);
	if (fd >= 0)
		close(fd);
	return ok;
}

bool copy_dir(const char *from, const char *to, copy_dir_fn *finish, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	DIR *dir;
	bool ok;

	if (access(to, F_OK) == 0)
		return err_set(err, ERR_INVALID, "%s is there already; move it away first", to);
	dir = opendir(from);
	if (!dir)
		return sys_failed(err, "open", from);
	ok = copy_into(dir, arena_printf(mem, "%s.part", to), to, finish, err);
	closedir(dir);
	if (ok && !dir_sync_parent(to))
		ok = sys_failed(err, "sync the directory of", to);
	return ok;
}
