/*
 * store.h -- the durable state: who wants which CID kept, and where it is.
 *
 * Back ends: mem/ (tests), rocksdb/ (one machine).  They differ in what they
 * survive and in speed, not in meaning: test/contract/store/ holds for both.
 *
 * Requests are facts that are only ever inserted, copies are halves with
 * versions (model/request.h, model/copy.h).  Everything else (listings by owner,
 * tag, peer and expiry, totals, the work queues) is derived from them by this
 * module, written together with them, rebuilt by store_repair(), and rid by an orphan_walk
 * of what follows from nothing.
 *
 * How a change is made: store_change() reads all that is known of a CID, asks a
 * pure decision what becomes true, and writes that with every derived row.  On a
 * back end that can hold others off meanwhile this is atomic.  On one that cannot
 * it writes first and looks again, and decides again if anything has changed
 * (design rule R9); so a decision must be a function of what it is shown, and be
 * content (write nothing) when it is shown its own work.
 *
 * Calls block, are short, and may be made from any thread.  A write is visible
 * when its call returns; it is durable when store_when_durable() says so, and
 * nothing may be acknowledged before that.
 *
 * One `struct store` is one instance's handle on a back end: instance number,
 * clock and random source are its own.
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/rand.h"
#include "model/cid.h"
#include "store/rows.h"

struct store;
struct store_backend;

#define PIN_SCAN_BUDGET 200000
#define PIN_READ_COST   50 /* what is read by its own key costs as much as so many rows in a row */

struct store_options {
	unsigned instance;   /* 0..INSTANCE_MAX; unique among running instances */
	struct clock *clock; /* outlives the store */
	struct rand *rand;   /* likewise */
	int64_t expiring_us; /* a request shows `expiring` this long before its expiry */
	size_t scan_budget;  /* rows that one page or count may read; 0: PIN_SCAN_BUDGET */
};

/* Takes over `backend`.  Makes the cluster key and the store id if the store is
 * new. */
bool store_open(struct store_backend *backend, const struct store_options *options,
		struct store **out, struct err *err) MUST_CHECK;
void store_close(struct store *store); /* NULL is fine */
DEFINE_CLEANUP(struct store, store_close)

/* 26 lower-case hex digits made once for this store; names pins in Kubo. */
const char *store_id(const struct store *store);
const char *store_backend_name(const struct store *store);

/* Top 26 bits of SipHash-2-4(cluster key, multihash of the CID). */
uint32_t store_bucket(const struct store *store, struct slice cid);

/* ---- durability ---------------------------------------------------------- */

/* The point in the log that holds all writes that have returned so far. */
uint64_t store_mark(struct store *store);

/* Calls `fn` once, from any thread, when all up to `mark` is durable, or with
 * the reason why that cannot be had (then nobody may be told it was stored).  It may wait for the
 * disk, and call `fn`s, others' too, before it returns. */
typedef void store_durable_fn(void *ctx, const struct err *err /* NULL: durable */);
void store_when_durable(struct store *store, uint64_t mark, store_durable_fn *fn, void *ctx);

/* The same, waiting. */
bool store_sync(struct store *store, uint64_t mark, struct err *err) MUST_CHECK;

/* ---- one CID ------------------------------------------------------------- */

struct cid_view { /* all that is known of one CID, in key order; lives in an arena */
	struct slice cid;
	const struct fact *facts;
	size_t n_facts;
	const struct copy *copies;
	size_t n_copies;
	/* In a decision: the version to give to all that it writes, revisions and generations.
	 * Above every version in the view and never given twice (model/version.h).  0 else. */
	uint64_t next;
	/* No row that follows from the view is dated lower; clusters alone have one. */
	uint64_t floor;
};

/* Reads the facts and copies of a CID; none is an empty view. */
bool store_view(struct store *store, struct slice cid, struct arena *mem, struct cid_view *out,
		struct err *err) MUST_CHECK;

/* The same without the facts, for half the price: who lists pins has them already. */
bool store_copies(struct store *store, struct slice cid, struct arena *mem, struct cid_view *out,
		  struct err *err) MUST_CHECK;

struct cid_change {               /* what becomes true of one CID; all zero: nothing */
	const struct fact *facts; /* to insert; cid is filled in */
	size_t n_facts;
	const struct copy *desired; /* copies whose desired half is written */
	size_t n_desired;
	const struct copy *observed; /* copies whose observed half is written */
	size_t n_observed;
	const struct wake *wake; /* written before all else (R10); cid and minute are filled in */
	size_t n_wake;
	const struct wake *woken; /* taken off after all else */
	size_t n_woken;
	const uint32_t *forget; /* copies whose row is removed: tombstone time is over */
	size_t n_forget;
	const struct fact *bury; /* facts that are removed, by owner, id and rev: likewise; all of
				    a request that ended, or some that are fact_outdone() */
	size_t n_bury;
};

