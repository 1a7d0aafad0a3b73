#include "role/cluster_pin_json.h"

#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/clock.h"
#include "model/cid.h"
#include "model/multiaddr.h"
#include "model/peer_id.h"
#include "model/time_text.h"
#include "json/json_reader.h"
#include "json/json_writer.h"

#define DEPTH_MAX   8
#define LIST_MAX    10000 /* allocations, origins */
#define LAST_SECOND ((uint64_t)(TIME_TEXT_END / US_PER_S) - 1)
#define DAY_SECONDS 19 /* characters of a time down to the second */

static const char *const types[] = { [CLUSTER_BAD] = "bad-type",
				     [CLUSTER_PIN] = "pin",
				     [CLUSTER_META] = "meta-pin",
				     [CLUSTER_DAG] = "clusterdag-pin",
				     [CLUSTER_SHARD] = "shard-pin" };

/* ---- writing ------------------------------------------------------------------------------ */

struct writing {
	struct json_writer json;
	struct arena *mem;
	bool whole; /* nothing was left out */
};

static void write_time(struct writing *w, const char *name, uint64_t seconds)
{
	char text[TIME_TEXT_MAX];

	if (seconds > LAST_SECOND) {
		seconds = LAST_SECOND;
		w->whole = false;
	}
	time_text_ms(seconds ? (int64_t)seconds * US_PER_S : TIME_TEXT_MIN, text);
	memcpy(text + DAY_SECONDS, "Z", 2);
	json_key_cstr(&w->json, name, text);
}

static void write_cid(struct writing *w, const char *name, struct slice bytes)
{
	char text[CID_TEXT_MAX];
	struct err ignored;
	struct cid cid;

	json_key(&w->json, name);
	if (bytes.len > 0 && cid_decode(bytes, &cid, &ignored)) {
		json_str(&w->json, SLICE_OF(text, cid_text(&cid, 0, text)));
	} else {
		json_null_value(&w->json);
		w->whole &= bytes.len == 0;
	}
}

static void write_metadata(struct writing *w, struct pair_list metadata)
{
	json_key(&w->json, "metadata");
	if (metadata.n == 0) {
		json_null_value(&w->json);
		return;
	}
	json_begin_object(&w->json);
	for (size_t i = 0; i < metadata.n; i++) {
		json_key_slice(&w->json, metadata.at[i].key);
		json_str(&w->json, metadata.at[i].value);
	}
	json_end_object(&w->json);
}

static void write_origins(struct writing *w, struct slice_list origins)
{
	struct multiaddr addr;
	struct err ignored;

	json_key(&w->json, "origins");
	json_begin_array(&w->json);
	for (size_t i = 0; i < origins.n; i++) {
		if (multiaddr_decode(origins.at[i], &addr, &ignored))
			json_str(&w->json, multiaddr_text(&addr, w->mem));
		else
			w->whole = false;
	}
	json_end_array(&w->json);
}

static void write_allocations(struct writing *w, struct slice_list allocations)
{
	char text[PEER_ID_TEXT_MAX];
	struct err ignored;
	struct peer_id id;

	json_key(&w->json, "allocations");
	json_begin_array(&w->json);
	for (size_t i = 0; i < allocations.n; i++) {
		if (peer_id_decode(allocations.at[i], &id, &ignored))
			json_str(&w->json, SLICE_OF(text, peer_id_text(&id, text)));
		else
			w->whole = false;
	}
	json_end_array(&w->json);
}

static void write_type(struct writing *w, int32_t type)
{
	bool known = type >= 0 && (size_t)type < ARRAY_LEN(types);

	json_key_cstr(&w->json, "type", types[known ? type : CLUSTER_BAD]);
	w->whole &= known;
}

bool cluster_pin_json_write(const struct cluster_pin *pin, struct slice owner, struct buf *out)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct writing w = { json_writer(out), mem,
			     pin->unknown.n == 0 && pin->unknown_options.n == 0 };
	struct json_writer *json = &w.json;

	json_begin_object(json);
	if (owner.ptr)
		json_key_str(json, "owner", owner);
	json_key_i64(json, "replication_factor_min", pin->rf_min);
	json_key_i64(json, "replication_factor_max", pin->rf_max);
	json_key_str(json, "name", pin->name);
	json_key_cstr(json, "mode", pin->max_depth == 0 ? "direct" : "recursive");
	json_key_u64(json, "shard_size", pin->shard_size);
	json_key(json, "user_allocations");
	json_null_value(json);
	write_time(&w, "expire_at", pin->expire_at);
	write_metadata(&w, pin->metadata);
	write_cid(&w, "pin_update", pin->pin_update);
	write_origins(&w, pin->origins);
	write_cid(&w, "cid", pin->cid);
	write_type(&w, pin->type);
	write_allocations(&w, pin->allocations);
	json_key_i64(json, "max_depth", pin->max_depth);
	write_cid(&w, "reference", pin->reference);
	write_time(&w, "timestamp", pin->timestamp);
	json_end_object(json);
	buf_add_byte(out, '\n');
	return w.whole;
}

