/*
 * arena.h -- memory that dies together.
 *
 * One arena lives as long as one request (or one step of a role).  Everything
 * decoded or built for it is allocated here and nothing of it is freed alone.
 * What must live longer is copied out by its new owner.
 *
 * Running out of memory ends the process: callers never see NULL.  Sizes that
 * come from the network are checked against a limit before they get here.
 */
#pragma once

#include <stddef.h>

#include "base/attr.h"
#include "base/cleanup.h"
#include "base/slice.h"

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *mem); /* NULL is fine */
DEFINE_CLEANUP(struct arena, arena_free)

/* Forgets all that was allocated but keeps one chunk for what comes next. */
void arena_reset(struct arena *mem);

/* Bytes held by the arena, used or not. */
size_t arena_size(const struct arena *mem);

/* Zeroed, aligned for any type. */
void *arena_alloc(struct arena *mem, size_t size) __attribute__((returns_nonnull));
#define arena_new_of(mem, type)       ((type *)arena_alloc((mem), sizeof(type)))
#define arena_new_array(mem, type, n) ((type *)arena_array((mem), sizeof(type), (n)))
void *arena_array(struct arena *mem, size_t size, size_t n) __attribute__((returns_nonnull));

/* Room for one more behind the `n` of an array of `*cap` elements of `size` bytes: `at` itself, or
 * a larger copy.  An empty array is NULL with 0.  What lies behind the `n` is not zeroed. */
void *arena_grow(struct arena *mem, void *at, size_t n, size_t *cap, size_t size)
	__attribute__((returns_nonnull));

/* A copy of `bytes`, followed by a NUL that is not counted. */
struct slice arena_copy(struct arena *mem, struct slice bytes);
char *arena_printf(struct arena *mem, const char *fmt, ...) PRINTF(2, 3);
