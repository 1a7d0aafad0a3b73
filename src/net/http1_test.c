#include "net/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAX_HEAD 400
#define MAX_BODY 20

/* Reads everything in steps of `step` bytes: "METHOD path?query [body];" for each request,
 * "CLOSE" where the connection would end, "!status" for a refusal, "..." if it wants more. */
static const char *story(struct arena *mem, struct slice in, size_t step)
{
	const char *told = "";
	struct http1 h;

	http1_init(&h, MAX_HEAD);
	for (;;) {
		__attribute__((cleanup(buf_free_at_scope_end))) struct buf body = { 0 };
		struct http_request req = { .mem = mem };
		enum http1_event e;

		for (;;) {
			struct slice piece = { in.ptr, in.len < step ? in.len : step };
			size_t n = piece.len;

			e = http1_feed(&h, &piece);
			in = SLICE_OF(in.ptr + n - piece.len, in.len - n + piece.len);
			if (e == HTTP1_HEAD &&
			    (!http1_take(&h, &req) || !http1_body_to(&h, &body, MAX_BODY)))
				e = HTTP1_ERROR;
			if (e == HTTP1_ERROR || e == HTTP1_END || (e == HTTP1_MORE && in.len == 0))
				break;
		}
		if (e == HTTP1_ERROR) {
			told = arena_printf(mem, "%s!%u", told, h.status);
			assert_true(h.status >= 400 && h.why);
			break;
		}
		if (e == HTTP1_MORE) {
			told = http1_started(&h) ? arena_printf(mem, "%s...", told) : told;
			break;
		}
		told = arena_printf(mem, "%s%s %.*s?%.*s [%.*s]%s;", told,
				    http_method_name(req.method), SLICE_FMT(req.path),
				    SLICE_FMT(req.query), SLICE_FMT(buf_slice(&body)),
				    h.keep_alive ? "" : "CLOSE");
		if (!h.keep_alive)
			break;
		http1_reset(&h);
	}
	http1_free(&h);
	return told;
}

#define H "Host: a\r\n"

