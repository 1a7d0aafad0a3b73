/*
 * registry.c -- peers and their numbers, zones, leases, totals.
 */
#include <assert.h>

#include "store/handle.h"

#define ZONES_US  (5 * US_PER_S) /* other instances' changes are seen after so long */
#define SWAPS_MAX 1000           /* lost races in a row; each means that another won */
/* No bucket has this bit.  A back end may still let such a lock share a stripe with buckets, so it
 * is never taken where one of theirs is held. */
#define PEER_LOCK (UINT32_C(1) << 31)

/* ---- peers ------------------------------------------------------------------------------ */

bool store_peers(struct store *store, struct arena *mem, struct peer_row **out, size_t *n,
		 struct err *err)
{
	struct row_list list = { .table = TABLE_PEERS, .mem = mem };
	struct store_query query = { .table = TABLE_PEERS };
	struct peer_row *peers;

	if (!store_read(store, &query, row_list_add, &list, err))
		return false;
	peers = arena_new_array(mem, struct peer_row, list.n);
	for (size_t i = 0; i < list.n; i++)
		peers[i] = *(const struct peer_row *)list.at[i];
	*out = peers;
	*n = list.n;
	return true;
}

bool store_peer_no(struct store *store, struct slice peer_id, uint32_t *out, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();

	for (int i = 0; i < SWAPS_MAX; i++) {
		struct peer_row *peers, fresh = { .peer_no = 1, .peer_id = peer_id };
		bool done;
		size_t n;

		if (!store_peers(store, mem, &peers, &n, err))
			return false;
		for (size_t k = 0; k < n; k++) {
			if (slice_eq(peers[k].peer_id, peer_id)) {
				*out = peers[k].peer_no;
				return true;
			}
			fresh.peer_no = peers[k].peer_no + 1; /* numbers have no gaps */
		}
		if (!store_swap_row(store, TABLE_PEERS, NULL, &fresh, &done, err))
			return false;
		if (done) {
			*out = fresh.peer_no;
			return true;
		}
	}
	return err_set(err, ERR_UNAVAILABLE, "no free number for peer %.*s", SLICE_FMT(peer_id));
}

static bool newer_half(const struct peer_row *stored, const struct peer_row *row, uint8_t group)
{
	if (!stored)
		return true;
	return group == GROUP_WISH ? row->wish_version > stored->wish_version
				   : row->report_version > stored->report_version;
}

/* What is to be written; `expected` NULL: whatever there is. */
struct half {
	const struct peer_row *row;
	uint8_t group;
	uint64_t version;
	const uint64_t *expected; /* the version of the wish that is stored */
};

static bool write_half(struct store *store, const struct half *half, bool *done, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct store_write write = { .table = TABLE_PEERS,
				     .kind = WRITE_PUT,
				     .group = half->group,
				     .version = half->version,
				     .row = half->row };
	const struct peer_row *stored;
	const void *found;

	if (!store_row(store, TABLE_PEERS, half->row, mem, &found, err))
		return false;
	stored = found;
	*done = newer_half(stored, half->row, half->group) &&
		(!half->expected || *half->expected == (stored ? stored->wish_version : 0));
	return !*done || store->ops->write(store->backend, &write, 1, err);
}

static bool write_half_locked(struct store *store, const struct half *half, bool *done,
			      struct err *err)
{
	uint32_t lock = PEER_LOCK | half->row->peer_no;
	bool ok;

	if (!store_serial(store))
		return write_half(store, half, done, err);
	store->ops->lock(store->backend, &lock, 1);
	ok = write_half(store, half, done, err);
	store->ops->unlock(store->backend, &lock, 1);
	return ok;
}

static bool write_wish(struct store *store, const struct peer_row *row, const uint64_t *expected,
		       bool *done, struct err *err)
{
	const struct half half = { row, GROUP_WISH, row->wish_version, expected };

	if (!write_half_locked(store, &half, done, err))
		return false;
	pthread_mutex_lock(&store->mutex);
	store->zones_until = INT64_MIN;
	store->zones_changes++;
	pthread_mutex_unlock(&store->mutex);
	return true;
}

bool store_peer_wish(struct store *store, const struct peer_row *row, struct err *err)
{
	bool done;

	return write_wish(store, row, NULL, &done, err);
}

bool store_swap_peer_wish(struct store *store, const struct peer_row *row, uint64_t expected,
			  bool *done, struct err *err)
{
	return write_wish(store, row, &expected, done, err);
}

bool store_peer_report(struct store *store, const struct peer_row *row, struct err *err)
{
	const struct half half = { row, GROUP_REPORT, row->report_version, NULL };
	bool done;

	return write_half_locked(store, &half, &done, err);
}

/* ---- zones -------------------------------------------------------------------------------- */

