#include "role/api/pin_json.h"

#include <assert.h>
#include <stdio.h>

#include "model/cid.h"
#include "model/duration.h"
#include "model/time_text.h"
#include "store/shown.h"

/* ---- reading ---------------------------------------------------------------------------- */

struct fields { /* every member that a pin may have in any object */
	struct slice cid, name, mode, ttl, expires, key;
	const json_t *origins, *allocations, *meta, *tags, *zones, *peer_tags, *replicas;
	int64_t priority;
};

#define AT(member) .offset = offsetof(struct fields, member)

static const struct json_field psa_fields[] = {
	{ "cid", JSON_STR, .required = true, AT(cid) },
	{ "name", JSON_STR, AT(name) },
	{ "origins", JSON_LIST, AT(origins) },
	{ "meta", JSON_MAP, AT(meta) },
};

/* A patch has those from V1_CHANGEABLE on, a creation all but the last, a line all. */
static const struct json_field v1_fields[] = {
	{ "cid", JSON_STR, .required = true, AT(cid) },
	{ "origins", JSON_LIST, AT(origins) },
	{ "allocations", JSON_LIST, AT(allocations) },
	{ "mode", JSON_STR, AT(mode) },
	{ "name", JSON_STR, AT(name) },
	{ "meta", JSON_MAP, AT(meta) },
	{ "tags", JSON_LIST, AT(tags) },
	{ "zones", JSON_LIST, AT(zones) },
	{ "peer_tags", JSON_LIST, AT(peer_tags) },
	{ "replicas", JSON_OTHER, AT(replicas) },
	{ "priority", JSON_INT, AT(priority), .min = -100, .max = 100 },
	{ "ttl", JSON_STR, AT(ttl) },
	{ "expires", JSON_STR, AT(expires), .nullable = true },
	{ "key", JSON_STR, AT(key) },
};
#define V1_CHANGEABLE 4
#define V1_TTL        11
#define V1_EXPIRES    12
#define V1_KEY        13

bool v1_read_strings(const json_t *value, const char *name, size_t max, struct arena *mem,
		     struct slice_list *out, struct err *err)
{
	*out = (struct slice_list){ NULL, 0 };
	return !value || json_strings(value, name, max, mem, &out->at, &out->n, err);
}

static bool read_meta(const json_t *value, struct arena *mem, struct pin_ask *out, struct err *err)
{
	struct slice *keys, *values;
	size_t n;

	if (!value)
		return true;
	if (!json_string_map(value, "meta", PIN_META_MAX, mem, &keys, &values, &n, err))
		return false;
	out->meta.at = arena_new_array(mem, struct pair, n);
	out->meta.n = n;
	for (size_t i = 0; i < n; i++)
		out->meta.at[i] = (struct pair){ keys[i], values[i] };
	out->given |= ASK_META;
	return true;
}

static bool read_cid(struct slice text, struct arena *mem, struct pin_ask *out, struct err *err)
{
	struct cid *cid = arena_new_of(mem, struct cid);

	if (!cid_parse(text, cid, &out->cid_base, err))
		return false;
	out->cid = cid_slice(cid);
	return true;
}

static void read_name(struct slice name, bool given, struct pin_ask *out)
{
	out->name = name;
	if (given)
		out->given |= ASK_NAME;
}

bool psa_read_pin(const json_t *body, struct arena *mem, struct pin_ask *out, struct err *err)
{
	struct fields f = { 0 };
	uint64_t given;

	*out = (struct pin_ask){ 0 };
	if (!json_fields(body, "", psa_fields, ARRAY_LEN(psa_fields), JSON_UNKNOWN_IGNORED, &f,
			 &given, err))
		return false;
	read_name(f.name, given & 2, out);
	return read_cid(f.cid, mem, out, err) &&
	       v1_read_strings(f.origins, "origins", PIN_ORIGINS_MAX, mem, &out->origins, err) &&
	       read_meta(f.meta, mem, out, err);
}

