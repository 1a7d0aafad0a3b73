#include "role/ttl.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/log.h"
#include "role/batch.h"

struct ttl {
	struct ttl_options options;
	struct replanner *replanner;
	_Atomic int64_t next_wall; /* the next scan */
	int64_t scanned_to; /* wall; what expired before this was seen; 0 = since the start */
	int64_t dropped_to; /* hours before this are gone */
};

struct ttl *ttl_new(const struct ttl_options *options)
{
	struct ttl *t = xcalloc(1, sizeof(*t));

	t->options = *options;
	t->replanner = replanner_new(&options->replan);
	return t;
}

void ttl_free(struct ttl *t)
{
	if (!t)
		return;
	replanner_free(t->replanner);
	xfree(t);
}

bool ttl_note(struct ttl *t, int64_t expires_at)
{
	int64_t next = atomic_load(&t->next_wall);

	while (expires_at < next)
		if (atomic_compare_exchange_weak(&t->next_wall, &next, expires_at))
			return true;
	return false;
}

/* One page of rows: expired ones into the batch, nearly expired ones shown as such. */
static bool page(struct ttl *t, const struct ttl_row *rows, size_t n, int64_t now, int64_t *soonest,
		 struct arena *mem, struct err *err)
{
	struct batch *batch = batch_new(mem);
	const struct replan_item *items;
	size_t n_items, wrong;

	for (size_t i = 0; i < n; i++) {
		if (rows[i].expires_at <= now) {
			batch_add(batch, rows[i].cid);
			continue;
		}
		if (rows[i].expires_at < *soonest)
			*soonest = rows[i].expires_at;
		/* The status depends on the time: let it be derived anew. */
		if (!store_repair(t->options.replan.store, rows[i].cid, false, &wrong, err))
			return false;
	}
	items = batch_items(batch, &n_items);
	return replan(t->replanner, items, n_items, err);
}

/* Two scans before the last one that was whole: rows may be late, clocks off.  After a start
 * a day, the rest is the sweep's. */
static int64_t first_to_scan(const struct ttl *t, int64_t now)
{
	int64_t seen_to = t->scanned_to > 0 ? t->scanned_to : now - US_PER_DAY;

	if (seen_to > now) /* the clock was set back */
		seen_to = now;
	return seen_to - 2 * t->options.scan_us;
}

static bool scan(struct ttl *t, int64_t now, int64_t *soonest, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	CLEANUP(arena_free) struct arena *last_mem = arena_new();
	int64_t from = first_to_scan(t, now), until = now + t->options.scan_us;
	struct ttl_row last, *rows;
	const struct ttl_row *after = NULL;
	size_t n;

	do {
		arena_reset(mem);
		if (!store_expiries(t->options.replan.store, from, until, after,
				    t->options.batch_max, mem, &rows, &n, err) ||
		    !page(t, rows, n, now, soonest, mem, err))
			return false;
		if (n > 0) {
			arena_reset(last_mem);
			last = rows[n - 1];
			last.cid = arena_copy(last_mem, last.cid);
			last.owner = arena_copy(last_mem, last.owner);
			after = &last;
		}
	} while (n == t->options.batch_max);
	t->scanned_to = now;
	return true;
}

bool ttl_step(struct ttl *t, int64_t *due_us, struct err *err)
{
	struct clock *clock = t->options.replan.clock;
	int64_t now = clock_wall_us(clock);
	int64_t soonest = now + t->options.scan_us;

	*due_us = clock_mono_us(clock) + t->options.scan_us;
	/* Set first, so that a note that comes during the scan is not overwritten. */
	atomic_store(&t->next_wall, soonest);
	if (!scan(t, now, &soonest, err))
		return false;
	ttl_note(t, soonest);
	if (now - t->dropped_to > US_PER_DAY + US_PER_H) {
		if (!store_drop_expiries(t->options.replan.store,
					 now - US_PER_DAY - 2 * t->options.scan_us, err))
			return false;
		t->dropped_to = now - US_PER_DAY;
	}
	*due_us = clock_mono_us(clock) + (atomic_load(&t->next_wall) - clock_wall_us(clock));
	return true;
}
