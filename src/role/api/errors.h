/*
 * errors.h -- what went wrong, as HTTP status, machine-readable code and words.
 *
 * One table for every route: on /pins the Failure object of the Pinning Service API,
 * elsewhere problem details (RFC 9457).  Faults of the store and other inner texts are
 * logged and never shown; who asked learns what to do about it.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "role/pins.h"

enum api_error {
	API_INVALID,
	API_TOO_BROAD, /* a filter found nothing within the rows one page may read */
	API_UNAUTHORIZED,
	API_FORBIDDEN,
	API_DENIED,
	API_DISABLED,
	API_NOT_FOUND,
	API_METHOD,
	API_CONFLICT,
	API_QUOTA,
	API_KEY_IN_USE,
	API_PRECONDITION,
	API_TOO_LARGE,
	API_URI_TOO_LONG,
	API_MEDIA_TYPE,
	API_KEY_REUSED,
	API_RATE,
	API_HEADERS_TOO_LARGE,
	API_SLOW, /* 408 */
	API_INTERNAL,
	API_NOT_HERE, /* 501 */
	API_HTTP_VERSION,
	API_UNAVAILABLE,
	/* Nobody knows whether it was done: 504.  Also of a write that could not be made durable,
	 * for whatever reason: it was visible, and mostly comes back when the disk does. */
	API_UNKNOWN,
	API_NO_SPACE,
};
#define API_ERRORS 25

unsigned api_error_status(enum api_error error);   /* of HTTP */
const char *api_error_code(enum api_error error);  /* "not_found": /v1 */
const char *api_error_retry(enum api_error error); /* seconds for Retry-After, or NULL */

/* By what a verb came to; not for PINS_DONE. */
enum api_error api_error_outcome(enum pins_outcome outcome);
/* By a fault. */
enum api_error api_error_fault(enum err_code code);
/* By a status that the HTTP layer chose. */
enum api_error api_error_http(unsigned status);

/* Fit to be told to who asked: the text of a bad request, else what the table says. */
const char *api_error_detail(enum api_error error, const struct err *fault);

enum api_shape {
	API_SHAPE_PSA,
	API_SHAPE_PROBLEM,
	API_SHAPE_BOTH, /* where the path is not known */
};

/* Appends the body; returns its content type.  `detail` may be empty. */
const char *api_error_body(enum api_shape shape, enum api_error error, unsigned status,
			   const char *detail, struct buf *out);
