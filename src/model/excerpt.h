/*
 * excerpt.h -- a value from outside, made fit to stand in an error text.
 *
 *	err_set(err, ERR_INVALID, "cid \"%s\": ...", excerpt(text).text);
 *
 * Error texts reach logs and JSON bodies, so what a client sent is cut and
 * everything but printable ASCII is replaced first.  Pure.
 */
#pragma once

#include "base/slice.h"

#define EXCERPT_LEN 48 /* bytes of the value that are shown */

struct excerpt {
	char text[EXCERPT_LEN + sizeof("...")];
};

/* The first EXCERPT_LEN bytes, with '?' for every byte that is not printable
 * ASCII or is a quotation mark, and "..." behind them if there were more. */
struct excerpt excerpt(struct slice value);
