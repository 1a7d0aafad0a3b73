#include <string.h>

#include "bin/ask.h"
#include "bin/commands.h"
#include "bin/listing.h"

static const struct column peer_columns[] = {
	{ ">NO", "number", COLUMN_TEXT },
	{ "PEER", "id", COLUMN_TEXT },
	{ "NAME", "name", COLUMN_TEXT },
	{ "ZONE", "zone", COLUMN_TEXT },
	{ "TAGS", "tags", COLUMN_LIST },
	{ "STATE", "state", COLUMN_STATE },
	{ "WISH", "wish", COLUMN_STATE },
	{ ">FREE", "free_bytes", COLUMN_SIZE },
	{ ">USED", "used_bytes", COLUMN_SIZE },
	{ "SEEN", "last_seen", COLUMN_WHEN },
	{ "WHY DOWN", "down_reason", COLUMN_TEXT },
};

static const struct ask_member peer_members[] = {
	{ "name", "name", ASK_TEXT },
	{ "zone", "zone", ASK_TEXT },
	{ "tag", "tags", ASK_TEXTS },
};

/* "up" is a boolean on the wire; people read a word. */
static void name_state(json_t *peer)
{
	const json_t *up = json_object_get(peer, "up");

	if (json_is_boolean(up))
		json_object_set_new(peer, "state", json_string(json_is_true(up) ? "up" : "down"));
}

enum exit_code cmd_peer_ls(struct invocation *in)
{
	CLEANUP(client_close) struct client client = { 0 };
	CLEANUP(json) json_t *reply = NULL;
	enum exit_code code = client_open(in, &client);
	json_t *peers, *peer;
	size_t i;

	if (!code)
		code = client_call(&client, "GET", "/v1/peers", NULL, &reply);
	if (code)
		return code;
	peers = json_object_get(reply, "peers");
	if (!client.json)
		json_array_foreach(peers, i, peer) name_state(peer);
	if (json_array_size(peers) == 0)
		say_empty(&client,
			  "no nodes: one is known as soon as its Kubo has answered the server "
			  "once");
	print_rows(&client, peers, peer_columns, ARRAY_LEN(peer_columns));
	return EXIT_DONE;
}

enum exit_code cmd_peer_add(struct invocation *in)
{
	CLEANUP(client_close) struct client client = { 0 };
	CLEANUP(json) json_t *body = json_object(), *reply = NULL;
	enum exit_code code = ask_build(in, peer_members, ARRAY_LEN(peer_members), body);
	bool url = strstr(in->args[0], "://") || !strncmp(in->args[0], "unix:", 5);

	if (!code)
		code = client_open(in, &client);
	if (code)
		return code;
	json_object_set_new(body, url ? "url" : "id", json_string(in->args[0]));
	code = client_call(&client, "POST", "/v1/peers", body, &reply);
	if (reply)
		print_object(&client, reply, peer_columns, ARRAY_LEN(peer_columns));
	return code;
}

enum exit_code cmd_peer_set(struct invocation *in)
{
	CLEANUP(json) json_t *body = json_object();
	enum exit_code code = ask_build(in, peer_members, ARRAY_LEN(peer_members), body);

	if (code)
		return code;
	if (json_object_size(body) == 0)
		return usage_error(in, "say what to change: --name, --zone or --tag");
	return call_each(in, "PATCH", "/v1/peers/", "", body, peer_columns,
			 ARRAY_LEN(peer_columns));
}

static enum exit_code wish(struct invocation *in, const char *behind)
{
	return call_each(in, "POST", "/v1/peers/", behind, NULL, peer_columns,
			 ARRAY_LEN(peer_columns));
}

enum exit_code cmd_peer_drain(struct invocation *in)
{
	return wish(in, "/drain");
}

enum exit_code cmd_peer_pause(struct invocation *in)
{
	return wish(in, "/pause");
}

enum exit_code cmd_peer_resume(struct invocation *in)
{
	return wish(in, "/resume");
}

enum exit_code cmd_peer_gc(struct invocation *in)
{
	return call_each(in, "POST", "/v1/peers/", "/gc", NULL, NULL, 0);
}

enum exit_code cmd_peer_rm(struct invocation *in)
{
	if (is_given(in, "lost"))
		return wish(in, "/forget");
	return call_each(in, "DELETE", "/v1/peers/", "", NULL, NULL, 0);
}
