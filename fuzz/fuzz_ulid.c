#include "fuzz_target.h"
#include "model/ulid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[ULID_TEXT_MAX];
	struct ulid ulid, again;
	struct err err;

	if (size == sizeof(ulid.bytes)) {
		memcpy(ulid.bytes, data, size);
		ulid_text(&ulid, text);
		if (!ulid_parse(slice_str(text), &again, &err))
			assert(!"every id has a text");
		assert(ulid_cmp(&ulid, &again) == 0);
	}
	if (!ulid_parse(SLICE_OF(data, size), &ulid, &err))
		return 0;
	ulid_text(&ulid, text);
	for (size_t i = 0; i < size; i++)
		assert(text[i] == (data[i] >= 'a' ? data[i] - 'a' + 'A' : data[i]));
	return 0;
}
