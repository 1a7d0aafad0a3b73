#include "bin/config.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bin/config_kubo.h"
#include "bin/nearest.h"
#include "bin/option_value.h"
#include "model/pin.h"

struct load { /* one config_load() */
	const struct config_input *in;
	struct arena *mem;
	struct config_result *out;
	struct err *err;
	bool failed;
};

/* Notes a problem and goes on, so that all are found in one run. */
static void problem(struct load *l, const char *fmt, ...) PRINTF(2, 3);
static void problem(struct load *l, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!l->failed)
		err_set(l->err, ERR_INVALID, "%s", text);
	l->failed = true;
	if (l->out->problems)
		buf_printf(l->out->problems, "%s\n", text);
}

/* What may be shown of a value in an error. */
static const char *shown(const struct option_row *row, const char *text, struct arena *mem)
{
	struct texts items;
	const char *all = "";

	if (row->type == OPTION_KUBO && !strchr(text, '{')) {
		items = texts_split(text, mem);
		for (size_t i = 0; i < items.n; i++)
			all = arena_printf(mem, "%s%s%s", all, i ? "," : "",
					   config_kubo_shown(items.items[i], mem));
		return all;
	}
	return row->secret || row->type == OPTION_KUBO ? "what was given" : text;
}

static void refuse(struct load *l, const struct option_row *row, const char *text,
		   const char *place)
{
	problem(l, "%s: \"%s\" (%s) is not allowed: %s", row->name, shown(row, text, l->mem), place,
		option_allowed(row, l->mem));
}

static void note(struct load *l, const struct option_row *row, const char *text,
		 enum config_source source, const char *place)
{
	l->out->origins[row - option_rows] = (struct config_origin){ source, place, text };
}

static void apply(struct load *l, const struct option_row *row, const char *text,
		  enum config_source source, const char *place)
{
	bool ok;

	if (row->type == OPTION_KUBO)
		ok = config_kubo_urls(texts_split(text, l->mem), l->mem, &l->out->config);
	else
		ok = option_set(row, text, l->mem, &l->out->config);
	if (!ok)
		refuse(l, row, text, place);
	else
		note(l, row, text, source, place);
}

/* The first line of a file that holds a secret. */
static const char *read_secret(struct load *l, const struct option_row *row, const char *path,
			       const char *place)
{
	const char *secret = config_secret_file(path, l->mem, NULL);

	if (!secret)
		problem(l, "%s_file: cannot read a secret from %s (%s): %s", row->name, path, place,
			strerror(errno));
	return secret;
}

static void apply_file(struct load *l, const struct option_row *row, const char *path,
		       enum config_source source, const char *place)
{
	const char *secret = read_secret(l, row, path, place);

	if (secret)
		apply(l, row, secret, source, place);
}

/* ---- the file ----------------------------------------------------------------- */

static const char *file_place(struct load *l)
{
	return arena_printf(l->mem, "file %s", l->out->file);
}

static const char *join(struct load *l, const json_t *array)
{
	char *out = arena_printf(l->mem, "%s", "");
	size_t i;
	json_t *item;

	json_array_foreach(array, i, item)
	{
		if (!json_is_string(item) || strchr(json_string_value(item), ','))
			return NULL;
		out = arena_printf(l->mem, "%s%s%s", out, i ? "," : "", json_string_value(item));
	}
	return out;
}

