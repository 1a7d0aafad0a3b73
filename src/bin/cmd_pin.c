#include <string.h>

#include "base/clock.h"
#include "bin/ask.h"
#include "bin/client.h"
#include "bin/cmd_pin.h"
#include "bin/commands.h"
#include "bin/listing.h"
#include "bin/table.h"
#include "model/duration.h"
#include "model/time_text.h"

#define PAGE_MAX      1000
#define IDS_MAX       10         /* told of a CID that is pinned often */
#define WAIT_ROUND_US US_PER_MIN /* one long poll */

static const struct ask_member pin_members[] = {
	{ "name", "name", ASK_TEXT },       { "tag", "tags", ASK_TEXTS },
	{ "meta", "meta", ASK_PAIRS },      { "replicas", "replicas", ASK_REPLICAS },
	{ "zone", "zones", ASK_TEXTS },     { "priority", "priority", ASK_NUMBER },
	{ "ttl", "ttl", ASK_TEXT },         { "expires", "expires", ASK_EXPIRES },
	{ "origin", "origins", ASK_TEXTS }, { "peer", "allocations", ASK_TEXTS },
	{ "mode", "mode", ASK_TEXT },       { "peer-tag", "peer_tags", ASK_TEXTS },
};

enum exit_code pin_body(const struct invocation *in, json_t *body)
{
	return ask_build(in, pin_members, ARRAY_LEN(pin_members), body);
}

/* ---- printing -------------------------------------------------------------------------- */

/* Pinned ones and wanted ones: "1/2-3". */
static const char *replicas(struct arena *mem, const json_t *pin)
{
	return arena_printf(mem, "%s/%s", member(mem, pin, "pinned_copies", "?"),
			    member_range(mem, pin, "replicas"));
}

/* The owner, where they are not all of one, stands last. */
static struct table *pins_table(struct arena *mem, bool owners)
{
	static const char *const heads[] = { "!ID",  "CID",     "STATUS",  ">COPIES", ">SIZE",
					     "NAME", "CREATED", "EXPIRES", "OWNER" };

	return table_new(mem, heads, ARRAY_LEN(heads) - !owners);
}

static void add_pin(struct table *table, struct arena *mem, const json_t *pin)
{
	const char *status = member(mem, pin, "status", "?");
	const char *cells[] = { member(mem, pin, "id", "?"),
				member(mem, pin, "cid", "?"),
				status,
				replicas(mem, pin),
				member_size(mem, pin, "size"),
				member(mem, pin, "name", ""),
				member_when(mem, pin, "created"),
				member_when(mem, pin, "expires"),
				member(mem, pin, "owner", "") };

	table_add(table, cells, 2, tone_of(status));
}

static void print_copies(struct arena *mem, const json_t *pin)
{
	static const char *const heads[] = { "PEER", "STATE", ">ATTEMPTS", "RETRY", "ERROR" };
	struct table *table = table_new(mem, heads, ARRAY_LEN(heads));
	const json_t *copy;
	size_t i;

	json_array_foreach(json_object_get(pin, "copies"), i, copy)
	{
		const char *state = member(mem, copy, "state", "?");
		const char *cells[] = {
			member(mem, copy, "peer_name", member(mem, copy, "peer", "?")), state,
			member(mem, copy, "attempts", ""), member_when(mem, copy, "next_retry"),
			member(mem, copy, "error", "")
		};

		table_add(table, cells, 1, tone_of(state));
	}
	table_print(table);
}

/* Copies that have no peer, and why. */
static void print_shortage(struct arena *mem, const json_t *pin)
{
	static const char *const heads[] = { "NO COPY ON", "BECAUSE" };
	struct table *table = table_new(mem, heads, ARRAY_LEN(heads));
	const json_t *peers = json_object_get(pin, "left_out"), *peer;
	size_t i;

	if (!peers)
		return;
	printf("\n%s more wanted, and %s peer to take %s\n",
	       member(mem, pin, "missing_copies", "?"),
	       json_array_size(peers) > 0 ? "no" : "no other",
	       json_integer_value(json_object_get(pin, "missing_copies")) > 1 ? "them" : "it");
	json_array_foreach(peers, i, peer)
	{
		const char *cells[] = { member(mem, peer, "peer", "?"),
					member(mem, peer, "reason", "?") };

		table_add(table, cells, 1, TONE_BAD);
	}
	if (json_array_size(peers) > 0)
		table_print(table);
}

