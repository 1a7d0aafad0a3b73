#include "model/utf8.h"

/* The bytes a sequence may begin with, and what its second byte may then be
 * (RFC 3629 section 4); all later ones are 80..bf. */
static const struct sequence {
	uint8_t first_min, first_max;
	uint8_t len;
	uint8_t second_min, second_max;
} sequences[] = {
	{ 0x01, 0x7f, 1, 0, 0 },       { 0xc2, 0xdf, 2, 0x80, 0xbf }, { 0xe0, 0xe0, 3, 0xa0, 0xbf },
	{ 0xe1, 0xec, 3, 0x80, 0xbf }, { 0xed, 0xed, 3, 0x80, 0x9f }, { 0xee, 0xef, 3, 0x80, 0xbf },
	{ 0xf0, 0xf0, 4, 0x90, 0xbf }, { 0xf1, 0xf3, 4, 0x80, 0xbf }, { 0xf4, 0xf4, 4, 0x80, 0x8f },
};

/* Bytes of the code point at the front; 0 if there is none. */
static size_t point_len(const uint8_t *at, size_t len)
{
	const struct sequence *s = sequences;
	const struct sequence *end = sequences + sizeof(sequences) / sizeof(sequences[0]);

	while (s < end && (at[0] < s->first_min || at[0] > s->first_max))
		s++;
	if (s == end || s->len > len)
		return 0;
	if (s->len > 1 && (at[1] < s->second_min || at[1] > s->second_max))
		return 0;
	for (size_t i = 2; i < s->len; i++)
		if (at[i] < 0x80 || at[i] > 0xbf)
			return 0;
	return s->len;
}

bool utf8_check(struct slice text, size_t *points, struct err *err)
{
	size_t n = 0;

	for (size_t at = 0, len; at < text.len; at += len, n++) {
		len = point_len(text.ptr + at, text.len - at);
		if (len == 0)
			return err_set(err, ERR_INVALID, "byte %zu (0x%02x) is not UTF-8%s", at,
				       text.ptr[at], text.ptr[at] ? "" : " text: NUL");
	}
	if (points)
		*points = n;
	return true;
}
