#include "bin/listen_address.h"

#include <stdio.h>
#include <string.h>

bool listen_address(const char *listen, struct arena *mem, const char **host, uint16_t *port,
		    struct err *err)
{
	const char *colon = strrchr(listen, ':');
	size_t n = colon ? (size_t)(colon - listen) : 0;
	unsigned p;
	char rest;

	if (!colon || n == 0 || sscanf(colon + 1, "%u%c", &p, &rest) != 1 || p > 65535)
		return err_set(err, ERR_INVALID, "listen: '%s' is not HOST:PORT", listen);
	if (listen[0] == '[' && listen[n - 1] == ']')
		*host = arena_printf(mem, "%.*s", (int)(n - 2), listen + 1);
	else
		*host = arena_printf(mem, "%.*s", (int)n, listen);
	*port = (uint16_t)p;
	return true;
}
