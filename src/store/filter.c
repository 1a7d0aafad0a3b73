#include "store/filter.h"

#include "base/buf.h"
#include "model/casefold.h"
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

static bool ends_in_time(const struct pin_filter *p, const struct owner_pin *row)
{
	return p->expires_before == 0 ||
	       (row->expires_at != 0 && row->expires_at < p->expires_before);
}

bool row_matches(const struct row_filter *f, const struct owner_pin *row, struct arena *scratch)
{
	const struct pin_filter *p = f->filter;

	return (p->statuses == 0 || p->statuses & 1u << row->status) &&
	       (p->before == 0 || row->created_at < p->before) &&
	       (p->after == 0 || row->created_at > p->after) && ends_in_time(p, row) &&
	       has_tags(row->tags, p->tags) && has_meta(row->meta, p->meta) &&
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
#define CURSOR_HASH    8

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
	/* Only if set: cursors of programs that did not know them stay good. */
	if (f->expires_before != 0 || f->peer_no != 0) {
		add_number(&buf, (uint64_t)f->expires_before);
		add_number(&buf, f->peer_no);
	}
	return siphash24(key, buf_slice(&buf));
}

struct slice cursor_encode(const uint8_t key[SIPHASH_KEY_LEN], struct slice owner,
			   const struct pin_filter *filter, struct slice place, struct arena *mem)
{
	static const char digits[] = "0123456789abcdef";
	size_t len = 1 + place.len + CURSOR_HASH;
	uint8_t *bytes = arena_alloc(mem, len);
	char *hex = arena_alloc(mem, 2 * len);
	uint64_t hash;

	bytes[0] = CURSOR_VERSION;
	memcpy(bytes + 1, place.ptr, place.len);
	hash = cursor_hash(key, owner, filter, SLICE_OF(bytes, 1 + place.len));
	for (int i = 0; i < CURSOR_HASH; i++)
		bytes[1 + place.len + (size_t)i] = (uint8_t)(hash >> (56 - 8 * i));
	for (size_t i = 0; i < 2 * len; i++)
		hex[i] = digits[bytes[i / 2] >> (i % 2 ? 0 : 4) & 15];
	return SLICE_OF(hex, 2 * len);
}

static int hex_value(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool from_hex(struct slice hex, uint8_t *out)
{
	for (size_t i = 0; i < hex.len / 2; i++) {
		int high = hex_value(hex.ptr[2 * i]), low = hex_value(hex.ptr[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool cursor_decode(const uint8_t key[SIPHASH_KEY_LEN], struct slice owner,
		   const struct pin_filter *filter, struct slice cursor, struct arena *mem,
		   struct slice *place, struct err *err)
{
	size_t len = cursor.len / 2, head = len - CURSOR_HASH;
	uint8_t *bytes = arena_alloc(mem, len + 1);
	uint64_t hash = 0;

	if (cursor.len % 2 || len < 2 + CURSOR_HASH || !from_hex(cursor, bytes) ||
	    bytes[0] != CURSOR_VERSION)
		return err_set(err, ERR_INVALID,
			       "this is no cursor: use `next` of the page before as it is");
	for (size_t i = head; i < len; i++)
		hash = hash << 8 | bytes[i];
	if (hash != cursor_hash(key, owner, filter, SLICE_OF(bytes, head)))
		return err_set(err, ERR_INVALID,
			       "the cursor was altered or made for other filters: begin again "
			       "without it, or keep the filters of the page before");
	*place = SLICE_OF(bytes + 1, head - 1);
	return true;
}
