#include "store/derive.h"

#include <assert.h>

#include "base/clock.h"
#include "model/casefold.h"

void write_list_add(struct write_list *list, struct store_write write)
{
	list->at = arena_grow(list->mem, list->at, list->n, &list->cap, sizeof(*list->at));
	list->at[list->n++] = write;
}

/* ---- the view ---------------------------------------------------------------------- */

static struct slice first_owner(const struct request *requests, size_t n)
{
	const struct request *first = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct request *r = &requests[i];

		if (r->life == REQUEST_ENDED || (first && first->life < r->life))
			continue;
		if (!first || r->life < first->life ||
		    ulid_cmp(&r->create->request_id, &first->create->request_id) < 0)
			first = r;
	}
	return first ? first->create->owner : (struct slice){ NULL, 0 };
}

struct top {
	uint64_t version;
	size_t n; /* parts that have it */
};

static void top_add(struct top *top, uint64_t version)
{
	if (version > top->version)
		*top = (struct top){ version, 1 };
	else if (version == top->version)
		top->n++;
}

static struct top view_top(const struct cid_view *view)
{
	struct top top = { view->floor, 1 };

	for (size_t i = 0; i < view->n_facts; i++)
		top_add(&top, view->facts[i].rev);
	for (size_t i = 0; i < view->n_copies; i++) {
		top_add(&top, view->copies[i].gen);
		top_add(&top, view->copies[i].stamp);
	}
	return top;
}

uint64_t view_version(const struct cid_view *view)
{
	return view_top(view).version;
}

bool view_topped_by(const struct cid_view *view, uint64_t version)
{
	struct top top = view_top(view);

	return top.version == version && top.n == 1;
}

struct folded_view view_fold(const struct cid_view *view, uint32_t bucket, struct arena *mem)
{
	struct folded_view f = { .view = view, .bucket = bucket };

	f.n_requests = requests_fold(view->facts, view->n_facts, mem, &f.requests);
	f.owner = first_owner(f.requests, f.n_requests);
	f.version = view_version(view);
	return f;
}

/* ---- rows -------------------------------------------------------------------------- */

uint32_t period_of(const struct ulid *id)
{
	return (uint32_t)(ulid_ms(id) / (US_PER_DAY / US_PER_MS));
}

struct owner_pin derive_owner_pin(const struct folded_view *view, const struct request *request,
				  const struct derive_now *now, const struct owner_pin *stored)
{
	const struct fact *create = request->create, *rev = request->revision;
	struct request_copies count = request_copies(request, view->view->copies,
						     view->view->n_copies, now->zones, now->now_us);
	enum pin_status status =
		request_copies_status(request, count, now->now_us, now->expiring_us);

	assert(request->life == REQUEST_LIVE);
	return (struct owner_pin){
		.owner = create->owner,
		.period = period_of(&create->request_id),
		.request_id = create->request_id,
		.cid = view->view->cid,
		.cid_base = create->cid_base,
		.mode = create->mode,
		.status = (uint8_t)status,
		.created_at = create->created_at,
		.rev = rev->rev,
		.name = rev->name,
		.meta = rev->meta,
		.tags = rev->tags,
		.origins = create->origins,
		.zones = rev->zones,
		.peer_tags = rev->peer_tags,
		.rf_min = rev->rf_min,
		.rf_max = rev->rf_max,
		.priority = rev->priority,
		.expires_at = rev->expires_at,
		.size = count.size,
		.copies = (uint16_t)count.pinned,
		.changed_at = stored && stored->status == status ? stored->changed_at : now->now_us,
	};
}

static struct slice prefixed(struct arena *mem, const char *prefix, struct slice text)
{
	uint8_t *p = arena_alloc(mem, 2 + text.len);

	memcpy(p, prefix, 2);
	if (text.len > 0)
		memcpy(p + 2, text.ptr, text.len);
	return (struct slice){ p, 2 + text.len };
}

static struct slice_list index_tags(struct slice name, struct slice_list tags, struct arena *mem)
{
	struct slice_list list = { arena_new_array(mem, struct slice, tags.n + 3), 0 };

	for (size_t i = 0; i < tags.n; i++)
		list.at[list.n++] = prefixed(mem, "t:", tags.at[i]);
	if (name.len > 0)
		list.at[list.n++] = prefixed(mem, "n:", casefold(name, mem));
	return list;
}

struct slice_list row_index_tags(const struct owner_pin *row, struct arena *mem)
{
	struct slice_list list = index_tags(row->name, row->tags, mem);

