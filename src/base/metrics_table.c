#include "base/metrics_table.h"

#include "base/clock.h"

static const char *const sources[] = { "api", "reconciler" };
static const char *const ops[] = { "pin", "unpin" };
static const char *const events[] = { "upsert", "assign", "status", "ttl", "error" };
static const char *const drifts[] = { "missing", "surplus" };
static const char *const failures[] = { "ipfs", "nats", "store", "other" };
static const char *const streams[] = { "pin.request", "pin.assign", "pin.status" };
static const char *const store_ops[] = { "get", "range", "write", "swap", "drop", "sync" };
static const char *const outcomes[] = { "ok", "error", "timeout", "unavailable" };
static const char *const statements[] = { "get", "range", "batch", "fsync" };
static const char *const apis[] = { "pins", "v1", "ops" };
static const char *const classes[] = { "2xx", "3xx", "4xx", "5xx" };
static const char *const refusals[] = { "limit", "framing", "tls", "deadline" };

/* The objectives of the specification (60 s, 30 s) are bounds, so that the share of
 * events within them is exact. */
static const int64_t e2e_us[] = { US_PER_S / 10,  US_PER_S / 2,   US_PER_S,       5 * US_PER_S / 2,
				  5 * US_PER_S,   10 * US_PER_S,  15 * US_PER_S,  20 * US_PER_S,
				  30 * US_PER_S,  45 * US_PER_S,  60 * US_PER_S,  90 * US_PER_S,
				  120 * US_PER_S, 300 * US_PER_S, 600 * US_PER_S, 1800 * US_PER_S,
				  3600 * US_PER_S };
static const int64_t assigned_us[] = { US_PER_S / 20, US_PER_S / 4,     US_PER_S / 2,
				       US_PER_S,      5 * US_PER_S / 2, 5 * US_PER_S,
				       10 * US_PER_S, 15 * US_PER_S,    20 * US_PER_S,
				       25 * US_PER_S, 30 * US_PER_S,    45 * US_PER_S,
				       60 * US_PER_S, 120 * US_PER_S,   300 * US_PER_S,
				       900 * US_PER_S };
static const int64_t quick_us[] = {
	100,          250,          500,    1000,   2500,   5000,     10000,
	25000,        50000,        100000, 250000, 500000, US_PER_S, 5 * US_PER_S / 2,
	5 * US_PER_S, 10 * US_PER_S
};

#define LABEL(name, list)                   \
	{                                   \
		name, list, ARRAY_LEN(list) \
	}
#define BUCKETS(list) .buckets_us = list, .n_buckets = ARRAY_LEN(list), .micro = true

