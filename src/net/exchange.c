#include "net/exchange.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/log.h"
#include "net/loop.h"

enum token_kind { TOKEN_HOLD, TOKEN_WAIT };

struct http_token {
	struct exchange *x;
	enum token_kind kind;
};

struct exchange *exchange_new(struct pool *pool, struct mailbox *box)
{
	struct arena *mem = arena_new();
	struct exchange *x = arena_new_of(mem, struct exchange);

	x->req.mem = mem;
	x->pool = pool;
	x->box = box;
	atomic_init(&x->refs, 1);
	pthread_mutex_init(&x->lock, NULL);
	atomic_fetch_add_explicit(&pool->live, 1, memory_order_relaxed);
	return x;
}

static void unref(struct exchange *x)
{
	struct pool *pool = x->pool;

	if (atomic_fetch_sub_explicit(&x->refs, 1, memory_order_acq_rel) > 1)
		return;
	pthread_mutex_destroy(&x->lock);
	http_response_clear(&x->res);
	if (x->instead)
		http_response_clear(x->instead);
	xfree(x->instead);
	buf_free(&x->out);
	buf_free(&x->piece);
	buf_free(&x->chunk);
	buf_free(&x->in);
	if (x->buffered > 0)
		atomic_fetch_sub_explicit(&pool->buffered, x->buffered, memory_order_relaxed);
	arena_free(x->req.mem);
	atomic_fetch_sub_explicit(&pool->live, 1, memory_order_release);
}

/* ---- moves; all under x->lock --------------------------------------------------------- */

static void claim(struct exchange *x, enum job job)
{
	assert(!x->busy && !x->done);
	x->busy = true;
	x->job = job;
	x->next = NULL;
}

static void start(struct exchange *x, enum job job)
{
	claim(x, job);
	pool_push(x->pool, x, 1);
}

static void post(struct exchange *x)
{
	if (x->posted)
		return;
	x->posted = true;
	mailbox_post(x->box, &x->mail);
}

/* Decides what comes next; called whenever something has changed. */
static void settle(struct exchange *x)
{
	if (x->busy || x->done)
		return;
	if (x->ready) {
		if (x->idle && x->woken && !x->gone) {
			x->idle = x->woken = false;
			start(x, JOB_NEXT);
		}
		return;
	}
	if (x->instead) {
		x->waiting = false;
		x->ready = true;
	} else if (x->waiting) {
		if (x->woken || x->time_up || x->left)
			start(x, JOB_RESUME);
		else
			post(x); /* the loop sets the timer */
		return;
	} else if (x->holds == 0) {
		x->ready = true;
	}
	if (x->ready)
		post(x);
}

void exchange_claim(struct exchange *x, enum job job)
{
	pthread_mutex_lock(&x->lock);
	claim(x, job);
	pthread_mutex_unlock(&x->lock);
}

void exchange_time_up(struct exchange *x)
{
	pthread_mutex_lock(&x->lock);
	if (x->waiting || x->idle) {
		x->time_up = x->waiting;
		x->woken = x->woken || x->idle;
		settle(x);
	}
	pthread_mutex_unlock(&x->lock);
}

void exchange_left(struct exchange *x)
{
	pthread_mutex_lock(&x->lock);
	x->left = true;
	settle(x);
	pthread_mutex_unlock(&x->lock);
}

bool exchange_drop(struct exchange *x)
{
	bool close;

	pthread_mutex_lock(&x->lock);
	x->gone = x->left = true;
	if (!x->busy && x->waiting)
		settle(x);
	if (x->busy || x->posted) {
		pthread_mutex_unlock(&x->lock);
		return false;
	}
	close = (x->stream || x->consume) && !x->closed;
	if (close)
		start(x, JOB_CLOSE);
	x->done = true;
	pthread_mutex_unlock(&x->lock);
	if (!close)
		unref(x);
	return true;
}

static void unlink_locked(struct pool *pool, struct exchange *x)
{
	*(x->prev ? &x->prev->next : &pool->first) = x->next;
	*(x->next ? &x->next->prev : &pool->last) = x->prev;
	x->prev = x->next = NULL;
	x->in_queue = false;
	atomic_fetch_sub_explicit(&pool->queued, 1, memory_order_relaxed);
}

