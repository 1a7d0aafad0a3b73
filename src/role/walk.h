/*
 * walk.h -- looks at all CIDs that certain peers hold, a batch a step.
 *
 * Peers take turns, so that one whose CIDs cannot be looked at holds no other up.  Nothing is
 * kept over a restart: sweeps find what a walk would have.
 */
#pragma once

#include "role/replan.h"

struct walks; /* of one thread */

/* Borrows both. */
struct walks *walks_new(struct store *store, struct replanner *replanner, size_t batch_max);
void walks_free(struct walks *walks); /* NULL is fine */

/* From the peer's first CID on, wherever another walk over them is. */
void walks_start(struct walks *walks, uint32_t peer_no);
unsigned walks_count(const struct walks *walks); /* that are not at their end */

/* The next batch of the peer whose turn it is.  False: the same batch comes again, after those of
 * the other peers.  `mem` is for the call. */
bool walks_step(struct walks *walks, struct arena *mem, struct err *err) MUST_CHECK;
