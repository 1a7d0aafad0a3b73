/*
 * conn.h -- one connection of HTTP/1.1; private to net/, on its loop's thread.
 *
 *	NEW -> HEAD -> BODY -> BUSY -> IDLE -> HEAD ...
 *	any of them -> LINGER (answered for the last time, waits for the client's end) -> CLOSED
 */
#pragma once

#include <uv.h>

#include "net/http1.h"
#include "net/loop.h"

enum conn_state {
	CONN_NEW,    /* no byte of a request yet, perhaps a TLS handshake */
	CONN_IDLE,   /* between requests */
	CONN_HEAD,   /* a request has begun */
	CONN_BODY,   /* its body arrives; if it is streamed the handler runs already */
	CONN_BUSY,   /* it is complete; the answer is awaited or written */
	CONN_LINGER, /* nothing will be answered any more */
	CONN_CLOSED,
};

struct conn {
	uv_tcp_t tcp;
	struct loop *loop;
	struct conn *prev, *next;
	struct conn *next_starved;
	enum conn_state state;
	struct deadline due, write_due;
	uint64_t queued;     /* bytes for the client that had to wait, so far */
	uint64_t taken_then; /* how many of them it had taken when write_due was set */
	bool body_came;      /* anything of a body since `due` was set for it */
	struct exchange *x;
	struct tls *tls; /* NULL: plain */
	struct buf tail; /* received, not yet parsed: from tail_at on */
	size_t tail_at;
	struct http_peer peer;
	bool eof, reading, starved, counted;
	bool continue_due; /* the client waits for 100 Continue */
	bool chunked, close_after;
	struct http1 h1;
};

/* Owns `fd` from now on.  `counted`: it is in the table of peers. */
void conn_open(struct loop *loop, int fd, const struct http_peer *peer, bool counted);

/* At once, whatever is in work. */
void conn_close(struct conn *c);

/* Closes if nothing is in work; else after the answer. */
void conn_drain(struct conn *c);

/* A worker or a token has news of this exchange. */
void conn_mail(struct exchange *x);

/* The deadline of its state, or of its writing, has passed. */
void conn_timed_out(struct conn *c);
void conn_write_timed_out(struct conn *c);

/* Reads again, after an overload. */
void conn_feed_again(struct conn *c);

/* ---- conn_write.c --------------------------------------------------------------------- */

void conn_send(struct conn *c, const struct slice *parts, unsigned n);
void conn_send_raw(struct conn *c, const struct slice *parts, unsigned n);

/* Bytes that wait for the client. */
size_t conn_unsent(const struct conn *c);

/* The exchange is ready, or has more: writes what can be written. */
void conn_reply(struct conn *c);

/* The exchange of `c` leaves it: tells the application. */
void conn_tell_ended(struct conn *c);

/* Answers by itself, then closes. */
void conn_refuse(struct conn *c, unsigned status, const char *why);

/* Appends head and body of an answer of the server's own. */
void conn_refusal(struct loop *loop, unsigned status, const char *why, struct slice path,
		  bool head_only, struct buf *out);

/* Sends what is left and the end of it, then waits for the client's end. */
void conn_finish(struct conn *c);

/* ---- conn.c, for conn_write.c ---------------------------------------------------------- */

void conn_move(struct conn *c, enum conn_state to);
void conn_detach(struct conn *c);
void conn_next(struct conn *c);
void conn_update_reading(struct conn *c);
void conn_timer(struct exchange *x, unsigned ms);
