/*
 * pins.h -- the verbs on pins, for one owner at a time: create, replace, revise,
 * remove, retry.
 *
 * Every way in (the Pinning Service API, /v1, bulk streams, other listeners) comes
 * through here, so what may be asked, what a silent request gets, who is refused and
 * what happens once under an idempotency key is decided once.  No HTTP.  Reading needs
 * no verb: store_find(), store_list(), store_count(), store_view().
 *
 * A verb, in order:
 *	check     every field against model/pin.h, reserved `meta` keys, the owner's
 *	          bounds, the deny list, what Kubo can fetch, quotas
 *	claim     the idempotency key, if there is one (op_log.h)
 *	change    store_change(): the facts, and a wake row due in a minute
 *	finish    the result goes to the idempotency row
 * The caller gets the mark to wait for (store_when_durable()) before it tells anybody.
 * When it is durable, BUS_PIN_REQUEST is published for each CID.
 *
 * What callers must expect is the outcome of a result; a fault is struct err, and then
 * nothing is known of any item of that call after ERR_TIMEOUT.  Repeating a call is harmless under
 *an idempotency key; without one, creating twice makes two requests.
 *
 * Calls block on the store, never sleep, and may come from any thread; no lock is held
 * across a call of the store.
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "bus/bus.h"
#include "role/owners.h"
#include "store/store.h"

#define PINS_BATCH_MAX      1000            /* items of one call */
#define IDEMPOTENCY_KEY_MAX 255             /* bytes */
#define PINS_WAKE_US        (60 * US_PER_S) /* a lost hint costs at most this */

struct pins_options { /* what they point to outlives the pins, and the store's callbacks */
	struct store *store;
	struct bus *bus;
	struct clock *clock;
	unsigned instance;          /* of `store`: for version_next() */
	int64_t expiring_us;        /* of `store`: for the status in results */
	int64_t sole_since_us;      /* of all that ask the store, these pins alone are alive, and
				     * since then; 0: there may be others */
	int32_t rf_min, rf_max;     /* where neither request nor owner says; 0: 1 */
	struct owner_bounds bounds; /* where the owner's row says nothing */
};

struct pins;
struct pins *pins_new(const struct pins_options *options);
void pins_free(struct pins *pins); /* NULL is fine; no verb is running */
DEFINE_CLEANUP(struct pins, pins_free)

/* ---- what is asked -------------------------------------------------------------------- */

enum ask_field { /* bits of pin_ask.given */
		 ASK_NAME = 1 << 0,
		 ASK_META = 1 << 1,
		 ASK_TAGS = 1 << 2,
		 ASK_ZONES = 1 << 3,
		 ASK_REPLICAS = 1 << 4,
		 ASK_PRIORITY = 1 << 5,
		 ASK_EXPIRY = 1 << 6,
		 ASK_PEER_TAGS = 1 << 7,
};

/* Lists and texts may come unsorted and unchecked; they are copied. */
struct pin_ask {
	struct slice key; /* idempotency key; empty = none */

	/* Of a new request; not used by pins_revise(). */
	struct slice cid;              /* binary */
	char cid_base;                 /* as cid_parse() gave it; 0 = the usual one */
	bool direct;                   /* the block alone, not what it links to */
	struct slice_list origins;     /* multiaddrs ending in /p2p/<id>, unique */
	struct slice_list allocations; /* peer ids to prefer */
	struct slice pin_proto;        /* kept as it is */

	/* What may change later.  A member counts if its bit is in `given`; a new request
	 * gets the owner's defaults for the others, an old one keeps what it has. */
	unsigned given;
	struct slice name;
	struct pair_list meta;       /* the whole map; reserved keys, see pin_ask.h */
	struct slice_list tags;      /* the whole set */
	struct slice_list zones;     /* the whole set */
	struct slice_list peer_tags; /* the whole set */
	int32_t rf_min, rf_max;
	int32_t priority;
	int64_t ttl_us;     /* from now on; 0: see expires_at */
	int64_t expires_at; /* us since 1970; 0: never */
};

/* ---- what came of it ------------------------------------------------------------------ */

