#include "role/walk.h"

#include <sys/queue.h>

#include "base/alloc.h"
#include "base/log.h"
#include "role/batch.h"
#include "role/wanted.h"

struct walk_at {
	unsigned pb;
	struct cid cid; /* behind this one */
	bool singly;    /* bucket by bucket: one of them cannot be read */
};

struct walk {
	TAILQ_ENTRY(walk) turn;
	uint32_t peer_no;
	struct walk_at at;
};

TAILQ_HEAD(walk_list, walk);

struct walks {
	struct store *store;
	struct replanner *replanner;
	size_t batch_max;
	struct walk_list list; /* the first is next */
	unsigned n;
};

struct walks *walks_new(struct store *store, struct replanner *replanner, size_t batch_max)
{
	struct walks *w = xcalloc(1, sizeof(*w));

	w->store = store;
	w->replanner = replanner;
	w->batch_max = batch_max;
	TAILQ_INIT(&w->list);
	return w;
}

static void end(struct walks *walks, struct walk *w)
{
	TAILQ_REMOVE(&walks->list, w, turn);
	walks->n--;
	xfree(w);
}

void walks_free(struct walks *walks)
{
	if (!walks)
		return;
	while (!TAILQ_EMPTY(&walks->list))
		end(walks, TAILQ_FIRST(&walks->list));
	xfree(walks);
}

void walks_start(struct walks *walks, uint32_t peer_no)
{
	struct walk *w;

	TAILQ_FOREACH(w, &walks->list, turn)
	{
		if (w->peer_no == peer_no)
			break;
	}
	if (!w) {
		w = xcalloc(1, sizeof(*w));
		w->peer_no = peer_no;
		TAILQ_INSERT_TAIL(&walks->list, w, turn);
		walks->n++;
	}
	w->at = (struct walk_at){ 0 };
}

unsigned walks_count(const struct walks *walks)
{
	return walks->n;
}

/* Collects the CIDs behind *at and moves it on. */
static bool collect(struct walks *walks, uint32_t peer_no, struct walk_at *at, struct batch *batch,
		    struct arena *mem, struct err *err)
{
	size_t n, total;

	for (total = 0; total < walks->batch_max && at->pb < PEER_PIN_BUCKETS; total += n) {
		unsigned last_pb = at->singly ? at->pb : PEER_PIN_BUCKETS - 1;
		struct peer_pin *rows;

		n = 0;
		if (!store_peer_pins(walks->store, peer_no, (uint16_t)at->pb, (uint16_t)last_pb,
				     cid_slice(&at->cid), walks->batch_max, mem, &rows, &n, err)) {
			if (!row_at_fault(err))
				return false;
			if (!at->singly) {
				at->singly = true;
				continue;
			}
			log_err(LOG_ERROR, err, "a bucket of a peer's pins is passed over");
			n = 0;
		}
		for (size_t i = 0; i < n; i++)
			batch_add(batch, rows[i].cid);
		if (n == walks->batch_max) {
			at->pb = rows[n - 1].pb;
			at->cid.len = (uint8_t)rows[n - 1].cid.len;
			memcpy(at->cid.bytes, rows[n - 1].cid.ptr, at->cid.len);
		} else {
			at->pb = last_pb + 1;
			at->cid.len = 0;
		}
	}
	return true;
}

bool walks_step(struct walks *walks, struct arena *mem, struct err *err)
{
	struct walk *w = TAILQ_FIRST(&walks->list);
	struct batch *batch = batch_new(mem);
	const struct replan_item *items;
	struct walk_at at;
	size_t n;

	if (!w)
		return true;
	TAILQ_REMOVE(&walks->list, w, turn);
	TAILQ_INSERT_TAIL(&walks->list, w, turn);
	at = w->at;
	if (!collect(walks, w->peer_no, &at, batch, mem, err))
		return false;
	items = batch_items(batch, &n);
	if (!replan(walks->replanner, items, n, err))
		return false;
	w->at = at;
	if (w->at.pb == PEER_PIN_BUCKETS)
		end(walks, w);
	return true;
}
