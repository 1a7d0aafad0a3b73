#include "model/cluster_pin.h"

#include <stdlib.h>

#include "base/clock.h"
#include "model/cid.h"
#include "model/cluster_pin.pb-c.h"
#include "model/multiaddr.h"
#include "model/peer_id.h"
#include "model/utf8.h"

/* ---- the message --------------------------------------------------------------------- */

static void *alloc_in_arena(void *mem, size_t size)
{
	return arena_alloc(mem, size);
}

static void free_in_arena(void *mem, void *at)
{
	(void)mem, (void)at;
}

static struct slice from_bytes(ProtobufCBinaryData b)
{
	return SLICE_OF(b.data, b.len);
}

static ProtobufCBinaryData to_bytes(struct slice s)
{
	return (ProtobufCBinaryData){ .len = s.len, .data = (uint8_t *)(uintptr_t)s.ptr };
}

static struct slice_list from_list(const ProtobufCBinaryData *at, size_t n, struct arena *mem)
{
	struct slice_list list = { NULL, n };

	if (n > 0)
		list.at = arena_new_array(mem, struct slice, n);
	for (size_t i = 0; i < n; i++)
		list.at[i] = from_bytes(at[i]);
	return list;
}

static ProtobufCBinaryData *to_list(struct slice_list list, struct arena *mem)
{
	ProtobufCBinaryData *at = arena_new_array(mem, ProtobufCBinaryData, list.n);

	for (size_t i = 0; i < list.n; i++)
		at[i] = to_bytes(list.at[i]);
	return at;
}

struct numbered { /* so that of equal keys the last wins, and sorting has one result */
	struct pair pair;
	size_t no;
};

static int by_key(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;
	int c = slice_cmp(x->pair.key, y->pair.key);

	return c ? c : (x->no > y->no) - (x->no < y->no);
}

/* The map of old versions, and over it the sorted pairs. */
static struct pair_list from_pairs(const Cluster__PinOptions *o, struct arena *mem)
{
	size_t n = o->n_metadata + o->n_sorted_metadata, kept = 0;
	struct numbered *all = arena_new_array(mem, struct numbered, n);
	struct pair *at = arena_new_array(mem, struct pair, n);

	for (size_t i = 0; i < n; i++) {
		const Cluster__Pair *p =
			i < o->n_metadata ? o->metadata[i] : o->sorted_metadata[i - o->n_metadata];

		all[i] = (struct numbered){ { from_bytes(p->key), from_bytes(p->value) }, i };
	}
	if (n > 0)
		qsort(all, n, sizeof(*all), by_key);
	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && slice_eq(at[kept - 1].key, all[i].pair.key))
			kept--;
		at[kept++] = all[i].pair;
	}
	return (struct pair_list){ at, kept };
}

static bool check_pairs(Cluster__Pair *const *pairs, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++)
		if (!utf8_check(from_bytes(pairs[i]->key), NULL, err) ||
		    !utf8_check(from_bytes(pairs[i]->value), NULL, err))
			return err_wrap(err, "metadata");
	return true;
}

static bool check_texts(const Cluster__PinOptions *o, struct err *err)
{
	if (!utf8_check(from_bytes(o->name), NULL, err))
		return err_wrap(err, "name");
	return check_pairs(o->metadata, o->n_metadata, err) &&
	       check_pairs(o->sorted_metadata, o->n_sorted_metadata, err);
}

static struct cluster_unknown unknown_of(const ProtobufCMessage *m)
{
	return (struct cluster_unknown){ m->unknown_fields, m->n_unknown_fields };
}

/* The library takes a number of 0 that is spelt in two bytes, and cannot read what it writes
 * of it. */
static bool check_unknown(struct cluster_unknown unknown, struct err *err)
{
	for (unsigned i = 0; i < unknown.n; i++)
		if (unknown.at[i].tag == 0)
			return err_set(err, ERR_INVALID, "a field of number 0");
	return true;
}

bool cluster_pin_decode(struct slice bytes, struct arena *mem, struct cluster_pin *out,
			struct err *err)
{
	ProtobufCAllocator allocator = { alloc_in_arena, free_in_arena, mem };
	const Cluster__Pin *m = cluster__pin__unpack(&allocator, bytes.len, bytes.ptr);
	const Cluster__PinOptions *o;

	if (!m)
		return err_set(err, ERR_INVALID, "%zu bytes that are no pin of ipfs-cluster",
			       bytes.len);
	*out = (struct cluster_pin){ .cid = from_bytes(m->cid),
				     .type = m->type,
				     .allocations =
					     from_list(m->allocations, m->n_allocations, mem),
				     .max_depth = m->max_depth,
				     .reference = from_bytes(m->reference),
				     .timestamp = m->timestamp,
				     .unknown = unknown_of(&m->base) };
	o = m->options;
	if (!check_unknown(out->unknown, err))
		return false;
	if (o) {
		if (!check_texts(o, err) || !check_unknown(unknown_of(&o->base), err))
			return false;
		out->rf_min = o->replication_factor_min;
		out->rf_max = o->replication_factor_max;
		out->name = from_bytes(o->name);
		out->shard_size = o->shard_size;
		out->metadata = from_pairs(o, mem);
		out->pin_update = from_bytes(o->pin_update);
		out->expire_at = o->expire_at;
		out->origins = from_list(o->origins, o->n_origins, mem);
		out->unknown_options = unknown_of(&o->base);
	}
	return true;
}

