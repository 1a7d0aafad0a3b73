/*
 * wanted.h -- which requests of a CID have to be honoured now.
 */
#pragma once

#include "bus/bus.h"
#include "reconcile/reconcile.h"
#include "store/store.h"

#define REPLACEMENT_LOOK_US (60 * US_PER_S)

/* Folds the facts of `view` and tells of each request whether its copies are wanted, ended
 * ones included.  Reads the replacing requests, which may lie under other CIDs.
 * *pending_until (may be NULL): when a replaced one is to be looked at again, 0 if there is
 * none. */
bool wanted_requests(struct store *store, const struct cid_view *view, int64_t now_us,
		     struct arena *mem, struct wanted_request **out, size_t *n,
		     int64_t *pending_until, struct err *err) MUST_CHECK;

/* A row, not the store, is at fault: other CIDs can be read, and a walk over many goes on. */
bool row_at_fault(const struct err *err);

/* The message that tells a worker about its half of `copy`. */
struct bus_msg assignment(const struct copy *copy, struct slice cid, const struct request *requests,
			  size_t n, struct arena *mem);
