/*
 * rocksdb_fixture.h -- stores on disk for the tests that break them: numbered rows, and directories
 * as values.
 */
#pragma once

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "lib/temp_dir.h"
#include "store/rocksdb/store_rocksdb.h"

#define ROWS 300 /* of a store that was made to be broken */

struct fixture {
	char root[TEMP_DIR_MAX]; /* everything of the test */
	char dir[TEMP_DIR_MAX + 16], copy[TEMP_DIR_MAX + 16];
	struct store_backend *b; /* NULL: none is open */
	struct err err;
};

/* Directories of its own for each test, without a store; they go away with it. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

/* ---- a store ------------------------------------------------------------------------------ */

bool open_at(struct fixture *f, const char *path, bool create);
void must_open(struct fixture *f, const char *path, bool create);
void shut(struct fixture *f);

/* Writes row `i`, whose bytes follow from its number. */
bool put(struct store_backend *b, uint32_t i, struct err *err);
/* Writes rows `from` to `to` - 1 and waits until they are durable. */
void fill(struct fixture *f, uint32_t from, uint32_t to);
/* How many rows from the first on are there and right; UINT32_MAX: they cannot be read. */
uint32_t good_rows(struct fixture *f);

struct outcome { /* of waiting; begins with both initializers */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool done, ok;
	struct err err;
};
void on_durable(void *ctx, const struct err *err); /* ctx: the outcome */
bool sync_store(struct store_backend *b, struct err *err);

/* ---- directories -------------------------------------------------------------------------- */

struct file {
	char name[64];
	struct buf bytes;
};
struct files { /* of a directory, by name */
	struct file at[64];
	size_t n;
};

void read_dir(const char *path, struct files *out);
void write_dir(const char *path, const struct files *files); /* instead of what is there */
void write_file(const char *path, const char *name, struct slice bytes);
void sort_files(struct files *files);
void free_files(struct files *files);
bool same_files(const char *path, const struct files *wanted);
bool has_suffix(const char *name, const char *suffix);
/* The newest file with `part` in its name; there is one. */
struct file *find_file(struct files *files, const char *part);

/* A store with half its rows in tables and half in the log alone, as a kill leaves it. */
void make_killed_store(struct fixture *f, struct files *out);
