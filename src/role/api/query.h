/*
 * query.h -- the query string of a listing, read strictly.
 *
 * Parameters that no listing has are ignored; one that is given twice is refused, but for
 * lists, whose items may come with commas between them or one by one.
 */
#pragma once

#include "role/pins.h"

enum query_kind {
	QUERY_PSA,  /* of GET /pins */
	QUERY_V1,   /* of GET /v1/pins */
	QUERY_PAGE, /* limit and cursor alone */
};

struct query {
	struct pin_filter filter;
	int64_t limit;
	struct slice cursor;
	struct slice peer; /* as in a path; ptr NULL: any */
	bool count, copies, store_order;
	bool all_owners;
	bool limited;    /* `limit` was given */
	bool any_filter; /* something narrows the listing */
};

/* Everything lives in `mem`.  ERR_INVALID names parameter, value and what is allowed. */
bool query_read(struct slice text, enum query_kind kind, struct arena *mem, struct query *out,
		struct err *err) MUST_CHECK;

/* The value of one parameter, for routes that have a single one; ptr NULL: not there. */
bool query_one(struct slice text, const char *name, struct arena *mem, struct slice *out,
	       struct err *err) MUST_CHECK;
