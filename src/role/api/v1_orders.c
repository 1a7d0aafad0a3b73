/* v1_orders.c -- what an operator orders: a rebalance, a collection on a node. */
#include "role/api/call.h"
#include "role/api/v1_peer_find.h"

#define PREVIEW_US (10 * US_PER_S) /* a dry run answers within so long, whole or not */

struct rebalance_in {
	bool dry_run, force;
};

#define AT(member) .offset = offsetof(struct rebalance_in, member)

static const struct json_field rebalance_fields[] = {
	{ "dry_run", JSON_FLAG, AT(dry_run) },
	{ "force", JSON_FLAG, AT(force) },
};

bool v1_rebalance(struct call *c, struct err *err)
{
	const struct api_options *o = &c->api->options;
	CLEANUP(json_doc_free) struct json_doc *doc = call_json(c);
	struct rebalance_in in = { 0 };
	struct rebalance_preview preview = { 0 };
	struct json_writer w = reply_writer(c);
	struct err why = { 0 };
	uint64_t given;

	if (!doc)
		return true;
	if (!json_fields(json_root(doc), "", rebalance_fields, ARRAY_LEN(rebalance_fields),
			 JSON_UNKNOWN_REFUSED, &in, &given, &why))
		return reply_error(c, API_INVALID, why.text);
	if (!o->orders.rebalance)
		return reply_error(c, API_UNAVAILABLE, "no reconciler runs in this process");
	if (!o->orders.rebalance(o->orders.ctx, in.dry_run, in.force, PREVIEW_US, &preview, err))
		return false;
	json_begin_object(&w);
	json_key_bool(&w, "ordered", !in.dry_run);
	if (in.dry_run) {
		json_key_u64(&w, "cids", preview.cids);
		json_key_u64(&w, "moves", preview.moves);
		json_key_bool(&w, "complete", preview.whole);
	}
	json_end_object(&w);
	return reply_json(c, in.dry_run ? 200 : 202);
}

bool v1_gc_peer(struct call *c, struct err *err)
{
	const struct api_options *o = &c->api->options;
	struct peer_row *row;

	if (!v1_peer_find(c, &row, err))
		return false;
	if (!row)
		return true;
	if (!o->orders.collect)
		return reply_error(c, API_UNAVAILABLE, "no worker runs in this process");
	switch (o->orders.collect(o->orders.ctx, row->peer_no)) {
	case WORKER_GC_ORDERED:
		return reply_empty(c, 202);
	case WORKER_GC_BUSY:
		return reply_error(
			c, API_CONFLICT,
			"a collection is running or ordered on some node: one at a time");
	case WORKER_GC_NO_PEER:
		break;
	}
	return reply_error(c, API_CONFLICT,
			   "the peer's node does not answer, or another worker has it");
}
