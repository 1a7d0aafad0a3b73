#include "bin/listing.h"

#include <string.h>

static const char *cell(struct arena *mem, const json_t *object, const struct column *c)
{
	switch (c->kind) {
	case COLUMN_TEXT:
	case COLUMN_STATE:
		return member(mem, object, c->name, "");
	case COLUMN_SIZE:
		return member_size(mem, object, c->name);
	case COLUMN_WHEN:
		return member_when(mem, object, c->name);
	case COLUMN_LIST:
		return member_list(mem, object, c->name);
	case COLUMN_RANGE:
		return member_range(mem, object, c->name);
	}
	return "";
}

void print_rows(struct client *client, const json_t *array, const struct column *columns, size_t n)
{
	struct arena *mem = client->in->mem;
	const char *heads[TABLE_COLUMNS_MAX];
	struct table *table;
	json_t *object;
	size_t i;

	for (size_t k = 0; k < n; k++)
		heads[k] = columns[k].head;
	table = table_new(mem, heads, n);
	json_array_foreach(array, i, object)
	{
		const char *cells[TABLE_COLUMNS_MAX];
		enum tone tone = TONE_PLAIN;
		size_t toned = 0;

		if (client->json) {
			print_json(object);
			continue;
		}
		for (size_t k = 0; k < n; k++) {
			cells[k] = cell(mem, object, &columns[k]);
			if (columns[k].kind == COLUMN_STATE && tone == TONE_PLAIN) {
				tone = tone_of(cells[k]);
				toned = k;
			}
		}
		table_add(table, cells, toned, tone);
	}
	table_print(table);
}

void print_object(struct client *client, const json_t *object, const struct column *columns,
		  size_t n)
{
	if (client->json) {
		print_json(object);
		return;
	}
	for (size_t k = 0; k < n; k++) {
		const char *head = columns[k].head + strspn(columns[k].head, ">!");
		const char *text = cell(client->in->mem, object, &columns[k]);

		if (json_object_get(object, columns[k].name) && *text)
			printf("%-12s %s\n", head, text);
	}
}

void say_empty(const struct client *client, const char *what)
{
	if (!client->json)
		fprintf(stderr, "%s\n", what);
}

enum exit_code print_pages(struct client *client, const char *path, const char *name,
			   const struct column *columns, size_t n)
{
	struct arena *mem = client->in->mem;
	const char *cursor = "";
	size_t shown = 0;

	do {
		CLEANUP(json) json_t *page = NULL;
		const char *url = *cursor ? arena_printf(mem, "%s?cursor=%s", path, cursor) : path;
		enum exit_code code = client_call(client, "GET", url, NULL, &page);

		if (code)
			return code;
		print_rows(client, json_object_get(page, name), columns, n);
		shown += json_array_size(json_object_get(page, name));
		cursor = client_escape(client, member(mem, page, "next", ""));
	} while (*cursor);
	if (shown == 0)
		say_empty(client, arena_printf(mem, "no %s", name));
	return EXIT_DONE;
}

enum exit_code call_each(struct invocation *in, const char *method, const char *path,
			 const char *behind, const json_t *body, const struct column *columns,
			 size_t n)
{
	CLEANUP(client_close) struct client client = { 0 };
	enum exit_code worst = client_open(in, &client);

	for (size_t i = 0; i < in->n_args && worst != EXIT_UNREACHABLE && client.curl; i++) {
		CLEANUP(json) json_t *reply = NULL;
		const char *url = arena_printf(in->mem, "%s%s%s", path,
					       client_escape(&client, in->args[i]), behind);
		enum exit_code code = client_call(&client, method, url, body, &reply);

		if (reply && i > 0 && !client.json)
			putchar('\n');
		if (reply)
			print_object(&client, reply, columns, n);
		worst = code ? code : worst;
	}
	return worst;
}
