#include "role/peers.h"

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

/* Silence while nobody listened tells nothing. */
static enum peer_health health_of(const struct peer_row *row, const struct health_policy *policy,
				  int64_t heard_us, int64_t now_us)
{
	enum peer_health seen = peer_health(row->last_seen, now_us, policy);
	enum peer_health heard = peer_health(heard_us, now_us, policy);

	if (row->last_seen >= heard_us || seen <= HEALTH_SUSPECT)
		return seen;
	return heard > HEALTH_SUSPECT ? heard : HEALTH_SUSPECT;
}

bool peers_load(struct store *store, const struct health_policy *policy, int64_t since_us,
		struct clock *clock, struct arena *mem, struct peers *out, struct err *err)
{
	int64_t now_us = clock_wall_us(clock);
	int64_t heard_us = now_us - (clock_mono_us(clock) - since_us);
	struct peer_row *rows;
	size_t n;

	if (!store_peers(store, mem, &rows, &n, err))
		return false;
	out->at = arena_new_array(mem, struct place_peer, n);
	out->n = n;
	for (size_t i = 0; i < n; i++)
		out->at[i] = (struct place_peer){
			.peer_no = rows[i].peer_no,
			.peer_id = rows[i].peer_id,
			.zone = rows[i].zone,
			.tags = rows[i].tags,
			.health = health_of(&rows[i], policy, heard_us, now_us),
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
