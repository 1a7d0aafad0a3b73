/*
 * loop.h -- one event-loop thread of the server and the server itself; private to net/.
 *
 * All fields of a loop are its thread's own, but for the box, the counters and what is
 * set before the thread starts.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "net/deadline.h"
#include "net/exchange.h"
#include "net/mailbox.h"
#include "net/peer_table.h"
#include "net/tls.h"

#define READ_BYTES (64 * 1024)  /* at most, per event */
#define HIGH_WATER (256 * 1024) /* of what waits for the client */
#define BODY_AHEAD (64 * 1024)  /* of a streamed body, waiting for chunk() */

enum phase { PHASE_HEAD, PHASE_BODY, PHASE_IDLE, PHASE_QUEUE, PHASE_LINGER, PHASE_WRITE, N_PHASES };

enum stop { STOP_NO, STOP_DRAIN, STOP_CUT };

enum counter {
	COUNT_ACCEPTED,
	COUNT_REFUSED,
	COUNT_ACCEPT_ERRORS,
	COUNT_TLS_ERRORS,
	COUNT_PARSE_ERRORS,
	COUNT_TIMEOUTS,
	COUNT_LATE,
	COUNT_REQUESTS,
	COUNT_BYTES_IN,
	COUNT_BYTES_OUT,
	COUNT_RESPONSES, /* and five more, by class */
	N_COUNTERS = COUNT_RESPONSES + 6,
};

struct loop {
	struct http_server *server;
	pthread_t thread;
	uv_loop_t uv;
	struct mailbox box;
	int listen_fd;
	uv_poll_t listener;
	uv_timer_t accept_pause; /* runs while accepting is paused */
	uv_timer_t timer;        /* for the nearest deadline, or earlier */
	uv_prepare_t prepare;
	uint64_t timer_due_ms;
	struct deadline_queue queues[N_PHASES];
	struct conn *conns, *starved;
	unsigned n_conns, n_exchanges;
	struct exchange *pending, *pending_last; /* for the pool, once before polling */
	unsigned n_pending;
	enum stop stop; /* what was carried out already */
	bool reported;
	uint8_t *read_buf;
	struct buf head, cipher, plain; /* scratch */
	char date[48];
	int64_t date_s;
	_Atomic uint64_t counters[N_COUNTERS];
};

struct http_server {
	struct http_server_options options; /* with the defaults filled in */
	uint16_t port;
	struct pool pool;
	struct peer_table *peers;
	struct loop *loops;
	unsigned n_started;
	atomic_uint open;            /* connections of all loops */
	atomic_int stop;             /* enum stop */
	atomic_bool told_of_address; /* the log: that one has met its limit */
	pthread_mutex_t lock;        /* guards the next group */
	pthread_cond_t changed;
	struct tls_server *tls; /* for new connections; NULL: plain */
	unsigned n_empty;       /* loops that drained */
	bool cut;               /* a connection had to be cut */
};

static inline void loop_count(struct loop *loop, unsigned counter, uint64_t n)
{
	/* One writer: no need for a locked instruction. */
	uint64_t now = atomic_load_explicit(&loop->counters[counter], memory_order_relaxed);

	atomic_store_explicit(&loop->counters[counter], now + n, memory_order_relaxed);
}

/* Hands a claimed exchange to the pool, together with others of this round. */
void loop_queue(struct loop *loop, struct exchange *x);

/* Sets a deadline and sees that the loop wakes for it. */
void loop_deadline(struct loop *loop, enum phase phase, struct deadline *entry);

/* "Date: ...\r\n" of now. */
const char *loop_date(struct loop *loop);

/* Looks again soon whether the connections in `starved` may read. */
void loop_retry_starved(struct loop *loop);

/* Are too many requests waiting for workers? */
bool loop_overloaded(const struct loop *loop);
