/*
 * find_kubo.h -- the Kubo node of this machine, when the configuration names none.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

struct found_kubo {
	const char *url;
	const char *from; /* for people: "$IPFS_PATH/api", "the usual address" */
};

/* Looks where Kubo's own command looks: the file `api` in $IPFS_PATH or ~/.ipfs, which a
 * running daemon writes; else 127.0.0.1:5001.  Does not connect.  ERR_INVALID if the file
 * holds an address that is not ip4/ip6/dns + tcp or a unix socket. */
bool find_kubo(const char *ipfs_path, const char *home, struct arena *mem, struct found_kubo *out,
	       struct err *err) MUST_CHECK;
