#include "net/conn.h"

#include <stdio.h>
#include <sys/socket.h>

#include "base/alloc.h"

/* ---- bytes ---------------------------------------------------------------------------- */

struct pending_write {
	uv_write_t req;
	struct conn *c;
	char bytes[];
};

size_t conn_unsent(const struct conn *c)
{
	return uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
}

/* Bytes that had to wait and that the client took. */
static uint64_t taken(const struct conn *c)
{
	return c->queued - conn_unsent(c);
}

static void watch_writing(struct conn *c)
{
	c->taken_then = taken(c);
	loop_deadline(c->loop, PHASE_WRITE, &c->write_due);
}

static void on_written(uv_write_t *req, int status)
{
	struct pending_write *w = CONTAINER_OF(req, struct pending_write, req);
	struct conn *c = w->c;

	xfree(w);
	if (c->state == CONN_CLOSED)
		return;
	if (status != 0) {
		conn_close(c);
		return;
	}
	if (conn_unsent(c) == 0)
		deadline_clear(&c->write_due);
	if (c->x)
		exchange_poke(c->x);
	else
		conn_next(c);
}

void conn_write_timed_out(struct conn *c)
{
	const struct http_server_options *o = &c->loop->server->options;

	if (rate_kept(taken(c) - c->taken_then, o->min_rate, o->write_ms)) {
		watch_writing(c);
		return;
	}
	loop_count(c->loop, COUNT_TIMEOUTS, 1);
	conn_close(c);
}

void conn_send_raw(struct conn *c, const struct slice *parts, unsigned n)
{
	uv_buf_t bufs[3];
	struct pending_write *w;
	size_t total = 0, sent = 0, at = 0;
	uv_buf_t rest;

	for (unsigned i = 0; i < n; i++) {
		bufs[i] = uv_buf_init((char *)(uintptr_t)parts[i].ptr, (unsigned)parts[i].len);
		total += parts[i].len;
	}
	if (conn_unsent(c) == 0) {
		int e = uv_try_write((uv_stream_t *)&c->tcp, bufs, n);

		if (e < 0 && e != UV_EAGAIN) {
			conn_close(c);
			return;
		}
		sent = e > 0 ? (size_t)e : 0;
	}
	loop_count(c->loop, COUNT_BYTES_OUT, total);
	if (sent == total)
		return;
	w = xmalloc(sizeof(*w) + total - sent);
	w->c = c;
	for (unsigned i = 0; i < n; i++) {
		size_t skip = sent < parts[i].len ? sent : parts[i].len;

		if (parts[i].len > skip)
			memcpy(w->bytes + at, parts[i].ptr + skip, parts[i].len - skip);
		at += parts[i].len - skip;
		sent -= skip;
	}
	c->queued += at;
	rest = uv_buf_init(w->bytes, (unsigned)at);
	if (uv_write(&w->req, (uv_stream_t *)&c->tcp, &rest, 1, on_written) != 0) {
		xfree(w);
		conn_close(c);
		return;
	}
	if (!c->write_due.next)
		watch_writing(c);
}

void conn_send(struct conn *c, const struct slice *parts, unsigned n)
{
	struct slice cipher;
	bool ok = true;

	if (c->state == CONN_CLOSED)
		return;
	if (!c->tls) {
		conn_send_raw(c, parts, n);
		return;
	}
	c->loop->cipher.len = 0;
	for (unsigned i = 0; i < n && ok; i++)
		ok = tls_write(c->tls, parts[i], &c->loop->cipher);
	cipher = buf_slice(&c->loop->cipher);
	if (!ok)
		conn_close(c);
	else
		conn_send_raw(c, &cipher, 1);
}

static void on_shutdown(uv_shutdown_t *req, int status UNUSED)
{
	struct conn *c = req->data;

	xfree(req);
	if (c->eof)
		conn_close(c);
}

