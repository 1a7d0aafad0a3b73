/* hex_test.h -- bytes of test tables, written as hex.  For tests alone. */
#pragma once

#include <assert.h>
#include <stdlib.h>

#include "base/slice.h"

struct hex_bytes {
	size_t len;
	uint8_t bytes[512];
};

static inline struct hex_bytes hex(const char *text)
{
	struct hex_bytes h = { .len = strlen(text) / 2 };

	assert(strlen(text) % 2 == 0 && h.len <= sizeof(h.bytes));
	for (size_t i = 0; i < h.len; i++) {
		char pair[3] = { text[2 * i], text[2 * i + 1], '\0' };

		h.bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return h;
}

#define HEX_SLICE(h) SLICE_OF((h).bytes, (h).len)
