/*
 * kubo.h -- calls to the RPC of IPFS nodes (Kubo's /api/v0), never blocking.
 *
 * One `struct kubo` serves many nodes.  An operation is started, and ends exactly
 * once, through kubo_next(): done, failed or canceled.  The operations make
 * progress inside kubo_next() alone, in the caller's thread:
 *
 *	kubo_start(kubo, &(struct kubo_op){ .kind = KUBO_PIN_ADD, .node = n, .cid = cid,
 *					    .type = KUBO_RECURSIVE, .ctx = copy }, &id, &err);
 *	while (kubo_next(kubo, until_us, &done))
 *		finish(done.ctx, &done);
 *
 * What it promises: KUBO_OK of a pin operation means that Kubo answered with a "Pins"
 * object (a pin is pinned when Kubo says so, not when a stream ends); a call whose
 * outcome nobody knows (KUBO_TIMED_OUT, KUBO_UNREACHABLE, KUBO_CANCELED, KUBO_STALLED)
 * may have happened; failed calls are not repeated here.  A struct kubo belongs to one thread;
 * only kubo_wake() may be called from others.
 *
 * CIDs are given and taken as the text Kubo prints (v0 "Qm...", v1 base32).  Pins of
 * the v0 and the v1 form of one multihash are two pins in Kubo.
 *
 * Re-adding is not safe in Kubo (0.26 to 0.42 at least): pin/add of a CID that is
 * pinned recursively first drops the pin, and when the walk then fails or is
 * canceled the pin is gone.  Ask KUBO_PIN_LS first.
 *
 * Back ends: kubo_curl.h (real nodes), test/lib/fake_kubo.h (simulations).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/cleanup.h"
#include "base/err.h"

#define KUBO_CID_MAX   512  /* bytes of a CID's text, without NUL */
#define KUBO_NAME_MAX  255  /* bytes of a pin's name: Kubo's own limit */
#define KUBO_ADDR_MAX  1024 /* bytes of a multiaddr's text */
#define KUBO_TEXT_MAX  200  /* bytes of an error text kept; longer ones are cut */
#define KUBO_LIST_MAX  1024 /* pins in one partial result of KUBO_PIN_LIST */
#define KUBO_ADDRS_MAX 64   /* addresses kept of one KUBO_ID */

struct kubo;

enum kubo_kind {
	KUBO_ID,            /* who are you: done.id */
	KUBO_VERSION,       /* cheap sign of life: done.version */
	KUBO_PIN_LS,        /* cid, type: is it pinned so?  done.pin, or KUBO_NOT_PINNED */
	KUBO_PIN_ADD,       /* cid, type, name, stall_us: done.progress */
	KUBO_PIN_RM,        /* cid: removes a direct or recursive pin */
	KUBO_PIN_UPDATE,    /* cid, to_cid, keep_old: moves a recursive pin, keeps its name */
	KUBO_PIN_LIST,      /* type: all pins of that type, in partial results: done.list */
	KUBO_STAT,          /* cid: size of its local DAG, never from the network: done.size */
	KUBO_REPO_STAT,     /* done.repo */
	KUBO_SWARM_CONNECT, /* addr */
	KUBO_REPO_GC,       /* done.collected; takes the node's pin lock, so drain it first */
	KUBO_N_KINDS
};

enum kubo_type { /* how a CID is pinned; the numbers are those of the store */
		 KUBO_DIRECT = 0,
		 KUBO_RECURSIVE = 1,
		 KUBO_INDIRECT =
			 2, /* only seen in answers, held by a recursive pin of another CID */
};

/* How an operation ended, named by what the caller does next. */
enum kubo_outcome {
	KUBO_OK,
	KUBO_NOT_PINNED,     /* pin/ls, pin/rm, pin/update: there is no such pin; of rm: done */
	KUBO_ALREADY_PINNED, /* a direct pin over a recursive one, or pin/update's goal exists */
	KUBO_NOT_LOCAL,      /* blocks are missing here and the call was offline */
	KUBO_STALLED,        /* no progress for stall_us: canceled; try later or elsewhere */
	KUBO_TIMED_OUT,      /* no answer in time; outcome unknown */
	KUBO_DENIED,         /* 401, 403, or the network forbids it: an operator must act */
	KUBO_UNREACHABLE,    /* no connection, or it broke; outcome unknown */
	KUBO_BAD_REQUEST,    /* Kubo will never accept this: do not retry */
	KUBO_DISK_FULL,      /* free space on the node first */
	KUBO_RESTARTING,     /* the daemon is going down or coming up: retry soon */
	KUBO_CANCELED,       /* by kubo_cancel() */
	KUBO_UNKNOWN,        /* anything else, also answers that make no sense: retry slowly */
	KUBO_N_OUTCOMES
};

/* An operation.  Strings are copied by kubo_start(). */
struct kubo_op {
	enum kubo_kind kind;
	unsigned node;       /* from kubo_add_node() */
	const char *cid;     /* of PIN_LS, PIN_ADD, PIN_RM, PIN_UPDATE, STAT */
	const char *to_cid;  /* of PIN_UPDATE */
	enum kubo_type type; /* of PIN_LS, PIN_ADD, PIN_LIST: direct or recursive */
	const char *name;    /* of PIN_ADD; NULL or "": none */
	const char *addr;    /* of SWARM_CONNECT: multiaddr ending in /p2p/<peer id> */
	bool keep_old;       /* of PIN_UPDATE: leave the old pin */
	int64_t stall_us;    /* of PIN_ADD: give up after so long without progress; 0: 2 min */
	int64_t timeout_us;  /* for the whole call; 0: the kind's own, none for PIN_ADD */
	void *ctx;           /* comes back in struct kubo_done */
};

