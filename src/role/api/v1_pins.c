/* /v1/pins: one pin. */
#include "base/log.h"
#include "model/excerpt.h"
#include "role/api/pin_reply.h"
#include "role/api/query.h"

#define WAIT_MAX_US (5 * US_PER_MIN)

/* A PinCreate or PinPatch in the body; false: replied to. */
static bool read_ask(struct call *c, bool creating, struct json_doc **doc, struct pin_ask *ask)
{
	struct err why = { 0 };
	struct slice key;

	if (!call_key(c, &key) || !(*doc = call_json(c)))
		return false;
	if (!v1_read_pin(json_root(*doc), creating, false, c->mem, ask, &why))
		return reply_error(c, API_INVALID, why.text), false;
	ask->key = key;
	return true;
}

bool v1_create_pin(struct call *c, struct err *err)
{
	CLEANUP(json_doc_free) struct json_doc *doc = NULL;
	struct pin_reply reply = { .call = c, .status = 202, .body = true };
	struct pins_call call = pin_reply_call(&reply);
	struct pins_result result;
	struct pin_ask ask;
	uint64_t mark;

	if (!read_ask(c, true, &doc, &ask))
		return true;
	return pins_create(c->api->options.pins, &call, &ask, 1, c->mem, &result, &mark, err) &&
	       pin_reply_result(&reply, &result, mark);
}

/* The revision that If-Match names; 0: any.  False: replied to. */
static bool if_match(struct call *c, uint64_t *rev)
{
	const struct slice *value = http_header_get(c->req, "If-Match");
	struct slice v;

	*rev = 0;
	if (!value || slice_eq_str(*value, "*"))
		return true;
	v = *value;
	if (v.len >= 2 && v.ptr[0] == '"' && v.ptr[v.len - 1] == '"')
		v = SLICE_OF(v.ptr + 1, v.len - 2);
	for (size_t i = 0; i < v.len && v.len <= 19; i++) {
		if (v.ptr[i] < '0' || v.ptr[i] > '9')
			break;
		*rev = 10 * *rev + (v.ptr[i] - '0');
		if (i + 1 == v.len && *rev > 0)
			return true;
	}
	/* What no pin ever had as its ETag matches none. */
	return reply_error(c, API_PRECONDITION,
			   arena_printf(c->mem, "If-Match is \"%s\", which is no revision",
					excerpt(*value).text)),
	       false;
}

bool v1_patch_pin(struct call *c, struct err *err)
{
	CLEANUP(json_doc_free) struct json_doc *doc = NULL;
	struct pin_reply reply = { .call = c, .status = 200, .body = true };
	struct pins_call call = pin_reply_call(&reply);
	struct pins_result result;
	struct pin_ask ask;
	struct ulid id;
	uint64_t mark, rev;

	if (!call_ulid(c, &id) || !read_ask(c, false, &doc, &ask) || !if_match(c, &rev))
		return true;
	return pins_revise(c->api->options.pins, &call, id, rev, &ask, c->mem, &result, &mark,
			   err) &&
	       pin_reply_result(&reply, &result, mark);
}

bool v1_delete_pin(struct call *c, struct err *err)
{
	struct pin_reply reply = { .call = c, .status = 204 };
	struct pins_call call = pin_reply_call(&reply);
	struct pins_result result;
	struct pin_target target;
	uint64_t mark;

	if (!call_ulid(c, &target.id) || !call_key(c, &target.key))
		return true;
	return pins_remove(c->api->options.pins, &call, &target, 1, c->mem, &result, &mark, err) &&
	       pin_reply_result(&reply, &result, mark);
}

bool v1_retry_pin(struct call *c, struct err *err)
{
	struct pin_reply reply = { .call = c, .status = 202, .body = true };
	struct pins_call call = pin_reply_call(&reply);
	struct pins_result result;
	struct pin_target target;
	uint64_t mark;

	if (!call_ulid(c, &target.id) || !call_key(c, &target.key))
		return true;
	return pins_retry(c->api->options.pins, &call, &target, c->mem, &result, &mark, err) &&
	       pin_reply_result(&reply, &result, mark);
}

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
	if (!pin_reply_look(c, row->cid, &reply.extra, err))
		return false;
	pin_reply_write(&reply, row);
	http_response_header(
		c->res, "ETag",
		slice_str(arena_printf(c->mem, "\"%llu\"", (unsigned long long)row->rev)));
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
