/*
 * failing_store.h -- a store back end whose n-th call fails.
 *
 * Wraps another back end.  Calls are counted from 1: each read, swap and drop, and each
 * write (where the wrapped one has no lock(), each row of a write, so that a batch can
 * land in part).  One that fails before its effect says ERR_UNAVAILABLE, one that fails
 * after it ERR_TIMEOUT.  Any thread may call it; which call is the n-th is only sure while
 * one does.  Apart from that, waits for durability can fail, as on a full disk, and the facts of
 * one CID can be made unreadable, as by a damaged block.
 */
#pragma once

#include <stdatomic.h>

#include "store/store_ops.h"

struct failing_store {
	struct store_backend base; /* for store_open(); closing it leaves `inner` */
	struct store_ops ops;
	struct store_backend *inner;
	atomic_uint calls;     /* so far */
	atomic_uint fail_at;   /* this one fails; 0: none */
	atomic_bool after;     /* it takes effect first */
	atomic_bool no_sync;   /* nothing becomes durable: ERR_NO_SPACE */
	struct slice bad_cid;  /* reads that meet a fact of it end with ERR_CORRUPT; empty: none */
	uint64_t bad_rev;      /* only the fact of this rev; 0: each */
	struct slice bad_copy; /* the same of its copies */
	struct slice bad_pin;  /* of its rows in pins_by_peer */
	struct slice bad_deny; /* the entry of that digest */

	void (*before_read)(void *ctx, enum table table); /* what others do then; NULL: nothing */
	void *ctx;
};

/* *failing is the caller's and outlives the store. */
void failing_store_init(struct failing_store *failing, struct store_backend *inner);
