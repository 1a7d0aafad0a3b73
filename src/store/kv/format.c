/* format.c -- see docs/formats.md for the bytes drawn out. */
#include "store/kv/format.h"

#include <assert.h>

#include "base/leb128.h"

#define ESCAPE     0x00 /* in keys; followed by one of: */
#define ESCAPED_00 0xff /* a zero byte */
#define ESCAPE_END 0x01 /* the end of the column */

#define INT_MAX_LEN 8
#define TAG_MAX     127

/* ---- numbers ---------------------------------------------------------------- */

/* Of column kinds with a number: its bytes in keys; else 0. */
static unsigned int_width(enum column_kind kind)
{
	static const uint8_t widths[] = {
		[COLUMN_BOOL] = 1, [COLUMN_U8] = 1,  [COLUMN_U16] = 2, [COLUMN_U32] = 4,
		[COLUMN_U64] = 8,  [COLUMN_I32] = 4, [COLUMN_I64] = 8, [COLUMN_MAP] = 0,
	};

	return widths[kind];
}

static bool is_signed(enum column_kind kind)
{
	return kind == COLUMN_I32 || kind == COLUMN_I64;
}

/* Signed ones come sign-extended. */
static uint64_t load_int(enum column_kind kind, const uint8_t *at)
{
	uint16_t u16;
	uint32_t u32;
	int32_t i32;
	uint64_t u64;

	switch (int_width(kind)) {
	case 1:
		return *at;
	case 2:
		memcpy(&u16, at, 2);
		return u16;
	case 4:
		if (is_signed(kind)) {
			memcpy(&i32, at, 4);
			return (uint64_t)(int64_t)i32;
		}
		memcpy(&u32, at, 4);
		return u32;
	default:
		memcpy(&u64, at, 8);
		return u64;
	}
}

/* `value` fits the kind. */
static void store_int(enum column_kind kind, uint8_t *at, uint64_t value)
{
	uint16_t u16 = (uint16_t)value;
	uint32_t u32 = (uint32_t)value;

	switch (int_width(kind)) {
	case 1:
		*at = (uint8_t)value;
		break;
	case 2:
		memcpy(at, &u16, 2);
		break;
	case 4:
		memcpy(at, &u32, 4);
		break;
	default:
		memcpy(at, &value, 8);
		break;
	}
}

static void put_be(uint8_t *out, uint64_t value, unsigned width)
{
	for (unsigned i = 0; i < width; i++)
		out[i] = (uint8_t)(value >> (8 * (width - 1 - i)));
}

static inline uint64_t get_be(const uint8_t *in, unsigned width)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < width; i++)
		value = value << 8 | in[i];
	return value;
}

/* Of the widths that numbers have in keys. */
static uint64_t get_fixed(const uint8_t *in, unsigned width)
{
	switch (width) {
	case 1:
		return *in;
	case 2:
		return get_be(in, 2);
	case 4:
		return get_be(in, 4);
	default:
		return get_be(in, 8);
	}
}

static uint64_t zigzag(uint64_t value)
{
	return value << 1 ^ (value >> 63 ? UINT64_MAX : 0);
}

static uint64_t unzigzag(uint64_t value)
{
	return value >> 1 ^ (value & 1 ? UINT64_MAX : 0);
}

/* ---- keys --------------------------------------------------------------------- */

static void put_escaped(struct slice bytes, struct buf *out)
{
	uint8_t *at = buf_reserve(out, 2 * bytes.len + 2);
	uint8_t *p = at;

	while (bytes.len > 0) { /* few have a zero byte */
		const uint8_t *zero = memchr(bytes.ptr, ESCAPE, bytes.len);
		size_t n = zero ? (size_t)(zero - bytes.ptr) + 1 : bytes.len;

		memcpy(p, bytes.ptr, n);
		p += n;
		if (zero)
			*p++ = ESCAPED_00;
		bytes = SLICE_OF(bytes.ptr + n, bytes.len - n);
	}
	*p++ = ESCAPE;
	*p++ = ESCAPE_END;
	out->len += (size_t)(p - at);
}

static void invert(uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)~bytes[i];
}

static void put_key_column(const struct column *c, const uint8_t *row, struct buf *out)
{
	unsigned width = int_width(c->kind);
	size_t start = out->len;

	if (width > 0) {
		uint64_t value = load_int(c->kind, row + c->offset);

		if (is_signed(c->kind)) /* biased: negative ones first */
			value ^= UINT64_C(1) << (8 * width - 1);
		put_be(buf_reserve(out, width), value, width);
		out->len += width;
	} else if (c->kind == COLUMN_ULID) {
		buf_add(out, row + c->offset, sizeof(struct ulid));
	} else {
		put_escaped(*(const struct slice *)(const void *)(row + c->offset), out);
	}
	if (column_descends(c))
		invert(out->ptr + start, out->len - start);
}

