/* schema.c -- the columns of every table, and what follows from them alone. */
#include "store/schema.h"

#include <assert.h>

#define KEY(n, k, r, type, member)                                                                \
	{                                                                                         \
		.name = n, .kind = COLUMN_##k, .role = ROLE_##r, .offset = offsetof(type, member) \
	}
#define VALUE_OF(g, t, n, k, type, member)                                               \
	{                                                                                \
		.name = n, .kind = COLUMN_##k, .role = ROLE_VALUE, .group = g, .tag = t, \
		.offset = offsetof(type, member),                                        \
	}
#define VALUE(t, n, k, type, member) VALUE_OF(0, t, n, k, type, member)

/* Enums, by their last value. */
#define KEY_ENUM(n, last, r, type, member)                                   \
	{                                                                    \
		.name = n, .kind = COLUMN_U8, .role = ROLE_##r, .max = last, \
		.offset = offsetof(type, member),                            \
	}
#define ENUM_OF(g, t, n, last, type, member)                                               \
	{                                                                                  \
		.name = n, .kind = COLUMN_U8, .role = ROLE_VALUE, .max = last, .group = g, \
		.tag = t, .offset = offsetof(type, member),                                \
	}
#define ENUM(t, n, last, type, member) ENUM_OF(0, t, n, last, type, member)

static const struct column pins_by_cid[] = {
	KEY("bucket", U32, PARTITION, struct fact_row, bucket),
	KEY("part", U8, PARTITION, struct fact_row, part),
	KEY("cid", BYTES, ASC, struct fact_row, fact.cid),
	KEY("owner", TEXT, ASC, struct fact_row, fact.owner),
	KEY("request_id", ULID, ASC, struct fact_row, fact.request_id),
	KEY("rev", U64, ASC, struct fact_row, fact.rev),
	ENUM(1, "kind", FACT_END, struct fact_row, fact.kind),
	VALUE(2, "created_at", I64, struct fact_row, fact.created_at),
	ENUM(3, "mode", PIN_RECURSIVE, struct fact_row, fact.mode),
	VALUE(4, "cid_base", U8, struct fact_row, fact.cid_base),
	VALUE(5, "origins", LIST, struct fact_row, fact.origins),
	VALUE(6, "allocations", LIST, struct fact_row, fact.allocations),
	VALUE(7, "pin_proto", BYTES, struct fact_row, fact.pin_proto),
	VALUE(8, "name", TEXT, struct fact_row, fact.name),
	VALUE(9, "meta", MAP, struct fact_row, fact.meta),
	VALUE(10, "tags", LIST, struct fact_row, fact.tags),
	VALUE(11, "rf_min", I32, struct fact_row, fact.rf_min),
	VALUE(12, "rf_max", I32, struct fact_row, fact.rf_max),
	VALUE(13, "priority", I32, struct fact_row, fact.priority),
	VALUE(14, "expires_at", I64, struct fact_row, fact.expires_at),
	VALUE(15, "zones", LIST, struct fact_row, fact.zones),
	VALUE(16, "retry_at", I64, struct fact_row, fact.retry_at),
	ENUM(17, "cause", END_BY_REPLACEMENT, struct fact_row, fact.cause),
	VALUE(18, "judged_rev", U64, struct fact_row, fact.judged_rev),
	VALUE(19, "replaced_by", ULID, struct fact_row, fact.replaced_by),
	VALUE(20, "reason", TEXT, struct fact_row, fact.reason),
	VALUE(21, "peer_tags", LIST, struct fact_row, fact.peer_tags),
};

