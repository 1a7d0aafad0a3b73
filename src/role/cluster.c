#include "role/cluster.h"

#include "base/alloc.h"
#include "base/log.h"
#include "model/version.h"
#include "role/deny.h"
#include "role/restored.h"
#include "role/wanted.h"

struct cluster {
	struct store *store;
	struct clock *clock;
	struct peer_watch *watch;
	unsigned instance;
};

struct cluster *cluster_new(struct store *store, struct clock *clock, struct peer_watch *watch,
			    unsigned instance)
{
	struct cluster *c = xcalloc(1, sizeof(*c));

	*c = (struct cluster){
		.store = store, .clock = clock, .watch = watch, .instance = instance
	};
	return c;
}

void cluster_free(struct cluster *cluster)
{
	xfree(cluster);
}

bool cluster_join(struct cluster *cluster, struct slice peer_id, uint32_t *peer_no, struct err *err)
{
	return store_peer_no(cluster->store, peer_id, peer_no, err);
}

/* The row of one peer, or NULL. */
static bool find_row(struct cluster *c, uint32_t peer_no, struct arena *mem,
		     const struct peer_row **out, struct err *err)
{
	struct peer_row *rows;
	size_t n;

	*out = NULL;
	if (!store_peers(c->store, mem, &rows, &n, err))
		return false;
	peer_watch_see(c->watch, rows, n); /* each worker comes here again and again */
	for (size_t i = 0; i < n; i++)
		if (rows[i].peer_no == peer_no)
			*out = &rows[i];
	return true;
}

bool cluster_report(struct cluster *cluster, const struct peer_report *report, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	int64_t now = clock_wall_us(cluster->clock);
	const struct peer_row *old;
	struct peer_row row;

	if (!find_row(cluster, report->peer_no, mem, &old, err))
		return false;
	row = (struct peer_row){
		.peer_no = report->peer_no,
		.report_version =
			version_next(old ? old->report_version : 0, now, cluster->instance),
		.addresses = report->addresses,
		.url = report->url,
		.agent = report->agent,
		.free_bytes = report->free_bytes,
		.used_bytes = report->used_bytes,
		.capacity_bytes = report->capacity_bytes,
		.last_seen = report->last_seen,
		.compared_at = report->compared_at,
		.down_reason = report->down_reason,
	};
	return store_peer_report(cluster->store, &row, err);
}

bool cluster_introduce(struct cluster *cluster, uint32_t peer_no, struct slice zone,
		       struct slice_list tags, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct peer_row *old;
	struct peer_row row;

	if (!find_row(cluster, peer_no, mem, &old, err))
		return false;
	if (old && old->wish_version > 0)
		return true; /* the operator's word stands */
	row = (struct peer_row){
		.peer_no = peer_no,
		.wish_version = version_next(0, clock_wall_us(cluster->clock), cluster->instance),
		.zone = zone,
		.tags = tags,
		.wish = PEER_ACTIVE,
	};
	return store_peer_wish(cluster->store, &row, err);
}

static void add_origins(const struct request *r, struct slice_list *out)
{
	const struct slice_list *from = &r->create->origins;

	for (size_t k = 0; k < from->n && out->n < PIN_ORIGINS_MAX; k++) {
		size_t seen = 0;

		while (seen < out->n && !slice_eq(out->at[seen], from->at[k]))
			seen++;
		if (seen == out->n)
			out->at[out->n++] = from->at[k];
	}
}

struct bus_msg assignment(const struct copy *copy, struct slice cid, const struct request *requests,
			  size_t n, struct arena *mem)
{
	struct bus_msg msg = {
		.topic = BUS_PIN_ASSIGN, .cid = cid, .peer_no = copy->peer_no, .copy = *copy
	};

	if (!copy->desired)
		return msg;
	msg.origins.at = arena_new_array(mem, struct slice, PIN_ORIGINS_MAX);
	for (size_t i = 0; i < n; i++) {
		if (requests[i].life == REQUEST_ENDED)
			continue;
		add_origins(&requests[i], &msg.origins);
		if (requests[i].create->created_at > msg.asked_at)
			msg.asked_at = requests[i].create->created_at;
		if (msg.owner.len == 0)
			msg.owner = requests[i].create->owner;
	}
	return msg;
}

bool cluster_assignment(struct cluster *cluster, struct slice cid, uint32_t peer_no,
			struct arena *mem, struct bus_msg *out, bool *found, struct err *err)
{
	struct request *requests;
	struct cid_view view;
	size_t n;

	*found = false;
	if (!store_view(cluster->store, cid, mem, &view, err))
		return false;
	n = requests_fold(view.facts, view.n_facts, mem, &requests);
	for (size_t i = 0; i < view.n_copies; i++) {
		if (view.copies[i].peer_no != peer_no)
			continue;
		*out = assignment(&view.copies[i], view.cid, requests, n, mem);
		*found = true;
	}
	return true;
}

bool cluster_sync(struct cluster *cluster, uint32_t peer_no, struct slice after, size_t limit,
		  struct arena *mem, struct bus_msg **out, size_t *n, struct err *err)
{
	struct peer_open *rows;

