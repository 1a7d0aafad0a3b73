#include "role/planner.h"

#include "base/alloc.h"
#include "role/batch.h"

struct planner {
	struct planner_options options;
	struct replanner *replanner;
	struct arena *mem; /* of one step */
	int64_t poll_at;   /* mono */
	bool catching_up;  /* reading wake rows that are not due yet: after a start or a loss */
	bool lost_more;    /* meanwhile: they are read once more */
	struct wake last;  /* the last one read while catching up */
	uint8_t last_cid[CID_MAX];
};

struct planner *planner_new(const struct planner_options *options)
{
	struct planner *p = xcalloc(1, sizeof(*p));

	p->options = *options;
	p->replanner = replanner_new(&options->replan);
	p->mem = arena_new();
	return p;
}

void planner_free(struct planner *p)
{
	if (!p)
		return;
	replanner_free(p->replanner);
	arena_free(p->mem);
	xfree(p);
}

/* Its wake row brings it back if this step fails. */
static void collect(void *ctx, const struct bus_msg *msg)
{
	struct batch *batch = ctx;

	if (msg->due_at > 0)
		batch_add_wake(batch, msg->cid,
			       &(struct wake){ .due_at = msg->due_at, .cause = msg->cause });
	else
		batch_add(batch, msg->cid);
}

/* Reads the next due rows into the batch; *n tells how many there were. */
static bool read_wakes(struct planner *p, struct batch *batch, size_t *n, struct err *err)
{
	int64_t now = clock_wall_us(p->options.replan.clock);
	const struct wake *after = p->catching_up && p->last.due_at > 0 ? &p->last : NULL;
	struct wake *rows;

	if (!store_wakes(p->options.replan.store, now + (p->catching_up ? WAKE_REQUEST_US : 0),
			 after, p->options.batch_max, p->mem, &rows, n, err))
		return false;
	for (size_t i = 0; i < *n; i++)
		/* Waits that are not over yet are left alone. */
		if (rows[i].due_at <= now || rows[i].cause == WAKE_REQUEST)
			batch_add_wake(batch, rows[i].cid, &rows[i]);
	if (!p->catching_up)
		return true;
	if (*n < p->options.batch_max) {
		p->catching_up = p->lost_more;
		p->lost_more = false;
		p->last = (struct wake){ 0 };
	} else {
		p->last = rows[*n - 1];
		memcpy(p->last_cid, p->last.cid.ptr, p->last.cid.len);
		p->last.cid.ptr = p->last_cid;
	}
	return true;
}

bool planner_step(struct planner *p, int64_t *due_us, struct err *err)
{
	struct clock *clock = p->options.replan.clock;
	const struct replan_item *items;
	struct batch *batch;
	size_t n_msgs, n_wakes = 0, n;

	arena_reset(p->mem);
	batch = batch_new(p->mem);
	*due_us = clock_mono_us(clock) + p->options.poll_us;
	/* Going on where it is, and then once more from the start: rows that were taken leave
	 * marks behind that every read from the start has to skip. */
	if (bus_overflowed(p->options.replan.bus, BUS_PIN_REQUEST, 0)) {
		p->lost_more = p->catching_up;
		p->catching_up = true;
	}
	if (!bus_take(p->options.replan.bus, BUS_PIN_REQUEST, 0, p->options.batch_max, collect,
		      batch, &n_msgs, err))
		return false;
	if (p->catching_up || clock_mono_us(clock) >= p->poll_at) {
		if (!read_wakes(p, batch, &n_wakes, err))
			return false;
		if (n_wakes < p->options.batch_max)
			p->poll_at = clock_mono_us(clock) + p->options.poll_us;
	}
	items = batch_items(batch, &n);
	if (!replan(p->replanner, items, n, err))
		return false;
	if (n_msgs == p->options.batch_max || n_wakes == p->options.batch_max || p->catching_up)
		*due_us = clock_mono_us(clock); /* there is more */
	else
		*due_us = p->poll_at;
	return true;
}