bool v1_read_replicas(const json_t *value, int32_t *min, int32_t *max, struct err *err)
{
	static const struct json_field fields[] = {
		{ "min", JSON_INT, .required = true, .offset = 0, .min = -1, .max = 1000 },
		{ "max", JSON_INT, .required = true, .offset = sizeof(int64_t), .min = -1,
		  .max = 1000 },
	};
	char shown[JSON_SHOWN_MAX];
	int64_t both[2];
	uint64_t given;

	if (json_is_integer(value)) {
		both[0] = both[1] = json_integer_value(value);
	} else if (!json_is_object(value)) {
		return err_set(err, ERR_INVALID,
			       "replicas is %s; it must be a number from 1 to %d, -1 for every "
			       "peer, or {\"min\":1,\"max\":2}",
			       json_shown(value, shown), PIN_REPLICAS_MAX);
	} else if (!json_fields(value, "replicas", fields, 2, JSON_UNKNOWN_REFUSED, both, &given,
				err)) {
		return false;
	}
	for (int i = 0; i < 2; i++) { /* what an int32_t cannot hold is out of range as well */
		if (both[i] < -1 || both[i] > PIN_REPLICAS_MAX || both[i] == 0)
			return err_set(err, ERR_INVALID,
				       "replicas holds %lld; allowed are 1 to %d, or -1 for every "
				       "peer",
				       (long long)both[i], PIN_REPLICAS_MAX);
	}
	*min = (int32_t)both[0];
	*max = (int32_t)both[1];
	return true;
}

bool v1_read_duration(struct slice text, const char *name, int64_t *us, struct err *err)
{
	return duration_parse(text, us, err) || err_wrap(err, "%s", name);
}

static bool read_expiry(const struct fields *f, uint64_t given, struct pin_ask *out,
			struct err *err)
{
	bool ttl = given >> V1_TTL & 1, expires = given >> V1_EXPIRES & 1;

	if (ttl && expires)
		return err_set(err, ERR_INVALID, "ttl and expires say the same; give one");
	if (ttl || expires)
		out->given |= ASK_EXPIRY;
	if (ttl && !v1_read_duration(f->ttl, "ttl", &out->ttl_us, err))
		return false;
	if (ttl && out->ttl_us == 0)
		return err_set(err, ERR_INVALID,
			       "ttl is \"0s\"; it must be longer, or give \"expires\": null");
	if (expires && f->expires.ptr && !time_text_parse(f->expires, &out->expires_at, err))
		return err_wrap(err, "expires");
	if (expires && f->expires.ptr && out->expires_at <= 0)
		return err_set(err, ERR_INVALID, "expires lies before 1970; it must lie ahead");
	return true;
}

static bool read_mode(struct slice mode, struct pin_ask *out, struct err *err)
{
	if (mode.ptr && !slice_eq_str(mode, "recursive") && !slice_eq_str(mode, "direct"))
		return err_set(err, ERR_INVALID, "mode must be \"recursive\" or \"direct\"");
	out->direct = slice_eq_str(mode, "direct");
	return true;
}

bool v1_read_pin(const json_t *body, bool creating, bool line, struct arena *mem,
		 struct pin_ask *out, struct err *err)
{
	const unsigned first = creating ? 0 : V1_CHANGEABLE;
	const unsigned n = (line ? V1_KEY + 1 : V1_KEY) - first;
	struct fields f = { 0 };
	uint64_t given;

