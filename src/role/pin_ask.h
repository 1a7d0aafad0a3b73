/*
 * pin_ask.h -- what may be asked of a pin: checks, reserved `meta` keys, defaults.
 *
 * Plain clients of the Pinning Service API set what that standard lacks by reserved keys
 * of `meta`; they are validated and stay in `meta` as they are:
 *
 *	pinfold.replicas   "2", "2-3" (at least 2, at best 3) or "all"
 *	pinfold.ttl        "30d", "12h": from now on; "never"
 *	pinfold.tags       "red,blue"
 *	pinfold.priority   "-100" to "100", higher first
 *
 * Other keys that begin with "pinfold." are refused, so that a typing error is not a pin
 * with other properties than were meant.  Pure.
 */
#pragma once

#include "role/pins.h"

/* Checks every field of `ask` and copies it into `mem` in canonical form: lists that are
 * sets sorted and unique, reserved meta keys turned into fields.  `creating`: of a new
 * request, whose CID and origins are looked at too.  ERR_INVALID names field, value and
 * what is allowed. */
bool pin_ask_check(const struct pin_ask *ask, bool creating, struct arena *mem, struct pin_ask *out,
		   struct err *err) MUST_CHECK;

/* The fields of a revision by a checked `ask` and, where it is silent, by `old` (NULL: a
 * new request, which gets the owner's defaults, else rf_min and rf_max).  `from_us`: what a
 * ttl counts from.  ERR_INVALID if the owner's bounds do not allow it. */
bool pin_ask_apply(const struct pin_ask *ask, const struct fact *old, const struct owner_row *owner,
		   int32_t rf_min, int32_t rf_max, int64_t from_us, struct fact *out,
		   struct err *err) MUST_CHECK;

/* Do two revisions say the same? */
bool pin_ask_same(const struct fact *a, const struct fact *b);

/* SHA-256 over a checked `ask`, the request it is about and the revision expected: equal
 * for two calls that ask for the same. */
struct slice pin_ask_fingerprint(const struct pin_ask *ask, struct ulid about, uint64_t if_rev,
				 struct arena *mem);
