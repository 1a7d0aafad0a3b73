/*
 * role_thread.h -- a thread that runs one role: step, wait until something is due or
 * somebody knocks, step again.
 *
 * A step that fails is logged, once for each new reason and then once a minute, and
 * tried again after a second: the store says when it is back.
 *
 * The thread is a little "nice", and may put its steps off: when the processors are all busy,
 * whoever waits for a reply goes before what can be done after it.
 */
#pragma once

#include "base/clock.h"
#include "base/err.h"
#include "base/wakeup.h"

struct role_thread;

struct role_thread_options {
	const char *name; /* static; for logs and the thread's name */
	void *role;
	/* Waits until `until_us` (mono) if the role waits by itself, does what is due, and
	 * sets when it is to be called again. */
	bool (*step)(void *role, int64_t until_us, int64_t *due_us, struct err *err);
	/* For roles that wait by themselves: makes a waiting step() return.  NULL: the thread
	 * waits between steps. */
	void (*knock)(void *role);
	/* Whether others need the processors more at the moment: then a step is put off, by 50 ms
	 * at most.  NULL: never. */
	bool (*must_wait)(void *ctx);
	void *must_wait_ctx;
	struct clock *clock;
};

/* Starts the thread. */
bool role_thread_start(const struct role_thread_options *options, struct role_thread **out,
		       struct err *err) MUST_CHECK;

/* From any thread; `thread` is void so that it fits callbacks. */
void role_thread_knock(void *thread);

/* Lets the running step end and joins; NULL is fine. */
void role_thread_stop(struct role_thread *thread);
