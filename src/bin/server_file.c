#include "bin/server_file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/cleanup.h"

#define NAME "server.json"

static const char *path_in(const char *dir, struct arena *mem)
{
	return arena_printf(mem, "%s/" NAME, dir);
}

/*
 * fcntl(2), "Open file description locks": the lock of this one opening, gone when it is closed,
 * however that happens.  Of the whole file.
 */
static bool take_lock(int fd)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_SETLK, &all) == 0;
}

static bool is_locked(int fd)
{
	struct flock all = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_GETLK, &all) == 0 && all.l_type == F_WRLCK;
}

static bool is_linked(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_nlink > 0;
}

static bool is_empty(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size == 0;
}

/* Locks the file that now has that name; *fd -1 or *locked false: errno says why. */
static void open_locked(const char *path, int *fd, bool *locked)
{
	for (;;) {
		int why;

		*locked = false;
		*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (*fd < 0)
			return;
		*locked = take_lock(*fd);
		why = errno;
		if (!*locked || is_linked(*fd)) {
			errno = why;
			return;
		}
		close(*fd); /* its server took it away between open() and lock() */
	}
}

/* What fcntl() says where there are no such locks, however often one asks. */
static bool has_no_locks(int why)
{
	return why == ENOLCK || why == EOPNOTSUPP || why == ENOSYS || why == EINVAL;
}

bool server_file_lock(const char *dir, int *lock, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const char *path = path_in(dir, mem);
	bool locked, failed;
	int fd, why;

	open_locked(path, &fd, &locked);
	failed = fd < 0 || (locked && ftruncate(fd, 0) < 0);
	why = errno;
	*lock = fd;
	if (locked && !failed)
		return true;
	*lock = -1;
	if (failed || (has_no_locks(why) && is_empty(fd))) /* as we made it */
		server_file_remove(dir, fd);
	else
		close(fd);
	if (!failed && has_no_locks(why))
		return true;
	if (!failed && why == EAGAIN)
		return err_set(err, ERR_UNAVAILABLE,
			       "a server runs with the data directory %s: stop it, or choose "
			       "another with --data",
			       dir);
	return err_set(err, ERR_INTERNAL, "%s: %s", path, strerror(why));
}

/* Readers take half a text for none. */
bool server_file_write(int lock, const struct server_file *file, struct err *err)
{
	json_t *value = json_pack("{s:s,s:s,s:s}", "url", file->url, "store", file->store,
				  "cert_file", file->cert_file);
	bool ok = value && json_dumpfd(value, lock, JSON_COMPACT) == 0;

	json_decref(value);
	return ok || err_set(err, ERR_INTERNAL, NAME ": %s", strerror(errno));
}

static bool read_text(const json_t *object, const char *name, struct arena *mem, const char **out)
{
	const char *text = json_string_value(json_object_get(object, name));

	if (text)
		*out = arena_printf(mem, "%s", text);
	return text;
}

bool server_file_read(const char *dir, struct arena *mem, struct server_file *out)
{
	int fd = open(path_in(dir, mem), O_RDONLY | O_CLOEXEC);
	json_t *value = fd >= 0 && is_locked(fd) ? json_loadfd(fd, 0, NULL) : NULL;
	struct server_file file;
	bool ok = read_text(value, "url", mem, &file.url) &&
		  read_text(value, "store", mem, &file.store) &&
		  read_text(value, "cert_file", mem, &file.cert_file);

	json_decref(value);
	if (fd >= 0)
		close(fd);
	if (ok)
		*out = file;
	return ok;
}

void server_file_remove(const char *dir, int lock)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();

	if (lock < 0)
		return;
	if (is_linked(lock))
		unlink(path_in(dir, mem));
	close(lock);
}

const char *callable_url(const char *url, struct arena *mem)
{
	static const char *const hosts[][2] = { { "://0.0.0.0:", "://127.0.0.1:" },
						{ "://[::]:", "://[::1]:" } };

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		const char *at = strstr(url, hosts[i][0]);

		if (at)
			return arena_printf(mem, "%.*s%s%s", (int)(at - url), url, hosts[i][1],
					    at + strlen(hosts[i][0]));
	}
	return url;
}