const struct metric_def metric_defs[METRICS] = {
	[METRIC_PIN_E2E] = { "pin_end_to_end_seconds",
			     "From a request to its confirmed pin, or from its end to the "
			     "removal of the last copy; source reconciler: from what it decided "
			     "(to replace, move or drop a copy) or an expiry to the last report "
			     "that it took.",
			     METRIC_HISTOGRAM,
			     { LABEL("source", sources), LABEL("op", ops) },
			     BUCKETS(e2e_us) },
	[METRIC_PIN_ASSIGNED] = { "pin_assign_to_pinned_seconds",
				  "From publishing an assignment to the status that settles it.",
				  METRIC_HISTOGRAM,
				  { LABEL("op", ops) },
				  BUCKETS(assigned_us) },
	[METRIC_PIN_EVENTS] = { "pin_events_total",
				"Events by type and by the top 8 bits of the CID's bucket.",
				METRIC_COUNTER,
				{ LABEL("type", events), { "mh_prefix", NULL, 256 } } },
	[METRIC_PIN_DESIRED] = { "cluster_pin_desired", "Copies that should exist.", METRIC_GAUGE },
	[METRIC_PIN_ACTUAL] = { "cluster_pin_actual", "Copies confirmed by their node.",
				METRIC_GAUGE },
	[METRIC_PIN_DRIFTED] = { "cluster_pin_drifted",
				 "Copies whose desired and actual state differ, by how.",
				 METRIC_GAUGE,
				 { LABEL("reason", drifts) } },
	[METRIC_UNPINS_HELD_BACK] = { "cluster_unpins_held_back",
				      "Copies that the mass-unpin guard holds back.",
				      METRIC_GAUGE },
	[METRIC_WORKER_QUEUE] = { "worker_assign_queue_depth",
				  "Assignments a worker has not settled.",
				  METRIC_GAUGE,
				  { { "worker", NULL, 0 } } },
	[METRIC_WORKER_FAILURES] = { "worker_failures_total",
				     "Attempts of workers that failed, by what failed.",
				     METRIC_COUNTER,
				     { LABEL("kind", failures) } },
	[METRIC_BUS_LAG] = { "bus_consumer_lag",
			     "Messages published but not taken.",
			     METRIC_GAUGE,
			     { LABEL("stream", streams) } },
	[METRIC_PEER_FREE] = { "peer_free_bytes",
			       "Space a peer has left.",
			       METRIC_GAUGE,
			       { { "peer", NULL, 0 } } },
	[METRIC_PEER_USED] = { "peer_used_bytes",
			       "Size of a peer's repository.",
			       METRIC_GAUGE,
			       { { "peer", NULL, 0 } } },
	[METRIC_STORE_OPS] = { "store_operations_total",
			       "Calls of the store's back end by outcome.",
			       METRIC_COUNTER,
			       { LABEL("operation", store_ops), LABEL("status", outcomes) } },
	[METRIC_STORE_OP_SECONDS] = { "store_operation_duration_seconds",
				      "Duration of calls of the store's back end.",
				      METRIC_HISTOGRAM,
				      { LABEL("operation", store_ops) },
				      BUCKETS(quick_us) },
	[METRIC_STORE_PINS] = { "store_pins", "Live pin requests.", METRIC_GAUGE },
	[METRIC_STORE_QUERY] = { "store_query_duration_seconds",
				 "The same by kind of statement.",
				 METRIC_HISTOGRAM,
				 { LABEL("statement", statements) },
				 BUCKETS(quick_us) },
	[METRIC_STORE_CONNECTIONS] = { "store_connections_active",
				       "Open connections to the store; 0: it is embedded.",
				       METRIC_GAUGE },
	[METRIC_STORE_CONNECTION_ERRORS] = { "store_connection_errors_total",
					     "Connections to the store that failed or "
					     "broke; 0: it is embedded.",
					     METRIC_COUNTER },
	[METRIC_STORE_TIMEOUTS] = { "store_timeouts_total",
				    "Calls of the store whose outcome is unknown.",
				    METRIC_COUNTER },
	[METRIC_STORE_UNAVAILABLE] = { "store_unavailable_total",
				       "Calls of the store refused for want of replicas or space.",
				       METRIC_COUNTER },
	[METRIC_HTTP_REQUESTS] = { "http_requests_total",
				   "Requests answered, by API and status.",
				   METRIC_COUNTER,
				   { LABEL("api", apis), LABEL("code", classes) } },
	[METRIC_HTTP_SECONDS] = { "http_request_duration_seconds",
				  "From the last byte of a request to the first of its answer.",
				  METRIC_HISTOGRAM,
				  { LABEL("api", apis) },
				  BUCKETS(quick_us) },
	[METRIC_HTTP_CONNECTIONS] = { "http_connections_active", "Open client connections.",
				      METRIC_GAUGE },
	[METRIC_HTTP_REFUSED] = { "http_refused_total",
				  "Connections and requests that no handler saw, by why.",
				  METRIC_COUNTER,
				  { LABEL("reason", refusals) } },
	[METRIC_START_TIME] = { "process_start_time_seconds", "Start of the process, Unix time.",
				METRIC_GAUGE, .micro = true },
	[METRIC_CPU_SECONDS] = { "process_cpu_seconds_total", "CPU time of the process.",
				 METRIC_COUNTER, .micro = true },
	[METRIC_RESIDENT_BYTES] = { "process_resident_memory_bytes", "Memory of the process.",
				    METRIC_GAUGE },
	[METRIC_OPEN_FDS] = { "process_open_fds", "Open file descriptors of the process.",
			      METRIC_GAUGE },
};
