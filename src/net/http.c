#include "net/http.h"

#include <arpa/inet.h>
#include <strings.h>

const char *http_method_name(enum http_method method)
{
	static const char *const names[] = {
		[METHOD_GET] = "GET",         [METHOD_HEAD] = "HEAD",   [METHOD_POST] = "POST",
		[METHOD_PUT] = "PUT",         [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE",
		[METHOD_OPTIONS] = "OPTIONS",
	};

	return names[method];
}

static bool is_ipv4(const struct http_peer *peer)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(peer->ip, mapped, sizeof(mapped)) == 0;
}

bool http_peer_is_loopback(const struct http_peer *peer)
{
	static const uint8_t one[16] = { [15] = 1 };

	return is_ipv4(peer) ? peer->ip[12] == 127 : memcmp(peer->ip, one, sizeof(one)) == 0;
}

const char *http_peer_text(const struct http_peer *peer, char out[HTTP_PEER_TEXT])
{
	if (is_ipv4(peer))
		inet_ntop(AF_INET, peer->ip + 12, out, HTTP_PEER_TEXT);
	else
		inet_ntop(AF_INET6, peer->ip, out, HTTP_PEER_TEXT);
	return out;
}

bool http_name_is(struct slice name, const char *other)
{
	return name.len == strlen(other) &&
	       (name.len == 0 || strncasecmp((const char *)name.ptr, other, name.len) == 0);
}

const struct slice *http_header_get(const struct http_request *req, const char *name)
{
	for (size_t i = 0; i < req->n_headers; i++) {
		if (http_name_is(req->headers[i].name, name))
			return &req->headers[i].value;
	}
	return NULL;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

bool http_list_next(struct slice *rest, struct slice *element)
{
	while (rest->len > 0) {
		const uint8_t *comma = memchr(rest->ptr, ',', rest->len);
		size_t n = comma ? (size_t)(comma - rest->ptr) : rest->len;
		struct slice e = { rest->ptr, n };

		rest->ptr += comma ? n + 1 : n;
		rest->len -= comma ? n + 1 : n;
		while (e.len > 0 && is_blank(e.ptr[0])) {
			e.ptr++;
			e.len--;
		}
		while (e.len > 0 && is_blank(e.ptr[e.len - 1]))
			e.len--;
		if (e.len > 0) {
			*element = e;
			return true;
		}
	}
	return false;
}

bool http_header_has_token(const struct http_request *req, const char *name, const char *token)
{
	for (size_t i = 0; i < req->n_headers; i++) {
		struct slice rest = req->headers[i].value, e;

		if (!http_name_is(req->headers[i].name, name))
			continue;
		while (http_list_next(&rest, &e)) {
			if (http_name_is(e, token))
				return true;
		}
	}
	return false;
}

void http_response_header(struct http_response *res, const char *name, struct slice value)
{
	uint8_t *p;

	buf_add_str(&res->headers, name);
	buf_add(&res->headers, ": ", 2);
	p = buf_reserve(&res->headers, value.len + 2);
	for (size_t i = 0; i < value.len; i++)
		p[i] = (value.ptr[i] < ' ' && value.ptr[i] != '\t') || value.ptr[i] == 0x7f
			       ? '?'
			       : value.ptr[i];
	res->headers.len += value.len;
	buf_add(&res->headers, "\r\n", 2);
}

void http_response_clear(struct http_response *res)
{
	res->status = 0;
	res->content_type = NULL;
	buf_free(&res->body);
	buf_free(&res->headers);
}

const char *http_status_text(unsigned status)
{
	static const struct {
		unsigned status;
		const char *text;
	} texts[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 303, "See Other" },
		{ 304, "Not Modified" },
		{ 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 402, "Payment Required" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 406, "Not Acceptable" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 411, "Length Required" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 416, "Range Not Satisfiable" },
		{ 417, "Expectation Failed" },
		{ 421, "Misdirected Request" },
		{ 422, "Unprocessable Content" },
		{ 428, "Precondition Required" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 451, "Unavailable For Legal Reasons" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
		{ 507, "Insufficient Storage" },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].status == status)
			return texts[i].text;
	}
	return "Unknown";
}