void format_prefix(enum table table, const void *row, unsigned n, struct buf *out)
{
	const struct table_schema *schema = table_schema(table);

	assert(n <= schema->n_key);
	for (unsigned i = 0; i < n; i++)
		put_key_column(&schema->columns[i], row, out);
}

void format_key(enum table table, const void *row, uint8_t group, struct buf *out)
{
	const struct table_schema *schema = table_schema(table);

	format_prefix(table, row, schema->n_key, out);
	if (schema->n_groups > 1) {
		assert(group >= 1 && group <= schema->n_groups);
		buf_add_byte(out, group);
	}
}

bool format_next(struct buf *key)
{
	while (key->len > 0 && key->ptr[key->len - 1] == 0xff)
		key->len--;
	if (key->len == 0)
		return false;
	key->ptr[key->len - 1]++;
	return true;
}

/* Takes the escaped bytes at the start of *in. */
static bool take_escaped(struct slice *in, struct arena *mem, struct slice *out)
{
	const uint8_t *end = in->ptr + in->len;
	const uint8_t *zero = in->len ? memchr(in->ptr, ESCAPE, in->len) : NULL;
	size_t escaped = 0;
	uint8_t *copy, *p;

	for (; zero; zero = memchr(zero, ESCAPE, (size_t)(end - zero))) {
		if (end - zero < 2 || (zero[1] != ESCAPED_00 && zero[1] != ESCAPE_END))
			return false;
		if (zero[1] == ESCAPE_END)
			break;
		escaped++;
		zero += 2;
	}
	if (!zero)
		return false;
	*out = SLICE_OF(in->ptr, (size_t)(zero - in->ptr));
	*in = SLICE_OF(zero + 2, (size_t)(end - zero - 2));
	if (escaped == 0)
		return true;
	copy = p = arena_alloc(mem, out->len);
	for (size_t i = 0; i < out->len; i++) {
		*p++ = out->ptr[i];
		if (out->ptr[i] == ESCAPE)
			i++;
	}
	*out = SLICE_OF(copy, (size_t)(p - copy));
	return true;
}

/* Takes the fixed bytes of a number or id at the start of *in. */
static bool take_fixed(const struct column *c, struct slice *in, uint8_t *row)
{
	unsigned width = int_width(c->kind);
	size_t n = width > 0 ? width : sizeof(struct ulid);
	const uint8_t *bytes = in->ptr;
	uint64_t value;

	if (in->len < n)
		return false;
	*in = SLICE_OF(bytes + n, in->len - n);
	if (width == 0) {
		memcpy(row + c->offset, bytes, sizeof(struct ulid));
		if (column_descends(c))
			invert(row + c->offset, sizeof(struct ulid));
		return true;
	}
	value = get_fixed(bytes, width);
	if (column_descends(c))
		value = ~value & (UINT64_MAX >> (64 - 8 * width));
	if (is_signed(c->kind))
		value ^= UINT64_C(1) << (8 * width - 1);
	store_int(c->kind, row + c->offset, value);
	return true;
}

static bool take_key_column(const struct column *c, struct slice *in, struct arena *mem,
			    uint8_t *row)
{
	if (c->kind == COLUMN_BYTES || c->kind == COLUMN_TEXT)
		return take_escaped(in, mem, (struct slice *)(void *)(row + c->offset));
	return take_fixed(c, in, row);
}

bool format_read_key(enum table table, struct slice key, struct arena *mem, void *row,
		     uint8_t *group, struct err *err)
{
	const struct table_schema *schema = table_schema(table);
	struct slice in = key;

	for (unsigned i = 0; i < schema->n_key; i++)
		if (!take_key_column(&schema->columns[i], &in, mem, row) ||
		    !column_allows(&schema->columns[i], row))
			return err_set(err, ERR_CORRUPT, "key of %s: %s is cut or malformed",
				       schema->name, schema->columns[i].name);
	*group = 0;
	if (schema->n_groups > 1) {
		if (in.len == 0 || in.ptr[0] < 1 || in.ptr[0] > schema->n_groups)
			return err_set(err, ERR_CORRUPT, "key of %s: no such group of columns",
				       schema->name);
		*group = in.ptr[0];
		in = SLICE_OF(in.ptr + 1, in.len - 1);
	}
	if (in.len > 0)
		return err_set(err, ERR_CORRUPT, "key of %s: %zu bytes too many", schema->name,
			       in.len);
	return true;
}

/* ---- values: lengths ------------------------------------------------------------ */

#define LENGTH_MAX_LEN 5

static uint8_t *put_length(uint8_t *p, size_t n)
{
	assert(n <= UINT32_MAX);
	return leb128_put(p, n);
}

