/*
 * waits.h -- wake rows: when a CID is looked at again.
 */
#pragma once

#include "role/replan.h"

/* When to come back to a CID that is to be looked at again at `at_us`: then or later, but not
 * more than twice as late, and at a time that other looks will come to as well, so that all of
 * them share a row or two. */
int64_t waits_until(struct store *store, struct slice cid, int64_t at_us, int64_t now_us);

#define WAITS_PUT_OFF_US US_PER_H /* or up to twice as long */

/* For a CID that cannot be looked at: its wake rows would stay due for ever, and enough of those
 * would hide all others.  One that is due later takes the place of those of the item. */
bool waits_put_off(struct store *store, const struct replan_item *item, int64_t now_us,
		   struct err *err) MUST_CHECK;
