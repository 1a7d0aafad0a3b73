#include "role/pin_ask.h"

#include <openssl/sha.h>
#include <stdlib.h>

#include "base/buf.h"
#include "model/duration.h"
#include "model/excerpt.h"
#include "model/multiaddr.h"
#include "model/time_text.h"
#include "model/utf8.h"

#define RESERVED     "pinfold."
#define ZONES_MAX    32
#define TTL_MAX_US   (INT64_C(100) * 366 * US_PER_DAY)
#define EXPIRY_MAX   (TIME_TEXT_END - 1)
#define PRIORITY_MAX 100

static int compare_slices(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static int compare_pairs(const void *a, const void *b)
{
	return slice_cmp(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

static bool check_name(struct slice name, struct err *err)
{
	size_t points;

	if (!utf8_check(name, &points, err))
		return err_wrap(err, "name");
	if (points > PIN_NAME_MAX)
		return err_set(err, ERR_INVALID, "name has %zu characters; at most %d are allowed",
			       points, PIN_NAME_MAX);
	return true;
}

/* Tags and zones: short words without control characters and commas. */
static bool check_word(struct slice word, const char *field, struct err *err)
{
	if (!utf8_check(word, NULL, err))
		return err_wrap(err, "%s", field);
	if (word.len == 0 || word.len > PIN_TAG_MAX)
		return err_set(err, ERR_INVALID, "%s holds \"%s\"; each must have 1 to %d bytes",
			       field, excerpt(word).text, PIN_TAG_MAX);
	for (size_t i = 0; i < word.len; i++) {
		if (word.ptr[i] < 0x20 || word.ptr[i] == 0x7f || word.ptr[i] == ',')
			return err_set(err, ERR_INVALID,
				       "%s holds \"%s\"; commas and control characters are not "
				       "allowed",
				       field, excerpt(word).text);
	}
	return true;
}

/* A sorted copy without repetitions. */
static bool check_words(struct slice_list in, const char *field, size_t max, struct arena *mem,
			struct slice_list *out, struct err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		if (!check_word(in.at[i], field, err))
			return false;
	}
	*out = slice_list_copy(mem, in);
	if (out->n > 1)
		qsort(out->at, out->n, sizeof(*out->at), compare_slices);
	for (size_t i = 0; i < out->n; i++) {
		if (i == 0 || slice_cmp(out->at[i], out->at[n - 1]) != 0)
			out->at[n++] = out->at[i];
	}
	out->n = n;
	if (n > max)
		return err_set(err, ERR_INVALID, "%s has %zu entries; at most %zu are allowed",
			       field, n, max);
	return true;
}

static bool check_origins(struct slice_list in, struct arena *mem, struct slice_list *out,
			  struct err *err)
{
	struct multiaddr addrs[PIN_ORIGINS_MAX];

	if (in.n > PIN_ORIGINS_MAX)
		return err_set(err, ERR_INVALID, "origins has %zu entries; at most %d are allowed",
			       in.n, PIN_ORIGINS_MAX);
	for (size_t i = 0; i < in.n; i++) {
		struct multiaddr *addr = &addrs[i];
		struct peer_id peer;

		if (!multiaddr_parse(in.at[i], addr, err))
			return err_wrap(err, "origins[%zu]", i);
		if (!multiaddr_peer(addr, &peer))
			return err_set(err, ERR_INVALID,
				       "origins[%zu] is \"%s\"; it must end in /p2p/<peer id>", i,
				       excerpt(in.at[i]).text);
		for (size_t j = 0; j < i; j++) {
			if (slice_eq(multiaddr_slice(addr), multiaddr_slice(&addrs[j])))
				return err_set(err, ERR_INVALID,
					       "origins[%zu] is \"%s\", which stands there twice",
					       i, excerpt(in.at[i]).text);
		}
	}
	*out = slice_list_copy(mem, in);
	return true;
}

static bool check_allocations(struct slice_list in, struct arena *mem, struct slice_list *out,
			      struct err *err)
{
	if (in.n > PIN_REPLICAS_MAX)
		return err_set(err, ERR_INVALID,
			       "allocations has %zu entries; at most %d are allowed", in.n,
			       PIN_REPLICAS_MAX);
	for (size_t i = 0; i < in.n; i++) {
		struct peer_id peer;

		if (!peer_id_parse(in.at[i], &peer, err))
			return err_wrap(err, "allocations[%zu]", i);
	}
	*out = slice_list_copy(mem, in);
	return true;
}

static bool check_meta(struct pair_list in, struct arena *mem, struct pair_list *out,
		       struct err *err)
{
	size_t bytes = 0;

	if (in.n > PIN_META_MAX)
		return err_set(err, ERR_INVALID, "meta has %zu keys; at most %d are allowed", in.n,
			       PIN_META_MAX);
	for (size_t i = 0; i < in.n; i++) {
		if (!utf8_check(in.at[i].key, NULL, err) || !utf8_check(in.at[i].value, NULL, err))
			return err_wrap(err, "meta");
		bytes += in.at[i].key.len + in.at[i].value.len;
	}
	if (bytes > PIN_META_BYTES_MAX)
		return err_set(err, ERR_INVALID, "meta has %zu bytes; at most %d are allowed",
			       bytes, PIN_META_BYTES_MAX);
	*out = pair_list_copy(mem, in);
	if (out->n > 1)
		qsort(out->at, out->n, sizeof(*out->at), compare_pairs);
	for (size_t i = 1; i < out->n; i++) {
		if (slice_eq(out->at[i].key, out->at[i - 1].key))
			return err_set(err, ERR_INVALID, "meta has the key \"%s\" twice",
				       excerpt(out->at[i].key).text);
	}
	return true;
}

/* Decimal digits, at most 3, with an optional sign. */
static bool parse_small(struct slice text, int32_t *out)
{
	bool minus = text.len > 0 && text.ptr[0] == '-';
	int32_t n = 0;

	if (text.len == minus || text.len > 3U + minus)
		return false;
	for (size_t i = minus; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		n = 10 * n + (text.ptr[i] - '0');
	}
	*out = minus ? -n : n;
	return true;
}

/* ---- reserved keys of meta -------------------------------------------------------------- */

static bool meta_replicas(struct slice value, struct pin_ask *out, struct arena *mem UNUSED,
			  struct err *err UNUSED)
{
	const uint8_t *dash = value.len > 1 ? memchr(value.ptr + 1, '-', value.len - 1) : NULL;
	size_t head = dash ? (size_t)(dash - value.ptr) : value.len;

	if (slice_eq_str(value, "all")) {
		out->rf_min = out->rf_max = REPLICAS_EVERYWHERE;
		return true;
	}
	if (!parse_small(SLICE_OF(value.ptr, head), &out->rf_min))
		return false;
	out->rf_max = out->rf_min;
	if (dash && !parse_small(SLICE_OF(dash + 1, value.len - head - 1), &out->rf_max))
		return false;
	return pin_replicas_ok(out->rf_min, out->rf_max);
}

static bool meta_ttl(struct slice value, struct pin_ask *out, struct arena *mem UNUSED,
		     struct err *err)
{
	out->expires_at = 0;
	if (slice_eq_str(value, "never")) {
		out->ttl_us = 0;
		return true;
	}
	return duration_parse(value, &out->ttl_us, err) && out->ttl_us > 0 &&
	       out->ttl_us <= TTL_MAX_US;
}

static bool meta_tags(struct slice value, struct pin_ask *out, struct arena *mem, struct err *err)
{
	struct slice words[PIN_TAGS_MAX];
	struct slice_list list = { words, 0 };

	for (size_t i = 0, from = 0; i <= value.len; i++) {
		if (i < value.len && value.ptr[i] != ',')
			continue;
		if (list.n == PIN_TAGS_MAX)
			return false;
		list.at[list.n++] = SLICE_OF(value.ptr + from, i - from);
		from = i + 1;
	}
	return check_words(list, "meta", PIN_TAGS_MAX, mem, &out->tags, err);
}

static bool meta_priority(struct slice value, struct pin_ask *out, struct arena *mem UNUSED,
			  struct err *err UNUSED)
{
	return parse_small(value, &out->priority) && abs(out->priority) <= PRIORITY_MAX;
}

static const struct reserved {
	const char *key;
	enum ask_field field;
	bool (*read)(struct slice value, struct pin_ask *out, struct arena *mem, struct err *err);
	const char *allowed;
} reserved[] = {
	{ RESERVED "replicas", ASK_REPLICAS, meta_replicas,
	  "a number from 1 to 100, two of them as \"2-3\", or \"all\"" },
	{ RESERVED "ttl", ASK_EXPIRY, meta_ttl, "a duration such as \"30d\", or \"never\"" },
	{ RESERVED "tags", ASK_TAGS, meta_tags,
	  "up to 32 words of 1 to 64 bytes with commas between them" },
	{ RESERVED "priority", ASK_PRIORITY, meta_priority, "a number from -100 to 100" },
};

static bool read_reserved(const struct pair *pair, struct pin_ask *out, struct arena *mem,
			  struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
		const struct reserved *r = &reserved[i];
		struct err why = { 0 };

		if (!slice_eq_str(pair->key, r->key))
			continue;
		if (out->given & r->field)
			return err_set(err, ERR_INVALID,
				       "meta.%s says what another field says too; give one",
				       r->key);
		if (!r->read(pair->value, out, mem, &why))
			return err_set(err, ERR_INVALID, "meta.%s is \"%s\"; it must be %s", r->key,
				       excerpt(pair->value).text, r->allowed);
		out->given |= r->field;
		return true;
	}
	return err_set(err, ERR_INVALID,
		       "meta.%s is not known; of the names that begin with " RESERVED
		       " there are replicas, ttl, tags, priority",
		       excerpt(pair->key).text);
}

static bool take_reserved(struct pin_ask *out, struct arena *mem, struct err *err)
{
	size_t len = sizeof(RESERVED) - 1;

	for (size_t i = 0; i < out->meta.n; i++) {
		const struct pair *pair = &out->meta.at[i];

		if (pair->key.len >= len && memcmp(pair->key.ptr, RESERVED, len) == 0 &&
		    !read_reserved(pair, out, mem, err))
			return false;
	}
	return true;
}

/* ---- the whole ------------------------------------------------------------------------- */

static bool check_numbers(const struct pin_ask *ask, struct err *err)
{
	if (ask->given & ASK_REPLICAS && !pin_replicas_ok(ask->rf_min, ask->rf_max))
		return err_set(err, ERR_INVALID,
			       "replicas are %d to %d; they must be 1 to %d, the lower first, or "
			       "-1 for every peer",
			       ask->rf_min, ask->rf_max, PIN_REPLICAS_MAX);
	if (ask->given & ASK_PRIORITY && abs(ask->priority) > PRIORITY_MAX)
		return err_set(err, ERR_INVALID, "priority is %d; it must be from -%d to %d",
			       ask->priority, PRIORITY_MAX, PRIORITY_MAX);
	if (ask->given & ASK_EXPIRY && (ask->ttl_us < 0 || ask->ttl_us > TTL_MAX_US ||
					ask->expires_at < 0 || ask->expires_at > EXPIRY_MAX))
		return err_set(err, ERR_INVALID,
			       "the expiry is out of range; it must be within 100 years");
	return true;
}

static bool check_cid(const struct pin_ask *ask, struct err *err)
{
	struct cid cid;

	return cid_decode(ask->cid, &cid, err) && cid_check_pinnable(&cid, err);
}

static bool check_key(struct slice key, struct err *err)
{
	if (key.len > IDEMPOTENCY_KEY_MAX)
		return err_set(err, ERR_INVALID,
			       "the idempotency key has %zu bytes; at most %d are allowed", key.len,
			       IDEMPOTENCY_KEY_MAX);
	for (size_t i = 0; i < key.len; i++) {
		if (key.ptr[i] < 0x20 || key.ptr[i] > 0x7e)
			return err_set(err, ERR_INVALID,
				       "the idempotency key is \"%s\"; it must be printable ASCII",
				       excerpt(key).text);
	}
	return true;
}

bool pin_ask_check(const struct pin_ask *ask, bool creating, struct arena *mem, struct pin_ask *out,
		   struct err *err)
{
	*out = *ask;
	if (creating &&
	    (!check_cid(ask, err) || !check_origins(ask->origins, mem, &out->origins, err) ||
	     !check_allocations(ask->allocations, mem, &out->allocations, err)))
		return false;
	if (!check_key(ask->key, err) || !check_name(ask->name, err) || !check_numbers(ask, err) ||
	    !check_words(ask->tags, "tags", PIN_TAGS_MAX, mem, &out->tags, err) ||
	    !check_words(ask->zones, "zones", ZONES_MAX, mem, &out->zones, err) ||
	    !check_words(ask->peer_tags, "peer_tags", PIN_TAGS_MAX, mem, &out->peer_tags, err) ||
	    !check_meta(ask->meta, mem, &out->meta, err) || !take_reserved(out, mem, err))
		return false;
	out->key = arena_copy(mem, ask->key);
	out->cid = arena_copy(mem, ask->cid);
	out->name = arena_copy(mem, ask->name);
	out->pin_proto = arena_copy(mem, ask->pin_proto);
	return true;
}

static bool apply_expiry(const struct pin_ask *ask, const struct owner_row *owner, int64_t from_us,
			 struct fact *out, struct err *err)
{
	if (ask->given & ASK_EXPIRY)
		out->expires_at = ask->ttl_us ? from_us + ask->ttl_us : ask->expires_at;
	if (ask->given & ASK_EXPIRY && out->expires_at && out->expires_at <= from_us)
		return err_set(err, ERR_INVALID, "the expiry has passed; it must lie ahead");
	if (ask->given & ASK_EXPIRY && owner->ttl_max_us &&
	    (out->expires_at == 0 || out->expires_at - from_us > owner->ttl_max_us))
		return err_set(err, ERR_INVALID,
			       "the expiry is too far ahead; this owner may keep pins for at most "
			       "%lld s",
			       (long long)(owner->ttl_max_us / US_PER_S));
	return true;
}

static void apply_defaults(const struct owner_row *owner, int32_t rf_min, int32_t rf_max,
			   int64_t from_us, struct fact *out)
{
	int64_t ttl = owner->ttl_us, most = owner->ttl_max_us;

	if (most && (!ttl || ttl > most))
		ttl = most;
	out->rf_min = owner->rf_min ? owner->rf_min : rf_min;
	out->rf_max = owner->rf_max ? owner->rf_max : rf_max;
	out->zones = owner->zones;
	out->peer_tags = owner->peer_tags;
	out->priority = owner->priority;
	out->expires_at = ttl ? from_us + ttl : 0;
}

bool pin_ask_apply(const struct pin_ask *ask, const struct fact *old, const struct owner_row *owner,
		   int32_t rf_min, int32_t rf_max, int64_t from_us, struct fact *out,
		   struct err *err)
{
	*out = old ? *old : (struct fact){ 0 };
	out->kind = FACT_REVISION;
	if (!old)
		apply_defaults(owner, rf_min, rf_max, from_us, out);
	if (ask->given & ASK_NAME)
		out->name = ask->name;
	if (ask->given & ASK_META)
		out->meta = ask->meta;
	if (ask->given & ASK_TAGS)
		out->tags = ask->tags;
	if (ask->given & ASK_ZONES)
		out->zones = ask->zones;
	if (ask->given & ASK_PEER_TAGS)
		out->peer_tags = ask->peer_tags;
	if (ask->given & ASK_REPLICAS) {
		out->rf_min = ask->rf_min;
		out->rf_max = ask->rf_max;
	}
	if (ask->given & ASK_PRIORITY)
		out->priority = ask->priority;
	return apply_expiry(ask, owner, from_us, out, err);
}

bool pin_ask_same(const struct fact *a, const struct fact *b)
{
	return slice_eq(a->name, b->name) && pair_list_eq(a->meta, b->meta) &&
	       slice_list_eq(a->tags, b->tags) && slice_list_eq(a->zones, b->zones) &&
	       slice_list_eq(a->peer_tags, b->peer_tags) && a->rf_min == b->rf_min &&
	       a->rf_max == b->rf_max && a->priority == b->priority &&
	       a->expires_at == b->expires_at && a->retry_at == b->retry_at;
}

/* ---- fingerprint ------------------------------------------------------------------------ */

static void add_bytes(struct buf *b, struct slice bytes)
{
	uint32_t len = (uint32_t)bytes.len;

	buf_add(b, &len, sizeof(len));
	buf_add_slice(b, bytes);
}

static void add_number(struct buf *b, int64_t n)
{
	buf_add(b, &n, sizeof(n));
}

static void add_list(struct buf *b, struct slice_list list)
{
	add_number(b, (int64_t)list.n);
	for (size_t i = 0; i < list.n; i++)
		add_bytes(b, list.at[i]);
}

struct slice pin_ask_fingerprint(const struct pin_ask *ask, struct ulid about, uint64_t if_rev,
				 struct arena *mem)
{
	__attribute__((cleanup(buf_free_at_scope_end))) struct buf b = { 0 };
	uint8_t digest[SHA256_DIGEST_LENGTH];

	add_bytes(&b, SLICE_OF(about.bytes, sizeof(about.bytes)));
	add_number(&b, (int64_t)if_rev);
	add_bytes(&b, ask->cid);
	add_number(&b, ask->cid_base);
	add_number(&b, ask->direct);
	add_list(&b, ask->origins);
	add_list(&b, ask->allocations);
	add_bytes(&b, ask->pin_proto);
	add_number(&b, ask->given);
	add_bytes(&b, ask->name);
	add_number(&b, (int64_t)ask->meta.n);
	for (size_t i = 0; i < ask->meta.n; i++) {
		add_bytes(&b, ask->meta.at[i].key);
		add_bytes(&b, ask->meta.at[i].value);
	}
	add_list(&b, ask->tags);
	add_list(&b, ask->zones);
	if (ask->given & ASK_PEER_TAGS) /* programs before it had not: keys are repeated to both */
		add_list(&b, ask->peer_tags);
	add_number(&b, ask->rf_min);
	add_number(&b, ask->rf_max);
	add_number(&b, ask->priority);
	add_number(&b, ask->ttl_us);
	add_number(&b, ask->expires_at);
	SHA256(b.ptr, b.len, digest);
	return arena_copy(mem, SLICE_OF(digest, sizeof(digest)));
}
