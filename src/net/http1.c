#include "net/http1.h"

#include <assert.h>

#include "net/url.h"

struct field {
	uint32_t name_at, name_len, value_at, value_len;
};

/* The first reason counts. */
static bool refuse(struct http1 *h, unsigned status, const char *why)
{
	if (h->status == 0) {
		h->status = status;
		h->why = why;
	}
	return false;
}

/* The same, for llhttp. */
static int fail(struct http1 *h, unsigned status, const char *why)
{
	refuse(h, status, why);
	return -1;
}

static struct http1 *of(llhttp_t *parser)
{
	return CONTAINER_OF(parser, struct http1, parser);
}

static int on_url(llhttp_t *parser, const char *at, size_t n)
{
	buf_add(&of(parser)->text, at, n);
	of(parser)->target_len += (uint32_t)n;
	return 0;
}

static struct field *last_field(struct http1 *h)
{
	return (struct field *)(void *)(h->fields.ptr + h->fields.len) - 1;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t n)
{
	struct http1 *h = of(parser);

	if (h->in_body)
		return fail(h, 400, "trailers are not accepted");
	if (!h->field_open) {
		struct field f = { .name_at = (uint32_t)h->text.len };

		if (h->fields.len / sizeof(f) == HTTP1_MAX_HEADERS)
			return fail(h, 431, "too many headers");
		buf_add(&h->fields, &f, sizeof(f));
		h->field_open = true;
	}
	buf_add(&h->text, at, n);
	last_field(h)->name_len += (uint32_t)n;
	return 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t n)
{
	struct http1 *h = of(parser);
	struct field *f;

	if (!h->field_open) /* llhttp lets an empty name pass */
		return fail(h, 400, "a header has no name");
	f = last_field(h);
	if (f->value_len == 0)
		f->value_at = (uint32_t)h->text.len;
	buf_add(&h->text, at, n);
	f->value_len += (uint32_t)n;
	return 0;
}

static int on_header_value_complete(llhttp_t *parser)
{
	of(parser)->field_open = false;
	return 0;
}

/* Pauses, so that the caller decides about the body before a byte of it is read. */
static int on_headers_complete(llhttp_t *parser)
{
	/* An offer to upgrade may be ignored (RFC 9110 7.8); llhttp would stop there. */
	parser->upgrade = 0;
	return HPE_PAUSED;
}

static int on_body(llhttp_t *parser, const char *at, size_t n)
{
	struct http1 *h = of(parser);

	h->body_seen += n;
	if (h->body_seen > h->body_limit)
		return fail(h, 413, "the body is too long");
	buf_add(h->body, at, n);
	return 0;
}

static int on_chunk_extension(llhttp_t *parser, const char *at UNUSED, size_t n UNUSED)
{
	return fail(of(parser), 400, "chunk extensions are not accepted");
}

static int on_message_complete(llhttp_t *parser UNUSED)
{
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_header_value_complete = on_header_value_complete,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_chunk_extension_name = on_chunk_extension,
	.on_message_complete = on_message_complete,
};

void http1_init(struct http1 *h, uint32_t max_head)
{
	*h = (struct http1){ .max_head = max_head };
	llhttp_init(&h->parser, HTTP_REQUEST, &settings);
}

void http1_free(struct http1 *h)
{
	buf_free(&h->text);
	buf_free(&h->fields);
}

void http1_reset(struct http1 *h)
{
	http1_free(h);
	http1_init(h, h->max_head);
}

bool http1_started(const struct http1 *h)
{
	return h->head_bytes > 0;
}

/*
 * How many bytes at the front of `in` belong to the head; *complete: its blank line is
 * among them.  Looks at lines only, on purpose: whatever llhttp makes of a folded line or
 * a lone CR never matters.  0: refused.
 */
static size_t scan_head(struct http1 *h, struct slice in, bool *complete)
{
	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.ptr[i];

		if (++h->head_bytes > h->max_head) {
			refuse(h, h->lines == 0 ? 414 : 431,
			       h->lines == 0 ? "the request line is too long"
					     : "the headers are too long");
			return 0;
		}
		if ((c == '\n') != (h->last == '\r') || c == 0) {
			refuse(h, 400, "a line does not end in CR LF, or holds NUL");
			return 0;
		}
		h->last = c;
		if (c != '\n') {
			if (h->line_len++ == 0 && h->lines > 0 && (c == ' ' || c == '\t')) {
				refuse(h, 400, "a header line is folded");
				return 0;
			}
			continue;
		}
		if (h->line_len == 1 && h->lines > 0) {
			*complete = true;
			return i + 1;
		}
		/* Blank lines before the request line do not count (RFC 9112 2.2). */
		h->lines += h->line_len > 1;
		h->line_len = 0;
	}
	return in.len;
}

