/*
 * pin.h -- the words every layer uses for a pin: modes, states, small lists.
 *
 * The numbers of all enums here are kept on disk and never change.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

#define OWNER_MAX           128  /* bytes of an owner's name: printable ASCII without space */
#define PIN_NAME_MAX        255  /* code points; see PSA 1.0.0 */
#define PIN_TAG_MAX         64   /* bytes of a tag */
#define PIN_TAGS_MAX        32   /* tags of one request */
#define PIN_META_MAX        1000 /* keys of meta */
#define PIN_META_BYTES_MAX  16384
#define PIN_ORIGINS_MAX     20
#define PIN_REPLICAS_MAX    100
#define REQUESTS_PER_CID    1000 /* live ones of one owner for one CID */
#define FACTS_PER_CID       5000 /* of one owner for one CID; ended and replaced ones count too */
#define REPLICAS_EVERYWHERE (-1)

/* May a request ask for so many copies: the least that counts as pinned, and how many are made? */
static inline bool pin_replicas_ok(int64_t min, int64_t max)
{
	if (min == REPLICAS_EVERYWHERE || max == REPLICAS_EVERYWHERE)
		return min == max;
	return min >= 1 && min <= max && max <= PIN_REPLICAS_MAX;
}

enum pin_mode {
	PIN_DIRECT = 0,
	PIN_RECURSIVE = 1,
};

/* Of a request; derived from its copies by request_status(). */
enum pin_status {
	STATUS_QUEUED = 0,
	STATUS_PINNING = 1,
	STATUS_PINNED = 2,
	STATUS_FAILED = 3,
	STATUS_EXPIRING = 4,
};
#define STATUS_COUNT 5

/* Of one copy, as its worker last reported it. */
enum copy_state {
	COPY_QUEUED = 0,
	COPY_PINNING = 1,
	COPY_PINNED = 2,
	COPY_ERROR = 3,
	COPY_UNPINNED = 4,
};

/* Why a copy is in COPY_ERROR, by what helps. */
enum copy_failure {
	FAILURE_NONE = 0,
	FAILURE_STALLED = 1,     /* no provider gave a block for too long */
	FAILURE_UNREACHABLE = 2, /* the Kubo node did not answer */
	FAILURE_REFUSED = 3,     /* the Kubo node denied the call (403) */
	FAILURE_NO_SPACE = 4,    /* the node's disk is full */
	FAILURE_INVALID = 5,     /* Kubo cannot walk this CID; retrying will not help soon */
	FAILURE_OTHER = 6,
	FAILURE_DENIED = 7, /* the content is on the deny list: it is not fetched */
};

const char *pin_status_name(enum pin_status status); /* "queued", ... "expiring" */
bool pin_status_parse(struct slice text, enum pin_status *out);
const char *copy_state_name(enum copy_state state);   /* "queued", ... "unpinned" */
const char *copy_failure_name(enum copy_failure why); /* "stalled", ... */

/* True if `owner` has 1 to OWNER_MAX printable ASCII bytes and no space. */
bool owner_valid(struct slice owner);

/* Sorted where order has no meaning (tags, allocations), as given otherwise. */
struct slice_list {
	struct slice *at;
	size_t n;
};

struct pair {
	struct slice key, value;
};
struct pair_list { /* sorted by key, keys unique */
	struct pair *at;
	size_t n;
};

struct slice_list slice_list_copy(struct arena *mem, struct slice_list list);
struct pair_list pair_list_copy(struct arena *mem, struct pair_list list);
bool slice_list_eq(struct slice_list a, struct slice_list b);
bool pair_list_eq(struct pair_list a, struct pair_list b);
/* The value of `key`, or NULL. */
const struct slice *pair_list_get(struct pair_list list, struct slice key);
