#include "net/url.h"

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte at *i, decoded; moves *i behind it.  -1: a bad escape or a NUL. */
static int next_byte(struct slice in, size_t *i)
{
	uint8_t c = in.ptr[*i];
	int hi, lo;

	if (c != '%') {
		*i += 1;
		return c ? c : -1;
	}
	if (in.len - *i < 3)
		return -1;
	hi = hex_digit(in.ptr[*i + 1]);
	lo = hex_digit(in.ptr[*i + 2]);
	*i += 3;
	return hi < 0 || lo < 0 || (hi | lo) == 0 ? -1 : hi << 4 | lo;
}

static bool decode(struct arena *mem, struct slice in, bool plus, struct slice *out,
		   struct err *err)
{
	uint8_t *p = arena_alloc(mem, in.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < in.len;) {
		size_t at = i;
		int c = next_byte(in, &i);

		if (c < 0)
			return err_set(err, ERR_INVALID, "bad escape at byte %zu of \"%.*s\"", at,
				       (int)(in.len < 60 ? in.len : 60), (const char *)in.ptr);
		p[n++] = plus && in.ptr[at] == '+' ? ' ' : (uint8_t)c;
	}
	*out = SLICE_OF(p, n);
	return true;
}

bool url_decode(struct arena *mem, struct slice in, struct slice *out, struct err *err)
{
	if (in.len == 0 || (!memchr(in.ptr, '%', in.len) && !memchr(in.ptr, 0, in.len))) {
		*out = in;
		return true;
	}
	return decode(mem, in, false, out, err);
}

/* Cuts *rest at the first `c`, which goes with neither part. */
static struct slice cut_at(struct slice *rest, uint8_t c)
{
	const uint8_t *p = rest->len > 0 ? memchr(rest->ptr, c, rest->len) : NULL;
	size_t n = p ? (size_t)(p - rest->ptr) : rest->len;
	struct slice head = { rest->ptr, n };

	*rest = p ? SLICE_OF(p + 1, rest->len - n - 1) : (struct slice){ 0 };
	return head;
}

enum url_next url_query_next(struct arena *mem, struct slice *rest, struct slice *name,
			     struct slice *value, struct err *err)
{
	while (rest->len > 0) {
		struct slice v = cut_at(rest, '&');
		struct slice k;

		if (v.len == 0)
			continue;
		k = cut_at(&v, '=');
		if (!decode(mem, k, true, name, err) || !decode(mem, v, true, value, err))
			return URL_BAD;
		return URL_PARAM;
	}
	return URL_END;
}

/* Checks UTF-8 byte by byte: how many more must follow, and the range of the next. */
struct utf8 {
	unsigned more;
	uint8_t lo, hi;
};

static bool utf8_step(struct utf8 *u, uint8_t c)
{
	if (u->more > 0) {
		if (c < u->lo || c > u->hi)
			return false;
		u->more--;
		u->lo = 0x80;
		u->hi = 0xbf;
		return true;
	}
	if (c < 0x80)
		return c >= 0x20 && c != 0x7f;
	if (c < 0xc2 || c > 0xf4)
		return false;
	u->more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	/* E0, ED, F0, F4: what is overlong, a surrogate, or beyond U+10FFFF. */
	u->lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	u->hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	return true;
}

bool url_text_ok(struct slice text)
{
	struct utf8 u = { 0 };

	for (size_t i = 0; i < text.len; i++) {
		if (!utf8_step(&u, text.ptr[i]))
			return false;
	}
	return u.more == 0;
}

bool url_path_ok(struct slice path)
{
	struct utf8 u = { 0 };

	for (size_t i = 0; i < path.len;) {
		int c = next_byte(path, &i);

		if (c < 0 || !utf8_step(&u, (uint8_t)c))
			return false;
	}
	return u.more == 0;
}
