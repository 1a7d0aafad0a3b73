/*
 * copy.h -- one copy of a CID on one peer, in two halves.
 *
 * The desired half is written by planners, the observed half by what the
 * peer's worker reports.  Each half has one version, is written whole, and a
 * lower version loses, so halves may arrive in any order, twice, or not at all
 * and two readers of the same halves agree (design rule R4):
 *
 *	desired half   version gen    made by version_next()
 *	observed half  version stamp  max(gen, stamp in the assignment, last stamp known) + 1
 *
 * A reported state counts only for the generation it was reported for: until
 * state_gen == gen the copy is COPY_QUEUED.  Pure.
 */
#pragma once

#include "model/pin.h"

struct copy {
	uint32_t peer_no;

	/* desired half */
	uint64_t gen; /* its version; 0: never written */
	bool desired; /* keep it, or take it away */
	uint8_t mode; /* enum pin_mode */
	int32_t priority;
	uint8_t reason;      /* enum copy_reason */
	int64_t assigned_at; /* us */

	/* observed half */
	uint64_t stamp;        /* its version; 0: never written */
	uint64_t state_gen;    /* the generation `state` answers */
	uint8_t state;         /* enum copy_state */
	uint8_t failure;       /* enum copy_failure */
	uint16_t attempts;     /* failed ones since it was last pinned */
	bool adopted;          /* Kubo held it under another name: never removed */
	struct slice error;    /* last error text, for people; at most 200 bytes */
	uint64_t size;         /* bytes of the DAG; 0 = not known */
	int64_t next_at;       /* us; when the worker tries again; 0 = no retry planned */
	int64_t failing_since; /* us; first failure since it was last pinned; 0 = none */
	int64_t observed_at;   /* us, the worker's clock */
};

enum copy_reason { /* why the desired half is what it is */
		   REASON_NONE = 0,
		   REASON_REQUESTED = 1, /* first placement */
		   REASON_REPLACED = 2,  /* another peer was lost or drained */
		   REASON_REBALANCED = 3,
		   REASON_EVERYWHERE = 4, /* replication -1 */
		   REASON_ENDED = 5,      /* no request wants it any more */
		   REASON_SURPLUS = 6,    /* more copies than wanted */
		   REASON_DRAINED = 7,
		   REASON_CHANGED = 8, /* mode or priority differs */
		   REASON_LOST = 9,    /* Kubo no longer has it; pin again */
};
const char *copy_reason_name(enum copy_reason reason);

/* The state that counts now. */
static inline enum copy_state copy_state(const struct copy *c)
{
	return c->state_gen == c->gen ? (enum copy_state)c->state : COPY_QUEUED;
}

/* Nothing is left to do: pinned and desired, or unpinned and not desired. */
static inline bool copy_settled(const struct copy *c)
{
	return copy_state(c) == (c->desired ? COPY_PINNED : COPY_UNPINNED);
}

/* Whether what its worker told came at `since_us` or later.  That it answers a generation which was
 * assigned since tells it too, whatever the worker's clock says. */
static inline bool copy_told_since(const struct copy *c, int64_t since_us)
{
	return c->observed_at >= since_us || (c->assigned_at >= since_us && c->state_gen == c->gen);
}

/* Takes over each half of `from` that has the higher version; returns whether
 * anything changed.  Halves of one version are the same half, so this is
 * idempotent, commutative and associative.  Both are of one peer. */
bool copy_merge(struct copy *into, const struct copy *from);

/* The highest version in either half. */
static inline uint64_t copy_version(const struct copy *c)
{
	return c->gen > c->stamp ? c->gen : c->stamp;
}
