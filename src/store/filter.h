/*
 * filter.h -- which rows of an owner a listing shows, and where its pages go on.  Pure.
 *
 * Names are compared without regard to case after casefold() (model/casefold.h).
 */
#pragma once

#include "store/siphash.h"
#include "store/store.h"

/* A filter made ready for many rows. */
struct row_filter {
	const struct pin_filter *filter;
	struct slice name; /* folded if case does not matter */
	bool fold;
};
struct row_filter row_filter(const struct pin_filter *filter, struct arena *mem);

/* Whether every part holds, but for `cids` and `peer_no`; `scratch` gets folded names. */
bool row_matches(const struct row_filter *filter, const struct owner_pin *row,
		 struct arena *scratch);

/* The tag of tags_index under which all matching rows stand; empty if there is none. */
struct slice row_filter_tag(const struct row_filter *filter, struct arena *mem);

/*
 * A cursor says behind which place the next page begins:
 *
 *	| version 1 (1) | place (1 and more) | SipHash-2-4 (8) |   in lower-case hex
 *
 * The place is what the listing makes it: of an owner's pins the request id (16).
 * The hash covers the owner (empty: all) and every part of the filter too, and its key is the
 * cluster's, so a cursor works only where it belongs and nobody can make one up.  Another
 * version: what the hash covers, or a place, has changed.
 */
struct slice cursor_encode(const uint8_t key[SIPHASH_KEY_LEN], struct slice owner,
			   const struct pin_filter *filter, struct slice place, struct arena *mem);

/* ERR_INVALID if it was altered, or made for another owner or filter. */
bool cursor_decode(const uint8_t key[SIPHASH_KEY_LEN], struct slice owner,
		   const struct pin_filter *filter, struct slice cursor, struct arena *mem,
		   struct slice *place, struct err *err) MUST_CHECK;
