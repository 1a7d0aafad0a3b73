#include "store/handle.h"

void view_add_fact(struct view_builder *b, const struct fact *fact)
{
	b->facts = arena_grow(b->mem, b->facts, b->n_facts, &b->cap_facts, sizeof(*b->facts));
	b->facts[b->n_facts++] = fact_copy(b->mem, fact);
}

void view_add_copy(struct view_builder *b, const struct copy *copy)
{
	struct copy *c;

	b->copies = arena_grow(b->mem, b->copies, b->n_copies, &b->cap_copies, sizeof(*b->copies));
	c = &b->copies[b->n_copies++];
	*c = *copy;
	c->error = arena_copy(b->mem, copy->error);
}

static bool on_fact(void *ctx, const void *row)
{
	view_add_fact(ctx, &((const struct fact_row *)row)->fact);
	return true;
}

static bool on_copy(void *ctx, const void *row)
{
	view_add_copy(ctx, &((const struct copy_row *)row)->copy);
	return true;
}

bool view_add_facts(struct store *store, struct slice cid, uint32_t bucket, struct slice owner,
		    struct view_builder *b, struct err *err)
{
	struct fact_row key = { .bucket = bucket, .fact = { .cid = cid, .owner = owner } };
	struct store_query query = { .table = TABLE_PINS_BY_CID,
				     .equal = &key,
				     .n_equal = owner.len > 0 ? 4 : 3 };

	return store_read(store, &query, on_fact, b, err);
}

static bool read_copies(struct store *store, struct slice cid, uint32_t bucket,
			struct view_builder *b, struct err *err)
{
	struct copy_row key = { .bucket = bucket, .cid = cid };

	return store_read(store,
			  &(struct store_query){
				  .table = TABLE_PLACEMENTS_BY_CID, .equal = &key, .n_equal = 2 },
			  on_copy, b, err);
}

void view_take_floor(struct cid_view *view)
{
	if (view->n_copies == 0 || view->copies[0].peer_no != PEER_FLOOR)
		return;
	view->floor = view->copies[0].gen;
	view->copies++;
	view->n_copies--;
}

bool view_read(struct store *store, struct slice cid, uint32_t bucket, struct arena *mem,
	       struct cid_view *out, struct err *err)
{
	struct view_builder b = { .mem = mem };
	struct slice all = { NULL, 0 };

	if (!view_add_facts(store, cid, bucket, all, &b, err) ||
	    !read_copies(store, cid, bucket, &b, err))
		return false;
	*out = (struct cid_view){ .cid = cid,
				  .facts = b.facts,
				  .n_facts = b.n_facts,
				  .copies = b.copies,
				  .n_copies = b.n_copies };
	view_take_floor(out);
	return true;
}

bool view_read_copies(struct store *store, struct slice cid, uint32_t bucket, struct arena *mem,
		      struct cid_view *out, struct err *err)
{
	struct view_builder b = { .mem = mem };

	if (!read_copies(store, cid, bucket, &b, err))
		return false;
	*out = (struct cid_view){ .cid = cid, .copies = b.copies, .n_copies = b.n_copies };
	view_take_floor(out);
	return true;
}

/* ---- a change, applied --------------------------------------------------------------- */

static int fact_key_cmp(const struct fact *a, const struct fact *b)
{
	int c = slice_cmp(a->owner, b->owner);

	c = c ? c : ulid_cmp(&a->request_id, &b->request_id);
	return c ? c : (a->rev > b->rev) - (a->rev < b->rev);
}