	*out = (struct pin_ask){ 0 };
	if (!json_fields(body, "", v1_fields + first, n, JSON_UNKNOWN_REFUSED, &f, &given, err))
		return false;
	given <<= first;
	read_name(f.name, given >> V1_CHANGEABLE & 1, out);
	out->key = f.key;
	out->priority = (int32_t)f.priority;
	if (given >> (V1_TTL - 1) & 1)
		out->given |= ASK_PRIORITY;
	if (f.tags)
		out->given |= ASK_TAGS;
	if (f.zones)
		out->given |= ASK_ZONES;
	if (f.peer_tags)
		out->given |= ASK_PEER_TAGS;
	if (f.replicas)
		out->given |= ASK_REPLICAS;
	return (!creating || read_cid(f.cid, mem, out, err)) && read_mode(f.mode, out, err) &&
	       (!f.replicas || v1_read_replicas(f.replicas, &out->rf_min, &out->rf_max, err)) &&
	       read_expiry(&f, given, out, err) && read_meta(f.meta, mem, out, err) &&
	       v1_read_strings(f.tags, "tags", 10 * PIN_TAGS_MAX, mem, &out->tags, err) &&
	       v1_read_strings(f.zones, "zones", 10 * PIN_TAGS_MAX, mem, &out->zones, err) &&
	       v1_read_strings(f.peer_tags, "peer_tags", 10 * PIN_TAGS_MAX, mem, &out->peer_tags,
			       err) &&
	       v1_read_strings(f.origins, "origins", PIN_ORIGINS_MAX, mem, &out->origins, err) &&
	       v1_read_strings(f.allocations, "allocations", PIN_REPLICAS_MAX, mem,
			       &out->allocations, err);
}

/* ---- writing ---------------------------------------------------------------------------- */

void json_key_time(struct json_writer *w, const char *name, int64_t us)
{
	char text[TIME_TEXT_MAX];

	if (us % US_PER_MS == 0)
		time_text_ms(us, text);
	else
		time_text_us(us, text);
	json_key_cstr(w, name, text);
}

void json_key_time_if(struct json_writer *w, const char *name, int64_t us)
{
	if (us)
		json_key_time(w, name, us);
}

void json_key_str_if(struct json_writer *w, const char *name, struct slice text)
{
	if (text.len > 0)
		json_key_str(w, name, text);
}

void json_key_strings(struct json_writer *w, const char *name, struct slice_list list)
{
	json_key(w, name);
	json_begin_array(w);
	for (size_t i = 0; i < list.n; i++)
		json_str(w, list.at[i]);
	json_end_array(w);
}

static void key_strings_if(struct json_writer *w, const char *name, struct slice_list list)
{
	if (list.n > 0)
		json_key_strings(w, name, list);
}

static void key_meta_if(struct json_writer *w, struct pair_list meta)
{
	if (meta.n == 0)
		return;
	json_key(w, "meta");
	json_begin_object(w);
	for (size_t i = 0; i < meta.n; i++) {
		json_key_slice(w, meta.at[i].key);
		json_str(w, meta.at[i].value);
	}
	json_end_object(w);
}

void json_key_replicas(struct json_writer *w, int32_t min, int32_t max)
{
	json_key(w, "replicas");
	json_begin_object(w);
	json_key_i64(w, "min", min);
	json_key_i64(w, "max", max);
	json_end_object(w);
}

static void key_cid(struct json_writer *w, struct slice bytes, char base)
{
	char text[CID_TEXT_MAX];
	struct err err;
	struct cid cid;
	bool ok = cid_decode(bytes, &cid, &err);

	assert(ok); /* it was decoded before it was stored */
	json_key_str(w, "cid", SLICE_OF(text, cid_text(&cid, base, text)));
}

static void key_ulid(struct json_writer *w, const char *name, const struct ulid *id)
{
	char text[ULID_TEXT_MAX];

	ulid_text(id, text);
	json_key_str(w, name, SLICE_OF(text, ULID_TEXT_LEN));
}

static const struct copy *worst_copy(const struct cid_view *view)
{
	for (size_t i = 0; view && i < view->n_copies; i++) {
		const struct copy *c = &view->copies[i];

		if (c->desired && copy_state(c) == COPY_ERROR && c->error.len > 0)
			return c;
	}
	return NULL;
}

#define DETAILS_FULL 250 /* bytes; what comes behind so many may be cut */

