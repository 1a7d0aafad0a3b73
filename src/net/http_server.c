#include "net/http_server.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "net/conn.h"
#include "net/loop.h"

#define LINGER_MS        2000
#define ACCEPT_PAUSE_MS  100
#define ACCEPTS_AT_ONCE  64
#define STARVED_RETRY_MS 10

/* ---- deadlines ------------------------------------------------------------------------ */

static void wake_at(struct loop *loop, uint64_t due_ms);

static void on_deadline(uv_timer_t *timer)
{
	struct loop *loop = timer->data;
	struct conn *starved;
	uint64_t now = uv_now(&loop->uv), next = UINT64_MAX;
	struct deadline *d;

	for (int i = 0; i < N_PHASES; i++) {
		while ((d = deadline_take(&loop->queues[i], now)) != NULL) {
			if (i == PHASE_WRITE)
				conn_write_timed_out(CONTAINER_OF(d, struct conn, write_due));
			else
				conn_timed_out(CONTAINER_OF(d, struct conn, due));
		}
	}
	starved = loop->starved; /* not before: a deadline may have closed some of them */
	if (starved && !loop_overloaded(loop)) {
		loop->starved = NULL;
		while (starved) {
			struct conn *c = starved;

			starved = c->next_starved;
			conn_feed_again(c);
		}
	}
	for (int i = 0; i < N_PHASES; i++) {
		uint64_t due = deadline_next_ms(&loop->queues[i]);

		next = due < next ? due : next;
	}
	loop->timer_due_ms = UINT64_MAX;
	if (loop->starved && next > now + STARVED_RETRY_MS)
		next = now + STARVED_RETRY_MS;
	wake_at(loop, next);
}

static void wake_at(struct loop *loop, uint64_t due_ms)
{
	uint64_t now = uv_now(&loop->uv);

	if (due_ms >= loop->timer_due_ms)
		return;
	loop->timer_due_ms = due_ms;
	uv_timer_start(&loop->timer, on_deadline, due_ms > now ? due_ms - now : 0, 0);
}

void loop_deadline(struct loop *loop, enum phase phase, struct deadline *entry)
{
	deadline_set(&loop->queues[phase], entry, uv_now(&loop->uv));
	/* The timer is left alone while it fires earlier: it finds the nearest by itself. */
	wake_at(loop, entry->due_ms);
}

void loop_retry_starved(struct loop *loop)
{
	wake_at(loop, uv_now(&loop->uv) + STARVED_RETRY_MS);
}

bool loop_overloaded(const struct loop *loop)
{
	return atomic_load_explicit(&loop->server->pool.queued, memory_order_relaxed) +
		       loop->n_pending >
	       loop->server->options.max_queued;
}

void loop_queue(struct loop *loop, struct exchange *x)
{
	*(loop->pending ? &loop->pending_last->next : &loop->pending) = x;
	loop->pending_last = x;
	loop->n_pending++;
}

const char *loop_date(struct loop *loop)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (now.tv_sec != loop->date_s) {
		loop->date_s = now.tv_sec;
		gmtime_r(&now.tv_sec, &tm);
		strftime(loop->date, sizeof(loop->date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n",
			 &tm);
	}
	return loop->date;
}

/* ---- accepting ------------------------------------------------------------------------ */

static struct http_peer peer_of(const struct sockaddr_storage *addr)
{
	struct http_peer peer = { .ip = { [10] = 0xff, [11] = 0xff } };

	if (addr->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;

		memcpy(peer.ip, &in6->sin6_addr, 16);
		peer.port = ntohs(in6->sin6_port);
	} else {
		const struct sockaddr_in *in = (const struct sockaddr_in *)addr;

		memcpy(peer.ip + 12, &in->sin_addr, 4);
		peer.port = ntohs(in->sin_port);
	}
	return peer;
}

