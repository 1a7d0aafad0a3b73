#include "role/api/delegates.h"

#include <pthread.h>

#include "base/alloc.h"
#include "model/origin_filter.h"
#include "json/json_writer.h"

#define FRESH_US     US_PER_S
#define PER_PEER     2
#define REACHES_NONE "/ip4/127.0.0.1/tcp/9/p2p/QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n"

struct delegates {
	struct store *store;
	struct clock *clock;
	int64_t up_us;
	pthread_mutex_t lock;
	struct buf json;
	int64_t read_at; /* mono */
};

struct delegates *delegates_new(struct store *store, struct clock *clock, int64_t up_us)
{
	struct delegates *d = xcalloc(1, sizeof(*d));

	d->store = store;
	d->clock = clock;
	d->up_us = up_us;
	pthread_mutex_init(&d->lock, NULL);
	return d;
}

void delegates_free(struct delegates *delegates)
{
	if (!delegates)
		return;
	buf_free(&delegates->json);
	pthread_mutex_destroy(&delegates->lock);
	xfree(delegates);
}

struct picked {
	struct slice at[DELEGATES_MAX];
	size_t n;
};

static bool is_public(struct slice text)
{
	struct multiaddr addr;
	struct err ignored;

	return multiaddr_parse(text, &addr, &ignored) &&
	       origin_filter_check(&addr, NULL, 0, &ignored);
}

static bool names_peer(struct slice text)
{
	struct multiaddr addr;
	struct peer_id peer;
	struct err ignored;

	return multiaddr_parse(text, &addr, &ignored) && multiaddr_peer(&addr, &peer);
}

static void pick(struct picked *p, const struct peer_row *peer, bool public_only)
{
	size_t taken = 0;

	for (size_t i = 0; i < peer->addresses.n && taken < PER_PEER; i++) {
		struct slice text = peer->addresses.at[i];

		if (p->n == DELEGATES_MAX || !names_peer(text) || (public_only && !is_public(text)))
			continue;
		p->at[p->n++] = text;
		taken++;
	}
}

static void pick_all(struct picked *p, const struct peer_row *peers, size_t n, int64_t since)
{
	for (int public_only = 1; public_only >= 0 && p->n == 0; public_only--) {
		for (size_t i = 0; i < n; i++) {
			if (peers[i].wish == PEER_ACTIVE && peers[i].last_seen >= since)
				pick(p, &peers[i], public_only);
		}
	}
}

static bool build(struct delegates *d, struct buf *out, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct json_writer w = json_writer(out);
	struct picked picked = { .n = 0 };
	struct peer_row *peers;
	size_t n;

	if (!store_peers(d->store, mem, &peers, &n, err))
		return false;
	pick_all(&picked, peers, n, clock_wall_us(d->clock) - d->up_us);
	if (picked.n == 0)
		pick_all(&picked, peers, n, INT64_MIN);
	if (picked.n == 0)
		picked.at[picked.n++] = SLICE_LIT(REACHES_NONE);
	json_begin_array(&w);
	for (size_t i = 0; i < picked.n; i++)
		json_str(&w, picked.at[i]);
	json_end_array(&w);
	return true;
}

bool delegates_write(struct delegates *delegates, struct buf *out, struct err *err)
{
	struct delegates *d = delegates;
	int64_t now = clock_mono_us(d->clock);
	struct buf fresh = { 0 };
	bool found;

	pthread_mutex_lock(&d->lock);
	found = d->json.len > 0 && now - d->read_at < FRESH_US;
	if (found)
		buf_add_slice(out, buf_slice(&d->json));
	pthread_mutex_unlock(&d->lock);
	if (found)
		return true;
	if (!build(d, &fresh, err)) {
		buf_free(&fresh);
		return false;
	}
	buf_add_slice(out, buf_slice(&fresh));
	pthread_mutex_lock(&d->lock);
	buf_free(&d->json);
	d->json = fresh;
	d->read_at = now;
	pthread_mutex_unlock(&d->lock);
	return true;
}
