/* JSON from outside, as every body is read; what is accepted is written again by our writer. */
#include "fuzz_target.h"

#include "json/json_reader.h"
#include "json/json_writer.h"

static void write_value(struct json_writer *w, const json_t *value)
{
	json_t *object = (json_t *)(uintptr_t)value, *member;
	const char *name;

	switch (json_typeof(value)) {
	case JSON_OBJECT:
		json_begin_object(w);
		json_object_foreach(object, name, member)
		{
			json_key_slice(w, slice_str(name));
			write_value(w, member);
		}
		json_end_object(w);
		break;
	case JSON_ARRAY:
		json_begin_array(w);
		for (size_t i = 0; i < json_array_size(value); i++)
			write_value(w, json_array_get(value, i));
		json_end_array(w);
		break;
	case JSON_STRING:
		json_str(w, json_slice(value));
		break;
	case JSON_INTEGER:
		json_i64(w, json_integer_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		json_bool(w, json_is_true(value));
		break;
	case JSON_REAL: /* we write none */
	case JSON_NULL:
		json_null_value(w);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct json_limits limits = { .max_bytes = 65536, .max_depth = 16 };
	CLEANUP(json_doc_free) struct json_doc *doc = NULL, *again = NULL;
	__attribute__((cleanup(buf_free_at_scope_end))) struct buf text = { 0 };
	struct json_writer w = json_writer(&text);
	char shown[JSON_SHOWN_MAX];
	struct err err = { 0 };
	bool ok;

	if (!json_parse(SLICE_OF(data, size), &limits, &doc, &err)) {
		assert(err.code == ERR_INVALID && err.text[0]);
		return 0;
	}
	assert(strlen(json_shown(json_root(doc), shown)) < JSON_SHOWN_MAX);
	write_value(&w, json_root(doc));
	ok = json_parse(buf_slice(&text), &(struct json_limits){ .max_depth = 16 }, &again, &err);
	assert(ok);
	return 0;
}
