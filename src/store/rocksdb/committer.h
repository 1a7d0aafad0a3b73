/*
 * committer.h -- one sync for all who wait.
 *
 * A round takes the end of the log as it is, syncs, and calls all who wait for something
 * before that end; those who came meanwhile are in the next round.  So however many write,
 * there are as many syncs as the disk can do.
 *
 * Who comes while nobody syncs makes a round himself: for one who is alone that spares two
 * changes of threads, half of what is not the disk's time.  Rounds after it, and trying to
 * recover, are those of a thread, so that nobody works for others for ever.
 *
 * After a failure nobody is told that anything is durable until recover() has
 * succeeded; marks made before the failure stay without an answer other than an error.
 * Thread-safe.
 */
#pragma once

#include "base/err.h"
#include "store/store.h"

struct committer_log {              /* what is synced; `ctx` goes to each call */
	uint64_t (*end)(void *ctx); /* grows with every write that has returned */
	bool (*sync)(void *ctx, uint64_t end, struct err *err); /* all up to `end` */
	bool (*recover)(void *ctx, struct err *err); /* tried each second after a failure */
	void *ctx;
};

struct committer;

struct committer *committer_new(const struct committer_log *log);
/* Syncs once more for those who wait, calls them, and ends the thread.  Nobody calls
 * any more. */
void committer_free(struct committer *committer);

/* See store_mark() and store_when_durable(): `fn` may be called, and a sync be waited for, before
 * committer_when_durable() returns. */
uint64_t committer_mark(struct committer *committer);
void committer_when_durable(struct committer *committer, uint64_t mark, store_durable_fn *fn,
			    void *ctx);

/* A write has failed: the log can take nothing until it is recovered.  *why is copied. */
void committer_fail(struct committer *committer, const struct err *why);
/* False, with the reason, between a failure and the recovery. */
bool committer_ok(struct committer *committer, struct err *err) MUST_CHECK;

/* Fills syncs, synced_writes (how far the log grew), read_only and reason. */
void committer_counters(struct committer *committer, struct store_counters *out);