/* In words, for people. */
static void write_details(struct json_writer *w, const struct owner_pin *row,
			  const struct pin_extra *extra)
{
	const struct copy *failed = worst_copy(extra->view);
	char text[400];
	int n;

	if (row->rf_max == REPLICAS_EVERYWHERE)
		n = snprintf(text, sizeof(text), "%u copies, wanted on every peer",
			     shown_pinned(row));
	else
		n = snprintf(text, sizeof(text), "%u of %d copies", shown_pinned(row), row->rf_max);
	/* Of the first copy; there is room for one. */
	if (extra->places && extra->view->n_copies > 0 && extra->places[0].position > 0 &&
	    row->status == STATUS_QUEUED) {
		const struct queue_place *place = &extra->places[0];
		const char *about = place->at_least ? "at least " : "";

		n += snprintf(text + n, sizeof(text) - (size_t)n, "; queue position: %s%u of %s%u",
			      about, place->position, about, place->length);
	}
	if (extra->shortage.missing > 0)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "; %u more %s no peer",
			      extra->shortage.missing,
			      extra->shortage.missing > 1 ? "have" : "has");
	for (size_t i = 0; i < extra->shortage.n && n < DETAILS_FULL; i++) /* the first ones */
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s %.*s %s", i > 0 ? "," : ":",
			      SLICE_FMT(extra->shortage.peers[i].peer_id),
			      place_refusal_text(extra->shortage.peers[i].why));
	if (failed && row->status != STATUS_PINNED && n < DETAILS_FULL)
		n += failed->failure == FAILURE_DENIED
			     ? snprintf(text + n, sizeof(text) - (size_t)n, "; %.*s",
					SLICE_FMT(failed->error))
			     : snprintf(text + n, sizeof(text) - (size_t)n,
					"; attempt %u failed: %.*s", failed->attempts,
					SLICE_FMT(failed->error));
	if (n >= (int)sizeof(text)) /* whoever wrote the row: what did not fit is not shown */
		n = (int)sizeof(text) - 1;
	json_key_str(w, "status_details", SLICE_OF(text, (size_t)n));
}

static void write_info(struct json_writer *w, const struct owner_pin *row,
		       const struct pin_extra *extra)
{
	json_key(w, "info");
	json_begin_object(w);
	write_details(w, row, extra);
	json_key_time_if(w, "pinned_until", row->expires_at);
	if (row->size)
		json_key_u64_text(w, "dag_size", row->size);
	json_end_object(w);
}

void psa_write_status(struct json_writer *w, const struct owner_pin *row,
		      const struct pin_extra *extra)
{
	enum pin_status status = (enum pin_status)row->status;

	json_begin_object(w);
	key_ulid(w, "requestid", &row->request_id);
	/* The standard does not know `expiring`. */
	json_key_cstr(w, "status",
		      pin_status_name(status == STATUS_EXPIRING ? STATUS_PINNED : status));
	json_key_time(w, "created", row->created_at);
	json_key(w, "pin");
	json_begin_object(w);
	key_cid(w, row->cid, (char)row->cid_base);
	json_key_str_if(w, "name", row->name);
	key_strings_if(w, "origins", row->origins);
	key_meta_if(w, row->meta);
	json_end_object(w);
	json_key(w, "delegates");
	delegates_write(extra->delegates, row, extra->view, w);
	write_info(w, row, extra);
	json_end_object(w);
}

static const struct peer_row *find_peer(const struct pin_extra *extra, uint32_t peer_no)
{
	for (size_t i = 0; i < extra->n_peers; i++) {
		if (extra->peers[i].peer_no == peer_no)
			return &extra->peers[i];
	}
	return NULL;
}

static void write_copy_peer(struct json_writer *w, const struct copy *c,
			    const struct peer_row *peer)
{
	if (peer) {
		json_key_str(w, "peer", peer->peer_id);
		json_key_str_if(w, "peer_name", peer->name);
		json_key_str_if(w, "zone", peer->zone);
	} else { /* its row has not been read yet */
		json_key_u64_text(w, "peer", c->peer_no);
	}
}

