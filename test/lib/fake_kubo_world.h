/* fake_kubo_world.h -- the world of fake_kubo.h and the calls that run in it; for fake_kubo*.c
 * alone. */
#pragma once

#include "base/arena.h"
#include "kubo/kubo_ops.h"
#include "lib/fake_kubo_node.h"

enum call_state {
	CALL_SENT,     /* reaches the node at next_us */
	CALL_FETCHING, /* pin/add: all blocks are there at next_us, or never */
	CALL_HUNG,     /* nothing will come */
	CALL_ANSWERED, /* the answer arrives at next_us */
	CALL_ENDED,    /* waits for its client's kubo_next() */
};

struct call {
	struct call *next; /* in the order they were started */
	struct client *client;
	struct kubo_op op; /* with strings of its own, in mem */
	struct arena *mem;
	enum call_state state;
	unsigned node; /* of the world */
	int64_t started_us;
	int64_t next_us;                 /* INT64_MAX: nothing comes by itself */
	int64_t give_up_us;              /* timeout or stall; INT64_MAX: never */
	int64_t fetch_from_us, fetch_us; /* while FETCHING */
	enum kubo_outcome gives_up_as;
	struct kubo_done done;
	struct kubo_pin *listed; /* PIN_LIST: what is left to deliver */
	unsigned n_listed;
};

struct fake_kubo {
	struct clock *clock;
	struct rand *rand;
	struct fake_node *nodes;
	unsigned n_nodes;
	struct cid_set contents;
	struct call *calls;
	unsigned n_clients;
};

struct client {
	struct kubo base;
	struct fake_kubo *fake;
	unsigned *nodes;    /* of the world, by the client's number */
	struct call *shown; /* its strings are out until the next kubo_next() */
	bool woken;
};

/* A call that its client sends now; the world's list owns it. */
struct call *call_new(struct client *client, const struct kubo_op *op, uint64_t id);
void call_free(struct call *call); /* NULL is fine; not in the list any more */
void call_end(struct call *call, enum kubo_outcome outcome, int status, const char *text,
	      int64_t now_us);

/* A fetch begins, or begins anew because what the node can reach has changed. */
void call_begin_fetch(struct call *call, int64_t fetch_us, int64_t now_us);
struct kubo_progress call_progress(const struct call *call, int64_t now_us);

/* Lets happen what is due by now, in the order of its times; gives the time. */
int64_t fake_settle(struct fake_kubo *fake);

int64_t call_due(const struct call *call);                 /* INT64_MAX: waits */
struct call *call_first_due(const struct fake_kubo *fake); /* NULL: all wait */