static struct peer_zones zones_copy(struct peer_zones zones, struct arena *mem)
{
	struct peer_zone *at = arena_new_array(mem, struct peer_zone, zones.n);

	for (size_t i = 0; i < zones.n; i++) {
		at[i].peer_no = zones.at[i].peer_no;
		at[i].zone = arena_copy(mem, zones.at[i].zone);
		at[i].tags = slice_list_copy(mem, zones.at[i].tags);
	}
	return (struct peer_zones){ at, zones.n };
}

/* Reads them anew; what cannot be read stays as it was until the next time, and what was changed
 * since `changes` is read again. */
static void zones_refresh(struct store *store, int64_t now, uint64_t changes)
{
	CLEANUP(arena_free) struct arena *mem = arena_new(), *fresh = arena_new();
	struct peer_row *peers;
	struct peer_zone *zones;
	struct err err;
	size_t n, count = 0;

	if (!store_peers(store, mem, &peers, &n, &err))
		return;
	zones = arena_new_array(mem, struct peer_zone, n);
	for (size_t i = 0; i < n; i++)
		if (peers[i].zone.len > 0 || peers[i].tags.n > 0)
			zones[count++] = (struct peer_zone){ peers[i].peer_no, peers[i].zone,
							     peers[i].tags };
	pthread_mutex_lock(&store->mutex);
	arena_free(store->zones_mem);
	store->zones_mem = TAKE(fresh);
	store->zones = zones_copy((struct peer_zones){ zones, count }, store->zones_mem);
	if (store->zones_changes == changes)
		store->zones_until = now + ZONES_US;
	pthread_mutex_unlock(&store->mutex);
}

struct peer_zones store_zones(struct store *store, struct arena *mem)
{
	int64_t now = clock_mono_us(store->options.clock);
	struct peer_zones zones;
	uint64_t changes;
	bool old;

	pthread_mutex_lock(&store->mutex);
	old = now >= store->zones_until;
	changes = store->zones_changes;
	pthread_mutex_unlock(&store->mutex);
	if (old)
		zones_refresh(store, now, changes);
	pthread_mutex_lock(&store->mutex);
	zones = zones_copy(store->zones, mem);
	pthread_mutex_unlock(&store->mutex);
	return zones;
}

/* ---- leases --------------------------------------------------------------------------------- */

/* What the lease becomes for `holder`; false if another has it. */
static bool lease_next(const struct lease *found, struct slice name, struct slice holder,
		       int64_t now_us, int64_t for_us, struct lease *out)
{
	bool same = found && slice_eq(found->holder, holder);

	if (found && !same && found->until > now_us)
		return false;
	*out = (struct lease){
		.name = name,
		.holder = holder,
		.epoch = !found ? 1 : found->epoch + !same,
		.until = now_us + for_us,
	};
	return true;
}

bool store_lease(struct store *store, struct slice name, struct slice holder, int64_t for_us,
		 bool *held, uint64_t *epoch, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();

	for (int i = 0; i < SWAPS_MAX; i++) {
		struct lease key = { .name = name }, next;
		const struct lease *found;
		const void *row;
		bool done;

		if (!store_row(store, TABLE_LEASES, &key, mem, &row, err))
			return err_wrap(err, "lease %.*s", SLICE_FMT(name));
		found = row;
		if (!lease_next(found, name, holder, clock_wall_us(store->options.clock), for_us,
				&next)) {
			*held = false;
			*epoch = found->epoch;
			return true;
		}
		if (!store_swap_row(store, TABLE_LEASES, found, &next, &done, err))
			return err_wrap(err, "lease %.*s", SLICE_FMT(name));
		if (done) {
			*held = true;
			*epoch = next.epoch;
			return true;
		}
	}
	return err_set(err, ERR_UNAVAILABLE, "lease %.*s changes too fast", SLICE_FMT(name));
}

/* ---- totals -----------------------------------------------------------------------------------
 */

static bool on_total(void *ctx, const void *row)
{
	const struct owner_total *total = row;
	struct owner_usage *usage = ctx;

	if (total->status < STATUS_COUNT) {
		usage->pins[total->status] += (uint64_t)total->pins;
		usage->bytes += (uint64_t)total->bytes;
	}
	return true;
}

bool store_usage(struct store *store, struct slice owner, struct owner_usage *out, struct err *err)
{
	struct owner_total key = { .owner = owner };
	struct store_query query = { .table = TABLE_OWNER_TOTALS,
				     .equal = &key,
				     .n_equal = owner.ptr ? 1 : 0 };
	struct owner_usage usage = { .approximate = !store_serial(store) };

	if (!store_read(store, &query, on_total, &usage, err))
		return false;
	*out = usage;
	return true;
}
