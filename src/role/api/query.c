#include "role/api/query.h"

#include <stdlib.h>

#include "model/cid.h"
#include "model/excerpt.h"
#include "model/time_text.h"
#include "model/utf8.h"
#include "net/url.h"
#include "json/json_reader.h"

#define PSA_CIDS_MAX 10
#define V1_CIDS_MAX  100
#define LIMIT_MAX    1000
#define PSA_LIMIT    10
#define V1_LIMIT     100
#define CURSOR_MAX   1024
#define STATUSES_PSA 4 /* the standard does not know `expiring` */

struct reading {
	struct query *query;
	enum query_kind kind;
	struct arena *mem;
	bool statuses_given;
};

static bool bad(const char *name, struct slice value, const char *allowed, struct err *err)
{
	return err_set(err, ERR_INVALID, "%s is \"%s\"; %s", name, excerpt(value).text, allowed);
}

/* The next item of a list with commas; false at the end.  An empty list has one empty item. */
static bool next_item(struct slice *rest, struct slice *item)
{
	const uint8_t *comma;
	size_t len;

	if (!rest->ptr)
		return false;
	comma = rest->len ? memchr(rest->ptr, ',', rest->len) : NULL;
	len = comma ? (size_t)(comma - rest->ptr) : rest->len;
	*item = SLICE_OF(rest->ptr, len);
	if (comma)
		*rest = SLICE_OF(comma + 1, rest->len - len - 1);
	else
		*rest = (struct slice){ NULL, 0 };
	return true;
}

static bool add_cid(struct reading *r, struct slice text, struct err *err)
{
	size_t max = r->kind == QUERY_PSA ? PSA_CIDS_MAX : V1_CIDS_MAX;
	struct pin_filter *f = &r->query->filter;
	struct cid *cid = arena_new_of(r->mem, struct cid);
	struct slice *cids = (struct slice *)(uintptr_t)f->cids;

	if (!cid_parse(text, cid, NULL, err))
		return false;
	if (!cids)
		f->cids = cids = arena_new_array(r->mem, struct slice, max);
	for (size_t i = 0; i < f->n_cids; i++) {
		if (slice_eq(cids[i], cid_slice(cid)))
			return bad("cid", text, "no CID may stand there twice", err);
	}
	if (f->n_cids == max)
		return err_set(err, ERR_INVALID, "cid has more than %zu items, which is the most",
			       max);
	cids[f->n_cids++] = cid_slice(cid);
	return true;
}

static bool read_cid(struct reading *r, struct slice value, struct err *err)
{
	struct slice item;

	while (next_item(&value, &item)) {
		if (!add_cid(r, item, err))
			return false;
	}
	return true;
}

static bool read_name(struct reading *r, struct slice value, struct err *err)
{
	size_t points;

	if (!utf8_check(value, &points, err))
		return err_wrap(err, "name");
	if (points > PIN_NAME_MAX)
		return bad("name", value, "it may have at most 255 characters", err);
	r->query->filter.name = value.ptr ? value : SLICE_LIT("");
	return true;
}

static bool read_match(struct reading *r, struct slice value, struct err *err)
{
	static const char *const names[] = {
		[MATCH_EXACT] = "exact",
		[MATCH_IEXACT] = "iexact",
		[MATCH_PARTIAL] = "partial",
		[MATCH_IPARTIAL] = "ipartial",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (slice_eq_str(value, names[i])) {
			r->query->filter.match = (enum name_match)i;
			return true;
		}
	}
	return bad("match", value, "it must be exact, iexact, partial or ipartial", err);
}

static bool read_status(struct reading *r, struct slice value, struct err *err)
{
	unsigned *statuses = &r->query->filter.statuses;
	enum pin_status status;
	struct slice item;

	r->statuses_given = true;
	while (next_item(&value, &item)) {
		if (!pin_status_parse(item, &status) ||
		    (r->kind == QUERY_PSA && status >= STATUSES_PSA))
			return bad("status", item,
				   r->kind == QUERY_PSA
					   ? "it must be queued, pinning, pinned or failed"
					   : "it must be queued, pinning, pinned, failed or "
					     "expiring",
				   err);
		if (*statuses >> status & 1)
			return bad("status", item, "no status may stand there twice", err);
		*statuses |= 1U << status;
		if (r->kind == QUERY_PSA && status == STATUS_PINNED)
			*statuses |= 1U << STATUS_EXPIRING;
	}
	return true;
}

