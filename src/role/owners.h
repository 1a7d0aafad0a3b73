/*
 * owners.h -- what an owner is by default given, and how much he may have.
 *
 * A small cache over the owners table and store_usage(): an answer is at most a second
 * old, and what this instance has in flight counts on top.  So a quota holds exactly for
 * one instance and one caller at a time; several may pass it together by what they start
 * within that second.  Bytes are a soft bound: sizes are known when content was fetched.
 *
 * Any thread; no lock is held across a call of the store.
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "store/store.h"

struct owners;
struct owner_bounds { /* 0: no bound */
	uint64_t max_pins, max_bytes;
	uint32_t max_requests_per_s, max_fetches;
};

/* `bounds` hold for owners whose row says nothing. */
struct owners *owners_new(struct store *store, struct clock *clock,
			  const struct owner_bounds *bounds);
void owners_free(struct owners *owners); /* NULL is fine */
DEFINE_CLEANUP(struct owners, owners_free)

/* The owner's row, or one with all defaults if there is none. */
bool owners_get(struct owners *owners, struct slice owner, struct arena *mem,
		const struct owner_row **out, struct err *err) MUST_CHECK;

/* Stores the row whole (by row->owner) if what is stored is still `expected` (NULL: nothing is),
 * and forgets what was cached of it here; *done tells whether it was. */
bool owners_set(struct owners *owners, const struct owner_row *expected,
		const struct owner_row *row, bool *done, struct err *err) MUST_CHECK;

/* What holds for the owner of `row`: his own bounds, or those for all.  Of max_fetches the
 * smaller one holds: nodes have that bound whatever an owner may. */
struct owner_bounds owners_bounds(const struct owners *owners, const struct owner_row *row);

enum owners_room {
	OWNERS_ROOM,
	OWNERS_NO_PINS,  /* row->max_pins would be exceeded */
	OWNERS_NO_BYTES, /* row->max_bytes is used up */
};

/* Asks for `n` more pins (0: bytes alone are looked at).  With OWNERS_ROOM they count as
 * there until owners_settle() tells how many really came (or went: negative).  `row` is
 * from owners_get(). */
bool owners_reserve(struct owners *owners, const struct owner_row *row, size_t n,
		    enum owners_room *out, struct err *err) MUST_CHECK;
void owners_settle(struct owners *owners, struct slice owner, size_t reserved, int64_t came);
