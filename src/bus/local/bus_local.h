/*
 * bus_local.h -- the bus inside one process: bounded queues in memory.
 *
 * Nothing is kept: what a crash or a full queue loses is found again in the
 * store's wake and peer_open rows, which bus_overflowed() tells the takers to
 * read.  So one process needs no message server.
 */
#pragma once

#include "bus/bus.h"

struct bus_local_options {
	size_t queue_max; /* messages a queue holds: one queue a topic, ASSIGN one a peer */
	/* Told of each message that was published, on the publisher's thread; NULL: nobody. */
	void (*published)(void *ctx, const struct bus_msg *msg);
	void *ctx;
};

/* An empty bus; ended by bus_close(). */
struct bus *bus_local_new(const struct bus_local_options *options);