/* ---- reading ------------------------------------------------------------------------------ */

struct fields {
	int64_t rf_min, rf_max, shard_size, max_depth;
	struct slice name, mode, expire_at, pin_update, cid, type, reference, timestamp, owner;
	const json_t *metadata, *origins, *allocations;
};

#define AT(member) .offset = offsetof(struct fields, member)
#define NUMBER(name, low, high, member)                                               \
	{                                                                             \
		name, JSON_INT, .nullable = true, .min = low, .max = high, AT(member) \
	}
#define OTHER(name, kind, member)                        \
	{                                                \
		name, kind, .nullable = true, AT(member) \
	}

static const struct json_field fields[] = {
	NUMBER("replication_factor_min", INT32_MIN, INT32_MAX, rf_min),
	NUMBER("replication_factor_max", INT32_MIN, INT32_MAX, rf_max),
	NUMBER("shard_size", 0, INT64_MAX, shard_size),
	NUMBER("max_depth", INT32_MIN, INT32_MAX, max_depth),
	OTHER("owner", JSON_STR, owner),
	OTHER("name", JSON_STR, name),
	OTHER("mode", JSON_STR, mode),
	OTHER("expire_at", JSON_STR, expire_at),
	OTHER("metadata", JSON_MAP, metadata),
	OTHER("pin_update", JSON_STR, pin_update),
	OTHER("origins", JSON_LIST, origins),
	{ "cid", JSON_STR, .required = true, AT(cid) },
	OTHER("type", JSON_STR, type),
	OTHER("allocations", JSON_LIST, allocations),
	OTHER("reference", JSON_STR, reference),
	OTHER("timestamp", JSON_STR, timestamp),
};

#define NO_DEPTH INT64_MIN /* none was given */

static bool read_cid(struct slice text, const char *name, struct arena *mem, struct slice *out,
		     struct err *err)
{
	struct cid cid;

	if (!text.ptr)
		return true;
	if (!cid_parse(text, &cid, NULL, err))
		return err_wrap(err, "%s", name);
	*out = arena_copy(mem, cid_slice(&cid));
	return true;
}

/* The time of Go that is no time is the first of all; 1970 is none to ipfs-cluster as well. */
static bool read_time(struct slice text, const char *name, uint64_t *seconds, struct err *err)
{
	int64_t us;

	if (!text.ptr)
		return true;
	if (!time_text_parse(text, &us, err))
		return err_wrap(err, "%s", name);
	if (us < 0 && us != TIME_TEXT_MIN)
		return err_set(err, ERR_INVALID, "%s is %.*s; it must not lie before 1970", name,
			       SLICE_FMT(text));
	*seconds = us > 0 ? (uint64_t)(us / US_PER_S) : 0;
	return true;
}

static bool read_type(struct slice text, int32_t *out, struct err *err)
{
	*out = CLUSTER_PIN;
	if (!text.ptr)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (!slice_eq_str(text, types[i]))
			continue;
		*out = (int32_t)i;
		return true;
	}
	return err_set(err, ERR_INVALID,
		       "type is \"%.*s\"; allowed are pin, meta-pin, clusterdag-pin, shard-pin and "
		       "bad-type",
		       (int)(text.len < 40 ? text.len : 40), (const char *)text.ptr);
}

