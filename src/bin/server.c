#include "bin/server.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/dir.h"
#include "base/log.h"
#include "base/metrics.h"
#include "bin/added_nodes.h"
#include "bin/counting.h"
#include "bin/listen_address.h"
#include "bin/offline.h"
#include "bin/role_thread.h"
#include "bus/local/bus_local.h"
#include "kubo/kubo_curl.h"
#include "role/api/api.h"
#include "role/planner.h"
#include "role/reconciler.h"
#include "role/ttl.h"
#include "role/worker/worker.h"
#include "store/mem/store_mem.h"
#include "store/metered.h"
#include "store/rocksdb/store_rocksdb.h"

#define SWEEP_CIDS 256 /* of one step: it reads by chunks */
#define INSTANCE   0   /* the only one of this store */

struct server {
	const struct config *config;
	struct arena *mem; /* what options point to */
	struct clock clock;
	struct rand rand;
	struct metrics *metrics;
	struct counting counting;
	struct store_mem *store_mem;
	struct store *store;
	struct bus *bus;
	struct health_policy health_policy;
	struct replan_policy replan_policy;
	struct worker_policy worker_policy;
	struct planner *planner;
	struct reconciler *reconciler;
	struct ttl *ttl;
	struct held_back *held_back;
	struct peer_watch *watch;
	struct cluster *cluster;
	struct worker *worker;
	struct role_thread *planner_thread, *reconciler_thread, *ttl_thread, *worker_thread;
	struct pins *pins;
	struct keys *keys;
	struct api *api;
	struct http_server *http;
	atomic_uint at_work; /* threads that run a handler */
	unsigned processors;
	char url[300];
};

/* ---- the store --------------------------------------------------------------------- */

static bool open_backend(struct server *s, struct store_backend **out, struct err *err)
{
	const struct config *c = s->config;

	if (c->store.kind == STORE_MEM) {
		s->store_mem = store_mem_new();
		*out = store_mem_attach(s->store_mem, &s->clock, 0, NULL);
		return true;
	}
	return store_rocksdb_open(
		&(struct store_rocksdb_options){ .path = store_path(c, s->mem),
						 .create = true,
						 .cache_bytes = c->store.rocksdb_cache,
						 .log_bytes = c->store.rocksdb_write_buffer },
		out, err);
}

static bool open_store(struct server *s, struct err *err)
{
	struct store_backend *backend;

	return open_backend(s, &backend, err) &&
	       store_open(store_metered(backend, s->metrics),
			  &(struct store_options){ .instance = INSTANCE,
						   .clock = &s->clock,
						   .rand = &s->rand,
						   .expiring_us = s->config->ttl.scan_us },
			  &s->store, err);
}

/* ---- metrics -------------------------------------------------------------------------- */

static void note_guarded(void *ctx, unsigned copies)
{
	struct server *s = ctx;

	held_back_note(s->held_back, clock_mono_us(&s->clock), copies);
}

static uint64_t tell_held_back(void *ctx)
{
	return count_held_back(&((struct server *)ctx)->counting);
}

static void pin_changed(void *ctx, struct slice cid)
{
	struct server *s = ctx;

	count_event(&s->counting, EVENT_STATUS, cid);
	if (s->api)
		api_pin_changed(s->api, cid);
}

static void pin_expired(void *ctx, struct slice cid)
{
	count_event(&((struct server *)ctx)->counting, EVENT_TTL, cid);
}

static void finished(void *ctx, enum outcome_source source, bool desired, int64_t after_us)
{
	count_finished(&((struct server *)ctx)->counting, source, desired, after_us);
}

static void settled(void *ctx, bool desired, int64_t after_us)
{
	count_settled(&((struct server *)ctx)->counting, desired, after_us);
}

static void copies_changed(void *ctx, struct slice cid, const struct copy_counts *change)
{
	reconciler_note_copies(((struct server *)ctx)->reconciler, cid, change);
}

/* ---- roles ------------------------------------------------------------------------------ */

