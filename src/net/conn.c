#include "net/conn.h"

#include <assert.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"

/* ---- states --------------------------------------------------------------------------- */

void conn_move(struct conn *c, enum conn_state to)
{
	static const enum phase phases[] = {
		[CONN_NEW] = PHASE_HEAD,  [CONN_IDLE] = PHASE_IDLE,  [CONN_HEAD] = PHASE_HEAD,
		[CONN_BODY] = PHASE_BODY, [CONN_BUSY] = PHASE_QUEUE, [CONN_LINGER] = PHASE_LINGER,
	};

	assert(c->state != CONN_CLOSED);
	c->state = to;
	c->body_came = false;
	if (to == CONN_CLOSED)
		deadline_clear(&c->due);
	else
		loop_deadline(c->loop, phases[to], &c->due);
}

static void on_closed(uv_handle_t *handle)
{
	struct conn *c = handle->data;

	tls_free(c->tls);
	http1_free(&c->h1);
	buf_free(&c->tail);
	xfree(c);
}

static void leave_starved(struct conn *c)
{
	struct conn **at = &c->loop->starved;

	if (!c->starved)
		return;
	while (*at != c)
		at = &(*at)->next_starved;
	*at = c->next_starved;
	c->starved = false;
}

void conn_close(struct conn *c)
{
	struct loop *loop = c->loop;

	if (c->state == CONN_CLOSED)
		return;
	conn_move(c, CONN_CLOSED);
	deadline_clear(&c->write_due);
	leave_starved(c);
	if (c->x)
		conn_detach(c);
	*(c->prev ? &c->prev->next : &loop->conns) = c->next;
	if (c->next)
		c->next->prev = c->prev;
	loop->n_conns--;
	atomic_fetch_sub_explicit(&loop->server->open, 1, memory_order_relaxed);
	if (c->counted)
		peer_table_leave(loop->server->peers, &c->peer);
	uv_close((uv_handle_t *)&c->tcp, on_closed);
}

/* ---- exchanges ------------------------------------------------------------------------ */

static void on_timer_closed(uv_handle_t *handle)
{
	xfree(handle);
}

static void stop_timer(struct exchange *x)
{
	if (x->timer)
		uv_close((uv_handle_t *)x->timer, on_timer_closed);
	x->timer = NULL;
}

static void on_timer(uv_timer_t *timer)
{
	struct exchange *x = timer->data;

	stop_timer(x);
	exchange_time_up(x);
}

void conn_timer(struct exchange *x, unsigned ms)
{
	if (x->loop->stop != STOP_NO)
		ms = 0;
	if (!x->timer) {
		x->timer = xmalloc(sizeof(*x->timer));
		uv_timer_init(&x->loop->uv, x->timer);
		x->timer->data = x;
	}
	uv_timer_start(x->timer, on_timer, ms, 0);
}

static void drop(struct exchange *x)
{
	struct loop *loop = x->loop;

	stop_timer(x);
	if (exchange_drop(x))
		loop->n_exchanges--;
}

void conn_detach(struct conn *c)
{
	struct exchange *x = c->x;

	conn_tell_ended(c);
	c->x = NULL;
	x->conn = NULL;
	drop(x);
}

void conn_mail(struct exchange *x)
{
	bool ready, waits;
	unsigned ms, nth;

	pthread_mutex_lock(&x->lock);
	x->posted = false;
	ready = x->ready;
	waits = x->waiting && !x->busy;
	ms = x->wait_ms;
	nth = x->n_waits;
	pthread_mutex_unlock(&x->lock);
	if (!x->conn) {
		drop(x);
	} else if (ready) {
		stop_timer(x);
		conn_reply(x->conn);
	} else if (waits && x->timed_wait != nth) {
		x->timed_wait = nth;
		conn_timer(x, ms);
	}
}

static void dispatch(struct conn *c)
{
	loop_count(c->loop, COUNT_REQUESTS, 1);
	c->x->asked_ns = uv_hrtime();
	exchange_claim(c->x, JOB_HANDLER);
	loop_queue(c->loop, c->x);
}

/* ---- requests ------------------------------------------------------------------------- */

enum protocol { PROTOCOL_HTTP1, PROTOCOL_HTTP2 };

