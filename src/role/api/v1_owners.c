/* /v1/owners: what owners are given by default and may have; /v1/usage. */
#include "model/duration.h"
#include "role/api/settings.h"

#define TTL_MAX_US (36600 * US_PER_DAY)

struct owner_in {
	bool disabled;
	const json_t *replicas, *zones, *peer_tags;
	struct slice ttl, max_ttl;
	int64_t priority, max_pins, max_bytes, per_s, fetches;
};

#define AT(member) .offset = offsetof(struct owner_in, member)

enum {
	F_DISABLED,
	F_REPLICAS,
	F_TTL,
	F_MAX_TTL,
	F_ZONES,
	F_PEER_TAGS,
	F_PRIORITY,
	F_PINS,
	F_BYTES,
	F_PER_S,
	F_FETCHES
};
static const struct json_field owner_fields[] = {
	[F_DISABLED] = { "disabled", JSON_FLAG, AT(disabled) },
	[F_REPLICAS] = { "replicas", JSON_OTHER, AT(replicas), .nullable = true },
	[F_TTL] = { "ttl", JSON_STR, AT(ttl) },
	[F_MAX_TTL] = { "max_ttl", JSON_STR, AT(max_ttl) },
	[F_ZONES] = { "zones", JSON_LIST, AT(zones) },
	[F_PEER_TAGS] = { "peer_tags", JSON_LIST, AT(peer_tags) },
	[F_PRIORITY] = { "priority", JSON_INT, AT(priority), .min = -100, .max = 100 },
	[F_PINS] = { "max_pins", JSON_INT, AT(max_pins), .nullable = true, .min = 0,
		     .max = INT64_MAX },
	[F_BYTES] = { "max_bytes", JSON_INT, AT(max_bytes), .nullable = true, .min = 0,
		      .max = INT64_MAX },
	[F_PER_S] = { "max_requests_per_second", JSON_INT, AT(per_s), .nullable = true, .min = 0,
		      .max = 1000000 },
	[F_FETCHES] = { "max_fetches", JSON_INT, AT(fetches), .nullable = true, .min = 0,
			.max = 1000000 },
};

static void key_duration_if(struct json_writer *w, const char *name, int64_t us)
{
	char text[DURATION_TEXT_MAX];

	if (us == 0)
		return;
	duration_text(us, text);
	json_key_cstr(w, name, text);
}

static void write_owner(struct call *c, struct json_writer *w, const struct owner_row *row)
{
	const struct owner_bounds bounds = pins_bounds(c->api->options.pins, row);

	json_begin_object(w);
	json_key_str(w, "owner", row->owner);
	json_key_bool(w, "disabled", row->disabled);
	if (row->rf_min)
		json_key_replicas(w, row->rf_min, row->rf_max);
	key_duration_if(w, "ttl", row->ttl_us);
	key_duration_if(w, "max_ttl", row->ttl_max_us);
	if (row->zones.n > 0)
		json_key_strings(w, "zones", row->zones);
	if (row->peer_tags.n > 0)
		json_key_strings(w, "peer_tags", row->peer_tags);
	json_key_i64(w, "priority", row->priority);
	json_key_u64(w, "max_pins", bounds.max_pins);
	json_key_u64(w, "max_bytes", bounds.max_bytes);
	json_key_u64(w, "max_requests_per_second", bounds.max_requests_per_s);
	json_key_u64(w, "max_fetches", bounds.max_fetches);
	json_key_time_if(w, "updated", row->updated_at);
	json_end_object(w);
}

bool v1_list_owners(struct call *c, struct err *err)
{
	struct json_writer w = reply_writer(c);
	struct owner_row after;
	const void **rows;
	struct query q;
	size_t n;

	if (!page_read(c, &q))
		return true;
	after = (struct owner_row){ .owner = q.cursor };
	if (!store_rows(c->api->options.store, TABLE_OWNERS, q.cursor.len ? &after : NULL,
			(size_t)q.limit, c->mem, &rows, &n, err))
		return false;
	json_begin_object(&w);
	json_key(&w, "owners");
	json_begin_array(&w);
	for (size_t i = 0; i < n; i++)
		write_owner(c, &w, rows[i]);
	json_end_array(&w);
	if (n == (size_t)q.limit)
		json_key_str(&w, "next", ((const struct owner_row *)rows[n - 1])->owner);
	json_end_object(&w);
	return reply_json(c, 200);
}

static bool owner_param(struct call *c)
{
	return owner_valid(c->params[0]) || (reply_missing(c, "owner"), false);
}

static bool reply_owner(struct call *c, const struct owner_row *row)
{
	struct json_writer w = reply_writer(c);

	write_owner(c, &w, row);
	return reply_json(c, 200);
}

/* Every valid name is an owner: one without settings has the defaults. */
bool v1_get_owner(struct call *c, struct err *err)
{
	const struct owner_row *row;

	if (!owner_param(c))
		return true;
	return pins_owner(c->api->options.pins, c->params[0], c->mem, &row, err) &&
	       reply_owner(c, row);
}