enum pins_outcome {
	PINS_DONE,
	PINS_INVALID,      /* `why` names field, value and what is allowed */
	PINS_NOT_FOUND,    /* no such live request of this owner */
	PINS_DENIED,       /* the CID is on the deny list */
	PINS_DISABLED,     /* the owner may not write */
	PINS_QUOTA,        /* the owner's pins or bytes are used up, or REQUESTS_PER_CID or
			      FACTS_PER_CID reached */
	PINS_PRECONDITION, /* the revision is not the expected one */
	PINS_KEY_IN_USE,   /* another call with this idempotency key is running */
	PINS_KEY_REUSED,   /* the idempotency key was used for something else */
};
#define PINS_OUTCOMES 9
const char *pins_outcome_name(enum pins_outcome outcome); /* "done", ... for logs */

struct pins_result { /* lives in the arena of the call */
	enum pins_outcome outcome;
	const char *why; /* for people; empty if there is nothing to say */
	/* PINS_DONE: what holds now, as a listing will show it; NULL after a removal and
	 * when `replayed` (then read `body`).  PINS_PRECONDITION: what holds. */
	const struct owner_pin *pin;
	struct ulid request_id; /* PINS_DONE: which request it was or became */
	bool replayed;          /* done before under this key; these are from then: */
	uint16_t http_status;
	struct slice body;
};

/* Makes of a result with PINS_DONE what a repetition under the same key will get. */
typedef void pins_encode(void *ctx, const struct pins_result *result, struct arena *mem,
			 uint16_t *http_status, struct slice *body);

struct pins_call {
	struct slice owner;  /* as authenticated */
	struct slice route;  /* method and route, "POST /pins": the scope of keys */
	pins_encode *encode; /* NULL: a repetition gets the request_id alone */
	void *encode_ctx;
};

/*
 * In all verbs `results` has room for one result per item, and *mark is the point that must
 * be durable before anybody may be told (also of replayed results).
 */

/* Makes `n` new requests, in one batch of the store where it has batches. */
bool pins_create(struct pins *pins, const struct pins_call *call, const struct pin_ask *asks,
		 size_t n, struct arena *mem, struct pins_result *results, uint64_t *mark,
		 struct err *err) MUST_CHECK;

/* Makes a new request by `ask` and ends `old` in its favour: its copies stay until those of
 * the new one are pinned.  If `old` is not live nothing is created. */
bool pins_replace(struct pins *pins, const struct pins_call *call, struct ulid old,
		  const struct pin_ask *ask, struct arena *mem, struct pins_result *result,
		  uint64_t *mark, struct err *err) MUST_CHECK;

/* Changes what `ask` gives.  `if_rev` is the revision it must have now, 0 = any.  Without
 * any difference nothing is written.  Two that expect the same revision at the same moment
 * may both be done on a cluster; the newer set holds whole. */
bool pins_revise(struct pins *pins, const struct pins_call *call, struct ulid id, uint64_t if_rev,
		 const struct pin_ask *ask, struct arena *mem, struct pins_result *result,
		 uint64_t *mark, struct err *err) MUST_CHECK;

struct pin_target {
	struct ulid id;
	struct slice key; /* idempotency key; empty = none */
};

/* Ends `n` requests by their owner's wish. */
bool pins_remove(struct pins *pins, const struct pins_call *call, const struct pin_target *targets,
		 size_t n, struct arena *mem, struct pins_result *results, uint64_t *mark,
		 struct err *err) MUST_CHECK;

/* Asks that failed copies are tried at once. */
bool pins_retry(struct pins *pins, const struct pins_call *call, const struct pin_target *target,
		struct arena *mem, struct pins_result *result, uint64_t *mark,
		struct err *err) MUST_CHECK;

/* ---- owners ---------------------------------------------------------------------------- */

/* The owner's row, all zero but for the name if there is none; at most 1 s old. */
bool pins_owner(struct pins *pins, struct slice owner, struct arena *mem,
		const struct owner_row **out, struct err *err) MUST_CHECK;

/* What he may have and do, by a row from pins_owner(). */
struct owner_bounds pins_bounds(const struct pins *pins, const struct owner_row *row);

/* Writes the owner's row, updated_at being filled in, if what is stored is still `expected`
 * (NULL: nothing is); *done tells whether it was. */
bool pins_set_owner(struct pins *pins, const struct owner_row *expected,
		    const struct owner_row *row, bool *done, struct err *err) MUST_CHECK;