	if (row->status == STATUS_FAILED)
		list.at[list.n++] = SLICE_LIT("s:failed");
	if (row->status == STATUS_EXPIRING)
		list.at[list.n++] = SLICE_LIT("s:expiring");
	return list;
}

bool is_status_tag(struct slice tag)
{
	return slice_eq_str(tag, "s:failed") || slice_eq_str(tag, "s:expiring");
}

struct slice_list fact_index_tags(const struct fact *revision, struct arena *mem)
{
	struct slice_list list = index_tags(revision->name, revision->tags, mem);

	list.at[list.n++] = SLICE_LIT("s:failed");
	list.at[list.n++] = SLICE_LIT("s:expiring");
	return list;
}

struct tag_pin derive_tag(const struct owner_pin *row, struct slice tag)
{
	return (struct tag_pin){
		.owner = row->owner,
		.tag = tag,
		.period = row->period,
		.request_id = row->request_id,
		.cid = row->cid,
	};
}

struct ttl_row derive_ttl(const struct owner_pin *row)
{
	return (struct ttl_row){
		.ttl_bucket = hour_of(row->expires_at),
		.expires_at = row->expires_at,
		.cid = row->cid,
		.owner = row->owner,
		.request_id = row->request_id,
		.rev = row->rev,
	};
}

struct peer_pin derive_peer_pin(const struct folded_view *view, const struct copy *copy)
{
	return (struct peer_pin){
		.peer_no = copy->peer_no,
		.pb = (uint16_t)(view->bucket >> (BUCKET_BITS - 12)),
		.cid = view->view->cid,
		.gen = copy->gen,
		.state = (uint8_t)copy_state(copy),
		.desired = copy->desired,
		.size = copy->size,
	};
}

bool derive_peer_open(const struct folded_view *view, const struct copy *copy,
		      struct peer_open *out)
{
	if (copy->gen == 0 || copy_settled(copy))
		return false;
	*out = (struct peer_open){
		.peer_no = copy->peer_no,
		.cid = view->view->cid,
		.gen = copy->gen,
		.desired = copy->desired,
		.mode = copy->mode,
		.priority = copy->priority,
		.owner = view->owner,
		.stamp = copy->stamp,
		.attempts = copy->attempts,
		.next_at = copy->next_at,
		.since = copy->assigned_at,
	};
	return true;
}

/* ---- differences --------------------------------------------------------------------- */

static void write_row(const struct derivation *d, enum table table, enum write_kind kind,
		      const void *row)
{
	size_t size = table_schema(table)->row_size;
	void *kept = arena_alloc(d->out->mem, size);

	memcpy(kept, row, size);
	write_list_add(d->out, (struct store_write){ .table = table,
						     .kind = kind,
						     .version = kind == WRITE_ADD ? 0 : d->version,
						     .row = kept });
}

static bool has(struct slice_list list, struct slice item)
{
	for (size_t i = 0; i < list.n; i++)
		if (slice_eq(list.at[i], item))
			return true;
	return false;
}

static void part_write(const struct derivation *d, const struct owner_pin *row, struct slice index)
{
	struct owner_part part = { .owner = row->owner, .index = index, .period = row->period };

	if (d->cluster)
		write_row(d, TABLE_OWNER_PARTS, WRITE_PUT, &part);
}

static void tag_writes(const struct derivation *d, const struct owner_pin *any,
		       struct slice_list was, struct slice_list is)
{
	for (size_t i = 0; i < was.n; i++)
		if (!has(is, was.at[i])) {
			struct tag_pin row = derive_tag(any, was.at[i]);

			write_row(d, TABLE_TAGS_INDEX, WRITE_DELETE, &row);
		}
	for (size_t i = 0; i < is.n; i++)
		if (d->cluster || !has(was, is.at[i])) {
			struct tag_pin row = derive_tag(any, is.at[i]);

			part_write(d, any, is.at[i]);
			write_row(d, TABLE_TAGS_INDEX, WRITE_PUT, &row);
		}
}

/* A row is written once, at the version of its revision. */
static void ttl_write(const struct derivation *d, enum write_kind kind, const struct owner_pin *pin)
{
	struct derivation once = *d;
	struct ttl_row row = derive_ttl(pin);

	once.version = pin->rev;
	write_row(&once, TABLE_PIN_TTL_QUEUE, kind, &row);
}

static void ttl_writes(const struct derivation *d, const struct owner_pin *was,
		       const struct owner_pin *is)
{
	bool same = was && is && was->expires_at == is->expires_at && was->rev == is->rev;

	if (!d->cluster && was && was->expires_at != 0 && !same)
		ttl_write(d, WRITE_DELETE, was);
	if (is && is->expires_at != 0 && (d->cluster || !same))
		ttl_write(d, WRITE_PUT, is);
}

