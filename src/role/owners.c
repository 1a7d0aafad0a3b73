#include "role/owners.h"

#include <pthread.h>

#include "base/alloc.h"
#include "store/schema.h"

#define SLOTS    1024
#define FRESH_US US_PER_S

/* One owner's entry; the table is direct-mapped, so a collision costs a read. */
struct slot {
	char owner[OWNER_MAX];
	size_t owner_len;  /* 0: empty */
	struct arena *mem; /* holds *row */
	const struct owner_row *row;
	int64_t row_at; /* mono us */
	uint64_t pins, bytes;
	int64_t usage_at;
	int64_t in_flight; /* reserved, not settled */
	int64_t settled;   /* came since `pins` was read */
	bool has_row, has_usage;
};

struct owners {
	struct store *store;
	struct clock *clock;
	struct owner_bounds bounds;
	pthread_mutex_t lock;
	uint64_t changes; /* of rows, so far: what was read before one is not kept */
	struct slot slots[SLOTS];
};

struct owners *owners_new(struct store *store, struct clock *clock,
			  const struct owner_bounds *bounds)
{
	struct owners *o = xcalloc(1, sizeof(*o));

	o->store = store;
	o->clock = clock;
	o->bounds = *bounds;
	pthread_mutex_init(&o->lock, NULL);
	return o;
}

void owners_free(struct owners *owners)
{
	if (!owners)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		arena_free(owners->slots[i].mem);
	pthread_mutex_destroy(&owners->lock);
	xfree(owners);
}

static bool is_of(const struct slot *s, struct slice owner)
{
	return slice_eq(SLICE_OF(s->owner, s->owner_len), owner);
}

/* The slot of `owner`, emptied if it was another's.  Under the lock. */
static struct slot *slot_of(struct owners *o, struct slice owner)
{
	struct slot *s = &o->slots[slice_hash(owner) % SLOTS];

	if (!is_of(s, owner)) {
		struct arena *mem = s->mem;

		*s = (struct slot){ .mem = mem, .owner_len = owner.len };
		memcpy(s->owner, owner.ptr, owner.len);
	}
	return s;
}

static const struct owner_row *cached_row(struct owners *o, struct slice owner, struct arena *mem,
					  uint64_t *changes)
{
	const struct owner_row *row = NULL;
	struct slot *s;

	pthread_mutex_lock(&o->lock);
	*changes = o->changes;
	s = slot_of(o, owner);
	if (s->has_row && clock_mono_us(o->clock) - s->row_at < FRESH_US)
		row = row_copy(TABLE_OWNERS, s->row, mem);
	pthread_mutex_unlock(&o->lock);
	return row;
}

bool owners_get(struct owners *owners, struct slice owner, struct arena *mem,
		const struct owner_row **out, struct err *err)
{
	struct owner_row key = { .owner = owner };
	uint64_t changes;
	const struct owner_row *row = cached_row(owners, owner, mem, &changes);
	int64_t asked_at = clock_mono_us(owners->clock);
	const void *found;
	struct slot *s;

	if (row) {
		*out = row;
		return true;
	}
	if (!store_row(owners->store, TABLE_OWNERS, &key, mem, &found, err))
		return false;
	row = found ? found : row_copy(TABLE_OWNERS, &key, mem);
	pthread_mutex_lock(&owners->lock);
	s = slot_of(owners, owner);
	if (!s->mem)
		s->mem = arena_new();
	arena_reset(s->mem);
	s->row = row_copy(TABLE_OWNERS, row, s->mem);
	s->row_at = asked_at;
	s->has_row = owners->changes == changes;
	pthread_mutex_unlock(&owners->lock);
	*out = row;
	return true;
}

bool owners_set(struct owners *owners, const struct owner_row *expected,
		const struct owner_row *row, bool *done, struct err *err)
{
	if (!store_swap_row(owners->store, TABLE_OWNERS, expected, row, done, err))
		return false;
	pthread_mutex_lock(&owners->lock);
	owners->changes++;
	slot_of(owners, row->owner)->has_row = false;
	pthread_mutex_unlock(&owners->lock);
	return true;
}

