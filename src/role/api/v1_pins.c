/* /v1/pins: one pin, as asked for; pin_changes.c has what is changed. */
#include "base/log.h"
#include "model/excerpt.h"
#include "role/api/pin_reply.h"
#include "role/api/query.h"

#define WAIT_MAX_US (5 * US_PER_MIN)

/* ---- GET, with ?wait= ------------------------------------------------------------------- */

static bool settled(const struct owner_pin *row)
{
	return row->status == STATUS_PINNED || row->status == STATUS_FAILED ||
	       row->status == STATUS_EXPIRING;
}

static bool reply_pin(struct call *c, const struct owner_pin *row, struct err *err)
{
	struct pin_reply reply = { .call = c };

	if (!row)
		return reply_missing(c, "pin");
	if (!pin_reply_look(c, row, &reply.extra, err))
		return false;
	pin_reply_write(&reply, row);
	pin_reply_etag(c, row->rev);
	return reply_json(c, 200);
}

struct waiting { /* a long poll; in the arena of its request */
	struct call *c;
	struct ulid id;
	int64_t until_us; /* mono */
	struct waiter *waiter;
};

static void resume(void *arg, struct http_request *req, struct http_response *res,
		   enum http_wake why);

/* Replies if nothing is to be waited for any more, else waits (again). */
static bool reply_or_wait(struct waiting *w, bool may_wait, struct err *err)
{
	struct api *api = w->c->api;
	const struct owner_pin *row;
	int64_t left_us = w->until_us - clock_mono_us(api->options.clock);
	struct http_token *token;
	struct err ignored;
	struct slice cid;

	if (!store_find(api->options.store, w->c->owner, w->id, w->c->mem, &row, err))
		return false;
	if (!row || settled(row) || !may_wait || left_us <= 0)
		return reply_pin(w->c, row, err);
	token = http_response_wait(w->c->res, (unsigned)(left_us / US_PER_MS) + 1, resume, w);
	cid = row->cid;
	w->waiter = waiters_add(api->waiters, cid, token);
	/* It may have changed before the waiter was there; resume() will tell. */
	if (!store_find(api->options.store, w->c->owner, w->id, w->c->mem, &row, &ignored) ||
	    !row || settled(row))
		waiters_wake(api->waiters, cid);
	return true;
}

static void resume(void *arg, struct http_request *req UNUSED, struct http_response *res UNUSED,
		   enum http_wake why)
{
	struct waiting *w = arg;
	struct err err = { 0 };

	waiters_remove(w->c->api->waiters, w->waiter);
	if (!reply_or_wait(w, why == HTTP_WOKEN, &err)) {
		log_err(LOG_WARN, &err, "wait for a pin");
		reply_error(w->c, api_error_fault(err.code), "");
	}
}

static bool read_wait(struct call *c, int64_t *us, struct err *err)
{
	struct slice text;

	*us = 0;
	if (!query_one(c->req->query, "wait", c->mem, &text, err))
		return false;
	if (!text.ptr)
		return true;
	if (!v1_read_duration(text, "wait", us, err))
		return false;
	if (*us > WAIT_MAX_US)
		return err_set(err, ERR_INVALID, "wait is \"%s\"; at most 5m are allowed",
			       excerpt(text).text);
	return true;
}

bool v1_get_pin(struct call *c, struct err *err)
{
	struct waiting *w = arena_new_of(c->mem, struct waiting);
	struct err why = { 0 };
	int64_t wait_us;

	if (!call_ulid(c, &w->id))
		return true;
	if (!read_wait(c, &wait_us, &why))
		return reply_error(c, API_INVALID, why.text);
	w->c = c;
	w->until_us = clock_mono_us(c->api->options.clock) + wait_us;
	return reply_or_wait(w, wait_us > 0, err);
}
