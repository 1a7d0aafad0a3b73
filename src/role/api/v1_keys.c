/* /v1/keys: the API keys of the owner that is acted for. */
#include "model/excerpt.h"
#include "model/utf8.h"
#include "role/api/settings.h"

#define OVERLAP_MAX_US (30 * US_PER_DAY)

static void write_key(struct json_writer *w, const struct api_key *row,
		      const struct api_key_text *text)
{
	json_begin_object(w);
	json_key_str(w, "id", row->key_id);
	json_key_str(w, "owner", row->owner);
	json_key_str_if(w, "name", row->name);
	json_key_cstr(w, "scope", key_scope_name(row->scopes));
	json_key_time(w, "created", row->created_at);
	json_key_time_if(w, "expires", row->expires_at);
	json_key_time_if(w, "revoked", row->revoked_at);
	json_key_time_if(w, "previous_until", row->prev_until);
	if (text)
		json_key_cstr(w, "key", text->text);
	json_end_object(w);
}

/* A reply with a secret in it is not for caches. */
static bool reply_secret(struct call *c, const struct api_key *row, const struct api_key_text *text,
			 unsigned status)
{
	struct json_writer w = reply_writer(c);

	reply_when_durable(c, store_mark(c->api->options.store));
	http_response_header(c->res, "Cache-Control", SLICE_LIT("no-store"));
	write_key(&w, row, text);
	return reply_json(c, status);
}

bool v1_list_keys(struct call *c, struct err *err)
{
	struct json_writer w = reply_writer(c);
	const struct api_key **rows;
	struct query q;
	size_t n;
	bool more;

	if (!page_read(c, &q))
		return true;
	if (!keys_list(c->api->options.keys, c->owner, q.cursor, (size_t)q.limit, c->mem, &rows, &n,
		       &more, err))
		return false;
	json_begin_object(&w);
	json_key(&w, "keys");
	json_begin_array(&w);
	for (size_t i = 0; i < n; i++)
		write_key(&w, rows[i], NULL);
	json_end_array(&w);
	if (more)
		json_key_str(&w, "next", rows[n - 1]->key_id);
	json_end_object(&w);
	return reply_json(c, 200);
}

struct key_in {
	struct slice name, scope, owner, ttl, expires;
};

static bool read_key(struct call *c, const json_t *body, struct key_wish *wish, struct err *err)
{
	static const struct json_field fields[] = {
		{ "name", JSON_STR, .offset = offsetof(struct key_in, name) },
		{ "scope", JSON_STR, .required = true, .offset = offsetof(struct key_in, scope) },
		{ "owner", JSON_STR, .offset = offsetof(struct key_in, owner) },
		{ "ttl", JSON_STR, .offset = offsetof(struct key_in, ttl) },
		{ "expires", JSON_STR, .nullable = true,
		  .offset = offsetof(struct key_in, expires) },
	};
	struct key_in in = { 0 };
	uint64_t given;

	if (!json_fields(body, "", fields, ARRAY_LEN(fields), JSON_UNKNOWN_REFUSED, &in, &given,
			 err))
		return false;
	wish->name = in.name;
	wish->owner = in.owner.ptr ? in.owner : c->owner;
	if (in.name.len > KEYS_NAME_MAX)
		return err_set(err, ERR_INVALID, "name has %zu bytes; at most %d are allowed",
			       in.name.len, KEYS_NAME_MAX);
	if (!utf8_check(in.name, NULL, err))
		return err_wrap(err, "name");
	if (!owner_valid(wish->owner))
		return err_set(err, ERR_INVALID,
			       "owner is \"%s\"; it must be 1 to %d printable characters without "
			       "spaces",
			       excerpt(wish->owner).text, OWNER_MAX);
	if (!key_scope_parse(in.scope, &wish->scope))
		return err_set(err, ERR_INVALID,
			       "scope is \"%s\"; it must be read, write, admin or metrics",
			       excerpt(in.scope).text);
	return expiry_read(in.ttl, given & 8, in.expires, given & 16,
			   clock_wall_us(c->api->options.clock), &wish->expires_at, err);
}

bool v1_create_key(struct call *c, struct err *err)
{
	CLEANUP(json_doc_free) struct json_doc *doc = call_json(c);
	const struct api_key *row;
	struct api_key_text text;
	struct err why = { 0 };
	struct key_wish wish;

	if (!doc)
		return true;
	if (!read_key(c, json_root(doc), &wish, &why))
		return reply_error(c, API_INVALID, why.text);
	return keys_create(c->api->options.keys, &wish, c->mem, &text, &row, err) &&
	       reply_secret(c, row, &text, 201);
}

bool v1_revoke_key(struct call *c, struct err *err)
{
	bool found = false;

	if (c->params[0].len == API_KEY_ID_LEN &&
	    !keys_revoke(c->api->options.keys, c->owner, c->params[0], c->mem, &found, err))
		return false;
	if (!found)
		return reply_missing(c, "key");
	reply_when_durable(c, store_mark(c->api->options.store));
	return reply_empty(c, 204);
}

/* The body may be missing. */
static bool read_overlap(struct call *c, int64_t *us)
{
	static const struct json_field fields[] = { { "overlap", JSON_STR } };
	CLEANUP(json_doc_free) struct json_doc *doc = NULL;
	struct slice overlap = { NULL, 0 };
	struct err why = { 0 };
	uint64_t given;

	*us = KEYS_OVERLAP_US;
	if (c->req->body.len == 0)
		return true;
	if (!(doc = call_json(c)))
		return false;
	if (!json_fields(json_root(doc), "", fields, 1, JSON_UNKNOWN_REFUSED, &overlap, &given,
			 &why) ||
	    (given && !v1_read_duration(overlap, "overlap", us, &why)))
		return reply_error(c, API_INVALID, why.text), false;
	if (*us > OVERLAP_MAX_US)
		return reply_error(c, API_INVALID, "overlap is too long; at most 30d are allowed"),
		       false;
	return true;
}

bool v1_rotate_key(struct call *c, struct err *err)
{
	const struct api_key *row = NULL;
	struct api_key_text text;
	int64_t overlap_us;

	if (!read_overlap(c, &overlap_us))
		return true;
	if (c->params[0].len == API_KEY_ID_LEN &&
	    !keys_rotate(c->api->options.keys, c->owner, c->params[0], overlap_us, c->mem, &text,
			 &row, err))
		return false;
	return row ? reply_secret(c, row, &text, 200) : reply_missing(c, "key");
}