static const struct column placements_by_cid[] = {
	KEY("bucket", U32, PARTITION, struct copy_row, bucket),
	KEY("cid", BYTES, ASC, struct copy_row, cid),
	KEY("peer_no", U32, ASC, struct copy_row, copy.peer_no),
	VALUE_OF(GROUP_DESIRED, 1, "gen", U64, struct copy_row, copy.gen),
	VALUE_OF(GROUP_DESIRED, 2, "desired", BOOL, struct copy_row, copy.desired),
	ENUM_OF(GROUP_DESIRED, 3, "mode", PIN_RECURSIVE, struct copy_row, copy.mode),
	VALUE_OF(GROUP_DESIRED, 4, "priority", I32, struct copy_row, copy.priority),
	ENUM_OF(GROUP_DESIRED, 5, "reason", REASON_LOST, struct copy_row, copy.reason),
	VALUE_OF(GROUP_DESIRED, 6, "assigned_at", I64, struct copy_row, copy.assigned_at),
	VALUE_OF(GROUP_OBSERVED, 7, "stamp", U64, struct copy_row, copy.stamp),
	VALUE_OF(GROUP_OBSERVED, 8, "state_gen", U64, struct copy_row, copy.state_gen),
	ENUM_OF(GROUP_OBSERVED, 9, "state", COPY_UNPINNED, struct copy_row, copy.state),
	ENUM_OF(GROUP_OBSERVED, 10, "failure", FAILURE_DENIED, struct copy_row, copy.failure),
	VALUE_OF(GROUP_OBSERVED, 11, "attempts", U16, struct copy_row, copy.attempts),
	VALUE_OF(GROUP_OBSERVED, 12, "adopted", BOOL, struct copy_row, copy.adopted),
	VALUE_OF(GROUP_OBSERVED, 13, "error", TEXT, struct copy_row, copy.error),
	VALUE_OF(GROUP_OBSERVED, 14, "size", U64, struct copy_row, copy.size),
	VALUE_OF(GROUP_OBSERVED, 15, "next_at", I64, struct copy_row, copy.next_at),
	VALUE_OF(GROUP_OBSERVED, 16, "failing_since", I64, struct copy_row, copy.failing_since),
	VALUE_OF(GROUP_OBSERVED, 17, "observed_at", I64, struct copy_row, copy.observed_at),
};

static const struct column pins_by_peer[] = {
	KEY("peer_no", U32, PARTITION, struct peer_pin, peer_no),
	KEY("pb", U16, PARTITION, struct peer_pin, pb),
	KEY("cid", BYTES, ASC, struct peer_pin, cid),
	VALUE(1, "gen", U64, struct peer_pin, gen),
	ENUM(2, "state", COPY_UNPINNED, struct peer_pin, state),
	VALUE(3, "desired", BOOL, struct peer_pin, desired),
	VALUE(4, "size", U64, struct peer_pin, size),
};

static const struct column owner_pins[] = {
	KEY("owner", TEXT, PARTITION, struct owner_pin, owner),
	KEY("period", U32, PARTITION_DESC, struct owner_pin, period),
	KEY("shard", U8, PARTITION, struct owner_pin, shard),
	KEY("request_id", ULID, DESC, struct owner_pin, request_id),
	VALUE(1, "cid", BYTES, struct owner_pin, cid),
	VALUE(2, "cid_base", U8, struct owner_pin, cid_base),
	ENUM(3, "mode", PIN_RECURSIVE, struct owner_pin, mode),
	ENUM(4, "status", STATUS_EXPIRING, struct owner_pin, status),
	VALUE(5, "created_at", I64, struct owner_pin, created_at),
	VALUE(6, "rev", U64, struct owner_pin, rev),
	VALUE(7, "name", TEXT, struct owner_pin, name),
	VALUE(8, "meta", MAP, struct owner_pin, meta),
	VALUE(9, "tags", LIST, struct owner_pin, tags),
	VALUE(10, "origins", LIST, struct owner_pin, origins),
	VALUE(11, "zones", LIST, struct owner_pin, zones),
	VALUE(12, "rf_min", I32, struct owner_pin, rf_min),
	VALUE(13, "rf_max", I32, struct owner_pin, rf_max),
	VALUE(14, "priority", I32, struct owner_pin, priority),
	VALUE(15, "expires_at", I64, struct owner_pin, expires_at),
	VALUE(16, "size", U64, struct owner_pin, size),
	VALUE(17, "copies", U16, struct owner_pin, copies),
	VALUE(18, "changed_at", I64, struct owner_pin, changed_at),
	VALUE(19, "peer_tags", LIST, struct owner_pin, peer_tags),
};

