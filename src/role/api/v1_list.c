/* GET /v1/pins: a page of them, or all as a stream. */
#include "role/api/pin_reply.h"
#include "role/api/query.h"
#include "role/api/v1_peer_find.h"
#include "role/pin_fold.h"
#include "store/shown.h"

#define COUNT_EXACT 10000
#define PIECE_BYTES (256 * 1024)  /* and on to the end of what was read */
#define PIECE_MAX   (1024 * 1024) /* but not beyond this */
#define PIECE_PINS  250
#define SAMPLE      256 /* pins of all owners, to see how many are the asking one's */

/* A row with its copies, if they are asked for; `zones` are those of all peers. */
static bool write_row(struct call *c, const struct query *q, struct peer_zones zones,
		      struct json_writer *w, const struct owner_pin *row, struct pin_extra *extra,
		      struct err *err)
{
	struct cid_view view;

	extra->view = NULL;
	if (q->copies && !store_copies(c->api->options.store, row->cid, c->mem, &view, err))
		return false;
	if (q->copies)
		extra->view = shown_view(row, &view, zones, c->mem);
	v1_write_pin(w, row, extra);
	return true;
}

static bool read_page(struct call *c, const struct query *q, struct slice cursor, size_t limit,
		      struct pin_page *page, struct err *err)
{
	struct store *store = c->api->options.store;

	return q->all_owners
		       ? store_list_all(store, &q->filter, cursor, limit, c->mem, page, err)
		       : store_list(store, c->owner, &q->filter, cursor, limit, c->mem, page, err);
}

static bool write_count(struct call *c, const struct query *q, struct json_writer *w,
			struct err *err)
{
	size_t n;
	bool cut;

	if (!store_count(c->api->options.store, c->owner, &q->filter, COUNT_EXACT, &n, &cut, err))
		return false;
	json_key_u64(w, "count", cut && n <= COUNT_EXACT ? n + 1 : n);
	json_key_bool(w, "count_exact", !cut && n <= COUNT_EXACT);
	return true;
}

static bool reply_page(struct call *c, struct query *q, struct err *err)
{
	struct json_writer w = reply_writer(c);
	struct pin_extra extra = { .owner = q->all_owners };
	struct peer_row *peers = NULL;
	struct peer_zones zones;
	struct pin_page page;

	if (q->copies && !store_peers(c->api->options.store, c->mem, &peers, &extra.n_peers, err))
		return false;
	extra.peers = peers;
	zones = store_zones(c->api->options.store, c->mem);
	if (!read_page(c, q, q->cursor, (size_t)q->limit, &page, err))
		return false;
	json_begin_object(&w);
	json_key(&w, "pins");
	json_begin_array(&w);
	for (size_t i = 0; i < page.n; i++) {
		if (!write_row(c, q, zones, &w, &page.rows[i], &extra, err))
			return false;
	}
	json_end_array(&w);
	if (page.next.len > 0)
		json_key_str(&w, "next", page.next);
	if (page.cut)
		json_key_bool(&w, "cut", true);
	if (q->count && !write_count(c, q, &w, err))
		return false;
	json_end_object(&w);
	return reply_json(c, 200);
}

/* ---- streams ---------------------------------------------------------------------------- */

struct stream { /* NDJSON of all pins; its arena is emptied after each piece */
	struct call *c;
	struct query q;
	struct arena *mem;
	struct peer_row *peers; /* in the request's arena: read once */
	size_t n_peers;
	struct peer_zones zones; /* likewise */
	struct buf position;     /* cursor, or place in the store */
	struct buf first;        /* the first piece, until it goes */
	struct buf *out;
	bool more;
};

static void keep_position(struct stream *s, struct slice position)
{
	s->position.len = 0;
	buf_add_slice(&s->position, position);
}

static struct pin_extra stream_extra(const struct stream *s)
{
	return (struct pin_extra){ .peers = s->peers,
				   .n_peers = s->n_peers,
				   .owner = s->q.all_owners };
}

static bool next_newest(struct stream *s, struct buf *out, struct err *err)
{
	struct pin_extra extra = stream_extra(s);
	struct slice cursor = arena_copy(s->mem, buf_slice(&s->position));
	struct call inner = *s->c;
	struct pin_page page;

	inner.mem = s->mem;
	if (!read_page(&inner, &s->q, cursor, PIECE_PINS, &page, err))
		return false;
	for (size_t i = 0; i < page.n; i++) {
		struct json_writer w = json_writer(out);

		if (!write_row(&inner, &s->q, s->zones, &w, &page.rows[i], &extra, err))
			return false;
		buf_add_byte(out, '\n');
	}
	keep_position(s, page.next);
	s->more = page.next.len > 0;
	return true;
}

static bool write_scanned(void *ctx, const struct scanned_pin *pin, struct slice position)
{
	struct stream *s = ctx;
	struct json_writer w = json_writer(s->out);
	struct pin_extra extra = stream_extra(s);
	struct request_copies count =
		request_copies(pin->request, pin->copies, pin->n_copies, s->zones,
			       clock_wall_us(s->c->api->options.clock));
	struct cid_view view = { .copies = pin->copies, .n_copies = pin->n_copies };
	struct owner_pin row = pin_fold_row(pin->request, count, pin->status);

	if (s->q.copies)
		extra.view = shown_view(&row, &view, s->zones, s->mem);
	v1_write_pin(&w, &row, &extra);
	buf_add_byte(s->out, '\n');
	s->more = s->out->len >= (pin->read_ends ? PIECE_BYTES : PIECE_MAX);
	if (s->more)
		keep_position(s, position);
	return !s->more;
}

