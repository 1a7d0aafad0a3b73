/*
 * created.h -- times of creation that no owner gets twice.
 *
 * Clients page by `created` and some keep only its milliseconds, so each request of an
 * owner gets a millisecond of its own while the owner makes fewer than a thousand a
 * second, and beyond that a microsecond (design section 4).
 *
 * Remembers the last time given to each owner, and forgets it when it lies behind the
 * clock, so it is bounded by the owners who were active within the last seconds.
 * Thread-safe.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "store/siphash.h"

struct created;
struct created *created_new(const uint8_t key[SIPHASH_KEY_LEN]);
void created_free(struct created *created); /* NULL is fine */
DEFINE_CLEANUP(struct created, created_free)

/* The next free time of `owner`; false if nothing is known of him: created_seed() first. */
bool created_next(struct created *created, struct slice owner, int64_t now_us, int64_t *out);

/* Times up to `newest_us` are taken. */
void created_seed(struct created *created, struct slice owner, int64_t newest_us, int64_t now_us);

/* Owners remembered. */
size_t created_size(struct created *created);

/* Pure: the next free time after `last_us`. */
int64_t created_after(int64_t last_us, int64_t now_us);
