#include "store/created.h"

#include <pthread.h>

#include "base/alloc.h"
#include "base/clock.h"

#define SWEEP_MIN 1024

struct owner_time {
	struct owner_time *next;
	int64_t last_us;
	size_t len;
	uint8_t owner[];
};

struct created {
	uint8_t key[SIPHASH_KEY_LEN];
	pthread_mutex_t mutex; /* of all below */
	struct owner_time **slots;
	size_t n_slots, n;
	size_t sweep_at; /* forget at so many */
};

struct created *created_new(const uint8_t key[SIPHASH_KEY_LEN])
{
	struct created *c = xcalloc(1, sizeof(*c));

	memcpy(c->key, key, sizeof(c->key));
	pthread_mutex_init(&c->mutex, NULL);
	c->n_slots = SWEEP_MIN;
	c->slots = xcalloc(c->n_slots, sizeof(*c->slots));
	c->sweep_at = SWEEP_MIN;
	return c;
}

void created_free(struct created *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_slots; i++)
		for (struct owner_time *t = c->slots[i], *next; t; t = next) {
			next = t->next;
			xfree(t);
		}
	xfree(c->slots);
	pthread_mutex_destroy(&c->mutex);
	xfree(c);
}

int64_t created_after(int64_t last_us, int64_t now_us)
{
	int64_t ms = now_us - now_us % US_PER_MS;

	if (last_us < ms)
		return ms;
	ms = last_us - last_us % US_PER_MS + US_PER_MS;
	return ms - now_us < US_PER_S ? ms : last_us + 1;
}

static struct owner_time **slot_of(struct created *c, struct slice owner)
{
	struct owner_time **t = &c->slots[siphash24(c->key, owner) % c->n_slots];

	while (*t && !slice_eq(SLICE_OF((*t)->owner, (*t)->len), owner))
		t = &(*t)->next;
	return t;
}

bool created_next(struct created *c, struct slice owner, int64_t now_us, int64_t *out)
{
	struct owner_time *t;

	pthread_mutex_lock(&c->mutex);
	t = *slot_of(c, owner);
	if (t)
		*out = t->last_us = created_after(t->last_us, now_us);
	pthread_mutex_unlock(&c->mutex);
	return t != NULL;
}

/* Those behind the clock are read again from the store when they come back. */
static void sweep(struct created *c, int64_t now_us)
{
	struct owner_time *kept = NULL;

	for (size_t i = 0; i < c->n_slots; i++)
		for (struct owner_time *t = c->slots[i], *next; t; t = next) {
			next = t->next;
			if (t->last_us < now_us - US_PER_S) {
				xfree(t);
				c->n--;
			} else {
				t->next = kept;
				kept = t;
			}
		}
	c->sweep_at = 2 * c->n > SWEEP_MIN ? 2 * c->n : SWEEP_MIN;
	c->n_slots = c->sweep_at;
	c->slots = xrealloc(c->slots, c->n_slots * sizeof(*c->slots));
	memset(c->slots, 0, c->n_slots * sizeof(*c->slots));
	for (struct owner_time *t = kept, *next; t; t = next) {
		struct owner_time **slot =
			&c->slots[siphash24(c->key, SLICE_OF(t->owner, t->len)) % c->n_slots];

		next = t->next;
		t->next = *slot;
		*slot = t;
	}
}

void created_seed(struct created *c, struct slice owner, int64_t newest_us, int64_t now_us)
{
	struct owner_time **slot;

	pthread_mutex_lock(&c->mutex);
	if (c->n >= c->sweep_at)
		sweep(c, now_us);
	slot = slot_of(c, owner);
	if (!*slot) {
		struct owner_time *t = xcalloc(1, sizeof(*t) + owner.len);

		t->last_us = newest_us;
		t->len = owner.len;
		memcpy(t->owner, owner.ptr, owner.len);
		*slot = t;
		c->n++;
	} else if ((*slot)->last_us < newest_us) {
		(*slot)->last_us = newest_us;
	}
	pthread_mutex_unlock(&c->mutex);
}

size_t created_size(struct created *c)
{
	size_t n;

	pthread_mutex_lock(&c->mutex);
	n = c->n;
	pthread_mutex_unlock(&c->mutex);
	return n;
}