/* Takes a length and that many bytes behind it; the shortest form alone is good. */
static bool take_sized(struct slice *in, struct slice *out)
{
	struct slice rest = *in;
	uint64_t n;
	size_t bytes;

	if (in->len > 0 && in->ptr[0] < 0x80 && in->ptr[0] < in->len) { /* nearly all */
		*out = SLICE_OF(in->ptr + 1, in->ptr[0]);
		*in = SLICE_OF(out->ptr + out->len, in->len - 1 - out->len);
		return true;
	}
	bytes = leb128_take(&rest, LENGTH_MAX_LEN, &n);
	if (bytes == 0 || leb128_is_long(n, bytes) || n > rest.len)
		return false;
	*out = SLICE_OF(rest.ptr, (size_t)n);
	*in = SLICE_OF(rest.ptr + n, rest.len - (size_t)n);
	return true;
}

static uint8_t *put_sized(uint8_t *p, struct slice bytes)
{
	p = put_length(p, bytes.len);
	if (bytes.len > 0)
		memcpy(p, bytes.ptr, bytes.len);
	return p + bytes.len;
}

static size_t sized_len(struct slice bytes)
{
	return leb128_len(bytes.len) + bytes.len;
}

/* ---- values: columns -------------------------------------------------------------- */

static void put_number(uint8_t tag, uint64_t value, struct buf *out)
{
	unsigned width = 8 - (unsigned)__builtin_clzll(value) / 8;
	uint8_t *p = buf_reserve(out, 2 + INT_MAX_LEN);

	p[0] = tag;
	p[1] = (uint8_t)width;
	put_be(p + 2, value, width);
	out->len += 2 + width;
}

static void put_bytes(uint8_t tag, struct slice bytes, struct buf *out)
{
	uint8_t *at = buf_reserve(out, 1 + LENGTH_MAX_LEN + bytes.len);

	at[0] = tag;
	out->len += (size_t)(put_sized(at + 1, bytes) - at);
}

static void put_list(uint8_t tag, const struct slice *items, size_t n, struct buf *out)
{
	size_t len = 0;
	uint8_t *at, *p;

	for (size_t i = 0; i < n; i++)
		len += sized_len(items[i]);
	at = buf_reserve(out, 1 + LENGTH_MAX_LEN + len);
	at[0] = tag;
	p = put_length(at + 1, len);
	for (size_t i = 0; i < n; i++)
		p = put_sized(p, items[i]);
	out->len += (size_t)(p - at);
}

/* A map is the list key, value, key, value ... */
_Static_assert(sizeof(struct pair) == 2 * sizeof(struct slice), "a pair is two slices");

static void put_value_column(const struct column *c, const uint8_t *at, struct buf *out)
{
	static const struct ulid zero;
	const struct slice *bytes = (const void *)at;
	const struct slice_list *list = (const void *)at;
	const struct pair_list *map = (const void *)at;
	uint8_t tag = (uint8_t)c->tag;
	uint64_t value;

	switch (c->kind) {
	case COLUMN_BYTES:
	case COLUMN_TEXT:
		if (bytes->len > 0)
			put_bytes(tag, *bytes, out);
		break;
	case COLUMN_LIST:
		if (list->n > 0)
			put_list(tag, list->at, list->n, out);
		break;
	case COLUMN_MAP:
		if (map->n > 0)
			put_list(tag, &map->at->key, 2 * map->n, out);
		break;
	case COLUMN_ULID:
		if (memcmp(at, &zero, sizeof(zero)) != 0)
			put_bytes(tag, SLICE_OF(at, sizeof(zero)), out);
		break;
	case COLUMN_BOOL:
	case COLUMN_U8:
	case COLUMN_U16:
	case COLUMN_U32:
	case COLUMN_U64:
	case COLUMN_I32:
	case COLUMN_I64:
		value = load_int(c->kind, at);
		if (value != 0)
			put_number(tag, is_signed(c->kind) ? zigzag(value) : value, out);
		break;
	}
}

void format_value(enum table table, const void *row, uint8_t group, struct buf *out)
{
	const struct table_schema *schema = table_schema(table);

	buf_add_byte(out, FORMAT_VALUE_VERSION);
	for (unsigned i = schema->n_key; i < schema->n_columns; i++) {
		const struct column *c = &schema->columns[i];

		if (c->group == group)
			put_value_column(c, (const uint8_t *)row + c->offset, out);
	}
}

static bool read_number(enum column_kind kind, struct slice in, uint8_t *at)
{
	unsigned width = int_width(kind);
	uint64_t value;

	if (in.len == 0 || in.len > width || in.ptr[0] == 0)
		return false;
	value = get_be(in.ptr, (unsigned)in.len);
	if (kind == COLUMN_BOOL && value != 1)
		return false;
	store_int(kind, at, is_signed(kind) ? unzigzag(value) : value);
	return true;
}

