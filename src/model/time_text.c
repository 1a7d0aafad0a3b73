#include "model/time_text.h"

#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "model/excerpt.h"

#define DAYS_TO_1970 719468 /* from 0000-03-01 */
#define DAYS_PER_ERA 146097 /* 400 years */

struct date {
	int year, month, day;
};

static bool is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int month_days(int year, int month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days since 1970-01-01.  Years are counted from March, so that the day that
 * comes and goes is the last one. */
static int64_t days_of(struct date d)
{
	int year = d.month > 2 ? d.year : d.year - 1, era = year / 400, of_era = year % 400;
	int month = d.month > 2 ? d.month - 3 : d.month + 9;
	int day_of_year = (153 * month + 2) / 5 + d.day - 1;
	int day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + day_of_year;

	return (int64_t)era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970;
}

static struct date date_of(int64_t days)
{
	int64_t since = days + DAYS_TO_1970; /* at least 306: year 1 is after 0000-03-01 */
	int era = (int)(since / DAYS_PER_ERA), day = (int)(since % DAYS_PER_ERA);
	int year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int day_of_year = day - (365 * year + year / 4 - year / 100);
	int month = (5 * day_of_year + 2) / 153;

	return (struct date){
		.year = era * 400 + year + (month >= 10),
		.month = month < 10 ? month + 3 : month - 9,
		.day = day_of_year - (153 * month + 2) / 5 + 1,
	};
}

/* Takes `n` digits of a value in min..max. */
static bool take_number(struct slice *text, int n, int min, int max, int *out)
{
	int value = 0;

	if (text->len < (size_t)n)
		return false;
	for (int i = 0; i < n; i++) {
		if (text->ptr[i] < '0' || text->ptr[i] > '9')
			return false;
		value = value * 10 + (text->ptr[i] - '0');
	}
	*text = SLICE_OF(text->ptr + n, text->len - (size_t)n);
	*out = value;
	return value >= min && value <= max;
}

static bool take_one_of(struct slice *text, const char *allowed, char *out)
{
	if (text->len == 0 || !text->ptr[0] || !strchr(allowed, text->ptr[0]))
		return false;
	if (out)
		*out = (char)text->ptr[0];
	*text = SLICE_OF(text->ptr + 1, text->len - 1);
	return true;
}

static bool take_date(struct slice *text, int64_t *days)
{
	struct date d;

	if (!take_number(text, 4, 1, 9999, &d.year) || !take_one_of(text, "-", NULL) ||
	    !take_number(text, 2, 1, 12, &d.month) || !take_one_of(text, "-", NULL) ||
	    !take_number(text, 2, 1, month_days(d.year, d.month), &d.day))
		return false;
	*days = days_of(d);
	return true;
}

static bool take_fraction(struct slice *text, int64_t *us)
{
	int64_t scale = US_PER_S, value = 0;
	int n = 0;

	*us = 0;
	if (!take_one_of(text, ".", NULL))
		return true;
	for (char digit; take_one_of(text, "0123456789", &digit); n++) {
		scale /= 10; /* 0 from the seventh on */
		value += scale * (digit - '0');
	}
	*us = value;
	return n >= 1 && n <= 9;
}

static bool take_clock(struct slice *text, int64_t *us)
{
	int hour, minute, second;
	int64_t fraction;

	if (!take_number(text, 2, 0, 23, &hour) || !take_one_of(text, ":", NULL) ||
	    !take_number(text, 2, 0, 59, &minute) || !take_one_of(text, ":", NULL) ||
	    !take_number(text, 2, 0, 59, &second) || !take_fraction(text, &fraction))
		return false;
	*us = hour * US_PER_H + minute * US_PER_MIN + second * US_PER_S + fraction;
	return true;
}

static bool take_offset(struct slice *text, int64_t *us)
{
	int hour, minute;
	char sign;

	*us = 0;
	if (take_one_of(text, "Zz", NULL))
		return true;
	if (!take_one_of(text, "+-", &sign) || !take_number(text, 2, 0, 23, &hour) ||
	    !take_one_of(text, ":", NULL) || !take_number(text, 2, 0, 59, &minute))
		return false;
	*us = (hour * US_PER_H + minute * US_PER_MIN) * (sign == '-' ? -1 : 1);
	return true;
}

bool time_text_parse(struct slice text, int64_t *us, struct err *err)
{
	int64_t days, clock, offset, result;
	struct slice rest = text;
	const char *what = NULL;

	if (!take_date(&rest, &days))
		what = "the date is not YYYY-MM-DD in 0001 to 9999";
	else if (!take_one_of(&rest, "Tt", NULL))
		what = "no T follows the date";
	else if (!take_clock(&rest, &clock))
		what = "the time is not HH:MM:SS with at most 9 digits of a fraction";
	else if (!take_offset(&rest, &offset) || rest.len > 0)
		what = "it does not end in Z or an offset like +01:00";
	if (what)
		return err_set(err, ERR_INVALID,
			       "time \"%s\": %s; write it like 2027-01-31T12:00:00Z",
			       excerpt(text).text, what);
	result = days * US_PER_DAY + clock - offset;
	if (result < TIME_TEXT_MIN || result >= TIME_TEXT_END)
		return err_set(err, ERR_INVALID,
			       "time \"%s\": not in the years 0001 to 9999 in UTC",
			       excerpt(text).text);
	*us = result;
	return true;
}

/* `n` digits and the character behind them; the next place. */
static char *put(char *to, unsigned value, int n, char behind)
{
	for (int i = n; i-- > 0; value /= 10)
		to[i] = (char)('0' + value % 10);
	to[n] = behind;
	return to + n + 1;
}

/* By hand: listings print several times a row, and snprintf() costs as much as all the rest. */
static void print(int64_t us, int digits, char out[TIME_TEXT_MAX])
{
	int64_t since_min, in_day;
	unsigned second, fraction;
	struct date d;

	assert(us >= TIME_TEXT_MIN && us < TIME_TEXT_END);
	since_min = us - TIME_TEXT_MIN; /* never negative, so division cuts towards the past */
	in_day = since_min % US_PER_DAY;
	d = date_of(since_min / US_PER_DAY + TIME_TEXT_MIN / US_PER_DAY);
	second = (unsigned)(in_day / US_PER_S);
	fraction = (unsigned)(in_day % US_PER_S);
	out = put(out, (unsigned)d.year, 4, '-');
	out = put(out, (unsigned)d.month, 2, '-');
	out = put(out, (unsigned)d.day, 2, 'T');
	out = put(out, second / 3600, 2, ':');
	out = put(out, second / 60 % 60, 2, ':');
	out = put(out, second % 60, 2, '.');
	out = put(out, digits == 3 ? fraction / (unsigned)US_PER_MS : fraction, digits, 'Z');
	*out = '\0';
}

void time_text_ms(int64_t us, char out[TIME_TEXT_MAX])
{
	print(us, 3, out);
}

void time_text_us(int64_t us, char out[TIME_TEXT_MAX])
{
	print(us, 6, out);
}
