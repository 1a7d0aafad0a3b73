#include "store/rocksdb/log_file.h"

#include "base/attr.h"
#include "base/leb128.h"

#define BLOCK       32768
#define HEADER      7
#define SECTOR      512 /* written whole or not at all */
#define BATCH_START 12  /* sequence number: 8, count: 4 */

enum record_type { WHOLE = 1, FIRST = 2, MIDDLE = 3, LAST = 4 };

/* ---- checksums ---------------------------------------------------------------------- */

struct crc_table { /* eight bytes a step */
	uint32_t at[8][256];
};

static uint32_t crc_of_byte(uint32_t c)
{
	for (int bit = 0; bit < 8; bit++)
		c = c >> 1 ^ (c & 1 ? UINT32_C(0x82f63b78) : 0);
	return c;
}

static void crc_table_init(struct crc_table *t)
{
	for (uint32_t i = 0; i < 256; i++)
		t->at[0][i] = crc_of_byte(i);
	for (int k = 1; k < 8; k++)
		for (int i = 0; i < 256; i++)
			t->at[k][i] = t->at[k - 1][i] >> 8 ^ t->at[0][t->at[k - 1][i] & 0xff];
}

static uint32_t get_le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get_le64(const uint8_t *p)
{
	return get_le32(p) | (uint64_t)get_le32(p + 4) << 32;
}

/* `crc` is inverted, as it is between steps. */
static uint32_t crc_byte(const struct crc_table *t, uint32_t crc, uint8_t byte)
{
	return crc >> 8 ^ t->at[0][(crc ^ byte) & 0xff];
}

static uint32_t crc_bytes(const struct crc_table *t, uint32_t crc, const uint8_t *p, size_t n)
{
	for (; n >= 8; n -= 8, p += 8) {
		uint32_t x = crc ^ get_le32(p), y = get_le32(p + 4);

		crc = t->at[7][x & 0xff] ^ t->at[6][x >> 8 & 0xff] ^ t->at[5][x >> 16 & 0xff] ^
		      t->at[4][x >> 24] ^ t->at[3][y & 0xff] ^ t->at[2][y >> 8 & 0xff] ^
		      t->at[1][y >> 16 & 0xff] ^ t->at[0][y >> 24];
	}
	for (; n > 0; n--)
		crc = crc_byte(t, crc, *p++);
	return crc;
}

uint32_t log_file_crc32c(struct slice bytes)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < bytes.len; i++)
		crc = crc >> 8 ^ crc_of_byte((crc ^ bytes.ptr[i]) & 0xff);
	return ~crc;
}

static uint32_t masked(uint32_t inverted)
{
	uint32_t crc = ~inverted;

	return (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8);
}

/* ---- records ------------------------------------------------------------------------ */

/* Given each logical record until it returns false. */
typedef bool log_record_fn(void *ctx, struct slice record, struct err *err);

struct reader {
	struct crc_table crc;
	struct slice file;
	size_t at;
	size_t whole;  /* everything before it was passed on */
	bool in_parts; /* the first part of a logical record was read */
	bool may_lack; /* sectors that were never written end the file */
	struct buf parts;
	log_record_fn *each;
	void *ctx;
	struct err *err;
};

enum progress { GO_ON, AT_END, FAILED };

static enum progress damaged(struct reader *r, const char *what)
{
	err_set(r->err, ERR_CORRUPT, "damaged at byte %zu: %s", r->at, what);
	return FAILED;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* A record of `n` bytes is not what was written; `what` tells where that shows. */
static enum progress lacking(struct reader *r, size_t n, const char *what)
{
	size_t end = r->at + n, next;

	for (size_t from = r->at; r->may_lack && from < end; from = next) {
		next = (from / SECTOR + 1) * SECTOR;
		if (next > r->file.len)
			next = r->file.len;
		if (all_zero(r->file.ptr + from, next - from))
			return AT_END;
	}
	return damaged(r, what);
}

static enum progress pass_on(struct reader *r, struct slice record)
{
	if (!r->each(r->ctx, record, r->err))
		return FAILED;
	r->whole = r->at;
	return GO_ON;
}

static enum progress take_record(struct reader *r, unsigned type, struct slice payload)
{
	enum progress progress = GO_ON;

