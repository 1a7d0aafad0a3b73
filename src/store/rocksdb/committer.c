#include "store/rocksdb/committer.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
#include "base/log.h"

#define RETRY_S  1
#define END_BITS 48

struct waiter {
	struct waiter *next;
	store_durable_fn *fn;
	void *ctx;
};

struct committer {
	struct committer_log log;
	pthread_t thread;
	pthread_mutex_t mutex; /* of all below */
	pthread_cond_t wake;
	struct waiter *waiters; /* all of this round, newest first */
	uint64_t round;         /* failures so far */
	uint64_t durable;       /* end of the log that was synced */
	bool failed, stop;
	bool syncing; /* without the mutex; who waits now is in the next round */
	struct err why;
	uint64_t syncs, synced;
};

/* Oldest first. */
static void call_all(struct waiter *newest, const struct err *err)
{
	struct waiter *oldest = NULL;

	while (newest) {
		struct waiter *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	while (oldest) {
		struct waiter *w = oldest;

		oldest = w->next;
		w->fn(w->ctx, err);
		xfree(w);
	}
}

static void set_failed(struct committer *c, const struct err *why)
{
	if (c->failed)
		return;
	c->failed = true;
	c->why = *why;
	c->round++;
	log_err(LOG_ERROR, why, "no writes until the disk takes them again");
	pthread_cond_signal(&c->wake);
}

/* These run with the mutex held, and let go of it meanwhile. */

static void refuse_waiters(struct committer *c)
{
	struct waiter *taken = TAKE(c->waiters);
	struct err why = c->why;

	pthread_mutex_unlock(&c->mutex);
	call_all(taken, &why);
	pthread_mutex_lock(&c->mutex);
}

static void sync_waiters(struct committer *c)
{
	struct waiter *taken = TAKE(c->waiters);
	uint64_t end, round = c->round;
	struct err err;
	bool ok;

	c->syncing = true;
	pthread_mutex_unlock(&c->mutex);
	end = c->log.end(c->log.ctx);
	ok = c->log.sync(c->log.ctx, end, &err);
	pthread_mutex_lock(&c->mutex);
	if (!ok)
		set_failed(c, &err);
	else if (c->round != round) /* a write failed meanwhile: marks of before are void */
		err = c->why, ok = false;
	if (ok) {
		c->syncs++;
		c->synced += end - c->durable;
		c->durable = end;
	}
	c->syncing = false;
	if (c->waiters || c->failed || c->stop) /* the thread's concern, if it is not the caller */
		pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->mutex);
	call_all(taken, ok ? NULL : &err);
	pthread_mutex_lock(&c->mutex);
}

static void recover(struct committer *c)
{
	struct timespec until;
	uint64_t end = 0;
	struct err err;
	bool ok;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += RETRY_S;
	while (!c->stop && !c->waiters && pthread_cond_timedwait(&c->wake, &c->mutex, &until) == 0)
		;
	if (c->stop || c->waiters)
		return;
	pthread_mutex_unlock(&c->mutex);
	ok = c->log.recover(c->log.ctx, &err);
	if (ok)
		end = c->log.end(c->log.ctx);
	pthread_mutex_lock(&c->mutex);
	if (!ok) {
		c->why = err;
		return;
	}
	c->failed = false;
	c->durable = end;
	log_info("the disk takes writes again");
}

static void *run(void *ctx)
{
	struct committer *c = ctx;

	pthread_mutex_lock(&c->mutex);
	while (c->waiters || c->syncing || !c->stop) {
		if (c->syncing)
			pthread_cond_wait(&c->wake, &c->mutex);
		else if (c->failed && c->waiters)
			refuse_waiters(c);
		else if (c->failed)
			recover(c);
		else if (c->waiters)
			sync_waiters(c);
		else
			pthread_cond_wait(&c->wake, &c->mutex);
	}
	pthread_mutex_unlock(&c->mutex);
	return NULL;
}

struct committer *committer_new(const struct committer_log *log)
{
	struct committer *c = xcalloc(1, sizeof(*c));
	pthread_condattr_t attr;

	c->log = *log;
	c->durable = log->end(log->ctx);
	pthread_mutex_init(&c->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&c->thread, NULL, run, c) != 0)
		assert(!"a thread can be had");
	return c;
}

void committer_free(struct committer *c)
{
	pthread_mutex_lock(&c->mutex);
	c->stop = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->mutex);
	pthread_join(c->thread, NULL);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->mutex);
	xfree(c);
}

static uint64_t round_bits(uint64_t round)
{
	return round << END_BITS;
}

uint64_t committer_mark(struct committer *c)
{
	/* If the log is recovered in between, all up to this end was recovered. */
	uint64_t mark = c->log.end(c->log.ctx);

	pthread_mutex_lock(&c->mutex);
	mark |= round_bits(c->round);
	pthread_mutex_unlock(&c->mutex);
	return mark;
}

/* True if the answer is known already; else a waiter was added. */
static bool answered(struct committer *c, uint64_t mark, store_durable_fn *fn, void *ctx, bool *ok,
		     struct err *err)
{
	struct waiter *w;

	*ok = false;
	if (c->failed) {
		*err = c->why;
		return true;
	}
	if (mark >> END_BITS != round_bits(c->round) >> END_BITS) {
		err_set(err, ERR_UNAVAILABLE, "the disk failed before this was synced");
		return true;
	}
	*ok = (mark & ((UINT64_C(1) << END_BITS) - 1)) <= c->durable;
	if (*ok)
		return true;
	w = xmalloc(sizeof(*w));
	*w = (struct waiter){ c->waiters, fn, ctx };
	c->waiters = w;
	return false;
}

void committer_when_durable(struct committer *c, uint64_t mark, store_durable_fn *fn, void *ctx)
{
	struct err err;
	bool now, ok;

	pthread_mutex_lock(&c->mutex);
	now = answered(c, mark, fn, ctx, &ok, &err);
	if (!now && !c->syncing)
		sync_waiters(c);
	pthread_mutex_unlock(&c->mutex);
	if (now)
		fn(ctx, ok ? NULL : &err);
}

void committer_fail(struct committer *c, const struct err *why)
{
	pthread_mutex_lock(&c->mutex);
	set_failed(c, why);
	pthread_mutex_unlock(&c->mutex);
}

bool committer_ok(struct committer *c, struct err *err)
{
	bool ok;

	pthread_mutex_lock(&c->mutex);
	ok = !c->failed;
	if (!ok)
		*err = c->why;
	pthread_mutex_unlock(&c->mutex);
	return ok;
}

void committer_counters(struct committer *c, struct store_counters *out)
{
	pthread_mutex_lock(&c->mutex);
	out->syncs = c->syncs;
	out->synced_writes = c->synced;
	out->read_only = c->failed;
	snprintf(out->reason, sizeof(out->reason), "%s", c->failed ? c->why.text : "");
	pthread_mutex_unlock(&c->mutex);
}