static void read_policies(struct server *s)
{
	const struct config *c = s->config;

	s->health_policy = (struct health_policy){ .suspect_us = c->peer.suspect_us,
						   .down_us = c->peer.down_us,
						   .grace_us = c->peer.grace_us };
	s->replan_policy = (struct replan_policy){
		.reconcile = { .keep_free_bytes = c->planner.keep_free,
			       .republish_us = c->planner.republish_us,
			       .forget_us = c->planner.forget_us,
			       .recheck_us = c->planner.recheck_us },
		.peers_refresh_us = c->planner.peers_refresh_us,
		.guard = { .permille = (unsigned)c->planner.guard_permille,
			   .least = (unsigned)c->planner.guard_min,
			   .window_us = c->planner.guard_window_us },
	};
	s->worker_policy = (struct worker_policy){
		.max_fetches = (unsigned)c->worker.max_fetches,
		.max_patient = (unsigned)c->worker.max_patient,
		.max_owner_fetches = (unsigned)c->owner.concurrent_fetches,
		.max_dials = WORKER_MAX_DIALS,
		.patience_us = c->worker.patience_us,
		.stall_us = c->worker.stall_us,
		.retry = { .min_us = c->worker.retry_min_us, .max_us = c->worker.retry_max_us },
		.unpin_grace_us = c->worker.unpin_grace_us,
		.heartbeat_us = c->worker.heartbeat_us,
		.heartbeat_timeout_us = c->worker.heartbeat_timeout_us,
		.report_us = c->worker.report_us,
		.compare_us = c->worker.compare_us,
		.journal_max = (size_t)c->worker.journal_max,
		.gc_permille = (unsigned)(10 * c->worker.gc_percent),
		.gc_pause_us = c->worker.gc_pause_us,
		.take_adopted = c->worker.adopted_pins == ADOPTED_TAKE,
	};
}

static bool read_origin_nets(struct server *s, struct err *err)
{
	const struct texts *allow = &s->config->origins.allow;
	struct ip_net *nets = arena_new_array(s->mem, struct ip_net, allow->n);

	for (size_t i = 0; i < allow->n; i++)
		if (!ip_net_parse(slice_str(allow->items[i]), &nets[i], err))
			return err_wrap(err, "origins.allow");
	s->worker_policy.origin_nets = nets;
	s->worker_policy.n_origin_nets = allow->n;
	return true;
}

static struct replan_options replan_options(struct server *s)
{
	return (struct replan_options){
		.store = s->store,
		.bus = s->bus,
		.clock = &s->clock,
		.watch = s->watch,
		.instance = INSTANCE,
		.policy = &s->replan_policy,
		.events = { .ctx = s,
			    .changed = pin_changed,
			    .expired = pin_expired,
			    .finished = finished,
			    .settled = settled,
			    .copies = copies_changed,
			    .guarded = note_guarded },
	};
}

/* All processors work for clients who wait for a reply. */
static bool requests_come_first(void *ctx)
{
	struct server *s = ctx;

	return atomic_load_explicit(&s->at_work, memory_order_relaxed) >= s->processors;
}

static void make_deciders(struct server *s)
{
	const struct config *c = s->config;
	const struct replan_options replan = replan_options(s);
	s->planner =
		planner_new(&(struct planner_options){ .replan = replan,
						       .poll_us = c->planner.poll_us,
						       .batch_max = (size_t)c->planner.batch });
	s->reconciler = reconciler_new(
		&(struct reconciler_options){ .replan = replan,
					      .peers_us = c->planner.peers_refresh_us,
					      .sweep_us = c->planner.sweep_us,
					      .pace_us = c->planner.pace_us,
					      .must_wait = requests_come_first,
					      .must_wait_ctx = s,
					      .sweep_max = SWEEP_CIDS,
					      .batch_max = (size_t)c->planner.batch });
	s->ttl = ttl_new(&(struct ttl_options){ .replan = replan,
						.scan_us = c->ttl.scan_us,
						.batch_max = (size_t)c->planner.batch });
}

static bool make_worker(struct server *s, struct err *err)
{
	const struct config *c = s->config;
	struct worker_node_options *nodes =
		arena_new_array(s->mem, struct worker_node_options, c->n_kubo);
	struct kubo *kubo;

	for (size_t i = 0; i < c->n_kubo; i++) {
		const struct config_kubo *k = &c->kubo[i];
		struct slice *tags = arena_new_array(s->mem, struct slice, k->tags.n);

		for (size_t t = 0; t < k->tags.n; t++)
			tags[t] = slice_str(k->tags.items[t]);
		nodes[i] = (struct worker_node_options){
			.kubo = { .url = k->url,
				  .auth = k->auth,
				  .secret = k->secret,
				  .ca_file = k->ca_file },
			.zone = slice_str(k->zone ? k->zone : ""),
			.tags = { .at = tags, .n = k->tags.n },
		};
	}
	s->cluster = cluster_new(s->store, &s->clock, s->watch, INSTANCE);
	return kubo_curl_new(&s->clock, &kubo, err) &&
	       worker_new(&(struct worker_options){ .kubo = kubo,
						    .cluster = s->cluster,
						    .bus = s->bus,
						    .clock = &s->clock,
						    .rand = &s->rand,
						    .store_id = store_id(s->store),
						    .policy = &s->worker_policy,
						    .nodes = nodes,
						    .n_nodes = (unsigned)c->n_kubo },
			  &s->worker, err);
}

