/* What changes one pin: the same on /pins and /v1/pins, but for the shape and a status. */
#include "model/excerpt.h"
#include "role/api/pin_reply.h"

/* Reads the body, a Pin of the standard or a PinCreate or PinPatch; false: replied to. */
static bool read_ask(struct call *c, bool creating, struct json_doc **doc, struct pin_ask *ask)
{
	struct err why = { 0 };
	struct slice key;
	bool ok;

	if (!call_key(c, &key) || !(*doc = call_json(c)))
		return false;
	ok = c->psa ? psa_read_pin(json_root(*doc), c->mem, ask, &why)
		    : v1_read_pin(json_root(*doc), creating, false, c->mem, ask, &why);
	if (!ok)
		return reply_error(c, API_INVALID, why.text), false;
	ask->key = key;
	return true;
}

bool create_pin(struct call *c, struct err *err)
{
	CLEANUP(json_doc_free) struct json_doc *doc = NULL;
	struct pin_reply reply = { .call = c, .status = 202, .body = true };
	struct pins_call call = pin_reply_call(&reply);
	struct pin_ask ask;

	if (!read_ask(c, true, &doc, &ask))
		return true;
	return pin_reply_delegates(c, &reply.extra, err) &&
	       pins_create(c->api->options.pins, &call, &ask, 1, c->mem, &reply.result, &reply.mark,
			   err) &&
	       pin_reply_result(&reply);
}

bool replace_pin(struct call *c, struct err *err)
{
	CLEANUP(json_doc_free) struct json_doc *doc = NULL;
	struct pin_reply reply = { .call = c, .status = 202, .body = true };
	struct pins_call call = pin_reply_call(&reply);
	struct pin_ask ask;
	struct ulid old;

	if (!call_ulid(c, &old) || !read_ask(c, true, &doc, &ask))
		return true;
	return pin_reply_delegates(c, &reply.extra, err) &&
	       pins_replace(c->api->options.pins, &call, old, &ask, c->mem, &reply.result,
			    &reply.mark, err) &&
	       pin_reply_result(&reply);
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

bool patch_pin(struct call *c, struct err *err)
{
	CLEANUP(json_doc_free) struct json_doc *doc = NULL;
	struct pin_reply reply = { .call = c, .status = 200, .body = true };
	struct pins_call call = pin_reply_call(&reply);
	struct pin_ask ask;
	struct ulid id;
	uint64_t rev;

	if (!call_ulid(c, &id) || !read_ask(c, false, &doc, &ask) || !if_match(c, &rev))
		return true;
	return pins_revise(c->api->options.pins, &call, id, rev, &ask, c->mem, &reply.result,
			   &reply.mark, err) &&
	       pin_reply_result(&reply);
}

bool delete_pin(struct call *c, struct err *err)
{
	struct pin_reply reply = { .call = c, .status = c->psa ? 202 : 204 };
	struct pins_call call = pin_reply_call(&reply);
	struct pin_target target;

	if (!call_ulid(c, &target.id) || !call_key(c, &target.key))
		return true;
	return pins_remove(c->api->options.pins, &call, &target, 1, c->mem, &reply.result,
			   &reply.mark, err) &&
	       pin_reply_result(&reply);
}

bool retry_pin(struct call *c, struct err *err)
{
	struct pin_reply reply = { .call = c, .status = 202, .body = true };
	struct pins_call call = pin_reply_call(&reply);
	struct pin_target target;

	if (!call_ulid(c, &target.id) || !call_key(c, &target.key))
		return true;
	return pins_retry(c->api->options.pins, &call, &target, c->mem, &reply.result, &reply.mark,
			  err) &&
	       pin_reply_result(&reply);
}
