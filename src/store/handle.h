/*
 * handle.h -- inside of `struct store`, for the files of this folder alone.
 *
 * What a handle keeps in memory is only what spares reads or makes numbers unique; all of
 * it may be lost.  The mutex is never held across a call of the back end.
 */
#pragma once

#include <pthread.h>

#include "store/created.h"
#include "store/derive.h"
#include "store/siphash.h"
#include "store/store_ops.h"

#define VERSION_STRIPES 1024
#define LOOKS_MAX       64 /* at one CID; each but the first means that somebody else wrote */
#define FLOOR_KEPT_US \
	(7 * US_PER_DAY) /* of a CID of which nothing is left; clocks are not so wrong */

struct store {
	struct store_backend *backend;
	const struct store_ops *ops;
	struct store_options options;
	uint8_t cluster_key[SIPHASH_KEY_LEN];
	char id[27];
	struct created *created;

	pthread_mutex_t mutex;          /* of all below */
	uint64_t made[VERSION_STRIPES]; /* highest version given for the buckets of a stripe */
	struct arena *zones_mem;
	struct peer_zones zones; /* in zones_mem */
	int64_t zones_until;     /* monotonic us; read again then */
	uint64_t zones_changes;  /* of peers by this handle */
};

/* Whether the back end holds others off between reading and writing. */
static inline bool store_serial(const struct store *store)
{
	return store->ops->lock != NULL;
}

/* A version above `seen` that this handle has not given before for `bucket`. */
uint64_t store_version(struct store *store, uint32_t bucket, uint64_t seen, int64_t now_us);

/* ---- reading ------------------------------------------------------------------------- */

bool store_read(struct store *store, const struct store_query *query, store_row_fn *each, void *ctx,
		struct err *err) MUST_CHECK;

/* Deep copies of rows in an arena. */
struct row_list {
	enum table table;
	struct arena *mem;
	void **at;
	size_t n, cap;
};
bool row_list_add(void *list, const void *row); /* a store_row_fn */

bool view_read(struct store *store, struct slice cid, uint32_t bucket, struct arena *mem,
	       struct cid_view *out, struct err *err) MUST_CHECK;
bool view_read_copies(struct store *store, struct slice cid, uint32_t bucket, struct arena *mem,
		      struct cid_view *out, struct err *err) MUST_CHECK; /* facts: none */

/* ---- views that change (view.c) -------------------------------------------------------- */

/* `view` after `change`.  What would change nothing is taken out of *change: facts that are
 * there, halves that are not newer, what is removed already. */
struct cid_view view_apply(const struct cid_view *view, struct cid_change *change,
			   struct arena *mem);

/* Whether both have the same facts and the same versions of all halves. */
bool view_same(const struct cid_view *a, const struct cid_view *b);

/* The writes of the truth, without wake rows. */
void view_truth_writes(const struct cid_change *change, struct slice cid, uint32_t bucket,
		       uint64_t version, struct write_list *out);

/* Moves the version floor out of the copies that were read: it is the first of them. */
void view_take_floor(struct cid_view *view);
/* Raises the floor (WRITE_PUT) or takes it away (WRITE_DELETE). */
void view_floor_write(struct slice cid, uint32_t bucket, enum write_kind kind, uint64_t floor,
		      struct write_list *out);

/* Collects facts and copies as they are read. */
struct view_builder {
	struct arena *mem;
	struct fact *facts;
	size_t n_facts, cap_facts;
	struct copy *copies;
	size_t n_copies, cap_copies;
};
void view_add_fact(struct view_builder *builder, const struct fact *fact);
void view_add_copy(struct view_builder *builder, const struct copy *copy);
/* Adds the facts of one CID; of one owner if that is not empty. */
bool view_add_facts(struct store *store, struct slice cid, uint32_t bucket, struct slice owner,
		    struct view_builder *builder, struct err *err) MUST_CHECK;

/* ---- derived rows ------------------------------------------------------------------------ */

/* The zones are read only if one of the requests names any. */
struct derive_now derive_at(struct store *store, const struct folded_view *view, int64_t now_us,
			    struct arena *mem);

/* Compares each row that a view can have with what is stored and adds the writes that
 * put it right; counts those, and the rows that there are by table. */
struct mended {
	size_t wrong;
	size_t late; /* were right until time passed; put right too */
	size_t rows[TABLE_COUNT];
	enum table first; /* table of the first wrong row */
};
bool view_mend(struct store *store, const struct cid_view *view, uint32_t bucket, int64_t now_us,
	       struct write_list *out, struct mended *mended, struct err *err) MUST_CHECK;

/* On a cluster: makes a version above all of `view`, and the floor of its CID. */
bool raise_floor(struct store *store, const struct cid_view *view, uint32_t bucket, int64_t now_us,
		 uint64_t *floor, struct err *err) MUST_CHECK;

/* The same on a cluster, for a view that was read just now: if anything is wrong raises the floor,
 * reads again, and goes on until what it mended for is what is there. */
bool view_mend_loose(struct store *store, const struct cid_view *seen, uint32_t bucket,
		     int64_t now_us, struct arena *mem, struct mended *mended,
		     struct err *err) MUST_CHECK;

/* The same for what is stored of a CID, whoever else writes; writes unless `dry_run`. */
bool cid_mend(struct store *store, struct slice cid, bool dry_run, struct mended *mended,
	      struct err *err) MUST_CHECK;
