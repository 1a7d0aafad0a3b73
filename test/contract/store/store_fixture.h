/*
 * store_fixture.h -- a store on each kind of back end, for the contract of store.h.
 *
 * A contract program is run once a kind: `PROGRAM mem`, `PROGRAM loose`, ...
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/store_ops.h"

/* For calls whose last argument is &err. */
#define MUST(call)                                           \
	do {                                                 \
		err = (struct err){ 0 };                     \
		if (!(call))                                 \
			fail_msg("%s: %s", #call, err.text); \
	} while (0)

#define CID_A                        \
	SLICE_LIT("\x01\x55\x12\x04" \
		  "aaaa")
#define CID_B                        \
	SLICE_LIT("\x01\x55\x12\x04" \
		  "bbbb")
#define CID_C                        \
	SLICE_LIT("\x01\x55\x12\x04" \
		  "cccc")

#define START_US (20000 * US_PER_DAY + 12345) /* where the clock stands at first */

struct test_clock {
	struct clock base;
	_Atomic int64_t now_us;
};

struct fixture {
	struct store *store;
	struct store_backend *backend; /* the store's: to look at and damage rows */
	struct arena *mem;
	struct test_clock clock;
	struct rand rand;
	bool serial; /* the back end has lock() */
	void *data;  /* of the kind */
};

struct fixture_kind {
	const char *name;
	void *(*make)(void);
	struct store_backend *(*attach)(void *data, struct clock *clock);
	void (*destroy)(void *data);
};

/* Set-up and tear-down of cmocka; *state becomes the fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* Closes the store and opens it again on the same data. */
void fixture_reopen(struct fixture *fx);

/* Runs the tests on the kind of back end that the command line names. */
int contract_main(int argc, char **argv, const struct CMUnitTest *tests, size_t n);

/* "cid <n>": distinct CIDs; lives in fx->mem. */
struct slice cid_no(struct fixture *fx, unsigned n);

/* ---- changes in one line ------------------------------------------------------------------ */

/* What store_change() is to write for one CID, whatever the view. */
void change(struct fixture *fx, struct slice cid, const struct cid_change *change);

struct wish { /* a new request; zero: 1 copy, recursive, no name, never expires */
	const char *owner, *name;
	struct slice_list tags;
	struct pair_list meta;
	int32_t replicas;
	int64_t expires_at;
	int64_t created_at; /* 0: store_new_request_id() */
};
struct ulid create_pin(struct fixture *fx, struct slice cid, const struct wish *wish);

/* The revision that counts, changed by `edit` and inserted anew. */
void revise_pin(struct fixture *fx, struct slice cid, const char *owner, struct ulid id,
		void (*edit)(struct fact *revision));
void end_pin(struct fixture *fx, struct slice cid, const char *owner, struct ulid id,
	     enum end_cause cause, uint64_t judged_rev);

/* Writes the desired half, then the observed half with `state`; an error is the last of many. */
void place_copy(struct fixture *fx, struct slice cid, uint32_t peer_no, bool desired,
		enum copy_state state);

/* The row of a live request, in fx->mem; NULL: none. */
const struct owner_pin *find_pin(struct fixture *fx, const char *owner, struct ulid id);

/* Rows in a table of the back end. */
size_t rows_in(struct fixture *fx, enum table table);

/* store_check() finds nothing, and the totals are those of the rows. */
void assert_sound(struct fixture *fx);