static bool step_planner(void *role, int64_t until_us UNUSED, int64_t *due_us, struct err *err)
{
	return planner_step(role, due_us, err);
}

static bool step_reconciler(void *role, int64_t until_us UNUSED, int64_t *due_us, struct err *err)
{
	return reconciler_step(role, due_us, err);
}

static bool step_ttl(void *role, int64_t until_us UNUSED, int64_t *due_us, struct err *err)
{
	return ttl_step(role, due_us, err);
}

static bool step_worker(void *ctx, int64_t until_us, int64_t *due_us, struct err *err)
{
	struct server *s = ctx;
	bool ok = worker_step(s->worker, until_us, due_us, err);

	if (!ok)
		count_worker_failed(&s->counting, err);
	return ok;
}

static void knock_worker(void *ctx)
{
	worker_knock(((struct server *)ctx)->worker);
}

static bool start_thread(struct server *s, const char *name, void *role,
			 bool (*step)(void *, int64_t, int64_t *, struct err *),
			 void (*knock)(void *), struct role_thread **out, struct err *err)
{
	/* What the planner does not begin the others need not go on with. */
	bool (*must_wait)(void *) = role == s->planner ? requests_come_first : NULL;

	return role_thread_start(&(struct role_thread_options){ .name = name,
								.role = role,
								.step = step,
								.knock = knock,
								.must_wait = must_wait,
								.must_wait_ctx = s,
								.clock = &s->clock },
				 out, err);
}

static bool start_roles(struct server *s, struct err *err)
{
	return start_thread(s, "planner", s->planner, step_planner, NULL, &s->planner_thread,
			    err) &&
	       bus_subscribe(s->bus, BUS_PIN_REQUEST, 0, role_thread_knock, s->planner_thread,
			     err) &&
	       start_thread(s, "reconciler", s->reconciler, step_reconciler, NULL,
			    &s->reconciler_thread, err) &&
	       bus_subscribe(s->bus, BUS_PIN_STATUS, 0, role_thread_knock, s->reconciler_thread,
			     err) &&
	       start_thread(s, "ttl", s->ttl, step_ttl, NULL, &s->ttl_thread, err) &&
	       start_thread(s, "worker", s, step_worker, knock_worker, &s->worker_thread, err);
}

/* ---- the listener -------------------------------------------------------------------------- */

/* As many as can run, and some for those who wait for the disk; more only take turns. */
static unsigned handler_threads(const struct server *s)
{
	return s->processors + 2 > 4 ? s->processors + 2 : 4;
}

static bool listen_http(struct server *s, struct err *err)
{
	const struct config *c = s->config;
	struct http_server_options o = {
		.loops = (unsigned)c->http.loops,
		.workers = c->http.workers > 0 ? (unsigned)c->http.workers : handler_threads(s),
		.at_work = &s->at_work,
		.backlog = (unsigned)c->http.backlog,
		.tls_cert = *c->tls.cert_file ? c->tls.cert_file : NULL,
		.tls_key = *c->tls.key_file ? c->tls.key_file : NULL,
		.max_head = (uint32_t)c->http.max_head,
		.max_body = c->http.max_body,
		.max_buffered = c->http.max_buffered,
		.max_pipelined = c->http.max_pipelined,
		.max_connections = (unsigned)c->http.max_connections,
		.max_per_address = (unsigned)c->http.max_per_address,
		.spare_loopback = true,
		.max_queued = (unsigned)c->http.max_queued,
		.head_ms = (unsigned)(c->http.head_us / US_PER_MS),
		.body_ms = (unsigned)(c->http.body_us / US_PER_MS),
		.idle_ms = (unsigned)(c->http.idle_us / US_PER_MS),
		.write_ms = (unsigned)(c->http.write_us / US_PER_MS),
		.queue_ms = (unsigned)(c->http.queue_us / US_PER_MS),
		.min_rate = (uint32_t)c->http.min_rate,
	};

	if (!listen_address(c->listen, s->mem, &o.host, &o.port, err))
		return false;
	api_app(s->api, &o.app);
	if (!http_server_start(&o, &s->http, err))
		return err_wrap(err, "listen %s", c->listen);
	atomic_store(&s->counting.http, s->http);
	snprintf(s->url, sizeof(s->url), strchr(o.host, ':') ? "%s://[%s]:%u" : "%s://%s:%u",
		 o.tls_cert ? "https" : "http", o.host, http_server_port(s->http));
	return true;
}

