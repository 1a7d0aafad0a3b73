#include "role/waits.h"

/* A wait is made longer so that it ends at a multiple of itself, moved by the CID's bucket, lest
 * all CIDs come at once. */
int64_t waits_until(struct store *store, struct slice cid, int64_t at_us, int64_t now_us)
{
	int64_t wait = (at_us - now_us) / US_PER_S * US_PER_S;
	int64_t offset;

	if (wait < US_PER_S)
		wait = US_PER_S;
	offset = store_bucket(store, cid) * US_PER_MS % wait;
	return (at_us - offset + wait - 1) / wait * wait + offset;
}

bool waits_put_off(struct store *store, const struct replan_item *item, int64_t now_us,
		   struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct wake *woken = arena_new_array(mem, struct wake, item->n_woken);
	const struct wake later = {
		.due_at = waits_until(store, item->cid, now_us + WAITS_PUT_OFF_US, now_us),
		.cid = item->cid,
		.cause = WAKE_RECHECK,
	};
	size_t n = 0;

	for (size_t i = 0; i < item->n_woken; i++)
		if (item->woken[i].due_at != later.due_at)
			woken[n++] = item->woken[i];
	return item->n_woken == 0 ||
	       (store_wake(store, &later, 1, err) && store_woken(store, woken, n, err));
}
