#include "bin/client.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "model/duration.h"

#define CONNECT_TIMEOUT_S 5
#define REPLY_MAX         (64 << 20)

void client_close(struct client *client)
{
	if (client->curl)
		curl_easy_cleanup(client->curl);
	client->curl = NULL;
}

const char *client_escape(struct client *client, const char *text)
{
	char *escaped = curl_easy_escape(client->curl, text, 0);
	const char *out = arena_printf(client->in->mem, "%s", escaped ? escaped : "");

	curl_free(escaped);
	return out;
}

static void set_trust(struct client *client)
{
	CURL *curl = client->curl;

	if (client->local) /* a proxy would be another machine's */
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
	if (client->ca_file)
		curl_easy_setopt(curl, CURLOPT_CAINFO, client->ca_file);
	if (!client->pinned_key)
		return;
	curl_easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, client->pinned_key);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
}

struct curl_slist *client_prepare(struct client *client, const char *method, const char *path,
				  const char *accept, const char *content_type)
{
	struct arena *mem = client->in->mem;
	struct curl_slist *headers = NULL;
	CURL *curl = client->curl;

	if (client->key)
		headers = curl_slist_append(headers, arena_printf(mem, "Authorization: Bearer %s",
								  client->key));
	headers = curl_slist_append(headers, arena_printf(mem, "Accept: %s", accept));
	headers = curl_slist_append(headers, "Expect:");
	if (content_type)
		headers = curl_slist_append(headers,
					    arena_printf(mem, "Content-Type: %s", content_type));
	if (client->owner)
		headers = curl_slist_append(headers,
					    arena_printf(mem, "Pinfold-Owner: %s", client->owner));
	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_URL, arena_printf(mem, "%s%s", client->base, path));
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
			 (long)((client->timeout_us + US_PER_MS - 1) / US_PER_MS));
	curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	set_trust(client);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "pinfold/" PINFOLD_VERSION);
	return headers;
}

static size_t take_reply(char *bytes, size_t size, size_t n, void *ctx)
{
	struct buf *out = ctx;

	if (out->len + size * n > REPLY_MAX)
		return 0;
	buf_add(out, bytes, size * n);
	return size * n;
}

static enum exit_code refused(struct client *client, long status, struct slice body)
{
	CLEANUP(json) json_t *problem = json_loadb((const char *)body.ptr, body.len, 0, NULL);
	struct arena *mem = client->in->mem;
	const char *detail = member(mem, problem, "detail", member(mem, problem, "title", ""));

	if (status == 401)
		fprintf(stderr, "pinfold: %s does not accept this API key", client->base);
	else
		fprintf(stderr, "pinfold: %s", *detail ? detail : "the server refused");
	fprintf(stderr, " (%s, HTTP %ld)\n", member(mem, problem, "code", "no code"), status);
	return EXIT_FAILED;
}

static enum exit_code unreached(struct client *client, CURLcode code)
{
	char span[DURATION_TEXT_MAX];
	double connected = 0;

	curl_easy_getinfo(client->curl, CURLINFO_PRETRANSFER_TIME, &connected);
	if (code == CURLE_OPERATION_TIMEDOUT && connected > 0) {
		duration_text(client->timeout_us, span);
		fprintf(stderr,
			"pinfold: %s gave no answer for %s\nIt may be busy: --request-timeout "
			"waits longer.\n",
			client->base, span);
		return EXIT_UNREACHABLE;
	}
	fprintf(stderr, "pinfold: no server at %s: %s\n", client->base, curl_easy_strerror(code));
	if (client->without)
		fprintf(stderr, "No server is known to run with the data directory %s.\n",
			client->without);
	if (code == CURLE_COULDNT_CONNECT)
		fprintf(stderr, "Is it running?  pinfold up starts it; --server and "
				"PINFOLD_SERVER name another.\n");
	if (code == CURLE_SSL_PINNEDPUBKEYNOTMATCH)
		fprintf(stderr, "It shows another certificate than %s; SIGHUP lets it read that.\n",
			client->own_cert);
	if (code == CURLE_PEER_FAILED_VERIFICATION)
		fprintf(stderr, "--ca and PINFOLD_CA name a file of certificates to trust.\n");
	return EXIT_UNREACHABLE;
}

