#include "role/api/delegates.h"

#include <pthread.h>

#include "base/alloc.h"
#include "model/origin_filter.h"
#include "reconcile/placement.h"

#define FRESH_US     US_PER_S
#define PER_PEER     2
#define REACHES_NONE "/ip4/127.0.0.1/tcp/9/p2p/QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n"

struct known { /* a peer, in the order of its number */
	uint32_t peer_no;
	bool up;                       /* and may get pins */
	struct slice public[PER_PEER]; /* addresses that can be dialled from anywhere */
	struct slice any[PER_PEER];
	size_t n_public, n_any;
};

struct delegates {
	struct store *store;
	struct clock *clock;
	int64_t up_us;
	pthread_mutex_t lock; /* of what follows, and of its use */
	struct arena *mem, *scratch;
	struct known *known;
	struct place_peer *up; /* those of them that are up, for placements */
	size_t n_known, n_up;
	int64_t read_at; /* mono */
};

struct delegates *delegates_new(struct store *store, struct clock *clock, int64_t up_us)
{
	struct delegates *d = xcalloc(1, sizeof(*d));

	d->store = store;
	d->clock = clock;
	d->up_us = up_us;
	d->mem = arena_new();
	d->scratch = arena_new();
	pthread_mutex_init(&d->lock, NULL);
	return d;
}

void delegates_free(struct delegates *delegates)
{
	if (!delegates)
		return;
	arena_free(delegates->mem);
	arena_free(delegates->scratch);
	pthread_mutex_destroy(&delegates->lock);
	xfree(delegates);
}

/* ---- what is known ---------------------------------------------------------------------- */

static void keep_addresses(struct known *k, const struct peer_row *row)
{
	for (size_t i = 0; i < row->addresses.n; i++) {
		struct slice text = row->addresses.at[i];
		struct multiaddr addr;
		struct peer_id peer;
		struct err ignored;

		if (!multiaddr_parse(text, &addr, &ignored) || !multiaddr_peer(&addr, &peer))
			continue;
		if (k->n_any < PER_PEER)
			k->any[k->n_any++] = text;
		if (k->n_public < PER_PEER && origin_filter_check(&addr, NULL, 0, &ignored))
			k->public[k->n_public++] = text;
	}
}

bool delegates_refresh(struct delegates *delegates, struct err *err)
{
	struct delegates *d = delegates;
	int64_t now = clock_mono_us(d->clock), since = clock_wall_us(d->clock) - d->up_us;
	CLEANUP(arena_free) struct arena *mem = NULL;
	struct place_peer *up;
	struct known *known;
	struct peer_row *rows;
	size_t n, n_up = 0;
	bool fresh;

	pthread_mutex_lock(&d->lock);
	fresh = d->known && now - d->read_at < FRESH_US;
	pthread_mutex_unlock(&d->lock);
	if (fresh)
		return true;
	mem = arena_new();
	if (!store_peers(d->store, mem, &rows, &n, err))
		return false;
	known = arena_new_array(mem, struct known, n + 1);
	up = arena_new_array(mem, struct place_peer, n);
	for (size_t i = 0; i < n; i++) {
		known[i].peer_no = rows[i].peer_no;
		known[i].up = rows[i].wish == PEER_ACTIVE && rows[i].last_seen >= since;
		keep_addresses(&known[i], &rows[i]);
		if (known[i].up)
			up[n_up++] = (struct place_peer){
				.peer_no = rows[i].peer_no,
				.zone = rows[i].zone,
				.tags = rows[i].tags,
				.free_bytes = rows[i].free_bytes,
				.capacity_bytes = rows[i].capacity_bytes,
			};
	}
	pthread_mutex_lock(&d->lock);
	arena_free(d->mem);
	d->mem = TAKE(mem);
	d->known = known;
	d->up = up;
	d->n_known = n;
	d->n_up = n_up;
	d->read_at = now;
	pthread_mutex_unlock(&d->lock);
	return true;
}

/* ---- choosing ------------------------------------------------------------------------------ */

struct picked {
	struct slice at[DELEGATES_MAX];
	size_t n;
};

static void pick(struct picked *p, const struct known *k, bool public)
{
	const struct slice *from = public ? k->public : k->any;
	size_t n = public ? k->n_public : k->n_any;

	for (size_t i = 0; i < n && p->n < DELEGATES_MAX; i++)
		p->at[p->n++] = from[i];
}

/* Addresses of those marked, all public or none. */
static void pick_marked(struct picked *p, const struct delegates *d, const bool *marked)
{
	for (int public = 1; public >= 0 && p->n == 0; public --)
		for (size_t i = 0; i < d->n_known; i++)
			if (marked[i])
				pick(p, &d->known[i], public);
}

static void mark(const struct delegates *d, bool *marked, uint32_t peer_no)
{
	for (size_t i = 0; i < d->n_known; i++)
		if (d->known[i].peer_no == peer_no)
			marked[i] = true;
}

/* Those that were assigned the content and do not have it yet. */
static void mark_assigned(const struct delegates *d, const struct cid_view *view, bool *marked)
{
	for (size_t i = 0; view && i < view->n_copies; i++)
		if (view->copies[i].desired && copy_state(&view->copies[i]) != COPY_PINNED)
			mark(d, marked, view->copies[i].peer_no);
}

/* Those that the planner will choose, as far as it can be told here. */
static void mark_placed(const struct delegates *d, const struct owner_pin *pin, bool *marked)
{
	const struct place_ask ask = {
		.seed = store_bucket(d->store, pin->cid),
		.replicas = pin->rf_max == REPLICAS_EVERYWHERE || pin->rf_max > 0 ? pin->rf_max : 1,
		.zones = pin->zones,
		.tags = pin->peer_tags,
	};
	struct place_result r = placement_choose(&ask, d->up, d->n_up, d->scratch);

	for (size_t i = 0; i < r.n; i++)
		mark(d, marked, r.peers[i]);
}

static void choose(const struct delegates *d, const struct owner_pin *pin,
		   const struct cid_view *view, struct picked *p)
{
	bool *marked = arena_new_array(d->scratch, bool, d->n_known);

	mark_assigned(d, view, marked);
	pick_marked(p, d, marked);
	if (p->n > 0)
		return;
	mark_placed(d, pin, marked);
	pick_marked(p, d, marked);
	for (size_t i = 0; i < d->n_known; i++)
		marked[i] = d->known[i].up;
	if (p->n == 0)
		pick_marked(p, d, marked);
	for (size_t i = 0; i < d->n_known; i++)
		marked[i] = true;
	if (p->n == 0)
		pick_marked(p, d, marked);
	if (p->n == 0)
		p->at[p->n++] = SLICE_LIT(REACHES_NONE);
}

void delegates_write(struct delegates *delegates, const struct owner_pin *pin,
		     const struct cid_view *view, struct json_writer *w)
{
	struct picked picked = { .n = 0 };

	pthread_mutex_lock(&delegates->lock);
	arena_reset(delegates->scratch);
	choose(delegates, pin, view, &picked);
	json_begin_array(w);
	for (size_t i = 0; i < picked.n; i++)
		json_str(w, picked.at[i]);
	json_end_array(w);
	pthread_mutex_unlock(&delegates->lock);
}
