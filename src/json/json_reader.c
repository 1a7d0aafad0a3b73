#include "json/json_reader.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define DEPTH_DEFAULT 32
#define DEPTH_MAX     1000 /* jansson recurses; its own bound is 2048 */

/* jansson's value, under a name of ours so that nobody else frees it. */
struct json_doc {
	json_t value;
};

/* Counts brackets outside of strings; whether they match is the parser's business. */
static unsigned nesting(struct slice text)
{
	unsigned depth = 0, deepest = 0;
	bool quoted = false;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];

		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '{' || c == '[') {
			if (++depth > deepest)
				deepest = depth;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return deepest;
}

/* Our words for what clients get wrong: the library's own quote what was sent. */
static const char *parse_error_text(enum json_error_code code)
{
	static const char *const texts[] = {
		[json_error_premature_end_of_input] = "it ends too early",
		[json_error_end_of_input_expected] = "there are bytes after its end",
		[json_error_invalid_utf8] = "it is not valid UTF-8",
		[json_error_null_character] = "a string holds the character NUL",
		[json_error_null_byte_in_key] = "a name holds the character NUL",
		[json_error_duplicate_key] = "a name stands twice in one object",
		[json_error_numeric_overflow] = "a number is too large",
	};

	if ((size_t)code < ARRAY_LEN(texts) && texts[code])
		return texts[code];
	return "it is not JSON";
}

bool json_parse(struct slice text, const struct json_limits *limits, struct json_doc **out,
		struct err *err)
{
	unsigned max_depth = limits->max_depth ? limits->max_depth : DEPTH_DEFAULT;
	json_error_t why;
	json_t *value;

	assert(max_depth <= DEPTH_MAX);
	if (limits->max_bytes && text.len > limits->max_bytes)
		return err_set(err, ERR_INVALID, "the JSON has %zu bytes; at most %zu are allowed",
			       text.len, limits->max_bytes);
	if (nesting(text) > max_depth)
		return err_set(err, ERR_INVALID,
			       "the JSON is nested deeper than the %u levels allowed", max_depth);
	value = json_loadb(text.ptr ? (const char *)text.ptr : "", text.len, JSON_REJECT_DUPLICATES,
			   &why);
	if (!value)
		return err_set(err, ERR_INVALID, "the JSON cannot be read: %s, line %d, byte %d",
			       parse_error_text(json_error_code(&why)), why.line, why.position);
	*out = (struct json_doc *)(void *)value;
	return true;
}

void json_doc_free(struct json_doc *doc)
{
	if (doc)
		json_decref(&doc->value);
}

const json_t *json_root(const struct json_doc *doc)
{
	return &doc->value;
}

const char *json_shown(const json_t *value, char out[JSON_SHOWN_MAX])
{
	const char *fixed[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",      [JSON_NULL] = "null",
	};
	struct slice text;
	size_t n = 0;

	switch (json_typeof(value)) {
	case JSON_INTEGER:
		snprintf(out, JSON_SHOWN_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return out;
	case JSON_REAL:
		snprintf(out, JSON_SHOWN_MAX, "%g", json_real_value(value));
		return out;
	case JSON_STRING:
		text = json_slice(value);
		out[n++] = '"';
		for (size_t i = 0; i < text.len && n < JSON_SHOWN_MAX - 5; i++) {
			uint8_t c = text.ptr[i];

			out[n++] = c >= 0x20 && c < 0x7f && c != '"' ? (char)c : '?';
		}
		snprintf(out + n, JSON_SHOWN_MAX - n, n - 1 < text.len ? "...\"" : "\"");
		return out;
	case JSON_OBJECT:
	case JSON_ARRAY:
	case JSON_TRUE:
	case JSON_FALSE:
	case JSON_NULL:
		break;
	}
	return fixed[json_typeof(value)];
}

static bool refuse(const json_t *value, const char *path, const char *name, const char *allowed,
		   struct err *err)
{
	char shown[JSON_SHOWN_MAX];

	return err_set(err, ERR_INVALID, "%s%s%s is %s; %s", path, *path ? "." : "", name,
		       json_shown(value, shown), allowed);
}

static bool read_field(const json_t *value, const char *path, const struct json_field *f,
		       void *member, struct err *err)
{
	char allowed[96];
	int64_t n;

	if (json_is_null(value) && f->nullable)
		return true;
	switch (f->kind) {
	case JSON_STR:
		if (!json_is_string(value))
			return refuse(value, path, f->name, "it must be a string", err);
		*(struct slice *)member = json_slice(value);
		return true;
	case JSON_INT:
		n = json_integer_value(value);
		if (!json_is_integer(value) || n < f->min || n > f->max) {
			snprintf(allowed, sizeof(allowed),
				 "it must be an integer from %" PRId64 " to %" PRId64, f->min,
				 f->max);
			return refuse(value, path, f->name, allowed, err);
		}
		*(int64_t *)member = n;
		return true;
	case JSON_FLAG:
		if (!json_is_boolean(value))
			return refuse(value, path, f->name, "it must be true or false", err);
		*(bool *)member = json_is_true(value);
		return true;
	case JSON_LIST:
		if (!json_is_array(value))
			return refuse(value, path, f->name, "it must be an array", err);
		break;
	case JSON_MAP:
		if (!json_is_object(value))
			return refuse(value, path, f->name, "it must be an object", err);
		break;
	case JSON_OTHER:
		break;
	}
	*(const json_t **)member = value;
	return true;
}

static const struct json_field *find_field(const struct json_field *fields, size_t n,
					   const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	}
	return NULL;
}

