/* slice.h -- borrowed bytes: a pointer and a length, never owned, never NUL-bound. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const uint8_t *ptr; /* NULL only if len is 0 */
	size_t len;         /* bytes */
};

#define SLICE_LIT(s)   ((struct slice){ (const uint8_t *)(s), sizeof(s) - 1 })
#define SLICE_OF(p, n) ((struct slice){ (const uint8_t *)(p), (n) })
/* For "%.*s". */
#define SLICE_FMT(s) (int)(s).len, (const char *)(s).ptr

static inline struct slice slice_str(const char *s)
{
	return (struct slice){ (const uint8_t *)s, strlen(s) };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_eq_str(struct slice a, const char *s)
{
	return slice_eq(a, slice_str(s));
}

/* FNV-1a, for small tables of this process alone: who chooses the bytes can make them collide. */
static inline uint32_t slice_hash(struct slice s)
{
	uint32_t h = 2166136261U;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ s.ptr[i]) * 16777619U;
	return h;
}

/* memcmp order, a prefix before what it begins. */
static inline int slice_cmp(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;

	return c ? c : (a.len > b.len) - (a.len < b.len);
}
