/*
 * cleanup.h -- owners that release themselves at the end of their scope.
 *
 *	CLEANUP(arena_free) struct arena *mem = arena_new();
 *	...any `return` from here on frees the arena...
 *	*out = TAKE(mem);       -- hands it over instead
 *
 * A variable declared so is always initialised, and every `x_free` accepts
 * NULL and a half-built object.
 */
#pragma once

#define CLEANUP(fn) __attribute__((cleanup(fn##_at_scope_end)))

#define DEFINE_CLEANUP(type, fn)                       \
	static inline void fn##_at_scope_end(type **p) \
	{                                              \
		fn(*p);                                \
	}

#define TAKE(p)                             \
	__extension__({                     \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})
