#include "fuzz_target.h"
#include "model/varint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = SLICE_OF(data, size);
	uint8_t again[VARINT_MAX];
	uint64_t value;
	struct err err;

	if (!varint_take(&rest, &value, &err))
		return 0;
	assert(varint_put(value, again) == size - rest.len);
	assert(memcmp(again, data, size - rest.len) == 0);
	return 0;
}
