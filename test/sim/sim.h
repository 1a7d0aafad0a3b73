/*
 * sim.h -- the whole system in one thread, from one seed.
 *
 * A world has one store (loose, as bad as a CQL cluster; in one world of eight serial), one
 * bus that loses, repeats and reorders, some Kubo nodes in memory, and processes: API
 * instances with users and an operator, cores (planner, reconciler, TTL) and workers, of
 * which some have several nodes and some share one.  Every role is a fiber.  Every call of
 * the store, the bus and Kubo hands control to the scheduler, so runs interleave between any
 * two calls; clocks differ between processes and jump by a day; calls fail, time out before
 * and after taking effect, and land late; processes are killed between any two calls
 * and started again; Kubos restart, hang, fill up, lose pins and whole repositories; peers
 * are drained, paused and resumed; content appears that nobody had.
 *
 * Then the faults stop.  sim_check() (check.c) tells whether actual == desired and every
 * acknowledged request, change and deletion is honoured; the world has come to rest when
 * it finds nothing twice, with a whole sweep and a whole comparison in between, and
 * a world that does not within QUIET_US has failed.  While it runs, every pin/rm is checked
 * against what users were promised.
 */
#pragma once

#include "base/clock.h"
#include "base/rand.h"
#include "fiber.h"
#include "lib/fake_kubo.h"
#include "role/pins.h"
#include "role/planner.h"
#include "role/reconciler.h"
#include "role/ttl.h"
#include "role/worker/worker.h"
#include "store/mem/store_mem.h"

#define SIM_NODES     4
#define SIM_CIDS      12
#define SIM_OWNERS    3
#define SIM_API       2
#define SIM_CORES     2
#define SIM_WORKERS   5
#define SIM_PROCESSES (SIM_API + SIM_CORES + SIM_WORKERS)
#define SIM_WISHES    512
#define SIM_ZONES     2

#define SIM_EXPIRING_US (30 * US_PER_S)  /* between two looks for what expires */
#define SIM_SWEEP_US    (180 * US_PER_S) /* between two sweeps, and two comparisons */

struct sim;
struct process;

enum known { /* what a user knows of a call of his */
	     KNOWN_NO,
	     KNOWN_YES,
	     KNOWN_MAYBE, /* it failed: it may have happened, or may yet */
};

struct wish { /* a request as its user remembers it */
	struct ulid id;
	unsigned owner, cid;
	unsigned key;  /* of the call that makes it; 0 = none */
	unsigned zone; /* 1 + its number; 0 = any */
	bool direct;
	int32_t rf_min, rf_max, priority;
	int64_t asked_expiry; /* when it was made */
	unsigned renewals;    /* that were asked for */
	enum known made, ended;
	bool repeated; /* several calls make it: what one of them did not do another may have */
	int64_t made_at, ended_at;             /* mono; of the answer, and of the question */
	int64_t soonest_expiry, latest_expiry; /* over all that may count; 0 = never expires */
};

struct role_fiber {
	struct fiber *fiber;
	struct process *process;
	const char *name;
	void (*run)(struct role_fiber *rf);
	int64_t wait_until; /* mono */
	bool knocked;
};

struct process {
	struct sim *sim;
	const char *kind;
	unsigned number;
	bool alive, killed;
	int64_t start_at;   /* mono; when it is not alive */
	struct clock clock; /* the world's, with this process's error */
	int64_t skew;
	unsigned nodes[2 * SIM_NODES], n_nodes; /* of a worker */
	struct rand_seeded rand;
	unsigned instance;
	bool fresh_bus; /* nothing was taken since the start: the bus says "overflowed" once */
	struct store *store;
	struct bus *bus;
	struct kubo *kubo; /* of a worker that runs; else NULL */
	struct cluster *cluster;
	struct peer_watch *watch;
	struct role_fiber roles[4];
	unsigned n_roles, n_running;
};

struct sim_fault {                          /* per million calls, but for times */
	unsigned unknown, late, lost, fail; /* of store calls */
	unsigned drop, repeat;              /* of bus messages */
	int64_t delay_us;                   /* of bus messages, at most */
	int64_t skew_us;                    /* of clocks, at most, either way */
	int64_t kill_us;                    /* a process dies about so often; 0 = never */
	int64_t kubo_us; /* something happens to a Kubo about so often; 0 = never */
	int64_t jump_us; /* a clock jumps by a day about so often; 0 = never */
};

struct sim_shape {   /* what kind of world it is */
	bool serial; /* the store is; then its calls never fail */
	bool zoned;
	bool take_adopted;
};

struct sim_bus;
struct sim_scenario;

struct sim {
	uint64_t seed;
	bool trace;
	bool strict; /* on a loose store the derived rows must agree too */
	struct rand_seeded rand;
	struct clock clock;                  /* the world's */
	int64_t now;                         /* mono and wall of the world, us */
	const struct sim_scenario *scenario; /* NULL: users and faults by chance */
	struct sim_fault fault;
	struct sim_shape shape;
	int64_t wall_off;   /* the world's wall clock is so far ahead of `now` */
	int64_t wall_high;  /* no clock has shown or will show more than this beside skew_us */
	bool operator_done; /* at most one peer is not active */
	bool told;          /* the scenario's story is at its end */
	unsigned next_key;
	bool judging; /* sim_check() may find what is not at rest yet */
	bool quiet;   /* the faults have stopped, users too */
	struct store_mem *mem;
	struct sim_bus *bus;
	struct fake_kubo *kubos;
	struct process processes[SIM_PROCESSES];
	unsigned next_instance;
	struct cid cids[SIM_CIDS];
	char texts[SIM_CIDS][CID_TEXT_MAX];
	bool unfetchable[SIM_CIDS];
	enum known denied[SIM_CIDS];
	bool own[SIM_CIDS][SIM_NODES]; /* pins that a user of the node made himself */
	struct wish wishes[SIM_WISHES];
	unsigned n_wishes;
	int64_t probed_at[SIM_CIDS][SIM_NODES]; /* mono; the last look before a removal */
	unsigned lost[SIM_CIDS][SIM_NODES];     /* pins the world took away */
	char violation[400];  /* the first promise that was broken; empty = none */
	uint64_t steps, hash; /* of the schedule, to compare runs */
};

