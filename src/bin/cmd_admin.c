#include <string.h>

#include "bin/ask.h"
#include "bin/commands.h"
#include "bin/listing.h"

/* ---- keys ------------------------------------------------------------------------------ */

static const struct column key_columns[] = {
	{ "!ID", "id", COLUMN_TEXT },          { "OWNER", "owner", COLUMN_TEXT },
	{ "SCOPE", "scope", COLUMN_TEXT },     { "NAME", "name", COLUMN_TEXT },
	{ "CREATED", "created", COLUMN_WHEN }, { "EXPIRES", "expires", COLUMN_WHEN },
	{ "REVOKED", "revoked", COLUMN_WHEN }, { "OLD UNTIL", "previous_until", COLUMN_WHEN },
};

/* The key alone, so that a script can take it. */
static enum exit_code print_key(struct client *client, const json_t *reply)
{
	const char *key = member(client->in->mem, reply, "key", NULL);

	if (client->json) {
		print_json(reply);
		return EXIT_DONE;
	}
	if (!key) {
		fprintf(stderr, "pinfold: the answer holds no key\n");
		return EXIT_FAILED;
	}
	puts(key);
	return EXIT_DONE;
}

/* `behind` the argument, if there is one. */
static enum exit_code ask_key(struct invocation *in, const char *path, const char *behind,
			      json_t *body)
{
	CLEANUP(client_close) struct client client = { 0 };
	CLEANUP(json) json_t *reply = NULL;
	enum exit_code code = client_open(in, &client);

	if (!code && in->n_args)
		path = arena_printf(in->mem, "%s/%s%s", path, client_escape(&client, in->args[0]),
				    behind);
	if (!code)
		code = client_call(&client, "POST", path, body, &reply);
	return code ? code : print_key(&client, reply);
}

enum exit_code cmd_key_create(struct invocation *in)
{
	static const struct ask_member members[] = {
		{ "scope", "scope", ASK_TEXT },
		{ "name", "name", ASK_TEXT },
		{ "ttl", "ttl", ASK_TEXT },
		{ "expires", "expires", ASK_EXPIRES },
	};
	CLEANUP(json) json_t *body = json_pack("{s:s}", "scope", "write");
	enum exit_code code = ask_build(in, members, ARRAY_LEN(members), body);

	return code ? code : ask_key(in, "/v1/keys", "", body);
}

enum exit_code cmd_key_rotate(struct invocation *in)
{
	static const struct ask_member members[] = { { "overlap", "overlap", ASK_TEXT } };
	CLEANUP(json) json_t *body = json_object();
	enum exit_code code = ask_build(in, members, ARRAY_LEN(members), body);

	return code ? code : ask_key(in, "/v1/keys", "/rotate", body);
}

enum exit_code cmd_key_revoke(struct invocation *in)
{
	return call_each(in, "DELETE", "/v1/keys/", "", NULL, NULL, 0);
}

static enum exit_code list(struct invocation *in, const char *path, const char *name,
			   const struct column *columns, size_t n)
{
	CLEANUP(client_close) struct client client = { 0 };
	enum exit_code code = client_open(in, &client);

	return code ? code : print_pages(&client, path, name, columns, n);
}

enum exit_code cmd_key_ls(struct invocation *in)
{
	return list(in, "/v1/keys", "keys", key_columns, ARRAY_LEN(key_columns));
}

/* ---- owners ----------------------------------------------------------------------------- */

static const struct column owner_columns[] = {
	{ "!OWNER", "owner", COLUMN_TEXT },
	{ "DISABLED", "disabled", COLUMN_TEXT },
	{ "REPLICAS", "replicas", COLUMN_RANGE },
	{ "TTL", "ttl", COLUMN_TEXT },
	{ "MAX TTL", "max_ttl", COLUMN_TEXT },
	{ "ZONES", "zones", COLUMN_LIST },
	{ "PEER TAGS", "peer_tags", COLUMN_LIST },
	{ ">PRIORITY", "priority", COLUMN_TEXT },
	{ ">MAX PINS", "max_pins", COLUMN_TEXT },
	{ ">MAX BYTES", "max_bytes", COLUMN_SIZE },
	{ ">REQUESTS/S", "max_requests_per_second", COLUMN_TEXT },
	{ ">FETCHES", "max_fetches", COLUMN_TEXT },
};

enum exit_code cmd_owner_ls(struct invocation *in)
{
	return list(in, "/v1/owners", "owners", owner_columns, ARRAY_LEN(owner_columns));
}

enum exit_code cmd_owner_show(struct invocation *in)
{
	return call_each(in, "GET", "/v1/owners/", "", NULL, owner_columns,
			 ARRAY_LEN(owner_columns));
}

enum exit_code cmd_owner_set(struct invocation *in)
{
	static const struct ask_member members[] = {
		{ "disabled", "disabled", ASK_YES_NO },
		{ "replicas", "replicas", ASK_REPLICAS, .or_default = true },
		{ "ttl", "ttl", ASK_TEXT },
		{ "max-ttl", "max_ttl", ASK_TEXT },
		{ "zone", "zones", ASK_TEXTS },
		{ "peer-tag", "peer_tags", ASK_TEXTS },
		{ "priority", "priority", ASK_NUMBER },
		{ "max-pins", "max_pins", ASK_NUMBER, .or_default = true },
		{ "max-bytes", "max_bytes", ASK_BYTES, .or_default = true },
		{ "max-requests", "max_requests_per_second", ASK_NUMBER, .or_default = true },
		{ "max-fetches", "max_fetches", ASK_NUMBER, .or_default = true },
	};
	CLEANUP(json) json_t *body = json_object();
	enum exit_code code = ask_build(in, members, ARRAY_LEN(members), body);

	if (code)
		return code;
	if (json_object_size(body) == 0)
		return usage_error(in, "say what to set, such as --replicas or --max-pins");
	return call_each(in, "PATCH", "/v1/owners/", "", body, owner_columns,
			 ARRAY_LEN(owner_columns));
}

/* ---- deny list --------------------------------------------------------------------------- */

static const struct column deny_columns[] = {
	{ "!DIGEST", "digest", COLUMN_TEXT },
	{ "ADDED", "added", COLUMN_WHEN },
	{ "REASON", "reason", COLUMN_TEXT },
};

static bool is_digest(const char *text)
{
	return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

enum exit_code cmd_deny_add(struct invocation *in)
{
	static const struct ask_member members[] = { { "reason", "reason", ASK_TEXT } };
	CLEANUP(client_close) struct client client = { 0 };
	enum exit_code worst = client_open(in, &client);

	for (size_t i = 0; i < in->n_args && worst != EXIT_UNREACHABLE && client.curl; i++) {
		CLEANUP(json) json_t *body = json_object(), *reply = NULL;
		enum exit_code code = ask_build(in, members, ARRAY_LEN(members), body);

		json_object_set_new(body, is_digest(in->args[i]) ? "digest" : "cid",
				    json_string(in->args[i]));
		if (!code)
			code = client_call(&client, "POST", "/v1/deny", body, &reply);
		if (reply)
			print_object(&client, reply, deny_columns, ARRAY_LEN(deny_columns));
		worst = code ? code : worst;
	}
	return worst;
}

enum exit_code cmd_deny_ls(struct invocation *in)
{
	return list(in, "/v1/deny", "entries", deny_columns, ARRAY_LEN(deny_columns));
}

enum exit_code cmd_deny_rm(struct invocation *in)
{
	return call_each(in, "DELETE", "/v1/deny/", "", NULL, NULL, 0);
}
