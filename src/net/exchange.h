/*
 * exchange.h -- one request and its response, between loop and workers; private to net/.
 *
 * The exchange is where threads meet.  `lock` guards what several of them touch;
 * `busy` says that a worker has it (or that it is queued for one), and that only that
 * worker may touch req, res and the callback's things.  Everything a loop must
 * know about reaches it as mail; it then looks at the whole state.
 *
 *	made by the loop -> handler -+-> ready -> loop writes -> done
 *	                             +-> waiting -> resume -'
 *	                             +-> held ---------------'
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

#include "net/http_server.h"
#include "net/mailbox.h"

struct conn;
struct loop;

enum job { JOB_HANDLER, JOB_RESUME, JOB_NEXT, JOB_CHUNK, JOB_CLOSE };

struct pool {
	const struct http_app *app;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct exchange *first, *last;
	unsigned idle;
	bool stop;
	pthread_t *threads;
	unsigned n_threads;
	atomic_uint queued;     /* length of the list; written under lock */
	atomic_uint live;       /* exchanges that exist */
	atomic_size_t buffered; /* bytes of whole bodies they hold */
	atomic_uint *at_work;   /* threads that run a handler now; NULL: not counted */
};

struct exchange {
	struct http_request req;
	struct http_response res;
	atomic_uint refs; /* the loop's, and one per token */
	struct pool *pool;
	struct mailbox *box; /* of the loop */
	struct mail mail;
	struct exchange *prev, *next; /* in the pool's list */
	bool in_queue;                /* under the pool's lock */
	enum job job;                 /* while busy */

	pthread_mutex_t lock; /* guards the next group */
	bool busy, posted;
	bool ready; /* the reply is decided: the loop's turn */
	bool done;  /* the loop has dropped it */
	bool gone;  /* the client is away for certain */
	bool left;  /* it closed its sending side at least */
	bool waiting, woken, time_up, last_wait;
	bool idle;        /* next() had nothing */
	bool end, failed; /* of the stream */
	bool closed;      /* close() was called */
	unsigned holds;
	unsigned wait_ms, n_waits;
	void (*resume)(void *arg, struct http_request *req, struct http_response *res,
		       enum http_wake why);
	void *resume_arg;
	const struct http_stream_ops *stream;
	const struct http_consume_ops *consume;
	void *stream_arg;
	struct http_response *instead; /* http_token_reply() */
	struct buf out;                /* made, not yet taken by the loop */

	/* The worker's while busy, else the loop's. */
	struct buf piece, chunk;
	bool chunk_last;

	/* The loop's alone. */
	struct conn *conn; /* NULL: it is gone */
	struct loop *loop;
	struct buf in; /* body received: all of it, or what waits for chunk() */
	bool in_end, head_sent;
	unsigned status;     /* of the answer that was begun; 0: none */
	uint64_t sent;       /* bytes of its body */
	bool sent_all;       /* of the answer */
	uint64_t asked_ns;   /* uv_hrtime() when it was handed on; 0: it was not */
	size_t buffered;     /* what the pool counts of `in` */
	uv_timer_t *timer;   /* of a wait or an idle stream */
	unsigned timed_wait; /* the n_waits it was set for */
};

void pool_start(struct pool *pool, const struct http_app *app, unsigned n_threads,
		atomic_uint *at_work);
void pool_stop(struct pool *pool); /* runs what is queued, then joins */

/* Queues a chain linked by `next`. */
void pool_push(struct pool *pool, struct exchange *first, unsigned n);

/* With an arena of its own; the caller is its loop and holds the first share. */
struct exchange *exchange_new(struct pool *pool, struct mailbox *box);

/* On the loop: marks it busy with `job`; the caller queues it. */
void exchange_claim(struct exchange *x, enum job job);

/* On the loop: takes the handler's run out of the queue again; false: too late. */
bool exchange_cancel(struct exchange *x);

/* On the loop: mails itself, to look at it when nothing else is being done. */
void exchange_poke(struct exchange *x);

/* On the loop: time is up, or the client closed its sending side. */
void exchange_time_up(struct exchange *x);
void exchange_left(struct exchange *x);

/* On the loop, with no connection any more or the reply written: gives up the loop's
 * share as soon as no callback needs it.  False: not yet, mail will come. */
bool exchange_drop(struct exchange *x);
