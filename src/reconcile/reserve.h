/*
 * reserve.h -- space that is promised to copies on their way.  Pure.
 *
 * What a peer reports as free knows nothing of the copies that were just assigned to it.  So
 * that a thousand pins at once do not all go to a peer that is nearly full, each assignment
 * counts against its peer until the peer is read anew:
 *
 *	known size      in place_peer.reserved_bytes: beyond what is free nothing new goes there
 *	unknown size    in place_peer.coming, as many times the usual size: beyond what is free
 *	                the peer comes after others, but still before none at all
 */
#pragma once

#include "reconcile/placement.h"

#define RESERVE_USUAL (UINT64_C(16) << 20) /* bytes; the usual size before any is known */

/* A copy was (or, with `taken_back`, after all was not) assigned to one of `n` peers, which are
 * sorted by number.  `size` in bytes, 0: not known. */
void reserve_promise(struct place_peer *peers, size_t n, uint32_t peer_no, uint64_t size,
		     bool taken_back);

/* Has the peer less room than for `copies` of the usual size?  Promises do not count. */
bool reserve_is_full(const struct place_peer *peer, uint64_t keep_free_bytes, unsigned copies);

/* The usual size after one more is known (size 0: is not): a mean in which the last 64 or so
 * count most. */
uint64_t reserve_usual(uint64_t usual, uint64_t size);