	if (r->in_parts != (type == MIDDLE || type == LAST))
		return damaged(r, "a record out of its place");
	r->at += HEADER + payload.len;
	if (type == WHOLE)
		return pass_on(r, payload);
	buf_add_slice(&r->parts, payload);
	r->in_parts = type != LAST;
	if (type == LAST) {
		progress = pass_on(r, buf_slice(&r->parts));
		r->parts.len = 0;
	}
	return progress;
}

/* The record is said to be longer than the file.  It was cut, unless its checksum is
 * right for fewer bytes: then its length was altered. */
static enum progress take_cut(struct reader *r, const uint8_t *header, size_t have)
{
	uint32_t wanted = get_le32(header);
	uint32_t crc = crc_byte(&r->crc, UINT32_MAX, header[6]);

	if (masked(crc) == wanted)
		return damaged(r, "a record's length");
	for (size_t i = 0; i < have; i++) {
		crc = crc_byte(&r->crc, crc, header[HEADER + i]);
		if (masked(crc) == wanted)
			return damaged(r, "a record's length");
	}
	return AT_END;
}

static enum progress step(struct reader *r)
{
	size_t left = r->file.len - r->at, room = BLOCK - r->at % BLOCK;
	const uint8_t *p;
	size_t length;
	uint32_t crc;

