#include "bin/server_file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/cleanup.h"

#define NAME "server.json"

static const char *path_in(const char *dir, const char *name, struct arena *mem)
{
	return arena_printf(mem, "%s/%s", dir, name);
}

static bool write_json(const char *path, const json_t *value)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool ok;

	if (fd < 0)
		return false;
	ok = json_dumpfd(value, fd, JSON_COMPACT) == 0;
	return close(fd) == 0 && ok;
}

bool server_file_write(const char *dir, const struct server_file *file, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const char *path = path_in(dir, NAME, mem), *beside = path_in(dir, NAME ".new", mem);
	json_t *value = json_pack("{s:s,s:s,s:s}", "url", file->url, "store", file->store,
				  "cert_file", file->cert_file);
	bool ok;

	unlink(path);
	ok = value && write_json(beside, value) && rename(beside, path) == 0;
	json_decref(value);
	if (ok)
		return true;
	err_set(err, ERR_INTERNAL, "%s: %s", path, strerror(errno));
	unlink(beside);
	return false;
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
	json_t *value = json_load_file(path_in(dir, NAME, mem), 0, NULL);
	struct server_file file;
	bool ok = read_text(value, "url", mem, &file.url) &&
		  read_text(value, "store", mem, &file.store) &&
		  read_text(value, "cert_file", mem, &file.cert_file);

	json_decref(value);
	if (ok)
		*out = file;
	return ok;
}

void server_file_remove(const char *dir)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();

	unlink(path_in(dir, NAME, mem));
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
