#include <string.h>

#include "bin/commands.h"
#include "bin/listing.h"

static void print_usage(struct arena *mem, const json_t *usage)
{
	const char *name;
	json_t *count;

	printf("\npins of %s%s\n", member(mem, usage, "owner", "?"),
	       json_is_true(json_object_get(usage, "approximate")) ? " (approximate)" : "");
	json_object_foreach(json_object_get(usage, "pins"), name, count)
		printf("  %-10s %lld\n", name, (long long)json_integer_value(count));
	printf("  %-10s %s\n", "size", member_size(mem, usage, "bytes"));
}

enum exit_code cmd_status(struct invocation *in)
{
	static const struct column columns[] = {
		{ "version", "version", COLUMN_TEXT },     { "store", "store", COLUMN_TEXT },
		{ "time", "time", COLUMN_TEXT },           { "owner", "owner", COLUMN_TEXT },
		{ "scope", "scope", COLUMN_TEXT },         { "store id", "store_id", COLUMN_TEXT },
		{ "read only", "read_only", COLUMN_TEXT },
	};
	CLEANUP(client_close) struct client client = { 0 };
	CLEANUP(json) json_t *status = NULL, *usage = NULL;
	enum exit_code code = client_open(in, &client);

	if (!code)
		code = client_call(&client, "GET", "/v1/status", NULL, &status);
	if (!code)
		code = client_call(&client, "GET", "/v1/usage", NULL, &usage);
	if (code)
		return code;
	if (client.json) {
		json_object_set(status, "usage", usage);
		print_json(status);
		return EXIT_DONE;
	}
	printf("%-12s %s\n", "server", client.base);
	print_object(&client, status, columns, ARRAY_LEN(columns));
	if (json_object_get(status, "restored"))
		printf("\nrestored from a backup at %s: copies of what was asked for since then "
		       "are kept until `pinfold rebalance --force`\n",
		       member(in->mem, status, "restored", "?"));
	print_usage(in->mem, usage);
	return EXIT_DONE;
}

/* ---- drift ------------------------------------------------------------------------------- */

#define FOREIGN_PIECE 500 /* rows that share the widths of their columns */

struct foreign {
	struct client *client;
	json_t *rows;
	unsigned widths[TABLE_COLUMNS_MAX];
	size_t pins, failed;
};

static void print_foreign(struct foreign *f)
{
	static const char *const heads[] = { "!CID", "PEER", "TYPE", "NAME" };
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct table *table = table_new(mem, heads, ARRAY_LEN(heads));
	json_t *row;
	size_t i;

	table_piece(table, f->widths);
	json_array_foreach(f->rows, i, row)
	{
		const char *cells[] = { member(mem, row, "cid", "?"), member(mem, row, "peer", "?"),
					member(mem, row, "type", "?"),
					member(mem, row, "name", "") };

		table_add(table, cells, 0, TONE_PLAIN);
	}
	table_print(table);
	json_array_clear(f->rows);
}

static void take_foreign(void *ctx, const json_t *line)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct foreign *f = ctx;

	if (json_object_get(line, "error")) {
		f->failed++;
		fprintf(stderr, "pinfold: %s: %s\n", member(mem, line, "peer", "?"),
			text_cleaned(member(mem, line, "error", "?"), mem));
	} else {
		f->pins++;
	}
	if (f->client->json)
		print_json(line);
	else if (!json_object_get(line, "error"))
		json_array_append(f->rows, (json_t *)(uintptr_t)line);
	if (json_array_size(f->rows) == FOREIGN_PIECE)
		print_foreign(f);
}

static enum exit_code list_foreign(struct client *client)
{
	CLEANUP(json) json_t *rows = json_array();
	struct foreign f = { .client = client, .rows = rows };
	const char *peer = given(client->in, "peer"), *path = "/v1/drift/foreign";
	enum exit_code code;

	if (peer)
		path = arena_printf(client->in->mem, "%s?peer=%s", path,
				    client_escape(client, peer));
	code = client_lines(client, path, take_foreign, &f);
	print_foreign(&f);
	if (!code && f.pins == 0 && f.failed == 0)
		say_empty(client, "no foreign pins");
	return code ? code : f.failed ? EXIT_FAILED : EXIT_DONE;
}

enum exit_code cmd_drift(struct invocation *in)
{
	static const struct column columns[] = {
		{ "CID", "cid", COLUMN_TEXT },     { "PEER", "peer", COLUMN_TEXT },
		{ "OPEN", "op", COLUMN_TEXT },     { ">ATTEMPTS", "attempts", COLUMN_TEXT },
		{ "SINCE", "since", COLUMN_WHEN }, { "RETRY", "next_retry", COLUMN_WHEN },
	};
	CLEANUP(client_close) struct client client = { 0 };
	CLEANUP(json) json_t *drift = NULL;
	const char *limit = given(in, "limit"), *path = "/v1/drift";
	bool foreign = is_given(in, "foreign");
	enum exit_code code;

	if (foreign && limit)
		return usage_error(in, "--limit is not for --foreign, which lists all");
	if (!foreign && is_given(in, "peer"))
		return usage_error(in, "--peer goes with --foreign");
	code = client_open(in, &client);
	if (!code && foreign)
		return list_foreign(&client);

	if (!code && limit)
		path = arena_printf(in->mem, "%s?limit=%s", path, client_escape(&client, limit));
	if (!code)
		code = client_call(&client, "GET", path, NULL, &drift);
	if (code)
		return code;
	if (client.json) {
		print_json(drift);
		return EXIT_DONE;
	}
	printf("%s missing, %s surplus%s\n", member(in->mem, drift, "missing", "?"),
	       member(in->mem, drift, "surplus", "?"),
	       json_is_false(json_object_get(drift, "complete")) ? ", counting not complete" : "");
	if (json_integer_value(json_object_get(drift, "held_back")) > 0)
		printf("about %s copies are not unpinned, for it would be too many at once, or the "
		       "store was restored: look why, then let them go by `pinfold rebalance "
		       "--force`\n",
		       member(in->mem, drift, "held_back", "?"));
	print_rows(&client, json_object_get(drift, "copies"), columns, ARRAY_LEN(columns));
	return EXIT_DONE;
}

enum exit_code cmd_rebalance(struct invocation *in)
{
	CLEANUP(client_close) struct client client = { 0 };
	CLEANUP(json) json_t *body = json_object(), *reply = NULL;
	enum exit_code code = client_open(in, &client);

	json_object_set_new(body, "dry_run", json_boolean(is_given(in, "dry-run")));
	json_object_set_new(body, "force", json_boolean(is_given(in, "force")));
	if (!code)
		code = client_call(&client, "POST", "/v1/rebalance", body, &reply);
	if (code)
		return code;
	if (client.json)
		print_json(reply);
	else if (!is_given(in, "dry-run"))
		printf("ordered: `pinfold drift` shows what is on its way\n");
	else
		printf("%s copies would move, of %s CIDs%s\n", member(in->mem, reply, "moves", "?"),
		       member(in->mem, reply, "cids", "?"),
		       json_is_false(json_object_get(reply, "complete"))
			       ? "; there was no time to look at all"
			       : "");
	return EXIT_DONE;
}
