#include "fuzz_target.h"
#include "model/duration.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[DURATION_TEXT_MAX];
	int64_t us, again;
	struct err err;

	if (size == sizeof(us)) {
		memcpy(&us, data, size);
		if (us < 0)
			return 0;
	} else if (!duration_parse(SLICE_OF(data, size), &us, &err)) {
		return 0;
	}
	duration_text(us, text);
	if (!duration_parse(slice_str(text), &again, &err))
		assert(!"what was written can be read");
	assert(again == us);
	return 0;
}
