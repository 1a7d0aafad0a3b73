#include "store/shown.h"

/* As request_copies() counts them. */
static bool serves(const struct owner_pin *row, const struct copy *c, struct peer_zones zones)
{
	const struct fact revision = { .zones = row->zones, .peer_tags = row->peer_tags };
	const struct peer_zone where = peer_zone(zones, c->peer_no);
	const struct request r = { .revision = &revision };

	return c->desired && request_allows(&r, &where);
}

static int64_t since(int64_t made_at, int64_t at_us)
{
	return at_us < made_at ? 0 : at_us;
}

static struct copy shown_copy(const struct owner_pin *row, const struct copy *from)
{
	int64_t made_at = request_made_at(row->created_at, row->rev);
	struct copy c = *from;
	bool told = copy_told_since(&c, made_at);

	if (!told && copy_state(&c) == COPY_ERROR)
		c.state_gen = 0;
	if (!told) {
		c.attempts = 0;
		c.failure = FAILURE_NONE;
		c.error = (struct slice){ NULL, 0 };
		c.next_at = 0;
	} else if (c.attempts > 1 && c.failing_since < made_at) {
		c.attempts = 1; /* at least; how many there were before is not theirs */
	}
	c.assigned_at = since(made_at, c.assigned_at);
	c.observed_at = since(made_at, c.observed_at);
	c.failing_since = since(made_at, c.failing_since);
	return c;
}

static size_t wanted(const struct owner_pin *row, size_t n)
{
	return row->rf_max == REPLICAS_EVERYWHERE || (size_t)row->rf_max > n ? n
									     : (size_t)row->rf_max;
}

const struct cid_view *shown_view(const struct owner_pin *row, const struct cid_view *view,
				  struct peer_zones zones, struct arena *mem)
{
	struct cid_view *out = arena_new_of(mem, struct cid_view);
	struct copy *copies = arena_new_array(mem, struct copy, view->n_copies);
	size_t room[2] = { 0 }; /* for what is pinned, and for what is not */
	size_t pinned = 0, n = 0;

	for (size_t i = 0; i < view->n_copies; i++) {
		if (!serves(row, &view->copies[i], zones))
			continue;
		pinned += copy_state(&view->copies[i]) == COPY_PINNED;
		copies[n++] = view->copies[i];
	}
	*out = (struct cid_view){ .cid = view->cid, .copies = copies };
	room[0] = wanted(row, pinned);
	room[1] = wanted(row, n) - room[0];
	for (size_t i = 0; i < n; i++) {
		size_t *left = &room[copy_state(&copies[i]) != COPY_PINNED];

		if (*left == 0)
			continue;
		--*left;
		copies[out->n_copies++] = shown_copy(row, &copies[i]);
	}
	return out;
}

unsigned shown_pinned(const struct owner_pin *row)
{
	return (unsigned)wanted(row, row->copies);
}
