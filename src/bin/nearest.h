/* nearest.h -- which of the known names somebody probably meant. */
#pragma once

#include <stddef.h>

/* The candidate with the fewest typing errors (a letter more, less, other, or two swapped),
 * or NULL if none is near. */
const char *nearest(const char *word, const char *const *candidates, size_t n);
