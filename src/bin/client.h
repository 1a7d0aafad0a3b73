/*
 * client.h -- the commands' side of /v1 (src/role/api/openapi.json), blocking.
 *
 * Where the server is: --server, PINFOLD_SERVER, else what DIR/server.json says of one that runs
 * (server_file.h), else where the configuration of this machine listens.  The key: --key,
 * --key-file, PINFOLD_KEY, else admin.key in the data directory, which is sent to no server but the
 * one that runs with that directory.  So on the machine of a server every command works without
 * any option.
 *
 * A server of this machine is reached without a proxy.  One that is found by the data directory is
 * known over TLS by the key of its own certificate; any other by the system's authorities or those
 * of --ca and PINFOLD_CA.
 *
 * Calls answer with an exit code, having said on stderr what went wrong: 3 if no server
 * was reached or none answered in time, 1 if it refused, with its own words.
 */
#pragma once

#include <curl/curl.h>
#include <jansson.h>

#include "bin/command.h"

struct client {
	struct invocation *in;
	CURL *curl;
	const char *base; /* "http://127.0.0.1:9480", no slash at the end */
	const char *key;
	const char *owner;   /* NULL: the key's own */
	bool json;           /* --json */
	bool local;          /* a server of this machine */
	bool own;            /* the one that the data directory's admin.key is for */
	const char *without; /* the data directory that no server runs with; NULL: not looked for */
	const char *own_cert;   /* its certificate's file; NULL, "": none */
	const char *ca_file;    /* NULL: the system's */
	const char *pinned_key; /* instead of any authority; NULL: none */
	int64_t timeout_us;     /* of a call; 0: none */
};

/* Finds server and key; no call is made yet. */
enum exit_code client_open(struct invocation *in, struct client *out);
void client_close(struct client *client);
static inline void client_close_at_scope_end(struct client *client)
{
	client_close(client);
}

/* The server that has the store at this path open, with the admin key of its data directory; its
 * calls may take any time.  EXIT_FAILED if that cannot be told. */
enum exit_code client_open_store(struct invocation *in, const char *store, struct client *out);

/*
 * One call.  `path` begins with /v1; `body` may be NULL and is not released.  *reply, if
 * `reply` is not NULL, gets the JSON of an answer 2xx (NULL without one), to be released.
 */
enum exit_code client_call(struct client *client, const char *method, const char *path,
			   const json_t *body, json_t **reply);

/* GET of a path that may take up to wait_us of its own to answer, which is told by ?wait=. */
enum exit_code client_wait(struct client *client, const char *path, int64_t wait_us,
			   json_t **reply);

/* Does anything answer there?  No key is sent. */
enum exit_code client_reach(struct client *client);

/* GET of a stream: `each` is called for every line of an answer 2xx as it comes, but for blank
 * ones.  EXIT_FAILED if it was cut, or a line was no JSON or not ended; the others were given. */
typedef void line_fn(void *ctx, const json_t *line);
enum exit_code client_lines(struct client *client, const char *path, line_fn *each, void *ctx);

/* Sets a call up, but for its body and its answer: for streams. */
struct curl_slist *client_prepare(struct client *client, const char *method, const char *path,
				  const char *accept, const char *content_type);

/* What to say of a finished call: transport failure, or the problem in `body`. */
enum exit_code client_outcome(struct client *client, CURLcode code, struct slice body);

/* `text` with everything escaped that has a meaning in a path or query; in the arena. */
const char *client_escape(struct client *client, const char *text);

/* ---- JSON in answers ---------------------------------------------------------------- */

/* The text of a member, `missing` if there is none; numbers and booleans as text. */
const char *member(struct arena *mem, const json_t *object, const char *name, const char *missing);

/* "1.5 GiB", "7 B", "-" if it is not there. */
const char *member_size(struct arena *mem, const json_t *object, const char *name);

/* "3 min ago", "in 2 h", "-": against the clock of this machine. */
const char *member_when(struct arena *mem, const json_t *object, const char *name);

/* The texts of an array, with commas between. */
const char *member_list(struct arena *mem, const json_t *object, const char *name);

/* {"min":2,"max":3} as people write it: 2-3, 2, all; "" if it is not there. */
const char *member_range(struct arena *mem, const json_t *object, const char *name);

/* One document on a line. */
void print_json(const json_t *value);

/* Releases at the end of a scope: CLEANUP(json) json_t *reply = NULL; */
static inline void json_at_scope_end(json_t **value)
{
	json_decref(*value);
}