/* One pin with everything about it. */
static void print_pin(struct client *client, const json_t *pin)
{
	static const char *const texts[] = { "id",      "cid",     "status",   "mode",    "name",
					     "created", "expires", "priority", "revision" };
	static const struct {
		const char *name, *head;
	} lists[] = {
		{ "tags", "tags" },           { "zones", "zones" },
		{ "peer_tags", "peer tags" }, { "origins", "origins" },
		{ "allocations", "prefers" },
	};
	struct arena *mem = client->in->mem;

	if (client->json) {
		print_json(pin);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (*member(mem, pin, texts[i], ""))
			printf("%-9s %s\n", texts[i], member(mem, pin, texts[i], ""));
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (*member_list(mem, pin, lists[i].name))
			printf("%-9s %s\n", lists[i].head, member_list(mem, pin, lists[i].name));
	printf("%-9s %s\n%-9s %s\n", "copies", replicas(mem, pin), "size",
	       member_size(mem, pin, "size"));
	if (json_array_size(json_object_get(pin, "copies")) > 0) {
		putchar('\n');
		print_copies(mem, pin);
	}
	print_shortage(mem, pin);
}

/* `widths` as table_piece() takes it. */
static void print_pins(struct client *client, json_t *const *pins, size_t n,
		       unsigned widths[TABLE_COLUMNS_MAX])
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct table *table = pins_table(mem, is_given(client->in, "all-owners"));

	table_piece(table, widths);
	for (size_t i = 0; i < n; i++) {
		if (client->json)
			print_json(pins[i]);
		else
			add_pin(table, mem, pins[i]);
	}
	table_print(table);
}

/* ---- one pin by its id or CID ------------------------------------------------------------- */

/* 26 characters of Crockford's alphabet: no CID looks like that. */
static bool is_id(const char *text)
{
	return strlen(text) == 26 && text[0] >= '0' && text[0] <= '7' &&
	       strspn(text, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == 26;
}

/* "/ipfs/CID" and "ipfs://CID" as browsers and `ipfs` have them, without a path behind. */
static const char *plain_cid(const char *text, struct arena *mem)
{
	static const char *const starts[] = { "/ipfs/", "ipfs://" };

	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		size_t n = strlen(starts[i]), end;

		if (strncmp(text, starts[i], n) != 0)
			continue;
		end = n + strcspn(text + n, "/");
		return text[end] && text[end + 1]
			       ? text
			       : arena_printf(mem, "%.*s", (int)(end - n), text + n);
	}
	return text;
}

static void tell_ids(struct client *client, const char *cid, const json_t *pins, bool more)
{
	struct arena *mem = client->in->mem;
	json_t *pin;
	size_t i;

	fprintf(stderr, "pinfold: %s is pinned more than once; name one by its id:\n", cid);
	json_array_foreach(pins, i, pin)
		fprintf(stderr, "  %s  %s  %s\n", member(mem, pin, "id", "?"),
			member(mem, pin, "status", "?"),
			text_cleaned(member(mem, pin, "name", ""), mem));
	if (more)
		fprintf(stderr, "  and more: pinfold pin ls --cid %s --all\n", cid);
}

static enum exit_code by_cid(struct client *client, const char *cid, const char **id)
{
	struct invocation *in = client->in;
	CLEANUP(json) json_t *page = NULL;
	const char *path = arena_printf(in->mem, "/v1/pins?cid=%s&limit=%d",
					client_escape(client, plain_cid(cid, in->mem)), IDS_MAX);
	enum exit_code code = client_call(client, "GET", path, NULL, &page);
	const json_t *pins = json_object_get(page, "pins");

	if (code)
		return code;
	if (json_array_size(pins) == 0) {
		fprintf(stderr, "pinfold: %s is not pinned for this owner\n", cid);
		return EXIT_FAILED;
	}
	if (json_array_size(pins) > 1) {
		tell_ids(client, cid, pins, json_object_get(page, "next"));
		return EXIT_FAILED;
	}
	*id = member(in->mem, json_array_get(pins, 0), "id", "");
	return EXIT_DONE;
}

static enum exit_code pin_path(struct client *client, const char *what, const char *behind,
			       const char **path)
{
	enum exit_code code = is_id(what) ? EXIT_DONE : by_cid(client, what, &what);

	*path = arena_printf(client->in->mem, "/v1/pins/%s%s", client_escape(client, what), behind);
	return code;
}

/* ---- waiting ------------------------------------------------------------------------------ */

int64_t mono_us(void)
{
	struct clock clock;

	clock_init_system(&clock);
	return clock_mono_us(&clock);
}

/* When --timeout is over, for all pins together; without it never. */
static enum exit_code wait_end(const struct invocation *in, int64_t *until_us)
{
	const char *text = given(in, "timeout");
	struct err err;
	int64_t us;

	*until_us = INT64_MAX;
	if (!text)
		return EXIT_DONE;
	if (!duration_parse(slice_str(text), &us, &err))
		return usage_error(in, "--timeout: %s", err.text);
	*until_us = us < INT64_MAX - mono_us() ? mono_us() + us : INT64_MAX;
	return EXIT_DONE;
}

