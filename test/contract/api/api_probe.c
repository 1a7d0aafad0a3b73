/*
 * api_probe -- the API over a store in memory, with an instant worker: what contract tests
 * talk to.
 *
 * Prints one line of JSON {"port","key"} and serves until its stdin ends.  The worker
 * reads what the API asks for on the bus and writes the copies at once, as the pin's
 * `meta` member "test" says: absent: pinned, "queued": left alone, "failed": failed five
 * times, "denied": not fetched, for it is on the deny list.
 *
 *	api_probe budget N
 *
 * reads no more than N rows for a page.
 *
 *	api_probe log logfmt|json debug|info|error
 *
 * logs in that format from that level on.
 *
 *	api_probe failing
 *
 * has no worker, and a line "N before" or "N after" on stdin lets the N-th call of the store
 * from then on fail, before or after it took effect (0: none), and "1 sync" every wait for
 * durability until the next such line; each is answered by one with the number of calls since the
 * last.  "N clock" lets N seconds pass.  "1 hold" holds what reads peers until "0 hold", and is
 * answered by the number of those who are held by now; who is held when stdin ends is cut.
 */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "bus/local/bus_local.h"
#include "lib/failing_store.h"
#include "model/version.h"
#include "role/api/api.h"
#include "store/mem/store_mem.h"

#define PEER_A "12D3KooWGRUVh7SGNS5DPyoHWTt3ZVUWZRgBGx6rqG9eBeYDcL1Q"
#define PEER_B "12D3KooWJbJFaZ1dwpuu9tQY3ELCCCpWMJc1dSRVbcMwhiLiFq7q"

struct probe {
	struct clock clock;             /* first: its functions get the probe */
	atomic_int_least64_t passed_us; /* what it is ahead */
	struct rand rand;
	struct store *store;
	struct bus *bus;
	struct pins *pins;
	struct keys *keys;
	struct api *api;
	uint32_t peers[2];
	struct failing_store failing;
	struct metrics *metrics;
	size_t scan_budget;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool pending;
	atomic_bool stop;
	bool holding;
	unsigned held;
};

static void must(bool ok, const struct err *err)
{
	if (ok)
		return;
	fprintf(stderr, "api_probe: %s\n", err->text);
	exit(1);
}

/* ---- the worker ------------------------------------------------------------------------- */

static void notify(void *ctx)
{
	struct probe *p = ctx;

	pthread_mutex_lock(&p->lock);
	p->pending = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

enum fate { FATE_PINNED, FATE_QUEUED, FATE_FAILED, FATE_DENIED };

static enum fate fate_of(const struct request *requests, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct slice *test =
			pair_list_get(requests[i].revision->meta, SLICE_LIT("test"));

		if (requests[i].life != REQUEST_LIVE || !test ||
		    requests[i].revision->retry_at != 0)
			continue;
		if (slice_eq_str(*test, "denied"))
			return FATE_DENIED;
		return slice_eq_str(*test, "failed") ? FATE_FAILED : FATE_QUEUED;
	}
	return FATE_PINNED;
}

static struct copy made(const struct cid_view *view, uint32_t peer_no, bool wanted, enum fate fate,
			int64_t now_us)
{
	struct copy c = { .peer_no = peer_no };
	int64_t failing_since = 0;
	uint64_t seen = 0;

	for (size_t i = 0; i < view->n_copies; i++) {
		uint64_t version = copy_version(&view->copies[i]);

		seen = version > seen ? version : seen;
		if (view->copies[i].peer_no == peer_no)
			failing_since = view->copies[i].failing_since;
	}
	c.gen = version_next(seen, now_us, 1);
	c.desired = wanted;
	c.mode = PIN_RECURSIVE;
	c.reason = REASON_REQUESTED;
	c.assigned_at = now_us;
	c.stamp = c.gen + 1;
	c.state_gen = fate == FATE_QUEUED ? 0 : c.gen;
	c.observed_at = now_us;
	if (!wanted) {
		c.state = COPY_UNPINNED;
	} else if (fate == FATE_DENIED) {
		c.state = COPY_ERROR;
		c.failure = FAILURE_DENIED;
		c.attempts = 1;
		c.error = SLICE_LIT("this content is on the deny list: court order");
	} else if (fate == FATE_FAILED) {
		c.state = COPY_ERROR;
		c.failure = FAILURE_STALLED;
		c.attempts = COPY_FAILED_ATTEMPTS;
		c.error = SLICE_LIT("no provider gave a block for 2 min");
		c.failing_since = failing_since ? failing_since : now_us;
		c.next_at = now_us + US_PER_H;
	} else {
		c.state = COPY_PINNED;
		c.size = 12345;
	}
	return c;
}

