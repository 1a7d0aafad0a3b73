#include "role/peers.h"

#include <pthread.h>

#include "base/alloc.h"

/* ---- signs of life ---------------------------------------------------------------- */

struct sighting {
	uint32_t peer_no;
	int64_t last_seen;  /* as its row tells */
	int64_t noticed_at; /* mono; when the row first told this */
	bool live;          /* it changed under our eyes: it was true when it was noticed */
};

struct peer_watch {
	struct health_policy policy;
	struct clock *clock;
	pthread_mutex_t lock;
	struct sighting *at; /* sorted by peer_no */
	size_t n;
	int64_t looked_at; /* mono; 0 = never */
};

struct peer_watch *peer_watch_new(const struct health_policy *policy, struct clock *clock)
{
	struct peer_watch *watch = xcalloc(1, sizeof(*watch));

	watch->policy = *policy;
	watch->clock = clock;
	pthread_mutex_init(&watch->lock, NULL);
	return watch;
}

void peer_watch_free(struct peer_watch *watch)
{
	if (!watch)
		return;
	pthread_mutex_destroy(&watch->lock);
	xfree(watch->at);
	xfree(watch);
}

static struct sighting *find_sighting(const struct peer_watch *watch, uint32_t peer_no)
{
	for (size_t i = 0; i < watch->n; i++)
		if (watch->at[i].peer_no == peer_no)
			return &watch->at[i];
	return NULL;
}

void peer_watch_see(struct peer_watch *watch, const struct peer_row *rows, size_t n)
{
	int64_t now = clock_mono_us(watch->clock);
	struct sighting *at = xcalloc(n + 1, sizeof(*at));
	int64_t unwatched;
	bool watching;

	pthread_mutex_lock(&watch->lock);
	/* What changed while nobody looked may be old already, and what did not was not in vain
	 * looked for: the store was away, or the machine stood still. */
	unwatched = now - watch->looked_at - watch->policy.suspect_us;
	watching = watch->looked_at > 0 && unwatched <= 0;
	for (size_t i = 0; i < n; i++) {
		const struct sighting *before = find_sighting(watch, rows[i].peer_no);

		at[i] = (struct sighting){ rows[i].peer_no, rows[i].last_seen, now,
					   before && watching };
		if (!before || before->last_seen != rows[i].last_seen)
			continue;
		at[i] = *before;
		if (unwatched > 0)
			at[i].noticed_at += unwatched;
	}
	xfree(watch->at);
	watch->at = at;
	watch->n = n;
	watch->looked_at = now;
	pthread_mutex_unlock(&watch->lock);
}

/* Silence by our own clock since a sign of life that we saw come.  Where we saw none yet there is
 * only what the row tells: that is good for expecting nothing, not for giving the peer up. */
static enum peer_health health_of(struct peer_watch *watch, const struct peer_row *row,
				  bool *unsure)
{
	int64_t now = clock_mono_us(watch->clock);
	enum peer_health watched = HEALTH_UP, told;
	const struct sighting *seen;
	bool live = false;

	pthread_mutex_lock(&watch->lock);
	seen = find_sighting(watch, row->peer_no);
	if (seen) {
		watched = peer_health(seen->noticed_at, now, &watch->policy);
		live = seen->live;
	}
	pthread_mutex_unlock(&watch->lock);
	if (live)
		return watched;
	told = peer_health(row->last_seen, clock_wall_us(watch->clock), &watch->policy);
	*unsure = told == HEALTH_DEAD;
	if (told > HEALTH_SUSPECT)
		told = HEALTH_SUSPECT;
	return watched > told ? watched : told;
}

/* ---- all that placement may know --------------------------------------------------- */

static enum place_wish wish_of(uint8_t wish)
{
	switch ((enum peer_wish)wish) {
	case PEER_ACTIVE:
		return PLACE_ACTIVE;
	case PEER_PAUSED:
		return PLACE_PAUSED;
	case PEER_DRAINING:
		return PLACE_DRAINING;
	case PEER_FORGOTTEN:
		break;
	}
	return PLACE_FORGOTTEN; /* also of a wish that a newer program wrote: nothing goes there */
}

bool peers_load(struct store *store, struct peer_watch *watch, struct arena *mem, struct peers *out,
		struct err *err)
{
	struct peer_row *rows;
	size_t n;

	if (!store_peers(store, mem, &rows, &n, err))
		return false;
	peer_watch_see(watch, rows, n);
	out->at = arena_new_array(mem, struct place_peer, n);
	out->unsure = arena_new_array(mem, bool, n);
	out->n = n;
	for (size_t i = 0; i < n; i++)
		out->at[i] = (struct place_peer){
			.peer_no = rows[i].peer_no,
			.peer_id = rows[i].peer_id,
			.zone = rows[i].zone,
			.tags = rows[i].tags,
			.health = health_of(watch, &rows[i], &out->unsure[i]),
			.wish = wish_of(rows[i].wish),
			.free_bytes = rows[i].free_bytes,
			.capacity_bytes = rows[i].capacity_bytes,
		};
	return true;
}

#define COMING_LEAST 16 /* looked at of each peer, however many there are */

bool peers_count_coming(struct store *store, struct peers *peers, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	size_t limit = peers->n > 0 ? PEERS_COMING_MAX / peers->n : 0;

	if (limit < COMING_LEAST)
		limit = COMING_LEAST;
	for (size_t i = 0; i < peers->n; i++) {
		struct place_peer *peer = &peers->at[i];
		struct peer_open *rows;
		size_t n;

		if (peer->capacity_bytes == 0 || peer->wish == PLACE_FORGOTTEN)
			continue;
		arena_reset(mem);
		if (!store_open_copies(store, peer->peer_no, (struct slice){ 0 }, limit, mem, &rows,
				       &n, err))
			return false;
		for (size_t k = 0; k < n; k++)
			peer->coming += rows[k].desired;
	}
	return true;
}
