/* kubo_server.h -- runs a fake_kubo_server for a test and tells it what to do. */
#pragma once

#include <sys/types.h>

#include "kubo/kubo.h"

struct kubo_server {
	pid_t pid;
	int input; /* the server ends when this closes, so none outlives the test */
	char url[200];
};

/* `program` is its path; `option` and `value` may be NULL.  Fails the test if it does not
 * start. */
void kubo_server_start(struct kubo_server *server, const char *program, const char *option,
		       const char *value);
void kubo_server_stop(struct kubo_server *server);

/* POST /fake/<order>; the answer's body goes to `out` (may be NULL). */
void kubo_server_order(const struct kubo_server *server, const char *order, char *out, size_t size);
