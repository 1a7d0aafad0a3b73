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

/* The revision in an entity tag, with or without its quotes; 0: no pin ever had it. */
static uint64_t tag_rev(struct slice tag)
{
	uint64_t rev = 0;

	if (tag.len >= 2 && tag.ptr[0] == '"' && tag.ptr[tag.len - 1] == '"')
		tag = SLICE_OF(tag.ptr + 1, tag.len - 2);
	if (tag.len > 19)
		return 0;
	for (size_t i = 0; i < tag.len; i++) {
		if (tag.ptr[i] < '0' || tag.ptr[i] > '9')
			return 0;
		rev = 10 * rev + (tag.ptr[i] - '0');
	}
	return rev;
}

/*
 * The revision that If-Match demands; 0: any.  Of several that it lists the one the pin has, else
 * the last that was made: a repetition under a key demands the same again.  *go false: replied to.
 */
static bool if_match(struct call *c, struct ulid id, uint64_t *rev, bool *go, struct err *err)
{
	const struct slice *value = http_header_get(c->req, "If-Match");
	const struct owner_pin *pin;
	struct slice rest, tag;

	*rev = 0;
	*go = true;
	if (!value || slice_eq_str(*value, "*"))
		return true;
	if (!store_find(c->api->options.store, c->owner, id, c->mem, &pin, err))
		return false;
	rest = *value;
	while (http_list_next(&rest, &tag)) {
		uint64_t listed = tag_rev(tag);

		*rev = listed > *rev ? listed : *rev;
		if (pin && listed == pin->rev) {
			*rev = listed;
			return true;
		}
	}
	if (*rev == 0) { /* what no pin ever had as its ETag matches none */
		*go = false;
		reply_error(c, API_PRECONDITION,
			    arena_printf(c->mem, "If-Match is \"%s\", which is no revision",
					 excerpt(*value).text));
	}
	return true;
}

bool patch_pin(struct call *c, struct err *err)
{
	CLEANUP(json_doc_free) struct json_doc *doc = NULL;
	struct pin_reply reply = { .call = c, .status = 200, .body = true };
	struct pins_call call = pin_reply_call(&reply);
	struct pin_ask ask;
	struct ulid id;
	uint64_t rev;
	bool go;

	if (!call_ulid(c, &id) || !read_ask(c, false, &doc, &ask))
		return true;
	if (!if_match(c, id, &rev, &go, err))
		return false;
	return !go || (pins_revise(c->api->options.pins, &call, id, rev, &ask, c->mem,
				   &reply.result, &reply.mark, err) &&
		       pin_reply_result(&reply));
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