/* The text one would have written in the environment; NULL: the wrong kind of JSON. */
static const char *as_text(struct load *l, const struct option_row *row, const json_t *value)
{
	switch (row->type) {
	case OPTION_BOOL:
		return json_is_boolean(value) ? json_is_true(value) ? "true" : "false" : NULL;
	case OPTION_INT:
		break;
	case OPTION_SIZE:
	case OPTION_DURATION:
	case OPTION_TEXT:
	case OPTION_PATH:
	case OPTION_ENUM:
		if (json_is_string(value))
			return arena_printf(l->mem, "%s", json_string_value(value));
		break;
	case OPTION_LIST:
	case OPTION_KUBO:
		return json_is_array(value) ? join(l, value) : NULL;
	}
	if ((row->type == OPTION_INT || row->type == OPTION_SIZE) && json_is_integer(value))
		return arena_printf(l->mem, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return NULL;
}

static void apply_kubo(struct load *l, const struct option_row *row, const json_t *value)
{
	struct err why;

	if (!config_kubo_objects(value, l->mem, &l->out->config, &why))
		problem(l, "%s (%s)", why.text, file_place(l));
	else
		note(l, row, arena_printf(l->mem, "%zu nodes", l->out->config.n_kubo), FROM_FILE,
		     l->out->file);
}

static void apply_json(struct load *l, const struct option_row *row, const json_t *value)
{
	const char *text;
	char *dump;

	if (row->type == OPTION_KUBO) {
		apply_kubo(l, row, value);
		return;
	}
	text = as_text(l, row, value);
	if (text) {
		apply(l, row, text, FROM_FILE, file_place(l));
		return;
	}
	dump = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	refuse(l, row, dump ? dump : "?", file_place(l));
	free(dump);
}

static const struct option_row *find_row(const char *name)
{
	for (size_t i = 0; i < n_option_rows; i++)
		if (!strcmp(option_rows[i].name, name))
			return &option_rows[i];
	return NULL;
}

/* The secret option that `name` with _file behind it speaks of. */
static const struct option_row *find_secret(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n_option_rows; i++) {
		const struct option_row *row = &option_rows[i];

		if (row->secret && n == strlen(row->name) + 5 && !strncmp(name, row->name, n - 5) &&
		    !strcmp(name + n - 5, "_file"))
			return row;
	}
	return NULL;
}

static bool is_group(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n_option_rows; i++)
		if (!strncmp(option_rows[i].name, name, n) && option_rows[i].name[n] == '.')
			return true;
	return false;
}

