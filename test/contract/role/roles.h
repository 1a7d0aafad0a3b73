/*
 * roles.h -- all roles but the API in one thread, over the mem store, the local bus and fake
 * Kubo nodes, with a clock that tests move.
 *
 * For tests of one rule of one role at a time; test/sim runs everything against everything.
 */
#pragma once

#include <stdatomic.h>

#include "bus/local/bus_local.h"
#include "lib/failing_store.h"
#include "lib/fake_kubo.h"
#include "role/pins.h"
#include "role/planner.h"
#include "role/reconciler.h"
#include "role/ttl.h"
#include "role/worker/worker.h"
#include "store/mem/store_mem.h"

#define ROLES_NODES_MAX 300

struct roles_options { /* zero means what `roles.c` says */
	unsigned nodes;
	unsigned max_fetches;
	int64_t scan_us, sweep_us, compare_us;
	size_t batch_max, bus_queue;
	unsigned guard_permille, guard_least;
	bool take_adopted;
	int64_t patience_us;
};

struct roles {
	struct clock clock; /* first: the clock's functions get the fixture */
	int64_t now;        /* both clocks */
	struct rand_seeded rand;
	struct store_mem *data;
	struct failing_store failing; /* what the store is on */
	struct store *store;
	struct bus *bus;
	struct pins *pins;
	struct cluster *cluster;
	struct peer_watch *watch;
	struct fake_kubo *fake;
	struct kubo *kubo; /* the worker's */
	struct planner *planner;
	struct reconciler *reconciler;
	struct ttl *ttl;
	struct worker *worker;
	struct arena *mem;
	struct replan_policy replan_policy;
	struct worker_policy worker_policy;
	struct roles_options options;

	_Atomic uint64_t store_calls; /* of the back end, single ones; from any thread */
	uint64_t reports;             /* observed halves written to the store */
	struct held_back *held_back;
	unsigned guarded;        /* copies that the guard held back, as told */
	unsigned finished[2][2]; /* by source, and whether it was a pin: how often */
	int64_t finished_us;     /* and how long the last took */
	/* Called before the desired half of a copy is written, but for what it does itself. */
	void (*meanwhile)(struct roles *r, const struct copy_row *row);
	bool meddling;
};

struct roles *roles_new(const struct roles_options *options);
void roles_free(struct roles *r); /* NULL is fine */
DEFINE_CLEANUP(struct roles, roles_free)

/* The replanning side alone, for tests that step a role themselves. */
struct replan_options roles_replan(struct roles *r);

/* One of them dies and another takes its place; store and nodes stay. */
void roles_restart_worker(struct roles *r);
void roles_restart_planner(struct roles *r);
void roles_restart_reconciler(struct roles *r);
/* All stop for so long, and others take their places. */
void roles_rest(struct roles *r, int64_t us);

/* Lets all roles do what is due while the time moves on by `us`. */
void roles_run(struct roles *r, int64_t us);

/* A raw CID, distinct for each `n`, binary; and as Kubo prints it. */
struct slice roles_cid(struct roles *r, unsigned n);
const char *roles_text(struct roles *r, unsigned n);

/* Asks for CID `n` as `owner`; `ask` may say more (NULL: nothing). */
struct ulid roles_pin(struct roles *r, const char *owner, unsigned n, const struct pin_ask *ask);
void roles_replace(struct roles *r, const char *owner, struct ulid old, unsigned n,
		   const struct pin_ask *ask);
void roles_revise(struct roles *r, const char *owner, struct ulid id, const struct pin_ask *ask);
/* An operator's wish for a peer. */
void roles_wish(struct roles *r, uint32_t peer_no, enum peer_wish wish);
void roles_unpin(struct roles *r, const char *owner, struct ulid id);

/* The request's status as a listing shows it; false in *found if it has ended. */
enum pin_status roles_status(struct roles *r, const char *owner, struct ulid id, bool *found);
/* The copy of CID `n` on a peer; all zero if it has none. */
struct copy roles_copy(struct roles *r, unsigned n, uint32_t peer_no);
