#include "model/duration.h"

#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "model/excerpt.h"

static const struct unit {
	const char *name;
	int64_t us;
} units[] = {
	{ "d", US_PER_DAY }, { "h", US_PER_H },   { "m", US_PER_MIN },
	{ "s", US_PER_S },   { "ms", US_PER_MS }, { "us", 1 },
};
#define UNITS (sizeof(units) / sizeof(units[0]))

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static size_t unit_find(struct slice name)
{
	size_t i = 0;

	while (i < UNITS && !slice_eq_str(name, units[i].name))
		i++;
	return i;
}

/* Takes a number without leading zeros, then the letters behind it. */
static const char *take_part(struct slice *rest, int64_t *count, struct slice *unit)
{
	size_t digits = 0, n;

	*count = 0;
	for (; digits < rest->len && is_digit(rest->ptr[digits]); digits++) {
		int digit = rest->ptr[digits] - '0';

		if (__builtin_mul_overflow(*count, 10, count) ||
		    __builtin_add_overflow(*count, digit, count))
			return "too long";
	}
	if (digits == 0)
		return "a whole number was expected";
	if (digits > 1 && rest->ptr[0] == '0')
		return "a number begins with 0";
	for (n = digits; n < rest->len && !is_digit(rest->ptr[n]);)
		n++;
	*unit = SLICE_OF(rest->ptr + digits, n - digits);
	*rest = SLICE_OF(rest->ptr + n, rest->len - n);
	return NULL;
}

static const char *parse(struct slice rest, int64_t *us)
{
	size_t next = 0; /* units before this one were used or passed */

	*us = 0;
	do {
		struct slice name;
		int64_t count;
		const char *wrong = take_part(&rest, &count, &name);
		size_t unit;

		if (wrong)
			return wrong;
		unit = unit_find(name);
		if (unit == UNITS)
			return "units are d, h, m, s, ms and us";
		if (unit < next)
			return "each unit may stand once, the largest first";
		next = unit + 1;
		if (__builtin_mul_overflow(count, units[unit].us, &count) ||
		    __builtin_add_overflow(*us, count, us))
			return "too long";
	} while (rest.len > 0);
	return NULL;
}

bool duration_parse(struct slice text, int64_t *us, struct err *err)
{
	int64_t result;
	const char *wrong = parse(text, &result);

	if (wrong)
		return err_set(err, ERR_INVALID, "duration \"%s\": %s; write it like 30s or 1h30m",
			       excerpt(text).text, wrong);
	*us = result;
	return true;
}

void duration_text(int64_t us, char out[DURATION_TEXT_MAX])
{
	size_t n = 0;

	assert(us >= 0);
	for (size_t i = 0; i < UNITS; us %= units[i].us, i++)
		if (us >= units[i].us)
			n += (size_t)snprintf(out + n, DURATION_TEXT_MAX - n, "%lld%s",
					      (long long)(us / units[i].us), units[i].name);
	if (n == 0)
		memcpy(out, "0s", sizeof("0s"));
}
