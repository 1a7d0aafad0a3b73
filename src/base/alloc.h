/*
 * alloc.h -- heap memory for objects that come and go.
 *
 * Running out of memory ends the process with one line on stderr and abort():
 * what was acknowledged is durable, so a restart loses nothing, and no error
 * path exists that no test can reach.  Sizes from outside are checked against
 * a limit before they come here.
 */
#pragma once

#include <stddef.h>

#include "base/attr.h"

void *xmalloc(size_t size) __attribute__((returns_nonnull, malloc));
void *xcalloc(size_t n, size_t size) __attribute__((returns_nonnull, malloc));
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((returns_nonnull, malloc));
void xfree(void *p); /* NULL is fine */

/* Says how many bytes could not be had and aborts. */
NORETURN void alloc_failed(size_t size);
