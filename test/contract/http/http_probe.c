/*
 * http_probe -- a small application on net/http_server.h for the hostile tests and the bench.
 *
 *	http_probe [option=value]...
 *
 * Prints "port N" when it listens.  Commands on stdin, one a line, each answered by a line:
 *
 *	release      releases all held replies, oldest last
 *	fail         answers all held replies with 507
 *	wake         wakes all waits
 *	stats        the counters as name=value
 *	rss          resident bytes
 *	cpu          microseconds of CPU used so far
 *	reload       reads the certificate again: "ok" or the error
 *	drain MS     drains; says "clean" or "cut" when it is over
 *
 * At the end of stdin it drains and frees the server, and says "done".
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/http_server.h"
#include "net/url.h"

#define MAX_TOKENS 20000

/* A request that waits; whoever takes it off the list gives its token back. */
struct waiter {
	struct waiter *next;
	struct probe *probe;
	struct http_token *token;
};

struct probe {
	pthread_mutex_t lock;
	struct http_token *held[MAX_TOKENS];
	unsigned n_held;
	struct waiter *waiters;
	unsigned gone;   /* waits that ended because the client left */
	unsigned closed; /* streams that were closed */
	unsigned made;   /* pieces of streams */
	atomic_bool blocked;
	pthread_t drainer;
	bool drains;
	struct http_server *server;
	unsigned drain_ms;
};

