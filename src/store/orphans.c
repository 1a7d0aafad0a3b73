#include "store/orphans.h"

#include <stddef.h>

#include "base/alloc.h"
#include "base/log.h"

static const struct request *live_request(const struct folded_view *view, struct slice owner,
					  struct ulid id)
{
	for (size_t i = 0; i < view->n_requests; i++) {
		const struct request *r = &view->requests[i];

		if (r->life == REQUEST_LIVE && slice_eq(r->create->owner, owner) &&
		    ulid_cmp(&r->create->request_id, &id) == 0)
			return r;
	}
	return NULL;
}

static const struct copy *desired_copy(const struct folded_view *view, uint32_t peer_no)
{
	for (size_t i = 0; i < view->view->n_copies; i++)
		if (view->view->copies[i].peer_no == peer_no && view->view->copies[i].gen > 0)
			return &view->view->copies[i];
	return NULL;
}

/* Whether a row of the key of `row` belongs to the view. */
struct explain {
	struct store *store;
	const struct folded_view *view;
	struct arena *mem;
};

static bool explains_pin(const struct explain *e, const void *row, bool *out,
			 struct err *err UNUSED)
{
	const struct owner_pin *pin = row;

	*out = live_request(e->view, pin->owner, pin->request_id) && pin->shard == 0 &&
	       pin->period == period_of(&pin->request_id);
	return true;
}

static bool has_index_tag(const struct owner_pin *pin, struct slice tag, struct arena *mem)
{
	struct slice_list tags = row_index_tags(pin, mem);

	for (size_t i = 0; i < tags.n; i++)
		if (slice_eq(tags.at[i], tag))
			return true;
	return false;
}

/* By the truth as it is now, or by the row of the pin as it is stored: that was found right for
 * when it was written. */
static bool explains_tag(const struct explain *e, const void *row, bool *out, struct err *err)
{
	const struct tag_pin *tag = row;
	const struct request *r = live_request(e->view, tag->owner, tag->request_id);
	struct derive_now now;
	struct owner_pin pin;
	const void *stored;

	*out = false;
	if (!r || tag->period != period_of(&tag->request_id))
		return true;
	now = derive_at(e->store, e->view, clock_wall_us(e->store->options.clock), e->mem);
	pin = derive_owner_pin(e->view, r, &now, NULL);
	if (!store_row(e->store, TABLE_OWNER_PINS, &pin, e->mem, &stored, err))
		return false;
	*out = has_index_tag(&pin, tag->tag, e->mem) ||
	       (stored && has_index_tag(stored, tag->tag, e->mem));
	return true;
}

static bool explains_ttl(const struct explain *e, const void *row, bool *out,
			 struct err *err UNUSED)
{
	const struct ttl_row *ttl = row;
	const struct request *r = live_request(e->view, ttl->owner, ttl->request_id);
	struct owner_pin pin = { .expires_at = ttl->expires_at };

	*out = r && r->revision->rev == ttl->rev && ttl->shard == 0 &&
	       r->revision->expires_at == ttl->expires_at &&
	       derive_ttl(&pin).ttl_bucket == ttl->ttl_bucket;
	return true;
}

static bool explains_peer_pin(const struct explain *e, const void *row, bool *out,
			      struct err *err UNUSED)
{
	const struct peer_pin *pin = row;
	const struct copy *copy = desired_copy(e->view, pin->peer_no);

	*out = copy && derive_peer_pin(e->view, copy).pb == pin->pb;
	return true;
}

static bool explains_open(const struct explain *e, const void *row, bool *out,
			  struct err *err UNUSED)
{
	const struct peer_open *open = row;
	const struct copy *copy = desired_copy(e->view, open->peer_no);
	struct peer_open is;

	*out = copy && derive_peer_open(e->view, copy, &is) && open->hour == 0 && open->shard == 0;
	return true;
}

static const struct derived_table {
	enum table table;
	size_t cid; /* offset of its column */
	bool (*explains)(const struct explain *e, const void *row, bool *out, struct err *err);
} derived[ORPHAN_TABLES] = {
	{ TABLE_OWNER_PINS, offsetof(struct owner_pin, cid), explains_pin },
	{ TABLE_TAGS_INDEX, offsetof(struct tag_pin, cid), explains_tag },
	{ TABLE_PIN_TTL_QUEUE, offsetof(struct ttl_row, cid), explains_ttl },
	{ TABLE_PINS_BY_PEER, offsetof(struct peer_pin, cid), explains_peer_pin },
	{ TABLE_PEER_OPEN, offsetof(struct peer_open, cid), explains_open },
};

enum table orphan_table(size_t i)
{
	return derived[i].table;
}

bool orphan_is_searched(const struct store *store, size_t i)
{
	return derived[i].table != TABLE_PIN_TTL_QUEUE || store_serial(store);
}

struct slice orphan_cid(size_t i, const void *row)
{
	struct slice cid;

	memcpy(&cid, (const uint8_t *)row + derived[i].cid, sizeof(cid));
	return cid;
}