static void set_unknown(ProtobufCMessage *m, struct cluster_unknown unknown)
{
	m->unknown_fields = (ProtobufCMessageUnknownField *)(uintptr_t)unknown.at;
	m->n_unknown_fields = unknown.n;
}

static Cluster__Pair **to_pairs(struct pair_list list, struct arena *mem)
{
	Cluster__Pair **at = arena_new_array(mem, Cluster__Pair *, list.n);

	for (size_t i = 0; i < list.n; i++) {
		at[i] = arena_new_of(mem, Cluster__Pair);
		cluster__pair__init(at[i]);
		at[i]->key = to_bytes(list.at[i].key);
		at[i]->value = to_bytes(list.at[i].value);
	}
	return at;
}

void cluster_pin_encode(const struct cluster_pin *pin, struct buf *out)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	Cluster__PinOptions o = CLUSTER__PIN_OPTIONS__INIT;
	Cluster__Pin m = CLUSTER__PIN__INIT;

	o.replication_factor_min = pin->rf_min;
	o.replication_factor_max = pin->rf_max;
	o.name = to_bytes(pin->name);
	o.shard_size = pin->shard_size;
	o.pin_update = to_bytes(pin->pin_update);
	o.expire_at = pin->expire_at;
	o.n_origins = pin->origins.n;
	o.origins = to_list(pin->origins, mem);
	o.n_sorted_metadata = pin->metadata.n;
	o.sorted_metadata = to_pairs(pin->metadata, mem);
	set_unknown(&o.base, pin->unknown_options);
	m.cid = to_bytes(pin->cid);
	m.type = pin->type;
	m.n_allocations = pin->allocations.n;
	m.allocations = to_list(pin->allocations, mem);
	m.max_depth = pin->max_depth;
	m.reference = to_bytes(pin->reference);
	m.options = &o;
	m.timestamp = pin->timestamp;
	set_unknown(&m.base, pin->unknown);
	out->len += cluster__pin__pack(&m, buf_reserve(out, cluster__pin__get_packed_size(&m)));
}

/* ---- to facts -------------------------------------------------------------------------- */

/* As much of the name as a request may have. */
static struct slice cut_name(struct slice name)
{
	size_t points = 0;

	for (size_t i = 0; i < name.len; i++) {
		if ((name.ptr[i] & 0xc0) != 0x80 && points++ == PIN_NAME_MAX)
			return SLICE_OF(name.ptr, i);
	}
	return name;
}

static bool check_metadata(struct pair_list meta, struct err *err)
{
	size_t bytes = 0;

	for (size_t i = 0; i < meta.n; i++)
		bytes += meta.at[i].key.len + meta.at[i].value.len;
	if (meta.n <= PIN_META_MAX && bytes <= PIN_META_BYTES_MAX)
		return true;
	return err_set(err, ERR_INVALID,
		       "metadata has %zu keys and %zu bytes; at most %d and %d are allowed", meta.n,
		       bytes, PIN_META_MAX, PIN_META_BYTES_MAX);
}

static int32_t replicas_of(int32_t factor)
{
	return factor == 0 ? 1 : factor > PIN_REPLICAS_MAX ? PIN_REPLICAS_MAX : factor;
}

static bool set_replicas(const struct cluster_pin *pin, struct fact *revision, struct err *err)
{
	bool everywhere = pin->rf_min == REPLICAS_EVERYWHERE && pin->rf_max == REPLICAS_EVERYWHERE;

	if (!everywhere &&
	    (pin->rf_min < 0 || pin->rf_max < 0 || (pin->rf_max > 0 && pin->rf_min > pin->rf_max)))
		return err_set(err, ERR_INVALID, "replication factors %d to %d make no sense",
			       pin->rf_min, pin->rf_max);
	revision->rf_min = replicas_of(pin->rf_min);
	revision->rf_max = replicas_of(pin->rf_max);
	if (!everywhere && revision->rf_max < revision->rf_min)
		revision->rf_max = revision->rf_min;
	return true;
}

/* Those that can be read. */
static struct slice_list origins_of(struct slice_list binary, struct arena *mem)
{
	struct slice_list list = { arena_new_array(mem, struct slice, binary.n), 0 };
	struct multiaddr addr;
	struct err ignored;

	for (size_t i = 0; i < binary.n && list.n < PIN_ORIGINS_MAX; i++)
		if (multiaddr_decode(binary.at[i], &addr, &ignored))
			list.at[list.n++] = multiaddr_text(&addr, mem);
	return list;
}

