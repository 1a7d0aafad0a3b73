/* Header values that are lists: If-Match, Accept, Connection, Transfer-Encoding. */
#include "fuzz_target.h"

#include "base/buf.h"
#include "net/http.h"

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static void check_element(struct slice value, struct slice element)
{
	assert(element.len > 0 && element.ptr >= value.ptr);
	assert(element.ptr + element.len <= value.ptr + value.len);
	assert(!is_blank(element.ptr[0]) && !is_blank(element.ptr[element.len - 1]));
	assert(!memchr(element.ptr, ',', element.len));
}

/* The elements of the value, written as a list anew, are the same elements. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_header header = { SLICE_LIT("if-match"), SLICE_OF(data, size) };
	struct http_request req = { .headers = &header, .n_headers = 1 };
	CLEANUP(buf_free) struct buf list = { 0 };
	struct slice rest = header.value, element, again, after;

	while (http_list_next(&rest, &element)) {
		check_element(header.value, element);
		buf_add_slice(&list, element);
		buf_add_str(&list, " ,\t,");
	}
	assert(rest.len == 0);
	rest = header.value;
	after = buf_slice(&list);
	while (http_list_next(&after, &again)) {
		if (!http_list_next(&rest, &element))
			assert(!"as many");
		assert(slice_eq(again, element));
	}
	assert(!http_list_next(&rest, &element));
	assert(!http_header_has_token(&req, "If-Match", "a,b"));
	assert(!http_header_has_token(&req, "Accept", "*"));
	return 0;
}
