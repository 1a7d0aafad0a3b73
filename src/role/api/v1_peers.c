/* /v1/peers. */
#include <stdio.h>

#include "model/excerpt.h"
#include "model/peer_id.h"
#include "model/version.h"
#include "role/api/settings.h"
#include "role/api/v1_peer_find.h"

static const char *const wish_names[] = {
	[PEER_ACTIVE] = "active",
	[PEER_PAUSED] = "paused",
	[PEER_DRAINING] = "draining",
	[PEER_FORGOTTEN] = "forgotten",
};

static bool is_up(struct call *c, const struct peer_row *row)
{
	const struct api_options *o = &c->api->options;

	return row->down_reason.len == 0 && row->last_seen &&
	       clock_wall_us(o->clock) - row->last_seen < o->peer_up_us;
}

void v1_write_strays(struct call *c, struct json_writer *w, uint32_t peer_no)
{
	const struct api_orders *o = &c->api->options.orders;
	struct worker_node node;

	if (!o->node || !o->node(o->ctx, peer_no, &node) || node.compared_at == 0)
		return;
	json_key_u64(w, "foreign_pins", node.foreign);
	json_key_u64(w, "lost_pins", node.lost);
}

static void write_peer(struct call *c, struct json_writer *w, const struct peer_row *row)
{
	json_begin_object(w);
	json_key_str(w, "id", row->peer_id);
	json_key_u64(w, "number", row->peer_no);
	json_key_str_if(w, "name", row->name);
	json_key_str_if(w, "zone", row->zone);
	if (row->tags.n > 0)
		json_key_strings(w, "tags", row->tags);
	json_key_cstr(w, "wish", wish_names[row->wish]);
	json_key_bool(w, "up", is_up(c, row));
	if (row->addresses.n > 0)
		json_key_strings(w, "addresses", row->addresses);
	/* Where a node's RPC listens is the operators' business, and TLS names it too. */
	if (key_scope_allows(c->who.scopes, SCOPE_ADMIN)) {
		json_key_str_if(w, "url", row->url);
		json_key_str_if(w, "down_reason", row->down_reason);
	}
	json_key_str_if(w, "agent", row->agent);
	if (row->capacity_bytes) {
		json_key_u64(w, "free_bytes", row->free_bytes);
		json_key_u64(w, "used_bytes", row->used_bytes);
		json_key_u64(w, "capacity_bytes", row->capacity_bytes);
	}
	json_key_time_if(w, "last_seen", row->last_seen);
	json_key_time_if(w, "compared", row->compared_at);
	v1_write_strays(c, w, row->peer_no);
	json_end_object(w);
}

static bool reply_peer(struct call *c, const struct peer_row *row, unsigned status)
{
	struct json_writer w = reply_writer(c);

	write_peer(c, &w, row);
	return reply_json(c, status);
}

bool v1_list_peers(struct call *c, struct err *err)
{
	struct json_writer w = reply_writer(c);
	struct peer_row *rows;
	size_t n;

	if (!store_peers(c->api->options.store, c->mem, &rows, &n, err))
		return false;
	json_begin_object(&w);
	json_key(&w, "peers");
	json_begin_array(&w);
	for (size_t i = 0; i < n; i++)
		if (rows[i].wish != PEER_FORGOTTEN)
			write_peer(c, &w, &rows[i]);
	json_end_array(&w);
	json_end_object(&w);
	return reply_json(c, 200);
}

static bool same_id(const struct peer_id *wanted, struct slice peer_id)
{
	struct peer_id peer;
	struct err ignored;

	return peer_id_parse(peer_id, &peer, &ignored) &&
	       slice_eq(peer_id_slice(&peer), peer_id_slice(wanted));
}

/* What a word may mean, the surest first. */
enum meaning { BY_ID, BY_NUMBER, BY_NAME };

