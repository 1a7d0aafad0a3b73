/*
 * call.h -- one request on its way through the API; for the handlers.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/log.h"
#include "role/api/api.h"
#include "role/api/delegates.h"
#include "role/api/errors.h"
#include "role/api/rate.h"
#include "role/api/waiters.h"
#include "json/json_reader.h"
#include "json/json_writer.h"

struct api {
	struct api_options options;
	struct rate *rate;
	struct waiters *waiters;
	struct delegates *delegates;
	/* Of what reads whole tables, or whole lists of nodes, one runs at a time. */
	atomic_bool checking, drifting, listing_foreign;
	pthread_mutex_t lock;         /* guards what follows */
	struct once_running *running; /* calls under a key in this process: once.c */
};

#define ROUTE_PARAMS 1 /* of a path, at most */

struct call {
	struct api *api;
	struct http_request *req;
	struct http_response *res;
	struct arena *mem; /* of the request */
	const struct route *route;
	struct slice params[ROUTE_PARAMS]; /* decoded */
	struct key_identity who;           /* not on routes without a scope */
	struct slice owner;                /* who is acted for */
	struct ulid id;                    /* of the pin that is asked about or was made, if any */
	const char *refused;               /* code of the error that was replied; NULL: none */
	bool psa;                          /* errors in the shape of /pins */
};

/* Returns false with *err after a fault; everything else is replied to. */
typedef bool route_handler(struct call *c, struct err *err);

#define SCOPE_NONE 0

enum route_repeat {                /* what an Idempotency-Key does */
		    REPEAT_OWN,    /* the handler sees to it, or there is nothing to do */
		    REPEAT_SAME,   /* the same reply again: once.h */
		    REPEAT_SECRET, /* the same, but the reply is not kept */
		    REPEAT_LINES,  /* refused: each line has its own */
};

struct route {
	enum http_method method;
	const char *pattern; /* "/v1/pins/{id}": {...} is one segment */
	unsigned scope;      /* enum key_scope, or SCOPE_NONE: no key needed */
	bool stream;         /* the body is taken chunk by chunk */
	route_handler *handler;
	enum route_repeat repeat;
};

/* All routes; *n tells how many. */
const struct route *api_routes(size_t *n);

/* ---- replies; each returns true, so that a handler can end with it ---------------------- */

bool reply_error(struct call *c, enum api_error error, const char *detail);
/* 404: there is no `what` of the name that the path has; /pins says it in the standard's words. */
bool reply_missing(struct call *c, const char *what);
/* What a verb did not do. */
bool reply_outcome(struct call *c, const struct pins_result *result);
/* A JSON body, which was written to res->body before. */
bool reply_json(struct call *c, unsigned status);
/* No body. */
bool reply_empty(struct call *c, unsigned status);

/* The reply leaves when all up to `mark` is durable, or says that it is not. */
void reply_when_durable(struct call *c, uint64_t mark);

/* A writer to the response's body. */
static inline struct json_writer reply_writer(struct call *c)
{
	return json_writer(&c->res->body);
}

/* Is anybody still there to be told?  Work of more than moments asks now and then. */
static inline bool call_wanted(struct call *c)
{
	return !http_response_unwanted(c->res);
}

/* ---- the log (request_log.c) ------------------------------------------------------------ */

/*
 * One line about a request that has ended; `route` NULL: its path is none.  Of what the client
 * sent it shows the method, the pattern of the path, the owner and the id of the pin request;
 * never a key, another header, a query, a body, or the path itself.
 */
void request_log(enum log_level level, const struct route *route, const struct http_answer *answer);

/* ---- requests --------------------------------------------------------------------------- */

/* The body as a JSON object; NULL: it was replied to.  The document lives as long as the
 * request's arena is used: the caller frees it. */
struct json_doc *call_json(struct call *c);

/* The value of Idempotency-Key, without its quotes; empty: none.  False: replied to. */
bool call_key(struct call *c, struct slice *out);

/* The request id in the path; false: it is none, so there is no such pin. */
bool call_ulid(struct call *c, struct ulid *out);

/* What verbs are called with: the owner, and the route as the scope of keys. */
struct pins_call call_pins(struct call *c);

/* ---- the handlers ----------------------------------------------------------------------- */

route_handler create_pin, replace_pin, patch_pin, delete_pin, retry_pin; /* in both shapes */
route_handler psa_list, psa_get;
route_handler v1_list_pins, v1_get_pin;
route_handler v1_bulk_create, v1_bulk_delete;
route_handler v1_list_peers, v1_add_peer, v1_get_peer, v1_patch_peer, v1_remove_peer, v1_drain_peer,
	v1_pause_peer, v1_resume_peer, v1_forget_peer, v1_gc_peer, v1_rebalance, v1_drift,
	v1_foreign;
route_handler v1_list_owners, v1_get_owner, v1_patch_owner, v1_usage;
route_handler v1_list_keys, v1_create_key, v1_revoke_key, v1_rotate_key;
route_handler v1_list_deny, v1_add_deny, v1_remove_deny;
route_handler v1_store_backup, v1_store_check;
route_handler v1_status, v1_openapi, get_health, get_ready, get_metrics;
