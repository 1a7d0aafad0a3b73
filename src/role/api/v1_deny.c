/* /v1/deny: content that nobody may pin. */
#include "model/cid.h"
#include "model/excerpt.h"
#include "model/utf8.h"
#include "role/api/settings.h"
#include "role/deny.h"

#define REASON_MAX 255 /* bytes */

static const char hex[] = "0123456789abcdef";

static struct slice hex_text(struct arena *mem, struct slice bytes)
{
	char *text = arena_alloc(mem, 2 * bytes.len + 1);

	for (size_t i = 0; i < bytes.len; i++) {
		text[2 * i] = hex[bytes.ptr[i] >> 4];
		text[2 * i + 1] = hex[bytes.ptr[i] & 15];
	}
	return SLICE_OF(text, 2 * bytes.len);
}

static bool read_hex(struct slice text, uint8_t out[DENY_DIGEST_LEN])
{
	if (text.len != 2 * (size_t)DENY_DIGEST_LEN)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		const char *found = text.ptr[i] ? strchr(hex, text.ptr[i]) : NULL;

		if (!found)
			return false;
		out[i / 2] = (uint8_t)(out[i / 2] << 4 | (found - hex));
	}
	return true;
}

/* A digest in hex, or a CID. */
static bool read_digest(struct slice text, struct arena *mem, struct slice *out, struct err *err)
{
	uint8_t *digest = arena_alloc(mem, DENY_DIGEST_LEN);
	struct cid cid;

	*out = SLICE_OF(digest, DENY_DIGEST_LEN);
	if (read_hex(text, digest))
		return true;
	if (!cid_parse(text, &cid, NULL, err))
		return false;
	deny_digest(&cid, digest);
	return true;
}

static void write_deny(struct json_writer *w, const struct deny *row, struct arena *mem)
{
	json_begin_object(w);
	json_key_str(w, "digest", hex_text(mem, row->digest));
	json_key_str_if(w, "reason", row->reason);
	json_key_time(w, "added", row->added_at);
	json_end_object(w);
}

bool v1_list_deny(struct call *c, struct err *err)
{
	struct json_writer w = reply_writer(c);
	struct err why = { 0 };
	struct deny after;
	const void **rows;
	struct query q;
	size_t n;

	if (!page_read(c, &q))
		return true;
	if (q.cursor.len > 0 && !read_digest(q.cursor, c->mem, &after.digest, &why))
		return reply_error(c, API_INVALID, "cursor is none: take it from \"next\"");
	if (!store_rows(c->api->options.store, TABLE_DENY_LIST, q.cursor.len ? &after : NULL,
			(size_t)q.limit, c->mem, &rows, &n, err))
		return false;
	json_begin_object(&w);
	json_key(&w, "entries");
	json_begin_array(&w);
	for (size_t i = 0; i < n; i++)
		write_deny(&w, rows[i], c->mem);
	json_end_array(&w);
	if (n == (size_t)q.limit)
		json_key_str(&w, "next",
			     hex_text(c->mem, ((const struct deny *)rows[n - 1])->digest));
	json_end_object(&w);
	return reply_json(c, 200);
}

struct deny_in {
	struct slice cid, digest, reason;
};

static bool read_deny(struct call *c, const json_t *body, struct deny *row, struct err *err)
{
	static const struct json_field fields[] = {
		{ "cid", JSON_STR, .offset = offsetof(struct deny_in, cid) },
		{ "digest", JSON_STR, .offset = offsetof(struct deny_in, digest) },
		{ "reason", JSON_STR, .offset = offsetof(struct deny_in, reason) },
	};
	struct deny_in in = { 0 };
	uint8_t *digest = arena_alloc(c->mem, DENY_DIGEST_LEN);
	uint64_t given;
	struct cid cid;

	if (!json_fields(body, "", fields, ARRAY_LEN(fields), JSON_UNKNOWN_REFUSED, &in, &given,
			 err))
		return false;
	if (!in.cid.ptr == !in.digest.ptr)
		return err_set(err, ERR_INVALID, "give either cid or digest");
	if (in.cid.ptr) {
		if (!cid_parse(in.cid, &cid, NULL, err))
			return false;
		deny_digest(&cid, digest);
	} else if (!read_hex(in.digest, digest)) {
		return err_set(err, ERR_INVALID,
			       "digest is \"%s\"; it must be 64 hexadecimal digits in lower case",
			       excerpt(in.digest).text);
	}
	if (in.reason.len > REASON_MAX)
		return err_set(err, ERR_INVALID, "reason has %zu bytes; at most %d are allowed",
			       in.reason.len, REASON_MAX);
	row->digest = SLICE_OF(digest, DENY_DIGEST_LEN);
	row->reason = in.reason;
	row->added_at = clock_wall_us(c->api->options.clock);
	return true;
}

bool v1_add_deny(struct call *c, struct err *err)
{
	CLEANUP(json_doc_free) struct json_doc *doc = call_json(c);
	struct json_writer w = reply_writer(c);
	struct err why = { 0 };
	struct deny row;
	bool added;

	if (!doc)
		return true;
	if (!read_deny(c, json_root(doc), &row, &why))
		return reply_error(c, API_INVALID, why.text);
	if (!deny_add(c->api->options.store, &row, c->mem, &added, err))
		return false;
	reply_when_durable(c, store_mark(c->api->options.store));
	write_deny(&w, &row, c->mem);
	return reply_json(c, 201);
}

bool v1_remove_deny(struct call *c, struct err *err)
{
	struct err why = { 0 };
	struct slice digest;
	bool removed;

	if (!read_digest(c->params[0], c->mem, &digest, &why))
		return reply_missing(c, "content on the deny list by");
	if (!deny_remove(c->api->options.store, digest, c->mem, &removed, err))
		return false;
	if (!removed)
		return reply_missing(c, "content on the deny list by");
	reply_when_durable(c, store_mark(c->api->options.store));
	return reply_empty(c, 204);
}