/* Decides from `view`; what it returns may lie in `mem`.  `now_us` is the wall
 * clock of the handle.  Returning false ends store_change() with *err. */
typedef bool store_decide(void *ctx, const struct cid_view *view, int64_t now_us, struct arena *mem,
			  struct cid_change *out, struct err *err);

/* One change for each of `n` distinct CIDs, together in one batch where the back
 * end has batches (the whole batch fails together).  `ctxs[i]` goes to `decide`
 * with the view of `cids[i]`.  Facts that are there already and halves that are not newer
 * are left out.  An empty change still brings the listings up to date with the time.  After
 * ERR_TIMEOUT nobody knows what of it was written; after any other code nothing was. */
bool store_change(struct store *store, const struct slice *cids, void *const *ctxs, size_t n,
		  store_decide *decide, struct arena *mem, struct err *err) MUST_CHECK;

/* Rewrites every derived row of a CID from its facts and copies; counts the rows
 * that were wrong.  The sweep and `store check --repair` are made of it. */
bool store_repair(struct store *store, struct slice cid, bool dry_run, size_t *wrong,
		  struct err *err) MUST_CHECK;

/* Are all rows that follow from this view, which a scan gave just now, as they should be?  Then
 * there is nothing to repair, nor anything to bring up to date; where others write meanwhile it
 * says no.  Costs less than store_repair(), for it holds nobody off and does not read the facts
 * and copies again.  `mem` is for the call. */
bool store_in_order(struct store *store, const struct cid_view *view, struct arena *mem,
		    bool *in_order, struct err *err) MUST_CHECK;

/* Goes round the derived tables and takes away the rows of which the CID that they name has
 * none: store_repair() and whoever goes by CID never meet those.  It begins at any table, so that
 * of short lives each looks at another.  For one thread at a time; its store outlives it. */
struct orphan_walk;
struct orphan_walk *orphan_walk_new(struct store *store) __attribute__((returns_nonnull));
void orphan_walk_free(struct orphan_walk *walk); /* NULL is fine */

/* Looks at the next `limit` rows, or once round if there are fewer; *removed is set on failure too,
 * and the next step goes on behind what was looked at.  What cannot be read is logged and passed
 * over: a CID keeps its rows, of a table all that follow a row that cannot be read are left out,
 * in each round, until that row can be (store_check() names it). */
bool orphan_walk_step(struct orphan_walk *walk, size_t limit, size_t *removed,
		      struct err *err) MUST_CHECK;

/* ---- requests ------------------------------------------------------------ */

/* A new request id with its `created` time (that of the id) for `owner`, by design section 4: the
 * first whole millisecond that is free for the owner while that is less than a
 * second ahead of the clock, else the next free microsecond. */
bool store_new_request_id(struct store *store, struct slice owner, struct ulid *id,
			  int64_t *created_at, struct err *err) MUST_CHECK;

/* The row of an owner's newest live request for a CID, NULL in *out if there is none: what
 * store_list() would give first, for less. */
bool store_find_cid(struct store *store, struct slice owner, struct slice cid, struct arena *mem,
		    const struct owner_pin **out, struct err *err) MUST_CHECK;

/* The row of a live request, NULL in *out if there is none (also if it is
 * another owner's). */
bool store_find(struct store *store, struct slice owner, struct ulid id, struct arena *mem,
		const struct owner_pin **out, struct err *err) MUST_CHECK;

/* The fact that made the request of this row, which has what the row leaves out; NULL in *out:
 * its request has gone meanwhile. */
bool store_creation(struct store *store, const struct owner_pin *row, struct arena *mem,
		    const struct fact **out, struct err *err) MUST_CHECK;

enum name_match {
	MATCH_EXACT,
	MATCH_IEXACT,
	MATCH_PARTIAL,
	MATCH_IPARTIAL,
};

struct pin_filter {               /* all parts must hold; zero = any */
	const struct slice *cids; /* binary; any of these */
	size_t n_cids;
	struct slice name; /* ptr NULL = any */
	enum name_match match;
	unsigned statuses;      /* bits 1 << enum pin_status; any of these */
	int64_t before, after;  /* us; created < before, created > after */
	struct pair_list meta;  /* has all of these */
	struct slice_list tags; /* has all of these */
	int64_t expires_before; /* us; it ends, and does before then */
	uint32_t peer_no;       /* a copy that counts for it lies there, or is to: shown.h */
};

struct pin_page {
	const struct owner_pin *rows; /* newest first, in the arena */
	size_t n;
	bool more;         /* rows beyond `limit` exist */
	bool cut;          /* the row budget ended the search; `next` goes on from there */
	struct slice next; /* opaque cursor; empty if neither more nor cut */
};

