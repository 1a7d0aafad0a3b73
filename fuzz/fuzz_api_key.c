/* API keys as clients send them. */
#include "fuzz_target.h"

#include "auth/api_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice id, secret;

	if (!api_key_parse(SLICE_OF(data, size), &id, &secret))
		return 0;
	assert(size == API_KEY_TEXT_LEN);
	assert(id.ptr > data && id.ptr + id.len < secret.ptr);
	assert(secret.ptr + secret.len < data + size);
	return 0;
}
