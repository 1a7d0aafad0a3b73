/*
 * load.h -- a bounded load on a Pinfold server over plain HTTP, and what came of it.
 *
 * One thread, epoll, keep-alive connections, one request at a time on each.
 *
 *	post    POST /pins, a new CID each, the key of the next owner each
 *	bulk    POST /v1/bulk/create: the pins of one owner after the other as one stream each
 *	get     GET /pins/<request id>, of a pin at random; cid: GET /pins/<cid>
 *	list    GET the path with the first key as an NDJSON stream
 *	drop    POST /v1/bulk/delete: all ids, as one stream a connection
 *
 * CIDs follow from the seed and a pin's number alone.  Pin i belongs to owner i / block %
 * owners.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/err.h"
#include "bin/histogram.h"

#define LOAD_ID_LEN 26 /* of a request id as text */

enum load_mode { LOAD_POST, LOAD_BULK, LOAD_GET, LOAD_CID, LOAD_LIST, LOAD_DROP };
#define LOAD_MODES 6

/* "post", ... */
const char *load_mode_name(enum load_mode mode);

struct load_options {
	enum load_mode mode;
	struct sockaddr_storage to;
	socklen_t to_len;
	const char *const *keys; /* API keys: the owners; at least one */
	size_t n_keys;
	uint64_t connections;
	uint64_t seconds; /* 0: until `count` is done */
	uint64_t count;   /* 0: no end; of bulk and drop: the pins */
	uint64_t first;   /* number of the first pin */
	uint64_t block;   /* pins in a row of one owner; 0: 1, and of bulk as many as are even */
	uint64_t seed;
	const char *path;   /* of list */
	const char *header; /* one more for every request, "Name: value\r\n"; or "" */
	const char *more;   /* members of a new pin, ",\"ttl\":\"1h\""; or "" */
	FILE *cids;         /* one a line, used instead of those of the seed; may be NULL */
	/* The request id of each pin, zero bytes where there is none: written by post and bulk,
	 * read by get, cid and drop.  NULL: not kept. */
	char (*ids)[LOAD_ID_LEN];
	uint64_t n_ids;
	/* Looked at now and then: true ends the load early.  May be NULL. */
	bool (*stop)(void *ctx);
	void *stop_ctx;
};

struct load_result {
	uint64_t done, failed, bytes;
	double seconds; /* to the last answer */
	int64_t first_byte_us;
	struct histogram took;
	char refusal[200]; /* the first answer that was no success; "" */
};

/* Does it.  False: options that make no sense (ERR_INVALID), or the server went away. */
bool load_run(const struct load_options *options, struct load_result *out,
	      struct err *err) MUST_CHECK;

/* The address of a host (a name, or an address without brackets). */
bool load_resolve(const char *host, const char *port, struct load_options *out,
		  struct err *err) MUST_CHECK;
