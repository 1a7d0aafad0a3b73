#include "model/ulid.h"

#include <assert.h>

#include "model/excerpt.h"

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* The id as two numbers. */
struct halves {
	uint64_t high; /* 48 bits ms, 10 bits us, the top 6 bits of the instance */
	uint64_t low;  /* the bottom 4 bits of the instance, 60 random bits */
};

static uint64_t load(const uint8_t bytes[8])
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value = value << 8 | bytes[i];
	return value;
}

static struct halves ulid_halves(const struct ulid *ulid)
{
	return (struct halves){ load(ulid->bytes), load(ulid->bytes + 8) };
}

static struct ulid ulid_of(struct halves halves)
{
	struct ulid ulid;

	for (int i = 0; i < 8; i++) {
		ulid.bytes[i] = (uint8_t)(halves.high >> (56 - 8 * i));
		ulid.bytes[8 + i] = (uint8_t)(halves.low >> (56 - 8 * i));
	}
	return ulid;
}

struct ulid ulid_make(int64_t ms, unsigned us_in_ms, unsigned instance, const uint8_t random[8])
{
	assert(ms >= 0 && ms <= ULID_MS_MAX && us_in_ms < 1000 && instance <= ULID_INSTANCE_MAX);
	return ulid_of((struct halves){
		.high = (uint64_t)ms << 16 | (uint64_t)us_in_ms << 6 | instance >> 4,
		.low = (uint64_t)(instance & 15) << 60 | (load(random) & (UINT64_MAX >> 4)),
	});
}

static int digit_value(uint8_t c)
{
	const char *at;

	if (c >= 'a' && c <= 'z')
		c = (uint8_t)(c - 'a' + 'A');
	at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

bool ulid_parse(struct slice text, struct ulid *out, struct err *err)
{
	struct halves halves = { 0 };

	if (text.len != ULID_TEXT_LEN)
		return err_set(err, ERR_INVALID, "ULID \"%s\": %zu characters instead of %d",
			       excerpt(text).text, text.len, ULID_TEXT_LEN);
	if (text.ptr[0] > '7')
		return err_set(err, ERR_INVALID, "ULID \"%s\": the first character must be 0 to 7",
			       excerpt(text).text);
	for (size_t i = 0; i < text.len; i++) {
		int value = digit_value(text.ptr[i]);

		if (value < 0)
			return err_set(err, ERR_INVALID, "ULID \"%s\": character %zu is none of %s",
				       excerpt(text).text, i + 1, digits);
		halves.high = halves.high << 5 | halves.low >> 59;
		halves.low = halves.low << 5 | (unsigned)value;
	}
	*out = ulid_of(halves);
	return true;
}

void ulid_text(const struct ulid *ulid, char out[ULID_TEXT_MAX])
{
	struct halves halves = ulid_halves(ulid);

	out[ULID_TEXT_LEN] = '\0';
	for (int i = ULID_TEXT_LEN - 1; i >= 0; i--) {
		out[i] = digits[halves.low & 31];
		halves.low = halves.low >> 5 | halves.high << 59;
		halves.high >>= 5;
	}
}

int64_t ulid_ms(const struct ulid *ulid)
{
	return (int64_t)(ulid_halves(ulid).high >> 16);
}

int64_t ulid_us(const struct ulid *ulid)
{
	return ulid_ms(ulid) * 1000 + (int64_t)(ulid_halves(ulid).high >> 6 & 1023);
}

unsigned ulid_instance(const struct ulid *ulid)
{
	struct halves halves = ulid_halves(ulid);

	return (unsigned)((halves.high & 63) << 4 | halves.low >> 60);
}
