#include "model/excerpt.h"

struct excerpt excerpt(struct slice value)
{
	struct excerpt e = { 0 };
	size_t n = value.len < EXCERPT_LEN ? value.len : EXCERPT_LEN;

	for (size_t i = 0; i < n; i++) {
		uint8_t c = value.ptr[i];

		e.text[i] = c >= 0x20 && c < 0x7f && c != '"' ? (char)c : '?';
	}
	if (value.len > n)
		memcpy(e.text + n, "...", sizeof("..."));
	return e;
}
