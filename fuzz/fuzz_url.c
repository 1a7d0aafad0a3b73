#include "fuzz_target.h"

#include "net/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct slice in = SLICE_OF(data, size), out = { 0 }, rest = in, name, value;
	struct err err;
	bool ok = url_decode(mem, in, &out, &err);

	assert((ok && url_text_ok(out)) == url_path_ok(in));
	assert(!ok || (out.len <= in.len && (out.len == 0 || !memchr(out.ptr, 0, out.len))));
	while (url_query_next(mem, &rest, &name, &value, &err) == URL_PARAM)
		assert(name.len + value.len <= size && rest.len < size);
	return 0;
}
