/*
 * turn.h -- whose turn it is to be fetched next, on one node.
 *
 * Fresh work and retries wait apart, so that no number of unfetchable CIDs holds a
 * new one up:
 *
 *	fresh    owners take turns; of an owner the highest priority comes first, and
 *	         among equals the one that was asked for last and the one asked for first
 *	         alternately, so that a new one is not behind a long queue and an old one is
 *	         not forgotten.  When they came here does not count: a long queue that is read
 *	         again after a start comes after what was asked for meanwhile
 *	retries  owners take turns as well; of an owner the one that was due first comes
 *	         first.  They get a turn when no fresh one waits, and every fourth turn anyhow;
 *	         one at a time while too many fetches run that get nothing
 *
 * An owner with as many running as he may have is passed over, whatever he queues, until one
 * of them ends.  An owner with none running may have his turn where others may not.
 *
 * Pure but for its own memory.  Entries are embedded in what they stand for.
 */
#pragma once

#include <bsd/sys/tree.h>
#include <stdbool.h>
#include <stdint.h>

#include "model/pin.h"

struct turn_owner;

enum turn_place {
	TURN_NOWHERE,
	TURN_FRESH,
	TURN_RETRY,
	TURN_RUNNING,
};

struct turn_entry {
	enum turn_place place;
	struct turn_owner *owner; /* NULL if TURN_NOWHERE */
	int64_t order;            /* fresh: -priority; retry: due time */
	int64_t asked_at;         /* fresh: when it was asked for */
	uint64_t seq;
	RB_ENTRY(turn_entry) tree; /* of its owner */
	RB_ENTRY(turn_entry) all;  /* retries of all owners */
};

RB_HEAD(turn_tree, turn_entry);
RB_HEAD(turn_all, turn_entry);

RB_HEAD(turn_owners, turn_owner);

struct turn_round { /* whose turn was last; turns go round by name */
	uint8_t last[OWNER_MAX];
	size_t len;
};

struct turn {
	struct turn_owners owners; /* that have entries, by name */
	struct turn_round fresh_round, retry_round;
	struct turn_all retries; /* of all owners, by the time they are due */
	uint64_t seq, turns;
	unsigned n_fresh, n_retries;
	unsigned (*bound)(void *ctx, struct slice owner);
	void *ctx;
};

/* `bound` (NULL: nobody has one) tells what an owner may have running, 0 = no bound; it is asked
 * at each turn of an owner who has something running. */
void turn_init(struct turn *t, unsigned (*bound)(void *ctx, struct slice owner), void *ctx);
void turn_deinit(struct turn *t); /* all entries have been removed */

/* `owner` has at most OWNER_MAX bytes; `asked_at` is a time by any one clock. */
void turn_add_fresh(struct turn *t, struct turn_entry *e, struct slice owner, int32_t priority,
		    int64_t asked_at);
/* `due_us` in whatever clock turn_next() is asked with. */
void turn_add_retry(struct turn *t, struct turn_entry *e, struct slice owner, int64_t due_us);
void turn_remove(struct turn *t, struct turn_entry *e); /* TURN_NOWHERE is fine */

enum turn_who {
	TURN_OF_ALL,
	TURN_OF_FRESH,     /* no retries */
	TURN_OF_NEWCOMERS, /* fresh ones of owners who have nothing running */
};

/* The next one of these; it is TURN_RUNNING from now on and counts for its owner until it is
 * removed or added again.  NULL if none is ready. */
struct turn_entry *turn_next(struct turn *t, int64_t now_us, enum turn_who who);

/* Who can be done without in memory, of those that `may` says yes to: the retry that is due last;
 * without retries one of the owner who has most, neither asked for last nor first.  NULL if none
 * waits. */
struct turn_entry *turn_spare(const struct turn *t, bool (*may)(const struct turn_entry *e));

/* When a retry is due next; INT64_MAX if there is none.  Fresh ones are ready now; what is
 * held back by a bound becomes ready when something is removed. */
int64_t turn_due(const struct turn *t);
