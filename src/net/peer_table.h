/*
 * peer_table.h -- how many connections each address has open.
 *
 * IPv4 addresses count singly, IPv6 ones by their /64, which is what one customer
 * gets.  Holds only addresses that have any; any thread.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "net/http.h"

#define PEER_BUCKETS 4096

struct peer_table {
	pthread_mutex_t lock;
	struct peer_entry *buckets[PEER_BUCKETS];
	uint64_t seed; /* unguessable, so that nobody fills one bucket */
};

/* Empty; every address must have left before it is freed. */
struct peer_table *peer_table_new(void);
void peer_table_free(struct peer_table *table);

/* Counts one more; false, and nothing counted, if there are `max` already. */
bool peer_table_enter(struct peer_table *table, const struct http_peer *peer, unsigned max);
void peer_table_leave(struct peer_table *table, const struct http_peer *peer);