static int by_bytes(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* Sorted, as a request has them. */
static struct slice_list allocations_of(struct slice_list binary, struct arena *mem)
{
	struct slice_list list = { arena_new_array(mem, struct slice, binary.n), 0 };
	char text[PEER_ID_TEXT_MAX];
	struct peer_id id;
	struct err ignored;

	for (size_t i = 0; i < binary.n && list.n < PIN_REPLICAS_MAX; i++)
		if (peer_id_decode(binary.at[i], &id, &ignored))
			list.at[list.n++] =
				arena_copy(mem, SLICE_OF(text, peer_id_text(&id, text)));
	if (list.n > 0)
		qsort(list.at, list.n, sizeof(list.at[0]), by_bytes);
	return list;
}

static int64_t expiry_of(uint64_t seconds)
{
	return seconds > INT64_MAX / US_PER_S ? 0 : (int64_t)seconds * US_PER_S;
}

bool cluster_pin_facts(const struct cluster_pin *pin, struct arena *mem, struct fact *create,
		       struct fact *revision, struct err *err)
{
	if (!set_replicas(pin, revision, err) || !check_metadata(pin->metadata, err))
		return false;
	create->mode = pin->max_depth == 0 ? PIN_DIRECT : PIN_RECURSIVE;
	create->origins = origins_of(pin->origins, mem);
	create->allocations = allocations_of(pin->allocations, mem);
	revision->name = cut_name(pin->name);
	revision->meta = pin->metadata;
	revision->expires_at = expiry_of(pin->expire_at);
	return true;
}

/* ---- from facts -------------------------------------------------------------------------- */

static struct slice_list to_multiaddrs(struct slice_list texts, struct arena *mem)
{
	struct slice_list list = { arena_new_array(mem, struct slice, texts.n), 0 };
	struct multiaddr addr;
	struct err ignored;

	for (size_t i = 0; i < texts.n; i++)
		if (multiaddr_parse(texts.at[i], &addr, &ignored))
			list.at[list.n++] = arena_copy(mem, multiaddr_slice(&addr));
	return list;
}

static struct slice_list to_peer_ids(struct slice_list texts, struct arena *mem)
{
	struct slice_list list = { arena_new_array(mem, struct slice, texts.n), 0 };
	struct peer_id id;
	struct err ignored;

	for (size_t i = 0; i < texts.n; i++)
		if (peer_id_parse(texts.at[i], &id, &ignored))
			list.at[list.n++] = arena_copy(mem, peer_id_slice(&id));
	return list;
}

/* Of a request that was made here. */
static struct cluster_pin native(const struct request *r, struct arena *mem)
{
	const struct fact *c = r->create;

	return (struct cluster_pin){
		.cid = c->cid,
		.type = CLUSTER_PIN,
		.max_depth = c->mode == PIN_DIRECT ? 0 : CLUSTER_RECURSIVE,
		.allocations = to_peer_ids(c->allocations, mem),
		.origins = to_multiaddrs(c->origins, mem),
		.rf_min = r->revision->rf_min,
		.rf_max = r->revision->rf_max,
		.name = r->revision->name,
		.metadata = r->revision->meta,
		.expire_at = (uint64_t)(r->revision->expires_at / US_PER_S),
		.timestamp = (uint64_t)(c->created_at / US_PER_S),
	};
}

/* Whether the request still says what the pin said; where not, the pin is changed. */
static bool follow(struct cluster_pin *pin, const struct request *r, struct arena *mem)
{
	const struct fact *now = r->revision;
	struct fact create = { .kind = FACT_CREATE }, said = { .kind = FACT_REVISION };
	struct err ignored;
	bool known = cluster_pin_facts(pin, mem, &create, &said, &ignored);
	bool same = known;

	if (!slice_eq(pin->cid, r->create->cid)) {
		pin->cid = r->create->cid;
		same = false;
	}
	if (!known || now->rf_min != said.rf_min || now->rf_max != said.rf_max) {
		pin->rf_min = now->rf_min;
		pin->rf_max = now->rf_max;
		same = false;
	}
	if (!known || !slice_eq(now->name, said.name)) {
		pin->name = now->name;
		same = false;
	}
	if (!known || !pair_list_eq(now->meta, said.meta)) {
		pin->metadata = now->meta;
		same = false;
	}
	if (!known || now->expires_at != said.expires_at) {
		pin->expire_at = (uint64_t)(now->expires_at / US_PER_S);
		same = false;
	}
	return same;
}

static struct cluster_pin pin_of(const struct request *r, struct arena *mem, bool *same)
{
	struct cluster_pin pin;
	struct err ignored;

	*same = false;
	if (r->create->pin_proto.len == 0 ||
	    !cluster_pin_decode(r->create->pin_proto, mem, &pin, &ignored))
		return native(r, mem);
	*same = follow(&pin, r, mem);
	return pin;
}

struct cluster_pin cluster_pin_of(const struct request *request, struct arena *mem)
{
	bool same;

	return pin_of(request, mem, &same);
}

struct slice cluster_pin_bytes(const struct request *request, struct arena *mem)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	bool same;
	struct cluster_pin pin = pin_of(request, mem, &same);

	if (same)
		return request->create->pin_proto;
	cluster_pin_encode(&pin, &out);
	return arena_copy(mem, buf_slice(&out));
}
