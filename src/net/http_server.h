/*
 * http_server.h -- the HTTP server: events at the edge, straight lines in the middle.
 *
 * Loop threads own the sockets, TLS, framing, limits and deadlines.  A complete
 * request is handed to a pool of worker threads, where handler() may block.  The
 * response goes back to the loop, which writes it:
 *
 *	socket -> loop: bytes, TLS, http1 -> queue -> worker: handler(ctx, req, res)
 *	socket <- loop: framing, writing  <- mailbox <-'
 *
 * A handler ends in one of five ways:
 *
 *	reply    it sets res->status (headers, body) and returns
 *	hold     the same, but the reply leaves only when every token that
 *	         http_response_hold() gave was released: a group commit
 *	wait     it leaves res->status 0 after http_response_wait(): a long poll.  resume()
 *	         runs on a worker when a token was woken, time is up, or the client left
 *	stream   http_response_stream(): the body is produced piece by piece
 *	consume  http_response_consume(): the body of the request is taken chunk by chunk,
 *	         and pieces of the response may be written meanwhile
 *
 * For one request only one callback runs at any time, though not always on the
 * same thread; it may use req and res, and nothing else may.  Requests of one
 * connection are handled one after another, in order; what a client pipelines
 * waits in at most `max_pipelined` bytes, then in its socket.
 *
 * What the server answers by itself (bad framing, limits, deadlines, overload) gets
 * its body from error_body().  After such an answer the connection closes.
 *
 * A client that shuts down its sending side still gets its answer.  Since that
 * looks the same as leaving, a wait ends at once then, and so does a stream that
 * has nothing to send; long work may (http_response_unwanted()).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "net/http.h"

/* ---- the application ------------------------------------------------------------------ */

enum http_body_mode {
	HTTP_BODY_WHOLE,  /* the handler runs when the body is complete: req->body */
	HTTP_BODY_STREAM, /* the handler runs before it: http_response_consume() */
};

struct http_answer { /* to one request, so far */
	enum http_method method;
	struct slice path; /* empty: neither it nor the method is known */
	struct http_peer peer;
	void *call;      /* http_request.call; NULL also while a handler still runs */
	unsigned status; /* 0: none; the client left, or `stopped` */
	uint64_t bytes;  /* of its body; 0 of what the server answers by itself */
	int64_t us;      /* since the last byte of the request (of a streamed one: since its
			  * head), -1 if it was never whole */
	bool cut;        /* of ended(): the client has not got all of it */
	bool failed;     /* what made the body failed, so it was cut */
	bool stopped;    /* it was cut since the server's time to drain was over */
};

/* All functions but handler() run on a loop's thread: they must not block.  NULL: the default. */
struct http_app {
	void *ctx;

	/* On a worker; may block. */
	void (*handler)(void *ctx, struct http_request *req, struct http_response *res);

	/* Default: always whole. */
	enum http_body_mode (*body_mode)(void *ctx, enum http_method method, struct slice path);

	/* Appends the body of an answer of the server's own.  `why` is one phrase for people,
	 * `path` is empty if it is not known.  Default: the phrase as text/plain.
	 * *content_type must be static. */
	void (*error_body)(void *ctx, unsigned status, const char *why, struct slice path,
			   struct buf *out, const char **content_type);

	/* Headers of every answer, those of the server's own included: lines that end in CR LF,
	 * static.  Default: none. */
	const char *headers;

	/* The answer to a request begins.  Default: nobody is told. */
	void (*answered)(void *ctx, const struct http_answer *answer);

	/* All of the answer is on its way, or it was cut, or there will be none: called once for
	 * every request, after answered().  Default: nobody is told. */
	void (*ended)(void *ctx, const struct http_answer *answer);
};

/* ---- the server ----------------------------------------------------------------------- */

/* 0 or NULL means the default that is named. */
struct http_server_options {
	struct http_app app;
	const char *host;     /* address or name; 127.0.0.1 */
	uint16_t port;        /* 0: any free one, see http_server_port() */
	unsigned loops;       /* threads that own sockets; 1 */
	unsigned workers;     /* threads that run handlers; 8 */
	atomic_uint *at_work; /* how many of them do so at the moment; NULL: not wanted */
	unsigned backlog;     /* of listen(); 1024 */
	const char *tls_cert; /* PEM file, leaf first; NULL: no TLS */
	const char *tls_key;  /* PEM file */

	/* Limits of size and number. */
	uint32_t max_head;        /* bytes of request line and headers, else 431 or 414; 16 KiB */
	size_t max_body;          /* bytes of a whole body, else 413; 256 KiB */
	size_t max_buffered;      /* bytes of all whole bodies together, else 503; 256 MiB */
	size_t max_pipelined;     /* bytes kept behind the request in work; 16 KiB */
	unsigned max_connections; /* beyond: 503; 16,384 */
	unsigned max_per_address; /* per IPv4 address or IPv6 /64, beyond: 429; 0: no limit */
	bool spare_loopback;      /* that limit is not for loopback addresses */
	unsigned max_queued;      /* requests waiting for a worker before reading stops; 1024 */

	/* Deadlines in ms.  Those of a head, of a whole body, between requests and in the queue
	 * are absolute: sending a byte now and then does not help.  A streamed body only must not
	 * stop: who makes it may be slow.  A reply has a least rate, for it holds memory. */
	unsigned head_ms;  /* TLS handshake; then first byte to end of the headers; 10,000 */
	unsigned body_ms;  /* a whole body; a streamed one: in each such time in which it is read
			    * it brings a byte, else 408; 60,000 */
	unsigned idle_ms;  /* between requests; 75,000 */
	unsigned write_ms; /* in each such time the client takes `min_rate`, or all there is,
			    * else the connection is cut; 30,000 */
	unsigned queue_ms; /* a request waits for a worker, else 503; 10,000 */
	uint32_t min_rate; /* bytes a second of a reply; 0: a single byte in that time will do */
};

