/*
 * pin_fold.h -- what one verb makes of the facts of a CID.  Pure.
 *
 * pins.c prepares items, groups them by CID and gives each group to store_change() with
 * pin_fold_decide().  The store may ask again after it has written (design rule R9), so an
 * item remembers what it has made and is content when it sees that.
 */
#pragma once

#include "role/pins.h"

enum pin_verb {
	VERB_CREATE,
	VERB_REVISE,
	VERB_RETRY,
	VERB_REMOVE,
	VERB_SUPERSEDE, /* end in favour of `heir` */
};

struct pin_item {
	enum pin_verb verb;
	struct ulid id; /* the request that is made, changed or ended */
	struct slice cid;
	struct pin_ask ask; /* checked; CREATE, REVISE */
	int64_t created_at; /* CREATE */
	struct ulid heir;   /* SUPERSEDE */
	uint64_t if_rev;    /* REVISE; 0 = any */
	bool again;         /* somebody may have done it before, under the same key */
	int64_t now_us;     /* when it was asked: what a ttl counts from, retry_at */
	uint64_t rev;       /* the last revision that was made for it; 0: none yet */

	enum pins_outcome outcome;
	const char *why;
	const struct owner_pin *pin;
};

struct pin_group {         /* the items of one call about one CID */
	struct arena *mem; /* for what outlives the decision */
	struct slice owner;
	const struct owner_row *owner_row;
	unsigned instance;
	int64_t expiring_us;
	int32_t rf_min, rf_max;
	struct peer_zones zones;
	struct slice cid;
	int64_t wake_at;
	struct pin_item **items;
	size_t n;
};

/* A store_decide; `ctx` is a struct pin_group. */
bool pin_fold_decide(void *ctx, const struct cid_view *view, int64_t now_us, struct arena *mem,
		     struct cid_change *out, struct err *err) MUST_CHECK;

/* A live request as a listing shows it; its texts and lists stay those of the request. */
struct owner_pin pin_fold_row(const struct request *r, struct request_copies count,
			      enum pin_status status);