static bool read_before(struct reading *r, struct slice value, struct err *err)
{
	int64_t *us = &r->query->filter.before;

	if (!time_text_parse(value, us, err))
		return err_wrap(err, "before");
	if (*us <= 0) /* 0 is no bound; nothing was created before 1970 */
		*us = 1;
	return true;
}

static bool read_after(struct reading *r, struct slice value, struct err *err)
{
	int64_t *us = &r->query->filter.after;

	if (!time_text_parse(value, us, err))
		return err_wrap(err, "after");
	if (*us < 0)
		*us = 0;
	return true;
}

static bool read_expires_before(struct reading *r, struct slice value, struct err *err)
{
	int64_t *us = &r->query->filter.expires_before;

	if (!time_text_parse(value, us, err))
		return err_wrap(err, "expires_before");
	if (*us <= 0) /* as above: nothing ends before 1970 */
		*us = 1;
	return true;
}

static bool read_peer(struct reading *r, struct slice value, struct err *err)
{
	r->query->peer = value;
	return value.len > 0 || bad("peer", value, "it must be a peer's id, number or name", err);
}

static bool read_limit(struct reading *r, struct slice value, struct err *err)
{
	int64_t n = 0;

	for (size_t i = 0; i < value.len && n <= LIMIT_MAX; i++) {
		if (value.ptr[i] < '0' || value.ptr[i] > '9')
			return bad("limit", value, "it must be a number from 1 to 1000", err);
		n = 10 * n + (value.ptr[i] - '0');
	}
	if (n < 1 || n > LIMIT_MAX)
		return bad("limit", value, "it must be a number from 1 to 1000", err);
	r->query->limit = n;
	r->query->limited = true;
	return true;
}

static bool read_meta(struct reading *r, struct slice value, struct err *err)
{
	static const struct json_limits limits = { .max_depth = 1 };
	CLEANUP(json_doc_free) struct json_doc *doc = NULL;
	struct slice *keys, *values;
	struct pair_list list;

	if (!json_parse(value, &limits, &doc, err) ||
	    !json_string_map(json_root(doc), "meta", PIN_META_MAX, r->mem, &keys, &values, &list.n,
			     err))
		return err_wrap(err, "meta must be a JSON object of strings");
	list.at = arena_new_array(r->mem, struct pair, list.n);
	for (size_t i = 0; i < list.n; i++)
		list.at[i] = (struct pair){ keys[i], values[i] };
	r->query->filter.meta = pair_list_copy(r->mem, list);
	return true;
}

static bool read_tag(struct reading *r, struct slice value, struct err *err)
{
	struct slice_list *tags = &r->query->filter.tags;
	struct slice item;

	if (!tags->at)
		tags->at = arena_new_array(r->mem, struct slice, PIN_TAGS_MAX);
	while (next_item(&value, &item)) {
		if (item.len == 0 || item.len > PIN_TAG_MAX || tags->n == PIN_TAGS_MAX)
			return bad("tag", item, "there may be 32 tags of 1 to 64 bytes", err);
		tags->at[tags->n++] = item;
	}
	return true;
}

static bool read_cursor(struct reading *r, struct slice value, struct err *err)
{
	if (value.len > CURSOR_MAX)
		return bad("cursor", value, "take it from \"next\" of the page before", err);
	r->query->cursor = value;
	return true;
}

static bool read_flag(const char *name, struct slice value, bool *out, struct err *err)
{
	*out = slice_eq_str(value, "true");
	return *out || slice_eq_str(value, "false") ||
	       bad(name, value, "it must be true or false", err);
}

static bool read_count(struct reading *r, struct slice value, struct err *err)
{
	return read_flag("count", value, &r->query->count, err);
}

static bool read_copies(struct reading *r, struct slice value, struct err *err)
{
	return read_flag("copies", value, &r->query->copies, err);
}

static bool read_all_owners(struct reading *r, struct slice value, struct err *err)
{
	return read_flag("all_owners", value, &r->query->all_owners, err);
}

static bool read_order(struct reading *r, struct slice value, struct err *err)
{
	r->query->store_order = slice_eq_str(value, "store");
	return r->query->store_order || slice_eq_str(value, "newest") ||
	       bad("order", value, "it must be newest or store", err);
}

