/*
 * ulid.h -- ids that sort by the time they were made.
 *
 *	| 48 bits ms since 1970 | 10 bits us | 10 bits instance | 60 random bits |   big-endian
 *
 * Byte order is time order.  The layout is a valid ULID
 * (https://github.com/ulid/spec), whose last 80 bits are free: ours hold the
 * microseconds within the millisecond and the number of the instance that made
 * it, so two instances never make the same one.  Text: 26 characters of
 * Crockford's base32, the first at most '7'.  Pure.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#define ULID_TEXT_LEN     26
#define ULID_TEXT_MAX     (ULID_TEXT_LEN + 1) /* with a NUL */
#define ULID_MS_MAX       ((INT64_C(1) << 48) - 1)
#define ULID_INSTANCE_MAX 1023

struct ulid {
	uint8_t bytes[16];
};

/* `ms` in 0..ULID_MS_MAX, `us_in_ms` in 0..999, `instance` in
 * 0..ULID_INSTANCE_MAX; the top 4 of the random bits are not used. */
struct ulid ulid_make(int64_t ms, unsigned us_in_ms, unsigned instance, const uint8_t random[8]);

/* Either case; I, L, O and U are refused, not read as digits.  ERR_INVALID. */
bool ulid_parse(struct slice text, struct ulid *out, struct err *err);

/* Upper case, with a NUL. */
void ulid_text(const struct ulid *ulid, char out[ULID_TEXT_MAX]);

int64_t ulid_ms(const struct ulid *ulid);
/* Microseconds since 1970.  Of an id that was not made here the part below the
 * millisecond may be as large as 1023. */
int64_t ulid_us(const struct ulid *ulid);
unsigned ulid_instance(const struct ulid *ulid);

static inline int ulid_cmp(const struct ulid *a, const struct ulid *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}