static void write_copy(struct json_writer *w, const struct owner_pin *row,
		       const struct pin_extra *extra, size_t i)
{
	const struct copy *c = &extra->view->copies[i];
	const struct peer_row *peer = find_peer(extra, c->peer_no);
	enum copy_state state = copy_state(c);

	json_begin_object(w);
	write_copy_peer(w, c, peer);
	json_key_cstr(w, "state", copy_state_name(state));
	json_key_bool(w, "desired", c->desired);
	if (c->reason != REASON_NONE)
		json_key_cstr(w, "reason", copy_reason_name((enum copy_reason)c->reason));
	json_key_u64(w, "attempts", c->attempts);
	if (c->failure != FAILURE_NONE)
		json_key_cstr(w, "failure", copy_failure_name((enum copy_failure)c->failure));
	json_key_str_if(w, "error", c->error);
	json_key_time_if(w, "next_retry", c->next_at);
	if (c->size)
		json_key_u64(w, "size", c->size);
	json_key_time_if(w, "assigned", c->assigned_at);
	json_key_time_if(w, "observed", c->observed_at);
	json_key_time_if(w, "failing_since", c->failing_since);
	if (peer && state == COPY_PINNED && peer->compared_at > c->observed_at &&
	    peer->compared_at >= row->created_at)
		json_key_time(w, "confirmed", peer->compared_at);
	if (c->adopted)
		json_key_bool(w, "adopted", true);
	if (extra->places && extra->places[i].position > 0) {
		json_key_u64(w, "queue_position", extra->places[i].position);
		json_key_u64(w, "queue_length", extra->places[i].length);
		if (extra->places[i].at_least)
			json_key_bool(w, "queue_at_least", true);
	}
	if (extra->progress && state == COPY_PINNING) {
		json_key_u64(w, "fetched_blocks", extra->progress[i].nodes);
		json_key_u64(w, "fetched_bytes", extra->progress[i].bytes);
	}
	json_end_object(w);
}

static void write_shortage(struct json_writer *w, const struct shortage *shortage)
{
	if (shortage->missing == 0)
		return;
	json_key_u64(w, "missing_copies", shortage->missing);
	json_key(w, "left_out");
	json_begin_array(w);
	for (size_t i = 0; i < shortage->n; i++) {
		json_begin_object(w);
		json_key_str(w, "peer", shortage->peers[i].peer_id);
		json_key_cstr(w, "reason", place_refusal_text(shortage->peers[i].why));
		json_end_object(w);
	}
	json_end_array(w);
}

void v1_write_pin(struct json_writer *w, const struct owner_pin *row, const struct pin_extra *extra)
{
	json_begin_object(w);
	key_ulid(w, "id", &row->request_id);
	if (extra->owner)
		json_key_str(w, "owner", row->owner);
	key_cid(w, row->cid, (char)row->cid_base);
	json_key_cstr(w, "status", pin_status_name((enum pin_status)row->status));
	json_key_cstr(w, "mode", row->mode == PIN_DIRECT ? "direct" : "recursive");
	json_key_str_if(w, "name", row->name);
	key_strings_if(w, "tags", row->tags);
	key_meta_if(w, row->meta);
	key_strings_if(w, "zones", row->zones);
	key_strings_if(w, "peer_tags", row->peer_tags);
	key_strings_if(w, "origins", row->origins);
	key_strings_if(w, "allocations", extra->allocations);
	json_key_replicas(w, row->rf_min, row->rf_max);
	json_key_i64(w, "priority", row->priority);
	json_key_time(w, "created", row->created_at);
	json_key_time_if(w, "expires", row->expires_at);
	if (row->size)
		json_key_u64(w, "size", row->size);
	json_key_u64(w, "pinned_copies", shown_pinned(row));
	json_key_u64_text(w, "revision", row->rev);
	if (extra->view) {
		json_key(w, "copies");
		json_begin_array(w);
		for (size_t i = 0; i < extra->view->n_copies; i++)
			write_copy(w, row, extra, i);
		json_end_array(w);
	}
	write_shortage(w, &extra->shortage);
	json_end_object(w);
}