/* Where `key` is or would be. */
static size_t fact_place(const struct fact *facts, size_t n, const struct fact *key, bool *there)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (fact_key_cmp(&facts[mid], key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*there = low < n && fact_key_cmp(&facts[low], key) == 0;
	return low;
}

static void apply_facts(struct cid_view *view, struct cid_change *change, struct arena *mem)
{
	size_t n = view->n_facts, n_new = 0, at;
	struct fact *all = arena_new_array(mem, struct fact, n + change->n_facts);
	struct fact *fresh = arena_new_array(mem, struct fact, change->n_facts);
	struct fact *buried = arena_new_array(mem, struct fact, change->n_bury);
	size_t n_buried = 0;
	bool there;

	if (n > 0)
		memcpy(all, view->facts, n * sizeof(*all));
	for (size_t i = 0; i < change->n_facts; i++) {
		struct fact f = change->facts[i];

		f.cid = view->cid;
		at = fact_place(all, n, &f, &there);
		if (there)
			continue;
		memmove(all + at + 1, all + at, (n - at) * sizeof(*all));
		all[at] = fresh[n_new++] = f;
		n++;
	}
	for (size_t i = 0; i < change->n_bury; i++) {
		at = fact_place(all, n, &change->bury[i], &there);
		if (!there)
			continue;
		memmove(all + at, all + at + 1, (n - at - 1) * sizeof(*all));
		buried[n_buried++] = change->bury[i];
		n--;
	}
	change->bury = buried;
	change->n_bury = n_buried;
	change->facts = fresh;
	change->n_facts = n_new;
	view->facts = all;
	view->n_facts = n;
}

static struct copy *copy_place(struct copy *copies, size_t *n, uint32_t peer_no)
{
	size_t at = 0;

	while (at < *n && copies[at].peer_no < peer_no)
		at++;
	if (at == *n || copies[at].peer_no != peer_no) {
		memmove(copies + at + 1, copies + at, (*n - at) * sizeof(*copies));
		copies[at] = (struct copy){ .peer_no = peer_no };
		++*n;
	}
	return &copies[at];
}

/* Merges one half of each of `halves` and returns those that were newer. */
static struct copy *apply_halves(struct copy *all, size_t *n, const struct copy *halves,
				 size_t *n_halves, bool desired, struct arena *mem)
{
	struct copy *newer = arena_new_array(mem, struct copy, *n_halves);
	size_t n_newer = 0;

	for (size_t i = 0; i < *n_halves; i++) {
		struct copy half = halves[i];

		if (desired)
			half.stamp = 0;
		else
			half.gen = 0;
		if (copy_version(&half) > 0 && copy_merge(copy_place(all, n, half.peer_no), &half))
			newer[n_newer++] = halves[i];
	}
	*n_halves = n_newer;
	return newer;
}

static void apply_copies(struct cid_view *view, struct cid_change *change, struct arena *mem)
{
	size_t n = view->n_copies;
	struct copy *all =
		arena_new_array(mem, struct copy, n + change->n_desired + change->n_observed);
	uint32_t *forgotten = arena_new_array(mem, uint32_t, change->n_forget);
	size_t n_forgotten = 0;

	if (n > 0)
		memcpy(all, view->copies, n * sizeof(*all));
	change->desired = apply_halves(all, &n, change->desired, &change->n_desired, true, mem);
	change->observed = apply_halves(all, &n, change->observed, &change->n_observed, false, mem);
	for (size_t i = 0; i < change->n_forget; i++) {
		size_t at = 0;

		while (at < n && all[at].peer_no != change->forget[i])
			at++;
		if (at == n)
			continue;
		memmove(all + at, all + at + 1, (n - at - 1) * sizeof(*all));
		forgotten[n_forgotten++] = change->forget[i];
		n--;
	}
	change->forget = forgotten;
	change->n_forget = n_forgotten;
	view->copies = all;
	view->n_copies = n;
}

struct cid_view view_apply(const struct cid_view *view, struct cid_change *change,
			   struct arena *mem)
{
	struct cid_view after = *view;

	if (change->n_facts > 0 || change->n_bury > 0)
		apply_facts(&after, change, mem);
	if (change->n_desired > 0 || change->n_observed > 0 || change->n_forget > 0)
		apply_copies(&after, change, mem);
	return after;
}

bool view_same(const struct cid_view *a, const struct cid_view *b)
{
	if (a->n_facts != b->n_facts || a->n_copies != b->n_copies)
		return false;
	for (size_t i = 0; i < a->n_facts; i++)
		if (fact_key_cmp(&a->facts[i], &b->facts[i]) != 0)
			return false;
	for (size_t i = 0; i < a->n_copies; i++)
		if (a->copies[i].peer_no != b->copies[i].peer_no ||
		    a->copies[i].gen != b->copies[i].gen ||
		    a->copies[i].stamp != b->copies[i].stamp)
			return false;
	return true;
}

/* ---- the truth ------------------------------------------------------------------------- */

static void fact_write(const struct fact *fact, uint32_t bucket, enum write_kind kind,
		       uint64_t version, struct write_list *out)
{
	struct fact_row *row = arena_new_of(out->mem, struct fact_row);

	row->bucket = bucket;
	row->fact = *fact;
	write_list_add(out, (struct store_write){ .table = TABLE_PINS_BY_CID,
						  .kind = kind,
						  .version = version,
						  .row = row });
}

static void copy_write(const struct copy *copy, struct slice cid, uint32_t bucket,
		       enum write_kind kind, uint8_t group, uint64_t version,
		       struct write_list *out)
{
	struct copy_row *row = arena_new_of(out->mem, struct copy_row);

	row->bucket = bucket;
	row->cid = cid;
	row->copy = *copy;
	write_list_add(out, (struct store_write){ .table = TABLE_PLACEMENTS_BY_CID,
						  .kind = kind,
						  .group = group,
						  .version = version,
						  .row = row });
}

void view_floor_write(struct slice cid, uint32_t bucket, enum write_kind kind, uint64_t floor,
		      struct write_list *out)
{
	const struct copy row = { .peer_no = PEER_FLOOR, .gen = floor };

	copy_write(&row, cid, bucket, kind, kind == WRITE_PUT ? GROUP_DESIRED : 0, floor, out);
}

void view_truth_writes(const struct cid_change *change, struct slice cid, uint32_t bucket,
		       uint64_t version, struct write_list *out)
{
	for (size_t i = 0; i < change->n_facts; i++) {
		const struct fact *f = &change->facts[i];

		fact_write(f, bucket, WRITE_PUT, f->rev ? f->rev : version, out);
	}
	for (size_t i = 0; i < change->n_desired; i++)
		copy_write(&change->desired[i], cid, bucket, WRITE_PUT, GROUP_DESIRED,
			   change->desired[i].gen, out);
	for (size_t i = 0; i < change->n_observed; i++)
		copy_write(&change->observed[i], cid, bucket, WRITE_PUT, GROUP_OBSERVED,
			   change->observed[i].stamp, out);
	for (size_t i = 0; i < change->n_forget; i++)
		copy_write(&(struct copy){ .peer_no = change->forget[i] }, cid, bucket,
			   WRITE_DELETE, 0, version, out);
	for (size_t i = 0; i < change->n_bury; i++) {
		struct fact f = change->bury[i];

		f.cid = cid;
		fact_write(&f, bucket, WRITE_DELETE, version, out);
	}
}
