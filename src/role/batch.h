/*
 * batch.h -- CIDs collected for one replan(), each once, with all that was said of it.
 */
#pragma once

#include "role/replan.h"

struct batch; /* lives in its arena */

struct batch *batch_new(struct arena *mem);

/* The item of `cid`, made if it is new.  Copies the CID. */
size_t batch_add(struct batch *batch, struct slice cid);
void batch_add_wake(struct batch *batch, struct slice cid, const struct wake *wake);
/* Copies the half; of several for one peer the highest version stays. */
void batch_add_observed(struct batch *batch, struct slice cid, const struct copy *observed);
void batch_set_bury(struct batch *batch, size_t item);

/* What was collected; valid until the next add. */
const struct replan_item *batch_items(const struct batch *batch, size_t *n);
