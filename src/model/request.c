#include "model/request.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Which end counts if several stand: the owner's word first, then what an expiry found,
 * then replacement; of equals the oldest, so that a later one changes nothing. */
static bool end_outranks(const struct fact *a, const struct fact *b)
{
	static const uint8_t rank[] = {
		[END_BY_OWNER] = 3,
		[END_BY_TTL] = 2,
		[END_BY_REPLACEMENT] = 1,
	};

	if (!b || rank[a->cause] != rank[b->cause])
		return !b || rank[a->cause] > rank[b->cause];
	return a->rev < b->rev;
}

static bool end_counts(const struct fact *end, const struct fact *newest)
{
	return end->cause != END_BY_TTL || end->judged_rev == newest->rev;
}

bool fact_outdone(const struct fact *fact, uint64_t newer)
{
	if (fact->kind == FACT_END)
		return fact->cause == END_BY_TTL && fact->judged_rev < newer;
	return fact->kind == FACT_REVISION && fact->rev < newer;
}

struct request request_fold(const struct fact *facts, size_t n)
{
	struct request r = { .life = REQUEST_ABSENT };

	for (size_t i = 0; i < n; i++) {
		const struct fact *f = &facts[i];

		assert(ulid_cmp(&f->request_id, &facts[0].request_id) == 0);
		r.last_rev = f->rev > r.last_rev ? f->rev : r.last_rev;
		if (f->kind == FACT_CREATE)
			r.create = f;
		else if (f->kind == FACT_REVISION && (!r.revision || f->rev > r.revision->rev))
			r.revision = f;
	}
	if (!r.create || !r.revision) {
		r.create = r.revision = NULL;
		return r;
	}
	for (size_t i = 0; i < n; i++)
		if (facts[i].kind == FACT_END && end_counts(&facts[i], r.revision) &&
		    end_outranks(&facts[i], r.end))
			r.end = &facts[i];
	if (!r.end)
		r.life = REQUEST_LIVE;
	else
		r.life = r.end->cause == END_BY_REPLACEMENT ? REQUEST_REPLACED : REQUEST_ENDED;
	return r;
}

static int request_cmp(const struct fact *a, const struct fact *b)
{
	int c = slice_cmp(a->owner, b->owner);

	return c ? c : ulid_cmp(&a->request_id, &b->request_id);
}

static int fact_cmp(const void *a, const void *b)
{
	const struct fact *x = a, *y = b;
	int c = request_cmp(x, y);

	return c ? c : (x->rev > y->rev) - (x->rev < y->rev);
}

/* The same facts in the order of the store, where they are not already. */
static const struct fact *facts_sort(const struct fact *facts, size_t n, struct arena *mem)
{
	struct fact *sorted;
	size_t i = 1;

	while (i < n && fact_cmp(&facts[i - 1], &facts[i]) <= 0)
		i++;
	if (i >= n)
		return facts;
	sorted = arena_new_array(mem, struct fact, n);
	memcpy(sorted, facts, n * sizeof(*facts));
	qsort(sorted, n, sizeof(*sorted), fact_cmp);
	return sorted;
}

size_t requests_fold(const struct fact *facts, size_t n, struct arena *mem, struct request **out)
{
	struct request *requests;
	size_t count = 0, groups = 0;

	facts = facts_sort(facts, n, mem);
	for (size_t i = 0; i < n; i++)
		groups += i == 0 || request_cmp(&facts[i - 1], &facts[i]) != 0;
	requests = arena_new_array(mem, struct request, groups);
	for (size_t first = 0, end; first < n; first = end) {
		for (end = first + 1; end < n && request_cmp(&facts[first], &facts[end]) == 0;)
			end++;
		requests[count] = request_fold(facts + first, end - first);
		count += requests[count].life != REQUEST_ABSENT;
	}
	*out = requests;
	return count;
}

bool request_wanted(const struct request *r, const struct replacement *replacement, int64_t now_us)
{
	if (r->life != REQUEST_REPLACED)
		return r->life == REQUEST_LIVE;
	if (!replacement || !replacement->known)
		return true;
	if (replacement->ended || replacement->status == STATUS_PINNED ||
	    replacement->status == STATUS_EXPIRING)
		return false;
	return replacement->failing_since == 0 ||
	       now_us - replacement->failing_since < REPLACEMENT_GIVE_UP_US;
}

static bool list_has(struct slice_list list, struct slice item)
{
	for (size_t i = 0; i < list.n; i++)
		if (slice_eq(list.at[i], item))
			return true;
	return false;
}

