/* load_options.h -- the command line of bench/load; the head of load.c says what it means. */
#pragma once

#include <stdint.h>

enum mode { MODE_POST, MODE_BULK, MODE_GET, MODE_CID, MODE_LIST, MODES };

struct options {
	enum mode mode;
	const char *keys, *ids, *cids, *path, *header;
	uint64_t port, connections;
	uint64_t seconds; /* 0: until `count` is done */
	uint64_t count;   /* 0: no end */
	uint64_t first;   /* number of the first pin */
	uint64_t block;   /* pins in a row of one owner */
	uint64_t seed;
	uint64_t pid; /* of the server; 0: not looked at */
};

/* Ends the program where it makes no sense; what it points to is `argv`. */
struct options options_read(int argc, char **argv);
