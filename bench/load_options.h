/* load_options.h -- the command line of bench/load; the head of load.c says what it means. */
#pragma once

#include <stdint.h>

#include "bin/load.h"

struct options {
	const char *mode, *keys, *ids, *cids, *path, *header;
	uint64_t port, connections, seconds, count, first, block, seed;
	uint64_t pid; /* of the server; 0: not looked at */
};

/* Says why and ends the program. */
_Noreturn void die(const char *why);

/* Ends the program where it makes no sense; what it points to is `argv`. */
struct options options_read(int argc, char **argv);