/* A line of the story, when it is told; the first promise that was broken. */
void sim_trace(struct sim *sim, const char *fmt, ...) PRINTF(2, 3);
void sim_violated(struct sim *sim, const char *fmt, ...) PRINTF(2, 3);

/* There is something to do for a role of that process, if it has it. */
void sim_knock(struct process *p, const char *role);
/* From inside a role: lets others run. */
void sim_yield(struct sim *sim);
/* The world's wall clock. */
int64_t sim_wall(const struct sim *sim);
#define SIM_ZONE_NAME(i)  slice_str((const char *const[SIM_ZONES]){ "east", "west" }[i])
#define SIM_OWNER_NAME(i) slice_str((const char *const[SIM_OWNERS]){ "ada", "bob", "eve" }[i])
/* The number of a CID of this world. */
unsigned sim_cid_of(const struct sim *sim, struct slice cid);
/* The node that a peer is, by its id; SIM_NODES: none. */
unsigned sim_node_of_peer(struct slice peer_id);
/* True `ppm` times in a million. */
bool sim_chance(struct sim *sim, unsigned ppm);

/* A bus handle of one process on the world's lossy bus. */
struct sim_bus *sim_bus_new(struct sim *sim);
void sim_bus_free(struct sim_bus *bus);
struct bus *sim_bus_attach(struct sim_bus *bus, struct process *process);

/* A Kubo client of one process, which it keeps in process->kubo: yields, dies with the process,
 * tells of removals. */
struct kubo *sim_kubo_attach(struct process *process);
/* When something happens to a call of the process, in mono time; INT64_MAX: never. */
int64_t sim_kubo_due(const struct process *process);

/* The body of a user's fiber: asks for pins, changes and ends them. */
void sim_user(struct role_fiber *rf);
/* The body of an operator's fiber: drains, pauses and resumes peers, denies CIDs. */
void sim_operator(struct role_fiber *rf);
/* From inside a role: until `until` (mono) or a knock; false when killed. */
bool sim_wait(struct role_fiber *rf, int64_t until);

/* A removal of a pin has begun (or was answered): was anybody promised that copy? */
void sim_removal(struct sim *sim, unsigned node, const char *cid);
void sim_probe(struct sim *sim, unsigned node, const char *cid);

/* Runs one seed from beginning to end; false if a promise was broken (then
 * sim->violation says which).  With a scenario nothing happens by chance but the schedule. */
bool sim_run(struct sim *sim, uint64_t seed, const struct sim_scenario *scenario, bool trace);

/* Compares the users' memories, the store, its listings and the Kubos. */
void sim_check(struct sim *sim);
/* The listings alone: they tell what the facts and copies tell. */
struct wanted_request;
bool sim_check_lists(struct sim *sim, struct store *store, struct arena *mem, struct err *err);

/* ---- shared by the checks (check.c) ---- */
struct truth { /* of one CID */
	struct cid_view view;
	struct wanted_request *requests;
	size_t n;
};
bool sim_truth(struct sim *sim, struct store *store, unsigned cid, struct arena *mem,
	       struct truth *out, struct err *err);

/* ---- what a user does (users.c) ---- */
struct pins *sim_pins_new(struct process *process);
/* A wish to be filled in and asked for; NULL: there are too many. */
struct wish *sim_new_wish(struct sim *sim, unsigned owner, unsigned cid);
void sim_ask(struct sim *sim, struct pins *pins, struct wish *w, struct arena *mem);
void sim_end(struct sim *sim, struct pins *pins, struct wish *w, struct arena *mem);
enum known sim_renew(struct sim *sim, struct pins *pins, struct wish *w, int64_t expires_at,
		     struct arena *mem);
void sim_expires(struct wish *w, int64_t at, bool certain);
/* An operator's word for the peer that a node is. */
bool sim_set_wish(struct process *p, unsigned node, enum peer_wish wish, struct arena *mem,
		  struct err *err);
/* And for a CID. */
bool sim_deny(struct process *p, unsigned cid, bool deny, struct arena *mem, struct err *err);

/* ---- scenarios (scenarios.c): stories that are told again and again ---- */
struct sim_scenario {
	const char *name, *what;
	struct sim_shape shape;
	void (*story)(struct role_fiber *rf); /* of the only user; sets sim->told at its end */
};
extern const struct sim_scenario sim_scenarios[];
extern const unsigned sim_n_scenarios;

/* ---- the world's parts (world.c) and its processes (process.c), for the scheduler ---- */
struct sim_fault sim_some_faults(struct sim *sim);
struct sim_shape sim_some_shape(struct sim *sim);
void sim_make_content(struct sim *sim);
void sim_give_nodes(struct sim *sim); /* to the workers */
void sim_jump(struct sim *sim);       /* a clock, or all */
void sim_provide(struct sim *sim, unsigned c);
void sim_trouble_a_kubo(struct sim *sim);
void sim_calm_kubos(struct sim *sim);
void sim_process_start(struct sim *sim, struct process *p);
void sim_process_kill(struct sim *sim, struct process *p);
void sim_process_bury(struct sim *sim, struct process *p); /* whose fibers have returned */
void sim_resume(struct sim *sim, struct role_fiber *rf);