static const struct column tags_index[] = {
	KEY("owner", TEXT, PARTITION, struct tag_pin, owner),
	KEY("tag", TEXT, PARTITION, struct tag_pin, tag),
	KEY("period", U32, PARTITION_DESC, struct tag_pin, period),
	KEY("request_id", ULID, DESC, struct tag_pin, request_id),
	VALUE(1, "cid", BYTES, struct tag_pin, cid),
};

static const struct column owner_parts[] = {
	KEY("owner", TEXT, PARTITION, struct owner_part, owner),
	KEY("index", TEXT, PARTITION, struct owner_part, index),
	KEY("period", U32, DESC, struct owner_part, period),
	KEY("shard", U8, ASC, struct owner_part, shard),
};

static const struct column owner_totals[] = {
	KEY("owner", TEXT, PARTITION, struct owner_total, owner),
	KEY("writer", U16, ASC, struct owner_total, writer),
	KEY_ENUM("status", STATUS_EXPIRING, ASC, struct owner_total, status),
	VALUE(1, "pins", I64, struct owner_total, pins),
	VALUE(2, "bytes", I64, struct owner_total, bytes),
};

static const struct column owners[] = {
	KEY("owner", TEXT, PARTITION, struct owner_row, owner),
	VALUE(1, "disabled", BOOL, struct owner_row, disabled),
	VALUE(2, "rf_min", I32, struct owner_row, rf_min),
	VALUE(3, "rf_max", I32, struct owner_row, rf_max),
	VALUE(4, "ttl_us", I64, struct owner_row, ttl_us),
	VALUE(5, "ttl_max_us", I64, struct owner_row, ttl_max_us),
	VALUE(6, "zones", LIST, struct owner_row, zones),
	VALUE(7, "priority", I32, struct owner_row, priority),
	VALUE(8, "max_pins", U64, struct owner_row, max_pins),
	VALUE(9, "max_bytes", U64, struct owner_row, max_bytes),
	VALUE(10, "max_requests_per_s", U32, struct owner_row, max_requests_per_s),
	VALUE(11, "max_fetches", U32, struct owner_row, max_fetches),
	VALUE(12, "updated_at", I64, struct owner_row, updated_at),
	VALUE(13, "peer_tags", LIST, struct owner_row, peer_tags),
};

static const struct column pin_ttl_queue[] = {
	KEY("ttl_bucket", U32, PARTITION, struct ttl_row, ttl_bucket),
	KEY("shard", U8, PARTITION, struct ttl_row, shard),
	KEY("expires_at", I64, ASC, struct ttl_row, expires_at),
	KEY("cid", BYTES, ASC, struct ttl_row, cid),
	KEY("owner", TEXT, ASC, struct ttl_row, owner),
	KEY("request_id", ULID, ASC, struct ttl_row, request_id),
	KEY("rev", U64, ASC, struct ttl_row, rev),
};

static const struct column wake[] = {
	KEY("minute", U32, PARTITION, struct wake, minute),
	KEY("shard", U8, PARTITION, struct wake, shard),
	KEY("due_at", I64, ASC, struct wake, due_at),
	KEY("cid", BYTES, ASC, struct wake, cid),
	KEY_ENUM("cause", WAKE_PEER, ASC, struct wake, cause),
};

