#include <string.h>

#include "fuzz_target.h"
#include "role/worker/dnsaddr.h"

#define FOUND_MAX 4

/* The first byte tells how long the suffix is, which comes next; the rest is a name server's
 * answer.  What is found ends in the suffix, and can be decoded. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice suffix = { 0 };
	struct multiaddr found[FOUND_MAX], again;
	struct err err;
	size_t n;

	if (size == 0 || data[0] > size - 1)
		return 0;
	suffix = SLICE_OF(data + 1, data[0]);
	n = dnsaddr_read(SLICE_OF(data + 1 + suffix.len, size - 1 - suffix.len), suffix, found,
			 FOUND_MAX);
	assert(n <= FOUND_MAX);
	for (size_t i = 0; i < n; i++) {
		const struct multiaddr *a = &found[i];

		assert(a->len > suffix.len);
		assert(memcmp(a->bytes + a->len - suffix.len, suffix.ptr, suffix.len) == 0);
		if (!multiaddr_decode(SLICE_OF(a->bytes, a->len), &again, &err))
			assert(!"what was read can be decoded");
	}
	return 0;
}
