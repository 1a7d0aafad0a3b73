/* /v1/drift: what differs from what is desired. */
#include "role/api/settings.h"
#include "role/api/v1_peer_find.h"

#define DRIFT_LOOK  100000 /* copies of one peer that are counted */
#define DRIFT_PIECE 1000

struct drift {
	uint64_t missing, surplus;
	bool complete;
	struct buf copies; /* of the JSON array, up to `left` of them */
	int64_t left;
};

static void write_open(struct json_writer *w, const struct peer_row *peer,
		       const struct peer_open *row)
{
	char text[CID_TEXT_MAX];
	struct err ignored;
	struct cid cid;

	if (!cid_decode(row->cid, &cid, &ignored))
		return;
	json_begin_object(w);
	json_key_str(w, "cid", SLICE_OF(text, cid_text(&cid, 0, text)));
	json_key_str(w, "peer", peer->peer_id);
	json_key_cstr(w, "op", row->desired ? "pin" : "unpin");
	json_key_u64(w, "attempts", row->attempts);
	json_key_time_if(w, "since", row->since);
	json_key_time_if(w, "next_retry", row->next_at);
	json_end_object(w);
}

static bool look_peer(struct call *c, const struct peer_row *peer, struct json_writer *list,
		      struct drift *total, struct json_writer *w, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	__attribute__((cleanup(buf_free_at_scope_end))) struct buf after = { 0 };
	uint64_t missing = 0, surplus = 0, looked = 0;
	struct peer_open *rows;
	size_t n;

	do {
		arena_reset(mem);
		if (!call_wanted(c))
			return err_set(err, ERR_CANCELED, "nobody waits for it");
		if (!store_open_copies(c->api->options.store, peer->peer_no, buf_slice(&after),
				       DRIFT_PIECE, mem, &rows, &n, err))
			return false;
		for (size_t i = 0; i < n; i++) {
			missing += rows[i].desired;
			surplus += !rows[i].desired;
			if (total->left > 0) {
				total->left--;
				write_open(list, peer, &rows[i]);
			}
		}
		looked += n;
		after.len = 0;
		if (n > 0)
			buf_add_slice(&after, rows[n - 1].cid);
	} while (n == DRIFT_PIECE && looked < DRIFT_LOOK);
	total->complete = total->complete && n < DRIFT_PIECE;
	total->missing += missing;
	total->surplus += surplus;
	json_begin_object(w);
	json_key_str(w, "peer", peer->peer_id);
	json_key_u64(w, "missing", missing);
	json_key_u64(w, "surplus", surplus);
	v1_write_strays(c, w, peer->peer_no);
	json_end_object(w);
	return true;
}

static bool look_all(struct call *c, struct drift *total, struct err *err)
{
	const struct api_orders *o = &c->api->options.orders;
	struct json_writer w = reply_writer(c), list = json_writer(&total->copies);
	struct peer_row *peers;
	size_t n;

	if (!store_peers(c->api->options.store, c->mem, &peers, &n, err))
		return false;
	json_begin_array(&list);
	json_begin_object(&w);
	json_key(&w, "peers");
	json_begin_array(&w);
	for (size_t i = 0; i < n; i++) {
		if (!look_peer(c, &peers[i], &list, total, &w, err))
			return false;
	}
	json_end_array(&w);
	json_end_array(&list);
	json_key_u64(&w, "missing", total->missing);
	json_key_u64(&w, "surplus", total->surplus);
	if (o->held_back)
		json_key_u64(&w, "held_back", o->held_back(o->ctx));
	json_key_bool(&w, "complete", total->complete);
	json_key(&w, "copies");
	json_raw(&w, buf_slice(&total->copies));
	json_end_object(&w);
	return true;
}

bool v1_drift(struct call *c, struct err *err)
{
	struct drift total = { .complete = true };
	struct query q;
	bool ok;

	if (!page_read(c, &q))
		return true;
	if (atomic_exchange(&c->api->drifting, true))
		return reply_error(c, API_CONFLICT, "somebody looks for drift: one at a time");
	total.left = q.limit;
	ok = look_all(c, &total, err);
	atomic_store(&c->api->drifting, false);
	buf_free(&total.copies);
	return ok && reply_json(c, 200);
}