/* The one place that tells what a connection speaks: by ALPN, or by how it begins. */
static enum protocol protocol_of(const struct conn *c, struct slice first)
{
	if (c->tls && slice_eq_str(tls_alpn(c->tls), "h2"))
		return PROTOCOL_HTTP2;
	/* What every HTTP/2 client sends first (RFC 9113 3.4), and no HTTP/1 method. */
	return first.len >= 4 && memcmp(first.ptr, "PRI ", 4) == 0 ? PROTOCOL_HTTP2
								   : PROTOCOL_HTTP1;
}

/* The head is complete.  False: it was refused. */
static bool begin(struct conn *c, bool body_came)
{
	const struct http_server_options *o = &c->loop->server->options;
	struct exchange *x = exchange_new(&c->loop->server->pool, &c->loop->box);
	uint64_t limit = o->max_body;

	x->loop = c->loop;
	x->conn = c;
	x->left = c->eof;
	x->req.peer = c->peer;
	x->req.tls = c->tls != NULL;
	c->loop->n_exchanges++;
	c->x = x;
	if (http1_take(&c->h1, &x->req)) {
		if (o->app.body_mode)
			x->req.body_stream = o->app.body_mode(o->app.ctx, x->req.method,
							      x->req.path) == HTTP_BODY_STREAM;
		if (x->req.body_stream)
			limit = UINT64_MAX;
	}
	if (c->h1.status != 0 || !http1_body_to(&c->h1, &x->in, limit)) {
		loop_count(c->loop, COUNT_PARSE_ERRORS, 1);
		conn_refuse(c, c->h1.status, c->h1.why);
		return false;
	}
	c->continue_due = c->h1.expects_continue && !body_came;
	conn_move(c, CONN_BODY);
	if (x->req.body_stream) {
		dispatch(c);
	} else if (c->continue_due) {
		c->continue_due = false;
		conn_send(c, &SLICE_LIT("HTTP/1.1 100 Continue\r\n\r\n"), 1);
	}
	return c->state != CONN_CLOSED;
}

static void complete(struct conn *c)
{
	struct exchange *x = c->x;

	conn_move(c, CONN_BUSY);
	if (x->req.body_stream) {
		deadline_clear(&c->due);
		x->in_end = true;
		exchange_poke(x);
		return;
	}
	x->req.body = buf_slice(&x->in);
	dispatch(c);
}

/* Counts what came of a whole body; false: all bodies together are too much. */
static bool count_body(struct exchange *x)
{
	size_t more = x->in.len - x->buffered, before;

	if (x->req.body_stream || more == 0)
		return true;
	before = atomic_fetch_add_explicit(&x->pool->buffered, more, memory_order_relaxed);
	x->buffered += more;
	return before + more <= x->loop->server->options.max_buffered;
}

/* Reads requests until one is complete or the bytes are used up. */
static void parse(struct conn *c, struct slice *in)
{
	for (;;) {
		enum http1_event event;
		size_t had;

		switch (c->state) {
		case CONN_NEW:
		case CONN_IDLE:
			if (in->len == 0)
				return;
			if (c->state == CONN_NEW && protocol_of(c, *in) == PROTOCOL_HTTP2) {
				conn_refuse(c, 505, "HTTP/2 is not spoken here");
				return;
			}
			conn_move(c, CONN_HEAD);
			break;
		case CONN_HEAD:
		case CONN_BODY:
			break;
		case CONN_BUSY:
		case CONN_LINGER:
		case CONN_CLOSED:
			return;
		}
		had = in->len;
		event = http1_feed(&c->h1, in);
		c->body_came |= in->len < had;
		if (c->state == CONN_BODY && event != HTTP1_ERROR && !count_body(c->x)) {
			loop_count(c->loop, COUNT_REFUSED, 1);
			conn_refuse(c, 503, "too many request bodies are on their way");
			return;
		}
		switch (event) {
		case HTTP1_MORE:
			if (c->state == CONN_BODY && c->x->req.body_stream)
				exchange_poke(c->x);
			return;
		case HTTP1_HEAD:
			if (!begin(c, in->len > 0))
				return;
			break;
		case HTTP1_END:
			complete(c);
			return;
		case HTTP1_ERROR:
			loop_count(c->loop, COUNT_PARSE_ERRORS, 1);
			conn_refuse(c, c->h1.status, c->h1.why);
			return;
		}
	}
}