static bool decide(void *ctx, const struct cid_view *view, int64_t now_us, struct arena *mem,
		   struct cid_change *out, struct err *err UNUSED)
{
	struct probe *p = ctx;
	struct copy *copies = arena_new_array(mem, struct copy, 2);
	struct request *requests;
	size_t n = requests_fold(view->facts, view->n_facts, mem, &requests);
	enum fate fate = fate_of(requests, n);
	bool wanted = false;

	for (size_t i = 0; i < n; i++)
		wanted = wanted || requests[i].life == REQUEST_LIVE;
	for (size_t i = 0; i < 2; i++)
		copies[i] = made(view, p->peers[i], wanted, fate, now_us);
	*out = (struct cid_change){ .desired = copies, .n_desired = 2 };
	if (fate != FATE_QUEUED || !wanted) {
		out->observed = copies;
		out->n_observed = 2;
	}
	return true;
}

static void carry_out(void *ctx, const struct bus_msg *msg)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct probe *p = ctx;
	struct slice cid = arena_copy(mem, msg->cid);
	void *ctxs[] = { p };
	struct err err;

	must(store_change(p->store, &cid, ctxs, 1, decide, mem, &err), &err);
	api_pin_changed(p->api, cid);
}

static void *work(void *arg)
{
	struct probe *p = arg;
	struct err err;
	size_t n;

	while (!atomic_load(&p->stop)) {
		pthread_mutex_lock(&p->lock);
		while (!p->pending && !atomic_load(&p->stop))
			pthread_cond_wait(&p->wake, &p->lock);
		p->pending = false;
		pthread_mutex_unlock(&p->lock);
		do {
			must(bus_take(p->bus, BUS_PIN_REQUEST, 0, 100, carry_out, p, &n, &err),
			     &err);
		} while (n > 0);
	}
	return NULL;
}

/* ---- the rest --------------------------------------------------------------------------- */

static int64_t passed_time(struct clock *clock)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * US_PER_S + now.tv_nsec / 1000 +
	       atomic_load(&((struct probe *)clock)->passed_us);
}

static unsigned hold(struct probe *p, bool holding)
{
	unsigned held;

	pthread_mutex_lock(&p->lock);
	p->holding = holding;
	held = p->held;
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	return held;
}

static void wait_if_held(void *ctx, enum table table)
{
	struct probe *p = ctx;

	pthread_mutex_lock(&p->lock);
	p->held++;
	while (table == TABLE_PEERS && p->holding)
		pthread_cond_wait(&p->wake, &p->lock);
	p->held--;
	pthread_mutex_unlock(&p->lock);
}

static uint32_t join(struct probe *p, const char *id, const char *address)
{
	struct slice addresses[] = { slice_str(address) };
	struct peer_row row = { .peer_id = slice_str(id) };
	struct err err;

	must(store_peer_no(p->store, row.peer_id, &row.peer_no, &err), &err);
	row.addresses = (struct slice_list){ addresses, 1 };
	row.url = SLICE_LIT("http://127.0.0.1:5001");
	row.agent = SLICE_LIT("kubo/0.42.0");
	row.last_seen = clock_wall_us(&p->clock) + US_PER_DAY; /* up for as long as a test runs */
	row.report_version = version_next(0, clock_wall_us(&p->clock), 1);
	row.wish_version = 1; /* what an operator said since stands */
	must(store_peer_report(p->store, &row, &err) && store_peer_wish(p->store, &row, &err),
	     &err);
	return row.peer_no;
}

static void admin_key(struct probe *p, struct api_key_text *text)
{
	const struct key_wish wish = { .owner = SLICE_LIT(KEYS_ADMIN), .scope = SCOPE_ADMIN };
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct api_key *row;
	struct err err;

	must(keys_create(p->keys, &wish, mem, text, &row, &err), &err);
}

static void set_up_log(const char *format, const char *level)
{
	log_setup(strcmp(level, "debug") == 0   ? LOG_DEBUG
		  : strcmp(level, "error") == 0 ? LOG_ERROR
						: LOG_INFO,
		  strcmp(format, "json") == 0 ? LOG_JSON : LOG_LOGFMT);
}

