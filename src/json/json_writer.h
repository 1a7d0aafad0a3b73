/*
 * json_writer.h -- builds JSON text at the end of a buffer.
 *
 *	struct json_writer w = json_writer(&out);
 *	json_begin_object(&w);
 *	json_key(&w, "name");
 *	json_str(&w, name);
 *	json_end_object(&w);            {"name":"..."}
 *
 * Commas are the writer's business; that keys and values alternate and brackets
 * match is the caller's, and asserted.  What is written is valid JSON (RFC 8259)
 * whatever bytes a string holds: control characters are escaped, and each byte that is
 * not part of valid UTF-8 becomes U+FFFD.  A zeroed document has no newline; NDJSON
 * callers add one between documents.  Pure.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"

struct json_writer {
	struct buf *out;
	unsigned depth; /* open objects and arrays */
	bool comma;     /* something stands before, on this level */
	bool keyed;     /* a key was written and waits for its value */
};

static inline struct json_writer json_writer(struct buf *out)
{
	return (struct json_writer){ .out = out };
}

/* Values, or parts of one; inside an object each after a key. */
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);

/* `name` is plain ASCII without anything to escape: a literal. */
void json_key(struct json_writer *w, const char *name);
/* A key that came from outside. */
void json_key_slice(struct json_writer *w, struct slice name);

/* One whole value. */
void json_str(struct json_writer *w, struct slice text);
void json_cstr(struct json_writer *w, const char *text);
void json_i64(struct json_writer *w, int64_t n);
void json_u64(struct json_writer *w, uint64_t n);
void json_bool(struct json_writer *w, bool b);
void json_null_value(struct json_writer *w);
/* A value that is JSON already. */
void json_raw(struct json_writer *w, struct slice json);

/* A key and its value. */
void json_key_str(struct json_writer *w, const char *name, struct slice text);
void json_key_cstr(struct json_writer *w, const char *name, const char *text);
void json_key_i64(struct json_writer *w, const char *name, int64_t n);
void json_key_u64(struct json_writer *w, const char *name, uint64_t n);
/* The number as a string. */
void json_key_u64_text(struct json_writer *w, const char *name, uint64_t n);
void json_key_bool(struct json_writer *w, const char *name, bool b);