static bool refresh_usage(struct owners *o, struct slice owner, struct err *err)
{
	int64_t asked_at = clock_mono_us(o->clock), settled_before;
	struct owner_usage usage;
	struct slot *s;

	pthread_mutex_lock(&o->lock);
	settled_before = slot_of(o, owner)->settled;
	pthread_mutex_unlock(&o->lock);
	if (!store_usage(o->store, owner, &usage, err))
		return false;
	pthread_mutex_lock(&o->lock);
	s = slot_of(o, owner);
	s->pins = 0;
	for (size_t i = 0; i < STATUS_COUNT; i++)
		s->pins += usage.pins[i];
	s->bytes = usage.bytes;
	s->settled -= settled_before; /* what came while we read may be counted twice */
	s->usage_at = asked_at;
	s->has_usage = true;
	pthread_mutex_unlock(&o->lock);
	return true;
}

static uint64_t bound_of(uint64_t own, uint64_t unbound, uint64_t of_all)
{
	return own == unbound ? 0 : own > 0 ? own : of_all;
}

struct owner_bounds owners_bounds(const struct owners *owners, const struct owner_row *row)
{
	const struct owner_bounds *all = &owners->bounds;
	uint32_t fetches = row->max_fetches;

	if (fetches == 0 || (all->max_fetches > 0 && fetches > all->max_fetches))
		fetches = all->max_fetches;
	return (struct owner_bounds){
		.max_pins = bound_of(row->max_pins, OWNER_UNBOUND, all->max_pins),
		.max_bytes = bound_of(row->max_bytes, OWNER_UNBOUND, all->max_bytes),
		.max_requests_per_s = (uint32_t)bound_of(row->max_requests_per_s, UINT32_MAX,
							 all->max_requests_per_s),
		.max_fetches = (uint32_t)bound_of(fetches, UINT32_MAX, 0),
	};
}

static enum owners_room look(struct owners *o, const struct owner_row *row, size_t n,
			     bool refreshed, bool *fresh)
{
	struct owner_bounds bounds = owners_bounds(o, row);
	struct slot *s = slot_of(o, row->owner);
	int64_t used = (int64_t)s->pins + s->settled + s->in_flight;

	*fresh = refreshed || (s->has_usage && clock_mono_us(o->clock) - s->usage_at < FRESH_US);
	if (!*fresh)
		return OWNERS_ROOM;
	if (bounds.max_bytes && s->bytes >= bounds.max_bytes)
		return OWNERS_NO_BYTES;
	if (bounds.max_pins && n > 0 && used + (int64_t)n > (int64_t)bounds.max_pins)
		return OWNERS_NO_PINS;
	s->in_flight += (int64_t)n;
	return OWNERS_ROOM;
}

bool owners_reserve(struct owners *owners, const struct owner_row *row, size_t n,
		    enum owners_room *out, struct err *err)
{
	struct owner_bounds bounds = owners_bounds(owners, row);
	bool fresh = false, refreshed = false;

	*out = OWNERS_ROOM;
	if (bounds.max_pins == 0 && bounds.max_bytes == 0)
		return true;
	while (!fresh) {
		pthread_mutex_lock(&owners->lock);
		*out = look(owners, row, n, refreshed, &fresh);
		pthread_mutex_unlock(&owners->lock);
		if (!fresh && !refresh_usage(owners, row->owner, err))
			return false;
		refreshed = true;
	}
	return true;
}

void owners_settle(struct owners *owners, struct slice owner, size_t reserved, int64_t came)
{
	struct slot *s;

	pthread_mutex_lock(&owners->lock);
	s = slot_of(owners, owner);
	if (s->has_usage) {
		s->in_flight -= (int64_t)reserved;
		if (s->in_flight < 0) /* the slot was another's in between */
			s->in_flight = 0;
		s->settled += came;
	}
	pthread_mutex_unlock(&owners->lock);
}
