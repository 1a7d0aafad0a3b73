/*
 * time_text.h -- points in time as RFC 3339 text.
 *
 * Times are microseconds since 1970-01-01 UTC, in the years 0001 to 9999 of the
 * Gregorian calendar.  Read is any RFC 3339 date-time with 'T' (or 't', as the
 * standard allows) between date and time; written is always UTC with 'Z'.
 *
 * A fraction may have 1 to 9 digits; what is below a microsecond is cut off.
 * Leap seconds (":60") are refused: no clock here can express them, and none
 * has been announced since 2016.  Pure.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#define TIME_TEXT_MIN INT64_C(-62135596800000000) /* 0001-01-01T00:00:00Z */
#define TIME_TEXT_END INT64_C(253402300800000000) /* 10000-01-01T00:00:00Z, the first too late */

#define TIME_TEXT_MAX sizeof("2020-07-27T17:32:28.276123Z")

/* ERR_INVALID names the text and what is wrong with it. */
bool time_text_parse(struct slice text, int64_t *us, struct err *err);

/* "2020-07-27T17:32:28.276Z" and "...28.276123Z", with a NUL.  `us` lies in
 * TIME_TEXT_MIN..TIME_TEXT_END - 1; digits that are not written are cut off. */
void time_text_ms(int64_t us, char out[TIME_TEXT_MAX]);
void time_text_us(int64_t us, char out[TIME_TEXT_MAX]);
