/*
 * http.h -- an HTTP request as a handler sees it, and the response it fills.
 *
 * Nothing here knows sockets or versions of the protocol: HTTP/1.1 (http1.h)
 * makes requests now, other framings may later.  Meaning of the terms: RFC 9110.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"

enum http_method {
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_PATCH,
	METHOD_DELETE,
	METHOD_OPTIONS,
};

/* "GET"; static storage. */
const char *http_method_name(enum http_method method);

struct http_header {
	struct slice name;  /* as it was sent; compare with http_name_is() */
	struct slice value; /* without the white space around it; no CR, LF, NUL */
};

#define HTTP_PEER_TEXT 48 /* bytes that hold any peer's address as text */

/* Who is at the other end.  IPv4 is kept as an IPv4-mapped IPv6 address. */
struct http_peer {
	uint8_t ip[16];
	uint16_t port;
};

/* "192.0.2.7" or "2001:db8::1", without the port; returns `out`. */
const char *http_peer_text(const struct http_peer *peer, char out[HTTP_PEER_TEXT]);

/* 127.0.0.0/8 or ::1. */
bool http_peer_is_loopback(const struct http_peer *peer);

/* Everything lives in `mem` (the body beside it) and dies with the request. */
struct http_request {
	struct arena *mem; /* of this request; handlers allocate here too */
	enum http_method method;
	struct slice path;  /* begins with '/' (or is "*" for OPTIONS), still escaped; its escapes
			     * are sound and decode to UTF-8 without control characters */
	struct slice query; /* after the first '?', still escaped; see url.h */
	const struct http_header *headers;
	size_t n_headers;
	struct slice body; /* empty while it is streamed */
	struct http_peer peer;
	bool tls;         /* it came over TLS */
	bool body_stream; /* the body comes in chunks: see http_response_consume() */
	void *call;       /* the handler's own, for http_app.ended() */
};

/* ASCII case does not count. */
bool http_name_is(struct slice name, const char *other);

/* The value of the first header of that name, or NULL. */
const struct slice *http_header_get(const struct http_request *req, const char *name);

/*
 * Walks a comma-separated value ("gzip, br;q=0"): takes the next element, without
 * the white space around it, off *rest.  Empty elements are skipped; false at the end.
 */
bool http_list_next(struct slice *rest, struct slice *element);

/* Does any header of that name list `token`?  ASCII case does not count. */
bool http_header_has_token(const struct http_request *req, const char *name, const char *token);

/*
 * What goes back.  A handler sets `status`, adds headers and writes the body;
 * Content-Length, Date and Connection are the server's business.
 */
struct http_response {
	unsigned status;          /* 200..599; 0: no reply yet */
	const char *content_type; /* NULL: none; must live as long as the request */
	struct buf body;          /* freed by the server */
	struct buf headers;       /* through http_response_header() only */
};

/* Adds "name: value".  CR, LF and other control characters in `value` become '?'. */
void http_response_header(struct http_response *res, const char *name, struct slice value);

/* Forgets status, headers and body. */
void http_response_clear(struct http_response *res);

/* "Not Found"; static storage, "Unknown" for a status without a name. */
const char *http_status_text(unsigned status);
