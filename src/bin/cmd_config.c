#include <stdlib.h>
#include <string.h>

#include "bin/commands.h"
#include "bin/table.h"
#include "json/json_writer.h"

static void key_lines(struct json_writer *w, const char *name, struct slice text)
{
	json_key(w, name);
	json_begin_array(w);
	while (text.len > 0) {
		const uint8_t *end = memchr(text.ptr, '\n', text.len);
		size_t n = end ? (size_t)(end - text.ptr) : text.len;

		json_str(w, SLICE_OF(text.ptr, n));
		n += end != NULL;
		text = SLICE_OF(text.ptr + n, text.len - n);
	}
	json_end_array(w);
}

/* `warnings` are about variables that nobody reads: no mistake of the configuration. */
static void print_findings(bool good, const char *file, const struct buf *problems,
			   const struct buf *warnings)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct json_writer w = json_writer(&out);

	json_begin_object(&w);
	json_key_bool(&w, "good", good);
	if (file)
		json_key_cstr(&w, "file", file);
	key_lines(&w, "problems", buf_slice(problems));
	key_lines(&w, "warnings", buf_slice(warnings));
	json_end_object(&w);
	printf("%.*s\n", SLICE_FMT(buf_slice(&out)));
}

enum exit_code cmd_config_check(struct invocation *in)
{
	CLEANUP(buf_free) struct buf problems = { 0 };
	CLEANUP(buf_free) struct buf strangers = { 0 };
	struct config_result result;
	struct err err;
	bool ok = command_config(in, &problems, &result, &err);

	config_strangers(in->env, &strangers);
	if (is_given(in, "json")) {
		print_findings(ok, result.file, &problems, &strangers);
		return ok ? EXIT_DONE : EXIT_USAGE;
	}
	if (strangers.len)
		fprintf(stderr, "%.*s", SLICE_FMT(buf_slice(&strangers)));
	if (!ok) {
		fprintf(stderr, "%.*s", SLICE_FMT(buf_slice(&problems)));
		return EXIT_USAGE;
	}
	printf("The configuration is good (%s%s).\n",
	       result.file ? "file " : "no configuration file", result.file ? result.file : "");
	return EXIT_DONE;
}

static const char *source_name(enum config_source source)
{
	static const char *const names[] = { "default", "file", "environment", "flag" };

	return names[source];
}

/* Secrets show as whether they are set. */
static const char *shown_value(const struct option_row *row, const struct config_origin *origin)
{
	if (!row->secret)
		return origin->text;
	return *origin->text ? "(hidden)" : "";
}

static void show_json(const struct config_result *result)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct json_writer w = json_writer(&out);

	for (size_t i = 0; i < n_option_rows; i++) {
		const struct config_origin *origin = &result->origins[i];

		json_begin_object(&w);
		json_key_cstr(&w, "option", option_rows[i].name);
		json_key_cstr(&w, "value", shown_value(&option_rows[i], origin));
		json_key_cstr(&w, "source", source_name(origin->source));
		json_key_cstr(&w, "place", origin->place);
		json_end_object(&w);
		buf_add_byte(&out, '\n');
		w = json_writer(&out);
	}
	fwrite(out.ptr, 1, out.len, stdout);
}

enum exit_code cmd_config_show(struct invocation *in)
{
	static const char *const heads[] = { "OPTION", "VALUE", "SOURCE", "PLACE" };
	struct config_result result;
	struct table *table;
	struct err err;

	if (!command_config(in, NULL, &result, &err)) {
		failed(&err);
		return EXIT_USAGE;
	}
	if (is_given(in, "json")) {
		show_json(&result);
		return EXIT_DONE;
	}
	table = table_new(in->mem, heads, ARRAY_LEN(heads));
	for (size_t i = 0; i < n_option_rows; i++) {
		const struct config_origin *origin = &result.origins[i];
		const char *cells[] = { option_rows[i].name, shown_value(&option_rows[i], origin),
					source_name(origin->source), origin->place };

		table_add(table, cells, 2, origin->source == FROM_DEFAULT ? TONE_FAINT : TONE_GOOD);
	}
	table_print(table);
	return EXIT_DONE;
}

enum exit_code cmd_config_doc(struct invocation *in UNUSED)
{
	CLEANUP(buf_free) struct buf out = { 0 };

	config_doc(&out);
	fwrite(out.ptr, 1, out.len, stdout);
	return EXIT_DONE;
}
