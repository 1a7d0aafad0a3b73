/*
 * op_log.h -- calls that may be repeated have one effect: idempotency keys.
 *
 * A key belongs to (owner, method and route).  The first call under it claims a
 * row by compare-and-set, with the fingerprint of what it asks and the id its request will
 * get; when it is done, the row holds the result for 7 days.
 *
 *	            +--> RUNNING until + 60 s --> DONE --> expires
 *	  claim ----'       |        ^
 *	                    +--------' taken over, with the same request id, when the first
 *	                               caller has not finished by then, or is known to be dead
 *
 * A call that changed nothing (bad request, quota, not found) releases its claim, so the
 * same key can be tried again; one that was taken over stays, for who had it before may
 * have done it.  Source: draft-ietf-httpapi-idempotency-key-header-07.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "store/store.h"

#define OP_RUN_US  (60 * US_PER_S) /* a claim is its caller's for so long */
#define OP_KEEP_US (7 * US_PER_DAY)

enum op_claim {
	OP_CLAIMED,
	OP_TAKEN_OVER, /* somebody began and may have done it: repeat with row->request_id */
	OP_REPLAY,     /* done before: row->request_id, http_status, result */
	OP_IN_USE,     /* somebody is at it */
	OP_REUSED,     /* the key was used to ask for something else */
};

/* `row` holds owner, op_id, fingerprint and the request_id to use; it becomes the row that
 * is stored now, in `mem`.  Whoever claimed before `dead_us` lives no more; 0: nobody knows.
 * (A clock set back makes a live caller look dead: two at it do the same thing once.) */
bool op_claim(struct store *store, struct op_dedup *row, int64_t now_us, int64_t dead_us,
	      struct arena *mem, enum op_claim *out, struct err *err) MUST_CHECK;

/* Of a row that was claimed or taken over.  Who has taken it over meanwhile is at the same call,
 * or gave it up because this one had done it: what is known to be done stands. */
bool op_finish(struct store *store, const struct op_dedup *claimed, uint16_t http_status,
	       struct slice result, struct err *err) MUST_CHECK;
/* `maybe_done`: somebody may have done what the row is for, so it stays, with its request
 * id, and anybody may take it over at once. */
bool op_release(struct store *store, const struct op_dedup *claimed, bool maybe_done,
		struct err *err) MUST_CHECK;

/* Deletes up to `limit` rows that have expired, from where `*after` says (NULL: the first)
 * and moves it on (NULL at the end); it lives in `mem`. */
bool op_log_sweep(struct store *store, int64_t now_us, size_t limit, struct arena *mem,
		  const void **after, struct err *err) MUST_CHECK;