static bool read_ttl(struct slice text, const char *name, int64_t *us, struct err *err)
{
	if (!v1_read_duration(text, name, us, err))
		return false;
	return *us <= TTL_MAX_US ||
	       err_set(err, ERR_INVALID, "%s is too long; at most 36600d are allowed", name);
}

static bool read_words(struct call *c, const json_t *value, const char *name,
		       struct slice_list *out, struct err *err)
{
	if (!v1_read_strings(value, name, PIN_TAGS_MAX, c->mem, out, err))
		return false;
	for (size_t i = 0; i < out->n; i++) {
		if (!word_check(out->at[i], name, err))
			return false;
		if (out->at[i].len == 0)
			return err_set(err, ERR_INVALID, "%s[%zu] is empty", name, i);
	}
	return true;
}

/* null (-1): the program's bound for all; 0: none. */
static uint64_t as_bound(int64_t given)
{
	return given < 0 ? 0 : given == 0 ? OWNER_UNBOUND : (uint64_t)given;
}

static bool change_owner(struct call *c, const json_t *body, struct owner_row *row, struct err *err)
{
	struct owner_in in = { .max_pins = -1, .max_bytes = -1, .per_s = -1, .fetches = -1 };
	uint64_t given;

	if (!json_fields(body, "", owner_fields, ARRAY_LEN(owner_fields), JSON_UNKNOWN_REFUSED, &in,
			 &given, err))
		return false;
	if (given >> F_DISABLED & 1)
		row->disabled = in.disabled;
	if (given >> F_PRIORITY & 1)
		row->priority = (int32_t)in.priority;
	if (given >> F_PINS & 1)
		row->max_pins = as_bound(in.max_pins);
	if (given >> F_BYTES & 1)
		row->max_bytes = as_bound(in.max_bytes);
	if (given >> F_PER_S & 1)
		row->max_requests_per_s = (uint32_t)as_bound(in.per_s);
	if (given >> F_FETCHES & 1)
		row->max_fetches = (uint32_t)as_bound(in.fetches);
	if (given >> F_REPLICAS & 1)
		row->rf_min = row->rf_max = 0; /* null: the program's for all */
	if (in.replicas && !v1_read_replicas(in.replicas, &row->rf_min, &row->rf_max, err))
		return false;
	if (in.replicas && !pin_replicas_ok(row->rf_min, row->rf_max))
		return err_set(err, ERR_INVALID, "replicas: min must not be above max");
	return (!in.ttl.ptr || read_ttl(in.ttl, "ttl", &row->ttl_us, err)) &&
	       (!in.max_ttl.ptr || read_ttl(in.max_ttl, "max_ttl", &row->ttl_max_us, err)) &&
	       (!in.zones || read_words(c, in.zones, "zones", &row->zones, err)) &&
	       (!in.peer_tags || read_words(c, in.peer_tags, "peer_tags", &row->peer_tags, err));
}

bool v1_patch_owner(struct call *c, struct err *err)
{
	CLEANUP(json_doc_free) struct json_doc *doc = NULL;
	struct pins *pins = c->api->options.pins;
	const struct owner_row *shown;
	struct err why = { 0 };
	const void *old;
	bool done = false;

	if (!owner_param(c) || !(doc = call_json(c)))
		return true;
	while (!done) { /* somebody else may change it meanwhile: nobody's change is lost */
		struct owner_row row = { .owner = c->params[0] };

		if (!store_row(c->api->options.store, TABLE_OWNERS, &row, c->mem, &old, err))
			return false;
		if (old)
			row = *(const struct owner_row *)old;
		if (!change_owner(c, json_root(doc), &row, &why))
			return reply_error(c, API_INVALID, why.text);
		if (!pins_set_owner(pins, old, &row, &done, err))
			return false;
	}
	if (!pins_owner(pins, c->params[0], c->mem, &shown, err))
		return false;
	reply_when_durable(c, store_mark(c->api->options.store));
	return reply_owner(c, shown);
}

bool v1_usage(struct call *c, struct err *err)
{
	struct json_writer w = reply_writer(c);
	const struct owner_row *row;
	struct owner_bounds bounds;
	struct owner_usage usage;

	if (!store_usage(c->api->options.store, c->owner, &usage, err) ||
	    !pins_owner(c->api->options.pins, c->owner, c->mem, &row, err))
		return false;
	json_begin_object(&w);
	json_key_str(&w, "owner", c->owner);
	json_key(&w, "pins");
	json_begin_object(&w);
	for (unsigned i = 0; i < STATUS_COUNT; i++)
		json_key_u64(&w, pin_status_name((enum pin_status)i), usage.pins[i]);
	json_end_object(&w);
	json_key_u64(&w, "bytes", usage.bytes);
	json_key_bool(&w, "approximate", usage.approximate);
	bounds = pins_bounds(c->api->options.pins, row);
	if (bounds.max_pins)
		json_key_u64(&w, "max_pins", bounds.max_pins);
	if (bounds.max_bytes)
		json_key_u64(&w, "max_bytes", bounds.max_bytes);
	json_end_object(&w);
	return reply_json(c, 200);
}