/* The items of a list, in an array in `mem`. */
static bool read_items(struct slice in, struct arena *mem, struct slice **out, size_t *out_n)
{
	struct slice rest = in, item;
	size_t n = 0;

	for (; rest.len > 0; n++)
		if (!take_sized(&rest, &item))
			return false;
	*out = arena_new_array(mem, struct slice, n);
	for (size_t i = 0; i < n; i++)
		if (!take_sized(&in, &(*out)[i]))
			return false;
	*out_n = n;
	return n > 0;
}

static bool read_map(struct slice in, struct arena *mem, struct pair_list *out)
{
	struct slice *items;
	size_t n;

	if (!read_items(in, mem, &items, &n) || n % 2 != 0)
		return false;
	for (size_t i = 2; i < n; i += 2) /* the order is part of what a pair_list is */
		if (slice_cmp(items[i - 2], items[i]) >= 0)
			return false;
	*out = (struct pair_list){ (struct pair *)(void *)items, n / 2 };
	return true;
}

static bool read_ulid(struct slice in, uint8_t *at)
{
	static const struct ulid zero;

	if (in.len != sizeof(zero) || memcmp(in.ptr, &zero, sizeof(zero)) == 0)
		return false;
	memcpy(at, in.ptr, sizeof(zero));
	return true;
}

static bool read_column(enum column_kind kind, struct slice in, struct arena *mem, uint8_t *at)
{
	struct slice_list *list = (void *)at;

	switch (kind) {
	case COLUMN_BYTES:
	case COLUMN_TEXT:
		*(struct slice *)(void *)at = in;
		return in.len > 0;
	case COLUMN_LIST:
		return read_items(in, mem, &list->at, &list->n);
	case COLUMN_MAP:
		return read_map(in, mem, (void *)at);
	case COLUMN_ULID:
		return read_ulid(in, at);
	case COLUMN_BOOL:
	case COLUMN_U8:
	case COLUMN_U16:
	case COLUMN_U32:
	case COLUMN_U64:
	case COLUMN_I32:
	case COLUMN_I64:
		return read_number(kind, in, at);
	}
	return false;
}

bool format_read_value(enum table table, uint8_t group, struct slice value, struct arena *mem,
		       void *row, struct err *err)
{
	const struct table_schema *schema = table_schema(table);
	const struct column *c = schema->columns + schema->n_key;
	const struct column *end = schema->columns + schema->n_columns;
	struct slice in, bytes;
	unsigned last = 0;

	if (value.len == 0)
		return err_set(err, ERR_CORRUPT, "value of %s: empty", schema->name);
	if (value.ptr[0] != FORMAT_VALUE_VERSION)
		return err_set(err, ERR_CORRUPT,
			       "value of %s: version %u, this program knows version %u",
			       schema->name, value.ptr[0], FORMAT_VALUE_VERSION);
	in = SLICE_OF(value.ptr + 1, value.len - 1);
	while (in.len > 0) {
		unsigned tag = in.ptr[0];

		in = SLICE_OF(in.ptr + 1, in.len - 1);
		if (tag <= last || tag > TAG_MAX || !take_sized(&in, &bytes))
			return err_set(err, ERR_CORRUPT, "value of %s: cut or malformed at tag %u",
				       schema->name, tag);
		last = tag;
		while (c < end && c->tag < tag)
			c++;
		if (c == end || c->tag != tag)
			continue; /* of a later program */
		if (c->group != group ||
		    !read_column(c->kind, bytes, mem, (uint8_t *)row + c->offset) ||
		    !column_allows(c, row))
			return err_set(err, ERR_CORRUPT, "value of %s: malformed %s", schema->name,
				       c->name);
	}
	return true;
}

bool format_add(enum table table, struct slice a, struct slice b, struct buf *out, struct err *err)
{
	const struct table_schema *schema = table_schema(table);
	CLEANUP(arena_free) struct arena *mem = arena_new();
	uint8_t *x = arena_alloc(mem, schema->row_size), *y = arena_alloc(mem, schema->row_size);

	if (!format_read_value(table, 0, a, mem, x, err) ||
	    !format_read_value(table, 0, b, mem, y, err))
		return false;
	for (unsigned i = schema->n_key; i < schema->n_columns; i++) {
		const struct column *c = &schema->columns[i];

		assert(c->kind == COLUMN_I64);
		store_int(c->kind, x + c->offset,
			  load_int(c->kind, x + c->offset) + load_int(c->kind, y + c->offset));
	}
	format_value(table, x, 0, out);
	return true;
}
