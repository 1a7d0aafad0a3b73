#include "fuzz_target.h"

#include <stdlib.h>

#include "net/http1.h"
#include "net/url.h"

/* What was read of all requests, as one text. */
static void read_all(struct slice in, size_t step, struct buf *told)
{
	struct http1 h;

	http1_init(&h, 2000);
	for (;;) {
		CLEANUP(arena_free) struct arena *mem = arena_new();
		__attribute__((cleanup(buf_free_at_scope_end))) struct buf body = { 0 };
		struct http_request req = { .mem = mem };
		enum http1_event e;

		do {
			struct slice piece = { in.ptr, in.len < step ? in.len : step };
			size_t n = piece.len;

			e = http1_feed(&h, &piece);
			assert(piece.len <= n);
			in = SLICE_OF(in.ptr + n - piece.len, in.len - n + piece.len);
			if (e == HTTP1_HEAD &&
			    (!http1_take(&h, &req) || !http1_body_to(&h, &body, 1000)))
				e = HTTP1_ERROR;
		} while (e == HTTP1_HEAD || (e == HTTP1_MORE && in.len > 0));
		if (e == HTTP1_ERROR)
			buf_add_byte(told, '!'); /* which of two faults is seen first may differ */
		if (e != HTTP1_END)
			break;
		assert(url_path_ok(req.path) && req.path.len > 0);
		assert(body.len <= 1000);
		assert(h.old || http_header_get(&req, "Host"));
		buf_add_str(told, http_method_name(req.method));
		buf_add_slice(told, req.path);
		for (size_t i = 0; i < req.n_headers; i++) {
			assert(req.headers[i].name.len > 0);
			assert(!memchr(req.headers[i].name.ptr, '\r', req.headers[i].name.len));
			buf_add_slice(told, req.headers[i].name);
			buf_add_slice(told, req.headers[i].value);
		}
		buf_add_slice(told, buf_slice(&body));
		if (!h.keep_alive)
			break;
		http1_reset(&h);
	}
	http1_free(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	__attribute__((cleanup(buf_free_at_scope_end))) struct buf whole = { 0 }, bytes = { 0 };

	/* Where the network cuts the bytes must not matter. */
	read_all(SLICE_OF(data, size), SIZE_MAX, &whole);
	read_all(SLICE_OF(data, size), 1, &bytes);
	assert(slice_eq(buf_slice(&whole), buf_slice(&bytes)));
	return 0;
}