/* Says so, as far as one packet goes, and hangs up. */
static void turn_away(struct loop *loop, int fd, unsigned status, const char *why)
{
	loop_count(loop, COUNT_REFUSED, 1);
	if (!loop->server->options.tls_cert) {
		loop->head.len = 0;
		conn_refusal(loop, status, why, (struct slice){ 0 }, false, &loop->head);
		if (send(fd, loop->head.ptr, loop->head.len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			log_debug("turned away without a word: %s", strerror(errno));
		shutdown(fd, SHUT_WR);
	}
	close(fd);
}

/* Once: it may be a proxy, whose clients then are all turned away. */
static void tell_of_address(struct http_server *server, const struct http_peer *peer)
{
	char text[HTTP_PEER_TEXT];

	if (!atomic_exchange(&server->told_of_address, true))
		log_warn("%s has %u connections, more are answered 429; is it a proxy? Further "
			 "addresses are only counted",
			 http_peer_text(peer, text), server->options.max_per_address);
}

static void take(struct loop *loop, int fd, const struct http_peer *peer)
{
	struct http_server *server = loop->server;
	const struct http_server_options *o = &server->options;
	bool counted =
		o->max_per_address > 0 && !(o->spare_loopback && http_peer_is_loopback(peer));

	if (atomic_fetch_add(&server->open, 1) >= o->max_connections) {
		atomic_fetch_sub(&server->open, 1);
		turn_away(loop, fd, 503, "too many connections");
		return;
	}
	if (counted && !peer_table_enter(server->peers, peer, o->max_per_address)) {
		atomic_fetch_sub(&server->open, 1);
		tell_of_address(server, peer);
		turn_away(loop, fd, 429, "too many connections from this address");
		return;
	}
	loop_count(loop, COUNT_ACCEPTED, 1);
	conn_open(loop, fd, peer, counted);
}

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void on_accept_again(uv_timer_t *timer)
{
	struct loop *loop = timer->data;

	uv_poll_start(&loop->listener, UV_READABLE, on_acceptable);
}

/* Out of descriptors or memory: without a pause the loop would spin on the listener. */
static void pause_accepting(struct loop *loop, int e)
{
	if (atomic_load_explicit(&loop->counters[COUNT_ACCEPT_ERRORS], memory_order_relaxed) == 0)
		log_error("accept: %s; further ones are only counted", strerror(e));
	loop_count(loop, COUNT_ACCEPT_ERRORS, 1);
	uv_poll_stop(&loop->listener);
	uv_timer_start(&loop->accept_pause, on_accept_again, ACCEPT_PAUSE_MS, 0);
}

static void on_acceptable(uv_poll_t *poll, int status UNUSED, int events UNUSED)
{
	struct loop *loop = poll->data;

	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		struct sockaddr_storage addr = { 0 };
		socklen_t n = sizeof(addr);
		int fd = accept4(loop->listen_fd, (struct sockaddr *)&addr, &n,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct http_peer peer;

		if (fd < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (fd < 0 && errno == ECONNABORTED)
			continue;
		if (fd < 0) {
			pause_accepting(loop, errno);
			return;
		}
		peer = peer_of(&addr);
		take(loop, fd, &peer);
	}
}

/* ---- the loop's thread ---------------------------------------------------------------- */

static void deliver(void *owner UNUSED, struct mail *mail)
{
	if (mail)
		conn_mail(CONTAINER_OF(mail, struct exchange, mail));
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct loop *loop = handle->data;

	close(loop->listen_fd);
}

static void stop_listening(struct loop *loop)
{
	uv_timer_stop(&loop->accept_pause);
	uv_poll_stop(&loop->listener);
	uv_close((uv_handle_t *)&loop->listener, on_listener_closed);
}

static void carry_out_stop(struct loop *loop, enum stop stop)
{
	if (loop->stop == STOP_NO)
		stop_listening(loop);
	loop->stop = stop;
	for (struct conn *c = loop->conns, *next; c; c = next) {
		next = c->next;
		if (stop == STOP_CUT)
			conn_close(c);
		else
			conn_drain(c);
	}
}

static void report_empty(struct loop *loop)
{
	struct http_server *server = loop->server;

	loop->reported = true;
	pthread_mutex_lock(&server->lock);
	server->n_empty++;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

static void end_loop(struct loop *loop)
{
	mailbox_close(&loop->box);
	uv_close((uv_handle_t *)&loop->timer, NULL);
	uv_close((uv_handle_t *)&loop->accept_pause, NULL);
	uv_close((uv_handle_t *)&loop->prepare, NULL);
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct loop *loop = prepare->data;
	enum stop stop = (enum stop)atomic_load(&loop->server->stop);

	if (stop != loop->stop)
		carry_out_stop(loop, stop);
	if (loop->pending) {
		struct exchange *first = loop->pending;
		unsigned n = loop->n_pending;

		loop->pending = loop->pending_last = NULL;
		loop->n_pending = 0;
		pool_push(&loop->server->pool, first, n);
	}
	if (loop->stop == STOP_NO || loop->n_conns > 0)
		return;
	if (!loop->reported)
		report_empty(loop);
	if (loop->n_exchanges == 0)
		end_loop(loop);
}

static void *loop_main(void *arg)
{
	struct loop *loop = arg;

	uv_run(&loop->uv, UV_RUN_DEFAULT);
	return NULL;
}

static void loop_init(struct loop *loop, struct http_server *server, int listen_fd)
{
	const struct http_server_options *o = &server->options;
	const unsigned waits[N_PHASES] = {
		[PHASE_HEAD] = o->head_ms,  [PHASE_BODY] = o->body_ms,
		[PHASE_IDLE] = o->idle_ms,  [PHASE_QUEUE] = o->queue_ms,
		[PHASE_LINGER] = LINGER_MS, [PHASE_WRITE] = o->write_ms,
	};
	int e = uv_loop_init(&loop->uv);

	assert(e == 0);
	loop->server = server;
	loop->listen_fd = listen_fd;
	loop->read_buf = xmalloc(READ_BYTES);
	loop->timer_due_ms = UINT64_MAX;
	for (int i = 0; i < N_PHASES; i++)
		deadline_queue_init(&loop->queues[i], waits[i]);
	mailbox_init(&loop->box, &loop->uv, deliver, loop);
	uv_timer_init(&loop->uv, &loop->timer);
	uv_timer_init(&loop->uv, &loop->accept_pause);
	uv_prepare_init(&loop->uv, &loop->prepare);
	uv_poll_init(&loop->uv, &loop->listener, listen_fd);
	loop->timer.data = loop->accept_pause.data = loop->prepare.data = loop->listener.data =
		loop;
	uv_prepare_start(&loop->prepare, on_prepare);
	uv_poll_start(&loop->listener, UV_READABLE, on_acceptable);
	e = pthread_create(&loop->thread, NULL, loop_main, loop);
	assert(e == 0);
}

static void loop_join(struct loop *loop)
{
	int e;

	pthread_join(loop->thread, NULL);
	e = uv_loop_close(&loop->uv);
	assert(e == 0);
	xfree(loop->read_buf);
	buf_free(&loop->head);
	buf_free(&loop->cipher);
	buf_free(&loop->plain);
}

/* ---- starting ------------------------------------------------------------------------- */

static void default_error_body(void *ctx UNUSED, unsigned status UNUSED, const char *why,
			       struct slice path UNUSED, struct buf *out, const char **content_type)
{
	buf_printf(out, "%s\n", why);
	*content_type = "text/plain; charset=utf-8";
}

#define DEFAULT(field, value) (o->field = o->field ? o->field : (value))

static void fill_defaults(struct http_server_options *o)
{
	DEFAULT(app.error_body, default_error_body);
	DEFAULT(host, "127.0.0.1");
	DEFAULT(loops, 1);
	DEFAULT(workers, 8);
	DEFAULT(backlog, 1024);
	DEFAULT(max_head, 16 * 1024);
	DEFAULT(max_body, 256 * 1024);
	DEFAULT(max_buffered, 256 * 1024 * 1024);
	DEFAULT(max_pipelined, 16 * 1024);
	DEFAULT(max_connections, 16384);
	DEFAULT(max_queued, 1024);
	DEFAULT(head_ms, 10 * 1000);
	DEFAULT(body_ms, 60 * 1000);
	DEFAULT(idle_ms, 75 * 1000);
	DEFAULT(write_ms, 30 * 1000);
	DEFAULT(queue_ms, 10 * 1000);
}

static int bind_to(const struct addrinfo *a, unsigned backlog)
{
	int one = 1, e;
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, (int)backlog) == 0)
		return fd;
	e = errno;
	close(fd);
	errno = e;
	return -1;
}

static bool listen_on(struct http_server *server, int *out, struct err *err)
{
	const struct http_server_options *o = &server->options;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *found;
	struct sockaddr_storage addr = { 0 };
	socklen_t n = sizeof(addr);
	char port[8];
	int e, fd;

	snprintf(port, sizeof(port), "%u", o->port);
	e = getaddrinfo(o->host, port, &hints, &found);
	if (e != 0)
		return err_set(err, ERR_INVALID, "listen on %s: %s", o->host, gai_strerror(e));
	fd = bind_to(found, o->backlog);
	freeaddrinfo(found);
	if (fd < 0)
		return err_set(err, ERR_UNAVAILABLE, "listen on %s port %u: %s", o->host, o->port,
			       strerror(errno));
	getsockname(fd, (struct sockaddr *)&addr, &n);
	server->port = peer_of(&addr).port;
	*out = fd;
	return true;
}

bool http_server_start(const struct http_server_options *options, struct http_server **out,
		       struct err *err)
{
	struct http_server *server = xcalloc(1, sizeof(*server));
	struct http_server_options *o = &server->options;
	int fd = -1;

	assert(options->app.handler);
	*o = *options;
	fill_defaults(o);
	if ((o->tls_cert && !tls_server_new(o->tls_cert, o->tls_key, &server->tls, err)) ||
	    !listen_on(server, &fd, err)) {
		tls_server_unref(server->tls);
		xfree(server);
		return false;
	}
	signal(SIGPIPE, SIG_IGN); /* a client that left is an error of write(), no more */
	pthread_mutex_init(&server->lock, NULL);
	pthread_cond_init(&server->changed, NULL);
	server->peers = peer_table_new();
	pool_start(&server->pool, &o->app, o->workers, o->at_work);
	server->loops = xcalloc(o->loops, sizeof(*server->loops));
	for (unsigned i = 0; i < o->loops; i++)
		loop_init(&server->loops[i], server, i == 0 ? fd : dup(fd));
	*out = server;
	return true;
}

uint16_t http_server_port(const struct http_server *server)
{
	return server->port;
}

/* ---- stopping ------------------------------------------------------------------------- */

static void tell_loops(struct http_server *server, enum stop stop)
{
	atomic_store(&server->stop, (int)stop);
	for (unsigned i = 0; i < server->options.loops; i++)
		mailbox_wake(&server->loops[i].box);
}

static struct timespec after_ms(unsigned ms)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

bool http_server_drain(struct http_server *server, unsigned ms)
{
	struct timespec until = after_ms(ms);
	bool cut;

	pthread_mutex_lock(&server->lock);
	if (atomic_load(&server->stop) == STOP_NO)
		tell_loops(server, STOP_DRAIN);
	while (server->n_empty < server->options.loops &&
	       pthread_cond_timedwait(&server->changed, &server->lock, &until) == 0)
		;
	if (server->n_empty < server->options.loops) {
		server->cut = true;
		tell_loops(server, STOP_CUT);
	}
	while (server->n_empty < server->options.loops)
		pthread_cond_wait(&server->changed, &server->lock);
	cut = server->cut;
	pthread_mutex_unlock(&server->lock);
	return !cut;
}

void http_server_free(struct http_server *server)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	if (!server)
		return;
	http_server_drain(server, 0);
	for (unsigned i = 0; i < server->options.loops; i++)
		loop_join(&server->loops[i]);
	while (atomic_load_explicit(&server->pool.live, memory_order_acquire) > 0)
		nanosleep(&ms, NULL);
	pool_stop(&server->pool);
	tls_server_unref(server->tls);
	peer_table_free(server->peers);
	pthread_cond_destroy(&server->changed);
	pthread_mutex_destroy(&server->lock);
	xfree(server->loops);
	xfree(server);
}

/* ---- the rest ------------------------------------------------------------------------- */

bool http_server_reload_tls(struct http_server *server, struct err *err)
{
	const struct http_server_options *o = &server->options;
	struct tls_server *fresh, *old;

	if (!o->tls_cert)
		return err_set(err, ERR_INVALID, "this server speaks no TLS");
	if (!tls_server_new(o->tls_cert, o->tls_key, &fresh, err))
		return false;
	pthread_mutex_lock(&server->lock);
	old = server->tls;
	server->tls = fresh;
	pthread_mutex_unlock(&server->lock);
	tls_server_unref(old);
	return true;
}

void http_server_stats(struct http_server *server, struct http_server_stats *out)
{
	uint64_t sum[N_COUNTERS] = { 0 };

	for (unsigned i = 0; i < server->options.loops; i++) {
		for (int k = 0; k < N_COUNTERS; k++)
			sum[k] += atomic_load_explicit(&server->loops[i].counters[k],
						       memory_order_relaxed);
	}
	*out = (struct http_server_stats){
		.open = atomic_load(&server->open),
		.accepted = sum[COUNT_ACCEPTED],
		.refused = sum[COUNT_REFUSED],
		.accept_errors = sum[COUNT_ACCEPT_ERRORS],
		.tls_errors = sum[COUNT_TLS_ERRORS],
		.parse_errors = sum[COUNT_PARSE_ERRORS],
		.timeouts = sum[COUNT_TIMEOUTS],
		.late = sum[COUNT_LATE],
		.requests = sum[COUNT_REQUESTS],
		.queued = atomic_load(&server->pool.queued),
		.bytes_in = sum[COUNT_BYTES_IN],
		.bytes_out = sum[COUNT_BYTES_OUT],
	};
	memcpy(out->responses, &sum[COUNT_RESPONSES], sizeof(out->responses));
}
