/*
 * kv.h -- the tables over an ordered key-value engine, for mem/ and rocksdb/.
 *
 * An engine keeps records (bytes to bytes, one space of keys a table) in the order
 * of their bytes and changes several at once.  This module turns rows into
 * records (store/kv/format.h) and gives the functions of `struct store_ops`
 * that are the same for every such engine; a back end embeds `struct kv` as its
 * first member and names them in its table:
 *
 *	.lock = kv_lock, .unlock = kv_unlock, .write = kv_write, .read = kv_read,
 *	.swap = kv_swap, .drop = kv_drop
 *
 * In a table with groups a row is one record a group; it is there while one of
 * its groups is.
 *
 * Writers are serial where they need to be: lock() covers what is decided from
 * what was read, so versions are not compared here.
 */
#pragma once

#include <pthread.h>

#include "base/buf.h"
#include "store/store_ops.h"

enum kv_kind {
	KV_PUT,
	KV_DELETE,
	KV_ADD,  /* format_add() of what is stored and `value`; absent counts as zero */
	KV_DROP, /* all keys from `key` to before `value` */
};

struct kv_change {
	enum table table;
	enum kv_kind kind;
	uint64_t version;
	struct slice key, value;
};

/* What is passed is valid during the call only.  False: enough. */
typedef bool kv_record_fn(void *ctx, struct slice key, struct slice value);

struct kv;
struct kv_engine {
	/* All changes or none. */
	bool (*apply)(struct kv *kv, const struct kv_change *changes, size_t n, struct err *err);
	/* Records from the key `from` to before `end` (empty: to the last), in order; at
	 * least the first 1,000 as they are at one moment.  `each` may call the engine. */
	bool (*scan)(struct kv *kv, enum table table, struct slice from, struct slice end,
		     kv_record_fn *each, void *ctx, struct err *err);
	/* Like a scan for this one key. */
	bool (*get)(struct kv *kv, enum table table, struct slice key, kv_record_fn *each,
		    void *ctx, struct err *err);
};

#define KV_STRIPES 65536 /* so many that batches of hundreds of buckets seldom meet */
#define KV_GATES   64

struct kv_gate { /* of the stripes whose number ends in its own */
	pthread_mutex_t mutex;
	pthread_cond_t freed;
	unsigned waiting;
};

struct kv_locks { /* of all handles on the same records */
	pthread_mutex_t swap;
	struct kv_gate gates[KV_GATES];
	bool held[KV_STRIPES]; /* a stripe is buckets that share a lock; guarded by its gate */
};
void kv_locks_init(struct kv_locks *locks);
void kv_locks_destroy(struct kv_locks *locks); /* nobody holds one any more */

struct kv {
	struct store_backend backend;
	const struct kv_engine *engine;
	struct kv_locks *locks;
};

/* The members of `struct store_ops` of these names; each takes the `backend` of a kv. */
void kv_lock(struct store_backend *b, const uint32_t *buckets, size_t n);
void kv_unlock(struct store_backend *b, const uint32_t *buckets, size_t n);
bool kv_write(struct store_backend *b, const struct store_write *writes, size_t n,
	      struct err *err) MUST_CHECK;
bool kv_read(struct store_backend *b, const struct store_query *query, store_row_fn *each,
	     void *ctx, struct err *err) MUST_CHECK;
bool kv_swap(struct store_backend *b, enum table table, const void *expected, const void *row,
	     bool *done, struct err *err) MUST_CHECK;
bool kv_drop(struct store_backend *b, enum table table, const void *first, const void *end,
	     unsigned n, struct err *err) MUST_CHECK;
