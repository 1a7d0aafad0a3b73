/*
 * foreign.h -- the pins of a node that nobody asked for here: its whole list (pin/ls) without
 * pins of ours and without those of others that count as copies.
 *
 * The list is read as it is taken: the node sends no more while nobody calls foreign_next(), so
 * of a list of any length a part is held.  Belongs to one thread at a time.
 */
#pragma once

#include "kubo/kubo.h"
#include "store/store.h"

struct foreign_options {
	struct kubo *kubo;   /* taken over; the node is its number 0 */
	struct store *store; /* whose pins are ours */
	uint32_t peer_no;
};

struct foreign;

/* Begins with the list. */
bool foreign_new(const struct foreign_options *options, struct foreign **out,
		 struct err *err) MUST_CHECK;
void foreign_free(struct foreign *f); /* NULL is fine; a list that is being read is broken off */

enum foreign_state {
	FOREIGN_GOES_ON, /* call again at once */
	FOREIGN_WAITS,   /* nothing came from the node by then: call again later */
	FOREIGN_ENDED,
};

/* Gives `each` the foreign ones of the next part of the list (KUBO_LIST_MAX pins), waiting for it
 * until `until_us` (mono).  After an error, ERR_UNAVAILABLE with Kubo's words where it is the
 * node's, the list has ended. */
typedef void foreign_fn(void *ctx, const struct kubo_pin *pin);
bool foreign_next(struct foreign *f, int64_t until_us, foreign_fn *each, void *ctx,
		  enum foreign_state *state, struct err *err) MUST_CHECK;
