/*
 * owner_bounds.h -- how many fetches an owner may have running on one node, as his row tells.
 *
 * What was read is good for a while, and is better than nothing while the store does not answer:
 * a worker that looks after many owners must not wait for it again and again.  Belongs to the
 * worker's thread.
 */
#pragma once

#include "base/clock.h"
#include "role/cluster.h"

#define OWNER_BOUND_US (10 * US_PER_S) /* a row is read no sooner again */

struct owner_bounds;

/* Borrows both; `most`: the bound of every owner, whose row may say less; 0 = none. */
struct owner_bounds *owner_bounds_new(struct cluster *cluster, struct clock *clock, unsigned most);
void owner_bounds_free(struct owner_bounds *bounds); /* NULL is fine */
DEFINE_CLEANUP(struct owner_bounds, owner_bounds_free)

/* A step of the worker begins: a store that did not answer in the last one may be asked again. */
void owner_bounds_step(struct owner_bounds *bounds);

/* A bound of turn_init(); `bounds` is the struct. */
unsigned owner_bound(void *bounds, struct slice owner);
