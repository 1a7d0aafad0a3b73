/*
 * transfer.h -- one HTTP request to Kubo and its answer; for kubo_curl.c alone.
 *
 * A transfer belongs to a node, keeps its libcurl handle with the node's options, and
 * serves one operation after the other.
 */
#pragma once

#include <curl/curl.h>

#include "base/buf.h"
#include "base/clock.h"
#include "kubo/kubo_ops.h"
#include "kubo/lines.h"
#include "kubo/reply.h"
#include "kubo/request.h"

struct curl_node {
	struct buf base;     /* "http://127.0.0.1:5001/api/v0/" */
	char *socket_path;   /* NULL: TCP */
	char *user_password; /* basic auth, else NULL */
	char *ca_file;       /* NULL: the system's */
	struct curl_slist *headers;
	struct clock *clock;
	bool *part_is_there;
	unsigned max_running, running;
	struct transfer *waiting, **waiting_end; /* for a connection, first come first served */
	struct transfer *idle;
};

/* `clock` and `part_is_there`, which is set when a transfer wants_taker, are borrowed. */
bool curl_node_new(const struct kubo_node *cfg, struct clock *clock, bool *part_is_there,
		   struct curl_node **out, struct err *err) MUST_CHECK;
void curl_node_free(struct curl_node *node); /* with its idle transfers; NULL is fine */
DEFINE_CLEANUP(struct curl_node, curl_node_free)

enum transfer_state {
	TRANSFER_IDLE,
	TRANSFER_WAITING, /* in its node's queue */
	TRANSFER_RUNNING, /* libcurl has it */
	TRANSFER_PAUSED,  /* libcurl has it; a part of a list must be taken first */
	TRANSFER_ENDED,   /* its result waits for kubo_next() */
};

struct transfer {
	struct transfer *next;         /* in its node's queue, or among the results */
	struct transfer *prev, *after; /* among those that are not idle */
	struct curl_node *node;
	CURL *easy;
	enum transfer_state state;
	struct kubo_op op; /* strings in mem */
	struct kubo_limits limits;
	struct kubo_done done;
	struct reply reply;
	struct lines lines;
	struct arena *mem;
	struct buf url, error_body;
	uint64_t received; /* bytes of the body */
	unsigned taken;    /* pins of reply.pins given out already */
	bool dag;          /* STAT: asks by dag/stat */
	bool wants_taker;  /* a full part of a list is there */
	bool queued;       /* among the results */
	int64_t started_us, deadline_us;
	int64_t heard_us;                /* the last news: bytes, or progress of PIN_ADD */
	char trailer[KUBO_TEXT_MAX + 1]; /* X-Stream-Error */
	char why[CURL_ERROR_SIZE];       /* what libcurl says of a failure, "" if nothing */
};

/* For a new operation: one of the node's idle transfers, or a new one. */
struct transfer *transfer_for(struct curl_node *node, const struct kubo_op *op, uint64_t id,
			      int64_t now_us);
/* To the node's idle ones. */
void transfer_release(struct transfer *transfer);
void transfer_free(struct transfer *transfer); /* NULL is fine */

/* Sets URL and state for the (next) request of its operation. */
void transfer_prepare(struct transfer *transfer);

/* libcurl is done with it: sets the outcome.  False: the operation needs one request more,
 * prepared already. */
bool transfer_finish(struct transfer *transfer, CURLcode result);