static bool next_in_store(struct stream *s, struct buf *out, struct err *err)
{
	struct slice from = arena_copy(s->mem, buf_slice(&s->position));

	s->out = out;
	s->more = false;
	return store_scan(s->c->api->options.store, s->c->owner, 0, 1, from, write_scanned, s, err);
}

struct sample {
	struct slice owner;
	unsigned pins, own;
};

static bool add_to_sample(void *ctx, const struct scanned_pin *pin, struct slice position UNUSED)
{
	struct sample *sample = ctx;

	sample->own += slice_eq(pin->request->create->owner, sample->owner);
	return ++sample->pins < SAMPLE;
}

/* In the order of the store the pins of all owners are read.  That costs less than reading an
 * owner's one by one as long as they are a quarter of all; CIDs are spread evenly, so the first
 * ones tell. */
static bool choose_order(struct stream *s, struct err *err)
{
	struct sample sample = { .owner = s->c->owner };
	struct slice all = { NULL, 0 }, from = { NULL, 0 };

	if (!s->q.store_order)
		return true;
	if (!store_scan(s->c->api->options.store, all, 0, 1, from, add_to_sample, &sample, err))
		return false;
	s->q.store_order = 4 * sample.own >= sample.pins;
	return true;
}

static bool make_piece(struct stream *s, struct buf *out, struct err *err)
{
	bool ok = s->q.store_order ? next_in_store(s, out, err) : next_newest(s, out, err);

	arena_reset(s->mem);
	return ok;
}

static bool next_piece(void *arg, struct buf *out, enum http_next *then, struct err *err)
{
	struct stream *s = arg;
	bool ok = true;

	if (s->first.len > 0) {
		buf_add_slice(out, buf_slice(&s->first));
		buf_free(&s->first);
	} else if (s->more) {
		ok = make_piece(s, out, err);
	}
	*then = s->more ? HTTP_NEXT_NOW : HTTP_NEXT_END;
	return ok;
}

static void close_stream(void *arg)
{
	struct stream *s = arg;

	arena_free(s->mem);
	buf_free(&s->position);
	buf_free(&s->first);
}

/* The first piece is made before the reply begins: a fault, or a cursor that is none, still gets
 * the status it has on a page. */
static bool reply_stream(struct call *c, const struct query *q, struct err *err)
{
	static const struct http_stream_ops ops = { .next = next_piece, .close = close_stream };
	struct stream *s = arena_new_of(c->mem, struct stream);

	*s = (struct stream){ .c = c, .q = *q };
	if (q->copies && !store_peers(c->api->options.store, c->mem, &s->peers, &s->n_peers, err))
		return false;
	s->zones = store_zones(c->api->options.store, c->mem);
	s->mem = arena_new();
	buf_add_slice(&s->position, q->cursor);
	if (!choose_order(s, err) || !make_piece(s, &s->first, err)) {
		close_stream(s);
		return false;
	}
	c->res->status = 200;
	c->res->content_type = "application/x-ndjson";
	http_response_stream(c->res, &ops, s);
	return true;
}

/* Whose pins, and on which peer; *go false: replied to. */
static bool resolve(struct call *c, struct query *q, bool *go, struct err *err)
{
	struct peer_row *peer = NULL;
	struct err why;

	*go = false;
	if (q->all_owners && !key_scope_allows(c->who.scopes, SCOPE_ADMIN))
		return reply_error(c, API_FORBIDDEN,
				   "all_owners=true asks for others' pins; that takes an admin "
				   "key");
	if (q->all_owners && http_header_get(c->req, "Pinfold-Owner"))
		return reply_error(c, API_INVALID,
				   "Pinfold-Owner names one owner, all_owners=true all; give one");
	if (q->peer.ptr && !v1_peer_named(c, q->peer, &peer, &why, err))
		return false;
	if (q->peer.ptr && !peer)
		return reply_error(c, API_INVALID, why.text);
	q->filter.peer_no = peer ? peer->peer_no : 0;
	*go = true;
	return true;
}

bool v1_list_pins(struct call *c, struct err *err)
{
	bool stream = http_header_has_token(c->req, "Accept", "application/x-ndjson");
	struct err why = { 0 };
	struct query q;
	bool go;

	if (!query_read(c->req->query, QUERY_V1, c->mem, &q, &why))
		return reply_error(c, API_INVALID, why.text);
	if (!resolve(c, &q, &go, err))
		return false;
	if (!go)
		return true;
	if (stream && (q.limited || q.count))
		return reply_error(c, API_INVALID,
				   "a stream has all pins: limit and count are for pages");
	if (stream)
		return reply_stream(c, &q, err);
	if (q.store_order)
		return reply_error(c, API_INVALID,
				   "order=store is for streams: send Accept: application/x-ndjson");
	return reply_page(c, &q, err);
}
