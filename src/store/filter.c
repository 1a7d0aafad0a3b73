#include "store/filter.h"

#include "base/buf.h"
#include "model/casefold.h"
#include "model/multibase.h"
#include "store/derive.h"

struct row_filter row_filter(const struct pin_filter *filter, struct arena *mem)
{
	struct row_filter f = { .filter = filter, .name = filter->name };

	f.fold = filter->name.ptr &&
		 (filter->match == MATCH_IEXACT || filter->match == MATCH_IPARTIAL);
	if (f.fold)
		f.name = casefold(filter->name, mem);
	return f;
}

static bool name_matches(const struct row_filter *f, struct slice name, struct arena *scratch)
{
	if (f->fold)
		name = casefold(name, scratch);
	if (f->filter->match == MATCH_EXACT || f->filter->match == MATCH_IEXACT)
		return slice_eq(name, f->name);
	return f->name.len == 0 ||
	       (name.len > 0 && memmem(name.ptr, name.len, f->name.ptr, f->name.len));
}

static bool has_tags(struct slice_list have, struct slice_list want)
{
	for (size_t i = 0; i < want.n; i++) {
		size_t k = 0;

		while (k < have.n && !slice_eq(have.at[k], want.at[i]))
			k++;
		if (k == have.n)
			return false;
	}
	return true;
}

static bool has_meta(struct pair_list have, struct pair_list want)
{
	for (size_t i = 0; i < want.n; i++) {
		const struct slice *value = pair_list_get(have, want.at[i].key);

		if (!value || !slice_eq(*value, want.at[i].value))
			return false;
	}
	return true;
}

bool row_matches(const struct row_filter *f, const struct owner_pin *row, struct arena *scratch)
{
	const struct pin_filter *p = f->filter;

	return (p->statuses == 0 || p->statuses & 1u << row->status) &&
	       (p->before == 0 || row->created_at < p->before) &&
	       (p->after == 0 || row->created_at > p->after) && has_tags(row->tags, p->tags) &&
	       has_meta(row->meta, p->meta) &&
	       (!p->name.ptr || name_matches(f, row->name, scratch));
}

struct slice row_filter_tag(const struct row_filter *f, struct arena *mem)
{
	const struct pin_filter *p = f->filter;
	struct slice folded;

	if (p->name.len > 0 && (p->match == MATCH_EXACT || p->match == MATCH_IEXACT)) {
		folded = casefold(p->name, mem);
		return slice_str(arena_printf(mem, "n:%.*s", SLICE_FMT(folded)));
	}
	if (p->tags.n > 0)
		return slice_str(arena_printf(mem, "t:%.*s", SLICE_FMT(p->tags.at[0])));
	if (p->statuses == 1u << STATUS_FAILED)
		return SLICE_LIT("s:failed");
	if (p->statuses == 1u << STATUS_EXPIRING)
		return SLICE_LIT("s:expiring");
	return (struct slice){ NULL, 0 };
}

/* ---- cursors -------------------------------------------------------------------------- */

#define CURSOR_VERSION 1
#define CURSOR_LEN     25

static void add_number(struct buf *buf, uint64_t x)
{
	buf_add(buf, &x, sizeof(x)); /* hashed only, and by the machine that made it or its like */
}

static void add_text(struct buf *buf, struct slice text)
{
	add_number(buf, text.len);
	buf_add_slice(buf, text);
}

static uint64_t cursor_hash(const uint8_t key[SIPHASH_KEY_LEN], struct slice owner,
			    const struct pin_filter *f, struct slice head)
{
	CLEANUP(buf_free) struct buf buf = { 0 };

	add_text(&buf, SLICE_LIT("cursor"));
	add_text(&buf, head);
	add_text(&buf, owner);
	add_number(&buf, f->n_cids);
	for (size_t i = 0; i < f->n_cids; i++)
		add_text(&buf, f->cids[i]);
	add_number(&buf, f->name.ptr != NULL);
	add_text(&buf, f->name);
	add_number(&buf, f->match);
	add_number(&buf, f->statuses);
	add_number(&buf, (uint64_t)f->before);
	add_number(&buf, (uint64_t)f->after);
	add_number(&buf, f->meta.n);
	for (size_t i = 0; i < f->meta.n; i++) {
		add_text(&buf, f->meta.at[i].key);
		add_text(&buf, f->meta.at[i].value);
	}
	add_number(&buf, f->tags.n);
	for (size_t i = 0; i < f->tags.n; i++)
		add_text(&buf, f->tags.at[i]);
	return siphash24(key, buf_slice(&buf));
}

struct slice cursor_encode(const uint8_t key[SIPHASH_KEY_LEN], struct slice owner,
			   const struct pin_filter *filter, struct ulid last, struct arena *mem)
{
	uint8_t bytes[CURSOR_LEN] = { CURSOR_VERSION };
	char *hex = arena_alloc(mem, MULTIBASE_DIGITS_MAX + 1);
	uint64_t hash;

	memcpy(bytes + 1, last.bytes, sizeof(last.bytes));
	hash = cursor_hash(key, owner, filter, SLICE_OF(bytes, 17));
	for (int i = 0; i < 8; i++)
		bytes[17 + i] = (uint8_t)(hash >> (56 - 8 * i));
	return SLICE_OF(hex, multibase_encode_digits('f', SLICE_OF(bytes, CURSOR_LEN), hex));
}

bool cursor_decode(const uint8_t key[SIPHASH_KEY_LEN], struct slice owner,
		   const struct pin_filter *filter, struct slice cursor, struct ulid *last,
		   struct err *err)
{
	uint8_t bytes[MULTIBASE_BYTES_MAX];
	uint64_t hash = 0;
	size_t n;

	if (!multibase_decode_digits('f', cursor, bytes, &n, err) || n != CURSOR_LEN ||
	    bytes[0] != CURSOR_VERSION)
		return err_set(err, ERR_INVALID,
			       "this is no cursor: use `next` of the page before as it is");
	for (int i = 0; i < 8; i++)
		hash = hash << 8 | bytes[17 + i];
	if (hash != cursor_hash(key, owner, filter, SLICE_OF(bytes, 17)))
		return err_set(err, ERR_INVALID,
			       "the cursor was altered or made for other filters: begin again "
			       "without it, or keep the filters of the page before");
	memcpy(last->bytes, bytes + 1, sizeof(last->bytes));
	return true;
}