static const struct column peer_open[] = {
	KEY("peer_no", U32, PARTITION, struct peer_open, peer_no),
	KEY("hour", U32, PARTITION, struct peer_open, hour),
	KEY("shard", U8, PARTITION, struct peer_open, shard),
	KEY("cid", BYTES, ASC, struct peer_open, cid),
	VALUE(1, "gen", U64, struct peer_open, gen),
	VALUE(2, "desired", BOOL, struct peer_open, desired),
	ENUM(3, "mode", PIN_RECURSIVE, struct peer_open, mode),
	VALUE(4, "priority", I32, struct peer_open, priority),
	VALUE(5, "owner", TEXT, struct peer_open, owner),
	VALUE(6, "stamp", U64, struct peer_open, stamp),
	VALUE(7, "attempts", U16, struct peer_open, attempts),
	VALUE(8, "next_at", I64, struct peer_open, next_at),
	VALUE(9, "since", I64, struct peer_open, since),
};

static const struct column op_dedup[] = {
	KEY("owner", TEXT, PARTITION, struct op_dedup, owner),
	KEY("op_id", BYTES, PARTITION, struct op_dedup, op_id),
	VALUE(1, "fingerprint", BYTES, struct op_dedup, fingerprint),
	ENUM(2, "state", OP_DONE, struct op_dedup, state),
	VALUE(3, "until", I64, struct op_dedup, until),
	VALUE(4, "request_id", ULID, struct op_dedup, request_id),
	VALUE(5, "http_status", U16, struct op_dedup, http_status),
	VALUE(6, "result", BYTES, struct op_dedup, result),
	VALUE(7, "expires_at", I64, struct op_dedup, expires_at),
};

static const struct column peers[] = {
	KEY("peer_no", U32, PARTITION, struct peer_row, peer_no),
	VALUE_OF(GROUP_BINDING, 1, "peer_id", TEXT, struct peer_row, peer_id),
	VALUE_OF(GROUP_WISH, 2, "wish_version", U64, struct peer_row, wish_version),
	VALUE_OF(GROUP_WISH, 3, "zone", TEXT, struct peer_row, zone),
	VALUE_OF(GROUP_WISH, 4, "tags", LIST, struct peer_row, tags),
	ENUM_OF(GROUP_WISH, 5, "wish", PEER_FORGOTTEN, struct peer_row, wish),
	VALUE_OF(GROUP_WISH, 6, "name", TEXT, struct peer_row, name),
	VALUE_OF(GROUP_REPORT, 7, "report_version", U64, struct peer_row, report_version),
	VALUE_OF(GROUP_REPORT, 8, "addresses", LIST, struct peer_row, addresses),
	VALUE_OF(GROUP_REPORT, 9, "url", TEXT, struct peer_row, url),
	VALUE_OF(GROUP_REPORT, 10, "agent", TEXT, struct peer_row, agent),
	VALUE_OF(GROUP_REPORT, 11, "free_bytes", U64, struct peer_row, free_bytes),
	VALUE_OF(GROUP_REPORT, 12, "used_bytes", U64, struct peer_row, used_bytes),
	VALUE_OF(GROUP_REPORT, 13, "capacity_bytes", U64, struct peer_row, capacity_bytes),
	VALUE_OF(GROUP_REPORT, 14, "last_seen", I64, struct peer_row, last_seen),
	VALUE_OF(GROUP_REPORT, 15, "compared_at", I64, struct peer_row, compared_at),
	VALUE_OF(GROUP_REPORT, 16, "down_reason", TEXT, struct peer_row, down_reason),
};

static const struct column leases[] = {
	KEY("name", TEXT, PARTITION, struct lease, name),
	VALUE(1, "holder", TEXT, struct lease, holder),
	VALUE(2, "epoch", U64, struct lease, epoch),
	VALUE(3, "until", I64, struct lease, until),
};

static const struct column job_cursor[] = {
	KEY("job", TEXT, PARTITION, struct job_cursor, job),
	KEY("part", U32, ASC, struct job_cursor, part),
	VALUE(1, "position", BYTES, struct job_cursor, position),
	VALUE(2, "epoch", U64, struct job_cursor, epoch),
};

