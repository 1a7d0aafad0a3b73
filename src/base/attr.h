/* attr.h -- the few compiler attributes we use, under readable names. */
#pragma once

#include <stddef.h>

#define MUST_CHECK      __attribute__((warn_unused_result))
#define PRINTF(fmt, va) __attribute__((format(printf, fmt, va)))
#define NORETURN        __attribute__((noreturn))
#define UNUSED          __attribute__((unused))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The struct of `type` whose member `field` is at `ptr`. */
#define CONTAINER_OF(ptr, type, field) ((type *)(void *)((char *)(ptr)-offsetof(type, field)))