static void total_write(const struct derivation *d, const struct owner_pin *of, int64_t pins,
			int64_t bytes)
{
	struct owner_total total = { .owner = of->owner,
				     .writer = d->writer,
				     .status = of->status,
				     .pins = pins,
				     .bytes = bytes };

	if (pins != 0 || bytes != 0)
		write_row(d, TABLE_OWNER_TOTALS, WRITE_ADD, &total);
}

static void total_writes(const struct derivation *d, const struct owner_pin *was,
			 const struct owner_pin *is)
{
	if (was && is && was->status == is->status) {
		total_write(d, is, 0, (int64_t)(is->size - was->size));
		return;
	}
	if (was)
		total_write(d, was, -1, (int64_t)(0 - was->size));
	if (is)
		total_write(d, is, 1, (int64_t)is->size);
}

void derive_pin_writes(const struct derivation *d, const struct owner_pin *was,
		       struct slice_list was_tags, const struct owner_pin *is)
{
	struct slice_list none = { NULL, 0 };

	assert(was || is);
	if (was && is && !d->cluster && row_eq(TABLE_OWNER_PINS, was, is))
		return;
	total_writes(d, was, is);
	if (is) {
		part_write(d, is, SLICE_LIT(""));
		write_row(d, TABLE_OWNER_PINS, WRITE_PUT, is);
	} else {
		write_row(d, TABLE_OWNER_PINS, WRITE_DELETE, was);
	}
	tag_writes(d, is ? is : was, was_tags, is ? row_index_tags(is, d->out->mem) : none);
	ttl_writes(d, was, is);
}

void derive_gone_writes(const struct derivation *d, const struct owner_pin *was,
			const struct owner_pin *key, struct slice_list tags)
{
	total_writes(d, was, NULL);
	write_row(d, TABLE_OWNER_PINS, WRITE_DELETE, key);
	tag_writes(d, key, tags, (struct slice_list){ NULL, 0 });
}

static const struct copy *copy_of_peer(const struct cid_view *view, uint32_t peer_no)
{
	for (size_t i = 0; i < view->n_copies; i++)
		if (view->copies[i].peer_no == peer_no)
			return &view->copies[i];
	return NULL;
}

static void peer_open_writes(const struct derivation *d, const struct folded_view *was,
			     const struct copy *before, const struct folded_view *is,
			     const struct copy *copy)
{
	struct peer_open old, new;
	bool stored = before && derive_peer_open(was, before, &old);
	bool open = copy && derive_peer_open(is, copy, &new);

	if (open) {
		if (d->cluster || !stored || !row_eq(TABLE_PEER_OPEN, &old, &new))
			write_row(d, TABLE_PEER_OPEN, WRITE_PUT, &new);
	} else if (stored || d->cluster) {
		const struct copy *c = copy ? copy : before;

		new = (struct peer_open){ .peer_no = c->peer_no, .cid = is->view->cid };
		write_row(d, TABLE_PEER_OPEN, WRITE_DELETE, &new);
	}
}

static void peer_pin_writes(const struct derivation *d, const struct folded_view *was,
			    const struct copy *before, const struct folded_view *is,
			    const struct copy *copy)
{
	bool stored = before && before->gen > 0, held = copy && copy->gen > 0;
	struct peer_pin old = { 0 }, new;

	if (stored)
		old = derive_peer_pin(was, before);
	if (held) {
		new = derive_peer_pin(is, copy);
		if (d->cluster || !stored || !row_eq(TABLE_PINS_BY_PEER, &old, &new))
			write_row(d, TABLE_PINS_BY_PEER, WRITE_PUT, &new);
	} else if (stored) {
		write_row(d, TABLE_PINS_BY_PEER, WRITE_DELETE, &old);
	}
}

void derive_copy_writes(const struct derivation *d, const struct folded_view *was,
			const struct folded_view *is)
{
	for (size_t i = 0; i < is->view->n_copies; i++) {
		const struct copy *copy = &is->view->copies[i];
		const struct copy *before = copy_of_peer(was->view, copy->peer_no);

		peer_pin_writes(d, was, before, is, copy);
		peer_open_writes(d, was, before, is, copy);
	}
	for (size_t i = 0; i < was->view->n_copies; i++) {
		const struct copy *before = &was->view->copies[i];

		if (copy_of_peer(is->view, before->peer_no))
			continue;
		peer_pin_writes(d, was, before, is, NULL);
		peer_open_writes(d, was, before, is, NULL);
	}
}
