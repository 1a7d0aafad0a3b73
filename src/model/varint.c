#include "model/varint.h"

#include <assert.h>

bool varint_take(struct slice *bytes, uint64_t *out, struct err *err)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes->len; i++) {
		uint8_t byte = bytes->ptr[i];

		if (i == VARINT_MAX)
			return err_set(err, ERR_INVALID, "varint is longer than %d bytes",
				       VARINT_MAX);
		value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte & 0x80)
			continue;
		if (byte == 0 && i > 0)
			return err_set(err, ERR_INVALID, "varint has more bytes than it needs");
		*bytes = SLICE_OF(bytes->ptr + i + 1, bytes->len - i - 1);
		*out = value;
		return true;
	}
	return err_set(err, ERR_INVALID, "varint ends early");
}

size_t varint_put(uint64_t value, uint8_t out[VARINT_MAX])
{
	size_t n = 0;

	assert(value <= VARINT_VALUE_MAX);
	for (; value >= 0x80; value >>= 7)
		out[n++] = (uint8_t)(value | 0x80);
	out[n++] = (uint8_t)value;
	return n;
}