static bool order_rebalance(void *ctx, bool dry_run, bool force, int64_t for_us,
			    struct rebalance_preview *out, struct err *err)
{
	struct server *s = ctx;
	struct replan_options options = replan_options(s);

	if (dry_run)
		return reconciler_preview(&options, for_us, out, err);
	if (!reconciler_order_sweep(s->reconciler, true, force, err))
		return false;
	role_thread_knock(s->reconciler_thread);
	return true;
}

static bool tell_shortage(void *ctx, const struct cid_view *view, const struct ulid *id,
			  struct arena *mem, struct shortage *out, struct err *err)
{
	const struct replan_options options = replan_options(ctx);

	return shortage_find(&options, view, id, mem, out, err);
}

static enum worker_gc order_gc(void *ctx, uint32_t peer_no)
{
	return worker_order_gc(((struct server *)ctx)->worker, peer_no);
}

static bool tell_node(void *ctx, uint32_t peer_no, struct worker_node *out)
{
	return worker_node_of(((struct server *)ctx)->worker, peer_no, out);
}

static bool tell_progress(void *ctx, uint32_t peer_no, struct slice cid, struct kubo_progress *out)
{
	return worker_progress(((struct server *)ctx)->worker, peer_no, cid, out);
}

static bool make_client(void *ctx, uint32_t peer_no, struct kubo **out, struct err *err)
{
	struct server *s = ctx;
	struct kubo_node node;

	*out = NULL;
	return !worker_kubo_of(s->worker, peer_no, &node) ||
	       node_client_new(&s->clock, &node, out, err);
}

static bool driven(struct server *s, struct slice peer_id)
{
	struct worker_node node;

	for (unsigned i = 0; worker_node_at(s->worker, i, &node); i++)
		if (slice_eq_str(peer_id, node.peer_id))
			return true;
	return false;
}

static struct kubo_node added_node(struct server *s, struct slice url, struct arena *mem)
{
	const struct config_kubo *k = &s->config->added_kubo;

	return (struct kubo_node){
		.url = arena_printf(mem, "%.*s", SLICE_FMT(url)),
		.auth = k->auth,
		.secret = k->secret,
		.ca_file = k->ca_file,
	};
}

static bool add_peer(void *ctx, struct slice url, struct arena *mem, struct slice *peer_id,
		     struct err *err)
{
	struct server *s = ctx;
	const struct worker_node_options node = { .kubo = added_node(s, url, mem) };

	if (!added_node_ask(&s->clock, &node.kubo, s->config->worker.heartbeat_timeout_us, mem,
			    peer_id, err))
		return false;
	if (driven(s, *peer_id))
		return true;
	if (!added_nodes_keep(s->store, url, mem, err))
		return false;
	worker_add_node(s->worker, &node);
	return true;
}

/* Nodes that were added before the restart. */
static bool drive_added(struct server *s, struct err *err)
{
	struct slice_list added;

	if (!added_nodes_load(s->store, s->mem, &added, err))
		return false;
	for (size_t i = 0; i < added.n; i++)
		worker_add_node(s->worker, &(struct worker_node_options){
						   .kubo = added_node(s, added.at[i], s->mem) });
	return true;
}

