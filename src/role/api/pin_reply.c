#include "role/api/pin_reply.h"

#include "store/shown.h"

#define QUEUE_LOOK 256 /* rows of a peer's queue that are read for a position */

/* The place of a copy among what its peer has not settled. */
static bool find_place(struct call *c, const struct copy *copy, struct queue_place *out,
		       struct err *err)
{
	struct slice first = { NULL, 0 };
	struct peer_open *rows;
	size_t n;

	if (!store_open_copies(c->api->options.store, copy->peer_no, first, QUEUE_LOOK, c->mem,
			       &rows, &n, err))
		return false;
	*out = (struct queue_place){ .position = 1, .at_least = n == QUEUE_LOOK };
	for (size_t i = 0; i < n; i++) {
		bool before =
			rows[i].priority > copy->priority ||
			(rows[i].priority == copy->priority && rows[i].since < copy->assigned_at);

		out->length += rows[i].desired;
		out->position += rows[i].desired && before;
	}
	if (out->length < out->position)
		out->length = out->position;
	return true;
}

static const struct copy *copy_of(const struct cid_view *view, uint32_t peer_no)
{
	size_t i = 0;

	while (view->copies[i].peer_no != peer_no)
		i++;
	return &view->copies[i];
}

/* `all` tells since when the copies wait that are shown. */
static bool look_queues(struct call *c, const struct cid_view *all, struct pin_extra *extra,
			struct err *err)
{
	const struct cid_view *view = extra->view;
	struct queue_place *places = arena_new_array(c->mem, struct queue_place, view->n_copies);

	for (size_t i = 0; i < view->n_copies; i++) {
		const struct copy *copy = copy_of(all, view->copies[i].peer_no);

		if (copy->desired && copy_state(copy) == COPY_QUEUED &&
		    !find_place(c, copy, &places[i], err))
			return false;
	}
	extra->places = places;
	return true;
}

static void look_progress(struct call *c, const struct cid_view *view, struct pin_extra *extra)
{
	const struct api_orders *o = &c->api->options.orders;
	struct kubo_progress *progress =
		arena_new_array(c->mem, struct kubo_progress, view->n_copies);

	for (size_t i = 0; o->progress && i < view->n_copies; i++)
		if (copy_state(&view->copies[i]) == COPY_PINNING &&
		    !o->progress(o->ctx, view->copies[i].peer_no, view->cid, &progress[i]))
			progress[i] = (struct kubo_progress){ 0 };
	extra->progress = progress;
}

bool pin_reply_delegates(struct call *c, struct pin_extra *extra, struct err *err)
{
	if (!c->psa)
		return true;
	extra->delegates = c->api->delegates;
	return delegates_refresh(extra->delegates, err);
}

/* All facts and peers are read for it, so of a pin with all its copies it is not asked, but for one
 * that is wanted everywhere: how many those are only the peers tell. */
static bool look_shortage(struct call *c, const struct owner_pin *row, struct pin_extra *extra,
			  struct err *err)
{
	const struct api_orders *o = &c->api->options.orders;
	struct cid_view all;
	int32_t n = 0;

	for (size_t i = 0; i < extra->view->n_copies; i++)
		n += extra->view->copies[i].desired;
	if (!o->shortage || (row->rf_max != REPLICAS_EVERYWHERE && n >= row->rf_max))
		return true;
	return store_view(c->api->options.store, row->cid, c->mem, &all, err) &&
	       o->shortage(o->ctx, &all, &row->request_id, c->mem, &extra->shortage, err);
}

static bool look_wishes(struct call *c, const struct owner_pin *row, struct pin_extra *extra,
			struct err *err)
{
	const struct fact *creation;

	if (!store_creation(c->api->options.store, row, c->mem, &creation, err))
		return false;
	if (creation)
		extra->allocations = creation->allocations;
	return true;
}

bool pin_reply_look(struct call *c, const struct owner_pin *row, struct pin_extra *extra,
		    struct err *err)
{
	struct store *store = c->api->options.store;
	struct peer_row *peers = NULL;
	struct cid_view all;

	if (!store_copies(store, row->cid, c->mem, &all, err))
		return false;
	if (!c->psa && (!store_peers(store, c->mem, &peers, &extra->n_peers, err) ||
			!look_wishes(c, row, extra, err)))
		return false;
	extra->peers = peers;
	extra->view = shown_view(row, &all, store_zones(store, c->mem), c->mem);
	look_progress(c, extra->view, extra);
	return look_queues(c, &all, extra, err) && look_shortage(c, row, extra, err);
}

void pin_reply_write(struct pin_reply *reply, const struct owner_pin *row)
{
	struct json_writer w = reply_writer(reply->call);

	reply->call->id = row->request_id;
	reply->call->res->body.len = 0;
	if (reply->call->psa)
		psa_write_status(&w, row, &reply->extra);
	else
		v1_write_pin(&w, row, &reply->extra);
}

static void encode(void *ctx, const struct pins_result *result, struct arena *mem,
		   uint16_t *http_status, struct slice *body)
{
	struct pin_reply *reply = ctx;

	*http_status = (uint16_t)reply->status;
	if (!reply->body || !result->pin)
		return;
	pin_reply_write(reply, result->pin);
	*body = arena_copy(mem, buf_slice(&reply->call->res->body));
}

struct pins_call pin_reply_call(struct pin_reply *reply)
{
	struct pins_call call = call_pins(reply->call);

	call.encode = encode;
	call.encode_ctx = reply;
	return call;
}

void pin_reply_etag(struct call *c, uint64_t rev)
{
	if (!c->psa)
		http_response_header(
			c->res, "ETag",
			slice_str(arena_printf(c->mem, "\"%llu\"", (unsigned long long)rev)));
}

/* Of a reply that was kept: its body tells the request and its revision. */
static void look_again(struct call *c, struct slice body)
{
	static const struct json_limits limits = { .max_depth = 8 };
	CLEANUP(json_doc_free) struct json_doc *doc = NULL;
	struct ulid request_id;
	const char *id, *rev;
	struct err ignored;

	if (body.len == 0 || !json_parse(body, &limits, &doc, &ignored))
		return;
	id = json_string_value(json_object_get(json_root(doc), c->psa ? "requestid" : "id"));
	if (id && ulid_parse(slice_str(id), &request_id, &ignored))
		c->id = request_id;
	rev = json_string_value(json_object_get(json_root(doc), "revision"));
	if (rev)
		pin_reply_etag(c, strtoull(rev, NULL, 10));
}

bool pin_reply_result(struct pin_reply *reply)
{
	const struct pins_result *result = &reply->result;
	struct call *c = reply->call;

	if (result->outcome != PINS_DONE)
		return reply_outcome(c, result);
	reply_when_durable(c, reply->mark);
	if (result->replayed) {
		http_response_header(c->res, "Idempotency-Replayed", SLICE_LIT("true"));
		buf_add_slice(&c->res->body, result->body);
		look_again(c, result->body);
		return result->body.len ? reply_json(c, result->http_status)
					: reply_empty(c, result->http_status);
	}
	if (!reply->body)
		return reply_empty(c, reply->status);
	if (c->res->body.len == 0) /* else encode() has written it */
		pin_reply_write(reply, result->pin);
	pin_reply_etag(c, result->pin->rev);
	return reply_json(c, reply->status);
}
