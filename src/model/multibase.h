/*
 * multibase.h -- bytes as text in one of the bases CIDs are written in.
 *
 *	f F  base16       b B  base32 (RFC 4648, no padding)   v V  base32hex
 *	k K  base36       z    base58btc                       m u  base64, base64url
 *
 * The upper-case letter is the upper-case alphabet (u is the URL alphabet).
 * Decoding is strict: letters of the other case, padding, white space, bits
 * left over that are not zero and digits that add nothing are refused, so
 * encoding what was decoded gives the same text again.  Length is bounded,
 * because base58 and base36 take quadratic time.  Pure.
 *
 * Source: https://github.com/multiformats/multibase (codes), RFC 4648.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#define MULTIBASE_BYTES_MAX  256
#define MULTIBASE_DIGITS_MAX (2 * MULTIBASE_BYTES_MAX)
#define MULTIBASE_TEXT_MAX   (1 + MULTIBASE_DIGITS_MAX + 1) /* with the base and a NUL */

/* True if `base` is one of the characters above. */
bool multibase_known(char base);

/* Decodes digits that stand without their base character.  ERR_INVALID if
 * `base` is unknown, the text is not canonical, or it or the result is too
 * long; `out` may be overwritten even then. */
bool multibase_decode_digits(char base, struct slice digits, uint8_t out[MULTIBASE_BYTES_MAX],
			     size_t *len, struct err *err);

/* The digits of at most MULTIBASE_BYTES_MAX `bytes`, with a NUL; returns their
 * number.  `base` is known. */
size_t multibase_encode_digits(char base, struct slice bytes, char out[MULTIBASE_DIGITS_MAX + 1]);

/* The same with the base character in front. */
bool multibase_decode(struct slice text, uint8_t out[MULTIBASE_BYTES_MAX], size_t *len,
		      struct err *err);
size_t multibase_encode(char base, struct slice bytes, char out[MULTIBASE_TEXT_MAX]);