static bool one_chunked_only(const struct http1 *h)
{
	const struct field *f = (const struct field *)(const void *)h->fields.ptr;
	unsigned n = 0;

	for (size_t i = 0; i < h->fields.len / sizeof(*f); i++) {
		struct slice name = { h->text.ptr + f[i].name_at, f[i].name_len };
		struct slice value = { h->text.ptr + f[i].value_at, f[i].value_len };
		struct slice coding;

		if (!http_name_is(name, "Transfer-Encoding"))
			continue;
		while (http_list_next(&value, &coding)) {
			if (++n > 1 || !http_name_is(coding, "chunked"))
				return false;
		}
	}
	return n == 1;
}

static enum http1_event head_complete(struct http1 *h)
{
	llhttp_t *p = &h->parser;

	if (p->http_major != 1 || p->http_minor > 1) {
		refuse(h, 505, "HTTP/1.0 and HTTP/1.1 are spoken here");
		return HTTP1_ERROR;
	}
	h->old = p->http_minor == 0;
	h->content_length = p->flags & F_CONTENT_LENGTH ? p->content_length : 0;
	h->has_body = (p->flags & F_TRANSFER_ENCODING) || h->content_length > 0;
	h->keep_alive = llhttp_should_keep_alive(p);
	if ((p->flags & F_TRANSFER_ENCODING) && h->old) {
		refuse(h, 400, "Transfer-Encoding in HTTP/1.0");
		return HTTP1_ERROR;
	}
	if ((p->flags & F_TRANSFER_ENCODING) && (p->flags & F_CONTENT_LENGTH)) {
		refuse(h, 400, "both Transfer-Encoding and Content-Length");
		return HTTP1_ERROR;
	}
	if ((p->flags & F_TRANSFER_ENCODING) && !one_chunked_only(h)) {
		refuse(h, 501, "the only transfer coding is chunked");
		return HTTP1_ERROR;
	}
	h->in_body = true;
	return HTTP1_HEAD;
}

/* Lets llhttp read `n` bytes of *in; takes off what it consumed. */
static llhttp_errno_t run(struct http1 *h, struct slice *in, size_t n)
{
	const char *start = (const char *)in->ptr;
	llhttp_errno_t e = llhttp_execute(&h->parser, start, n);

	if (e == HPE_PAUSED) {
		n = (size_t)(llhttp_get_error_pos(&h->parser) - start);
		llhttp_resume(&h->parser);
	}
	if (e == HPE_OK || e == HPE_PAUSED)
		*in = SLICE_OF(in->ptr + n, in->len - n);
	else
		refuse(h, 400, "this is not HTTP/1.1");
	return e;
}

static enum http1_event feed_head(struct http1 *h, struct slice *in)
{
	bool complete = false;
	size_t n = scan_head(h, *in, &complete);
	llhttp_errno_t e;

	if (n == 0)
		return HTTP1_ERROR;
	e = run(h, in, n);
	/* Both readers of the head must see its end at the same byte. */
	if (e != (complete ? HPE_PAUSED : HPE_OK)) {
		refuse(h, 400, "this is not HTTP/1.1");
		return HTTP1_ERROR;
	}
	return complete ? head_complete(h) : HTTP1_MORE;
}

enum http1_event http1_feed(struct http1 *h, struct slice *in)
{
	llhttp_errno_t e;

	if (h->status != 0)
		return HTTP1_ERROR;
	if (h->in_body && !h->has_body)
		return HTTP1_END;
	if (in->len == 0)
		return HTTP1_MORE;
	if (!h->in_body)
		return feed_head(h, in);
	assert(h->body);
	e = run(h, in, in->len);
	return e == HPE_OK ? HTTP1_MORE : e == HPE_PAUSED ? HTTP1_END : HTTP1_ERROR;
}

