#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define FIRST     944 /* with its heads: what an allocator keeps at hand */
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
	struct chunk *first;  /* lies behind the arena itself: most need no other */
};

struct arena *arena_new(void)
{
	const size_t at =
		(sizeof(struct arena) + alignof(struct chunk) - 1) & ~(alignof(struct chunk) - 1);
	uint8_t *bytes = xmalloc(at + sizeof(struct chunk) + FIRST);
	struct arena *mem = (void *)bytes;
	struct chunk *first = (void *)(bytes + at);

	*first = (struct chunk){ .size = FIRST };
	*mem = (struct arena){ .chunks = first, .size = FIRST, .first = first };
	return mem;
}

static void free_chunks(struct arena *mem, struct chunk *c)
{
	while (c) {
		struct chunk *next = c->next;

		if (c != mem->first)
			xfree(c);
		c = next;
	}
}

void arena_free(struct arena *mem)
{
	if (!mem)
		return;
	free_chunks(mem, mem->chunks);
	xfree(mem);
}

void arena_reset(struct arena *mem)
{
	struct chunk *keep = mem->chunks;

	free_chunks(mem, keep->next);
	keep->next = NULL;
	keep->used = 0;
	mem->size = keep->size;
}

size_t arena_size(const struct arena *mem)
{
	return mem->size;
}

static struct chunk *grow(struct arena *mem, size_t need)
{
	/* Doubling keeps the number of chunks small however much is asked for. */
	size_t room = 2 * mem->chunks->size;
	struct chunk *c;

	if (room < CHUNK_MIN)
		room = CHUNK_MIN;
	if (room > CHUNK_MAX)
		room = CHUNK_MAX;
	if (room < need)
		room = need;
	c = xmalloc(sizeof(*c) + room);
	*c = (struct chunk){ .next = mem->chunks, .size = room };
	mem->chunks = c;
	mem->size += room;
	return c;
}

/* Room whose bytes are anything. */
static void *take(struct arena *mem, size_t size)
{
	const size_t align = alignof(max_align_t);
	size_t need = (size + align - 1) & ~(align - 1);
	struct chunk *c = mem->chunks;

	if (c->size - c->used < need)
		c = grow(mem, need);
	c->used += need;
	return c->bytes + c->used - need;
}

void *arena_alloc(struct arena *mem, size_t size)
{
	return memset(take(mem, size), 0, size);
}

static size_t array_size(size_t size, size_t n)
{
	size_t total;

	if (__builtin_mul_overflow(size, n, &total))
		alloc_failed(SIZE_MAX);
	return total;
}

void *arena_array(struct arena *mem, size_t size, size_t n)
{
	return arena_alloc(mem, array_size(size, n));
}

void *arena_grow(struct arena *mem, void *at, size_t n, size_t *cap, size_t size)
{
	void *more;

	if (n < *cap)
		return at;
	*cap = *cap ? 2 * *cap : GROW_FROM;
	more = take(mem, array_size(size, *cap));
	if (n > 0)
		memcpy(more, at, n * size);
	return more;
}

struct slice arena_copy(struct arena *mem, struct slice bytes)
{
	uint8_t *p;

	if (bytes.len == 0)
		return SLICE_LIT("");
	p = take(mem, bytes.len + 1);
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
