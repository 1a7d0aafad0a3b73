#include "bin/ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bin/option_value.h"
#include "model/pin.h"

static json_t *number(const char *text)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	return errno || end == text || *end ? NULL : json_integer(n);
}

static json_t *bytes(const char *text)
{
	uint64_t n;

	return size_parse(text, &n) ? json_integer((json_int_t)n) : NULL;
}

static json_t *yes_no(const char *text)
{
	if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return NULL;
	return json_boolean(!strcmp(text, "true"));
}

static json_t *replicas(const char *text)
{
	long min, max;
	char *end;

	if (!strcmp(text, "all") || !strcmp(text, "-1"))
		return json_integer(-1);
	min = max = strtol(text, &end, 10);
	if (end == text)
		return NULL;
	if (*end == '-') {
		text = end + 1;
		max = strtol(text, &end, 10);
		if (end == text)
			return NULL;
	}
	if (*end || min < 1 || !pin_replicas_ok(min, max))
		return NULL;
	return min == max ? json_integer(min)
			  : json_pack("{s:i,s:i}", "min", (int)min, "max", (int)max);
}

static json_t *expires(const char *text)
{
	return !strcmp(text, "never") ? json_null() : json_string(text);
}

static json_t *array(struct texts texts)
{
	json_t *out = json_array();

	for (size_t i = 0; i < texts.n; i++)
		json_array_append_new(out, json_string(texts.items[i]));
	return out;
}

/* Values may hold commas here, so each occurrence is one pair. */
static json_t *pairs(const struct invocation *in, const char *option)
{
	json_t *out = json_object();

	for (size_t i = 0; i < in->n_given; i++) {
		const char *text = in->given[i].value, *equals;

		if (strcmp(in->given[i].name, option) != 0)
			continue;
		equals = strchr(text, '=');
		if (!equals || equals == text) {
			json_decref(out);
			return NULL;
		}
		json_object_set_new(out, arena_printf(in->mem, "%.*s", (int)(equals - text), text),
				    json_string(equals + 1));
	}
	return out;
}

static json_t *value_of(const struct invocation *in, const struct ask_member *m)
{
	const char *text = given(in, m->option);

	if (m->or_default && !strcmp(text, "default"))
		return json_null();
	switch (m->kind) {
	case ASK_TEXT:
		return json_string(text);
	case ASK_NUMBER:
		return number(text);
	case ASK_BYTES:
		return bytes(text);
	case ASK_YES_NO:
		return yes_no(text);
	case ASK_TEXTS:
		return array(given_all(in, m->option));
	case ASK_REPLICAS:
		return replicas(text);
	case ASK_PAIRS:
		return pairs(in, m->option);
	case ASK_EXPIRES:
		return expires(text);
	}
	return NULL;
}

static const char *allowed(enum ask_kind kind)
{
	static const char *const words[] = {
		[ASK_TEXT] = "a text in UTF-8",
		[ASK_NUMBER] = "a number",
		[ASK_BYTES] = "a size such as 1048576 or 1.5GiB",
		[ASK_YES_NO] = "true or false",
		[ASK_TEXTS] = "texts in UTF-8",
		[ASK_REPLICAS] = "a number such as 2, a range such as 2-3, or all; 100 at most",
		[ASK_PAIRS] = "NAME=VALUE",
		[ASK_EXPIRES] = "a time such as 2027-01-31T12:00:00Z, or never",
	};

	return words[kind];
}

enum exit_code ask_build(const struct invocation *in, const struct ask_member *members, size_t n,
			 json_t *body)
{
	for (size_t i = 0; i < n; i++) {
		json_t *value;

		if (!is_given(in, members[i].option))
			continue;
		value = value_of(in, &members[i]);
		if (!value)
			return usage_error(in, "--%s: \"%s\" is not allowed: %s%s",
					   members[i].option, given(in, members[i].option),
					   allowed(members[i].kind),
					   members[i].or_default ? ", or default" : "");
		json_object_set_new(body, members[i].name, value);
	}
	return EXIT_DONE;
}
