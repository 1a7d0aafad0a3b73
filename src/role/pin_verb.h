/*
 * pin_verb.h -- the steps that every verb on pins is made of; for pins.c.
 *
 *	verb_begin    the owner's row, an entry for each item
 *	checks        verb_check_ask, _enabled, _denied: an entry that is refused is settled, and
 *	              the steps after it leave it alone
 *	verb_new_id, verb_claim     the request's id, the idempotency key
 *	verb_reserve  room in the owner's quota
 *	verb_change   store_change()
 *	verb_finish   idempotency rows, quota, mark, hints; also after a fault
 */
#pragma once

#include "role/op_log.h"
#include "role/owners.h"
#include "role/pin_fold.h"

struct pins {
	struct pins_options options;
	struct owners *owners;
};

struct entry { /* one item on its way through a verb */
	struct pin_item item;
	struct slice key;
	struct ulid about; /* the request named by the caller; zero for a new one */
	struct op_dedup op;
	bool claimed; /* `op` is ours to finish or to release */
	bool settled; /* nothing is to be changed: the result stands */
	struct pins_result *result;
};

struct verb_call {
	struct pins *pins;
	const struct pins_call *call;
	const struct owner_row *owner;
	struct peer_zones zones;
	struct arena *mem;
	int64_t now_us;
	struct entry *entries;
	size_t n;
	bool begun;  /* a change was made */
	bool unsure; /* a change failed and may have been made in part */
	size_t room; /* pins reserved of the quota */
	struct bus_msg *hints;
	size_t n_hints;
};

/* Refuses an entry, or answers it without a change. */
void verb_settle(struct entry *e, enum pins_outcome outcome, const char *why);

/* `results` and the entries are in the same order. */
bool verb_begin(struct verb_call *v, struct pins *pins, const struct pins_call *call,
		struct pins_result *results, size_t n, struct arena *mem,
		struct err *err) MUST_CHECK;

/* Is the owner allowed to change anything?  Not asked by verbs that leave less work. */
void verb_check_enabled(struct verb_call *v, struct entry *e);
/* Takes `ask` over if it is sound. */
void verb_check_ask(struct verb_call *v, struct entry *e, const struct pin_ask *ask, bool creating);
bool verb_check_denied(struct verb_call *v, struct entry *e, struct err *err) MUST_CHECK;

/* Under a key: claims it for this entry, or settles it by what was done before. */
bool verb_claim(struct verb_call *v, struct entry *e, struct err *err) MUST_CHECK;
/* A new id for an entry that makes a request, and verb_claim(): a take-over gets the id that
 * was claimed first. */
bool verb_new_id(struct verb_call *v, struct entry *e, struct err *err) MUST_CHECK;
/* Finds the CID of the request `id`; leaves it empty if there is none. */
bool verb_locate(struct verb_call *v, struct entry *e, struct ulid id, struct err *err) MUST_CHECK;

/* Room for `pins` more, or all entries are refused. */
bool verb_reserve(struct verb_call *v, size_t pins, struct err *err) MUST_CHECK;
/* Room for one more per entry, for as many as there is. */
bool verb_reserve_batch(struct verb_call *v, struct err *err) MUST_CHECK;

/* The change for all entries that are not settled; their results follow. */
bool verb_change(struct verb_call *v, struct err *err) MUST_CHECK;
/* The change for items, those of one CID together; their outcomes are in them. */
bool verb_change_items(struct verb_call *v, struct pin_item **items, size_t n,
		       struct err *err) MUST_CHECK;

/* Ends a verb.  `ok`: all went without a fault; else *err says what it was. */
bool verb_finish(struct verb_call *v, bool ok, uint64_t *mark, struct err *err) MUST_CHECK;