/* One page of an owner's live requests, newest first.  `cursor` is empty or `next`
 * of the page before under the same filter: stable under concurrent writes, checked,
 * altered ones are ERR_INVALID.  Never more than `limit` rows.  Ordered by id, whose time is
 * `created`.  Names without regard to case: model/casefold.h. */
bool store_list(struct store *store, struct slice owner, const struct pin_filter *filter,
		struct slice cursor, size_t limit, struct arena *mem, struct pin_page *out,
		struct err *err) MUST_CHECK;

/* The first page, for clients who go on with `before` = `created` of the last row: some keep
 * only the milliseconds of it, and would never see what is left of a millisecond.  So the
 * page ends between two milliseconds, with less than `limit` rows if need be; only if the
 * pins of one millisecond are more than `limit` it ends among them, and who goes on by the
 * whole time of six digits, which no two pins of an owner share, misses none. */
bool store_list_by_time(struct store *store, struct slice owner, const struct pin_filter *filter,
			size_t limit, struct arena *mem, struct pin_page *out,
			struct err *err) MUST_CHECK;

/* The same for the pins of all owners, whose order is another one: with `peer_no` by CID, in the
 * order of what lies on that peer, be it more than the owner is shown; else the first to expire
 * comes first.  One of the two must be there, so that no page reads everybody's pins. */
bool store_list_all(struct store *store, const struct pin_filter *filter, struct slice cursor,
		    size_t limit, struct arena *mem, struct pin_page *out,
		    struct err *err) MUST_CHECK;

/* Counts up to `at_most` + 1 of what store_list() would give in all pages. */
bool store_count(struct store *store, struct slice owner, const struct pin_filter *filter,
		 size_t at_most, size_t *out, bool *cut, struct err *err) MUST_CHECK;

/* Calls `each` for every live request and its copies in store order (by bucket),
 * for all owners or one, until it returns false.  `part` of `parts` equal shares of
 * the buckets, at most 2^26; `from` resumes after the position that `each` was last
 * given.  What is passed is valid only during the call; memory is bounded.  The first
 * STORE_POSITION_BUCKET bytes of a position are the bucket, big-endian. */
#define STORE_POSITION_BUCKET 4
struct scanned_pin {
	const struct request *request;
	enum pin_status status;
	const struct copy *copies;
	size_t n_copies;
	bool read_ends; /* with this pin: nothing was read in vain by who stops here */
};
typedef bool store_pin_fn(void *ctx, const struct scanned_pin *pin, struct slice position);
bool store_scan(struct store *store, struct slice owner, unsigned part, unsigned parts,
		struct slice from, store_pin_fn *each, void *ctx, struct err *err) MUST_CHECK;

/* Every CID that has any row, in store order. */
typedef bool store_cid_fn(void *ctx, const struct cid_view *view, struct slice position);
bool store_scan_cids(struct store *store, unsigned part, unsigned parts, struct slice from,
		     store_cid_fn *each, void *ctx, struct err *err) MUST_CHECK;

/* The same over all, for walks that must get to the end: what lies in a bucket with a row that
 * cannot be read (ERR_CORRUPT) is logged and passed over. */
bool store_scan_readable(struct store *store, struct slice from, store_cid_fn *each, void *ctx,
			 struct err *err) MUST_CHECK;

struct owner_usage {
	uint64_t pins[STATUS_COUNT];
	uint64_t bytes;
	bool approximate;
};
/* The maintained totals of an owner; all zero for one never heard of.  Without one (its ptr is
 * NULL) those of all, read owner by owner. */
bool store_usage(struct store *store, struct slice owner, struct owner_usage *out,
		 struct err *err) MUST_CHECK;

/* ---- the durable queue --------------------------------------------------- */

/* Up to `limit` wake rows with due_at <= until, oldest first; `after` NULL or the
 * last one of the call before. */
bool store_wakes(struct store *store, int64_t until, const struct wake *after, size_t limit,
		 struct arena *mem, struct wake **out, size_t *n, struct err *err) MUST_CHECK;

/* Adds wake rows without any other change (peers went or came, operator's wish). */
bool store_wake(struct store *store, const struct wake *wakes, size_t n,
		struct err *err) MUST_CHECK;
/* Takes wake rows off whose CID needs nothing. */
bool store_woken(struct store *store, const struct wake *wakes, size_t n,
		 struct err *err) MUST_CHECK;

/* Up to `limit` copies of a peer that are not settled, by CID, after `after` (empty:
 * from the first): pin.sync. */
bool store_open_copies(struct store *store, uint32_t peer_no, struct slice after, size_t limit,
		       struct arena *mem, struct peer_open **out, size_t *n,
		       struct err *err) MUST_CHECK;

/* Up to `limit` rows of a peer, by bucket and CID, from bucket `pb` (there behind `after`; empty:
 * from its first) to the end of bucket `last_pb`: what is compared with pin/ls. */
