/*
 * api.h -- the HTTP interface for users: /pins, /v1, health and metrics.
 *
 * What it looks like is openapi.json in this folder, which the server serves and tests
 * hold it to.  router.c has the table of routes and what happens before a handler
 * (authentication, scope, owner, rate); one file for each group of routes has the handlers;
 * errors.c has one table from errors to replies.
 *
 * A handler runs on a worker of the HTTP server, blocks at most on the store, and
 * holds its reply until what it tells is durable.  Waits and streams are resumed by the
 * server; nobody sleeps.
 */
#pragma once

#include "base/metrics.h"
#include "net/http_server.h"
#include "role/keys.h"
#include "role/pins.h"
#include "role/reconciler.h"
#include "role/shortage.h"
#include "role/worker/worker.h"

struct api_orders { /* of operators, to roles in this process; any thread, short */
	void *ctx;
	/* Moves copies to where a fresh placement would put them; with `dry_run` only
	 * counts, for `for_us` at most.  NULL: no reconciler runs here. */
	bool (*rebalance)(void *ctx, bool dry_run, bool force, int64_t for_us,
			  struct rebalance_preview *out, struct err *err);
	/* A collection on the peer's node.  NULL: no worker runs here. */
	enum worker_gc (*collect)(void *ctx, uint32_t peer_no);
	/* Why a request has fewer copies than it asks for.  NULL: nothing is known of that here. */
	bool (*shortage)(void *ctx, const struct cid_view *view, const struct ulid *id,
			 struct arena *mem, struct shortage *out, struct err *err);
	/* Copies that the guard against mass unpins holds back.  NULL: no planner runs here. */
	uint64_t (*held_back)(void *ctx);
	/* What is known of the peer's node; false if it is not driven here.  NULL: likewise. */
	bool (*node)(void *ctx, uint32_t peer_no, struct worker_node *out);
	/* How far a running fetch has come; false if it is not known here.  NULL: likewise. */
	bool (*progress)(void *ctx, uint32_t peer_no, struct slice cid, struct kubo_progress *out);
	/* A client of the peer's node, the caller's own to free, in which that is node 0; NULL in
	 * *out: it is not driven here.  NULL: likewise. */
	bool (*kubo)(void *ctx, uint32_t peer_no, struct kubo **out, struct err *err);
};

struct api_options { /* what they point to outlives the api */
	struct store *store;
	struct pins *pins;
	struct keys *keys;
	struct clock *clock;
	unsigned instance;     /* of `store` */
	int64_t sole_since_us; /* as of `pins` */

	int64_t peer_up_us;      /* a peer counts as up so long after it was last seen; 0: 90 s */
	struct metrics *metrics; /* answers are counted in it; what /metrics shows */

	struct api_orders orders;

	/* Begins to drive the Kubo at `url` and tells its peer id, in `mem`; NULL: that is not
	 * possible in this process. */
	bool (*add_peer)(void *ctx, struct slice url, struct arena *mem, struct slice *peer_id,
			 struct err *err);
	void *add_peer_ctx;
};

struct api;
struct api *api_new(const struct api_options *options);
void api_free(struct api *api); /* NULL is fine; the server has been freed */
DEFINE_CLEANUP(struct api, api_free)

/* What to give the HTTP server. */
void api_app(struct api *api, struct http_app *out);

/* Something about `cid` has changed: answers who waits for it.  Any thread. */
void api_pin_changed(struct api *api, struct slice cid);