static bool is_meant(const struct peer_row *row, struct slice word, enum meaning meaning)
{
	struct peer_id wanted;
	struct err ignored;
	char number[12];

	switch (meaning) {
	case BY_ID:
		return peer_id_parse(word, &wanted, &ignored) && same_id(&wanted, row->peer_id);
	case BY_NUMBER:
		snprintf(number, sizeof(number), "%u", row->peer_no);
		return slice_eq_str(word, number);
	case BY_NAME:
		return word.len > 0 && slice_eq(row->name, word);
	}
	return false;
}

/* How many there are; *out is the first of them.  Who was sent away is none, unless `gone`. */
static size_t count_meant(struct peer_row *rows, size_t n, struct slice word, enum meaning meaning,
			  bool gone, struct peer_row **out)
{
	size_t found = 0;

	for (size_t i = n; i-- > 0;) {
		if ((rows[i].wish == PEER_FORGOTTEN) != gone || !is_meant(&rows[i], word, meaning))
			continue;
		*out = &rows[i];
		found++;
	}
	return found;
}

/* *found: how many are meant; *out is one of them. */
static bool look_for(struct call *c, struct slice word, bool gone, struct peer_row **out,
		     size_t *found, struct err *err)
{
	struct peer_row *rows;
	size_t n;

	*out = NULL;
	*found = 0;
	if (!store_peers(c->api->options.store, c->mem, &rows, &n, err))
		return false;
	for (int m = BY_ID; m <= BY_NAME && *found == 0; m++)
		*found = count_meant(rows, n, word, (enum meaning)m, false, out);
	for (int m = BY_ID; gone && m <= BY_NAME && *found == 0; m++)
		*found = count_meant(rows, n, word, (enum meaning)m, true, out);
	return true;
}

static const char *many_of(struct call *c, struct slice word, const struct peer_row *first,
			   size_t found)
{
	return arena_printf(c->mem,
			    "%zu peers are named \"%s\", the first is %.*s: take the id of the "
			    "one that is meant",
			    found, excerpt(word).text, SLICE_FMT(first->peer_id));
}

static bool find(struct call *c, bool gone, struct peer_row **out, struct err *err)
{
	struct slice word = c->params[0];
	struct peer_row *first;
	size_t found;

	*out = NULL;
	if (!look_for(c, word, gone, &first, &found, err))
		return false;
	if (found == 0)
		return reply_missing(c, "peer");
	if (found > 1)
		return reply_error(c, API_CONFLICT, many_of(c, word, first, found));
	*out = first;
	return true;
}

bool v1_peer_named(struct call *c, struct slice word, struct peer_row **out, struct err *why,
		   struct err *err)
{
	struct peer_row *first;
	size_t found;

	*out = NULL;
	if (!look_for(c, word, false, &first, &found, err))
		return false;
	if (found == 0)
		err_set(why, ERR_INVALID, "peer is \"%s\"; there is none, see GET /v1/peers",
			excerpt(word).text);
	else if (found > 1)
		err_set(why, ERR_INVALID, "%s", many_of(c, word, first, found));
	else
		*out = first;
	return true;
}

bool v1_peer_find(struct call *c, struct peer_row **out, struct err *err)
{
	return find(c, false, out, err);
}

bool v1_get_peer(struct call *c, struct err *err)
{
	struct peer_row *row;

	if (!v1_peer_find(c, &row, err))
		return false;
	return !row || reply_peer(c, row, 200);
}

/* Its worker gives a peer zone and tags when it first meets it, unless an operator did: his
 * word must not come between and leave it without.  Moments later it is there. */
static bool is_introduced(const struct peer_row *row)
{
	return row->wish_version > 0;
}

/* Stores the operator's half of the row unless somebody changed it since it was read: then
 * *done is false, and it must be read and changed again. */
static bool put_wish(struct call *c, struct peer_row *row, bool *done, struct err *err)
{
	const struct api_options *o = &c->api->options;
	uint64_t read = row->wish_version;

	row->wish_version = version_next(read, clock_wall_us(o->clock), o->instance);
	if (!store_swap_peer_wish(o->store, row, read, done, err))
		return false;
	if (*done)
		reply_when_durable(c, store_mark(o->store));
	return true;
}

