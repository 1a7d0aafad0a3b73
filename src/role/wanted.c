#include "role/wanted.h"

/* Is the request that replaced `r` there yet? */
static bool look_up(struct store *store, const struct request *r, struct arena *mem,
		    struct replacement *out, struct err *err)
{
	const struct owner_pin *row;

	if (!store_find(store, r->create->owner, r->end->replaced_by, mem, &row, err))
		return false;
	*out = (struct replacement){ .known = true, .ended = !row };
	if (row) {
		out->status = (enum pin_status)row->status;
		if (row->status == STATUS_FAILED)
			out->failing_since = row->changed_at;
	}
	return true;
}

bool row_at_fault(const struct err *err)
{
	return err->code == ERR_CORRUPT || err->code == ERR_INVALID || err->code == ERR_INTERNAL;
}

static void sooner(int64_t *at, int64_t candidate)
{
	if (candidate > 0 && (*at == 0 || candidate < *at))
		*at = candidate;
}

bool wanted_requests(struct store *store, const struct cid_view *view, int64_t now_us,
		     struct arena *mem, struct wanted_request **out, size_t *n,
		     int64_t *pending_until, struct err *err)
{
	struct request *requests;
	size_t n_requests = requests_fold(view->facts, view->n_facts, mem, &requests);
	int64_t pending = 0;

	*out = arena_new_array(mem, struct wanted_request, n_requests);
	*n = 0;
	for (size_t i = 0; i < n_requests; i++) {
		const struct request *r = &requests[i];
		struct replacement replacement = { 0 };
		bool wanted;

		if (r->life == REQUEST_REPLACED && !look_up(store, r, mem, &replacement, err))
			return false;
		wanted = request_wanted(r, &replacement, now_us);
		(*out)[(*n)++] = (struct wanted_request){ .request = r, .wanted = wanted };
		if (r->life == REQUEST_REPLACED && wanted)
			sooner(&pending,
			       replacement.failing_since > 0
				       ? replacement.failing_since + REPLACEMENT_GIVE_UP_US
				       : now_us + REPLACEMENT_LOOK_US);
	}
	if (pending_until)
		*pending_until = pending;
	return true;
}