static bool remove_orphan(struct store *store, enum table table, const void *row,
			  const struct folded_view *view, struct arena *mem, struct err *err)
{
	uint64_t version = view->version;
	struct owner_total total;
	const struct owner_pin *pin;
	struct store_write writes[] = {
		{ .table = table, .kind = WRITE_DELETE, .row = row },
		{ .table = TABLE_OWNER_TOTALS, .kind = WRITE_ADD, .row = &total },
	};
	const void *stored;

	/* Somebody may have taken it away by now. */
	if (!store_row(store, table, row, mem, &stored, err))
		return false;
	if (!stored)
		return true;
	if (!store_serial(store) &&
	    !raise_floor(store, view->view, view->bucket, clock_wall_us(store->options.clock),
			 &version, err))
		return false;
	writes[0].version = version;
	pin = stored;
	if (table == TABLE_OWNER_PINS)
		total = (struct owner_total){ .owner = pin->owner,
					      .writer = (uint16_t)store->options.instance,
					      .status = pin->status,
					      .pins = -1,
					      .bytes = (int64_t)(0 - pin->size) };
	return store->ops->write(store->backend, writes, table == TABLE_OWNER_PINS ? 2 : 1, err);
}

static bool judge(struct store *store, size_t i, const void *row, uint32_t bucket, bool remove,
		  bool *orphan, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct cid_view view;
	struct folded_view folded;
	struct explain e = { store, &folded, mem };
	bool explained;

	if (!view_read(store, orphan_cid(i, row), bucket, mem, &view, err))
		return false;
	folded = view_fold(&view, bucket, mem);
	if (!derived[i].explains(&e, row, &explained, err))
		return false;
	if (!explained && remove && !remove_orphan(store, derived[i].table, row, &folded, mem, err))
		return false;
	*orphan = !explained;
	return true;
}

bool orphan_judge(struct store *store, size_t i, const void *row, bool remove, bool *orphan,
		  struct err *err)
{
	uint32_t bucket = store_bucket(store, orphan_cid(i, row));
	bool ok;

	if (!store_serial(store))
		return judge(store, i, row, bucket, remove, orphan, err);
	store->ops->lock(store->backend, &bucket, 1);
	ok = judge(store, i, row, bucket, remove, orphan, err);
	store->ops->unlock(store->backend, &bucket, 1);
	return ok;
}

/* ---- a walk ------------------------------------------------------------------------------ */

struct orphan_walk {
	struct store *store;
	size_t at;                /* table it is in */
	const void *after;        /* row it has seen last, in `mem`; NULL: none of it */
	struct arena *mem, *page; /* of `after`, and of the page being read */
};

struct orphan_walk *orphan_walk_new(struct store *store)
{
	struct orphan_walk *walk = xcalloc(1, sizeof(*walk));

	walk->store = store;
	walk->at = rand_below(store->options.rand, ORPHAN_TABLES);
	walk->mem = arena_new();
	walk->page = arena_new();
	return walk;
}

void orphan_walk_free(struct orphan_walk *walk)
{
	if (!walk)
		return;
	arena_free(walk->mem);
	arena_free(walk->page);
	xfree(walk);
}

static void next_table(struct orphan_walk *walk)
{
	walk->at = (walk->at + 1) % ORPHAN_TABLES;
	walk->after = NULL;
}

/* `row` is of the page being read: that one is to be kept until the next page was read. */
static void pass(struct orphan_walk *walk, const void *row, bool first)
{
	if (first) {
		struct arena *mem = walk->mem;

		walk->mem = walk->page;
		walk->page = mem;
	}
	walk->after = row;
}

/* Up to `limit` rows of the table that the walk is in.  A CID that cannot be read keeps its rows.
 */
static bool walk_page(struct orphan_walk *walk, size_t limit, size_t *seen, size_t *removed,
		      struct err *err)
{
	const void **rows;

	arena_reset(walk->page);
	if (!store_rows(walk->store, derived[walk->at].table, walk->after, limit, walk->page, &rows,
			seen, err))
		return false;
	for (size_t i = 0; i < *seen; i++) {
		bool orphan = false;

		if (!orphan_judge(walk->store, walk->at, rows[i], true, &orphan, err)) {
			if (err->code != ERR_CORRUPT)
				return false;
			log_err(LOG_ERROR, err, "what a row follows from cannot be read");
		}
		*removed += orphan;
		pass(walk, rows[i], i == 0);
	}
	return true;
}

static bool walk_table(struct orphan_walk *walk, size_t limit, size_t *seen, size_t *removed,
		       struct err *err)
{
	const char *name = table_schema(derived[walk->at].table)->name;
	size_t before = *removed;
	bool ok = walk_page(walk, limit, seen, removed, err);

	if (*removed > before)
		log_warn("%zu rows of %s followed from nothing and are removed", *removed - before,
			 name);
	if (ok || err->code != ERR_CORRUPT)
		return ok;
	log_err(LOG_ERROR, err,
		"a row cannot be read: those behind it are not searched for what follows from "
		"nothing");
	*seen = 0;
	return true;
}

bool orphan_walk_step(struct orphan_walk *walk, size_t limit, size_t *removed, struct err *err)
{
	*removed = 0;
	for (size_t tables = 0; tables <= ORPHAN_TABLES && limit > 0; tables++) {
		size_t seen = 0;

		if (orphan_is_searched(walk->store, walk->at) &&
		    !walk_table(walk, limit, &seen, removed, err))
			return false;
		limit -= seen;
		if (limit > 0)
			next_table(walk);
	}
	return true;
}
