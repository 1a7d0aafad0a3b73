/*
 * varint.h -- the unsigned varint of multiformats.
 *
 * Seven bits a byte, the lowest first, the top bit set on all but the last
 * byte (https://github.com/multiformats/unsigned-varint).  Every number has
 * exactly one form: at most 9 bytes (63 bits), and no zero byte at the end of
 * a longer form.  Other forms are refused, or one CID could be written in two
 * ways.  Pure.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#define VARINT_MAX       9                /* bytes */
#define VARINT_VALUE_MAX (UINT64_MAX / 2) /* 2^63 - 1 */

/* Takes one number from the front of *bytes.  ERR_INVALID if it ends early, is
 * longer than VARINT_MAX or is not minimal; then *bytes stays as it was. */
bool varint_take(struct slice *bytes, uint64_t *out, struct err *err);

/* Writes `value` (at most VARINT_VALUE_MAX) and returns how many bytes it took. */
size_t varint_put(uint64_t value, uint8_t out[VARINT_MAX]);
