/* v1_peer_find.h -- the peer that a path names. */
#pragma once

#include "role/api/call.h"

/* By its id (either text of it), its number or its name; NULL in *out if there is none. */
bool v1_peer_find(struct call *c, struct slice word, struct peer_row **out,
		  struct err *err) MUST_CHECK;