/* Waits until it is pinned or failed.  *pin becomes what was seen last. */
static enum exit_code wait_for(struct client *client, const char *id, int64_t until_us,
			       json_t **pin)
{
	const char *path = arena_printf(client->in->mem, "/v1/pins/%s", id);
	const char *status;
	int64_t left_us;

	do {
		json_t *seen = NULL;
		enum exit_code code;

		left_us = until_us - mono_us();
		left_us = left_us < 0 ? 0 : left_us > WAIT_ROUND_US ? WAIT_ROUND_US : left_us;
		code = client_wait(client, path, left_us, &seen);
		if (code)
			return code;
		json_decref(*pin);
		*pin = seen;
		status = member(client->in->mem, seen, "status", "");
		if (!strcmp(status, "pinned") || !strcmp(status, "expiring"))
			return EXIT_DONE;
	} while (strcmp(status, "failed") != 0 && mono_us() < until_us);
	if (strcmp(status, "failed") != 0)
		fprintf(stderr, "pinfold: %s is still %s\n", id, status);
	else
		fprintf(stderr,
			"pinfold: %s failed; pinfold pin get %s tells why, and it is still "
			"tried\n",
			id, id);
	return EXIT_FAILED;
}

/* Waits for each of `pins` in turn, replacing it by what became of it. */
static enum exit_code wait_all(struct client *client, int64_t until_us, json_t **pins, size_t n)
{
	enum exit_code worst = EXIT_DONE;

	for (size_t i = 0; i < n; i++) {
		const char *id = member(client->in->mem, pins[i], "id", "");
		enum exit_code code = wait_for(client, id, until_us, &pins[i]);

		if (code == EXIT_UNREACHABLE)
			return code;
		worst = code ? code : worst;
	}
	return worst;
}

/* ---- the commands -------------------------------------------------------------------------- */

static enum exit_code create_all(struct client *client, json_t **pins, size_t *n)
{
	struct invocation *in = client->in;
	enum exit_code worst = EXIT_DONE;

	for (size_t i = 0; i < in->n_args; i++) {
		CLEANUP(json) json_t *body = json_object();
		enum exit_code code;

		json_object_set_new(body, "cid", json_string(plain_cid(in->args[i], in->mem)));
		code = pin_body(in, body);
		if (code)
			return code;
		code = client_call(client, "POST", "/v1/pins", body, &pins[*n]);
		if (code == EXIT_UNREACHABLE)
			return code;
		worst = code ? code : worst;
		*n += code == EXIT_DONE;
	}
	return worst;
}

enum exit_code cmd_pin_add(struct invocation *in)
{
	CLEANUP(client_close) struct client client = { 0 };
	json_t **pins = arena_new_array(in->mem, json_t *, in->n_args + 1);
	unsigned widths[TABLE_COLUMNS_MAX] = { 0 };
	enum exit_code code, waited = EXIT_DONE;
	int64_t until_us;
	size_t n = 0;

	if (in->n_args == 1 && !strcmp(in->args[0], "-"))
		return pin_add_stdin(in);
	code = wait_end(in, &until_us);
	if (!code)
		code = client_open(in, &client);
	if (code)
		return code;
	code = create_all(&client, pins, &n);
	if (is_given(in, "wait") && code != EXIT_UNREACHABLE)
		waited = wait_all(&client, until_us, pins, n);
	print_pins(&client, pins, n, widths);
	for (size_t i = 0; i < n; i++)
		json_decref(pins[i]);
	return code ? code : waited;
}

/* --expires-before as a time: a duration counts from now. */
static const char *expires_before(const struct invocation *in)
{
	const char *text = given(in, "expires-before");
	char time[TIME_TEXT_MAX];
	struct clock clock;
	struct err not_one;
	int64_t us, now_us;

	if (!text || !duration_parse(slice_str(text), &us, &not_one))
		return text;
	clock_init_system(&clock);
	now_us = clock_wall_us(&clock);
	time_text_ms(us < TIME_TEXT_END - now_us ? now_us + us : TIME_TEXT_END - 1, time);
	return arena_printf(in->mem, "%s", time);
}

/* The query of a listing but for its cursor. */
static const char *list_query(struct client *client)
{
	static const struct {
		const char *name;
		bool list;
	} filters[] = {
		{ "cid", true },    { "status", true },  { "tag", true },    { "name", false },
		{ "match", false }, { "before", false }, { "after", false }, { "peer", false },
	};
	struct invocation *in = client->in;
	const char *query = "";

	if (given(in, "expires-before"))
		query = arena_printf(in->mem, "&expires_before=%s",
				     client_escape(client, expires_before(in)));
	if (is_given(in, "all-owners"))
		query = arena_printf(in->mem, "%s&all_owners=true", query);

	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		struct texts values = given_all(in, filters[i].name);
		const char *joined = given(in, filters[i].name);

		for (size_t k = 0; filters[i].list && k < values.n; k++)
			joined = k ? arena_printf(in->mem, "%s,%s", joined, values.items[k])
				   : values.items[k];
		if (joined)
			query = arena_printf(in->mem, "%s&%s=%s", query, filters[i].name,
					     client_escape(client, joined));
	}
	return query;
}