static void sleep_ms(unsigned ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

static uint64_t param(struct http_request *req, const char *wanted, uint64_t otherwise)
{
	struct slice rest = req->query, name, value;
	struct err err;

	while (url_query_next(req->mem, &rest, &name, &value, &err) == URL_PARAM) {
		if (slice_eq_str(name, wanted))
			return strtoull((const char *)arena_copy(req->mem, value).ptr, NULL, 10);
	}
	return otherwise;
}

static void text(struct http_response *res, unsigned status, const char *body)
{
	res->status = status;
	res->content_type = "text/plain";
	buf_add_str(&res->body, body);
}

/* ---- routes --------------------------------------------------------------------------- */

static void hello(struct probe *probe UNUSED, struct http_request *req UNUSED,
		  struct http_response *res)
{
	res->status = 202;
	res->content_type = "application/json";
	buf_add_str(&res->body,
		    "{\"requestid\":\"01HF000000000000000000000\",\"status\":\"queued\","
		    "\"delegates\":[]}");
}

static void echo(struct probe *probe UNUSED, struct http_request *req, struct http_response *res)
{
	char peer[HTTP_PEER_TEXT];

	res->status = 200;
	res->content_type = "text/plain";
	http_response_header(res, "X-Method", slice_str(http_method_name(req->method)));
	http_response_header(res, "X-Path", req->path);
	http_response_header(res, "X-Query", req->query);
	http_response_header(res, "X-Peer", slice_str(http_peer_text(&req->peer, peer)));
	http_response_header(res, "X-Split", SLICE_LIT("a\r\nInjected: 1"));
	buf_add_slice(&res->body, req->body);
}

static void empty(struct probe *probe UNUSED, struct http_request *req, struct http_response *res)
{
	res->status = (unsigned)param(req, "status", 204);
}

static void silent(struct probe *probe UNUSED, struct http_request *req UNUSED,
		   struct http_response *res UNUSED)
{
}

static void slow(struct probe *probe UNUSED, struct http_request *req, struct http_response *res)
{
	sleep_ms((unsigned)param(req, "ms", 100));
	text(res, 200, "slow\n");
}

static void tireless(struct probe *probe UNUSED, struct http_request *req UNUSED,
		     struct http_response *res)
{
	while (!http_response_unwanted(res))
		sleep_ms(1);
	text(res, 503, "broken off\n");
}

static void block(struct probe *probe, struct http_request *req UNUSED, struct http_response *res)
{
	while (atomic_load(&probe->blocked))
		sleep_ms(1);
	text(res, 200, "unblocked\n");
}

static void big(struct probe *probe UNUSED, struct http_request *req, struct http_response *res)
{
	size_t n = param(req, "n", 1 << 20);

	res->status = 200;
	memset(buf_reserve(&res->body, n), 'b', n);
	res->body.len = n;
}

static void hold(struct probe *probe, struct http_request *req, struct http_response *res)
{
	struct http_token *token = http_response_hold(res);

	pthread_mutex_lock(&probe->lock);
	if (probe->n_held == MAX_TOKENS)
		abort();
	probe->held[probe->n_held++] = token;
	pthread_mutex_unlock(&probe->lock);
	sleep_ms((unsigned)param(req, "ms", 0)); /* released while the handler still runs */
	text(res, 202, "held\n");
}

/* Takes `waiter` off the list; false: somebody else did. */
static bool unlist(struct probe *probe, struct waiter *waiter)
{
	struct waiter **at = &probe->waiters;
	bool found;

	pthread_mutex_lock(&probe->lock);
	while (*at && *at != waiter)
		at = &(*at)->next;
	found = *at != NULL;
	if (found)
		*at = waiter->next;
	pthread_mutex_unlock(&probe->lock);
	return found;
}

static void on_resume(void *arg, struct http_request *req UNUSED, struct http_response *res,
		      enum http_wake why)
{
	struct waiter *waiter = arg;

	if (unlist(waiter->probe, waiter))
		http_token_release(waiter->token);
	if (why == HTTP_GONE) {
		pthread_mutex_lock(&waiter->probe->lock);
		waiter->probe->gone++;
		pthread_mutex_unlock(&waiter->probe->lock);
	}
	text(res, 200,
	     why == HTTP_WOKEN     ? "woken\n"
	     : why == HTTP_TIME_UP ? "time up\n"
				   : "gone\n");
}

static void wait(struct probe *probe, struct http_request *req, struct http_response *res)
{
	struct waiter *waiter = arena_new_of(req->mem, struct waiter);

	waiter->probe = probe;
	waiter->token =
		http_response_wait(res, (unsigned)param(req, "ms", 60000), on_resume, waiter);
	pthread_mutex_lock(&probe->lock);
	waiter->next = probe->waiters;
	probe->waiters = waiter;
	pthread_mutex_unlock(&probe->lock);
}

struct count {
	struct probe *probe;
	uint64_t left, size, taken;
	uint64_t fail_at;
	bool seeks; /* empty pieces are no pause */
};

static bool next(void *arg, struct buf *out, enum http_next *then, struct err *err)
{
	struct count *count = arg;

	pthread_mutex_lock(&count->probe->lock);
	count->probe->made++;
	pthread_mutex_unlock(&count->probe->lock);
	if (count->left == count->fail_at)
		return err_set(err, ERR_CORRUPT, "asked to fail");
	if (count->size > 0) {
		memset(buf_reserve(out, count->size), 's', count->size);
		out->len += count->size;
	}
	if (--count->left == 0)
		*then = HTTP_NEXT_END;
	else if (count->size == 0 && !count->seeks)
		*then = HTTP_NEXT_LATER;
	return true;
}

static void closed(void *arg)
{
	struct count *count = arg;

	pthread_mutex_lock(&count->probe->lock);
	count->probe->closed++;
	pthread_mutex_unlock(&count->probe->lock);
}

static void stream(struct probe *probe, struct http_request *req, struct http_response *res)
{
	static const struct http_stream_ops ops = { next, closed };
	struct count *count = arena_new_of(req->mem, struct count);

	*count = (struct count){ probe,
				 param(req, "n", 4),
				 param(req, "size", 10),
				 0,
				 param(req, "fail", UINT64_MAX),
				 param(req, "seeks", 0) != 0 };
	res->status = 200;
	res->content_type = "application/x-ndjson";
	http_response_stream(res, &ops, count);
}

/* Answers each line with its length. */
static bool chunk(void *arg, struct slice bytes, bool last, struct buf *out, struct err *err)
{
	struct count *count = arg;

	for (size_t i = 0; i < bytes.len; i++) {
		if (bytes.ptr[i] == '!')
			return err_set(err, ERR_INVALID, "asked to fail");
		count->taken++;
		if (bytes.ptr[i] != '\n')
			continue;
		buf_printf(out, "%llu\n", (unsigned long long)(count->taken - 1));
		count->taken = 0;
	}
	if (last)
		buf_add_str(out, "end\n");
	return true;
}

static void bulk(struct probe *probe, struct http_request *req, struct http_response *res)
{
	static const struct http_consume_ops ops = { chunk, closed };
	struct count *count = arena_new_of(req->mem, struct count);

	if (http_header_has_token(req, "X-Refuse", "yes")) {
		text(res, 401, "no\n");
		return;
	}
	count->probe = probe;
	res->status = 200;
	http_response_consume(res, &ops, count);
}

static const struct {
	const char *path;
	void (*run)(struct probe *probe, struct http_request *req, struct http_response *res);
} routes[] = {
	{ "/hello", hello },       { "/echo", echo }, { "/empty", empty },
	{ "/silent", silent },     { "/slow", slow }, { "/big", big },
	{ "/block", block },       { "/hold", hold }, { "/wait", wait },
	{ "/stream", stream },     { "/bulk", bulk }, { "*", empty },
	{ "/tireless", tireless },
};

static void handle(void *ctx, struct http_request *req, struct http_response *res)
{
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		if (slice_eq_str(req->path, routes[i].path)) {
			routes[i].run(ctx, req, res);
			return;
		}
	}
	text(res, 404, "no such route\n");
}

