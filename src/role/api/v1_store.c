/* v1_store.c -- care of the store while it is in use: a backup, a check. */
#include "role/api/call.h"

#define FIRST_MAX 240

struct store_in {
	struct slice dir;
	bool repair;
};

#define AT(member) .offset = offsetof(struct store_in, member)

static const struct json_field backup_fields[] = {
	{ "dir", JSON_STR, .required = true, AT(dir) },
};
static const struct json_field check_fields[] = {
	{ "repair", JSON_FLAG, AT(repair) },
};

/* The body into *in; false: it was replied to. */
static bool read_body(struct call *c, const struct json_field *fields, size_t n,
		      struct store_in *in)
{
	CLEANUP(json_doc_free) struct json_doc *doc = call_json(c);
	struct err why = { 0 };
	uint64_t given;

	if (!doc)
		return false;
	if (!json_fields(json_root(doc), "", fields, n, JSON_UNKNOWN_REFUSED, in, &given, &why))
		return reply_error(c, API_INVALID, why.text), false;
	in->dir = arena_copy(c->mem, in->dir);
	return true;
}

bool v1_store_backup(struct call *c, struct err *err)
{
	struct json_writer w = reply_writer(c);
	struct store_in in = { 0 };
	struct err why = { 0 };

	if (!read_body(c, backup_fields, ARRAY_LEN(backup_fields), &in))
		return true;
	/* The server's directory, not the caller's: both must mean the same place. */
	if (in.dir.len == 0 || in.dir.ptr[0] != '/')
		return reply_error(c, API_INVALID, "dir: an absolute path on the server is needed");
	if (!store_backup(c->api->options.store, (const char *)in.dir.ptr, &why)) {
		if (why.code == ERR_INVALID)
			return reply_error(c, API_INVALID, why.text);
		*err = why;
		return false;
	}
	json_begin_object(&w);
	json_key_str(&w, "dir", in.dir);
	json_end_object(&w);
	return reply_json(c, 200);
}

static bool is_wanted(void *ctx, double share UNUSED)
{
	return call_wanted(ctx);
}

bool v1_store_check(struct call *c, struct err *err)
{
	struct json_writer w = reply_writer(c);
	struct store_check found = { 0 };
	struct store_in in = { 0 };
	char first[FIRST_MAX] = "";
	bool ok;

	if (!read_body(c, check_fields, ARRAY_LEN(check_fields), &in))
		return true;
	if (atomic_exchange(&c->api->checking, true))
		return reply_error(c, API_CONFLICT, "a check is running: one at a time");
	ok = store_check(c->api->options.store, in.repair, is_wanted, c, &found, first, err);
	atomic_store(&c->api->checking, false);
	if (!ok && err->code == ERR_CANCELED)
		return reply_error(c, API_UNAVAILABLE,
				   "it was broken off; what it has repaired stays so");
	if (!ok)
		return false;
	json_begin_object(&w);
	json_key_u64(&w, "cids", found.cids);
	json_key_u64(&w, "requests", found.requests);
	json_key_u64(&w, "copies", found.copies);
	json_key_u64(&w, "wrong", found.wrong);
	json_key_u64(&w, "repaired", found.repaired);
	json_key_u64(&w, "orphans", found.orphans);
	if (*first)
		json_key_cstr(&w, "first", first);
	json_end_object(&w);
	return reply_json(c, 200);
}
