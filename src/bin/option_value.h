/* option_value.h -- the text of an option into its value, by its type. */
#pragma once

#include "bin/config.h"

/* A decimal number, with one of B, KiB, MiB, GiB, TiB, KB, MB, GB, TB behind it. */
bool size_parse(const char *text, uint64_t *out) MUST_CHECK;

/* Fills the option's member of *config; not for OPTION_KUBO.  False: the text is not
 * allowed. */
bool option_set(const struct option_row *row, const char *text, struct arena *mem,
		struct config *config) MUST_CHECK;

/* "a duration such as 90s, from 1s to 24h". */
const char *option_allowed(const struct option_row *row, struct arena *mem);

/* The items of a comma-separated text, without the blanks around them. */
struct texts texts_split(const char *text, struct arena *mem);
