/*
 * store_ops.h -- for back ends only; callers use store.h.
 *
 * A back end keeps rows of the tables of rows.h and knows nothing of what they
 * mean; what lies in this folder itself does.  It embeds `struct
 * store_backend` as its first member and gets itself back with CONTAINER_OF.
 *
 * Rows passed in are borrowed for the call; rows passed to `each` are valid during
 * that call only.
 */
#pragma once

#include "store/schema.h"
#include "store/store.h"

enum write_kind {
	WRITE_PUT,    /* the value columns of `group` become those of `row` */
	WRITE_DELETE, /* the whole row goes (group 0), or one group of it */
	WRITE_ADD,    /* the value columns of `row` are added to those stored (totals) */
};

struct store_write {
	enum table table;
	enum write_kind kind;
	uint8_t group;    /* 0 for tables with one group */
	uint64_t version; /* R4: where lock() is NULL a lower one loses; 0: now.  Where it is there
			     the last write stays: compare under the lock */
	const void *row;
};

struct store_query {
	enum table table;
	const void *equal; /* its first n_equal key columns must be these */
	unsigned n_equal;
	const void *
		after; /* start behind this key (its first n_after columns); NULL: from the first */
	unsigned n_after;
	const void *until; /* end behind the last key that has these first n_until columns; NULL: no
			      end */
	unsigned n_until;
	size_t limit; /* 0: none */
};

typedef bool store_row_fn(void *ctx, const void *row); /* false: enough */

struct store_ops {
	const char *name;

	/* lock() holds every other lock() of one of these buckets, which come in any order and
	 * repeated, off until unlock(); then store_change() need not look again.  NULL: the back
	 * end cannot. */
	void (*lock)(struct store_backend *b, const uint32_t *buckets, size_t n);
	void (*unlock)(struct store_backend *b, const uint32_t *buckets, size_t n);

	void (*close)(struct store_backend *b);

	/* All or nothing where lock is there; else one after the other, as given. */
	bool (*write)(struct store_backend *b, const struct store_write *w, size_t n,
		      struct err *err);

	/* Rows in key order, as they are at one moment (or, if they are more than a page or so,
	 * at moments that follow each other).  `each` may call the back end. */
	bool (*read)(struct store_backend *b, const struct store_query *q, store_row_fn *each,
		     void *ctx, struct err *err);

	/* Compare and set of a whole row, linearizable; see store_swap_row().  In tables with
	 * groups: of its first group. */
	bool (*swap)(struct store_backend *b, enum table table, const void *expected,
		     const void *row, bool *done, struct err *err);

	/* Removes all rows from the first to before the second key (n columns of each). */
	bool (*drop)(struct store_backend *b, enum table table, const void *first, const void *end,
		     unsigned n, struct err *err);

	uint64_t (*mark)(struct store_backend *b);
	void (*when_durable)(struct store_backend *b, uint64_t mark, store_durable_fn *fn,
			     void *ctx);

	/* Reads every byte's checksum.  Asks `go_on` now and then: false ends it with ERR_CANCELED.
	 */
	bool (*verify)(struct store_backend *b, bool (*go_on)(void *ctx), void *ctx,
		       struct err *err);
	bool (*backup)(struct store_backend *b, const char *dir, struct err *err);
	void (*counters)(struct store_backend *b, struct store_counters *out);
};

struct store_backend {
	const struct store_ops *ops;
};