static bool set_wish(struct call *c, enum peer_wish wish, struct err *err)
{
	struct peer_row *row;
	bool done = false;

	while (!done) {
		/* To send away who is gone is done already. */
		if (!find(c, wish == PEER_FORGOTTEN, &row, err))
			return false;
		if (!row)
			return true;
		if (wish != PEER_FORGOTTEN && !is_introduced(row))
			return reply_missing(c, "peer");
		if (row->wish == wish)
			break;
		row->wish = (uint8_t)wish;
		if (!put_wish(c, row, &done, err))
			return false;
	}
	return reply_peer(c, row, 200);
}

bool v1_drain_peer(struct call *c, struct err *err)
{
	return set_wish(c, PEER_DRAINING, err);
}

bool v1_pause_peer(struct call *c, struct err *err)
{
	return set_wish(c, PEER_PAUSED, err);
}

bool v1_resume_peer(struct call *c, struct err *err)
{
	return set_wish(c, PEER_ACTIVE, err);
}

bool v1_forget_peer(struct call *c, struct err *err)
{
	return set_wish(c, PEER_FORGOTTEN, err);
}

/* Does the peer hold or owe anything? */
static bool holds_any(struct call *c, uint32_t peer_no, bool *any, struct err *err)
{
	struct slice first = { NULL, 0 };
	struct peer_pin *rows;
	size_t n;

	if (!store_peer_pins(c->api->options.store, peer_no, 0, PEER_PIN_BUCKETS - 1, first, 1,
			     c->mem, &rows, &n, err))
		return false;
	*any = n > 0;
	return true;
}

bool v1_remove_peer(struct call *c, struct err *err)
{
	struct peer_row *row;
	bool any, done = false;

	while (!done) {
		if (!v1_peer_find(c, &row, err))
			return false;
		if (!row)
			return true;
		if (!holds_any(c, row->peer_no, &any, err))
			return false;
		if (any)
			return reply_error(c, API_CONFLICT,
					   "the peer still has copies: drain it and wait, or "
					   "forget it if it is lost");
		row->wish = PEER_FORGOTTEN;
		if (!put_wish(c, row, &done, err))
			return false;
	}
	return reply_empty(c, 204);
}

/* ---- names, zones, tags ------------------------------------------------------------------ */

struct peer_in {
	struct slice id, url, name, zone;
	const json_t *tags;
};

#define AT(member) .offset = offsetof(struct peer_in, member)

static const struct json_field peer_fields[] = {
	/* a patch has those from the third on */
	{ "id", JSON_STR, AT(id) },      { "url", JSON_STR, AT(url) },
	{ "name", JSON_STR, AT(name) },  { "zone", JSON_STR, AT(zone) },
	{ "tags", JSON_LIST, AT(tags) },
};

/* A name must not be taken for what else tells peers apart. */
static bool check_name(struct slice name, struct err *err)
{
	struct peer_id peer;
	struct err ignored;
	size_t digits = 0;

	while (digits < name.len && name.ptr[digits] >= '0' && name.ptr[digits] <= '9')
		digits++;
	if (name.len > 0 && (digits == name.len || peer_id_parse(name, &peer, &ignored)))
		return err_set(err, ERR_INVALID,
			       "name is \"%s\"; numbers and peer ids are not allowed",
			       excerpt(name).text);
	return word_check(name, "name", err);
}

static bool change_peer(struct call *c, const struct peer_in *in, struct peer_row *row,
			struct err *err)
{
	if (!check_name(in->name, err) || !word_check(in->zone, "zone", err))
		return false;
	if (in->name.ptr)
		row->name = in->name;
	if (in->zone.ptr)
		row->zone = in->zone;
	if (!in->tags)
		return true;
	if (!v1_read_strings(in->tags, "tags", PIN_TAGS_MAX, c->mem, &row->tags, err))
		return false;
	for (size_t i = 0; i < row->tags.n; i++) {
		if (!word_check(row->tags.at[i], "tags", err))
			return false;
		if (row->tags.at[i].len == 0)
			return err_set(err, ERR_INVALID, "tags[%zu] is empty", i);
	}
	return true;
}

