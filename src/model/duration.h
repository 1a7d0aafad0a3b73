/*
 * duration.h -- spans of time as people write them: "30s", "1h30m", "7d".
 *
 * One or more whole numbers, each with its unit, the largest unit first and
 * each at most once: d h m s ms us.  No sign, no fraction, no space; zero is
 * "0s" (or 0 of any unit).  Values are microseconds.  Pure.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

/* INT64_MAX us is "106751991d4h54s775ms807us". */
#define DURATION_TEXT_MAX 48

/* ERR_INVALID names the text and what is wrong with it; so does a span that
 * does not fit. */
bool duration_parse(struct slice text, int64_t *us, struct err *err);

/* The shortest text in whole units, largest first, with a NUL.  us >= 0. */
void duration_text(int64_t us, char out[DURATION_TEXT_MAX]);
