#include "bin/counting.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- events ---------------------------------------------------------------------------- */

void count_event(struct counting *c, enum metric_event event, struct slice cid)
{
	metrics_add(c->metrics, METRIC_PIN_EVENTS, event, store_bucket(c->store, cid) >> 18, 1);
}

void count_finished(void *counting, enum outcome_source source, bool desired, int64_t after_us)
{
	metrics_observe(((struct counting *)counting)->metrics, METRIC_PIN_E2E,
			source == SOURCE_API ? METRIC_SOURCE_API : METRIC_SOURCE_RECONCILER,
			desired ? METRIC_OP_PIN : METRIC_OP_UNPIN, after_us);
}

void count_settled(void *counting, bool desired, int64_t after_us)
{
	metrics_observe(((struct counting *)counting)->metrics, METRIC_PIN_ASSIGNED,
			desired ? METRIC_OP_PIN : METRIC_OP_UNPIN, 0, after_us);
}

void count_published(void *counting, const struct bus_msg *msg)
{
	switch (msg->topic) {
	case BUS_PIN_REQUEST:
		if (msg->cause == WAKE_REQUEST)
			count_event(counting, EVENT_UPSERT, msg->cid);
		break;
	case BUS_PIN_ASSIGN:
		count_event(counting, EVENT_ASSIGN, msg->cid);
		break;
	case BUS_PIN_STATUS:
		if (msg->copy.failure != FAILURE_NONE)
			count_event(counting, EVENT_ERROR, msg->cid);
		break;
	}
}

void count_worker_failed(struct counting *c, const struct err *why)
{
	static const enum err_code others[] = { ERR_INTERNAL, ERR_INVALID, ERR_EXHAUSTED };
	enum metric_failure kind = METRIC_FAILURE_STORE;

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (why->code == others[i])
			kind = METRIC_FAILURE_OTHER;
	metrics_add(c->metrics, METRIC_WORKER_FAILURES, kind, 0, 1);
}

uint64_t count_held_back(struct counting *c)
{
	return held_back_count(c->held_back, clock_mono_us(c->clock));
}

/* ---- what is true now -------------------------------------------------------------------- */

static void collect_worker(void *ctx, struct metrics *m)
{
	struct counting *c = ctx;
	struct worker_node node;
	uint64_t failures = 0;

	for (unsigned i = 0; worker_node_at(c->worker, i, &node); i++) {
		failures += node.failed;
		if (node.peer_no == 0)
			continue;
		metrics_show(m, METRIC_WORKER_QUEUE, node.peer_id,
			     node.queued + node.retrying + node.active);
		metrics_show(m, METRIC_PEER_FREE, node.peer_id, (int64_t)node.free_bytes);
		metrics_show(m, METRIC_PEER_USED, node.peer_id, (int64_t)node.used_bytes);
	}
	metrics_set(m, METRIC_WORKER_FAILURES, METRIC_FAILURE_IPFS, 0, (int64_t)failures);
}

static void collect_bus(void *ctx, struct metrics *m)
{
	struct bus_counters counters;

	bus_counters(((struct counting *)ctx)->bus, &counters);
	for (unsigned i = 0; i < BUS_TOPICS; i++)
		metrics_set(m, METRIC_BUS_LAG, i, 0, (int64_t)counters.waiting[i]);
}

#define PINS_SHARE 100 /* reading them takes no more than one part in so many of the time */

/* A sum over all owners: exact, and of very many owners not taken for each reader. */
static uint64_t live_pins(struct counting *c)
{
	int64_t now = clock_mono_us(c->clock);
	struct owner_usage usage;
	struct err err;

	if (now < c->pins_at || !store_usage(c->store, (struct slice){ NULL, 0 }, &usage, &err))
		return c->pins;
	c->pins = 0;
	for (size_t i = 0; i < STATUS_COUNT; i++)
		c->pins += usage.pins[i];
	c->pins_at = now + PINS_SHARE * (clock_mono_us(c->clock) - now);
	return c->pins;
}

static void collect_copies(void *ctx, struct metrics *m)
{
	struct counting *c = ctx;
	struct reconciler_state state;

	reconciler_state(c->reconciler, &state);
	metrics_set(m, METRIC_PIN_DESIRED, 0, 0, (int64_t)state.totals.desired);
	metrics_set(m, METRIC_PIN_ACTUAL, 0, 0, (int64_t)state.totals.actual);
	metrics_set(m, METRIC_PIN_DRIFTED, DRIFT_MISSING, 0, (int64_t)state.totals.missing);
	metrics_set(m, METRIC_PIN_DRIFTED, DRIFT_SURPLUS, 0, (int64_t)state.totals.surplus);
	metrics_set(m, METRIC_STORE_PINS, 0, 0, (int64_t)live_pins(c));
	metrics_set(m, METRIC_UNPINS_HELD_BACK, 0, 0, (int64_t)count_held_back(c));
}

static void collect_http(void *ctx, struct metrics *m)
{
	struct http_server *http = atomic_load(&((struct counting *)ctx)->http);
	struct http_server_stats stats;

	if (!http)
		return;
	http_server_stats(http, &stats);
	metrics_set(m, METRIC_HTTP_CONNECTIONS, 0, 0, (int64_t)stats.open);
	metrics_set(m, METRIC_HTTP_REFUSED, REFUSED_LIMIT, 0, (int64_t)stats.refused);
	metrics_set(m, METRIC_HTTP_REFUSED, REFUSED_FRAMING, 0, (int64_t)stats.parse_errors);
	metrics_set(m, METRIC_HTTP_REFUSED, REFUSED_TLS, 0, (int64_t)stats.tls_errors);
	metrics_set(m, METRIC_HTTP_REFUSED, REFUSED_DEADLINE, 0, (int64_t)stats.late);
}

/* proc(5): the second number of statm is what is resident, in pages. */
static int64_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long pages = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%*s %ld", &pages) != 1)
		pages = 0;
	fclose(f);
	return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static int64_t open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int64_t n = 0;

	if (!dir)
		return 0;
	for (struct dirent *e; (e = readdir(dir));)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n - 1; /* but for the one that looks */
}

static void collect_process(void *ctx UNUSED, struct metrics *m)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	metrics_set(m, METRIC_CPU_SECONDS, 0, 0,
		    (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * US_PER_S +
			    used.ru_utime.tv_usec + used.ru_stime.tv_usec);
	metrics_set(m, METRIC_RESIDENT_BYTES, 0, 0, resident_bytes());
	metrics_set(m, METRIC_OPEN_FDS, 0, 0, open_fds());
}

void counting_start(struct counting *c)
{
	static metrics_collect_fn *const collectors[] = { collect_worker, collect_bus,
							  collect_copies, collect_http,
							  collect_process };

	metrics_set(c->metrics, METRIC_START_TIME, 0, 0, clock_wall_us(c->clock));
	for (size_t i = 0; i < ARRAY_LEN(collectors); i++)
		metrics_collect(c->metrics, collectors[i], c);
}