static bool known_method(uint8_t method, enum http_method *out)
{
	static const struct {
		uint8_t theirs;
		enum http_method ours;
	} methods[] = {
		{ HTTP_GET, METHOD_GET },         { HTTP_HEAD, METHOD_HEAD },
		{ HTTP_POST, METHOD_POST },       { HTTP_PUT, METHOD_PUT },
		{ HTTP_PATCH, METHOD_PATCH },     { HTTP_DELETE, METHOD_DELETE },
		{ HTTP_OPTIONS, METHOD_OPTIONS },
	};

	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		if (methods[i].theirs == method) {
			*out = methods[i].ours;
			return true;
		}
	}
	return false;
}

/* Splits "/path?query" or "http://host/path?query". */
static bool split_target(struct slice target, struct http_request *req)
{
	const uint8_t *q;

	if (target.len > 7 && memcmp(target.ptr, "http://", 7) == 0)
		target = SLICE_OF(target.ptr + 7, target.len - 7);
	else if (target.len > 8 && memcmp(target.ptr, "https://", 8) == 0)
		target = SLICE_OF(target.ptr + 8, target.len - 8);
	else if (target.len == 0 || (target.ptr[0] != '/' && target.ptr[0] != '*'))
		return false;
	if (target.ptr[0] != '/' && target.ptr[0] != '*') {
		const uint8_t *slash = memchr(target.ptr, '/', target.len);

		if (!slash)
			return false;
		target = SLICE_OF(slash, target.len - (size_t)(slash - target.ptr));
	}
	if (target.ptr[0] == '*' && (target.len > 1 || req->method != METHOD_OPTIONS))
		return false;
	q = memchr(target.ptr, '?', target.len);
	req->path = SLICE_OF(target.ptr, q ? (size_t)(q - target.ptr) : target.len);
	if (q)
		req->query = SLICE_OF(q + 1, target.len - req->path.len - 1);
	return true;
}

/* Letters, digits and what else a host, an IPv6 literal and a port are made of. */
static bool host_ok(struct slice host)
{
	for (size_t i = 0; i < host.len; i++) {
		uint8_t c = host.ptr[i];

		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		      memchr("-._~:[]%!$&'()*+;=", c, 18)))
			return false;
	}
	return host.len > 0;
}

static bool check_host(const struct http1 *h, const struct http_request *req)
{
	const struct slice *host = NULL;

	for (size_t i = 0; i < req->n_headers; i++) {
		if (!http_name_is(req->headers[i].name, "Host"))
			continue;
		if (host)
			return false;
		host = &req->headers[i].value;
	}
	return host ? host_ok(*host) : h->old;
}

static bool take_headers(struct http1 *h, struct slice text, struct http_request *req)
{
	const struct field *f = (const struct field *)(const void *)h->fields.ptr;
	size_t n = h->fields.len / sizeof(*f);
	struct http_header *headers = arena_new_array(req->mem, struct http_header, n);

	for (size_t i = 0; i < n; i++) {
		struct slice v = { text.ptr + f[i].value_at, f[i].value_len };

		while (v.len > 0 && (v.ptr[v.len - 1] == ' ' || v.ptr[v.len - 1] == '\t'))
			v.len--;
		headers[i].name = SLICE_OF(text.ptr + f[i].name_at, f[i].name_len);
		headers[i].value = v;
		if (headers[i].name.len == 0)
			return refuse(h, 400, "a header has no name");
	}
	req->headers = headers;
	req->n_headers = n;
	return true;
}

bool http1_take(struct http1 *h, struct http_request *req)
{
	struct slice text = arena_copy(req->mem, buf_slice(&h->text));
	bool named = take_headers(h, text, req);
	const struct slice *expect;

	buf_free(&h->text);
	buf_free(&h->fields);
	if (!named)
		return false;
	if (!known_method(h->parser.method, &req->method))
		return refuse(h, 501, "the method is not known here");
	if (!split_target(SLICE_OF(text.ptr, h->target_len), req))
		return refuse(h, 400, "the request target is not a path");
	if (!check_host(h, req))
		return refuse(h, 400, "exactly one valid Host header is required");
	if (!url_path_ok(req->path))
		return refuse(h, 400, "the path does not decode to clean UTF-8");
	expect = http_header_get(req, "Expect");
	if (expect && !http_name_is(*expect, "100-continue"))
		return refuse(h, 417, "the only expectation is 100-continue");
	h->expects_continue = expect && h->has_body && !h->old;
	return true;
}

bool http1_body_to(struct http1 *h, struct buf *body, uint64_t limit)
{
	h->body = body;
	h->body_limit = limit;
	return h->content_length <= limit || refuse(h, 413, "the body is too long");
}
