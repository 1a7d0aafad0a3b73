/*
 * derive.h -- the rows that follow from a CID's facts and copies.  Pure.
 *
 * Requests give rows by owner, tag and expiry and shares of the owner's totals; all of
 * those follow from one struct owner_pin, so the difference between two of them is the
 * difference between all.  Copies give rows by peer.
 *
 *	owner_pins     one for each live request
 *	tags_index     "t:<tag>" for each tag, "n:<case-folded name>" unless it is empty,
 *	               "s:failed" and "s:expiring" by status
 *	pin_ttl_queue  the newest revision's expiry
 *	owner_totals   what was added by the owner_pins row that is stored: always the sum of rows
 *	owner_parts    the partitions of owner_pins and tags_index, on clusters alone
 *	pins_by_peer   one for each copy that has a desired half
 *	peer_open      those of them that are not settled
 *
 * All are written at the version of the view: the highest of any fact, half and the floor;
 * an expiry is written at its rev.  Back ends that hold others off need no more.  Where the
 * last writer wins by version alone, a larger view must have a higher version though what
 * was added to it is old, something was removed, or only time has passed.  That is what the
 * version floor is for (docs/decisions/0202): a row beside the copies that says which
 * version no derived row lies below.  Whoever adds a part that is not above all others,
 * removes one, or finds rows that are wrong raises it above everything, looks again, and
 * writes the rows at it.
 */
#pragma once

#include "store/schema.h"
#include "store/store_ops.h"

/* Writes that grow in an arena. */
struct write_list {
	struct arena *mem;
	struct store_write *at;
	size_t n, cap;
};
void write_list_add(struct write_list *list, struct store_write write);

/* The highest version of any fact and half, and the floor. */
uint64_t view_version(const struct cid_view *view);

/* Whether one part or the floor alone has that version, and it is `version`. */
bool view_topped_by(const struct cid_view *view, uint64_t version);

/* A view with its facts folded. */
struct folded_view {
	const struct cid_view *view;
	uint32_t bucket;
	struct request *requests; /* not absent ones, by owner and id */
	size_t n_requests;
	uint64_t version;   /* of all rows but expiries */
	struct slice owner; /* of the oldest request that wants it, live ones first; or empty */
};
struct folded_view view_fold(const struct cid_view *view, uint32_t bucket, struct arena *mem);

/* What rows depend on besides the view. */
struct derive_now {
	struct peer_zones zones;
	int64_t now_us, expiring_us;
};

/* The row of a live request; points into the facts.  `stored` is the row before (NULL: none);
 * it dates the status if that is the same. */
struct owner_pin derive_owner_pin(const struct folded_view *view, const struct request *request,
				  const struct derive_now *now, const struct owner_pin *stored);

/* The day of an id: the period of its rows. */
uint32_t period_of(const struct ulid *id);
/* Of a time in us, before 1970 the first: where its rows of `wake` and pin_ttl_queue lie. */
uint32_t minute_of(int64_t us);
uint32_t hour_of(int64_t us);

/* The tags a row stands under in tags_index, and those of one revision whatever its status. */
struct slice_list row_index_tags(const struct owner_pin *row, struct arena *mem);
struct slice_list fact_index_tags(const struct fact *revision, struct arena *mem);
bool is_status_tag(struct slice tag); /* of such a list; the others no change of status touches */

struct tag_pin derive_tag(const struct owner_pin *row, struct slice tag);
/* Only for rows that expire. */
struct ttl_row derive_ttl(const struct owner_pin *row);
struct peer_pin derive_peer_pin(const struct folded_view *view, const struct copy *copy);
/* False if the copy needs no such row. */
bool derive_peer_open(const struct folded_view *view, const struct copy *copy,
		      struct peer_open *out);

/* How rows are written. */
struct derivation {
	struct write_list *out;
	uint64_t version;
	uint16_t writer; /* of owner_totals */
	bool cluster;    /* write unchanged rows again too, because a row that was read may be
			    overwritten by one that is older; keep owner_parts; leave void
			    expiries to the drop of their hour */
};

/* What becomes of a request's rows when `was` (NULL: not stored) gives way to `is` (NULL: not
 * live).  `was_tags` are the tags it may stand under now. */
void derive_pin_writes(const struct derivation *d, const struct owner_pin *was,
		       struct slice_list was_tags, const struct owner_pin *is);

/* The same for a request that is not live, whose row may be written by another at any moment
 * though none is stored (`was` NULL): deletes what `key` names and what stands under `tags`. */
void derive_gone_writes(const struct derivation *d, const struct owner_pin *was,
			const struct owner_pin *key, struct slice_list tags);

/* What becomes of the rows by peer when one view gives way to the next of the same CID. */
void derive_copy_writes(const struct derivation *d, const struct folded_view *was,
			const struct folded_view *is);
