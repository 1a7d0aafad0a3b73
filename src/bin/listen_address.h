/*
 * listen_address.h -- where to listen, as the option `listen` has it.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

/* Parts of "HOST:PORT" or "[IPv6]:PORT"; the host, without brackets, in `mem`.  ERR_INVALID: it is
 * neither. */
bool listen_address(const char *listen, struct arena *mem, const char **host, uint16_t *port,
		    struct err *err) MUST_CHECK;
