/* The IPFS Pinning Service API 1.0.0: what is asked; pin_changes.c has what is changed. */
#include "role/api/pin_reply.h"
#include "role/api/query.h"

#define COUNT_EXACT 1000 /* counts are exact to here */

/* By request id, or by CID: the owner's newest request for it. */
static bool find(struct call *c, const struct owner_pin **out, struct err *err)
{
	struct store *store = c->api->options.store;
	struct err ignored;
	struct ulid id;
	struct cid cid;

	*out = NULL;
	if (ulid_parse(c->params[0], &id, &ignored))
		return store_find(store, c->owner, id, c->mem, out, err);
	return !cid_parse(c->params[0], &cid, NULL, &ignored) ||
	       store_find_cid(store, c->owner, cid_slice(&cid), c->mem, out, err);
}

bool psa_get(struct call *c, struct err *err)
{
	struct pin_reply reply = { .call = c };
	const struct owner_pin *row;

	if (!find(c, &row, err) || !pin_reply_delegates(c, &reply.extra, err))
		return false;
	if (!row)
		return reply_error(c, API_NOT_FOUND, "");
	if (row->status != STATUS_PINNED && !pin_reply_look(c, row, &reply.extra, err))
		return false;
	pin_reply_write(&reply, row);
	return reply_json(c, 200);
}

/*
 * How many match the filters, `before` and `after` included: clients stop when they have
 * as many.  Where the search was cut off it is one more than was found, so that they go on.
 */
static bool count(struct call *c, const struct query *q, const struct pin_page *page, size_t *out,
		  struct err *err)
{
	bool cut;

	*out = page->n;
	if (!page->more && !page->cut)
		return true;
	if (page->cut) {
		*out = page->n + 1;
		return true;
	}
	if (!store_count(c->api->options.store, c->owner, &q->filter, COUNT_EXACT, out, &cut, err))
		return false;
	*out += cut;
	if (*out <= page->n) /* changed in between */
		*out = page->n + 1;
	return true;
}

bool psa_list(struct call *c, struct err *err)
{
	struct json_writer w = reply_writer(c);
	struct pin_extra extra = { .view = NULL };
	struct err why = { 0 };
	struct pin_page page;
	struct query q;
	size_t n;

	if (!query_read(c->req->query, QUERY_PSA, c->mem, &q, &why))
		return reply_error(c, API_INVALID, why.text);
	if (!store_list_by_time(c->api->options.store, c->owner, &q.filter, (size_t)q.limit, c->mem,
				&page, err) ||
	    !pin_reply_delegates(c, &extra, err) || !count(c, &q, &page, &n, err))
		return false;
	if (page.cut && page.n == 0)
		return reply_error(c, API_TOO_BROAD, "");
	json_begin_object(&w);
	json_key_u64(&w, "count", n);
	json_key(&w, "results");
	json_begin_array(&w);
	for (size_t i = 0; i < page.n; i++)
		psa_write_status(&w, &page.rows[i], &extra);
	json_end_array(&w);
	json_end_object(&w);
	return reply_json(c, 200);
}