#define PSA  (1 << QUERY_PSA)
#define V1   (1 << QUERY_V1)
#define PAGE (1 << QUERY_PAGE)

static const struct param {
	const char *name;
	unsigned kinds;
	bool list;   /* may be given more than once */
	bool filter; /* narrows the listing */
	bool (*read)(struct reading *r, struct slice value, struct err *err);
} params[] = {
	{ "cid", PSA | V1, true, true, read_cid },
	{ "name", PSA | V1, false, true, read_name },
	{ "match", PSA | V1, false, false, read_match },
	{ "status", PSA | V1, true, true, read_status },
	{ "before", PSA | V1, false, true, read_before },
	{ "after", PSA | V1, false, true, read_after },
	{ "limit", PSA | V1 | PAGE, false, false, read_limit },
	{ "meta", PSA | V1, false, true, read_meta },
	{ "tag", V1, true, true, read_tag },
	{ "peer", V1, false, true, read_peer },
	{ "expires_before", V1, false, true, read_expires_before },
	{ "all_owners", V1, false, true, read_all_owners },
	{ "cursor", V1 | PAGE, false, false, read_cursor },
	{ "count", V1, false, false, read_count },
	{ "copies", V1, false, false, read_copies },
	{ "order", V1, false, false, read_order },
};

static const struct param *find_param(enum query_kind kind, struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(params); i++) {
		if (params[i].kinds >> kind & 1 && slice_eq_str(name, params[i].name))
			return &params[i];
	}
	return NULL;
}

static bool read_params(struct reading *r, struct slice text, struct err *err)
{
	struct slice rest = text, name, value;
	uint32_t seen = 0;
	enum url_next next;

	while ((next = url_query_next(r->mem, &rest, &name, &value, err)) == URL_PARAM) {
		const struct param *p = find_param(r->kind, name);

		if (!p)
			continue;
		if (!value.ptr) /* "limit=": empty, which is not the same as not given */
			value = SLICE_LIT("");
		if (seen >> (p - params) & 1 && !p->list)
			return err_set(err, ERR_INVALID, "%s is given twice", p->name);
		seen |= 1U << (p - params);
		r->query->any_filter |= p->filter;
		if (!p->read(r, value, err))
			return false;
	}
	return next == URL_END;
}

static int compare_pairs(const void *a, const void *b)
{
	return slice_cmp(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

bool query_read(struct slice text, enum query_kind kind, struct arena *mem, struct query *out,
		struct err *err)
{
	struct reading r = { .query = out, .kind = kind, .mem = mem };

	*out = (struct query){ .limit = kind == QUERY_PSA ? PSA_LIMIT : V1_LIMIT };
	if (!read_params(&r, text, err))
		return false;
	if (kind == QUERY_PSA && !r.statuses_given)
		out->filter.statuses = 1U << STATUS_PINNED | 1U << STATUS_EXPIRING;
	if (out->filter.meta.n > 1)
		qsort(out->filter.meta.at, out->filter.meta.n, sizeof(struct pair), compare_pairs);
	if (out->all_owners && !out->peer.ptr && out->filter.expires_before == 0)
		return err_set(err, ERR_INVALID,
			       "all_owners=true goes with peer or expires_before; give one");
	if (out->all_owners && out->count)
		return err_set(err, ERR_INVALID,
			       "count=true counts the pins of one owner; leave it out");
	if (out->store_order && out->any_filter)
		return err_set(err, ERR_INVALID,
			       "order=store takes no filters; leave them out, or take "
			       "order=newest");
	if (out->store_order && out->cursor.ptr)
		return err_set(err, ERR_INVALID,
			       "order=store takes no cursor; its stream begins with the first pin");
	return true;
}

bool query_one(struct slice text, const char *name, struct arena *mem, struct slice *out,
	       struct err *err)
{
	struct slice rest = text, found, value;
	enum url_next next;

	*out = (struct slice){ NULL, 0 };
	while ((next = url_query_next(mem, &rest, &found, &value, err)) == URL_PARAM) {
		if (!slice_eq_str(found, name))
			continue;
		if (out->ptr)
			return err_set(err, ERR_INVALID, "%s is given twice", name);
		*out = value.ptr ? value : SLICE_LIT("");
	}
	return next == URL_END;
}
