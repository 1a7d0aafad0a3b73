/*
 * schema.h -- what the tables look like, as data.
 *
 * One description serves the embedded back ends' bytes, the CQL back end's
 * statements, copying and comparing of rows, and docs/formats.md (a test holds
 * them together).
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
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
	ROLE_ASC,  /* clustering, ascending */
	ROLE_DESC, /* clustering, descending */
	ROLE_VALUE,
};

struct column {
	const char *name; /* as in CQL */
	enum column_kind kind;
	enum column_role role;
	uint8_t group; /* of a value column; 0 where the table has one group */
	uint16_t offset;
	uint16_t tag; /* of a value column: its number in the stored bytes, never reused */
};

struct table_schema {
	const char *name;
	const struct column *columns; /* partition, clustering, value columns, in this order */
	unsigned n_columns, n_key;    /* key = partition + clustering columns */
	uint16_t row_size;            /* sizeof the row struct */
	uint8_t n_groups; /* 1 or more; groups are numbered from 1, or 0 if there is one */
	const struct column *version; /* NULL, or for tables with groups: see group_version() */
};

/* The schema of any table; static storage. */
const struct table_schema *table_schema(enum table table);

/* Deep copy of a row into `mem`. */
void *row_copy(enum table table, const void *row, struct arena *mem);
/* Compares all columns. */
bool row_eq(enum table table, const void *a, const void *b);
/* Compares the first n key columns in store order. */
int row_key_cmp(enum table table, const void *a, const void *b, unsigned n);