bool zone_allowed(struct slice_list zones, struct slice_list peer_tags, struct slice zone,
		  struct slice_list tags)
{
	for (size_t i = 0; i < peer_tags.n; i++)
		if (!list_has(tags, peer_tags.at[i]))
			return false;
	return zones.n == 0 || list_has(zones, zone);
}

bool request_allows(const struct request *r, const struct peer_zone *where)
{
	return zone_allowed(r->revision->zones, r->revision->peer_tags, where->zone, where->tags);
}

struct peer_zone peer_zone(struct peer_zones zones, uint32_t peer_no)
{
	size_t low = 0, high = zones.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (zones.at[mid].peer_no == peer_no)
			return zones.at[mid];
		if (zones.at[mid].peer_no < peer_no)
			low = mid + 1;
		else
			high = mid;
	}
	return (struct peer_zone){ .peer_no = peer_no };
}

/* Whether what is known of a copy was told after `r` was made, or tried again. */
static bool told_since(const struct request *r, const struct copy *c)
{
	int64_t made = request_made_at(r->create->created_at, r->revision->rev);

	return copy_told_since(c, r->revision->retry_at > made ? r->revision->retry_at : made);
}

static bool copy_failed(const struct request *r, const struct copy *c, int64_t now_us)
{
	return c->state_gen == c->gen && told_since(r, c) &&
	       (c->attempts >= COPY_FAILED_ATTEMPTS ||
		(c->state == COPY_ERROR && c->failure == FAILURE_DENIED) ||
		(c->failing_since > 0 && now_us - c->failing_since >= COPY_FAILED_US));
}

static bool copy_tried(const struct request *r, const struct copy *c)
{
	return copy_state(c) == COPY_PINNING ||
	       (told_since(r, c) && (c->attempts > 0 || copy_state(c) == COPY_ERROR));
}

struct request_copies request_copies(const struct request *r, const struct copy *copies, size_t n,
				     struct peer_zones zones, int64_t now_us)
{
	struct request_copies count = { 0 };

	for (size_t i = 0; i < n; i++) {
		const struct copy *c = &copies[i];
		const struct peer_zone where = peer_zone(zones, c->peer_no);

		if (c->size > count.size)
			count.size = c->size;
		if (!c->desired || !request_allows(r, &where))
			continue;
		count.desired++;
		/* A direct pin lacks what a recursive request asks for. */
		if (copy_state(c) == COPY_PINNED && c->mode >= r->create->mode)
			count.pinned++;
		else if (copy_failed(r, c, now_us))
			count.failed++;
		else if (copy_tried(r, c))
			count.tried++;
	}
	return count;
}

enum pin_status request_copies_status(const struct request *r, struct request_copies count,
				      int64_t now_us, int64_t expiring_us)
{
	const struct fact *rev = r->revision;
	unsigned enough =
		rev->rf_min == REPLICAS_EVERYWHERE ? count.desired : (unsigned)rev->rf_min;

	assert(r->life != REQUEST_ABSENT);
	if (count.pinned > 0 && count.pinned >= enough)
		return rev->expires_at != 0 && now_us >= rev->expires_at - expiring_us
			       ? STATUS_EXPIRING
			       : STATUS_PINNED;
	if (count.failed > 0 && count.pinned + count.failed == count.desired)
		return STATUS_FAILED;
	return count.pinned + count.failed + count.tried > 0 ? STATUS_PINNING : STATUS_QUEUED;
}

enum pin_status request_status(const struct request *r, const struct copy *copies, size_t n,
			       struct peer_zones zones, int64_t now_us, int64_t expiring_us)
{
	return request_copies_status(r, request_copies(r, copies, n, zones, now_us), now_us,
				     expiring_us);
}

struct fact fact_copy(struct arena *mem, const struct fact *fact)
{
	struct fact f = *fact;

	f.cid = arena_copy(mem, fact->cid);
	f.owner = arena_copy(mem, fact->owner);
	f.origins = slice_list_copy(mem, fact->origins);
	f.allocations = slice_list_copy(mem, fact->allocations);
	f.pin_proto = arena_copy(mem, fact->pin_proto);
	f.name = arena_copy(mem, fact->name);
	f.meta = pair_list_copy(mem, fact->meta);
	f.tags = slice_list_copy(mem, fact->tags);
	f.zones = slice_list_copy(mem, fact->zones);
	f.peer_tags = slice_list_copy(mem, fact->peer_tags);
	f.reason = arena_copy(mem, fact->reason);
	return f;
}