	if (!store_open_copies(cluster->store, peer_no, after, limit, mem, &rows, n, err))
		return false;
	*out = arena_new_array(mem, struct bus_msg, *n);
	for (size_t i = 0; i < *n; i++) {
		bool found;

		/* The row tells that there is work; what it is, the truth tells. */
		(*out)[i] = (struct bus_msg){ .topic = BUS_PIN_ASSIGN, .cid = rows[i].cid };
		if (cluster_assignment(cluster, rows[i].cid, peer_no, mem, &(*out)[i], &found, err))
			continue;
		if (!row_at_fault(err))
			return false;
		log_err(LOG_ERROR, err, "an assignment is passed over");
	}
	return true;
}

bool cluster_owner_bound(struct cluster *cluster, struct slice owner, unsigned *out,
			 struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct owner_row key = { .owner = owner }, *found;
	const void *row;

	if (!store_row(cluster->store, TABLE_OWNERS, &key, mem, &row, err))
		return false;
	found = row;
	*out = found ? found->max_fetches : 0;
	return true;
}

#define NEIGHBOURS_MAX 32

bool cluster_neighbours(struct cluster *cluster, uint32_t peer_no, struct arena *mem,
			struct slice_list *out, struct err *err)
{
	struct peer_row *rows;
	size_t n;

	if (!store_peers(cluster->store, mem, &rows, &n, err))
		return false;
	*out = (struct slice_list){ .at = arena_new_array(mem, struct slice, NEIGHBOURS_MAX) };
	for (size_t i = 0; i < n && out->n < NEIGHBOURS_MAX; i++)
		if (rows[i].peer_no != peer_no && rows[i].addresses.n > 0 &&
		    rows[i].down_reason.len == 0)
			out->at[out->n++] = rows[i].addresses.at[0];
	return true;
}

bool cluster_holdings(struct cluster *cluster, uint32_t peer_no, uint16_t pb, uint16_t last_pb,
		      struct slice after, size_t limit, struct arena *mem, struct peer_pin **out,
		      size_t *n, struct err *err)
{
	return store_peer_pins(cluster->store, peer_no, pb, last_pb, after, limit, mem, out, n,
			       err);
}

bool cluster_denied(struct cluster *cluster, const struct cid *cid, struct arena *mem,
		    const struct deny **out, struct err *err)
{
	return deny_find(cluster->store, cid, mem, out, err);
}

bool cluster_deny_changes(struct cluster *cluster, uint64_t *n, struct err *err)
{
	return deny_changes(cluster->store, n, err);
}

static bool answers(const struct peers *peers, uint32_t peer_no)
{
	for (size_t i = 0; i < peers->n; i++)
		if (peers->at[i].peer_no == peer_no)
			return peers->at[i].health == HEALTH_UP;
	return false;
}

/* Would the request have too few pinned copies without the one on `peer_no`?  What lies on a peer
 * that is silent may be gone with it. */
static bool needs_copy(const struct request *r, const struct cid_view *view, uint32_t peer_no,
		       const struct peers *peers, struct peer_zones zones, int64_t now_us,
		       struct arena *mem)
{
	const struct peer_zone where = peer_zone(zones, peer_no);
	struct copy *others = arena_new_array(mem, struct copy, view->n_copies);
	int32_t need = r->revision->rf_min == REPLICAS_EVERYWHERE ? 1 : r->revision->rf_min;
	size_t n = 0;

	if (!request_allows(r, &where))
		return false; /* it cannot count on this copy */
	for (size_t i = 0; i < view->n_copies; i++)
		if (view->copies[i].peer_no != peer_no && answers(peers, view->copies[i].peer_no))
			others[n++] = view->copies[i];
	return request_copies(r, others, n, zones, now_us).pinned < (unsigned)need;
}

bool cluster_still_wanted(struct cluster *cluster, struct slice cid, uint32_t peer_no, bool *wanted,
			  struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	int64_t now = clock_wall_us(cluster->clock);
	struct peer_zones zones = store_zones(cluster->store, mem);
	struct wanted_request *requests;
	struct cid_view view;
	struct peers peers;
	int64_t restored;
	size_t n;

	if (!restored_at(cluster->store, &restored, err) ||
	    !peers_load(cluster->store, cluster->watch, mem, &peers, err) ||
	    !store_view(cluster->store, cid, mem, &view, err) ||
	    !wanted_requests(cluster->store, &view, now, mem, &requests, &n, NULL, err))
		return false;
	*wanted = false;
	for (size_t i = 0; i < view.n_copies; i++)
		*wanted |= view.copies[i].peer_no == peer_no &&
			   (view.copies[i].desired || view.copies[i].gen < (uint64_t)restored);
	/* The order to remove was given because no request wanted the copy, or because enough
	 * others were pinned.  Enough others have to be there still. */
	for (size_t i = 0; i < n && !*wanted; i++)
		*wanted = requests[i].wanted &&
			  needs_copy(requests[i].request, &view, peer_no, &peers, zones, now, mem);
	if (*wanted)
		return true;
	/* "Not wanted" is about to be acted on: it has to outlive a crash. */
	return store_sync(cluster->store, store_mark(cluster->store), err);
}
