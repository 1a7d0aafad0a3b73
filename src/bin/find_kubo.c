#include "bin/find_kubo.h"

#include <stdio.h>
#include <string.h>

#include "model/multiaddr.h"

#define USUAL "http://127.0.0.1:5001"

/* The first line of the file, or NULL. */
static const char *read_line(const char *path, struct arena *mem)
{
	char line[512];
	FILE *f = fopen(path, "r");
	const char *got;

	if (!f)
		return NULL;
	got = fgets(line, sizeof(line), f);
	fclose(f);
	if (!got)
		return NULL;
	line[strcspn(line, "\r\n")] = '\0';
	return arena_printf(mem, "%s", line);
}

/* "/ip4/127.0.0.1/tcp/5001" -> "http://127.0.0.1:5001" */
static bool url_of(const char *text, struct arena *mem, const char **out, struct err *err)
{
	char kind[8], host[256], path[256];
	unsigned port;

	if (sscanf(text, "/%7[a-z0-9]/%255[^/]/tcp/%u", kind, host, &port) == 3 && port <= 65535) {
		if (strcmp(kind, "ip6") == 0)
			*out = arena_printf(mem, "http://[%s]:%u", host, port);
		else if (strcmp(kind, "ip4") == 0 || strncmp(kind, "dns", 3) == 0)
			*out = arena_printf(mem, "http://%s:%u", host, port);
		else
			return err_set(err, ERR_INVALID, "'%s': pass --kubo URL instead", text);
		return true;
	}
	if (sscanf(text, "/unix%255s", path) == 1) {
		*out = arena_printf(mem, "unix:%s", path);
		return true;
	}
	return err_set(err, ERR_INVALID, "'%s' is no address of an API: pass --kubo URL instead",
		       text);
}

bool find_kubo(const char *ipfs_path, const char *home, struct arena *mem, struct found_kubo *out,
	       struct err *err)
{
	const char *path = NULL, *line;

	if (ipfs_path && *ipfs_path)
		path = arena_printf(mem, "%s/api", ipfs_path);
	else if (home && *home)
		path = arena_printf(mem, "%s/.ipfs/api", home);
	line = path ? read_line(path, mem) : NULL;
	if (!line) {
		*out = (struct found_kubo){ .url = USUAL, .from = "the usual address" };
		return true;
	}
	out->from = path;
	return url_of(line, mem, &out->url, err) || err_wrap(err, "%s", path);
}
