#include "json/json_writer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define ESCAPE_MAX 6 /* bytes of the longest escape, \u001f */

static void before_value(struct json_writer *w)
{
	if (w->comma && !w->keyed)
		buf_add_byte(w->out, ',');
	w->comma = true;
	w->keyed = false;
}

static void begin(struct json_writer *w, char bracket)
{
	before_value(w);
	buf_add_byte(w->out, (uint8_t)bracket);
	w->depth++;
	w->comma = false;
}

static void end(struct json_writer *w, char bracket)
{
	assert(w->depth > 0 && !w->keyed);
	buf_add_byte(w->out, (uint8_t)bracket);
	w->depth--;
	w->comma = true;
}

void json_begin_object(struct json_writer *w)
{
	begin(w, '{');
}

void json_end_object(struct json_writer *w)
{
	end(w, '}');
}

void json_begin_array(struct json_writer *w)
{
	begin(w, '[');
}

void json_end_array(struct json_writer *w)
{
	end(w, ']');
}

/* Length of the valid UTF-8 sequence at `p` (RFC 3629), 0 if there is none. */
static size_t utf8_sequence(const uint8_t *p, size_t n)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t len;

	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (p[0] == 0xe0) /* overlong below */
		low = 0xa0;
	if (p[0] == 0xed) /* surrogates above */
		high = 0x9f;
	if (p[0] == 0xf0)
		low = 0x90;
	if (p[0] == 0xf4) /* beyond U+10FFFF */
		high = 0x8f;
	if (n < len || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

static bool plain(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static size_t escape(uint8_t c, uint8_t *to)
{
	static const char hex[] = "0123456789abcdef";
	static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const char *found = c ? strchr(named, c) : NULL;

	to[0] = '\\';
	if (found) {
		to[1] = (uint8_t)letters[found - named];
		return 2;
	}
	memcpy(to + 1, "u00", 3);
	to[4] = (uint8_t)hex[c >> 4];
	to[5] = (uint8_t)hex[c & 15];
	return 6;
}

static void quote(struct buf *out, struct slice text)
{
	uint8_t *to = buf_reserve(out, text.len * ESCAPE_MAX + 2), *start = to;
	const uint8_t *p = text.ptr;
	size_t left = text.len;

	*to++ = '"';
	while (left > 0) {
		size_t n = 1;

		if (plain(*p)) {
			*to++ = *p;
		} else if (*p < 0x80) {
			to += escape(*p, to);
		} else if ((n = utf8_sequence(p, left)) > 0) {
			memcpy(to, p, n);
			to += n;
		} else {
			memcpy(to, "\xef\xbf\xbd", 3); /* U+FFFD */
			to += 3;
			n = 1;
		}
		p += n;
		left -= n;
	}
	*to++ = '"';
	out->len += (size_t)(to - start);
}

void json_key(struct json_writer *w, const char *name)
{
	assert(w->depth > 0 && !w->keyed);
	if (w->comma)
		buf_add_byte(w->out, ',');
	buf_add_byte(w->out, '"');
	buf_add_str(w->out, name);
	buf_add(w->out, "\":", 2);
	w->keyed = true;
}

void json_key_slice(struct json_writer *w, struct slice name)
{
	assert(w->depth > 0 && !w->keyed);
	if (w->comma)
		buf_add_byte(w->out, ',');
	quote(w->out, name);
	buf_add_byte(w->out, ':');
	w->keyed = true;
}

void json_str(struct json_writer *w, struct slice text)
{
	before_value(w);
	quote(w->out, text);
}

void json_cstr(struct json_writer *w, const char *text)
{
	json_str(w, slice_str(text));
}

/* Right-aligned in `text`. */
static struct slice digits(uint64_t n, bool minus, char text[24])
{
	size_t at = 24;

	do
		text[--at] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	if (minus)
		text[--at] = '-';
	return SLICE_OF(text + at, 24 - at);
}

void json_i64(struct json_writer *w, int64_t n)
{
	char text[24];

	json_raw(w, digits(n < 0 ? -(uint64_t)n : (uint64_t)n, n < 0, text));
}

void json_u64(struct json_writer *w, uint64_t n)
{
	char text[24];

	json_raw(w, digits(n, false, text));
}

void json_bool(struct json_writer *w, bool b)
{
	json_raw(w, b ? SLICE_LIT("true") : SLICE_LIT("false"));
}

void json_null_value(struct json_writer *w)
{
	json_raw(w, SLICE_LIT("null"));
}

void json_raw(struct json_writer *w, struct slice json)
{
	before_value(w);
	buf_add_slice(w->out, json);
}

void json_key_str(struct json_writer *w, const char *name, struct slice text)
{
	json_key(w, name);
	json_str(w, text);
}

void json_key_cstr(struct json_writer *w, const char *name, const char *text)
{
	json_key(w, name);
	json_cstr(w, text);
}

void json_key_i64(struct json_writer *w, const char *name, int64_t n)
{
	json_key(w, name);
	json_i64(w, n);
}

void json_key_u64(struct json_writer *w, const char *name, uint64_t n)
{
	json_key(w, name);
	json_u64(w, n);
}

void json_key_u64_text(struct json_writer *w, const char *name, uint64_t n)
{
	char text[24];

	json_key_str(w, name, digits(n, false, text));
}

void json_key_bool(struct json_writer *w, const char *name, bool b)
{
	json_key(w, name);
	json_bool(w, b);
}
