/*
 * settings.h -- members that several settings of /v1 have, written and paged alike.
 */
#pragma once

#include "role/api/call.h"
#include "role/api/pin_json.h"
#include "role/api/query.h"

/* limit and cursor of a page of rows; false: replied to. */
bool page_read(struct call *c, struct query *q);

/* A `ttl` or an `expires` as one point in time; 0: never.  `given` bits tell which there are. */
bool expiry_read(struct slice ttl, bool has_ttl, struct slice expires, bool has_expires,
		 int64_t now_us, int64_t *out, struct err *err) MUST_CHECK;

/* A name, zone or tag: at most PIN_TAG_MAX bytes of text without commas and control characters;
 * it may be empty. */
bool word_check(struct slice word, const char *name, struct err *err) MUST_CHECK;
