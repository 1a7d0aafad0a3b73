/* ask.h -- options of commands as members of a request's JSON. */
#pragma once

#include <jansson.h>

#include "bin/command.h"

enum ask_kind {
	ASK_TEXT,     /* as it is */
	ASK_NUMBER,   /* a decimal number */
	ASK_BYTES,    /* a size: 1.5GiB */
	ASK_YES_NO,   /* true or false */
	ASK_TEXTS,    /* repeated or with commas: an array */
	ASK_REPLICAS, /* 2, 2-3 or all */
	ASK_PAIRS,    /* NAME=VALUE, repeated: an object of texts */
	ASK_EXPIRES,  /* a time of RFC 3339, or never */
};

struct ask_member {
	const char *option, *name; /* --option; "member" */
	enum ask_kind kind;
	bool or_default; /* "default" is null: as the server has it for all */
};

/* Adds to `body` what was given of `members`.  EXIT_USAGE, with words on stderr, if a value
 * makes no sense. */
enum exit_code ask_build(const struct invocation *in, const struct ask_member *members, size_t n,
			 json_t *body);