static enum http_body_mode body_mode(void *ctx UNUSED, enum http_method method UNUSED,
				     struct slice path)
{
	return slice_eq_str(path, "/bulk") ? HTTP_BODY_STREAM : HTTP_BODY_WHOLE;
}

static void error_body(void *ctx UNUSED, unsigned status, const char *why, struct slice path,
		       struct buf *out, const char **content_type)
{
	buf_printf(out, "{\"status\":%u,\"why\":\"%s\",\"path\":\"%.*s\"}\n", status, why,
		   SLICE_FMT(path));
	*content_type = "application/json";
}

/* ---- commands ------------------------------------------------------------------------- */

static void release_all(struct probe *probe, bool fail)
{
	struct http_token *held[MAX_TOKENS];
	unsigned n;

	pthread_mutex_lock(&probe->lock);
	n = probe->n_held;
	memcpy(held, probe->held, n * sizeof(held[0]));
	probe->n_held = 0;
	pthread_mutex_unlock(&probe->lock);
	for (unsigned i = n; i-- > 0;) {
		if (fail)
			http_token_reply(held[i], 507, "text/plain", SLICE_LIT("disk full\n"));
		else
			http_token_release(held[i]);
	}
	printf("%u\n", n);
}

static void wake_all(struct probe *probe)
{
	struct waiter *list;
	unsigned n = 0;

	pthread_mutex_lock(&probe->lock);
	list = probe->waiters;
	probe->waiters = NULL;
	pthread_mutex_unlock(&probe->lock);
	while (list) {
		struct waiter *next_waiter = list->next;

		http_token_wake(list->token);
		list = next_waiter;
		n++;
	}
	printf("%u\n", n);
}

static void print_stats(struct probe *probe, struct http_server *server)
{
	struct http_server_stats s;

	http_server_stats(server, &s);
	pthread_mutex_lock(&probe->lock);
	printf("open=%lu accepted=%lu refused=%lu accept_errors=%lu tls_errors=%lu "
	       "parse_errors=%lu timeouts=%lu late=%lu requests=%lu queued=%lu r2=%lu r4=%lu "
	       "r5=%lu "
	       "held=%u gone=%u closed=%u made=%u\n",
	       s.open, s.accepted, s.refused, s.accept_errors, s.tls_errors, s.parse_errors,
	       s.timeouts, s.late, s.requests, s.queued, s.responses[2], s.responses[4],
	       s.responses[5], probe->n_held, probe->gone, probe->closed, probe->made);
	pthread_mutex_unlock(&probe->lock);
}

static void print_rss(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%*u %lu", &pages) != 1)
		abort();
	fclose(f);
	printf("%lu\n", pages * (unsigned long)sysconf(_SC_PAGESIZE));
}

static void print_cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	printf("%ld\n", (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000L + u.ru_utime.tv_usec +
				u.ru_stime.tv_usec);
}

