/*
 * schema.h -- what the tables look like, as data.
 *
 * One description serves the back ends' bytes, copying and comparing of rows,
 * and docs/formats.md (a test holds them together).
 */
#pragma once

#include "base/arena.h"
#include "store/rows.h"

enum column_kind {               /* C type of the struct's member */
		   COLUMN_BOOL,  /* bool */
		   COLUMN_U8,    /* uint8_t */
		   COLUMN_U16,   /* uint16_t */
		   COLUMN_U32,   /* uint32_t */
		   COLUMN_U64,   /* uint64_t */
		   COLUMN_I32,   /* int32_t */
		   COLUMN_I64,   /* int64_t */
		   COLUMN_ULID,  /* struct ulid */
		   COLUMN_BYTES, /* struct slice */
		   COLUMN_TEXT,  /* struct slice of UTF-8 without NUL */
		   COLUMN_LIST,  /* struct slice_list of texts */
		   COLUMN_MAP,   /* struct pair_list of texts */
};

enum column_role {
	ROLE_PARTITION,
	ROLE_PARTITION_DESC, /* embedded back ends order it descending; a cluster does not order it
			      */
	ROLE_ASC,            /* clustering, ascending */
	ROLE_DESC,           /* clustering, descending */
	ROLE_VALUE,
};

struct column {
	const char *name;
	enum column_kind kind;
	enum column_role role;
	uint8_t group; /* of a value column; 0 where the table has one group */
	uint16_t offset;
	uint16_t tag; /* of a value column: its number in the stored bytes, never reused */
	uint8_t max;  /* of an enum (COLUMN_U8): its last value; 0: it is none */
};

struct table_schema {
	const char *name;
	const struct column *columns; /* partition, clustering, value columns, in this order */
	unsigned n_columns, n_key;    /* key = partition + clustering columns */
	uint16_t row_size;            /* sizeof the row struct */
	uint8_t n_groups;             /* 1, or more: then they are numbered from 1 */
};

/* The schema of any table; static storage. */
const struct table_schema *table_schema(enum table table);
/* True if larger values of this key column come first. */
bool column_descends(const struct column *column);
/* False if the row has a value in this column that its enum has not: readers index arrays by it. */
bool column_allows(const struct column *column, const void *row);
/* "bool", "u8", ... "map"; static storage. */
const char *column_kind_name(enum column_kind kind);

/* Deep copy of a row into `mem`. */
void *row_copy(enum table table, const void *row, struct arena *mem)
	__attribute__((returns_nonnull));
/* Compares all columns. */
bool row_eq(enum table table, const void *a, const void *b);
/* Compares the first n key columns in the order of the embedded back ends: numbers by
 * value, bytes as slice_cmp(), descending columns reversed. */
int row_key_cmp(enum table table, const void *a, const void *b, unsigned n);
