#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

NORETURN void alloc_failed(size_t size)
{
	fprintf(stderr, "level=error msg=\"out of memory (%zu bytes)\"\n", size);
	abort();
}

void *xmalloc(size_t size)
{
	void *p = malloc(size ? size : 1);

	if (!p)
		alloc_failed(size);
	return p;
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		alloc_failed(size);
	return p;
}

void *xrealloc(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);

	if (!p)
		alloc_failed(size);
	return p;
}

char *xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(xmalloc(n), s, n);
}

void xfree(void *p)
{
	free(p);
}