static void *drain(void *arg)
{
	struct probe *probe = arg;

	puts(http_server_drain(probe->server, probe->drain_ms) ? "clean" : "cut");
	return NULL;
}

/* On a thread of its own: other commands go on. */
static void start_drain(struct probe *probe, struct http_server *server, unsigned ms)
{
	probe->server = server;
	probe->drain_ms = ms;
	if (pthread_create(&probe->drainer, NULL, drain, probe) != 0)
		abort();
	probe->drains = true;
}

static void command(struct probe *probe, struct http_server *server, char *line)
{
	struct err err;

	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, "release") == 0 || strcmp(line, "fail") == 0)
		release_all(probe, line[0] == 'f');
	else if (strcmp(line, "wake") == 0)
		wake_all(probe);
	else if (strcmp(line, "stats") == 0)
		print_stats(probe, server);
	else if (strcmp(line, "rss") == 0)
		print_rss();
	else if (strcmp(line, "cpu") == 0)
		print_cpu();
	else if (strcmp(line, "block") == 0 || strcmp(line, "unblock") == 0)
		puts(atomic_exchange(&probe->blocked, line[0] == 'b') ? "was" : "was not");
	else if (strcmp(line, "reload") == 0)
		puts(http_server_reload_tls(server, &err) ? "ok" : err.text);
	else if (strncmp(line, "drain ", 6) == 0)
		start_drain(probe, server, (unsigned)atoi(line + 6));
	else
		puts("what?");
}

static bool set_option(struct http_server_options *o, const char *arg)
{
	static const struct {
		const char *name;
		size_t at, size;
	} numbers[] = {
#define NUMBER(field)                                          \
	{ #field, offsetof(struct http_server_options, field), \
	  sizeof(((struct http_server_options *)0)->field) }
		NUMBER(loops),           NUMBER(workers),        NUMBER(max_head),
		NUMBER(max_body),        NUMBER(max_pipelined),  NUMBER(max_connections),
		NUMBER(max_per_address), NUMBER(max_queued),     NUMBER(head_ms),
		NUMBER(body_ms),         NUMBER(idle_ms),        NUMBER(write_ms),
		NUMBER(queue_ms),        NUMBER(backlog),        NUMBER(max_buffered),
		NUMBER(min_rate),        NUMBER(spare_loopback),
	};
	const char *value = strchr(arg, '=');

	if (!value++)
		return false;
	if (strncmp(arg, "cert=", 5) == 0)
		return (o->tls_cert = value) != NULL;
	if (strncmp(arg, "key=", 4) == 0)
		return (o->tls_key = value) != NULL;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		size_t n = strlen(numbers[i].name);
		uint64_t v = strtoull(value, NULL, 10);

		if (strncmp(arg, numbers[i].name, n) == 0 && arg[n] == '=') {
			memcpy((char *)o + numbers[i].at, &v, numbers[i].size);
			return true;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	struct probe *probe = xcalloc(1, sizeof(*probe));
	struct http_server_options o = { .app = { .ctx = probe,
						  .handler = handle,
						  .body_mode = body_mode,
						  .error_body = error_body,
						  .headers = "X-Always: yes\r\n" } };
	CLEANUP(http_server_free) struct http_server *server = NULL;
	char line[256];
	struct err err;

	pthread_mutex_init(&probe->lock, NULL);
	for (int i = 1; i < argc; i++) {
		if (!set_option(&o, argv[i])) {
			fprintf(stderr, "http_probe: %s?\n", argv[i]);
			return 2;
		}
	}
	if (!http_server_start(&o, &server, &err)) {
		fprintf(stderr, "http_probe: %s\n", err.text);
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("port %u\n", http_server_port(server));
	while (fgets(line, sizeof(line), stdin))
		command(probe, server, line);
	atomic_store(&probe->blocked, false);
	http_server_drain(server, 0);
	if (probe->drains)
		pthread_join(probe->drainer, NULL);
	release_all(probe, false);
	http_server_free(TAKE(server));
	pthread_mutex_destroy(&probe->lock);
	xfree(probe);
	puts("done");
	return 0;
}