static void build(struct probe *p, struct store_mem *data)
{
	const struct store_options options = { .instance = 1,
					       .clock = &p->clock,
					       .rand = &p->rand,
					       .expiring_us = 5 * US_PER_MIN,
					       .scan_budget = p->scan_budget };
	const struct bus_local_options bus = { .queue_max = 100000 };
	struct pins_options pins = { .clock = &p->clock,
				     .instance = 1,
				     .bounds = { .max_pins = 1000000 } };
	struct api_options api = { .clock = &p->clock, .instance = 1 };
	struct err err;

	p->metrics = api.metrics = metrics_new();
	failing_store_init(&p->failing, store_mem_attach(data, &p->clock, 0, NULL));
	p->failing.before_read = wait_if_held;
	p->failing.ctx = p;
	must(store_open(&p->failing.base, &options, &p->store, &err), &err);
	p->bus = bus_local_new(&bus);
	pins.store = api.store = p->store;
	pins.bus = p->bus;
	p->pins = api.pins = pins_new(&pins);
	must(keys_open(p->store, &p->clock, &p->rand, &p->keys, &err), &err);
	api.keys = p->keys;
	p->api = api_new(&api);
	p->peers[0] = join(p, PEER_A, "/ip4/203.0.113.7/tcp/4001/p2p/" PEER_A);
	p->peers[1] = join(p, PEER_B, "/ip4/127.0.0.1/tcp/4001/p2p/" PEER_B);
	must(bus_subscribe(p->bus, BUS_PIN_REQUEST, 0, notify, p, &err), &err);
}

static void take_down(struct probe *p)
{
	struct store_backend *data = p->failing.inner;

	api_free(p->api);
	metrics_free(p->metrics);
	pins_free(p->pins);
	keys_free(p->keys);
	store_close(p->store);
	data->ops->close(data);
	bus_close(p->bus);
}

static unsigned fail(struct probe *p, unsigned n, const char *when)
{
	unsigned calls = atomic_exchange(&p->failing.calls, 0);

	atomic_store(&p->failing.no_sync, strcmp(when, "sync") == 0);
	if (p->failing.no_sync)
		n = 0;
	atomic_store(&p->failing.after, strcmp(when, "after") == 0);
	atomic_store(&p->failing.fail_at, n);
	return calls;
}

/* Until stdin ends. */
static void take_orders(struct probe *p)
{
	char line[64], when[8];
	unsigned n, calls;

	while (fgets(line, sizeof(line), stdin)) {
		assert(sscanf(line, "%u %7s", &n, when) == 2);
		calls = 0;
		if (!strcmp(when, "clock"))
			atomic_fetch_add(&p->passed_us, n * US_PER_S);
		else if (!strcmp(when, "hold"))
			calls = hold(p, n);
		else
			calls = fail(p, n, when);
		printf("%u\n", calls);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	bool failing = argc > 1 && strcmp(argv[1], "failing") == 0;
	struct probe p = { .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER };
	CLEANUP(store_mem_free) struct store_mem *data = store_mem_new();
	CLEANUP(http_server_free) struct http_server *server = NULL;
	struct http_server_options options = { .workers = 8 };
	struct api_key_text text;
	pthread_t worker;
	struct err err;

	if (failing)
		log_setup(LOG_ERROR, LOG_LOGFMT); /* hundreds of faults, all on purpose */
	if (argc > 3 && strcmp(argv[1], "log") == 0)
		set_up_log(argv[2], argv[3]);
	if (argc > 2 && strcmp(argv[1], "budget") == 0)
		p.scan_budget = strtoul(argv[2], NULL, 10);
	p.clock = (struct clock){ passed_time, passed_time };
	rand_init_system(&p.rand);
	build(&p, data);
	admin_key(&p, &text);
	api_app(p.api, &options.app);
	must(http_server_start(&options, &server, &err), &err);
	assert(failing || pthread_create(&worker, NULL, work, &p) == 0);
	printf("{\"port\":%u,\"key\":\"%s\"}\n", http_server_port(server), text.text);
	fflush(stdout);
	take_orders(&p);
	http_server_drain(server, 2000);
	hold(&p, 0);
	http_server_free(TAKE(server));
	if (!failing) {
		atomic_store(&p.stop, true);
		notify(&p);
		pthread_join(worker, NULL);
	}
	take_down(&p);
	return 0;
}