static bool refuse_unknown(const char *path, const char *name, const struct json_field *fields,
			   size_t n, struct err *err)
{
	char known[120] = "", shown[40];
	size_t len = 0;

	for (size_t i = 0; i < n && len < sizeof(known) - 1; i++)
		len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s", i ? ", " : "",
					fields[i].name);
	for (len = 0; name[len] && len < sizeof(shown) - 1; len++)
		shown[len] = name[len] >= 0x20 && name[len] < 0x7f ? name[len] : '?';
	shown[len] = '\0';
	return err_set(err, ERR_INVALID, "%s%s%s is not known; there are %s", path,
		       *path ? "." : "", shown, known);
}

bool json_fields(const json_t *value, const char *path, const struct json_field *fields, size_t n,
		 enum json_unknown unknown, void *out, uint64_t *given, struct err *err)
{
	json_t *object = (json_t *)(uintptr_t)value; /* jansson's iterators take no const */
	const char *name;
	json_t *member;

	assert(n <= 64);
	*given = 0;
	if (!json_is_object(value))
		return err_set(err, ERR_INVALID, "%s must be a JSON object",
			       *path ? path : "the body");
	json_object_foreach(object, name, member)
	{
		const struct json_field *f = find_field(fields, n, name);

		if (!f && unknown == JSON_UNKNOWN_IGNORED)
			continue;
		if (!f)
			return refuse_unknown(path, name, fields, n, err);
		if (!read_field(member, path, f, (char *)out + f->offset, err))
			return false;
		*given |= UINT64_C(1) << (f - fields);
	}
	for (size_t i = 0; i < n; i++) {
		if (fields[i].required && !(*given >> i & 1))
			return err_set(err, ERR_INVALID, "%s%s%s is missing", path,
				       *path ? "." : "", fields[i].name);
	}
	return true;
}

bool json_strings(const json_t *value, const char *path, size_t max, struct arena *mem,
		  struct slice **out, size_t *n, struct err *err)
{
	size_t count = json_array_size(value);
	struct slice *at;

	if (!json_is_array(value))
		return refuse(value, "", path, "it must be an array of strings", err);
	if (count > max)
		return err_set(err, ERR_INVALID, "%s has %zu entries; at most %zu are allowed",
			       path, count, max);
	at = arena_new_array(mem, struct slice, count);
	for (size_t i = 0; i < count; i++) {
		const json_t *entry = json_array_get(value, i);
		char name[24];

		snprintf(name, sizeof(name), "[%zu]", i);
		if (!json_is_string(entry))
			return refuse(entry, path, name, "it must be a string", err);
		at[i] = json_slice(entry);
	}
	*out = at;
	*n = count;
	return true;
}

bool json_string_map(const json_t *value, const char *path, size_t max, struct arena *mem,
		     struct slice **keys, struct slice **values, size_t *n, struct err *err)
{
	json_t *object = (json_t *)(uintptr_t)value;
	size_t count = json_object_size(value), i = 0;
	const char *name;
	json_t *member;

	if (!json_is_object(value))
		return refuse(value, "", path, "it must be an object of strings", err);
	if (count > max)
		return err_set(err, ERR_INVALID, "%s has %zu keys; at most %zu are allowed", path,
			       count, max);
	*keys = arena_new_array(mem, struct slice, count);
	*values = arena_new_array(mem, struct slice, count);
	json_object_foreach(object, name, member)
	{
		if (!json_is_string(member))
			return refuse(member, path, "<key>", "every value must be a string", err);
		(*keys)[i] = slice_str(name);
		(*values)[i++] = json_slice(member);
	}
	*n = count;
	return true;
}
