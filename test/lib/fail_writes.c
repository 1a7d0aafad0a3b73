/*
 * fail_writes.c -- preloaded: a disk that is full or fails, at will.
 *
 * While the file named by PINFOLD_FAIL_WRITES exists, write() to a regular file fails
 * with ENOSPC if it holds "full" and with EIO if it holds "broken", and fsync() and fdatasync()
 * fail with EIO if it holds "sync"; if it holds "sync PATH", of that file or directory alone.
 * readdir() fails with EIO if it holds "list", and openat() with EMFILE if it holds "files"; open()
 * goes on, so that does not reach RocksDB.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void read_told(char *text, size_t max)
{
	const char *path = getenv("PINFOLD_FAIL_WRITES");
	int before = errno; /* at its end readdir() leaves it as it is */
	long fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;

	memset(text, 0, max);
	if (fd >= 0 && syscall(SYS_read, fd, text, max - 1) < 0)
		text[0] = '\0';
	if (fd >= 0)
		syscall(SYS_close, fd);
	errno = before;
}

/* What a write() is refused with; 0: it is not. */
static int write_error(void)
{
	char text[16];

	read_told(text, sizeof(text));
	return strcmp(text, "full") == 0 ? ENOSPC : strcmp(text, "broken") == 0 ? EIO : 0;
}

static int is_told(const char *what)
{
	char text[16];

	read_told(text, sizeof(text));
	return strcmp(text, what) == 0;
}

static int cannot_sync(int fd)
{
	char text[512], link[64], path[512] = "";

	read_told(text, sizeof(text));
	if (strncmp(text, "sync ", 5) != 0)
		return strcmp(text, "sync") == 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return readlink(link, path, sizeof(path) - 1) > 0 && strcmp(path, text + 5) == 0;
}

static int is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static int refuse(int error)
{
	errno = error;
	return -1;
}

ssize_t write(int fd, const void *bytes, size_t n)
{
	int error = is_file(fd) ? write_error() : 0;

	if (error)
		return refuse(error);
	return syscall(SYS_write, fd, bytes, n);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
	int error = is_file(fd) ? write_error() : 0;

	if (error)
		return refuse(error);
	return syscall(SYS_pwrite64, fd, bytes, n, at);
}

int fsync(int fd)
{
	return cannot_sync(fd) ? refuse(EIO) : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return cannot_sync(fd) ? refuse(EIO) : (int)syscall(SYS_fdatasync, fd);
}

struct dirent *readdir(DIR *dir)
{
	struct dirent *(*real)(DIR *) = (struct dirent * (*)(DIR *)) dlsym(RTLD_NEXT, "readdir64");

	if (!is_told("list"))
		return real(dir);
	errno = EIO;
	return NULL;
}

int openat(int dir_fd, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if (flags & (O_CREAT | O_TMPFILE))
		mode = va_arg(args, mode_t);
	va_end(args);
	if (is_told("files"))
		return refuse(EMFILE);
	return (int)syscall(SYS_openat, dir_fd, path, flags, mode);
}