bool exchange_cancel(struct exchange *x)
{
	struct pool *pool = x->pool;
	bool found = false;

	pthread_mutex_lock(&x->lock);
	if (x->busy && x->job == JOB_HANDLER) {
		pthread_mutex_lock(&pool->lock);
		found = x->in_queue;
		if (found)
			unlink_locked(pool, x);
		pthread_mutex_unlock(&pool->lock);
	}
	if (found)
		x->busy = false;
	pthread_mutex_unlock(&x->lock);
	return found;
}

void exchange_poke(struct exchange *x)
{
	pthread_mutex_lock(&x->lock);
	if (!x->busy)
		post(x);
	pthread_mutex_unlock(&x->lock);
}

/* ---- on a worker ---------------------------------------------------------------------- */

static void run_resume(struct exchange *x)
{
	enum http_wake why;

	pthread_mutex_lock(&x->lock);
	why = x->left ? HTTP_GONE : x->woken ? HTTP_WOKEN : HTTP_TIME_UP;
	x->waiting = x->woken = x->time_up = false;
	x->last_wait = why == HTTP_GONE;
	pthread_mutex_unlock(&x->lock);
	x->resume(x->resume_arg, &x->req, &x->res, why);
}

static void close_stream(struct exchange *x)
{
	if (x->stream ? x->stream->close != NULL : x->consume->close != NULL)
		(x->stream ? x->stream->close : x->consume->close)(x->stream_arg);
}

static void run_piece(struct exchange *x, enum job job)
{
	enum http_next then = HTTP_NEXT_NOW;
	struct err err = { 0 };
	bool end, ok;

	if (job == JOB_NEXT) {
		ok = x->stream->next(x->stream_arg, &x->piece, &then, &err);
		end = then == HTTP_NEXT_END;
	} else {
		ok = x->consume->chunk(x->stream_arg, buf_slice(&x->chunk), x->chunk_last,
				       &x->piece, &err);
		end = x->chunk_last;
		buf_free(&x->chunk);
	}
	if (!ok)
		log_err(LOG_WARN, &err, "response stream");
	if (!ok || end)
		close_stream(x);
	pthread_mutex_lock(&x->lock);
	x->end = end;
	x->failed = !ok;
	x->closed = !ok || end;
	x->idle = then == HTTP_NEXT_LATER;
	if (x->out.len == 0) {
		struct buf spare = x->out;

		x->out = x->piece;
		x->piece = spare;
	} else {
		buf_add_slice(&x->out, buf_slice(&x->piece));
		buf_free(&x->piece);
	}
	pthread_mutex_unlock(&x->lock);
}

static void run(struct exchange *x, const struct http_app *app)
{
	enum job job = x->job;

	switch (job) {
	case JOB_HANDLER:
		app->handler(app->ctx, &x->req, &x->res);
		break;
	case JOB_RESUME:
		run_resume(x);
		break;
	case JOB_NEXT:
	case JOB_CHUNK:
		run_piece(x, job);
		break;
	case JOB_CLOSE:
		close_stream(x);
		/* Whoever queued this may still be inside the lock. */
		pthread_mutex_lock(&x->lock);
		pthread_mutex_unlock(&x->lock);
		unref(x);
		return;
	}
	pthread_mutex_lock(&x->lock);
	x->busy = false;
	settle(x);
	if (!x->busy && (job == JOB_NEXT || job == JOB_CHUNK || x->gone))
		post(x);
	pthread_mutex_unlock(&x->lock);
}

/* ---- the pool ------------------------------------------------------------------------- */

static void count_at_work(struct pool *pool, int more)
{
	if (pool->at_work)
		atomic_fetch_add_explicit(pool->at_work, (unsigned)more, memory_order_relaxed);
}

static void *work(void *arg)
{
	struct pool *pool = arg;

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		struct exchange *x = pool->first;

		if (x) {
			unlink_locked(pool, x);
			pthread_mutex_unlock(&pool->lock);
			count_at_work(pool, 1);
			run(x, pool->app);
			count_at_work(pool, -1);
			pthread_mutex_lock(&pool->lock);
			continue;
		}
		if (pool->stop)
			break;
		pool->idle++;
		pthread_cond_wait(&pool->work, &pool->lock);
		pool->idle--;
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

void pool_start(struct pool *pool, const struct http_app *app, unsigned n_threads,
		atomic_uint *at_work)
{
	*pool = (struct pool){ .app = app, .n_threads = n_threads, .at_work = at_work };
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	pool->threads = xcalloc(n_threads, sizeof(*pool->threads));
	for (unsigned i = 0; i < n_threads; i++) {
		int e = pthread_create(&pool->threads[i], NULL, work, pool);

		assert(e == 0);
	}
}

void pool_stop(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->stop = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->n_threads; i++)
		pthread_join(pool->threads[i], NULL);
	xfree(pool->threads);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
}

