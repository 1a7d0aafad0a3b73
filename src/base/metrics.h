/*
 * metrics.h -- what the process counts, for Prometheus.
 *
 * Every metric is a row of one table (metrics_table.c): name, type, help, labels and
 * their values, buckets.  docs/metrics.md is printed from it.  Labels are bounded: a
 * value is an index into a list, or, for peers and workers alone, a text that a
 * collector gives, of which no more than METRICS_FREE_MAX are shown.  No owner and no
 * CID ever is a label.
 *
 * Updates are single relaxed atomic additions, from any thread, with no lock.
 * A series exists with value 0 from the start, so that rates are right from the first
 * event.
 *
 * Sources: names from the specification 5.6; Prometheus text format 0.0.4;
 * OpenMetrics 1.0.0 (a counter's family is named without _total, "# EOF" ends it).
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"

enum metric {
	METRIC_PIN_E2E,      /* source, op */
	METRIC_PIN_ASSIGNED, /* op: publication of the assignment to status pinned */
	METRIC_PIN_EVENTS,   /* event, mh_prefix */
	METRIC_PIN_DESIRED,  /* gauge */
	METRIC_PIN_ACTUAL,   /* gauge */
	METRIC_PIN_DRIFTED,  /* gauge: drift */
	METRIC_UNPINS_HELD_BACK,
	METRIC_WORKER_QUEUE,      /* gauge, free: worker */
	METRIC_WORKER_FAILURES,   /* kind */
	METRIC_BUS_LAG,           /* gauge: stream */
	METRIC_PEER_FREE,         /* gauge, free: peer */
	METRIC_PEER_USED,         /* gauge, free: peer */
	METRIC_STORE_OPS,         /* operation, status */
	METRIC_STORE_OP_SECONDS,  /* operation */
	METRIC_STORE_PINS,        /* gauge */
	METRIC_STORE_QUERY,       /* statement */
	METRIC_STORE_CONNECTIONS, /* gauge */
	METRIC_STORE_CONNECTION_ERRORS,
	METRIC_STORE_TIMEOUTS,
	METRIC_STORE_UNAVAILABLE,
	METRIC_HTTP_REQUESTS, /* api, http status class */
	METRIC_HTTP_SECONDS,  /* api */
	METRIC_HTTP_CONNECTIONS,
	METRIC_HTTP_REFUSED, /* why */
	METRIC_START_TIME,
	METRIC_CPU_SECONDS,
	METRIC_RESIDENT_BYTES,
	METRIC_OPEN_FDS,
};
#define METRICS (METRIC_OPEN_FDS + 1)

/* Label values, in the order of the lists in metrics_table.c. */
enum metric_source { METRIC_SOURCE_API, METRIC_SOURCE_RECONCILER };
enum metric_op { METRIC_OP_PIN, METRIC_OP_UNPIN };
enum metric_event { EVENT_UPSERT, EVENT_ASSIGN, EVENT_STATUS, EVENT_TTL, EVENT_ERROR };
enum metric_drift { DRIFT_MISSING, DRIFT_SURPLUS };
enum metric_failure {
	METRIC_FAILURE_IPFS,  /* a call to a node */
	METRIC_FAILURE_NATS,  /* a bus that is a server */
	METRIC_FAILURE_STORE, /* a round of the role that the store ended */
	METRIC_FAILURE_OTHER, /* any other */
};
enum metric_stream { STREAM_REQUEST, STREAM_ASSIGN, STREAM_STATUS };
enum metric_store_op {
	STORE_OP_GET,   /* one row by its key */
	STORE_OP_RANGE, /* rows in a row, handling them included */
	STORE_OP_WRITE,
	STORE_OP_SWAP,
	STORE_OP_DROP,
	STORE_OP_SYNC, /* from asking for durability to having it */
};
enum metric_outcome { OUTCOME_OK, OUTCOME_ERROR, OUTCOME_TIMEOUT, OUTCOME_UNAVAILABLE };
enum metric_statement { STATEMENT_GET, STATEMENT_RANGE, STATEMENT_BATCH, STATEMENT_FSYNC };
enum metric_api { API_PINS, API_V1, API_OPS };
enum metric_http_class { CLASS_2XX, CLASS_3XX, CLASS_4XX, CLASS_5XX };
enum metric_refused { REFUSED_LIMIT, REFUSED_FRAMING, REFUSED_TLS, REFUSED_DEADLINE };

#define METRICS_FREE_MAX 1024

struct metrics;

/* All series at 0. */
struct metrics *metrics_new(void);
void metrics_free(struct metrics *m); /* NULL is fine */
DEFINE_CLEANUP(struct metrics, metrics_free)

/* Adds to a counter.  `a` and `b` are the indices of its label values, 0 where it has
 * no such label. */
void metrics_add(struct metrics *m, enum metric metric, unsigned a, unsigned b, uint64_t n);

/* One more observation of a histogram, in microseconds; below 0 counts as 0. */
void metrics_observe(struct metrics *m, enum metric metric, unsigned a, unsigned b, int64_t us);

/* Sets a gauge, or a counter whose number is kept elsewhere. */
void metrics_set(struct metrics *m, enum metric metric, unsigned a, unsigned b, int64_t value);

/*
 * Has `collect(ctx, m)` called before each exposition, on the thread that asks for it:
 * there it sets what is only worth knowing then, and shows series with a free label.
 * Registered before threads start; at most 16.  `ctx` outlives `m`.
 */
typedef void metrics_collect_fn(void *ctx, struct metrics *m);
void metrics_collect(struct metrics *m, metrics_collect_fn *collect, void *ctx);

/* One series of a metric with a free label, for this exposition; inside a collector only. */
void metrics_show(struct metrics *m, enum metric metric, const char *label, int64_t value);

enum metrics_format { METRICS_TEXT, METRICS_OPENMETRICS };

/* The Content-Type of a format. */
const char *metrics_content_type(enum metrics_format format);

/* What an Accept header asks for: OpenMetrics if it is named, else text. */
enum metrics_format metrics_negotiate(struct slice accept);

/* Appends the exposition of all metrics.  One caller at a time, others wait. */
void metrics_write(struct metrics *m, enum metrics_format format, struct buf *out);

/* Appends docs/metrics.md. */
void metrics_doc(struct buf *out);
