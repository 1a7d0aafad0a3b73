/*
 * restored.h -- the mark of a store that was restored from a backup.
 *
 * What was asked for, renewed or asked for again since the backup is not known any more, but its
 * copies are on the nodes.  So, while the mark stands, nothing is unpinned for what the store knew
 * before: copies that no request explains are held back whatever the guard would let go, no end or
 * expiry from before the restore explains an unpin, and orders to unpin that were given before it
 * are refused.  What users remove from now on goes as always.
 *
 * An operator who has looked takes the mark off, by the order that lets go what the guard holds
 * back (reconciler_order_sweep() with `force`).
 */
#pragma once

#include "store/store.h"

/* Durable when it returns true. */
bool restored_mark(struct store *store, int64_t now_us, struct err *err) MUST_CHECK;
bool restored_clear(struct store *store, struct err *err) MUST_CHECK;

/* When the store was restored (us); 0: it was not, or the mark was taken off. */
bool restored_at(struct store *store, int64_t *at_us, struct err *err) MUST_CHECK;
