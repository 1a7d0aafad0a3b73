#include "role/bury.h"

static bool of_request(const struct fact *fact, const struct request *r)
{
	return slice_eq(fact->owner, r->create->owner) &&
	       ulid_cmp(&fact->request_id, &r->create->request_id) == 0;
}

/* Of the facts of one request: all if it is over, else those that a revision from before
 * `before` outdid. */
static void bury_request(const struct fact *facts, size_t n, bool over, uint64_t before,
			 struct fact *buried, size_t *n_buried)
{
	uint64_t newer = 0;

	for (size_t i = 0; i < n; i++)
		if (facts[i].kind == FACT_REVISION && facts[i].rev < before && facts[i].rev > newer)
			newer = facts[i].rev;
	for (size_t i = 0; i < n; i++)
		if (over || fact_outdone(&facts[i], newer))
			buried[(*n_buried)++] = facts[i];
}

/* Facts and requests come in one order. */
void bury(const struct cid_view *view, const struct wanted_request *requests, size_t n,
	  bool ends_are_told, uint64_t before, struct arena *mem, struct cid_change *out)
{
	struct fact *buried = arena_new_array(mem, struct fact, view->n_facts);
	size_t first = 0, end;

	for (size_t i = 0; i < n; i++, first = end) {
		const struct request *r = requests[i].request;
		bool over = ends_are_told && !requests[i].wanted && r->last_rev < before;

		while (!of_request(&view->facts[first], r))
			first++; /* of one whose creation has not come */
		for (end = first; end < view->n_facts && of_request(&view->facts[end], r);)
			end++;
		bury_request(&view->facts[first], end - first, over, before, buried, &out->n_bury);
	}
	out->bury = buried;
}