static enum exit_code list_pages(struct client *client, size_t left)
{
	struct invocation *in = client->in;
	const char *query = list_query(client), *cursor = "";
	unsigned widths[TABLE_COLUMNS_MAX] = { 0 };
	size_t shown = 0;

	while (left > 0) {
		CLEANUP(json) json_t *page = NULL;
		size_t limit = left < PAGE_MAX ? left : PAGE_MAX, n;
		const char *path = arena_printf(in->mem, "/v1/pins?limit=%zu%s%s%s", limit, query,
						*cursor ? "&cursor=" : "", cursor);
		enum exit_code code = client_call(client, "GET", path, NULL, &page);
		json_t *pins = json_object_get(page, "pins"), *pin, **row;
		size_t i;

		if (code)
			return code;
		n = json_array_size(pins);
		cursor = client_escape(client, member(in->mem, page, "next", ""));
		shown += n;
		if (shown == 0 && !*cursor)
			say_empty(client, *query ? "no such pins" : "no pins");
		row = arena_new_array(in->mem, json_t *, n + 1);
		json_array_foreach(pins, i, pin) row[i] = pin;
		print_pins(client, row, n, widths);
		if (!*cursor)
			return EXIT_DONE;
		left -= n < left ? n : left;
	}
	fflush(stdout); /* the remark stands behind the rows, wherever both go */
	fprintf(stderr, "There are more; --all shows them.\n");
	return EXIT_DONE;
}

enum exit_code cmd_pin_ls(struct invocation *in)
{
	CLEANUP(client_close) struct client client = { 0 };
	CLEANUP(json) json_t *limit = json_object();
	static const struct ask_member members[] = { { "limit", "limit", ASK_NUMBER } };
	enum exit_code code = ask_build(in, members, 1, limit);
	json_int_t n = json_integer_value(json_object_get(limit, "limit"));

	if (code || (is_given(in, "limit") && n < 1))
		return code ? code : usage_error(in, "--limit must be 1 or more");
	code = client_open(in, &client);
	if (code)
		return code;
	return list_pages(&client, is_given(in, "all") ? SIZE_MAX : n ? (size_t)n : 100);
}

/* Calls `method` on each argument and prints the pin that comes back. */
static enum exit_code each(struct invocation *in, const char *method, const char *behind,
			   const json_t *body)
{
	CLEANUP(client_close) struct client client = { 0 };
	enum exit_code worst = client_open(in, &client);

	for (size_t i = 0; i < in->n_args && worst != EXIT_UNREACHABLE && client.curl; i++) {
		CLEANUP(json) json_t *pin = NULL;
		const char *path;
		enum exit_code code = pin_path(&client, in->args[i], behind, &path);

		if (!code)
			code = client_call(&client, method, path, body, &pin);
		if (pin && i > 0 && !client.json)
			putchar('\n');
		if (pin)
			print_pin(&client, pin);
		worst = code ? code : worst;
	}
	return worst;
}

enum exit_code cmd_pin_get(struct invocation *in)
{
	return each(in, "GET", "", NULL);
}

enum exit_code cmd_pin_retry(struct invocation *in)
{
	return each(in, "POST", "/retry", NULL);
}

enum exit_code cmd_pin_rm(struct invocation *in)
{
	return each(in, "DELETE", "", NULL);
}

enum exit_code cmd_pin_update(struct invocation *in)
{
	CLEANUP(json) json_t *body = json_object();
	enum exit_code code = pin_body(in, body);

	if (code)
		return code;
	if (json_object_size(body) == 0)
		return usage_error(in, "say what to change, such as --name or --ttl");
	return each(in, "PATCH", "", body);
}

enum exit_code cmd_pin_wait(struct invocation *in)
{
	CLEANUP(client_close) struct client client = { 0 };
	unsigned widths[TABLE_COLUMNS_MAX] = { 0 };
	int64_t until_us;
	enum exit_code worst = wait_end(in, &until_us);

	if (!worst)
		worst = client_open(in, &client);
	if (worst)
		return worst;
	for (size_t i = 0; i < in->n_args && worst != EXIT_UNREACHABLE; i++) {
		CLEANUP(json) json_t *pin = NULL;
		const char *id = in->args[i];
		enum exit_code code = is_id(id) ? EXIT_DONE : by_cid(&client, id, &id);

		if (!code)
			code = wait_for(&client, id, until_us, &pin);
		if (pin)
			print_pins(&client, &pin, 1, widths);
		worst = code ? code : worst;
	}
	return worst;
}
