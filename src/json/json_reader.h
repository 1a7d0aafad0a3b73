/*
 * json_reader.h -- JSON from outside, read strictly.
 *
 *	static const struct json_field fields[] = {
 *		{ "cid", JSON_STR, .required = true, .offset = offsetof(struct in, cid) },
 *		{ "limit", JSON_INT, .min = 1, .max = 1000, .offset = ... },
 *	};
 *	if (!json_parse(text, &limits, &doc, err) ||
 *	    !json_fields(json_root(doc), "", fields, 2, JSON_UNKNOWN_REFUSED, &in, &given, err))
 *
 * RFC 8259 with the doubtful parts refused: duplicate keys, NUL in strings, bad
 * UTF-8, numbers that do not fit, bytes after the value, deeper nesting or more bytes
 * than allowed.  Errors are ERR_INVALID and name the field, its value and what is
 * allowed, fit to be shown to who sent it.  Slices point into the document.  Pure.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/slice.h"

struct json_doc;

struct json_limits {
	size_t max_bytes;   /* 0: no limit */
	unsigned max_depth; /* of nested objects and arrays; 1..1000; 0: 32 */
};

/* The text of one object or array, with white space around it. */
bool json_parse(struct slice text, const struct json_limits *limits, struct json_doc **out,
		struct err *err) MUST_CHECK;
void json_doc_free(struct json_doc *doc); /* NULL is fine */
DEFINE_CLEANUP(struct json_doc, json_doc_free)
const json_t *json_root(const struct json_doc *doc);

enum json_kind {
	JSON_STR,   /* struct slice */
	JSON_INT,   /* int64_t within min..max */
	JSON_FLAG,  /* bool */
	JSON_LIST,  /* const json_t *: an array */
	JSON_MAP,   /* const json_t *: an object */
	JSON_OTHER, /* const json_t *: any value */
};

struct json_field {
	const char *name;
	enum json_kind kind;
	bool required;
	bool nullable; /* null counts as given and leaves the member as it is */
	size_t offset; /* of the member in the struct that is filled */
	int64_t min, max;
};

enum json_unknown {
	JSON_UNKNOWN_REFUSED,
	JSON_UNKNOWN_IGNORED,
};

/*
 * Fills the members of the struct at `out` from the object `value`.  `path` is where the
 * object stands, for errors ("pin", empty for the root).  Members whose field is not
 * there stay as they are.  *given gets bit i for each field i that is there (also as
 * null); at most 64 fields.
 */
bool json_fields(const json_t *value, const char *path, const struct json_field *fields, size_t n,
		 enum json_unknown unknown, void *out, uint64_t *given, struct err *err) MUST_CHECK;

static inline struct slice json_slice(const json_t *string)
{
	return (struct slice){ (const uint8_t *)json_string_value(string),
			       json_string_length(string) };
}

/* The strings of the array `value`, at most `max` of them. */
bool json_strings(const json_t *value, const char *path, size_t max, struct arena *mem,
		  struct slice **out, size_t *n, struct err *err) MUST_CHECK;

/* The members of the object `value`, whose values must be strings, at most `max` of them,
 * in the order they were written. */
bool json_string_map(const json_t *value, const char *path, size_t max, struct arena *mem,
		     struct slice **keys, struct slice **values, size_t *n,
		     struct err *err) MUST_CHECK;

#define JSON_SHOWN_MAX 64
/* `value` as it stands in an error: `"abc..."`, `12`, `an object`; printable ASCII. */
const char *json_shown(const json_t *value, char out[JSON_SHOWN_MAX]);