void conn_finish(struct conn *c)
{
	uv_shutdown_t *req;

	if (c->x)
		conn_detach(c);
	if (c->tls) {
		struct slice cipher;

		c->loop->cipher.len = 0;
		tls_close(c->tls, &c->loop->cipher);
		cipher = buf_slice(&c->loop->cipher);
		if (cipher.len > 0)
			conn_send_raw(c, &cipher, 1);
	}
	if (c->state == CONN_CLOSED)
		return;
	buf_free(&c->tail);
	c->tail_at = 0;
	/* Closing with unread bytes would reset the connection, and the client might lose
	 * the answer: what it still sends is read and thrown away for a moment. */
	conn_move(c, CONN_LINGER);
	req = xmalloc(sizeof(*req));
	req->data = c;
	if (uv_shutdown(req, (uv_stream_t *)&c->tcp, on_shutdown) != 0) {
		xfree(req);
		conn_close(c);
		return;
	}
	conn_update_reading(c);
}

/* So that the client cannot take what it has for the whole. */
static void cut(struct conn *c)
{
	const struct linger reset = { .l_onoff = 1 };
	uv_os_fd_t fd;

	if (uv_fileno((const uv_handle_t *)&c->tcp, &fd) == 0)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	conn_close(c);
}

/* ---- heads ---------------------------------------------------------------------------- */

static void put_number(struct buf *out, uint64_t n)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (char)('0' + n % 10);
	} while ((n /= 10) > 0);
	buf_add(out, digits + i, sizeof(digits) - i);
}

enum framing { FRAME_LENGTH, FRAME_CHUNKED, FRAME_CLOSE };

static void put_head(struct loop *loop, const struct http_response *res, enum framing framing,
		     size_t length, const char *connection, struct buf *out)
{
	bool bodiless = res->status == 204 || res->status == 304;

	loop_count(loop, COUNT_RESPONSES + (res->status / 100) % 6, 1);
	buf_add_str(out, "HTTP/1.1 ");
	put_number(out, res->status);
	buf_add_byte(out, ' ');
	buf_add_str(out, http_status_text(res->status));
	buf_add_str(out, "\r\n");
	buf_add_str(out, loop_date(loop));
	if (res->content_type) {
		buf_add_str(out, "Content-Type: ");
		buf_add_str(out, res->content_type);
		buf_add_str(out, "\r\n");
	}
	if (loop->server->options.app.headers)
		buf_add_str(out, loop->server->options.app.headers);
	buf_add_slice(out, buf_slice(&res->headers));
	if (framing == FRAME_LENGTH && !bodiless) {
		buf_add_str(out, "Content-Length: ");
		put_number(out, length);
		buf_add_str(out, "\r\n");
	} else if (framing == FRAME_CHUNKED) {
		buf_add_str(out, "Transfer-Encoding: chunked\r\n");
	}
	buf_add_str(out, connection);
	buf_add_str(out, "\r\n");
}

static const char *connection_header(struct conn *c)
{
	if (c->close_after)
		return "Connection: close\r\n";
	return c->h1.old ? "Connection: keep-alive\r\n" : "";
}

void conn_refusal(struct loop *loop, unsigned status, const char *why, struct slice path,
		  bool head_only, struct buf *out)
{
	const struct http_app *app = &loop->server->options.app;
	struct http_response res = { .status = status, .content_type = "text/plain" };

	app->error_body(app->ctx, status, why, path, &res.body, &res.content_type);
	if (status == 503 || status == 429)
		http_response_header(&res, "Retry-After", SLICE_LIT("1"));
	put_head(loop, &res, FRAME_LENGTH, res.body.len, "Connection: close\r\n", out);
	if (!head_only)
		buf_add_slice(out, buf_slice(&res.body));
	http_response_clear(&res);
}

static struct http_answer answer_of(const struct conn *c, unsigned status)
{
	const struct exchange *x = c->x;
	struct http_answer a = { .peer = c->peer, .status = status, .us = -1 };

