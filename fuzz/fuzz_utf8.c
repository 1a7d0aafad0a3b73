#include "fuzz_target.h"
#include "model/utf8.h"

/* Decodes what was accepted: each code point is one of Unicode. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t points, n = 0, at = 0;
	struct err err;

	if (!utf8_check(SLICE_OF(data, size), &points, &err))
		return 0;
	for (; at < size; n++) {
		int more = data[at] < 0x80 ? 0 : data[at] < 0xe0 ? 1 : data[at] < 0xf0 ? 2 : 3;
		uint32_t point = more == 0 ? data[at] : data[at] & (0x3fU >> more);

		for (at++; more > 0; more--)
			point = point << 6 | (data[at++] & 0x3f);
		assert(point > 0 && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff));
	}
	assert(at == size && n == points);
	return 0;
}