struct kubo_progress {
	uint64_t nodes; /* blocks of the DAG fetched or found so far */
	uint64_t bytes; /* their bytes; 0 before Kubo 0.40 */
};

struct kubo_pin {
	const char *cid;
	const char *name; /* "" if none */
	enum kubo_type type;
};

struct kubo_node_id {
	const char *peer_id;
	const char *agent;        /* "kubo/0.42.0/..." */
	const char *const *addrs; /* multiaddrs ending in /p2p/<peer id> */
	unsigned n_addrs;
};

struct kubo_repo {
	uint64_t used_bytes;
	uint64_t max_bytes; /* Datastore.StorageMax: Kubo does not refuse pins beyond it */
};

/* The pointers live until the next call of kubo_next() on the same struct kubo. */
struct kubo_done {
	uint64_t id;
	void *ctx;
	enum kubo_kind kind;
	unsigned node;
	enum kubo_outcome outcome;
	bool more;                    /* PIN_LIST: a partial result; the operation goes on */
	int http_status;              /* 0 if there was no answer */
	int64_t took_us;              /* since kubo_start() */
	char text[KUBO_TEXT_MAX + 1]; /* Kubo's or our words for a failure; "" when OK */
	union {
		struct kubo_node_id who;       /* ID */
		const char *version;           /* VERSION: "0.42.0" */
		struct kubo_pin pin;           /* PIN_LS */
		struct kubo_progress progress; /* PIN_ADD, also when it failed */
		uint64_t size_bytes;           /* STAT: with all blocks below the root */
		struct kubo_repo repo;         /* REPO_STAT */
		uint64_t collected;            /* REPO_GC: blocks removed */
		struct {                       /* PIN_LIST: 0 to KUBO_LIST_MAX pins */
			const struct kubo_pin *pins;
			unsigned n;
		} list;
	};
};

enum kubo_auth { KUBO_AUTH_NONE, KUBO_AUTH_BEARER, KUBO_AUTH_BASIC };

struct kubo_node {
	/* "http://host:port", "https://host", with or without a path before /api/v0,
	 * or "unix:/path/to/socket". */
	const char *url;
	enum kubo_auth auth;
	const char *secret;       /* bearer token, or "user:password"; NULL without auth */
	const char *ca_file;      /* https: trust these certificates; NULL: the system's */
	unsigned max_connections; /* calls running at once, the rest wait but KUBO_ID; 0: 32 */
};

void kubo_free(struct kubo *kubo); /* NULL is fine; running operations end without a result */
DEFINE_CLEANUP(struct kubo, kubo_free)

/* Does not connect.  Nodes stay until kubo_free(); *node counts up from 0.
 * ERR_INVALID if the URL makes no sense. */
bool kubo_add_node(struct kubo *kubo, const struct kubo_node *cfg, unsigned *node,
		   struct err *err) MUST_CHECK;

/*
 * Starts an operation; its result comes from kubo_next(), never from here.  *id is
 * never 0 and never used again.  ERR_INVALID if a text is missing, too long or holds
 * control characters or spaces (a name may hold spaces), or the node does not exist.
 */
bool kubo_start(struct kubo *kubo, const struct kubo_op *op, uint64_t *id,
		struct err *err) MUST_CHECK;

/* The operation ends as KUBO_CANCELED unless its end was already on the way; either
 * way kubo_next() still gives it once.  An id that has ended is ignored. */
void kubo_cancel(struct kubo *kubo, uint64_t id);

/*
 * Works until an operation ended or gave a partial result (true, in *out), or the
 * clock's mono time reaches `until_mono_us`, or kubo_wake() was called (false).  A
 * time in the past makes it do what can be done at once.  Nothing is read from a
 * node for KUBO_PIN_LIST while its last partial result was not taken from here.
 */
bool kubo_next(struct kubo *kubo, int64_t until_mono_us, struct kubo_done *out) MUST_CHECK;

/* Makes the running kubo_next(), or the next one, return without waiting.  From any
 * thread. */
void kubo_wake(struct kubo *kubo);

/* How far a running PIN_ADD has come.  False: no such operation (any more). */
bool kubo_progress(struct kubo *kubo, uint64_t id, struct kubo_progress *out) MUST_CHECK;

/*
 * Sorts a failure of Kubo by remedy; pure.  `http_status` as received (200 for an
 * error in the trailer X-Stream-Error or in an error line), `message` the JSON
 * "Message", or the body.
 */
enum kubo_outcome kubo_classify(int http_status, const char *message);

const char *kubo_kind_name(enum kubo_kind kind);          /* "pin/add", ... */
const char *kubo_outcome_name(enum kubo_outcome outcome); /* "not-pinned", ... */
const char *kubo_type_name(enum kubo_type type);          /* "recursive", ... */
/* False if `name` is none of Kubo's pin types. */
bool kubo_type_of(const char *name, enum kubo_type *out) MUST_CHECK;
