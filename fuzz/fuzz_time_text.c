#include "fuzz_target.h"
#include "model/time_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[TIME_TEXT_MAX];
	int64_t us, again;
	struct err err;

	if (size == sizeof(us)) {
		memcpy(&us, data, size);
		if (us < TIME_TEXT_MIN || us >= TIME_TEXT_END)
			return 0;
	} else if (!time_text_parse(SLICE_OF(data, size), &us, &err)) {
		return 0;
	}
	time_text_us(us, text);
	if (!time_text_parse(slice_str(text), &again, &err))
		assert(!"what was written can be read");
	assert(again == us);
	time_text_ms(us, text);
	if (!time_text_parse(slice_str(text), &again, &err))
		assert(!"what was written can be read");
	assert(again <= us && us - again < 1000);
	return 0;
}