	if (!x)
		return a;
	a.method = x->req.method;
	a.path = x->req.path;
	a.bytes = x->sent;
	if (x->asked_ns > 0)
		a.us = (int64_t)((uv_hrtime() - x->asked_ns) / 1000);
	return a;
}

static void tell_answered(struct conn *c, unsigned status)
{
	const struct http_app *app = &c->loop->server->options.app;
	struct http_answer a;

	if (c->x)
		c->x->status = status;
	if (!app->answered)
		return;
	a = answer_of(c, status);
	app->answered(app->ctx, &a);
}

static void tell_ended(const struct conn *c, unsigned status)
{
	const struct http_app *app = &c->loop->server->options.app;
	struct exchange *x = c->x;
	struct http_answer a;

	if (!app->ended)
		return;
	a = answer_of(c, status);
	if (x) {
		a.cut = !x->sent_all;
		a.stopped = a.cut && c->loop->stop == STOP_CUT;
		pthread_mutex_lock(&x->lock);
		a.failed = x->failed;
		if (!x->busy || (x->job != JOB_HANDLER && x->job != JOB_RESUME))
			a.call = x->req.call; /* else it may be written just now */
		pthread_mutex_unlock(&x->lock);
	}
	app->ended(app->ctx, &a);
}

void conn_tell_ended(struct conn *c)
{
	tell_ended(c, c->x->status);
}

void conn_refuse(struct conn *c, unsigned status, const char *why)
{
	struct exchange *x = c->x;
	struct slice all;

	if (x && x->head_sent) {
		cut(c);
		return;
	}
	tell_answered(c, status);
	c->loop->head.len = 0;
	conn_refusal(c->loop, status, why, x ? x->req.path : (struct slice){ 0 },
		     x && x->req.method == METHOD_HEAD, &c->loop->head);
	all = buf_slice(&c->loop->head);
	if (!x)
		tell_ended(c, status);
	conn_send(c, &all, 1);
	if (c->state == CONN_CLOSED)
		return;
	if (x)
		x->sent_all = true;
	conn_finish(c);
}

/* ---- replies -------------------------------------------------------------------------- */

static void reply_done(struct conn *c)
{
	if (c->state == CONN_CLOSED)
		return;
	c->x->sent_all = true;
	if (c->close_after) {
		conn_finish(c);
		return;
	}
	conn_detach(c);
	http1_reset(&c->h1);
	conn_move(c, CONN_IDLE);
	conn_next(c);
}

/* A request whose body was not taken leaves bytes nobody can tell apart. */
static bool must_close(const struct conn *c, bool consuming)
{
	return !c->h1.keep_alive || c->loop->stop != STOP_NO ||
	       (c->state == CONN_BODY && !consuming);
}

static void reply_whole(struct conn *c, const struct http_response *res)
{
	bool bodiless = c->x->req.method == METHOD_HEAD || res->status == 204 || res->status == 304;
	struct buf *head = &c->loop->head;
	struct slice parts[2];

	tell_answered(c, res->status);
	c->close_after = must_close(c, false);
	head->len = 0;
	put_head(c->loop, res, FRAME_LENGTH, res->body.len, connection_header(c), head);
	parts[0] = buf_slice(head);
	parts[1] = buf_slice(&res->body);
	c->x->sent = bodiless ? 0 : res->body.len;
	conn_send(c, parts, bodiless || res->body.len == 0 ? 1 : 2);
	reply_done(c);
}

/* What a callback of the exchange made since the last look. */
struct news {
	struct buf out;
	bool busy, end, failed, idle;
};

static struct news take_news(struct exchange *x)
{
	struct news n;

	pthread_mutex_lock(&x->lock);
	n = (struct news){ x->out, x->busy, x->end, x->failed, x->idle };
	x->out = (struct buf){ 0 };
	pthread_mutex_unlock(&x->lock);
	return n;
}