static void input(struct conn *c, struct slice in)
{
	if (c->tail.len == 0)
		parse(c, &in);
	if (in.len == 0 || c->state == CONN_LINGER || c->state == CONN_CLOSED)
		return;
	/* What has been parsed goes, or a client that never pauses makes it all stay. */
	buf_drop(&c->tail, c->tail_at);
	c->tail_at = 0;
	buf_add_slice(&c->tail, in);
}

void conn_next(struct conn *c)
{
	if (c->state == CONN_IDLE && c->tail.len > 0 && conn_unsent(c) < HIGH_WATER) {
		struct slice in = { c->tail.ptr + c->tail_at, c->tail.len - c->tail_at };

		parse(c, &in);
		c->tail_at = c->tail.len - in.len;
		if (in.len == 0 || c->state == CONN_LINGER || c->state == CONN_CLOSED) {
			buf_free(&c->tail);
			c->tail_at = 0;
		}
	}
	if (c->eof && c->tail.len == 0 && c->state == CONN_IDLE)
		conn_finish(c);
	else if (c->eof && (c->state == CONN_HEAD || c->state == CONN_BODY))
		conn_refuse(c, 400, "the request is incomplete");
	conn_update_reading(c);
}

/* ---- reading -------------------------------------------------------------------------- */

/* The client will send no more. */
static void on_eof(struct conn *c)
{
	c->eof = true;
	switch (c->state) {
	case CONN_NEW:
	case CONN_LINGER:
		conn_close(c);
		return;
	case CONN_IDLE:
	case CONN_HEAD:
		conn_next(c);
		return;
	case CONN_BODY:
		conn_refuse(c, 400, "the request is incomplete");
		return;
	case CONN_BUSY:
		exchange_left(c->x);
		exchange_poke(c->x);
		return;
	case CONN_CLOSED:
		return;
	}
}

static void decrypt(struct conn *c, struct slice in)
{
	struct loop *loop = c->loop;
	enum tls_result result;

	loop->plain.len = loop->cipher.len = 0;
	result = tls_read(c->tls, in, &loop->plain, &loop->cipher);
	if (loop->cipher.len > 0) {
		struct slice cipher = buf_slice(&loop->cipher);

		conn_send_raw(c, &cipher, 1);
	}
	if (c->state != CONN_CLOSED && c->state != CONN_LINGER && loop->plain.len > 0)
		input(c, buf_slice(&loop->plain));
	if (result == TLS_BAD && c->state != CONN_CLOSED) {
		loop_count(loop, COUNT_TLS_ERRORS, 1);
		conn_close(c);
	} else if (result == TLS_EOF && c->state != CONN_CLOSED) {
		on_eof(c);
	}
}

