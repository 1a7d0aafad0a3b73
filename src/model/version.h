/*
 * version.h -- the numbers that decide which of two writes wins.
 *
 * A version is made as
 *
 *	max(every version that was read + 1000, now in us), rounded down to 1000, + instance
 *
 * where `instance` (0..999) is the writing instance's own, so no two
 * writers ever make the same one, a writer never falls behind what it has
 * read, and versions stay close to the time in microseconds.  Revisions of a
 * request, generations of a copy's desired half and versions of settings are
 * all made so (design rules R2 and R4).
 */
#pragma once

#include <stdint.h>

#define INSTANCE_MAX 999

/* `seen`: the largest version that was read, 0 if none. */
uint64_t version_next(uint64_t seen, int64_t now_us, unsigned instance);
