#include "store/rocksdb/dir_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define READ_BYTES ((size_t)256 << 10)

bool dir_failed(const struct directory *dir, const char *name, struct err *err)
{
	int e = errno;
	enum err_code code = e == ENOSPC || e == EDQUOT || e == EFBIG ? ERR_NO_SPACE
			     : e == EACCES || e == EPERM              ? ERR_DENIED
			     : e == ENOENT                            ? ERR_CORRUPT
								      : ERR_UNAVAILABLE;

	if (e == ENOENT)
		err_set(err, code,
			"%s/%s is missing: restore it, or the whole directory from a backup",
			dir->path, name);
	else
		err_set(err, code, "%s/%s: %s", dir->path, name, strerror(e));
	errno = e;
	return false;
}

bool dir_read(const struct directory *dir, const char *name, struct buf *out, struct err *err)
{
	int fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd < 0)
		return dir_failed(dir, name, err);
	do {
		n = read(fd, buf_reserve(out, READ_BYTES), READ_BYTES);
		if (n > 0)
			out->len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		dir_failed(dir, name, err);
	close(fd);
	return n == 0;
}

bool dir_write_at(int fd, struct slice bytes, off_t at)
{
	while (bytes.len > 0) {
		ssize_t n = pwrite(fd, bytes.ptr, bytes.len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n < 0 ? errno : ENOSPC;
			return false;
		}
		bytes = SLICE_OF(bytes.ptr + n, bytes.len - (size_t)n);
		at += n;
	}
	return true;
}

bool dir_write(const struct directory *dir, const char *name, struct slice bytes, struct err *err)
{
	char draft[64];
	int fd;
	bool ok;

	snprintf(draft, sizeof(draft), "%s.new", name);
	fd = openat(dir->fd, draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return dir_failed(dir, draft, err);
	ok = (dir_write_at(fd, bytes, 0) && fsync(fd) == 0) || dir_failed(dir, draft, err);
	close(fd);
	return ok && ((renameat(dir->fd, draft, dir->fd, name) == 0 && fsync(dir->fd) == 0) ||
		      dir_failed(dir, name, err));
}

bool dir_list(const struct directory *dir, bool (*each)(void *ctx, const char *name), void *ctx,
	      struct err *err)
{
	int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	bool ok;

	if (!d) {
		dir_failed(dir, ".", err);
		if (fd >= 0)
			close(fd);
		return false;
	}
	/* At the end errno stays as it is: a name that could not be read is no end. */
	while (errno = 0, (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    !each(ctx, e->d_name))
			break;
	ok = e || errno == 0 || dir_failed(dir, ".", err);
	closedir(d);
	return ok;
}

bool dir_name_ends(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && strcmp(name + n - m, end) == 0;
}