static void unknown(struct load *l, const char *name)
{
	const char **names = arena_new_array(l->mem, const char *, n_option_rows);
	const char *near;

	for (size_t i = 0; i < n_option_rows; i++)
		names[i] = option_rows[i].name;
	near = nearest(name, names, n_option_rows);
	problem(l, "%s: there is no such option (%s)%s%s%s", name, file_place(l),
		near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static void walk(struct load *l, const char *prefix, const json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value)
	{
		const char *name = arena_printf(l->mem, "%s%s%s", prefix, *prefix ? "." : "", key);
		const struct option_row *row = find_row(name);

		if (row)
			apply_json(l, row, value);
		else if (is_group(name) && json_is_object(value))
			walk(l, name, value);
		else if ((row = find_secret(name)) && json_is_string(value))
			apply_file(l, row, json_string_value(value), FROM_FILE, file_place(l));
		else if (is_group(name))
			problem(l, "%s: must be an object of options (%s)", name, file_place(l));
		else
			unknown(l, name);
	}
}

static void load_file(struct load *l, const char *path)
{
	json_error_t bad;
	json_t *root;

	l->out->file = path;
	root = json_load_file(path, JSON_REJECT_DUPLICATES, &bad);
	if (!root && bad.line < 0)
		problem(l, "configuration file %s: %s", path, bad.text);
	else if (!root)
		problem(l, "configuration file %s, line %d, column %d: %s", path, bad.line,
			bad.column, bad.text);
	else if (!json_is_object(root))
		problem(l, "configuration file %s: must be a JSON object", path);
	else
		walk(l, "", root);
	json_decref(root);
}

/* ---- environment and flags ------------------------------------------------------ */

static const char *env_value(const char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; env && *env; env++)
		if (!strncmp(*env, name, n) && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

static void load_env(struct load *l)
{
	for (size_t i = 0; i < n_option_rows; i++) {
		const struct option_row *row = &option_rows[i];
		const char *name = option_env(row, l->mem);
		const char *value = env_value(l->in->env, name);

		if (value)
			apply(l, row, value, FROM_ENV, name);
		if (!row->secret)
			continue;
		name = arena_printf(l->mem, "%s_FILE", name);
		value = env_value(l->in->env, name);
		if (value)
			apply_file(l, row, value, FROM_ENV, name);
	}
}

/* All values of one option, joined if it is a list; the last one else. */
static const struct config_flag *last_flag(struct load *l, const struct option_row *row,
					   const char **text)
{
	const struct config_flag *last = NULL;
	bool list = row->type == OPTION_LIST || row->type == OPTION_KUBO;

	for (size_t i = 0; i < l->in->n_flags; i++) {
		const struct config_flag *flag = &l->in->flags[i];

		if (flag->row != row)
			continue;
		*text = last && list ? arena_printf(l->mem, "%s,%s", *text, flag->value)
				     : flag->value;
		last = flag;
	}
	return last;
}

static void load_flags(struct load *l)
{
	for (size_t i = 0; i < n_option_rows; i++) {
		const struct option_row *row = &option_rows[i];
		const char *text = NULL, *name = option_flag(row, l->mem);
		const struct config_flag *flag = last_flag(l, row, &text);

		if (!flag)
			continue;
		if (flag->from_file)
			apply_file(l, row, text, FROM_FLAG, name);
		else if (row->secret)
			problem(l,
				"%s: %s is not taken from the command line, which others can "
				"see; use %s-file or %s",
				row->name, name, name, option_env(row, l->mem));
		else
			apply(l, row, text, FROM_FLAG, name);
	}
}

/* ---- all together ----------------------------------------------------------------- */

static void load_defaults(struct load *l)
{
	for (size_t i = 0; i < n_option_rows; i++) {
		const struct option_row *row = &option_rows[i];

		bool ok = row->type == OPTION_KUBO ||
			  option_set(row, row->def, l->mem, &l->out->config);

		assert(ok);
		note(l, row, row->def, FROM_DEFAULT, "");
	}
}

/* The file of the data directory counts only if it is there; one that was named must be. */
static const char *file_path(struct load *l)
{
	const char *data = env_value(l->in->env, "PINFOLD_DATA"), *path;
	const struct option_row *row = find_row("data");

	if (l->in->file)
		return l->in->file;
	path = env_value(l->in->env, "PINFOLD_CONFIG");
	if (path && *path)
		return path;
	if (!data)
		data = row->def;
	last_flag(l, row, &data);
	if (!option_set(row, data, l->mem, &l->out->config))
		return NULL;
	path = arena_printf(l->mem, "%s/config.json", l->out->config.data);
	return access(path, F_OK) == 0 ? path : NULL;
}

/* What no row can say alone. */
static void check_together(struct load *l)
{
	const struct config *c = &l->out->config;

	if (*c->tls.cert_file && !*c->tls.key_file)
		problem(l, "tls.cert_file: \"%s\" needs tls.key_file too", c->tls.cert_file);
	if (*c->tls.key_file && !*c->tls.cert_file)
		problem(l, "tls.key_file: \"%s\" needs tls.cert_file too", c->tls.key_file);
	if (c->worker.retry_min_us > c->worker.retry_max_us)
		problem(l, "worker.retry_min must not be longer than worker.retry_max");
	if (c->peer.suspect_us > c->peer.down_us)
		problem(l, "peer.suspect_after must not be longer than peer.down_after");
	if (!pin_replicas_ok(c->owner.rf_min, c->owner.rf_max))
		problem(l, "owner.replicas_min must not be more than owner.replicas_max; both are "
			   "from 1, "
			   "or -1");
	if (!*c->data)
		problem(l, "data: must name a directory");
}

bool config_load(const struct config_input *in, struct arena *mem, struct config_result *out,
		 struct err *err)
{
	struct load l = { .in = in, .mem = mem, .out = out, .err = err };
	const char *path;

	*out = (struct config_result){ .problems = out->problems };
	out->origins = arena_new_array(mem, struct config_origin, n_option_rows);
	load_defaults(&l);
	path = file_path(&l);
	load_defaults(&l);
	if (path)
		load_file(&l, path);
	load_env(&l);
	load_flags(&l);
	config_kubo_finish(&out->config);
	check_together(&l);
	return !l.failed;
}

void config_strangers(const char *const *env, struct buf *out)
{
	static const char *const others[] = { "PINFOLD_CONFIG", "PINFOLD_SERVER", "PINFOLD_KEY",
					      "PINFOLD_OWNER", "PINFOLD_CA" };
	CLEANUP(arena_free) struct arena *mem = arena_new();
	size_t n = 0;
	const char **names =
		arena_new_array(mem, const char *, 2 * n_option_rows + ARRAY_LEN(others));

	for (size_t i = 0; i < n_option_rows; i++) {
		const char *name = option_env(&option_rows[i], mem);

		names[n++] = name;
		if (option_rows[i].secret)
			names[n++] = arena_printf(mem, "%s_FILE", name);
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		names[n++] = others[i];
	for (; env && *env; env++) {
		const char *name, *near;
		bool known = false;

		if (strncmp(*env, "PINFOLD_", 8) != 0)
			continue;
		name = (const char *)arena_copy(mem, SLICE_OF(*env, strcspn(*env, "="))).ptr;
		for (size_t i = 0; i < n && !known; i++)
			known = !strcmp(names[i], name);
		if (known)
			continue;
		near = nearest(name, names, n);
		buf_printf(out, "%s: no option of that name%s%s%s\n", name,
			   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
	}
}