	if (left == 0)
		return AT_END;
	p = r->file.ptr + r->at;
	if (room < HEADER) {
		if (!all_zero(p, left < room ? left : room))
			return damaged(r, "the end of a block");
		r->at += left < room ? left : room;
		return GO_ON;
	}
	if (left < HEADER)
		return AT_END;
	length = p[4] | (size_t)p[5] << 8;
	if (p[6] == 0 && all_zero(p, left))
		return AT_END;
	if (p[6] < WHOLE || p[6] > LAST)
		return lacking(r, HEADER, "a record's type");
	if (HEADER + length > room)
		return damaged(r, "a record's length");
	if (HEADER + length > left)
		return take_cut(r, p, left - HEADER);
	crc = crc_byte(&r->crc, UINT32_MAX, p[6]);
	if (masked(crc_bytes(&r->crc, crc, p + HEADER, length)) != get_le32(p))
		return lacking(r, HEADER + length, "a record's checksum");
	return take_record(r, p[6], SLICE_OF(p + HEADER, length));
}

/* Passes every logical record on; *torn is the number of bytes behind the last whole one. */
static bool read_records(struct reader *r, size_t *torn)
{
	enum progress progress;

	crc_table_init(&r->crc);
	do {
		progress = step(r);
	} while (progress == GO_ON);
	buf_free(&r->parts);
	*torn = r->file.len - r->whole;
	return progress != FAILED;
}

/* ---- write batches -------------------------------------------------------------------- */

static bool on_batch(void *ctx, struct slice record, struct err *err)
{
	struct log_sequence *s = ctx;
	uint64_t first;
	uint32_t count;

	if (record.len < BATCH_START)
		return err_set(err, ERR_CORRUPT, "a record is too short to be a write");
	first = get_le64(record.ptr);
	count = get_le32(record.ptr + 8);
	if (count == 0) /* RocksDB marks the start of some logs so */
		return true;
	if (s->any && first != s->last + 1)
		return err_set(err, ERR_CORRUPT, "writes %llu to %llu are missing",
			       (unsigned long long)s->last + 1, (unsigned long long)first - 1);
	if (!s->any)
		s->first = first;
	s->any = true;
	s->last = first + count - 1;
	return true;
}

bool log_file_sequence(struct slice file, struct log_sequence *out, struct err *err)
{
	struct log_sequence s = { 0 };
	struct reader r = {
		.file = file, .may_lack = true, .each = on_batch, .ctx = &s, .err = err
	};

	if (!read_records(&r, &s.torn))
		return false;
	*out = s;
	return true;
}

/* ---- MANIFEST ---------------------------------------------------------------------------- */

#define FAMILIES_MAX 64
#define SAFE_TO_SKIP (UINT64_C(1) << 13) /* tags with this bit have a length */

enum edit_tag { /* of those that are not safe to skip */
		EDIT_COMPARATOR = 1,
		EDIT_LOG_NUMBER = 2,
		EDIT_NEXT_FILE = 3,
		EDIT_LAST_SEQUENCE = 4,
		EDIT_COMPACT_CURSOR = 5,
		EDIT_DELETED_FILE = 6,
		EDIT_PREV_LOG = 9,
		EDIT_MIN_LOG = 10,
		EDIT_NEW_FILE = 103,
		EDIT_FAMILY = 200,
		EDIT_FAMILY_ADD = 201,
		EDIT_FAMILY_DROP = 202,
		EDIT_MAX_FAMILY = 203,
		EDIT_ATOMIC_GROUP = 300,
};

struct families {
	bool there[FAMILIES_MAX];
	uint64_t log[FAMILIES_MAX]; /* the oldest this one needs */
	uint64_t kept;              /* of all */
};

static bool take_varint(struct slice *in, uint64_t *out)
{
	return leb128_take(in, LEB128_MAX, out) > 0;
}

static bool skip_varints(struct slice *in, unsigned n)
{
	uint64_t x;

	while (n-- > 0)
		if (!take_varint(in, &x))
			return false;
	return true;
}

static bool skip_bytes(struct slice *in)
{
	uint64_t n;

	if (!take_varint(in, &n) || n > in->len)
		return false;
	*in = SLICE_OF(in->ptr + n, in->len - (size_t)n);
	return true;
}

/* level, number, size, smallest and largest key and sequence number, then fields up to
 * one with the tag 1. */
static bool skip_new_file(struct slice *in)
{
	uint64_t tag;

	if (!skip_varints(in, 3) || !skip_bytes(in) || !skip_bytes(in) || !skip_varints(in, 2))
		return false;
	while (take_varint(in, &tag)) {
		if (tag == 1)
			return true;
		if (!skip_bytes(in))
			return false;
	}
	return false;
}

static bool skip_edit_field(struct slice *in, uint64_t tag)
{
	switch (tag) {
	case EDIT_COMPARATOR:
	case EDIT_FAMILY_ADD:
		return skip_bytes(in);
	case EDIT_COMPACT_CURSOR:
		return skip_varints(in, 1) && skip_bytes(in);
	case EDIT_DELETED_FILE:
		return skip_varints(in, 2);
	case EDIT_NEXT_FILE:
	case EDIT_LAST_SEQUENCE:
	case EDIT_PREV_LOG:
	case EDIT_MAX_FAMILY:
	case EDIT_ATOMIC_GROUP:
		return skip_varints(in, 1);
	case EDIT_NEW_FILE:
		return skip_new_file(in);
	case EDIT_FAMILY_DROP:
		return true;
	default:
		return (tag & SAFE_TO_SKIP) && skip_bytes(in);
	}
}

/* The family an edit is about may be named behind its log number. */
static bool on_edit(void *ctx, struct slice record, struct err *err)
{
	struct families *f = ctx;
	uint64_t tag, family = 0, log = 0, kept = 0;
	bool add = false, drop = false;

	while (record.len > 0) {
		bool ok = take_varint(&record, &tag);

		if (ok && tag == EDIT_LOG_NUMBER)
			ok = take_varint(&record, &log);
		else if (ok && tag == EDIT_MIN_LOG)
			ok = take_varint(&record, &kept);
		else if (ok && tag == EDIT_FAMILY)
			ok = take_varint(&record, &family) && family < FAMILIES_MAX;
		else if (ok)
			ok = skip_edit_field(&record, tag);
		if (!ok)
			return err_set(err, ERR_CORRUPT, "an edit this program cannot read");
		add |= tag == EDIT_FAMILY_ADD;
		drop |= tag == EDIT_FAMILY_DROP;
	}
	if (add || family == 0)
		f->there[family] = true;
	if (drop)
		f->there[family] = false;
	if (log > f->log[family])
		f->log[family] = log;
	if (kept > f->kept)
		f->kept = kept;
	return true;
}

bool log_file_numbers(struct slice file, struct log_numbers *out, struct err *err)
{
	struct families f = { 0 };
	struct reader r = { .file = file, .each = on_edit, .ctx = &f, .err = err };
	uint64_t oldest = UINT64_MAX;
	size_t torn;

	if (!read_records(&r, &torn))
		return false;
	for (size_t i = 0; i < FAMILIES_MAX; i++)
		if (f.there[i] && f.log[i] < oldest)
			oldest = f.log[i];
	if (oldest == UINT64_MAX)
		return err_set(err, ERR_CORRUPT, "no edits in it");
	*out = (struct log_numbers){ .needed = oldest, .kept = f.kept };
	return true;
}
