#include "role/worker/owner_bounds.h"

#include "base/alloc.h"
#include "model/pin.h"

#define SLOTS 256 /* only owners with something running are asked for */

struct known_bound {
	uint8_t owner[OWNER_MAX];
	size_t len;      /* 0: nobody's */
	unsigned own;    /* as his row tells; 0 = none */
	int64_t read_at; /* mono */
};

struct owner_bounds {
	struct cluster *cluster;
	struct clock *clock;
	unsigned most;
	bool silent; /* the store did not answer in this step */
	struct known_bound known[SLOTS];
};

struct owner_bounds *owner_bounds_new(struct cluster *cluster, struct clock *clock, unsigned most)
{
	struct owner_bounds *b = xcalloc(1, sizeof(*b));

	b->cluster = cluster;
	b->clock = clock;
	b->most = most;
	return b;
}

void owner_bounds_free(struct owner_bounds *bounds)
{
	xfree(bounds);
}

void owner_bounds_step(struct owner_bounds *bounds)
{
	bounds->silent = false;
}

/* Two owners of one slot read more often, no more. */
static struct known_bound *slot_of(struct owner_bounds *b, struct slice owner)
{
	uint32_t h = 2166136261U; /* FNV-1a */

	for (size_t i = 0; i < owner.len; i++)
		h = (h ^ owner.ptr[i]) * 16777619U;
	return &b->known[h % SLOTS];
}

static void read_row(struct owner_bounds *b, struct known_bound *k, struct slice owner)
{
	struct err err;
	unsigned own;

	b->silent = !cluster_owner_bound(b->cluster, owner, &own, &err);
	if (b->silent)
		return; /* what else needs the store says so */
	memcpy(k->owner, owner.ptr, owner.len);
	k->len = owner.len;
	k->own = own;
	k->read_at = clock_mono_us(b->clock);
}

unsigned owner_bound(void *bounds, struct slice owner)
{
	struct owner_bounds *b = bounds;
	struct known_bound *k = slot_of(b, owner);
	bool known;

	if (owner.len == 0 || owner.len > OWNER_MAX)
		return b->most;
	known = slice_eq(SLICE_OF(k->owner, k->len), owner);
	if (!b->silent && (!known || clock_mono_us(b->clock) - k->read_at >= OWNER_BOUND_US)) {
		read_row(b, k, owner);
		known = known || !b->silent;
	}
	if (!known || k->own == 0)
		return b->most;
	return b->most == 0 || k->own < b->most ? k->own : b->most;
}