static const struct {
	const char *name, *in, *story;
} cases[] = {
	{ "plain", "GET /p?q=1 HTTP/1.1\r\n" H "\r\n", "GET /p?q=1 [];" },
	{ "two in a row", "GET /1 HTTP/1.1\r\n" H "\r\nGET /2 HTTP/1.1\r\n" H "\r\n",
	  "GET /1? [];GET /2? [];" },
	{ "blank lines before", "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", "GET /? [];" },
	{ "length",
	  "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n" H "\r\n",
	  "POST /? [abc];GET /? [];" },
	{ "no body", "POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", "POST /? [];" },
	{ "chunked",
	  "POST / HTTP/1.1\r\n" H
	  "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n"
	  "0\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n",
	  "POST /? [abc0123456789];GET /? [];" },
	{ "body with a folded look", "POST / HTTP/1.1\r\n" H "Content-Length: 6\r\n\r\na\n b\rc",
	  "POST /? [a\n b\rc];" },
	{ "absolute target", "GET http://a:80/p?q HTTP/1.1\r\n" H "\r\n", "GET /p?q [];" },
	{ "options of all", "OPTIONS * HTTP/1.1\r\n" H "\r\n", "OPTIONS *? [];" },
	{ "old", "GET / HTTP/1.0\r\n\r\n", "GET /? []CLOSE;" },
	{ "old, kept alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET /? [];" },
	{ "close", "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\nGET /2", "GET /? []CLOSE;" },
	{ "close among others", "GET / HTTP/1.1\r\n" H "Connection: x, Close\r\n\r\n",
	  "GET /? []CLOSE;" },
	{ "upgrade is ignored",
	  "GET / HTTP/1.1\r\n" H "Connection: upgrade\r\nUpgrade: h2c\r\n\r\nGET /2 HTTP/1.1\r\n" H
	  "\r\n",
	  "GET /? [];GET /2? [];" },
	{ "IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "GET /? [];" },
	{ "cut head", "GET / HTTP/1.1\r\nHos", "..." },
	{ "cut body", "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nab", "..." },
	{ "expectation", "GET / HTTP/1.1\r\n" H "Expect: 100-continue\r\n\r\n", "GET /? [];" },

	{ "no host", "GET / HTTP/1.1\r\n\r\n", "!400" },
	{ "empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "!400" },
	{ "two hosts", "GET / HTTP/1.1\r\n" H "host: b\r\n\r\n", "!400" },
	{ "two hosts, old", "GET / HTTP/1.0\r\n" H "host: b\r\n\r\n", "!400" },
	{ "host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "!400" },
	{ "host list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "!400" },
	{ "folded header", "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", "!400" },
	{ "folded length", "POST / HTTP/1.1\r\n" H "X: a\r\n Content-Length: 5\r\n\r\nabcde",
	  "!400" },
	{ "folded first header", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "!400" },
	{ "tab-folded", "GET / HTTP/1.1\r\n" H "X: a\r\n\tb\r\n\r\n", "!400" },
	{ "lone LF", "GET / HTTP/1.1\n" H "\r\n", "!400" },
	{ "lone LF in headers", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", "!400" },
	{ "lone LF at the end", "GET / HTTP/1.1\r\n" H "\n", "!400" },
	{ "lone CR in a value", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", "!400" },
	{ "CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", "!400" },
	{ "CR X as the end", "GET / HTTP/1.1\r\n" H "\rX", "!400" },
	{ "space before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "!400" },
	{ "no colon", "GET / HTTP/1.1\r\n" H "X\r\n\r\n", "!400" },
	{ "empty name", "GET / HTTP/1.1\r\n" H ": x\r\n\r\n", "!400" },
	{ "empty name first", "GET / HTTP/1.1\r\n: x\r\n" H "\r\n", "!400" },
	{ "both lengths",
	  "POST / HTTP/1.1\r\n" H
	  "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	  "!400" },
	{ "both lengths, other order",
	  "POST / HTTP/1.1\r\n" H
	  "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
	  "!400" },
	{ "two lengths",
	  "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "!400" },
	{ "the same length twice",
	  "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "!400" },
	{ "list of lengths", "POST / HTTP/1.1\r\n" H "Content-Length: 3, 3\r\n\r\nabc", "!400" },
	{ "signed length", "POST / HTTP/1.1\r\n" H "Content-Length: +3\r\n\r\nabc", "!400" },
	{ "negative length", "POST / HTTP/1.1\r\n" H "Content-Length: -3\r\n\r\nabc", "!400" },
	{ "hex length", "POST / HTTP/1.1\r\n" H "Content-Length: 0x3\r\n\r\nabc", "!400" },
	{ "length in words", "POST / HTTP/1.1\r\n" H "Content-Length: 3 4\r\n\r\nabc", "!400" },
	{ "empty length", "POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", "!400" },
	{ "huge length", "POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n",
	  "!400" },
	{ "unknown coding", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n", "!501" },
	{ "two codings",
	  "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "!501" },
	{ "chunked twice",
	  "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "!400" },
	{ "chunked in two lines",
	  "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
	  "0\r\n\r\n",
	  "!400" },
	{ "chunked not last",
	  "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "!400" },
	{ "nearly chunked", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
	  "!501" },
	{ "chunked with a quote",
	  "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", "!501" },
	{ "chunked in old", "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	  "!400" },
	{ "chunk extension",
	  "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n",
	  "!400" },
	{ "chunk extension, last",
	  "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0;a\r\n\r\n", "!400" },
	{ "chunk size with space",
	  "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
	  "!400" },
	{ "chunk size 0x3",
	  "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
	  "!400" },
	{ "chunk size +3",
	  "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
	  "!400" },
	{ "chunk size too large",
	  "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n",
	  "!400" },
	{ "chunk longer than said",
	  "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
	  "!400" },
	{ "chunk ends in LF",
	  "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", "!400" },
	{ "chunk data ends in LF",
	  "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n", "!400" },
	{ "trailer",
	  "POST / HTTP/1.1\r\n" H
	  "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n",
	  "!400" },
	{ "body beyond the limit",
	  "POST / HTTP/1.1\r\n" H "Content-Length: 21\r\n\r\n012345678901234567890", "!413" },
	{ "chunks beyond the limit",
	  "POST / HTTP/1.1\r\n" H
	  "Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\nB\r\n01234567890\r\n0\r\n\r\n",
	  "!413" },
	{ "HTTP/0.9", "GET /\r\n\r\n", "!505" },
	{ "HTTP/0.9 by name", "GET / HTTP/0.9\r\n\r\n", "!505" },
	{ "HTTP/1.2", "GET / HTTP/1.2\r\n" H "\r\n", "!400" },
	{ "HTTP/2.0", "GET / HTTP/2.0\r\n" H "\r\n", "!505" },
	{ "http/1.1", "GET / http/1.1\r\n" H "\r\n", "!400" },
	{ "no method", " / HTTP/1.1\r\n" H "\r\n", "!400" },
	{ "unknown method", "BREW / HTTP/1.1\r\n" H "\r\n", "!400" },
	{ "method of others", "PROPFIND / HTTP/1.1\r\n" H "\r\n", "!501" },
	{ "trace", "TRACE / HTTP/1.1\r\n" H "\r\n", "!501" },
	{ "connect", "CONNECT a:443 HTTP/1.1\r\n" H "\r\n", "!501" },
	{ "star without options", "GET * HTTP/1.1\r\n" H "\r\n", "!400" },
	{ "target without slash", "GET p HTTP/1.1\r\n" H "\r\n", "!400" },
	{ "absolute target without path", "GET http://a HTTP/1.1\r\n" H "\r\n", "!400" },
	{ "space in target", "GET /a b HTTP/1.1\r\n" H "\r\n", "!400" },
	{ "bad escape", "GET /a%zz HTTP/1.1\r\n" H "\r\n", "!400" },
	{ "escaped NUL", "GET /a%00 HTTP/1.1\r\n" H "\r\n", "!400" },
	{ "bad UTF-8", "GET /%ff HTTP/1.1\r\n" H "\r\n", "!400" },
	{ "raw high byte", "GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n", "!400" },
	{ "other expectation", "GET / HTTP/1.1\r\n" H "Expect: x\r\n\r\n", "!417" },
	{ "TLS", "\x16\x03\x01\x02\x01\x01\x01\xfc", "!400" },
};

static void requests_are_read_alike_however_they_are_cut(void **state UNUSED)
{
	unsigned bad = 0;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t steps[] = { SIZE_MAX, 1, 2, 7 };

		for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
			CLEANUP(arena_free) struct arena *mem = arena_new();
			const char *told = story(mem, slice_str(cases[i].in), steps[k]);

			if (strcmp(told, cases[i].story) != 0) {
				print_error("%s, in steps of %zu: %s, not %s\n", cases[i].name,
					    steps[k], told, cases[i].story);
				bad++;
			}
		}
	}
	assert_int_equal(bad, 0);
}

static void a_nul_in_the_head_is_refused(void **state UNUSED)
{
	static const char in[] = "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n";
	CLEANUP(arena_free) struct arena *mem = arena_new();

	assert_string_equal(story(mem, SLICE_OF(in, sizeof(in) - 1), SIZE_MAX), "!400");
}

static void a_head_is_bounded(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	char in[MAX_HEAD + 200];
	int n;

	/* Exactly the limit. */
	n = snprintf(in, sizeof(in), "GET / HTTP/1.1\r\nHost: a\r\nX: %0*d\r\n\r\n", MAX_HEAD - 32,
		     0);
	assert_int_equal(n, MAX_HEAD);
	assert_string_equal(story(mem, SLICE_OF(in, (size_t)n), SIZE_MAX), "GET /? [];");
	n = snprintf(in, sizeof(in), "GET / HTTP/1.1\r\nHost: a\r\nX: %0*d\r\n\r\n", MAX_HEAD - 31,
		     0);
	assert_string_equal(story(mem, SLICE_OF(in, (size_t)n), SIZE_MAX), "!431");
	n = snprintf(in, sizeof(in), "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", MAX_HEAD, 0);
	assert_string_equal(story(mem, SLICE_OF(in, (size_t)n), 3), "!414");
}

static void headers_are_counted(void **state UNUSED)
{
	__attribute__((cleanup(buf_free_at_scope_end))) struct buf in = { 0 };
	struct http1 h;
	struct slice rest;

	buf_add_str(&in, "GET / HTTP/1.1\r\n");
	for (int i = 0; i <= HTTP1_MAX_HEADERS; i++)
		buf_add_str(&in, "A:b\r\n");
	buf_add_str(&in, "\r\n");
	http1_init(&h, 16384);
	rest = buf_slice(&in);
	assert_int_equal(http1_feed(&h, &rest), HTTP1_ERROR);
	assert_int_equal(h.status, 431);
	http1_free(&h);
}

static void values_are_found_trimmed_and_split(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct http_request req = { .mem = mem };
	struct slice in =
		SLICE_LIT("GET / HTTP/1.1\r\nHost: a\r\nX-One: \t two words \t\r\nEmpty:\r\n"
			  "Accept: text/html , Application/JSON;q=1,,\r\naccept: NDJSON\r\n"
			  "\r\n");
	struct http1 h;

	http1_init(&h, 4096);
	assert_int_equal(http1_feed(&h, &in), HTTP1_HEAD);
	assert_true(http1_take(&h, &req));
	assert_true(slice_eq_str(*http_header_get(&req, "x-one"), "two words"));
	assert_int_equal(http_header_get(&req, "EMPTY")->len, 0);
	assert_null(http_header_get(&req, "X-On"));
	assert_true(http_header_has_token(&req, "Accept", "application/json;q=1"));
	assert_true(http_header_has_token(&req, "Accept", "ndjson"));
	assert_false(http_header_has_token(&req, "Accept", "text"));
	http1_free(&h);
}

static void a_response_header_cannot_hold_a_second_one(void **state UNUSED)
{
	struct http_response res = { 0 };

	http_response_header(&res, "Location", SLICE_OF("/a\r\nSet-Cookie: x\0\x7f\t", 20));
	assert_true(slice_eq(buf_slice(&res.headers),
			     SLICE_LIT("Location: /a??Set-Cookie: x??\t\r\n")));
	http_response_clear(&res);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_read_alike_however_they_are_cut),
		cmocka_unit_test(a_nul_in_the_head_is_refused),
		cmocka_unit_test(a_head_is_bounded),
		cmocka_unit_test(headers_are_counted),
		cmocka_unit_test(values_are_found_trimmed_and_split),
		cmocka_unit_test(a_response_header_cannot_hold_a_second_one),
	};
	return cmocka_run_group_tests_name("net/http1", tests, NULL, NULL);
}
