/*
 * shown.h -- what the owner of a request is shown of the copies of its CID.
 *
 * Others may have asked for the same CID: where, since when and how often it was tried for
 * them is theirs to know.  So a request is shown only copies that serve it, and of these only
 * what was told since it was made.  A key with the scope admin sees what the owner sees, but for
 * store_list_all() by peer, which finds every request that a copy there counts for: the peer may
 * be missing in the copies it is shown.  /v1/drift shows all.
 */
#pragma once

#include "store/store.h"

/* A view of the copies that `row` is shown, by peer number, in `mem`: desired ones where its
 * zones allow; at most as many as it asks for, pinned ones first.  Times before it was made are 0,
 * and a copy that failed before is queued.  `zones` are those of all peers. */
const struct cid_view *shown_view(const struct owner_pin *row, const struct cid_view *view,
				  struct peer_zones zones, struct arena *mem);

/* How many copies are pinned for it: no more than it asks for. */
unsigned shown_pinned(const struct owner_pin *row);
