#include "role/shortage.h"

#include "model/version.h"
#include "reconcile/reserve.h"
#include "role/wanted.h"

static const struct wanted_request *find(const struct wanted_request *requests, size_t n,
					 const struct ulid *id)
{
	for (size_t i = 0; i < n; i++)
		if (requests[i].wanted &&
		    ulid_cmp(&requests[i].request->create->request_id, id) == 0)
			return &requests[i];
	return NULL;
}

/* Of what would be written. */
static uint64_t next_gen(const struct replan_options *options, const struct cid_view *view,
			 int64_t now_us)
{
	uint64_t seen = 0;

	for (size_t i = 0; i < view->n_copies; i++)
		if (copy_version(&view->copies[i]) > seen)
			seen = copy_version(&view->copies[i]);
	return version_next(seen, now_us, options->instance);
}

static void tell(const struct reconcile_plan *plan, const struct peers *peers, struct arena *mem,
		 struct shortage *out)
{
	struct left_out *list = arena_new_array(mem, struct left_out, peers->n);

	out->missing = plan->missing;
	out->peers = list;
	for (size_t i = 0; plan->missing > 0 && i < peers->n; i++) {
		enum place_refusal why = plan->refusals[i];

		if (why != PLACE_OK && why != PLACE_NOT_NEEDED && why != PLACE_REMOVED)
			list[out->n++] = (struct left_out){ peers->at[i].peer_id, why };
	}
}

bool shortage_find(const struct replan_options *options, const struct cid_view *view,
		   const struct ulid *id, struct arena *mem, struct shortage *out, struct err *err)
{
	int64_t now_us = clock_wall_us(options->clock);
	const struct wanted_request *request;
	struct wanted_request *requests;
	struct reconcile_view what;
	struct reconcile_plan plan;
	struct peers peers;
	size_t n;

	*out = (struct shortage){ 0 };
	if (!wanted_requests(options->store, view, now_us, mem, &requests, &n, NULL, err))
		return false;
	request = find(requests, n, id);
	if (!request)
		return true;
	if (!peers_load(options->store, options->watch, mem, &peers, err))
		return false;
	what = (struct reconcile_view){
		.now_us = now_us,
		.seed = store_bucket(options->store, view->cid),
		.requests = request,
		.n_requests = 1,
		.copies = view->copies,
		.n_copies = view->n_copies,
		.peers = peers.at,
		.n_peers = peers.n,
		.next_gen = next_gen(options, view, now_us),
		.usual_size = RESERVE_USUAL,
	};
	plan = reconcile_step(&what, &options->policy->reconcile, mem);
	tell(&plan, &peers, mem, out);
	return true;
}
