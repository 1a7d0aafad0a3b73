/*
 * fake_kubo.h -- IPFS nodes in memory behind kubo.h, for tests and simulations.
 *
 * A `struct fake_kubo` is the world: numbered nodes, what each can fetch, what each has
 * pinned.  fake_kubo_client() gives a struct kubo that reaches them (a worker's own;
 * several may serve one node); its nodes are added with the URL "fake:<number>".
 *
 * Everything happens at a time of the clock handed in and depends on the seed handed
 * in, nothing sleeps, and one thread runs it all: kubo_next() gives what is due by the
 * clock's mono time and returns false otherwise, whatever its deadline says.  A
 * scheduler moves its clock to fake_kubo_due() when nothing else is left to do.
 *
 * It behaves as Kubo 0.42 where that matters: pins of different texts are different
 * pins, re-adding a recursive pin drops it until the walk is done, a direct pin
 * over a recursive one is refused, removed pins leave their blocks until a collection,
 * what a node did stays done when the answer is lost.
 */
#pragma once

#include "base/clock.h"
#include "base/rand.h"
#include "kubo/kubo.h"

struct fake_kubo;

/* `nodes` nodes 0, 1, ... that have nothing.  Borrows clock and rand until freed. */
struct fake_kubo *fake_kubo_new(unsigned nodes, struct clock *clock, struct rand *rand);
void fake_kubo_free(struct fake_kubo *fake); /* after its clients; NULL is fine */
DEFINE_CLEANUP(struct fake_kubo, fake_kubo_free)

/* Freeing it (a worker that dies) breaks its running calls off, as a closed connection
 * does in Kubo. */
struct kubo *fake_kubo_client(struct fake_kubo *fake);

/* True once after each kubo_wake(). */
bool fake_kubo_woken(struct kubo *client);

/* When the next thing happens by itself, in mono time; INT64_MAX: never. */
int64_t fake_kubo_due(struct fake_kubo *fake);
/* The same for the calls of one client. */
int64_t fake_kubo_client_due(struct kubo *client);

/* How a node behaves from now on; all zero is an instant and perfect node. */
struct fake_kubo_knobs {
	int64_t latency_us;      /* each way of each call */
	int64_t jitter_us;       /* up to this much more, at random */
	bool hang;               /* calls get no answer, and fetches that begin no block */
	bool refuse;             /* 403 to all */
	bool disk_full;          /* nothing new can be fetched */
	uint64_t capacity_bytes; /* likewise beyond this; 0: endless */
	unsigned break_ppm;      /* of a million calls so many break, half of them when done */
	bool readd_is_safe;      /* a re-add that fails keeps the pin, unlike Kubo */
	const char *break_cid;   /* pin/add of it breaks before it is done; NULL: of none */
	int64_t break_down_us;   /* the node dies of it, and is down for so long */
	unsigned list_chunk;     /* pins in a partial result; 0: KUBO_LIST_MAX */
};
struct fake_kubo_knobs *fake_kubo_knobs(struct fake_kubo *fake, unsigned node);

/* Running calls end as unreachable, new ones too until `down_us` have passed; pins and
 * whole DAGs stay. */
void fake_kubo_restart(struct fake_kubo *fake, unsigned node, int64_t down_us);

/* What a CID is, on all nodes.  Unknown ones are 1000 bytes in one block. */
void fake_kubo_content(struct fake_kubo *fake, const char *cid, uint64_t size_bytes,
		       uint64_t blocks);

#define FAKE_KUBO_LOCAL 0           /* the node has all blocks */
#define FAKE_KUBO_NEVER INT64_C(-1) /* nobody provides it: fetching waits for ever */

/*
 * How long `node` takes to fetch a CID: block by block, evenly.  Running fetches of it start
 * anew.  `cid` NULL: all CIDs that are not named by a call of their own; at first
 * they are FAKE_KUBO_LOCAL.
 */
void fake_kubo_fetch(struct fake_kubo *fake, unsigned node, const char *cid, int64_t fetch_us);

/* Pins behind the back of all clients: foreign ones, and such that get lost. */
void fake_kubo_put_pin(struct fake_kubo *fake, unsigned node, const char *cid, enum kubo_type type,
		       const char *name);
void fake_kubo_lose_pin(struct fake_kubo *fake, unsigned node, const char *cid);

/* The repository is gone and was made anew: no pins, and only the blocks that are
 * FAKE_KUBO_LOCAL.  The node's peer id stays. */
void fake_kubo_lose_repo(struct fake_kubo *fake, unsigned node);

/* Looks at a node's pins: NULL if not pinned; valid until they change. */
const struct kubo_pin *fake_kubo_pin(struct fake_kubo *fake, unsigned node, const char *cid);
unsigned fake_kubo_n_pins(struct fake_kubo *fake, unsigned node);
const struct kubo_pin *fake_kubo_pin_at(struct fake_kubo *fake, unsigned node, unsigned i);
/* All blocks of the DAG are there, pinned or not. */
bool fake_kubo_has(struct fake_kubo *fake, unsigned node, const char *cid);

struct fake_kubo_seen { /* what reached a node so far */
	uint64_t calls[KUBO_N_KINDS];
	uint64_t readds;                   /* pin/add of what was pinned recursively already */
	unsigned adds;                     /* pin/add running now */
	unsigned adds_most;                /* and at most at one time */
	char last_addr[KUBO_ADDR_MAX + 1]; /* of swarm/connect */
};
const struct fake_kubo_seen *fake_kubo_seen(struct fake_kubo *fake, unsigned node);
