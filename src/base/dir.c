#include "base/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

bool dir_sync_parent(const char *path)
{
	char *copy = xstrdup(path); /* dirname() writes into it */
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 ? fsync(fd) == 0 : errno == EACCES;
	int e = errno;

	if (fd >= 0)
		close(fd);
	xfree(copy);
	errno = e;
	return ok;
}

bool dir_make(const char *path)
{
	return mkdir(path, 0700) == 0 ? dir_sync_parent(path) : errno == EEXIST;
}

const char *dir_absolute(const char *path, struct arena *mem)
{
	char here[PATH_MAX];

	if (*path == '/' || !getcwd(here, sizeof(here)))
		return path;
	return arena_printf(mem, "%s/%s", here, path);
}
