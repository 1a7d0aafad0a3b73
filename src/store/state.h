/*
 * state.h -- owners' pins as ipfs-cluster's state.State has them: one for each owner and CID.
 *
 * A pin is the bytes of api.pb.Pin (model/cluster_pin.h), in the store it is a request.  Adding
 * replaces what was added before; requests that the owner made by other ways stay as they are.
 * Of several live requests for a CID the newest is shown.  Other owners' requests are neither
 * shown nor touched.
 *
 *	state.State          here
 *	Add, Rm              state_batch_add(), state_batch_rm(), state_batch_commit()
 *	Get, Has             state_get()
 *	List                 state_list()
 *	Marshal, Unmarshal   state_marshal(), state_unmarshal()
 *	Commit               state_batch_commit()
 *
 * What is added is the operator's word: no quota is asked, and the deny list by whoever adds.  The
 * planner finds what was written by itself.  Memory is bounded everywhere by a batch or a chunk.
 */
#pragma once

#include "store/store.h"

/* The pin of a CID in `mem`; its ptr is NULL if there is none. */
bool state_get(struct store *store, struct slice owner, struct slice cid, struct arena *mem,
	       struct slice *out, struct err *err) MUST_CHECK;

/* Calls `each` for every pin in store order until it returns false; what is passed is valid
 * during the call.  With no owner (its ptr is NULL) every owner's pins are listed. */
typedef bool state_pin_fn(void *ctx, const struct request *request);
bool state_list(struct store *store, struct slice owner, state_pin_fn *each, void *ctx,
		struct err *err) MUST_CHECK;

/* ---- changes ------------------------------------------------------------------------------- */

/* Told of each pin that was not written, or (`taken`) that was, although it is odd. */
typedef void state_tell_fn(void *ctx, struct slice cid, bool taken, const struct err *err);

struct state_batch_options {
	size_t size;        /* sent when so many orders, or 4 MiB, are collected; 0: 1,000 */
	int64_t timeout_us; /* or when the oldest is so old and another comes; 0: 1 s */
	state_tell_fn *tell;
	void *ctx;
};

/* Not thread-safe; `store` outlives it. */
struct state_batch;
struct state_batch *state_batch_new(struct store *store, struct slice owner,
				    const struct state_batch_options *options);
void state_batch_free(struct state_batch *batch); /* what was not sent is forgotten; NULL is fine */
DEFINE_CLEANUP(struct state_batch, state_batch_free)

/* What is ordered from here on is of `owner`, which is copied. */
void state_batch_of_owner(struct state_batch *batch, struct slice owner);

/* Of orders of an owner for the same CID the last counts.  A pin that says another CID is taken for
 * `cid`, and told; one that cannot be read, or that Kubo would refuse, is told and not written.
 * Both are true unless the store fails: then all that could not be written was told. */
bool state_batch_add(struct state_batch *batch, struct slice cid, struct slice pin,
		     struct err *err) MUST_CHECK;
/* Ends every request of the owner for this CID, which is one; none is fine. */
bool state_batch_rm(struct state_batch *batch, struct slice cid, struct err *err) MUST_CHECK;

/* Returns when all orders are durable; false if any of them failed since the last commit:
 * ERR_INVALID if those were pins that cannot be kept, and all others are durable. */
bool state_batch_commit(struct state_batch *batch, struct err *err) MUST_CHECK;

struct state_counts { /* since the batch was made */
	uint64_t changed, unchanged, failed;
};
struct state_counts state_batch_counts(const struct state_batch *batch);

/* ---- streams -------------------------------------------------------------------------------- */

/* `write` returns false, with *err, if it cannot go on. */
typedef bool state_write_fn(void *ctx, struct slice bytes, struct err *err);
bool state_marshal(struct store *store, struct slice owner, state_write_fn *write, void *ctx,
		   struct err *err) MUST_CHECK;

/* `read` fills up to `cap` bytes; *n = 0: the end.  Adds all, and commits; what is in the store
 * already stays.  ERR_INVALID for a stream that is none or is cut: the pins before are added. */
typedef bool state_read_fn(void *ctx, uint8_t *out, size_t cap, size_t *n, struct err *err);
bool state_unmarshal(struct state_batch *batch, state_read_fn *read, void *ctx,
		     struct err *err) MUST_CHECK;
