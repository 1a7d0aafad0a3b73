#include "net/peer_table.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rand.h"

struct peer_entry {
	struct peer_entry *next;
	uint8_t key[16];
	unsigned n;
};

struct peer_table *peer_table_new(void)
{
	struct peer_table *table = xcalloc(1, sizeof(*table));
	struct rand rand;

	rand_init_system(&rand);
	table->seed = rand_u64(&rand);
	pthread_mutex_init(&table->lock, NULL);
	return table;
}

void peer_table_free(struct peer_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < PEER_BUCKETS; i++)
		assert(!table->buckets[i]);
	pthread_mutex_destroy(&table->lock);
	xfree(table);
}

static void make_key(const struct http_peer *peer, uint8_t key[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	memcpy(key, peer->ip, 16);
	if (memcmp(key, mapped, sizeof(mapped)) != 0)
		memset(key + 8, 0, 8);
}

/* Where the entry is, or would be added. */
static struct peer_entry **find(struct peer_table *table, const uint8_t key[16])
{
	uint64_t half[2], hash;
	struct peer_entry **at;

	memcpy(half, key, 16);
	hash = (half[0] ^ table->seed) * UINT64_C(0x9e3779b97f4a7c15);
	hash = (hash ^ (hash >> 32) ^ half[1]) * UINT64_C(0xd6e8feb86659fd93);
	at = &table->buckets[hash >> 52];
	while (*at && memcmp((*at)->key, key, 16) != 0)
		at = &(*at)->next;
	return at;
}

bool peer_table_enter(struct peer_table *table, const struct http_peer *peer, unsigned max)
{
	struct peer_entry **at;
	uint8_t key[16];
	bool ok;

	make_key(peer, key);
	pthread_mutex_lock(&table->lock);
	at = find(table, key);
	ok = max > 0 && (!*at || (*at)->n < max);
	if (ok && !*at) {
		*at = xcalloc(1, sizeof(**at));
		memcpy((*at)->key, key, 16);
	}
	if (ok)
		(*at)->n++;
	pthread_mutex_unlock(&table->lock);
	return ok;
}

void peer_table_leave(struct peer_table *table, const struct http_peer *peer)
{
	struct peer_entry **at, *e;
	uint8_t key[16];

	make_key(peer, key);
	pthread_mutex_lock(&table->lock);
	at = find(table, key);
	e = *at;
	assert(e && e->n > 0);
	if (--e->n == 0) {
		*at = e->next;
		xfree(e);
	}
	pthread_mutex_unlock(&table->lock);
}
