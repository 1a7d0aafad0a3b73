#include "fuzz_target.h"
#include "model/multibase.h"

/* The same bytes as text and as bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bytes[MULTIBASE_BYTES_MAX];
	char text[MULTIBASE_TEXT_MAX];
	struct err err;
	size_t len, n;

	if (multibase_decode(SLICE_OF(data, size), bytes, &len, &err)) {
		n = multibase_encode((char)data[0], SLICE_OF(bytes, len), text);
		assert(n == size && memcmp(text, data, n) == 0);
	}
	if (size == 0 || size > MULTIBASE_BYTES_MAX || !multibase_known((char)data[0]))
		return 0;
	n = multibase_encode((char)data[0], SLICE_OF(data + 1, size - 1), text);
	if (!multibase_decode(SLICE_OF(text, n), bytes, &len, &err))
		assert(!"what was encoded can be decoded");
	assert(len == size - 1 && memcmp(bytes, data + 1, len) == 0);
	return 0;
}
