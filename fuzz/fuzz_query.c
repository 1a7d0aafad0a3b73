/* Query strings of the listings. */
#include "fuzz_target.h"

#include "role/api/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();

	for (int kind = QUERY_PSA; kind <= QUERY_PAGE; kind++) {
		struct err err = { 0 };
		struct slice wait;
		struct query q;

		if (query_read(SLICE_OF(data, size), (enum query_kind)kind, mem, &q, &err)) {
			assert(q.limit >= 1 && q.limit <= 1000);
			assert(q.filter.before >= 0 && q.filter.after >= 0);
			assert(q.filter.n_cids <= 100);
		} else {
			assert(err.code == ERR_INVALID && err.text[0]);
		}
		if (!query_one(SLICE_OF(data, size), "wait", mem, &wait, &err))
			assert(err.code == ERR_INVALID);
	}
	return 0;
}
