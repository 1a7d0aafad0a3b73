/* listing.h -- answers of the server as rows of a table, by a list of columns. */
#pragma once

#include "bin/client.h"
#include "bin/table.h"

enum column_kind { COLUMN_TEXT, COLUMN_SIZE, COLUMN_WHEN, COLUMN_LIST, COLUMN_RANGE, COLUMN_STATE };

struct column {
	const char *head; /* as table_new() takes it */
	const char *name; /* of the member */
	enum column_kind kind;
};

/* A table row for each object of `array`; with --json a line for each. */
void print_rows(struct client *client, const json_t *array, const struct column *columns, size_t n);

/* Tells people that a list is empty, on stderr; programs see it from the list. */
void say_empty(const struct client *client, const char *what);

/* One object, a line for each column that it has; with --json as it is. */
void print_object(struct client *client, const json_t *object, const struct column *columns,
		  size_t n);

/* Every page of the list at `path`, whose rows are in the member `name`. */
enum exit_code print_pages(struct client *client, const char *path, const char *name,
			   const struct column *columns, size_t n);

/* One call for each argument: `path` with `behind` after the escaped argument.  Prints what
 * comes back as objects. */
enum exit_code call_each(struct invocation *in, const char *method, const char *path,
			 const char *behind, const json_t *body, const struct column *columns,
			 size_t n);
