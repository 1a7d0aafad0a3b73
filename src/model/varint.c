#include "model/varint.h"

#include <assert.h>

#include "base/leb128.h"

bool varint_take(struct slice *bytes, uint64_t *out, struct err *err)
{
	struct slice rest = *bytes;
	uint64_t value;
	size_t n = leb128_take(&rest, VARINT_MAX, &value);

	if (n == 0 && bytes->len > VARINT_MAX)
		return err_set(err, ERR_INVALID, "varint is longer than %d bytes", VARINT_MAX);
	if (n == 0)
		return err_set(err, ERR_INVALID, "varint ends early");
	if (leb128_is_long(value, n))
		return err_set(err, ERR_INVALID, "varint has more bytes than it needs");
	*bytes = rest;
	*out = value;
	return true;
}

size_t varint_put(uint64_t value, uint8_t out[VARINT_MAX])
{
	assert(value <= VARINT_VALUE_MAX);
	return (size_t)(leb128_put(out, value) - out);
}