bool store_peer_pins(struct store *store, uint32_t peer_no, uint16_t pb, uint16_t last_pb,
		     struct slice after, size_t limit, struct arena *mem, struct peer_pin **out,
		     size_t *n, struct err *err) MUST_CHECK;

/* The row of one CID there; NULL: the peer was not given it. */
bool store_peer_pin(struct store *store, uint32_t peer_no, struct slice cid, struct arena *mem,
		    const struct peer_pin **out, struct err *err) MUST_CHECK;

/* Expiries due from `from_us` to `until`, both included, oldest first;
 * `after` NULL or the last one given. */
bool store_expiries(struct store *store, int64_t from_us, int64_t until,
		    const struct ttl_row *after, size_t limit, struct arena *mem,
		    struct ttl_row **out, size_t *n, struct err *err) MUST_CHECK;
/* Drops the hours before `before_us` whole. */
bool store_drop_expiries(struct store *store, int64_t before_us, struct err *err) MUST_CHECK;

/* ---- peers, owners, keys, leases, settings -------------------------------- */

/* The number of `peer_id`, from 1 on, made and bound to it for ever if it is new. */
bool store_peer_no(struct store *store, struct slice peer_id, uint32_t *out,
		   struct err *err) MUST_CHECK;
/* All peers by number. */
bool store_peers(struct store *store, struct arena *mem, struct peer_row **out, size_t *n,
		 struct err *err) MUST_CHECK;
/* Writes one half; the version must be higher than the one it replaces or it loses. */
bool store_peer_wish(struct store *store, const struct peer_row *row, struct err *err) MUST_CHECK;
bool store_peer_report(struct store *store, const struct peer_row *row, struct err *err) MUST_CHECK;
/* Writes the wish half if the one that is stored has the version `expected` (0: there is none);
 * *done tells whether it did.  Of two who read the same wish one has to read again. */
bool store_swap_peer_wish(struct store *store, const struct peer_row *row, uint64_t expected,
			  bool *done, struct err *err) MUST_CHECK;
/* Zones and tags of all peers, as request_status() wants them; refreshed when peers change. */
struct peer_zones store_zones(struct store *store, struct arena *mem);

/* Small tables that are compared and set as whole rows: owners, api_keys, leases,
 * op_dedup, job_cursor, deny_list, settings. */

/* The setting of that name, or NULL. */
bool store_setting(struct store *store, struct slice name, struct arena *mem,
		   const struct setting **out, struct err *err) MUST_CHECK;

/* The row with the key columns of `key`, or NULL. */
bool store_row(struct store *store, enum table table, const void *key, struct arena *mem,
	       const void **out, struct err *err) MUST_CHECK;
/* Puts `row` (NULL: deletes) if what is stored equals `expected` (NULL: nothing is
 * stored); *done tells whether it did.  Linearizable. */
bool store_swap_row(struct store *store, enum table table, const void *expected, const void *row,
		    bool *done, struct err *err) MUST_CHECK;
/* Up to `limit` rows after `after` (NULL: from the first), in key order. */
bool store_rows(struct store *store, enum table table, const void *after, size_t limit,
		struct arena *mem, const void ***out, size_t *n, struct err *err) MUST_CHECK;

/* Takes or prolongs the lease `name` for `holder`; *held false if another has it.
 * `epoch` grows whenever the holder changes. */
bool store_lease(struct store *store, struct slice name, struct slice holder, int64_t for_us,
		 bool *held, uint64_t *epoch, struct err *err) MUST_CHECK;

/* ---- care ------------------------------------------------------------------ */

struct store_check {
	uint64_t cids, requests, copies, wrong, repaired, orphans;
};
/* Proves that truth and derived tables agree, all bytes included.  With `repair` mends what it
 * finds.  *first tells the first finding.  `progress` may be NULL; it is called now and then, and
 * when it returns false the check is broken off: ERR_CANCELED. */
bool store_check(struct store *store, bool repair, bool (*progress)(void *ctx, double share),
		 void *ctx, struct store_check *out, char first[240], struct err *err) MUST_CHECK;

/* A consistent copy into the new directory `dir`, from a live process.  ERR_INVALID names
 * the directory and the remedy where it is there or cannot be made. */
bool store_backup(struct store *store, const char *dir, struct err *err) MUST_CHECK;

struct store_counters {         /* since start */
	uint64_t syncs;         /* of the log */
	uint64_t synced_writes; /* records that those covered: several of one write */
	uint64_t writes;        /* batches; each is there whole or not at all */
	uint64_t bytes_written; /* keys and values of those */
	bool read_only;         /* the disk is full or failed; see reason */
	char reason[160];
};
void store_counters(struct store *store, struct store_counters *out);
