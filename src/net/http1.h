/*
 * http1.h -- HTTP/1.0 and 1.1 requests out of bytes (RFC 9112), no sockets.
 *
 * llhttp in strict mode does the grammar.  What it lets through and what two
 * readers could frame differently is refused here: folded header lines, bare
 * CR or LF, NUL, a missing or repeated Host, Transfer-Encoding other than a
 * single "chunked", Transfer-Encoding in HTTP/1.0, chunk extensions, trailers.
 *
 * One request at a time: feed until HTTP1_HEAD, take the request, set where the
 * body goes, feed until HTTP1_END, reset.  Bytes behind the end are left alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <llhttp/llhttp.h>

#include "base/attr.h"
#include "base/buf.h"
#include "net/http.h"

#define HTTP1_MAX_HEADERS 100

enum http1_event {
	HTTP1_MORE,  /* all bytes are consumed, more are needed */
	HTTP1_HEAD,  /* request line and headers are complete */
	HTTP1_END,   /* the request is complete */
	HTTP1_ERROR, /* answer with `status`, then close: the framing is lost */
};

struct http1 {
	/* Of the head; valid from HTTP1_HEAD to the reset. */
	bool has_body, keep_alive, expects_continue, old; /* old: HTTP/1.0 */
	uint64_t content_length;                          /* 0 if chunked */
	/* After HTTP1_ERROR. */
	unsigned status; /* 400, 413, 414, 417, 431, 501, 505 */
	const char *why; /* one phrase in English; static storage */
	/* The rest is private. */
	llhttp_t parser;
	struct buf text;   /* target, then names and values */
	struct buf fields; /* of struct field: where they lie in text */
	struct buf *body;
	uint64_t body_seen, body_limit;
	uint32_t max_head, head_bytes, lines, line_len, target_len;
	uint8_t last;
	bool in_body, field_open;
};

/* `max_head` bounds request line and headers together, in bytes. */
void http1_init(struct http1 *h, uint32_t max_head);
void http1_free(struct http1 *h);

/* Ready for the next request; holds no memory until it comes. */
void http1_reset(struct http1 *h);

/* Has any byte of a request been fed since the reset? */
bool http1_started(const struct http1 *h);

/* Consumes bytes off the front of *in until something happened. */
enum http1_event http1_feed(struct http1 *h, struct slice *in);

/*
 * After HTTP1_HEAD, once: copies the request into req->mem (which must be set) and fills
 * method, path, query and headers.  False: h->status and h->why say what is wrong with it;
 * path is set where it could be found.
 */
bool http1_take(struct http1 *h, struct http_request *req) MUST_CHECK;

/*
 * After http1_take(): body bytes are appended to *body from now on.  False: the body is
 * already known to be longer than `limit`; a chunked one gives HTTP1_ERROR when it
 * gets there.  Either has status 413.
 */
bool http1_body_to(struct http1 *h, struct buf *body, uint64_t limit) MUST_CHECK;