enum exit_code client_outcome(struct client *client, CURLcode code, struct slice body)
{
	long status = 0;

	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 0)
		return unreached(client, code);
	if (status / 100 != 2)
		return refused(client, status, body);
	if (code != CURLE_OK) {
		fprintf(stderr, "pinfold: the answer of %s broke off: %s\n", client->base,
			curl_easy_strerror(code));
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}

enum exit_code client_wait(struct client *client, const char *path, int64_t wait_us, json_t **reply)
{
	const int64_t usual = client->timeout_us;
	enum exit_code code;

	if (usual)
		client->timeout_us += wait_us;
	code = client_call(client, "GET",
			   arena_printf(client->in->mem, "%s?wait=%" PRId64 "ms", path,
					wait_us / US_PER_MS),
			   NULL, reply);
	client->timeout_us = usual;
	return code;
}

enum exit_code client_call(struct client *client, const char *method, const char *path,
			   const json_t *body, json_t **reply)
{
	CLEANUP(buf_free) struct buf answer = { 0 };
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct curl_slist *headers = client_prepare(client, method, path, "application/json",
						    text ? "application/json" : NULL);
	enum exit_code code;
	CURLcode sent;

	if (text)
		curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, text);
	else if (strcmp(method, "GET") != 0)
		curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, "");
	curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_reply);
	curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &answer);
	sent = curl_easy_perform(client->curl);
	code = client_outcome(client, sent, buf_slice(&answer));
	curl_slist_free_all(headers);
	free(text);
	if (reply)
		*reply = NULL;
	if (code || !reply || answer.len == 0)
		return code;
	*reply = json_loadb((const char *)answer.ptr, answer.len, 0, NULL);
	if (*reply)
		return EXIT_DONE;
	fprintf(stderr, "pinfold: %s answered no JSON; is it a Pinfold server?\n", client->base);
	return EXIT_FAILED;
}

struct lines {
	struct client *client;
	struct clock clock;
	line_fn *each;
	void *ctx;
	struct buf rest;    /* not yet a whole line */
	struct buf refusal; /* the body of an answer other than 2xx */
	size_t bad;         /* lines that are no JSON */
	int64_t moved_us;   /* mono: something came */
	bool stalled;       /* and then nothing for too long */
};

static void give_line(struct lines *l, struct slice text)
{
	CLEANUP(json) json_t *line = NULL;

	if (text.len == 0) /* there is nothing yet, but the server is */
		return;
	line = json_loadb((const char *)text.ptr, text.len, 0, NULL);
	if (line)
		l->each(l->ctx, line);
	l->bad += !line;
}

static size_t take_lines(char *bytes, size_t size, size_t n, void *ctx)
{
	struct lines *l = ctx;
	const uint8_t *end;
	long status = 0;
	size_t at = 0;

	l->moved_us = clock_mono_us(&l->clock);
	curl_easy_getinfo(l->client->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status / 100 != 2)
		return take_reply(bytes, size, n, &l->refusal);
	buf_add(&l->rest, bytes, size * n);
	while (at < l->rest.len && (end = memchr(l->rest.ptr + at, '\n', l->rest.len - at))) {
		size_t len = (size_t)(end - l->rest.ptr) - at;

		give_line(l, SLICE_OF(l->rest.ptr + at, len));
		at += len + 1;
	}
	buf_drop(&l->rest, at);
	/* Who reads our output slowly is not the server's silence. */
	l->moved_us = clock_mono_us(&l->clock);
	return l->rest.len > REPLY_MAX ? 0 : size * n;
}

/* cURL's own bound is one of bytes a second: a blank line now and then is less. */
static int give_up_stalled(void *ctx, curl_off_t all UNUSED, curl_off_t got UNUSED,
			   curl_off_t to_send UNUSED, curl_off_t sent UNUSED)
{
	struct lines *l = ctx;

	l->stalled = clock_mono_us(&l->clock) - l->moved_us > l->client->timeout_us;
	return l->stalled;
}

/* Lines are whole and JSON, the last one too: else somebody cut them short or wrote between. */
static enum exit_code lines_outcome(const struct lines *l, CURLcode sent)
{
	enum exit_code code = client_outcome(
		l->client, l->stalled ? CURLE_OPERATION_TIMEDOUT : sent, buf_slice(&l->refusal));