static bool make_api(struct server *s, struct err *err)
{
	const struct config *c = s->config;
	const int64_t now_us = clock_wall_us(&s->clock);
	const struct owner_bounds bounds = {
		.max_pins = (uint64_t)c->owner.quota_pins,
		.max_bytes = c->owner.quota_bytes,
		.max_requests_per_s = (uint32_t)c->owner.requests_per_second,
		.max_fetches = (uint32_t)c->owner.concurrent_fetches,
	};

	if (!keys_open(s->store, &s->clock, &s->rand, &s->keys, err) ||
	    !keys_ensure_admin(s->keys, c->data, err))
		return false;
	s->pins = pins_new(&(struct pins_options){ .store = s->store,
						   .bus = s->bus,
						   .clock = &s->clock,
						   .instance = INSTANCE,
						   .expiring_us = c->ttl.scan_us,
						   .sole_since_us = now_us,
						   .rf_min = (int32_t)c->owner.rf_min,
						   .rf_max = (int32_t)c->owner.rf_max,
						   .bounds = bounds });
	s->api = api_new(&(struct api_options){ .store = s->store,
						.pins = s->pins,
						.keys = s->keys,
						.clock = &s->clock,
						.instance = INSTANCE,
						.sole_since_us = now_us,
						.peer_up_us = c->peer.suspect_us,
						.metrics = s->metrics,
						.add_peer = add_peer,
						.add_peer_ctx = s,
						.orders = { .ctx = s,
							    .rebalance = order_rebalance,
							    .collect = order_gc,
							    .node = tell_node,
							    .progress = tell_progress,
							    .kubo = make_client,
							    .shortage = tell_shortage,
							    .held_back = tell_held_back } });
	return true;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static bool build(struct server *s, struct err *err)
{
	const struct config *c = s->config;

	if (!open_store(s, err))
		return false;
	s->bus = bus_local_new(&(struct bus_local_options){ .queue_max = (size_t)c->bus.queue_max,
							    .published = count_published,
							    .ctx = &s->counting });
	read_policies(s);
	s->held_back = held_back_new(c->planner.guard_window_us);
	s->counting.metrics = s->metrics;
	s->counting.clock = &s->clock;
	s->counting.store = s->store;
	s->counting.bus = s->bus;
	s->counting.held_back = s->held_back;
	s->watch = peer_watch_new(&s->health_policy, &s->clock);
	if (!read_origin_nets(s, err) || !make_api(s, err))
		return false;
	make_deciders(s);
	if (!make_worker(s, err))
		return false;
	s->counting.worker = s->worker;
	s->counting.reconciler = s->reconciler;
	counting_start(&s->counting);
	return drive_added(s, err) && start_roles(s, err) && listen_http(s, err);
}

bool server_start(const struct config *config, struct server **out, struct err *err)
{
	struct server *s = xcalloc(1, sizeof(*s));

	s->config = config;
	s->processors = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	s->mem = arena_new();
	s->metrics = metrics_new();
	clock_init_system(&s->clock);
	rand_init_system(&s->rand);
	if (!build(s, err)) {
		server_free(s);
		return false;
	}
	*out = s;
	return true;
}

const char *server_url(const struct server *server)
{
	return server->url;
}

bool server_drain(struct server *server)
{
	return http_server_drain(server->http,
				 (unsigned)(server->config->http.drain_us / US_PER_MS));
}

bool server_reload(struct server *server, struct err *err)
{
	return !*server->config->tls.cert_file || http_server_reload_tls(server->http, err);
}

/* Whoever was told of messages of `topic` is not told any more, and may be freed. */
static void end_notice(struct server *s, enum bus_topic topic)
{
	struct err err;

	if (s->bus && !bus_subscribe(s->bus, topic, 0, NULL, NULL, &err))
		log_err(LOG_WARN, &err, "leave the bus");
}

void server_free(struct server *s)
{
	if (!s)
		return;
	http_server_free(s->http);
	end_notice(s, BUS_PIN_REQUEST); /* a write that becomes durable late still tells the bus */
	end_notice(s, BUS_PIN_STATUS);
	role_thread_stop(s->worker_thread);
	role_thread_stop(s->ttl_thread);
	role_thread_stop(s->reconciler_thread);
	role_thread_stop(s->planner_thread);
	worker_free(s->worker);
	cluster_free(s->cluster);
	ttl_free(s->ttl);
	held_back_free(s->held_back);
	reconciler_free(s->reconciler);
	planner_free(s->planner);
	peer_watch_free(s->watch);
	api_free(s->api);
	pins_free(s->pins);
	keys_free(s->keys);
	/* The store calls back to the bus when writes are durable: it goes first. */
	store_close(s->store);
	store_mem_free(s->store_mem);
	bus_close(s->bus);
	metrics_free(s->metrics);
	arena_free(s->mem);
	xfree(s);
}