static void on_alloc(uv_handle_t *handle, size_t suggested UNUSED, uv_buf_t *buf)
{
	struct conn *c = handle->data;
	/* Too much work is waiting: nothing is read, the socket keeps it (UV_ENOBUFS). */
	bool refuse = c->state < CONN_BUSY && loop_overloaded(c->loop);

	*buf = uv_buf_init((char *)c->loop->read_buf, refuse ? 0 : READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = stream->data;
	struct slice in = { (const uint8_t *)buf->base, n > 0 ? (size_t)n : 0 };

	if (n == 0)
		return;
	if (n == UV_ENOBUFS) {
		conn_update_reading(c);
		return;
	}
	if (n == UV_EOF) {
		on_eof(c);
	} else if (n < 0) {
		conn_close(c);
	} else {
		loop_count(c->loop, COUNT_BYTES_IN, in.len);
		if (c->tls)
			decrypt(c, in);
		else if (c->state != CONN_LINGER)
			input(c, in);
	}
	conn_update_reading(c);
}

static bool wants_to_read(struct conn *c)
{
	if (c->eof)
		return false;
	switch (c->state) {
	case CONN_NEW:
	case CONN_IDLE:
	case CONN_HEAD:
		return c->tail.len == 0;
	case CONN_BODY:
		return !c->x->req.body_stream || c->x->in.len < BODY_AHEAD;
	case CONN_BUSY:
		/* Only to notice that the client leaves. */
		return c->tail.len - c->tail_at < c->loop->server->options.max_pipelined;
	case CONN_LINGER:
		return true;
	case CONN_CLOSED:
		return false;
	}
	return false;
}

void conn_update_reading(struct conn *c)
{
	bool wanted = wants_to_read(c);

	if (c->state == CONN_CLOSED)
		return;
	if (wanted && c->state < CONN_BUSY && loop_overloaded(c->loop)) {
		wanted = false;
		if (!c->starved) {
			c->starved = true;
			c->next_starved = c->loop->starved;
			c->loop->starved = c;
			loop_retry_starved(c->loop);
		}
	}
	/* The time a body takes counts only while we let it come. */
	if (c->state == CONN_BODY && c->x->req.body_stream && !wanted)
		deadline_clear(&c->due);
	else if (c->state == CONN_BODY && c->x->req.body_stream && wanted && !c->reading)
		conn_move(c, CONN_BODY);
	if (wanted && !c->reading)
		uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
	else if (!wanted && c->reading)
		uv_read_stop((uv_stream_t *)&c->tcp);
	c->reading = wanted;
}

void conn_feed_again(struct conn *c)
{
	c->starved = false;
	conn_update_reading(c);
}

/* ---- from outside --------------------------------------------------------------------- */

void conn_timed_out(struct conn *c)
{
	/* Who makes the lines may be slow, and costs no more than a connection. */
	if (c->state == CONN_BODY && c->x->req.body_stream && c->body_came) {
		conn_move(c, CONN_BODY);
		return;
	}
	/* It may have sent all in time: nobody looked.  Of an idle one nothing is known to have
	 * come, and what it asks later must not be answered by this. */
	if (c->starved && c->state < CONN_BUSY && c->state != CONN_IDLE) {
		leave_starved(c);
		loop_count(c->loop, COUNT_LATE, 1);
		conn_refuse(c, 503, "the server is overloaded");
		return;
	}
	switch (c->state) {
	case CONN_HEAD:
	case CONN_BODY:
		loop_count(c->loop, COUNT_TIMEOUTS, 1);
		if (!c->x || c->x->asked_ns == 0)
			loop_count(c->loop, COUNT_LATE, 1);
		conn_refuse(c, 408, "the request took too long to arrive");
		return;
	case CONN_BUSY:
		if (!c->x->req.body_stream && exchange_cancel(c->x)) {
			loop_count(c->loop, COUNT_LATE, 1);
			conn_refuse(c, 503, "the server is overloaded");
		}
		return;
	case CONN_LINGER:
		if (conn_unsent(c) > 0) /* write_due looks after it */
			conn_move(c, CONN_LINGER);
		else
			conn_close(c);
		return;
	case CONN_NEW:
	case CONN_IDLE:
		if (conn_unsent(c) > 0) {
			conn_move(c, c->state);
			return;
		}
		loop_count(c->loop, COUNT_TIMEOUTS, 1);
		conn_finish(c);
		return;
	case CONN_CLOSED:
		return;
	}
}

void conn_drain(struct conn *c)
{
	if ((c->state == CONN_IDLE || c->state == CONN_NEW) && c->tail.len == 0)
		conn_finish(c);
	else if (c->x)
		exchange_time_up(c->x);
}

void conn_open(struct loop *loop, int fd, const struct http_peer *peer, bool counted)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	c->loop = loop;
	c->peer = *peer;
	c->counted = counted;
	uv_tcp_init(&loop->uv, &c->tcp);
	c->tcp.data = c;
	http1_init(&c->h1, loop->server->options.max_head);
	pthread_mutex_lock(&loop->server->lock);
	if (loop->server->tls)
		c->tls = tls_new(loop->server->tls);
	pthread_mutex_unlock(&loop->server->lock);
	c->next = loop->conns;
	if (c->next)
		c->next->prev = c;
	loop->conns = c;
	loop->n_conns++;
	conn_move(c, CONN_NEW);
	if (uv_tcp_open(&c->tcp, fd) != 0) {
		close(fd);
		conn_close(c);
		return;
	}
	uv_tcp_nodelay(&c->tcp, 1);
	conn_update_reading(c);
}
