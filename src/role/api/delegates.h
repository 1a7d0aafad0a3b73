/*
 * delegates.h -- the addresses that clients are told to bring their content to.
 *
 * The Pinning Service API wants 1 to 20 multiaddrs that end in /p2p/<id>, and Kubo dials
 * each of them, one after the other, after POST alone: so few, and of the peers that will
 * fetch the content:
 *
 *	1. those that were assigned it and do not have it yet
 *	2. where that is not known (after POST the planner has not looked yet), those that a
 *	   placement would choose among the peers that are up
 *	3. any that are up, any that were ever known
 *
 * public addresses first.  Where no peer was ever known the standard still wants one.  Then
 * it is an address on the client's own loopback that refuses at once, with the peer id of no
 * key: dialling it costs nothing and reaches nobody.
 */
#pragma once

#include "base/clock.h"
#include "store/store.h"
#include "json/json_writer.h"

#define DELEGATES_MAX 5

struct delegates;
struct delegates *delegates_new(struct store *store, struct clock *clock, int64_t up_us);
void delegates_free(struct delegates *delegates); /* NULL is fine */

/* Reads the peers again if what is known of them is more than a second old. */
bool delegates_refresh(struct delegates *delegates, struct err *err) MUST_CHECK;

/* Writes the JSON array for one pin, by the peers as last read.  `view`: its CID's copies;
 * NULL: not looked at. */
void delegates_write(struct delegates *delegates, const struct owner_pin *pin,
		     const struct cid_view *view, struct json_writer *w);
