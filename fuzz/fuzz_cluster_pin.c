/* What is accepted is said again as it was, and becomes facts or is refused with a reason. */
#include "fuzz_target.h"
#include "model/cluster_pin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	CLEANUP(buf_free) struct buf once = { 0 }, twice = { 0 };
	struct fact create = { .kind = FACT_CREATE, .pin_proto = SLICE_OF(data, size) };
	struct fact revision = { .kind = FACT_REVISION };
	struct cluster_pin pin, again;
	struct err err;

	if (!cluster_pin_decode(SLICE_OF(data, size), mem, &pin, &err)) {
		assert(err.code == ERR_INVALID);
		return 0;
	}
	cluster_pin_encode(&pin, &once);
	if (!cluster_pin_decode(buf_slice(&once), mem, &again, &err))
		assert(!"what was encoded can be read");
	cluster_pin_encode(&again, &twice);
	assert(slice_eq(buf_slice(&once), buf_slice(&twice)));
	if (cluster_pin_facts(&pin, mem, &create, &revision, &err)) {
		struct request r = { .life = REQUEST_LIVE,
				     .create = &create,
				     .revision = &revision };

		create.cid = pin.cid;
		if (size > 0)
			assert(slice_eq(cluster_pin_bytes(&r, mem), create.pin_proto));
	} else {
		assert(err.code == ERR_INVALID);
	}
	return 0;
}
