#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define CHUNK_MIN 4096
#define GROW_FROM 8
#define CHUNK_MAX (256 * 1024)

struct chunk {
	struct chunk *next;
	size_t used, size;
	alignas(max_align_t) char bytes[];
};

struct arena {
	struct chunk *chunks; /* newest first; only the first has room */
	size_t size;          /* of all chunks */
};

struct arena *arena_new(void)
{
	return xcalloc(1, sizeof(struct arena));
}

static void free_chunks(struct chunk *c)
{
	while (c) {
		struct chunk *next = c->next;

		xfree(c);
		c = next;
	}
}

void arena_free(struct arena *mem)
{
	if (!mem)
		return;
	free_chunks(mem->chunks);
	xfree(mem);
}

void arena_reset(struct arena *mem)
{
	struct chunk *keep = mem->chunks;

	if (!keep)
		return;
	free_chunks(keep->next);
	keep->next = NULL;
	keep->used = 0;
	mem->size = keep->size;
}

size_t arena_size(const struct arena *mem)
{
	return mem->size;
}

/* Not zeroed: a chunk as a whole is not either, as most of a large one may never be used. */
static void *take(struct arena *mem, size_t size)
{
	const size_t align = alignof(max_align_t);
	size_t need = (size + align - 1) & ~(align - 1);
	struct chunk *c = mem->chunks;

	if (!c || c->size - c->used < need) {
		/* Doubling keeps the number of chunks small however much is asked for. */
		size_t room = c ? 2 * c->size : CHUNK_MIN;

		if (room > CHUNK_MAX)
			room = CHUNK_MAX;
		if (room < need)
			room = need;
		c = xmalloc(sizeof(*c) + room);
		c->used = 0;
		c->size = room;
		c->next = mem->chunks;
		mem->chunks = c;
		mem->size += room;
	}
	c->used += need;
	return c->bytes + c->used - need;
}

void *arena_alloc(struct arena *mem, size_t size)
{
	return memset(take(mem, size), 0, size);
}

void *arena_array(struct arena *mem, size_t size, size_t n)
{
	size_t total;

	if (__builtin_mul_overflow(size, n, &total))
		alloc_failed(SIZE_MAX);
	return arena_alloc(mem, total);
}

void *arena_grow(struct arena *mem, void *at, size_t n, size_t *cap, size_t size)
{
	void *more;

	if (n < *cap)
		return at;
	*cap = *cap ? 2 * *cap : GROW_FROM;
	more = arena_array(mem, size, *cap);
	if (n > 0)
		memcpy(more, at, n * size);
	return more;
}

struct slice arena_copy(struct arena *mem, struct slice bytes)
{
	uint8_t *p = take(mem, bytes.len + 1);

	if (bytes.len > 0)
		memcpy(p, bytes.ptr, bytes.len);
	p[bytes.len] = 0;
	return (struct slice){ p, bytes.len };
}

char *arena_printf(struct arena *mem, const char *fmt, ...)
{
	va_list ap, again;
	char *s;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	s = take(mem, (size_t)n + 1);
	vsnprintf(s, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return s;
}