static void send_piece(struct conn *c, struct slice piece)
{
	struct slice parts[3] = { { 0 }, piece, SLICE_LIT("\r\n") };
	char size[24];

	c->x->sent += piece.len;
	if (!c->chunked) {
		conn_send(c, &piece, 1);
		return;
	}
	parts[0] = SLICE_OF(size, (size_t)snprintf(size, sizeof(size), "%zx\r\n", piece.len));
	conn_send(c, parts, 3);
}

static void send_stream_head(struct conn *c)
{
	struct exchange *x = c->x;
	struct slice head;

	tell_answered(c, x->res.status);
	c->chunked = !c->h1.old && x->req.method != METHOD_HEAD;
	c->close_after = must_close(c, x->consume != NULL) || c->h1.old;
	c->loop->head.len = 0;
	put_head(c->loop, &x->res, c->h1.old ? FRAME_CLOSE : FRAME_CHUNKED, 0, connection_header(c),
		 &c->loop->head);
	head = buf_slice(&c->loop->head);
	x->head_sent = true;
	conn_send(c, &head, 1);
}

/* Has a worker make the next piece, if it may. */
static void next_piece(struct conn *c, const struct news *n)
{
	struct exchange *x = c->x;

	if (n->busy || conn_unsent(c) >= HIGH_WATER)
		return;
	if (x->stream && n->idle) {
		if (c->eof) /* perhaps it has left; nothing else would tell */
			conn_close(c);
		else
			conn_timer(x, 1000);
		return;
	}
	if (x->stream) {
		exchange_claim(x, JOB_NEXT);
		loop_queue(c->loop, x);
		return;
	}
	if (c->continue_due && x->in.len == 0 && !x->in_end && !x->head_sent)
		conn_send(c, &SLICE_LIT("HTTP/1.1 100 Continue\r\n\r\n"), 1);
	c->continue_due = false;
	if (c->state == CONN_CLOSED || (x->in.len == 0 && !x->in_end))
		return;
	x->chunk = x->in;
	x->in = (struct buf){ 0 };
	x->chunk_last = x->in_end;
	exchange_claim(x, JOB_CHUNK);
	loop_queue(c->loop, x);
	conn_update_reading(c);
}

static void reply_pieces(struct conn *c)
{
	struct exchange *x = c->x;
	struct news n = take_news(x);

	/* A stream's head goes at once; a consumer's with its first piece. */
	if (!x->head_sent && (x->stream || n.out.len > 0 || n.end) && !n.failed)
		send_stream_head(c);
	if (c->state != CONN_CLOSED && x->req.method == METHOD_HEAD && x->head_sent) {
		reply_done(c);
	} else if (c->state != CONN_CLOSED) {
		if (n.out.len > 0 && x->head_sent)
			send_piece(c, buf_slice(&n.out));
		if (c->state != CONN_CLOSED && n.failed) {
			if (x->head_sent)
				cut(c);
			else
				conn_refuse(c, 500, "the request could not be carried out");
		} else if (c->state != CONN_CLOSED && n.end) {
			if (c->chunked)
				conn_send(c, &SLICE_LIT("0\r\n\r\n"), 1);
			reply_done(c);
		} else if (c->state != CONN_CLOSED) {
			next_piece(c, &n);
		}
	}
	buf_free(&n.out);
}

void conn_reply(struct conn *c)
{
	struct exchange *x = c->x;

	if (c->state == CONN_BUSY)
		deadline_clear(&c->due);
	if (x->instead)
		reply_whole(c, x->instead);
	else if (x->res.status == 0 && x->last_wait)
		conn_close(c);
	else if (x->res.status == 0)
		conn_refuse(c, 500, "the request was not answered");
	else if (x->stream || x->consume)
		reply_pieces(c);
	else
		reply_whole(c, &x->res);
}
