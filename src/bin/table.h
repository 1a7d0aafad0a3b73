/*
 * table.h -- results as a table for people.
 *
 * On a terminal a table is cut to its width, the widest columns first, and what then still does
 * not fit is left out from the right; states are coloured unless NO_COLOR is set; in a pipe nothing
 * is cut and nothing coloured.  Texts are UTF-8 and may come from strangers: what would move the
 * cursor or is no UTF-8 shows as '?'.
 */
#pragma once

#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"

#define TABLE_COLUMNS_MAX 12

enum tone { TONE_PLAIN, TONE_GOOD, TONE_BUSY, TONE_BAD, TONE_FAINT };

struct table;

/* `heads` are the column heads, `n` of them.  A head that begins with '>' makes a column of
 * numbers, one that begins with '!' a column of texts that people copy: neither is cut. */
struct table *table_new(struct arena *mem, const char *const *heads, size_t n);

/* One more row; the texts are copied.  `tone` colours the cell of column `toned`. */
void table_add(struct table *table, const char *const *cells, size_t toned, enum tone tone);

/* This is a piece of a long table.  `widths`, all 0 before the first piece, remembers its
 * columns: later pieces have no head and are no narrower. */
void table_piece(struct table *table, unsigned widths[TABLE_COLUMNS_MAX]);

struct table_look {
	unsigned width; /* columns of the terminal; 0: nothing is cut */
	bool colour;
};

/* Of that stream: 0 columns and no colour if it is no terminal. */
struct table_look table_look_of(FILE *stream);

/* Appends the table; nothing if it has no rows. */
void table_put(const struct table *table, struct table_look look, struct buf *out);

/* Both, to stdout. */
void table_print(const struct table *table);

/* A text of strangers as a table shows it, in `mem`. */
const char *text_cleaned(const char *text, struct arena *mem);

/* How many columns of a terminal the text takes. */
unsigned text_width(const char *text);

/* Which tone a word such as "pinned", "failed", "up" has. */
enum tone tone_of(const char *state);