void pool_push(struct pool *pool, struct exchange *first, unsigned n)
{
	unsigned wake;

	pthread_mutex_lock(&pool->lock);
	for (struct exchange *x = first, *next; x; x = next) {
		next = x->next;
		x->prev = pool->last;
		x->next = NULL;
		x->in_queue = true;
		*(pool->last ? &pool->last->next : &pool->first) = x;
		pool->last = x;
	}
	atomic_fetch_add_explicit(&pool->queued, n, memory_order_relaxed);
	wake = n < pool->idle ? n : pool->idle;
	pthread_mutex_unlock(&pool->lock);
	while (wake-- > 0)
		pthread_cond_signal(&pool->work);
}

/* ---- what handlers and other threads call ---------------------------------------------- */

static struct exchange *of(struct http_response *res)
{
	return CONTAINER_OF(res, struct exchange, res);
}

bool http_response_unwanted(struct http_response *res)
{
	struct exchange *x = of(res);
	bool left;

	pthread_mutex_lock(&x->lock);
	left = x->left;
	pthread_mutex_unlock(&x->lock);
	return left || atomic_load(&x->loop->server->stop) != STOP_NO;
}

/* From the one callback that runs: the arena is its own. */
static struct http_token *token_new(struct exchange *x, enum token_kind kind)
{
	struct http_token *token = arena_new_of(x->req.mem, struct http_token);

	atomic_fetch_add_explicit(&x->refs, 1, memory_order_relaxed);
	token->x = x;
	token->kind = kind;
	return token;
}

struct http_token *http_response_hold(struct http_response *res)
{
	struct exchange *x = of(res);

	pthread_mutex_lock(&x->lock);
	assert(x->busy);
	x->holds++;
	pthread_mutex_unlock(&x->lock);
	return token_new(x, TOKEN_HOLD);
}

struct http_token *http_response_wait(struct http_response *res, unsigned ms,
				      void (*resume)(void *arg, struct http_request *req,
						     struct http_response *res, enum http_wake why),
				      void *arg)
{
	struct exchange *x = of(res);

	pthread_mutex_lock(&x->lock);
	assert(x->busy);
	x->waiting = !x->last_wait;
	x->wait_ms = ms;
	x->n_waits++;
	x->resume = resume;
	x->resume_arg = arg;
	pthread_mutex_unlock(&x->lock);
	return token_new(x, TOKEN_WAIT);
}

void http_response_stream(struct http_response *res, const struct http_stream_ops *ops, void *arg)
{
	struct exchange *x = of(res);

	assert(!x->stream && !x->consume);
	x->stream = ops;
	x->stream_arg = arg;
}

void http_response_consume(struct http_response *res, const struct http_consume_ops *ops, void *arg)
{
	struct exchange *x = of(res);

	assert(x->req.body_stream && !x->stream && !x->consume);
	x->consume = ops;
	x->stream_arg = arg;
}

/* Settles under the lock, then gives up the token's share. */
static void give_back(struct http_token *token)
{
	struct exchange *x = token->x;

	if (token->kind == TOKEN_HOLD) {
		assert(x->holds > 0);
		x->holds--;
	}
	settle(x);
	pthread_mutex_unlock(&x->lock);
	unref(x);
}

void http_token_release(struct http_token *token)
{
	pthread_mutex_lock(&token->x->lock);
	give_back(token);
}

void http_token_wake(struct http_token *token)
{
	pthread_mutex_lock(&token->x->lock);
	token->x->woken = true;
	give_back(token);
}

void http_token_reply(struct http_token *token, unsigned status, const char *content_type,
		      struct slice body)
{
	struct exchange *x = token->x;

	pthread_mutex_lock(&x->lock);
	if (!x->instead && !x->ready && !x->done) {
		x->instead = xcalloc(1, sizeof(*x->instead));
		x->instead->status = status;
		x->instead->content_type = content_type;
		buf_add_slice(&x->instead->body, body);
	}
	give_back(token);
}