bool v1_patch_peer(struct call *c, struct err *err)
{
	CLEANUP(json_doc_free) struct json_doc *doc = call_json(c);
	struct peer_in in = { 0 };
	struct err why = { 0 };
	struct peer_row *row;
	bool done = false;
	uint64_t given;

	if (!doc)
		return true;
	if (!json_fields(json_root(doc), "", peer_fields + 2, ARRAY_LEN(peer_fields) - 2,
			 JSON_UNKNOWN_REFUSED, &in, &given, &why))
		return reply_error(c, API_INVALID, why.text);
	while (!done) {
		if (!v1_peer_find(c, &row, err))
			return false;
		if (!row)
			return true;
		if (!is_introduced(row))
			return reply_missing(c, "peer");
		if (!change_peer(c, &in, row, &why))
			return reply_error(c, API_INVALID, why.text);
		if (!put_wish(c, row, &done, err))
			return false;
	}
	return reply_peer(c, row, 200);
}

/* The peer id that the body means: given, or of the Kubo at `url`.  False: replied to, or a
 * fault (then *fault is set). */
static bool peer_of(struct call *c, const struct peer_in *in, struct slice *id, bool *fault,
		    struct err *err)
{
	const struct api_options *o = &c->api->options;
	char *text = arena_alloc(c->mem, PEER_ID_TEXT_MAX);
	struct err why = { 0 };
	struct peer_id peer;

	*fault = false;
	*id = in->id;
	if (!in->id.ptr == !in->url.ptr)
		return reply_error(c, API_INVALID, "give either id or url"), false;
	if (in->url.ptr && !o->add_peer)
		return reply_error(c, API_CONFLICT,
				   "this process drives no Kubo; start a worker beside it"),
		       false;
	if (in->url.ptr && !o->add_peer(o->add_peer_ctx, in->url, c->mem, id, &why)) {
		*fault = why.code != ERR_INVALID;
		*err = why;
		return *fault ? false : (reply_error(c, API_INVALID, why.text), false);
	}
	if (!peer_id_parse(*id, &peer, &why))
		return reply_error(c, API_INVALID, why.text), false;
	*id = SLICE_OF(text, peer_id_text(&peer, text));
	return true;
}

/* The row of a number that store_peer_no() gave. */
static bool row_of(struct call *c, uint32_t peer_no, struct peer_row **out, struct err *err)
{
	struct peer_row *rows;
	size_t n;

	if (!store_peers(c->api->options.store, c->mem, &rows, &n, err))
		return false;
	for (size_t i = 0; i < n; i++) {
		*out = &rows[i];
		if (rows[i].peer_no == peer_no)
			return true;
	}
	return err_set(err, ERR_INTERNAL, "a peer that was added is not there");
}

bool v1_add_peer(struct call *c, struct err *err)
{
	CLEANUP(json_doc_free) struct json_doc *doc = call_json(c);
	struct peer_in in = { 0 };
	struct err why = { 0 };
	struct peer_row *row = NULL;
	bool fault, done = false;
	uint32_t peer_no;
	struct slice id;
	uint64_t given;

	if (!doc)
		return true;
	if (!json_fields(json_root(doc), "", peer_fields, ARRAY_LEN(peer_fields),
			 JSON_UNKNOWN_REFUSED, &in, &given, &why) ||
	    !change_peer(c, &in, &(struct peer_row){ 0 }, &why))
		return reply_error(c, API_INVALID, why.text);
	if (!peer_of(c, &in, &id, &fault, err))
		return !fault;
	if (!store_peer_no(c->api->options.store, id, &peer_no, err))
		return false;
	while (!done) {
		if (!row_of(c, peer_no, &row, err) || !change_peer(c, &in, row, err))
			return false;
		row->wish = PEER_ACTIVE;
		if (!put_wish(c, row, &done, err))
			return false;
	}
	return reply_peer(c, row, 201);
}
