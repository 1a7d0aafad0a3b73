/*
 * casefold.h -- texts that differ only in case become the same text.
 *
 * Unicode's simple case folding (one code point for one) of the Latin, Greek,
 * Cyrillic and Armenian letters: U+0000 to U+058F and U+1E00 to U+1EFF.  All else stays as
 * it is.  Texts are UTF-8; of other bytes something comes out, and no fault.  Pure.
 *
 * What comes out is kept in indexes, so what is folded to what never changes for
 * code points that are in the table.
 *
 * Source: CaseFolding.txt of Unicode 15, statuses C and S.
 */
#pragma once

#include "base/arena.h"

/* Folded; `text` itself if that changes nothing. */
struct slice casefold(struct slice text, struct arena *mem);
