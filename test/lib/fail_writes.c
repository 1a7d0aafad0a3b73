/*
 * fail_writes.c -- preloaded: a disk that is full or fails, at will.
 *
 * While the file named by PINFOLD_FAIL_WRITES exists, write() to a regular file fails
 * with ENOSPC if it holds "full", and fsync() and fdatasync() fail
 * with EIO if it holds "sync".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int told_to(const char *what)
{
	const char *path = getenv("PINFOLD_FAIL_WRITES");
	char text[16] = "";
	long fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return 0;
	if (syscall(SYS_read, fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	syscall(SYS_close, fd);
	return strstr(text, what) != NULL;
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
	if (is_file(fd) && told_to("full"))
		return refuse(ENOSPC);
	return syscall(SYS_write, fd, bytes, n);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
	if (is_file(fd) && told_to("full"))
		return refuse(ENOSPC);
	return syscall(SYS_pwrite64, fd, bytes, n, at);
}

int fsync(int fd)
{
	return told_to("sync") ? refuse(EIO) : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return told_to("sync") ? refuse(EIO) : (int)syscall(SYS_fdatasync, fd);
}
