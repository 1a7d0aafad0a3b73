/*
 * delegates.h -- the addresses that clients are told to bring their content to.
 *
 * The Pinning Service API wants 1 to 20 multiaddrs that end in /p2p/<id>, and Kubo dials
 * each of them, one after the other, after POST alone: so few, and those that answer.  They
 * are of peers that are up and may get pins, public addresses first; else of any peer
 * ever known.
 *
 * Where no peer was ever known the standard still wants one.  Then it is an address on
 * the client's own loopback that refuses at once, with the peer id of no key: dialling it
 * costs nothing and reaches nobody.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "store/store.h"

#define DELEGATES_MAX 5

struct delegates;
struct delegates *delegates_new(struct store *store, struct clock *clock, int64_t up_us);
void delegates_free(struct delegates *delegates); /* NULL is fine */

/* Appends the JSON array; it is at most a second old. */
bool delegates_write(struct delegates *delegates, struct buf *out, struct err *err) MUST_CHECK;
