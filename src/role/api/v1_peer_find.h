/* v1_peer_find.h -- the peer that a path names, and what is shown of its node. */
#pragma once

#include "role/api/call.h"

/* By its id (either text of it), else its number, else its name; a peer that was sent away is
 * not found.  NULL in *out: it was replied to, 404 or, for a name that several have, 409. */
bool v1_peer_find(struct call *c, struct peer_row **out, struct err *err) MUST_CHECK;

/* The same for a word of a query; NULL in *out: *why (ERR_INVALID) says what is wrong with it. */
bool v1_peer_named(struct call *c, struct slice word, struct peer_row **out, struct err *why,
		   struct err *err) MUST_CHECK;

/* Members about the pins of its node that no other row tells: those of others, and those that
 * were lost.  Nothing where the node is not driven here, or was not compared yet. */
void v1_write_strays(struct call *c, struct json_writer *w, uint32_t peer_no);
