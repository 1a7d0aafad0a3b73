/* check_lists.c -- what people are shown agrees with the facts and the copies. */
#include "role/wanted.h"
#include "sim.h"

#define PAGE 7 /* small, so that listings have several */

struct listing { /* of one owner, by request id */
	const struct owner_pin *rows[SIM_WISHES * 2];
	size_t n;
};

static bool list(struct sim *sim, struct store *store, struct slice owner, struct arena *mem,
		 struct listing *out, struct err *err)
{
	const struct pin_filter all = { 0 };
	struct pin_page page = { 0 };
	struct slice cursor = { 0 };

	out->n = 0;
	do {
		if (!store_list(store, owner, &all, cursor, PAGE, mem, &page, err))
			return false;
		for (size_t i = 0; i < page.n; i++) {
			if (out->n == ARRAY_LEN(out->rows)) {
				sim_violated(sim, "a listing does not end");
				return true;
			}
			out->rows[out->n++] = &page.rows[i];
		}
		cursor = page.next;
	} while (page.more || page.cut);
	return true;
}

/* The row of a request; it is looked for only once. */
static const struct owner_pin *take_row(struct listing *l, const struct ulid *id)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct owner_pin *row = l->rows[i];

		if (ulid_cmp(&row->request_id, id) != 0)
			continue;
		l->rows[i] = l->rows[--l->n];
		return row;
	}
	return NULL;
}

/* What depends on the time changes with the next scan only. */
static bool about_to_expire(const struct sim *sim, const struct request *r)
{
	return r->revision->expires_at > 0 &&
	       r->revision->expires_at < sim_wall(sim) + 3 * SIM_EXPIRING_US;
}

struct lists {
	struct sim *sim;
	struct store *store;
	struct arena *mem;
	struct listing listing;
	uint64_t pins[STATUS_COUNT]; /* by the facts */
	uint64_t unsure;
	size_t live;
};

static void check_request(struct lists *l, const struct truth *t, const struct request *r,
			  unsigned c)
{
	struct sim *sim = l->sim;
	const struct owner_pin *row = take_row(&l->listing, &r->create->request_id);
	struct peer_zones zones = store_zones(l->store, l->mem);
	enum pin_status status = request_status(r, t->view.copies, t->view.n_copies, zones,
						sim_wall(sim), SIM_EXPIRING_US);
	bool unsure = about_to_expire(sim, r);

	l->live++;
	l->unsure += unsure;
	l->pins[status]++;
	if (!row)
		sim_violated(sim, "cid %u: a live request is not listed", c);
	else if (row->status != status && !unsure)
		sim_violated(sim, "cid %u: a request is listed as %s and is %s", c,
			     pin_status_name((enum pin_status)row->status),
			     pin_status_name(status));
}

static bool check_truth(struct lists *l, struct slice owner, struct err *err)
{
	for (unsigned c = 0; c < SIM_CIDS; c++) {
		struct truth t;

		if (!sim_truth(l->sim, l->store, c, l->mem, &t, err))
			return false;
		for (size_t i = 0; i < t.n; i++)
			if (t.requests[i].request->life == REQUEST_LIVE &&
			    slice_eq(t.requests[i].request->create->owner, owner))
				check_request(l, &t, t.requests[i].request, c);
	}
	if (l->listing.n > 0)
		sim_violated(l->sim, "%zu requests are listed that are not live", l->listing.n);
	return true;
}

static bool check_numbers(struct lists *l, struct slice owner, struct err *err)
{
	const struct pin_filter all = { 0 };
	struct owner_usage usage;
	size_t count;
	bool cut;

	if (!store_count(l->store, owner, &all, 10000, &count, &cut, err) ||
	    !store_usage(l->store, owner, &usage, err))
		return false;
	if (count != l->live)
		sim_violated(l->sim, "%zu requests are counted and %zu are live", count, l->live);
	for (unsigned s = 0; s < STATUS_COUNT; s++)
		if (l->sim->shape.serial && l->unsure == 0 && usage.pins[s] != l->pins[s])
			sim_violated(l->sim, "%llu requests are %s, the totals say %llu",
				     (unsigned long long)l->pins[s],
				     pin_status_name((enum pin_status)s),
				     (unsigned long long)usage.pins[s]);
	return true;
}

bool sim_check_lists(struct sim *sim, struct store *store, struct arena *mem, struct err *err)
{
	for (unsigned o = 0; o < SIM_OWNERS; o++) {
		struct slice owner = SIM_OWNER_NAME(o);
		struct lists l = { .sim = sim, .store = store, .mem = mem };

		if (!list(sim, store, owner, mem, &l.listing, err) ||
		    !check_truth(&l, owner, err) || !check_numbers(&l, owner, err))
			return false;
	}
	return true;
}
