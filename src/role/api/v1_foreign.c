/* GET /v1/drift/foreign: pins on the nodes that nobody asked for here, as a stream. */
#include "role/api/query.h"
#include "role/api/v1_peer_find.h"
#include "role/worker/foreign.h"

#define LOOK_US    (100 * US_PER_MS) /* for a node's next words, which holds one of the workers */
#define PAUSE_US   US_PER_S          /* of a node: looked for again at once; longer ones later */
#define SILENCE_US US_PER_S          /* until the client gets a blank line */

struct stream {
	struct call *c;
	struct peer_row *peers; /* in the request's arena */
	size_t n, at;           /* the one whose list is read, or comes next */
	struct foreign *list;   /* NULL: to be begun */
	struct buf *out;
	int64_t heard_us; /* mono: something came from a node */
	int64_t said_us;  /* mono: something went to the client */
};

static void write_pin(void *ctx, const struct kubo_pin *pin)
{
	struct stream *s = ctx;
	struct json_writer w = json_writer(s->out);

	json_begin_object(&w);
	json_key_str(&w, "peer", s->peers[s->at].peer_id);
	json_key_cstr(&w, "cid", pin->cid);
	json_key_cstr(&w, "type", kubo_type_name(pin->type));
	if (*pin->name)
		json_key_cstr(&w, "name", pin->name);
	json_end_object(&w);
	buf_add_byte(s->out, '\n');
}

static void end_list(struct stream *s)
{
	foreign_free(s->list);
	s->list = NULL;
	s->at++;
}

/* What is missing of a list is told in it; the other nodes have theirs. */
static void write_error(struct stream *s, const struct err *why)
{
	struct json_writer w = json_writer(s->out);

	json_begin_object(&w);
	json_key_str(&w, "peer", s->peers[s->at].peer_id);
	json_key_cstr(&w, "error", why->text);
	json_end_object(&w);
	buf_add_byte(s->out, '\n');
	end_list(s);
}

static bool begin_list(struct stream *s, struct err *err)
{
	const struct api_options *o = &s->c->api->options;
	struct foreign_options options = { .store = o->store, .peer_no = s->peers[s->at].peer_no };

	if (!o->orders.kubo(o->orders.ctx, options.peer_no, &options.kubo, err))
		return false;
	if (!options.kubo)
		return err_set(err, ERR_UNAVAILABLE, "its node is not driven by this server");
	return foreign_new(&options, &s->list, err);
}

/* A node may make its list for minutes, or have millions of our own pins in a row: clients and
 * proxies give up who says nothing for so long, and of one that left nothing else tells. */
static void break_silence(struct stream *s, size_t before, int64_t now_us)
{
	if (s->out->len == before && now_us - s->said_us < SILENCE_US)
		return;
	if (s->out->len == before)
		buf_add_byte(s->out, '\n');
	s->said_us = now_us;
}

static bool next_piece(void *arg, struct buf *out, enum http_next *then, struct err *err UNUSED)
{
	struct stream *s = arg;
	enum foreign_state state = FOREIGN_GOES_ON;
	struct clock *clock = s->c->api->options.clock;
	struct err why = { 0 };
	size_t before = out->len;
	int64_t now_us;

	*then = HTTP_NEXT_END;
	if (s->at == s->n)
		return true;
	s->out = out;
	if ((!s->list && !begin_list(s, &why)) ||
	    !foreign_next(s->list, clock_mono_us(clock) + LOOK_US, write_pin, s, &state, &why))
		write_error(s, &why);
	else if (state == FOREIGN_ENDED)
		end_list(s);
	now_us = clock_mono_us(clock);
	if (state != FOREIGN_WAITS)
		s->heard_us = now_us;
	break_silence(s, before, now_us);
	*then = now_us - s->heard_us < PAUSE_US ? HTTP_NEXT_NOW : HTTP_NEXT_LATER;
	return true;
}

static void close_stream(void *arg)
{
	struct stream *s = arg;

	foreign_free(s->list);
	atomic_store(&s->c->api->listing_foreign, false);
}

/* The peers that are there, or the one that was asked for. */
static bool choose_peers(struct call *c, struct slice word, struct stream *s, struct err *why,
			 struct err *err)
{
	struct peer_row *all;
	size_t n;

	if (word.ptr) {
		s->n = 1;
		return v1_peer_named(c, word, &s->peers, why, err);
	}
	if (!store_peers(c->api->options.store, c->mem, &all, &n, err))
		return false;
	s->peers = arena_new_array(c->mem, struct peer_row, n);
	for (size_t i = 0; i < n; i++)
		if (all[i].wish != PEER_FORGOTTEN)
			s->peers[s->n++] = all[i];
	return true;
}

bool v1_foreign(struct call *c, struct err *err)
{
	static const struct http_stream_ops ops = { .next = next_piece, .close = close_stream };
	struct stream *s = arena_new_of(c->mem, struct stream);
	struct err why = { 0 };
	struct slice word;

	*s = (struct stream){ .c = c };
	if (!c->api->options.orders.kubo)
		return reply_error(c, API_UNAVAILABLE, "no worker runs in this process");
	if (!query_one(c->req->query, "peer", c->mem, &word, &why))
		return reply_error(c, API_INVALID, why.text);
	if (!choose_peers(c, word, s, &why, err))
		return false;
	if (word.ptr && !s->peers)
		return reply_error(c, API_INVALID, why.text);
	if (atomic_exchange(&c->api->listing_foreign, true))
		return reply_error(c, API_CONFLICT, "somebody lists foreign pins: one at a time");
	s->heard_us = s->said_us = clock_mono_us(c->api->options.clock);
	c->res->status = 200;
	c->res->content_type = "application/x-ndjson";
	http_response_stream(c->res, &ops, s);
	return true;
}
