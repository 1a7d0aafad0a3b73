/*
 * deny.h -- CIDs that nobody may pin.
 *
 * An entry is the SHA-256 of a CID's multihash, so that a list can be loaded and kept
 * without naming what it forbids, and so that every CID of the same content (v0, v1, any
 * codec) is meant.  It is about fetching: what is asked for anew is refused, and workers fetch
 * nothing that is on it, whenever that was asked for; running fetches are broken off.  What is
 * pinned already stays until its requests end (docs/decisions/0308).
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "store/store.h"

#define DENY_DIGEST_LEN 32

/* What an entry for `cid` is kept under. */
void deny_digest(const struct cid *cid, uint8_t out[DENY_DIGEST_LEN]);

/* The entry that forbids `cid`, or NULL. */
bool deny_find(struct store *store, const struct cid *cid, struct arena *mem,
	       const struct deny **out, struct err *err) MUST_CHECK;

/* How often the list was changed, or more, so that who holds a worklist looks only then; 0: never,
 * and it is empty. */
bool deny_changes(struct store *store, uint64_t *n, struct err *err) MUST_CHECK;

/* Adds or changes an entry; *added tells whether it is new. */
bool deny_add(struct store *store, const struct deny *row, struct arena *mem, bool *added,
	      struct err *err) MUST_CHECK;

/* *removed tells whether there was one. */
bool deny_remove(struct store *store, struct slice digest, struct arena *mem, bool *removed,
		 struct err *err) MUST_CHECK;
