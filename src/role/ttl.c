#include "role/ttl.h"

#include "base/alloc.h"
#include "base/log.h"
#include "role/batch.h"
#include "role/wanted.h"

struct ttl {
	struct ttl_options options;
	struct replanner *replanner;
	int64_t scan_at;    /* mono; the next whole scan */
	int64_t scanned_to; /* wall; what expired by then was seen by a whole scan; 0: never */
	int64_t ended_to;   /* wall; the same of any step */
	int64_t shown_to;   /* wall; what expires by then was shown as expiring */
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

typedef bool page_fn(struct ttl *t, const struct ttl_row *rows, size_t n, struct arena *mem,
		     struct err *err);

/* Gives the rows that expire from `from` to `until`, both included, to `page`. */
static bool read_pages(struct ttl *t, int64_t from, int64_t until, page_fn *page, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	CLEANUP(arena_free) struct arena *last_mem = arena_new();
	struct ttl_row last, *rows;
	const struct ttl_row *after = NULL;
	size_t n;

	if (from > until)
		return true;
	do {
		arena_reset(mem);
		if (!store_expiries(t->options.replan.store, from, until, after,
				    t->options.batch_max, mem, &rows, &n, err) ||
		    !page(t, rows, n, mem, err))
			return false;
		if (n > 0) {
			arena_reset(last_mem);
			last = rows[n - 1];
			last.cid = arena_copy(last_mem, last.cid);
			last.owner = arena_copy(last_mem, last.owner);
			after = &last;
		}
	} while (n == t->options.batch_max);
	return true;
}

static bool end_page(struct ttl *t, const struct ttl_row *rows, size_t n, struct arena *mem,
		     struct err *err)
{
	struct batch *batch = batch_new(mem);
	const struct replan_item *items;
	size_t n_items;

	for (size_t i = 0; i < n; i++)
		batch_add(batch, rows[i].cid);
	items = batch_items(batch, &n_items);
	return replan(t->replanner, items, n_items, err);
}

/* The status depends on the time: it is derived anew. */
static bool show_page(struct ttl *t, const struct ttl_row *rows, size_t n, struct arena *mem UNUSED,
		      struct err *err)
{
	size_t wrong;

	for (size_t i = 0; i < n; i++)
		if (!store_repair(t->options.replan.store, rows[i].cid, false, &wrong, err)) {
			if (!row_at_fault(err))
				return false;
			log_err(LOG_ERROR, err, "an expiry is passed over");
		}
	return true;
}

/* Two scans before the last one that was whole: rows may be late, clocks off.  After a start
 * a day, the rest is the sweep's. */
static int64_t scan_from(const struct ttl *t, int64_t now)
{
	int64_t seen_to = t->scanned_to > 0 ? t->scanned_to : now - US_PER_DAY;

	if (seen_to > now) /* the clock was set back */
		seen_to = now;
	return seen_to - 2 * t->options.scan_us;
}

static bool end_expired(struct ttl *t, int64_t now, int64_t mono, struct err *err)
{
	bool whole = mono >= t->scan_at;

	if (!read_pages(t, whole ? scan_from(t, now) : t->ended_to + 1, now, end_page, err))
		return false;
	t->ended_to = now;
	if (whole) {
		t->scanned_to = now;
		t->scan_at = mono + t->options.scan_us;
	}
	return true;
}

/* What is made nearer to its expiry than one scan is shown so from its first moment. */
static bool show_expiring(struct ttl *t, int64_t now, struct err *err)
{
	int64_t until = now + t->options.scan_us;
	int64_t from = t->shown_to > now ? t->shown_to : now;

	if (!read_pages(t, from + 1, until, show_page, err))
		return false;
	t->shown_to = until;
	return true;
}

/* When the next expiry is due that the queue holds now; `later` if none is before that. */
static bool next_expiry(struct ttl *t, int64_t now, int64_t later, int64_t *out, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct ttl_row *rows;
	size_t n;

	if (!store_expiries(t->options.replan.store, now + 1, later, NULL, 1, mem, &rows, &n, err))
		return false;
	*out = n > 0 ? rows[0].expires_at : later;
	return true;
}

/* Hours that nobody reads any more. */
static bool drop_old(struct ttl *t, int64_t now, struct err *err)
{
	if (now - t->dropped_to <= US_PER_DAY + US_PER_H)
		return true;
	if (!store_drop_expiries(t->options.replan.store, now - US_PER_DAY - 2 * t->options.scan_us,
				 err))
		return false;
	t->dropped_to = now - US_PER_DAY;
	return true;
}

bool ttl_step(struct ttl *t, int64_t *due_us, struct err *err)
{
	struct clock *clock = t->options.replan.clock;
	int64_t now = clock_wall_us(clock), mono = clock_mono_us(clock), next;

	*due_us = mono + t->options.scan_us;
	if (!end_expired(t, now, mono, err) || !show_expiring(t, now, err) ||
	    !drop_old(t, now, err) || !next_expiry(t, now, now + t->options.scan_us, &next, err))
		return false;
	*due_us = mono + (next - now);
	if (t->scan_at < *due_us)
		*due_us = t->scan_at;
	return true;
}
