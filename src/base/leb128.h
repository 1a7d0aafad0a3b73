/*
 * leb128.h -- numbers of seven bits a byte, the lowest first, the top bit set on all but the last
 * (https://en.wikipedia.org/wiki/LEB128, unsigned).
 *
 * What varints of multiformats, lengths in the store and RocksDB's files share; how long a form may
 * be, and whether it must be the shortest, is theirs.  Pure.
 */
#pragma once

#include "base/slice.h"

#define LEB128_MAX 10 /* bytes of 64 bits */

/* Bytes of the shortest form. */
static inline size_t leb128_len(uint64_t value)
{
	size_t n = 1;

	for (; value >= 0x80; value >>= 7)
		n++;
	return n;
}

/* Writes the shortest form to `p` and returns what lies behind it. */
static inline uint8_t *leb128_put(uint8_t *p, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*p++ = (uint8_t)(value | 0x80);
	*p++ = (uint8_t)value;
	return p;
}

/* Takes one number from the front of *in and returns how many bytes it had: at most `max`, which is
 * at most LEB128_MAX.  0: it ends early or is longer, and nothing was taken. */
static inline size_t leb128_take(struct slice *in, size_t max, uint64_t *out)
{
	uint64_t value = 0;

	for (size_t i = 0; i < in->len && i < max; i++) {
		value |= (uint64_t)(in->ptr[i] & 0x7f) << (7 * i);
		if (in->ptr[i] & 0x80)
			continue;
		*in = SLICE_OF(in->ptr + i + 1, in->len - i - 1);
		*out = value;
		return i + 1;
	}
	return 0;
}

/* Whether a number that had `n` bytes could have had fewer. */
static inline bool leb128_is_long(uint64_t value, size_t n)
{
	return n > 1 && value >> (7 * (n - 1)) == 0;
}
