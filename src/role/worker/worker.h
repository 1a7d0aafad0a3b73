/*
 * worker.h -- the role beside one or several Kubo nodes: it carries out what its
 * peers were assigned, and says what it sees.
 *
 * Each node is one peer.  Of every assignment that is not settled the worker keeps
 * a task in memory (its journal: losing it costs a re-sync, no more):
 *
 *	pin     is it pinned already? (a re-add could lose it; a direct pin is replaced) ->
 *	        connect to origins -> pin/add, which tells the size (else files/stat) ->
 *	        report
 *	unpin   wait the grace -> is it there, and ours? -> take the last look through the
 *	        cluster role (no answer means no unpin) -> pin/rm -> report
 *
 * A pin counts when Kubo named it (design rule R5).  Pins that the worker makes are
 * called "pinfold/<store id>"; a pin found under another name is the user's own: it is
 * adopted, counts as a copy, and is never removed unless options say so.  A direct pin of
 * the user's that ours replaces (Kubo holds one pin of a CID) is put back when ours goes:
 * see pin_name.h.  Between the two calls, pin/rm and pin/add, only this worker knows of it.
 *
 * Now and then a node's whole list of pins is compared with what it should hold:
 * lost pins are fetched again, pins of ours that nobody knows are reported, foreign
 * ones counted.
 *
 * Belongs to one thread, but for worker_knock(), worker_node_...() and worker_progress().
 */
#pragma once

#include "base/clock.h"
#include "base/rand.h"
#include "bus/bus.h"
#include "kubo/kubo.h"
#include "model/origin_filter.h"
#include "reconcile/reconcile.h"
#include "role/cluster.h"

#define WORKER_MAX_DIALS 64 /* a policy.max_dials that serves: honest ones take milliseconds */

struct worker_policy {
	unsigned max_fetches;       /* running with progress at once on one node; half as many
				     * more for owners who have none running */
	unsigned max_patient;       /* running without progress for patience_us */
	unsigned max_owner_fetches; /* of one owner at once on one node, whose row may say less;
				     * 0 = no bound */
	unsigned max_dials;  /* addresses being dialled at once on one node; more are dropped */
	int64_t patience_us; /* a fetch without a new block for so long lends its slot */
	int64_t stall_us;    /* a fetch without progress for so long has failed */
	struct retry_policy retry;
	int64_t unpin_grace_us; /* from the order to remove to the removal */
	int64_t heartbeat_us;   /* between two signs of life asked of a node */
	int64_t heartbeat_timeout_us;
	int64_t report_us;    /* between two reports to the cluster role without news */
	int64_t compare_us;   /* between two comparisons with the node's whole list */
	size_t journal_max;   /* tasks of one node in memory; the rest waits in the store */
	unsigned gc_permille; /* collect when so much of a repository is used; 0 = never */
	int64_t gc_pause_us;  /* between two collections of one node by that rule */
	bool take_adopted;    /* remove pins of others when they are no longer wanted */
	const struct ip_net *origin_nets; /* private nets that tenants' origins may lie in */
	size_t n_origin_nets;
};

struct worker_node_options {
	struct kubo_node kubo;
	struct slice zone;
	struct slice_list tags;
};

struct worker_options {
	struct kubo *kubo; /* taken over */
	struct cluster *cluster;
	struct bus *bus;
	struct clock *clock;
	struct rand *rand;
	const char *store_id; /* names pins in Kubo */
	const struct worker_policy *policy;
	const struct worker_node_options *nodes;
	unsigned n_nodes;
};

struct worker;

bool worker_new(const struct worker_options *options, struct worker **out,
		struct err *err) MUST_CHECK;
void worker_free(struct worker *w); /* NULL is fine; running fetches are broken off */
DEFINE_CLEANUP(struct worker, worker_free)

/* Waits for Kubo until `until_us` (mono), then does what is due.  *due_us: to be called
 * again at the latest.  An error is the first one of all nodes; the others had their step. */
bool worker_step(struct worker *w, int64_t until_us, int64_t *due_us, struct err *err) MUST_CHECK;

/* Makes a waiting worker_step() return; `w` is void so that it fits callbacks. */
void worker_knock(void *w);

enum worker_node_state {
	NODE_UNKNOWN, /* not reached yet */
	NODE_UP,
	NODE_DOWN,
	NODE_DUPLICATE, /* the same Kubo as an earlier node: not used */
};

enum node_gc { /* a collection of what no pin holds */
	       GC_NONE,
	       GC_DRAINING, /* nothing is fetched; what gets something may end, for a while */
	       GC_RUNNING,
};

struct worker_node { /* a copy, for status pages and metrics */
	enum worker_node_state state;
	uint32_t peer_no; /* 0: not known yet */
	char peer_id[128], url[256], down_reason[KUBO_TEXT_MAX + 1];
	unsigned queued, retrying, active, patient; /* tasks */
	uint64_t pinned, unpinned, failed, lost;    /* since the start */
	uint64_t foreign;                           /* pins of others at the last comparison */
	uint64_t surplus;                           /* pins of ours that nobody knew, likewise */
	int64_t compared_at;                        /* wall; 0 = never */
	uint64_t free_bytes, used_bytes;
	enum node_gc gc;
	int64_t gc_at;         /* wall; end of the last collection, 0 = none since the start */
	uint64_t gc_collected; /* blocks it removed */
};

/* Copies node `i`, from 0; false: there are no more. */
bool worker_node_at(struct worker *w, unsigned i, struct worker_node *out);

/* Copies the one that is this peer; false: none is, as far as is known by now. */
bool worker_node_of(struct worker *w, uint32_t peer_no, struct worker_node *out);

/* From any thread: how to reach that peer's node, for a client of the caller's own; false: none is
 * that peer.  The texts live as long as the worker. */
bool worker_kubo_of(struct worker *w, uint32_t peer_no, struct kubo_node *out);

/* From any thread: drives one more node from now on.  The options are copied.  A URL that
 * makes no sense is logged and forgotten; so is a Kubo that another URL already names. */
void worker_add_node(struct worker *w, const struct worker_node_options *node);

enum worker_gc {
	WORKER_GC_ORDERED,
	WORKER_GC_NO_PEER, /* no node of this worker is that peer, or it does not answer */
	WORKER_GC_BUSY,    /* a collection is running or ordered: one node at a time */
};
/* From any thread: drain the peer's node, collect, go on.  Kubo holds its pin lock meanwhile,
 * which is why nothing else runs there. */
enum worker_gc worker_order_gc(struct worker *w, uint32_t peer_no);

/* From any thread: how far a running fetch has come; false if none is running. */
bool worker_progress(struct worker *w, uint32_t peer_no, struct slice cid,
		     struct kubo_progress *out);
