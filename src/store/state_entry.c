#include "store/state_entry.h"

#include "model/multibase.h"

#define BASE32_UPPER 'B'

/* ---- writing -------------------------------------------------------------------------- */

static void write_raw(struct slice s, struct buf *out)
{
	if (s.len < 32) {
		buf_add_byte(out, (uint8_t)(0xa0 | s.len));
	} else {
		unsigned bytes = s.len <= UINT16_MAX ? 2 : 4;

		buf_add_byte(out, bytes == 2 ? 0xda : 0xdb);
		for (unsigned i = bytes; i-- > 0;)
			buf_add_byte(out, (uint8_t)(s.len >> 8 * i));
	}
	buf_add_slice(out, s);
}

void state_entry_write(struct slice cid, struct slice value, struct buf *out)
{
	char key[MULTIBASE_DIGITS_MAX + 1];
	size_t n = multibase_encode_digits(BASE32_UPPER, cid, key);

	buf_add_byte(out, 0x82);
	write_raw(SLICE_LIT("k"), out);
	write_raw(SLICE_OF(key, n), out);
	write_raw(SLICE_LIT("v"), out);
	write_raw(value, out);
}

/* ---- reading -------------------------------------------------------------------------- */

/* Of msgpack's forms that begin with this byte: how many bytes of length follow, and what the
 * first byte itself says of it. */
struct form {
	uint8_t first, last;
	uint8_t length_bytes;
	uint8_t mask;
};
static const struct form raws[] = {
	{ 0xa0, 0xbf, 0, 0x1f }, { 0xd9, 0xd9, 1, 0 }, { 0xda, 0xda, 2, 0 }, { 0xdb, 0xdb, 4, 0 },
	{ 0xc4, 0xc4, 1, 0 },    { 0xc5, 0xc5, 2, 0 }, { 0xc6, 0xc6, 4, 0 },
};
static const struct form maps[] = {
	{ 0x80, 0x8f, 0, 0x0f },
	{ 0xde, 0xde, 2, 0 },
	{ 0xdf, 0xdf, 4, 0 },
};

static enum state_entry bad(const char *what, struct err *err)
{
	err_set(err, ERR_INVALID, "no entry of ipfs-cluster's state: %s", what);
	return STATE_ENTRY_BAD;
}

/* Takes the head of one of `forms` and the length in it. */
static enum state_entry take_head(struct slice *in, const struct form *forms, size_t n,
				  const char *what, size_t *length, struct err *err)
{
	const struct form *f = forms;

	if (in->len == 0)
		return STATE_ENTRY_CUT;
	while (f < forms + n && (in->ptr[0] < f->first || in->ptr[0] > f->last))
		f++;
	if (f == forms + n)
		return bad(what, err);
	if (in->len < 1u + f->length_bytes)
		return STATE_ENTRY_CUT;
	*length = in->ptr[0] & f->mask;
	for (unsigned i = 0; i < f->length_bytes; i++)
		*length = *length << 8 | in->ptr[1 + i];
	*in = SLICE_OF(in->ptr + 1 + f->length_bytes, in->len - 1 - f->length_bytes);
	return STATE_ENTRY_WHOLE;
}

static enum state_entry take_raw(struct slice *in, size_t max, struct slice *out, struct err *err)
{
	size_t n;
	enum state_entry got = take_head(in, raws, sizeof(raws) / sizeof(*raws),
					 "neither text nor bytes", &n, err);

	if (got != STATE_ENTRY_WHOLE)
		return got;
	if (n > max)
		return bad("too long", err);
	if (in->len < n)
		return STATE_ENTRY_CUT;
	*out = SLICE_OF(in->ptr, n);
	*in = SLICE_OF(in->ptr + n, in->len - n);
	return STATE_ENTRY_WHOLE;
}

static enum state_entry take_pair(struct slice *in, struct slice *key, struct slice *value,
				  struct err *err)
{
	struct slice name, item;
	enum state_entry got = take_raw(in, 1, &name, err);

	if (got == STATE_ENTRY_WHOLE)
		got = take_raw(in, STATE_VALUE_MAX, &item, err);
	if (got != STATE_ENTRY_WHOLE)
		return got;
	if (slice_eq_str(name, "k"))
		*key = item;
	else if (slice_eq_str(name, "v"))
		*value = item;
	else
		return bad("a name other than k and v", err);
	return STATE_ENTRY_WHOLE;
}

static bool read_key(struct slice key, struct cid *cid, struct err *err)
{
	uint8_t bytes[MULTIBASE_BYTES_MAX];
	size_t n;

	if (key.len > 0 && key.ptr[0] == '/') /* as a path of the datastore */
		key = SLICE_OF(key.ptr + 1, key.len - 1);
	return (multibase_decode_digits(BASE32_UPPER, key, bytes, &n, err) &&
		cid_decode(SLICE_OF(bytes, n), cid, err)) ||
	       err_wrap(err, "key %.*s", (int)(key.len < 80 ? key.len : 80), (const char *)key.ptr);
}

enum state_entry state_entry_read(struct slice in, struct cid *cid, struct slice *value,
				  size_t *used, struct err *err)
{
	struct slice rest = in, key = { NULL, 0 };
	size_t n = 0;
	enum state_entry got =
		take_head(&rest, maps, sizeof(maps) / sizeof(*maps), "no map", &n, err);

	*value = (struct slice){ NULL, 0 };
	if (got == STATE_ENTRY_WHOLE && n != 2)
		return bad("a map of other than two", err);
	for (size_t i = 0; i < 2 && got == STATE_ENTRY_WHOLE; i++)
		got = take_pair(&rest, &key, value, err);
	if (got != STATE_ENTRY_WHOLE)
		return got;
	if (!key.ptr || !value->ptr)
		return bad("k or v twice", err);
	if (!read_key(key, cid, err))
		return STATE_ENTRY_BAD;
	*used = in.len - rest.len;
	return STATE_ENTRY_WHOLE;
}