static const struct column api_keys[] = {
	KEY("key_id", TEXT, PARTITION, struct api_key, key_id),
	VALUE(1, "owner", TEXT, struct api_key, owner),
	VALUE(2, "name", TEXT, struct api_key, name),
	VALUE(3, "scopes", U8, struct api_key, scopes),
	VALUE(4, "hash", BYTES, struct api_key, hash),
	VALUE(5, "prev_hash", BYTES, struct api_key, prev_hash),
	VALUE(6, "prev_until", I64, struct api_key, prev_until),
	VALUE(7, "created_at", I64, struct api_key, created_at),
	VALUE(8, "expires_at", I64, struct api_key, expires_at),
	VALUE(9, "revoked_at", I64, struct api_key, revoked_at),
};

static const struct column deny_list[] = {
	KEY("digest", BYTES, PARTITION, struct deny, digest),
	VALUE(1, "reason", TEXT, struct deny, reason),
	VALUE(2, "added_at", I64, struct deny, added_at),
};

static const struct column settings[] = {
	KEY("name", TEXT, PARTITION, struct setting, name),
	VALUE(1, "value", BYTES, struct setting, value),
};

#define TABLE(columns_, key, row, groups)                                                     \
	{                                                                                     \
		.name = #columns_, .columns = columns_, .n_key = key, .n_groups = groups,     \
		.n_columns = sizeof(columns_) / sizeof(columns_[0]), .row_size = sizeof(row), \
	}

const struct table_schema *table_schema(enum table table)
{
	static const struct table_schema schemas[TABLE_COUNT] = {
		[TABLE_PINS_BY_CID] = TABLE(pins_by_cid, 6, struct fact_row, 1),
		[TABLE_PLACEMENTS_BY_CID] = TABLE(placements_by_cid, 3, struct copy_row, 2),
		[TABLE_PINS_BY_PEER] = TABLE(pins_by_peer, 3, struct peer_pin, 1),
		[TABLE_OWNER_PINS] = TABLE(owner_pins, 4, struct owner_pin, 1),
		[TABLE_TAGS_INDEX] = TABLE(tags_index, 4, struct tag_pin, 1),
		[TABLE_OWNER_PARTS] = TABLE(owner_parts, 4, struct owner_part, 1),
		[TABLE_OWNER_TOTALS] = TABLE(owner_totals, 3, struct owner_total, 1),
		[TABLE_OWNERS] = TABLE(owners, 1, struct owner_row, 1),
		[TABLE_PIN_TTL_QUEUE] = TABLE(pin_ttl_queue, 7, struct ttl_row, 1),
		[TABLE_WAKE] = TABLE(wake, 5, struct wake, 1),
		[TABLE_PEER_OPEN] = TABLE(peer_open, 4, struct peer_open, 1),
		[TABLE_OP_DEDUP] = TABLE(op_dedup, 2, struct op_dedup, 1),
		[TABLE_PEERS] = TABLE(peers, 1, struct peer_row, 3),
		[TABLE_LEASES] = TABLE(leases, 1, struct lease, 1),
		[TABLE_JOB_CURSOR] = TABLE(job_cursor, 2, struct job_cursor, 1),
		[TABLE_API_KEYS] = TABLE(api_keys, 1, struct api_key, 1),
		[TABLE_DENY_LIST] = TABLE(deny_list, 1, struct deny, 1),
		[TABLE_SETTINGS] = TABLE(settings, 1, struct setting, 1),
	};

	assert((unsigned)table < TABLE_COUNT);
	return &schemas[table];
}

bool column_descends(const struct column *column)
{
	return column->role == ROLE_DESC || column->role == ROLE_PARTITION_DESC;
}

