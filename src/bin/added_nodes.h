/*
 * added_nodes.h -- Kubo nodes that were added at run time, kept in the store so that they
 * are there after a restart.
 *
 * A setting of the store holds their URLs, one a line.  No secret is kept: these nodes take what
 * worker.kubo_auth says, and one that needs another is named in the configuration.
 */
#pragma once

#include "base/clock.h"
#include "kubo/kubo.h"
#include "store/store.h"

#define ADDED_NODES_MAX 10000
#define ADDED_URL_MAX   255 /* bytes: what a worker shows of one */

/* The URLs, in the order they were added. */
bool added_nodes_load(struct store *store, struct arena *mem, struct slice_list *out,
		      struct err *err) MUST_CHECK;

/* Adds one, unless it is there already.  ERR_INVALID: there are ADDED_NODES_MAX, or it is no URL
 * that can be kept: too long, or with white space in it. */
bool added_nodes_keep(struct store *store, struct slice url, struct arena *mem,
		      struct err *err) MUST_CHECK;

/* A client that reaches `node` alone, as its number 0. */
bool node_client_new(struct clock *clock, const struct kubo_node *node, struct kubo **out,
		     struct err *err) MUST_CHECK;

/* Asks the Kubo `node` who it is, for `for_us` at most.  ERR_INVALID: a URL that makes no
 * sense, or where nobody answers, and why. */
bool added_node_ask(struct clock *clock, const struct kubo_node *node, int64_t for_us,
		    struct arena *mem, struct slice *peer_id, struct err *err) MUST_CHECK;
