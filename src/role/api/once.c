#include "role/api/once.h"

#include <assert.h>
#include <openssl/sha.h>

#include "base/log.h"
#include "role/op_log.h"

/* Of what is asked, as it was sent. */
static struct slice fingerprint(struct call *c)
{
	const struct slice *parts[] = { &c->req->path, &c->req->query, &c->req->body };
	__attribute__((cleanup(buf_free_at_scope_end))) struct buf b = { 0 };
	uint8_t digest[SHA256_DIGEST_LENGTH];

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		uint64_t len = parts[i]->len;

		buf_add(&b, &len, sizeof(len));
		buf_add_slice(&b, *parts[i]);
	}
	SHA256(b.ptr, b.len, digest);
	return arena_copy(c->mem, SLICE_OF(digest, sizeof(digest)));
}

static bool reply_again(struct call *c, const struct op_dedup *row)
{
	http_response_header(c->res, "Idempotency-Replayed", SLICE_LIT("true"));
	buf_add_slice(&c->res->body, row->result);
	reply_when_durable(c, store_mark(c->api->options.store));
	return row->result.len > 0 ? reply_json(c, row->http_status)
				   : reply_empty(c, row->http_status);
}

/* A call under a key that a worker of this process is at: it may take longer than a claim lasts. */
struct once_running {
	struct once_running *next;
	struct slice owner, op_id;
};

static bool is_running(struct api *api, const struct op_dedup *row)
{
	bool found = false;

	pthread_mutex_lock(&api->lock);
	for (const struct once_running *r = api->running; r && !found; r = r->next)
		found = slice_eq(r->owner, row->owner) && slice_eq(r->op_id, row->op_id);
	pthread_mutex_unlock(&api->lock);
	return found;
}

static void enter(struct api *api, struct once_running *r)
{
	pthread_mutex_lock(&api->lock);
	r->next = api->running;
	api->running = r;
	pthread_mutex_unlock(&api->lock);
}

static void leave(struct api *api, struct once_running *r)
{
	struct once_running **at = &api->running;

	pthread_mutex_lock(&api->lock);
	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	pthread_mutex_unlock(&api->lock);
}

/* Taken over, and what was to be removed is not there: that is what was asked for. */
static void settle_removal(struct call *c, bool again)
{
	if (!again || c->route->method != METHOD_DELETE || c->res->status != 404)
		return;
	c->res->body.len = 0;
	c->res->content_type = NULL;
	reply_empty(c, 204);
}

/* Runs the handler under a claim, and keeps what came of it.  `again`: somebody who had the
 * claim before may have done it. */
static bool run(struct call *c, const struct op_dedup *row, bool again, struct err *err)
{
	struct once_running running = { .owner = row->owner, .op_id = row->op_id };
	struct store *store = c->api->options.store;
	struct err why = { 0 };
	struct slice result;
	bool ok, kept, refused;

	enter(c->api, &running);
	ok = c->route->handler(c, err);
	assert(!ok || c->res->status != 0);
	if (ok)
		settle_removal(c, again);
	refused = !ok && (err->code == ERR_NO_SPACE || err->code == ERR_UNAVAILABLE);
	result = buf_slice(&c->res->body);
	if (ok && c->res->status < 300)
		kept = op_finish(store, row, (uint16_t)c->res->status,
				 c->route->repeat == REPEAT_SECRET ? SLICE_LIT("") : result, &why);
	else
		kept = op_release(store, row, again || (!ok && !refused), &why);
	leave(c->api, &running);
	if (!kept) /* who repeats the call takes the claim over when its time is up */
		log_err(LOG_WARN, &why, "finish an idempotency key");
	if (ok && c->res->status < 300)
		reply_when_durable(c, store_mark(store));
	return ok;
}

static bool reply_in_use(struct call *c)
{
	return reply_error(c, API_KEY_IN_USE,
			   "a request with this idempotency key is running; ask again later");
}

bool handle_once(struct call *c, struct err *err)
{
	const struct api_options *o = &c->api->options;
	bool secret = c->route->repeat == REPEAT_SECRET;
	struct op_dedup row = { .owner = c->owner };
	enum op_claim claim;
	struct slice key;

	if (!call_key(c, &key))
		return true;
	if (key.len == 0)
		return c->route->handler(c, err);
	row.op_id = slice_str(
		arena_printf(c->mem, "%.*s %.*s", SLICE_FMT(call_pins(c).route), SLICE_FMT(key)));
	row.fingerprint = fingerprint(c);
	if (is_running(c->api, &row))
		return reply_in_use(c);
	if (!op_claim(o->store, &row, clock_wall_us(o->clock), o->sole_since_us, c->mem, &claim,
		      err))
		return false;
	switch (claim) {
	case OP_CLAIMED:
		return run(c, &row, false, err);
	case OP_TAKEN_OVER:
		return secret ? reply_error(c, API_CONFLICT,
					    "a request with this idempotency key may have been "
					    "done; look at the keys, and take a new one")
			      : run(c, &row, true, err);
	case OP_REPLAY:
		return secret ? reply_error(c, API_CONFLICT,
					    "the request with this idempotency key was done; its "
					    "answer held a secret, which is told only once")
			      : reply_again(c, &row);
	case OP_IN_USE:
		return reply_in_use(c);
	case OP_REUSED:
		return reply_error(c, API_KEY_REUSED,
				   "this idempotency key was used for another request; take a new "
				   "one");
	}
	return true;
}