struct http_server;

/* Listens and starts the threads; SIGPIPE is ignored from now on.  ERR_INVALID: bad address or
 * certificate; ERR_UNAVAILABLE: the address is taken or not ours. */
bool http_server_start(const struct http_server_options *options, struct http_server **out,
		       struct err *err) MUST_CHECK;

/* The one it listens on, chosen by the system if options.port was 0. */
uint16_t http_server_port(const struct http_server *server);

/*
 * Stops listening, closes idle connections, wakes waits, and lets requests in work
 * finish, for `ms` at most; then cuts what is left.  Returns when every connection is
 * closed; true: none was cut.  Not from a handler.  A second call does nothing.
 */
bool http_server_drain(struct http_server *server, unsigned ms);

/* Drains with no patience if nobody did, ends the threads.  Returns only when all
 * tokens were given back.  NULL is fine. */
void http_server_free(struct http_server *server);
DEFINE_CLEANUP(struct http_server, http_server_free)

/* Reads the certificate and key files again, for connections that come from now on.
 * False: they are bad, and the old ones stay in use. */
bool http_server_reload_tls(struct http_server *server, struct err *err) MUST_CHECK;

/* Monotonic but for `open` and `queued`. */
struct http_server_stats {
	uint64_t open;     /* connections now */
	uint64_t accepted; /* connections taken */
	uint64_t refused;  /* connections and requests turned away: limits */
	uint64_t accept_errors;
	uint64_t tls_errors;   /* handshakes that failed, broken records */
	uint64_t parse_errors; /* requests refused for their framing or size */
	uint64_t timeouts;     /* connections cut by a deadline */
	uint64_t late;     /* requests that came, or were to be handled, too late for a handler */
	uint64_t requests; /* handed to a handler */
	uint64_t queued;   /* waiting for a worker now */
	uint64_t responses[6]; /* by class: [2] is 2xx; [0] is not used */
	uint64_t bytes_in, bytes_out;
};
void http_server_stats(struct http_server *server, struct http_server_stats *out);

/* For a callback that works for long: true once the client has left (or closed its sending side,
 * which looks the same) or the server drains, so that it may break off. */
bool http_response_unwanted(struct http_response *res);

/* ---- replies that come later ---------------------------------------------------------- */

/*
 * A share in a request.  Every token is given back exactly once, by one of
 * http_token_release(), http_token_reply(), http_token_wake(), from any thread and
 * also before the handler has returned.  None of them blocks.
 */
struct http_token;

/* From a callback of the request: its reply waits for this token too. */
struct http_token *http_response_hold(struct http_response *res);

enum http_wake {
	HTTP_WOKEN,   /* http_token_wake() */
	HTTP_TIME_UP, /* the time is over, or the server drains */
	HTTP_GONE,    /* the client closed; a reply is still tried, waiting again is not possible */
};

/*
 * From a handler or from resume(): no reply yet.  After `ms`, or when the token is
 * woken, or the client closes, resume() runs, once per call of this, unless
 * http_token_reply() answered; it replies, or waits again (which gives a new token, the
 * old one must still be given back).  `arg` must live until then.
 */
struct http_token *http_response_wait(struct http_response *res, unsigned ms,
				      void (*resume)(void *arg, struct http_request *req,
						     struct http_response *res, enum http_wake why),
				      void *arg);

/* Gives up the token.  A held reply leaves when it was the last hold. */
void http_token_release(struct http_token *token);

/* Lets resume() run, or the stream's next(). */
void http_token_wake(struct http_token *token);

/* Answers now with this instead of what the handler made.  The first such reply counts,
 * none counts once one has left.  `content_type` must be static; the body is copied. */
void http_token_reply(struct http_token *token, unsigned status, const char *content_type,
		      struct slice body);

/* ---- streams -------------------------------------------------------------------------- */

enum http_next {
	HTTP_NEXT_NOW,   /* there is more, or it has to be looked for: call again at once */
	HTTP_NEXT_LATER, /* nothing now: call again after 1 s */
	HTTP_NEXT_END,   /* that was the last piece */
};

struct http_stream_ops {
	/*
	 * Appends the next piece, which may be empty, to `out` and says how to go on.  Called
	 * while less than 256 KiB are on their way to the client.  False: the response is cut so
	 * that the client notices.
	 * A stream that may be silent for minutes should send a blank line now and then: of
	 * a client that pipelined more than max_pipelined and left, nothing else tells.
	 */
	bool (*next)(void *arg, struct buf *out, enum http_next *then, struct err *err);
	/* Exactly once, on a worker, after the end, a failure or the client's leaving. */
	void (*close)(void *arg);
};

/* The reply is res->status, its headers, and what next() makes; res->body stays empty. */
void http_response_stream(struct http_response *res, const struct http_stream_ops *ops, void *arg);

struct http_consume_ops {
	/*
	 * Takes the next bytes of the body, cut anywhere; the last call has `last` set and may
	 * have none.  What is appended to `out` goes to the client at once; the headers
	 * leave with the first piece.  No more is read while 64 KiB wait for chunk() or
	 * 256 KiB wait for the client: clients must read while they send.
	 * False: the response is cut so that the client notices.
	 */
	bool (*chunk)(void *arg, struct slice bytes, bool last, struct buf *out, struct err *err);
	/* As of a stream. */
	void (*close)(void *arg);
};

/* Only where body_mode() said HTTP_BODY_STREAM; needs res->status.  A handler that replies
 * without it refuses the body: the connection closes after the reply. */
void http_response_consume(struct http_response *res, const struct http_consume_ops *ops,
			   void *arg);
