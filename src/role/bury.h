/*
 * bury.h -- which facts of a CID say nothing any more and can go.  Pure.
 */
#pragma once

#include "reconcile/reconcile.h"
#include "store/store.h"

/*
 * Adds to *out the facts that have said nothing since `before`, a version: all of a request that is
 * over, if `ends_are_told` (nothing needs its end as a reason any more), and of the others what a
 * newer revision from before then outdid.  `requests` are all of the view.
 */
void bury(const struct cid_view *view, const struct wanted_request *requests, size_t n,
	  bool ends_are_told, uint64_t before, struct arena *mem, struct cid_change *out);