static int by_key(const void *a, const void *b)
{
	return slice_cmp(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

static bool read_metadata(const json_t *value, struct arena *mem, struct pair_list *out,
			  struct err *err)
{
	struct slice *keys, *values;
	size_t n;

	if (!value)
		return true;
	if (!json_string_map(value, "metadata", PIN_META_MAX, mem, &keys, &values, &n, err))
		return false;
	*out = (struct pair_list){ arena_new_array(mem, struct pair, n), n };
	for (size_t i = 0; i < n; i++)
		out->at[i] = (struct pair){ arena_copy(mem, keys[i]), arena_copy(mem, values[i]) };
	if (n > 0)
		qsort(out->at, n, sizeof(*out->at), by_key);
	return true;
}

static bool to_multiaddr(struct slice text, struct arena *mem, struct slice *out, struct err *err)
{
	struct multiaddr addr;

	if (!multiaddr_parse(text, &addr, err))
		return false;
	*out = arena_copy(mem, multiaddr_slice(&addr));
	return true;
}

static bool to_peer_id(struct slice text, struct arena *mem, struct slice *out, struct err *err)
{
	struct peer_id id;

	if (!peer_id_parse(text, &id, err))
		return false;
	*out = arena_copy(mem, peer_id_slice(&id));
	return true;
}

static bool read_list(const json_t *value, const char *name,
		      bool (*to_bytes)(struct slice, struct arena *, struct slice *, struct err *),
		      struct arena *mem, struct slice_list *out, struct err *err)
{
	if (!value)
		return true;
	if (!json_strings(value, name, LIST_MAX, mem, &out->at, &out->n, err))
		return false;
	for (size_t i = 0; i < out->n; i++)
		if (!to_bytes(out->at[i], mem, &out->at[i], err))
			return err_wrap(err, "%s", name);
	return true;
}

static int32_t depth_of(const struct fields *f)
{
	if (f->max_depth != NO_DEPTH)
		return (int32_t)f->max_depth;
	return f->mode.ptr && slice_eq_str(f->mode, "direct") ? 0 : CLUSTER_RECURSIVE;
}

/* An empty one is none. */
static bool read_owner(struct slice text, struct arena *mem, struct slice *out, struct err *err)
{
	*out = (struct slice){ NULL, 0 };
	if (text.len == 0)
		return true;
	if (!owner_valid(text))
		return err_set(err, ERR_INVALID,
			       "owner is \"%.*s\"; at most %d printable characters without a space "
			       "are allowed",
			       (int)(text.len < 40 ? text.len : 40), (const char *)text.ptr,
			       OWNER_MAX);
	*out = arena_copy(mem, text);
	return true;
}

bool cluster_pin_json_read(struct slice text, struct arena *mem, struct cluster_pin *out,
			   struct slice *owner, struct err *err)
{
	static const struct json_limits limits = { CLUSTER_PIN_JSON_MAX, DEPTH_MAX };
	CLEANUP(json_doc_free) struct json_doc *doc = NULL;
	struct fields f = { .max_depth = NO_DEPTH };
	uint64_t given;

	if (!json_parse(text, &limits, &doc, err) ||
	    !json_fields(json_root(doc), "", fields, ARRAY_LEN(fields), JSON_UNKNOWN_IGNORED, &f,
			 &given, err))
		return false;
	*out = (struct cluster_pin){ .max_depth = depth_of(&f),
				     .rf_min = (int32_t)f.rf_min,
				     .rf_max = (int32_t)f.rf_max,
				     .name = arena_copy(mem, f.name),
				     .shard_size = (uint64_t)f.shard_size };
	return read_owner(f.owner, mem, owner, err) &&
	       read_cid(f.cid, "cid", mem, &out->cid, err) && read_type(f.type, &out->type, err) &&
	       read_cid(f.reference, "reference", mem, &out->reference, err) &&
	       read_cid(f.pin_update, "pin_update", mem, &out->pin_update, err) &&
	       read_time(f.expire_at, "expire_at", &out->expire_at, err) &&
	       read_time(f.timestamp, "timestamp", &out->timestamp, err) &&
	       read_metadata(f.metadata, mem, &out->metadata, err) &&
	       read_list(f.origins, "origins", to_multiaddr, mem, &out->origins, err) &&
	       read_list(f.allocations, "allocations", to_peer_id, mem, &out->allocations, err);
}

/* ---- streams ------------------------------------------------------------------------------ */

/* The line at the front of `rest`, without white space at its end. */
struct line {
	struct slice text;
	struct slice behind; /* what follows it */
};

static bool first_line(struct slice rest, bool end, struct line *out)
{
	const uint8_t *newline = rest.len ? memchr(rest.ptr, '\n', rest.len) : NULL;
	size_t n = newline ? (size_t)(newline - rest.ptr) : rest.len;
	size_t taken = newline ? n + 1 : n;

	if (!newline && !(end && rest.len))
		return false;
	out->behind = SLICE_OF(rest.ptr + taken, rest.len - taken);
	while (n > 0 && strchr(" \t\r", rest.ptr[n - 1]) && rest.ptr[n - 1])
		n--;
	out->text = SLICE_OF(rest.ptr, n);
	return true;
}

static bool begins(struct slice text, char c)
{
	return text.len > 0 && text.ptr[0] == (uint8_t)c;
}

/* Takes the lines of an object behind its first one; false: they are not all there. */
static bool take_indented(struct slice *at, bool end, uint64_t *lines)
{
	struct line line;

	while (!begins(*at, '{') && first_line(*at, end, &line)) {
		*at = line.behind;
		++*lines;
		if (begins(line.text, '}'))
			return true;
	}
	return end || begins(*at, '{');
}

bool cluster_pin_lines_next(struct cluster_pin_lines *lines, struct slice *rest, bool end,
			    struct slice *out)
{
	uint64_t taken = 1;
	struct line line;
	struct slice at;

	for (;; *rest = line.behind, lines->passed++) {
		if (!first_line(*rest, end, &line))
			return false;
		if (line.text.len > 0)
			break;
	}
	at = line.behind;
	if (begins(line.text, '{') && line.text.ptr[line.text.len - 1] != '}' &&
	    !take_indented(&at, end, &taken))
		return false;
	*out = SLICE_OF(rest->ptr, (size_t)(at.ptr - rest->ptr));
	*rest = at;
	lines->line = lines->passed + 1;
	lines->passed += taken;
	return true;
}