	if (code || (l->bad == 0 && l->rest.len == 0))
		return code;
	if (l->bad)
		fprintf(stderr, "pinfold: lines of the answer of %s that are no JSON: %zu\n",
			l->client->base, l->bad);
	if (l->rest.len)
		fprintf(stderr, "pinfold: the answer of %s ends within a line\n", l->client->base);
	return EXIT_FAILED;
}

enum exit_code client_lines(struct client *client, const char *path, line_fn *each, void *ctx)
{
	struct lines l = { .client = client, .each = each, .ctx = ctx };
	struct curl_slist *headers =
		client_prepare(client, "GET", path, "application/x-ndjson", NULL);
	enum exit_code code;
	CURLcode sent;

	/* It may take any time; a server that says nothing for too long is given up. */
	curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, 0L);
	clock_init_system(&l.clock);
	l.moved_us = clock_mono_us(&l.clock);
	if (client->timeout_us > 0) {
		curl_easy_setopt(client->curl, CURLOPT_NOPROGRESS, 0L);
		curl_easy_setopt(client->curl, CURLOPT_XFERINFOFUNCTION, give_up_stalled);
		curl_easy_setopt(client->curl, CURLOPT_XFERINFODATA, &l);
	}
	curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_lines);
	curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &l);
	sent = curl_easy_perform(client->curl);
	code = lines_outcome(&l, sent);
	curl_slist_free_all(headers);
	buf_free(&l.rest);
	buf_free(&l.refusal);
	return code;
}

static size_t drop_reply(char *bytes UNUSED, size_t size, size_t n, void *ctx UNUSED)
{
	return size * n;
}

enum exit_code client_reach(struct client *client)
{
	struct curl_slist *headers = client_prepare(client, "GET", "/healthz", "*/*", NULL);
	enum exit_code code = EXIT_DONE;
	long status = 0;
	CURLcode sent;

	curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, drop_reply);
	sent = curl_easy_perform(client->curl);
	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 0)
		code = unreached(client, sent);
	curl_slist_free_all(headers);
	return code;
}

/* ---- JSON in answers ---------------------------------------------------------------------- */

const char *member(struct arena *mem, const json_t *object, const char *name, const char *missing)
{
	const json_t *value = json_object_get(object, name);

	if (json_is_string(value))
		return arena_printf(mem, "%s", json_string_value(value));
	if (json_is_integer(value))
		return arena_printf(mem, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	if (json_is_boolean(value))
		return json_is_true(value) ? "true" : "false";
	return missing;
}

const char *member_size(struct arena *mem, const json_t *object, const char *name)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	const json_t *value = json_object_get(object, name);
	double size = (double)json_integer_value(value);
	unsigned unit = 0;

	if (!json_is_integer(value))
		return "-";
	for (; size >= 1024 && unit + 1 < ARRAY_LEN(units); unit++)
		size /= 1024;
	return arena_printf(mem, unit && size < 100 ? "%.1f %s" : "%.0f %s", size, units[unit]);
}

static const char *span(struct arena *mem, double s)
{
	if (s < 90)
		return arena_printf(mem, "%.0f s", s);
	if (s < 90 * 60)
		return arena_printf(mem, "%.0f min", s / 60);
	if (s < 48 * 3600)
		return arena_printf(mem, "%.0f h", s / 3600);
	return arena_printf(mem, "%.0f d", s / 86400);
}

const char *member_when(struct arena *mem, const json_t *object, const char *name)
{
	const char *text = member(mem, object, name, "");
	struct tm tm = { 0 };
	double ago;

	if (!strptime(text, "%Y-%m-%dT%H:%M:%S", &tm))
		return "-";
	ago = difftime(time(NULL), timegm(&tm));
	return ago >= 0 ? arena_printf(mem, "%s ago", span(mem, ago))
			: arena_printf(mem, "in %s", span(mem, -ago));
}

const char *member_list(struct arena *mem, const json_t *object, const char *name)
{
	const char *out = "";
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(object, name), i, item) if (json_is_string(item)) out =
		arena_printf(mem, "%s%s%s", out, *out ? "," : "", json_string_value(item));
	return out;
}

const char *member_range(struct arena *mem, const json_t *object, const char *name)
{
	const json_t *range = json_object_get(object, name);
	const char *min = member(mem, range, "min", ""), *max = member(mem, range, "max", "");

	if (!strcmp(max, "-1"))
		return "all";
	return strcmp(min, max) != 0 ? arena_printf(mem, "%s-%s", min, max) : max;
}

void print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
	putchar('\n');
}