const char *column_kind_name(enum column_kind kind)
{
	static const char *const names[] = {
		[COLUMN_BOOL] = "bool", [COLUMN_U8] = "u8",     [COLUMN_U16] = "u16",
		[COLUMN_U32] = "u32",   [COLUMN_U64] = "u64",   [COLUMN_I32] = "i32",
		[COLUMN_I64] = "i64",   [COLUMN_ULID] = "ulid", [COLUMN_BYTES] = "bytes",
		[COLUMN_TEXT] = "text", [COLUMN_LIST] = "list", [COLUMN_MAP] = "map",
	};

	return names[kind];
}

static void copy_column(enum column_kind kind, void *at, struct arena *mem)
{
	struct slice *bytes = at;
	struct slice_list *list = at;
	struct pair_list *map = at;

	if (kind == COLUMN_BYTES || kind == COLUMN_TEXT)
		*bytes = arena_copy(mem, *bytes);
	else if (kind == COLUMN_LIST)
		*list = slice_list_copy(mem, *list);
	else if (kind == COLUMN_MAP)
		*map = pair_list_copy(mem, *map);
}

void *row_copy(enum table table, const void *row, struct arena *mem)
{
	const struct table_schema *schema = table_schema(table);
	uint8_t *copy = arena_alloc(mem, schema->row_size);

	memcpy(copy, row, schema->row_size);
	for (unsigned i = 0; i < schema->n_columns; i++)
		copy_column(schema->columns[i].kind, copy + schema->columns[i].offset, mem);
	return copy;
}

#define COMPARE(type)                       \
	({                                  \
		type x_, y_;                \
		memcpy(&x_, a, sizeof(x_)); \
		memcpy(&y_, b, sizeof(y_)); \
		(x_ > y_) - (x_ < y_);      \
	})

static int list_cmp(const struct slice_list *a, const struct slice_list *b)
{
	return slice_list_eq(*a, *b) ? 0 : 1;
}

static int map_cmp(const struct pair_list *a, const struct pair_list *b)
{
	return pair_list_eq(*a, *b) ? 0 : 1;
}

/* Lists and maps are never in keys: of them only zero or not zero is meant. */
static int column_cmp(enum column_kind kind, const void *a, const void *b)
{
	switch (kind) {
	case COLUMN_BOOL:
		return COMPARE(bool);
	case COLUMN_U8:
		return COMPARE(uint8_t);
	case COLUMN_U16:
		return COMPARE(uint16_t);
	case COLUMN_U32:
		return COMPARE(uint32_t);
	case COLUMN_U64:
		return COMPARE(uint64_t);
	case COLUMN_I32:
		return COMPARE(int32_t);
	case COLUMN_I64:
		return COMPARE(int64_t);
	case COLUMN_ULID:
		return memcmp(a, b, sizeof(struct ulid));
	case COLUMN_BYTES:
	case COLUMN_TEXT:
		return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
	case COLUMN_LIST:
		return list_cmp(a, b);
	case COLUMN_MAP:
		return map_cmp(a, b);
	}
	assert(!"a column kind");
	return 0;
}

bool row_eq(enum table table, const void *a, const void *b)
{
	const struct table_schema *schema = table_schema(table);
	const uint8_t *pa = a, *pb = b;

	for (unsigned i = 0; i < schema->n_columns; i++) {
		const struct column *c = &schema->columns[i];

		if (column_cmp(c->kind, pa + c->offset, pb + c->offset) != 0)
			return false;
	}
	return true;
}

bool column_allows(const struct column *column, const void *row)
{
	return column->max == 0 || *((const uint8_t *)row + column->offset) <= column->max;
}

int row_key_cmp(enum table table, const void *a, const void *b, unsigned n)
{
	const struct table_schema *schema = table_schema(table);
	const uint8_t *pa = a, *pb = b;

	assert(n <= schema->n_key);
	for (unsigned i = 0; i < n; i++) {
		const struct column *c = &schema->columns[i];
		int order = column_cmp(c->kind, pa + c->offset, pb + c->offset);

		if (order != 0)
			return column_descends(c) ? -order : order;
	}
	return 0;
}
