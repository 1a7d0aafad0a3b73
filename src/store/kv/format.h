/*
 * format.h -- rows as the bytes of an ordered key-value engine, and back.
 *
 * Made from the descriptions in store/schema.h alone; docs/formats.md shows every
 * byte.  The byte order of keys is the order of row_key_cmp(), and the bytes of the
 * first n key columns are a prefix of the bytes of more of them, and of no other
 * key: so a question about a prefix of the key columns is one range of keys.
 *
 * Encoding is canonical: equal rows give equal bytes.  Decoding refuses everything
 * else with ERR_CORRUPT, but skips value columns with tags it does not know (that
 * is how a later program adds one).  Texts are not looked into.
 *
 * Pure.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "store/schema.h"

#define FORMAT_VALUE_VERSION 1
#define FORMAT_ROW_MAX       512 /* no row struct is larger */

/* Appends the first n key columns of `row`. */
void format_prefix(enum table table, const void *row, unsigned n, struct buf *out);

/* Appends the whole key of one record: all key columns, then, in tables with
 * groups, the byte `group`. */
void format_key(enum table table, const void *row, uint8_t group, struct buf *out);

/* Appends the value columns of `group` (0 in tables with one group). */
void format_value(enum table table, const void *row, uint8_t group, struct buf *out);

/* Turns a key or prefix into the first one behind all that begin with it; false
 * (and an empty buffer) if nothing can lie behind. */
bool format_next(struct buf *key);

/* Fills the key columns of `row`.  What is filled in points into `key`, or into `mem`
 * where bytes were escaped. */
bool format_read_key(enum table table, struct slice key, struct arena *mem, void *row,
		     uint8_t *group, struct err *err) MUST_CHECK;

/* Fills those value columns of `group` that are not zero; the caller zeroed `row`
 * before.  What is filled in points into `value`; arrays lie in `mem`. */
bool format_read_value(enum table table, uint8_t group, struct slice value, struct arena *mem,
		       void *row, struct err *err) MUST_CHECK;

/* For tables of numbers that are only added to (all value columns I64): appends the
 * value that holds the sums of `a` and `b`. */
bool format_add(enum table table, struct slice a, struct slice b, struct buf *out,
		struct err *err) MUST_CHECK;
