#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dir.h"
#include "bin/client.h"
#include "bin/commands.h"
#include "bin/copy_dir.h"
#include "bin/offline.h"
#include "bin/progress.h"
#include "role/restored.h"
#include "json/json_writer.h"

/*
 * A directory that a server has open is left to that server, and to no other whatever
 * PINFOLD_SERVER says: the same commands then go through /v1/store.
 */

static bool show_share(void *ctx, double share)
{
	progress_show(ctx, (uint64_t)(100 * share), 0, share);
	return true;
}

static void print_written(const struct buf *json)
{
	printf("%.*s\n", SLICE_FMT(buf_slice(json)));
}

static void print_check(const struct store_check *c, const char *first, bool json)
{
	static const char *const names[] = { "cids",  "requests", "copies",
					     "wrong", "repaired", "orphans" };
	const uint64_t counts[] = { c->cids,  c->requests, c->copies,
				    c->wrong, c->repaired, c->orphans };
	CLEANUP(buf_free) struct buf out = { 0 };
	struct json_writer w = json_writer(&out);

	json_begin_object(&w);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!json)
			printf("%-9s %" PRIu64 "\n", names[i], counts[i]);
		json_key_u64(&w, names[i], counts[i]);
	}
	if (*first)
		json_key_cstr(&w, "first", first);
	json_end_object(&w);
	if (json)
		print_written(&out);
}

/* What --json prints of a copy that was made, whichever way. */
static void print_copied(const struct invocation *in, const char *store)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct json_writer w = json_writer(&out);

	if (!is_given(in, "json"))
		return;
	json_begin_object(&w);
	json_key_cstr(&w, "store", store);
	json_key_cstr(&w, "backup", dir_absolute(in->args[0], in->mem));
	json_end_object(&w);
	print_written(&out);
}

/* ---- through the server ------------------------------------------------------------- */

static enum exit_code ask_server(struct invocation *in, const char *store, const char *path,
				 const json_t *body, json_t **reply)
{
	CLEANUP(client_close) struct client client = { 0 };
	enum exit_code code = client_open_store(in, store, &client);

	return code ? code : client_call(&client, "POST", path, body, reply);
}

static uint64_t count_of(const json_t *reply, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(reply, name));
}

static enum exit_code check_online(struct invocation *in, const char *store, bool repair,
				   struct store_check *found, char first[240])
{
	CLEANUP(json) json_t *body = json_object(), *reply = NULL;
	enum exit_code code;
	const char *text;

	json_object_set_new(body, "repair", json_boolean(repair));
	code = ask_server(in, store, "/v1/store/check", body, &reply);
	if (code)
		return code;
	*found = (struct store_check){ .cids = count_of(reply, "cids"),
				       .requests = count_of(reply, "requests"),
				       .copies = count_of(reply, "copies"),
				       .wrong = count_of(reply, "wrong"),
				       .repaired = count_of(reply, "repaired"),
				       .orphans = count_of(reply, "orphans") };
	text = json_string_value(json_object_get(reply, "first"));
	snprintf(first, 240, "%s", text ? text : "");
	return EXIT_DONE;
}

/* The server stands elsewhere in the file system. */
static enum exit_code backup_online(struct invocation *in, const char *store, const char *dir)
{
	CLEANUP(json) json_t *body = json_object(), *reply = NULL;

	json_object_set_new(body, "dir", json_string(dir_absolute(dir, in->mem)));
	return ask_server(in, store, "/v1/store/backup", body, &reply);
}

/* The server said why; where none could be asked it helps to know who has the directory. */
static enum exit_code online_failed(enum exit_code code, const struct err *in_use)
{
	return code == EXIT_FAILED ? code : offline_failed(in_use);
}

/* ---- the commands --------------------------------------------------------------------- */

enum exit_code cmd_store_check(struct invocation *in)
{
	CLEANUP(offline_close) struct offline o = { 0 };
	bool repair = is_given(in, "repair");
	const char *path = offline_path(in, &o);
	struct store_check found = { 0 };
	struct progress progress;
	char first[240] = "";
	enum exit_code code;
	struct err err;
	bool ok;

	if (!path)
		return EXIT_USAGE;
	if (!offline_open(path, repair ? OFFLINE_CHANGE : OFFLINE_READ, &o, &err)) {
		if (err.code != ERR_UNAVAILABLE)
			return offline_failed(&err);
		code = check_online(in, path, repair, &found, first);
		if (code)
			return online_failed(code, &err);
	} else {
		progress_start(&progress);
		ok = store_check(o.store, repair, show_share, &progress, &found, first, &err);
		progress_clear(&progress);
		if (!ok)
			return offline_failed(&err);
	}
	print_check(&found, first, is_given(in, "json"));
	if (*first)
		fprintf(stderr, "pinfold: first finding: %s\n", first);
	return found.wrong + found.orphans > found.repaired ? EXIT_FAILED : EXIT_DONE;
}

enum exit_code cmd_store_backup(struct invocation *in)
{
	CLEANUP(offline_close) struct offline o = { 0 };
	const char *path = offline_path(in, &o);
	struct err err;

	if (!path)
		return EXIT_USAGE;
	if (!offline_open(path, OFFLINE_CHANGE, &o, &err)) {
		enum exit_code code;

		if (err.code != ERR_UNAVAILABLE)
			return offline_failed(&err);
		code = backup_online(in, path, in->args[0]);
		if (code)
			return online_failed(code, &err);
	} else if (!store_backup(o.store, in->args[0], &err)) {
		return offline_failed(&err);
	}
	print_copied(in, path);
	fprintf(stderr, "%s holds a backup of %s.\n", in->args[0], path);
	return EXIT_DONE;
}

/* Opened and read once, so that what cannot be restored is told before anything is made. */
static bool check_backup(const char *dir, int64_t expiring_us, struct err *err)
{
	CLEANUP(offline_close) struct offline o = { .expiring_us = expiring_us };
	struct store_check found;
	char first[240];

	if (!offline_open(dir, OFFLINE_READ, &o, err) ||
	    !store_check(o.store, false, NULL, NULL, &found, first, err))
		return err_wrap(err, "backup %s", dir);
	return true;
}

/* What the store knows is not all that there is: nothing is unpinned for it before an operator
 * says so. */
static bool mark(const char *path, struct err *err)
{
	CLEANUP(offline_close) struct offline o = { 0 };

	if (!offline_open(path, OFFLINE_CHANGE, &o, err) ||
	    !restored_mark(o.store, clock_wall_us(&o.clock), err))
		return err_wrap(err, "mark %s as restored", path);
	return true;
}

enum exit_code cmd_store_restore(struct invocation *in)
{
	struct offline like = { 0 };
	const char *path = offline_path(in, &like);
	struct err err;

	if (!path)
		return EXIT_USAGE;
	if (!check_backup(in->args[0], like.expiring_us, &err) ||
	    !offline_make_parent(path, &err) || !copy_dir(in->args[0], path, mark, &err))
		return offline_failed(&err);
	print_copied(in, path);
	fprintf(stderr,
		"%s holds what %s does.  Copies of what was asked for since then are kept until "
		"`pinfold rebalance --force`.\n",
		path, in->args[0]);
	return EXIT_DONE;
}
