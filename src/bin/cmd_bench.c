/* cmd_bench.c -- `pinfold bench`: what a server does under load, as figures. */
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "bin/client.h"
#include "bin/commands.h"
#include "bin/config_kubo.h"
#include "bin/load.h"
#include "bin/server.h"
#include "bin/table.h"

#define POSTS_MAX    500000 /* of one measurement */
#define BULK_STREAMS 4
#define NOBODY       "http://127.0.0.1:9" /* the port "discard": no node answers there */

struct bench {
	struct invocation *in;
	struct load_options load; /* what all measurements share */
	const char *bulk_more, *post_more;
	uint64_t pins, seconds, connections;
	uint64_t made; /* pins, so far */
	bool json, interrupted;
	struct table *table;
	struct err err;
};

/* ---- figures ------------------------------------------------------------------------------ */

enum goal { GOAL_NONE, GOAL_LEAST, GOAL_MOST };

struct figure {
	const char *bench, *metric, *unit;
	enum goal kind;
	double goal;
};

static void tell(struct bench *b, const struct figure *f, double value)
{
	bool met = f->kind == GOAL_LEAST ? value >= f->goal : value <= f->goal;
	json_t *line;

	value = (double)(int64_t)(value * 100 + 0.5) / 100;
	if (!b->json) {
		const char *goal =
			f->kind == GOAL_NONE
				? "-"
				: arena_printf(b->in->mem, "%s %.0f",
					       f->kind == GOAL_MOST ? "<=" : ">=", f->goal);

		table_add(b->table,
			  (const char *[]){
				  f->bench, f->metric,
				  arena_printf(b->in->mem, value < 100 ? "%.2f" : "%.0f", value),
				  f->unit, goal,
				  f->kind == GOAL_NONE ? "-"
				  : met                ? "yes"
						       : "no" },
			  5,
			  f->kind == GOAL_NONE ? TONE_PLAIN
			  : met                ? TONE_GOOD
					       : TONE_BAD);
		return;
	}
	line = json_pack("{s:s,s:s,s:f,s:s,s:o,s:o}", "bench", f->bench, "metric", f->metric,
			 "value", value, "unit", f->unit, "goal",
			 f->kind == GOAL_NONE ? json_null() : json_real(f->goal), "met",
			 f->kind == GOAL_NONE ? json_null() : json_boolean(met));
	print_json(line);
	fflush(stdout);
	json_decref(line);
}

static double rate(const struct load_result *r)
{
	return r->seconds > 0 ? (double)r->done / r->seconds : 0;
}

static double ms(const struct load_result *r, double share)
{
	return (double)histogram_us(&r->took, share) / 1000;
}

/* ---- measurements -------------------------------------------------------------------------- */

/* The signals that end the command are blocked: pins that were made go away first. */
static bool interrupted(void *ctx UNUSED)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1);
}

/* False: it did not work, which b->err says, or the user has enough. */
static bool measure(struct bench *b, struct load_options *o, struct load_result *out)
{
	if (o->mode != LOAD_DROP && interrupted(NULL))
		b->interrupted = true;
	if (b->interrupted && o->mode != LOAD_DROP)
		return false;
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "measuring %s, %" PRIu64 " connections\n", load_mode_name(o->mode),
			o->connections);
	if (!load_run(o, out, &b->err))
		return false;
	if (out->failed > 0)
		fprintf(stderr, "pinfold: %s: %" PRIu64 " of %" PRIu64 " were refused: %s\n",
			load_mode_name(o->mode), out->failed, out->failed + out->done,
			out->refusal);
	if (out->done == 0 && !b->interrupted)
		return err_set(&b->err, ERR_UNAVAILABLE, "%s: nothing was done",
			       load_mode_name(o->mode));
	return true;
}

static bool bench_bulk(struct bench *b)
{
	static const struct figure figure = { "bulk", "rate", "pins/s", GOAL_LEAST, 25000 };
	struct load_options o = b->load;
	struct load_result r;
	bool ok;

	o.mode = LOAD_BULK;
	o.count = b->pins;
	o.connections = b->connections < BULK_STREAMS ? b->connections : BULK_STREAMS;
	o.block = (b->pins + o.connections - 1) / o.connections;
	o.more = b->bulk_more;
	b->made = b->pins;
	ok = measure(b, &o, &r);
	if (ok)
		tell(b, &figure, rate(&r));
	return ok;
}

static bool bench_post(struct bench *b, const char *name, uint64_t connections, enum goal goal)
{
	const struct figure figures[] = {
		{ name, "rate", "pins/s", goal, 10000 },
		{ name, "p50", "ms", GOAL_NONE, 0 },
		{ name, "p99", "ms", GOAL_NONE, 0 },
	};
	struct load_options o = b->load;
	struct load_result r;
	bool ok;

	o.mode = LOAD_POST;
	o.first = b->made;
	o.count = POSTS_MAX;
	o.seconds = b->seconds;
	o.connections = connections;
	o.more = b->post_more;
	ok = measure(b, &o, &r);
	b->made += ok ? r.done + r.failed : POSTS_MAX;
	if (!ok)
		return false;
	tell(b, &figures[0], rate(&r));
	tell(b, &figures[1], ms(&r, 0.5));
	tell(b, &figures[2], ms(&r, 0.99));
	return true;
}

static bool bench_get(struct bench *b, enum load_mode mode)
{
	const struct figure figures[] = {
		{ "get", mode == LOAD_GET ? "rate by request id" : "rate by CID", "1/s", GOAL_LEAST,
		  25000 },
		{ "get", mode == LOAD_GET ? "p99 by request id" : "p99 by CID", "ms", GOAL_NONE,
		  0 },
	};
	struct load_options o = b->load;
	struct load_result r;

	o.mode = mode;
	o.seconds = b->seconds;
	o.n_ids = b->pins;
	if (!measure(b, &o, &r))
		return false;
	tell(b, &figures[0], rate(&r));
	tell(b, &figures[1], ms(&r, 0.99));
	return true;
}

static bool bench_list(struct bench *b)
{
	static const struct figure figures[] = {
		{ "list", "rate, store order", "pins/s", GOAL_LEAST, 150000 },
		{ "list", "first byte, store order", "ms", GOAL_MOST, 50 },
	};
	struct load_options o = b->load;
	struct load_result r;

	o.mode = LOAD_LIST;
	o.path = "/v1/pins?copies=true&order=store";
	o.connections = 1;
	if (!measure(b, &o, &r))
		return false;
	tell(b, &figures[0], rate(&r));
	tell(b, &figures[1], (double)r.first_byte_us / 1000);
	return true;
}

/* Also what is not shown, as it takes the pins away again. */
static bool bench_drop(struct bench *b, bool show)
{
	static const struct figure figure = { "drop", "rate", "pins/s", GOAL_NONE, 0 };
	struct load_options o = b->load;
	struct load_result r;

	o.mode = LOAD_DROP;
	o.count = b->made < o.n_ids ? b->made : o.n_ids;
	o.connections = 1;
	o.block = o.count;
	o.stop = NULL;
	if (!measure(b, &o, &r))
		return false;
	if (show)
		tell(b, &figure, rate(&r));
	return true;
}

static enum exit_code run_all(struct bench *b)
{
	uint64_t n_ids = b->pins + 2 * POSTS_MAX;
	struct err first;
	bool ok;

	b->load.ids = xcalloc(n_ids, LOAD_ID_LEN);
	b->load.n_ids = n_ids;
	b->load.seed = (uint64_t)time(NULL);
	b->load.connections = b->connections;
	b->load.stop = interrupted;
	ok = bench_bulk(b) && bench_post(b, "post", b->connections, GOAL_LEAST) &&
	     bench_post(b, "post1", 1, GOAL_NONE) && bench_get(b, LOAD_GET) &&
	     bench_get(b, LOAD_CID) && bench_list(b);
	first = b->err;
	for (uint64_t i = 0; i < n_ids && b->made > 0; i++) {
		if (b->load.ids[i][0] == 0)
			continue;
		if (!bench_drop(b, ok) && ok)
			first = b->err, ok = false;
		break;
	}
	xfree(b->load.ids);
	if (!b->json)
		table_print(b->table);
	if (ok)
		return EXIT_DONE;
	if (b->interrupted && first.code == ERR_NONE)
		fprintf(stderr, "pinfold: interrupted; the pins were taken away again\n");
	else
		fprintf(stderr, "pinfold: bench: %s\n", first.text);
	return EXIT_FAILED;
}

/* ---- the server ---------------------------------------------------------------------------- */

/* Where the load goes.  The load generator speaks no TLS: it would measure itself. */
static enum exit_code aim(struct bench *b, const char *base)
{
	CURLU *url = curl_url();
	char *scheme = NULL, *host = NULL, *port = NULL;
	enum exit_code code = EXIT_DONE;
	size_t n;

	if (curl_url_set(url, CURLUPART_URL, base, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
		code = usage_error(b->in, "\"%s\" is no URL of a server", base);
	else if (strcmp(scheme, "http") != 0)
		code = usage_error(b->in, "%s: bench speaks plain HTTP alone", base);
	if (!code) {
		n = strlen(host);
		if (*host == '[')
			memmove(host, host + 1, n), host[n - 2] = '\0';
		if (!load_resolve(host, port, &b->load, &b->err))
			code = failed(&b->err);
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(url);
	return code;
}

static enum exit_code bench_configured(struct bench *b)
{
	CLEANUP(client_close) struct client client = { 0 };
	CLEANUP(json) json_t *status = NULL;
	enum exit_code code = client_open(b->in, &client);

	if (!code)
		code = aim(b, client.base);
	if (!code) /* is it there, and does it take the key? */
		code = client_call(&client, "GET", "/v1/status", NULL, &status);
	if (code)
		return code;
	b->load.keys = &client.key;
	if (client.owner)
		b->load.header = arena_printf(b->in->mem, "Pinfold-Owner: %s\r\n", client.owner);
	/* Should this be killed, nothing stays. */
	b->bulk_more = ",\"ttl\":\"1h\"";
	b->post_more = ",\"meta\":{\"pinfold.ttl\":\"1h\"}";
	return run_all(b);
}

static int remove_one(const char *path, const struct stat *st UNUSED, int type UNUSED,
		      struct FTW *where UNUSED)
{
	return remove(path);
}

/* Nothing of the user's configuration: its store must not be touched. */
static bool own_config(struct arena *mem, const char *dir, struct config *out, struct err *err)
{
	const char *const values[][2] = { { "data", dir },
					  { "listen", "127.0.0.1:0" },
					  { "kubo", NOBODY } };
	struct config_flag flags[ARRAY_LEN(values)];
	struct config_input input = { .flags = flags, .n_flags = ARRAY_LEN(values) };
	struct config_result result = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		const struct option_row *row = option_rows;

		while (strcmp(row->name, values[i][0]) != 0)
			row++;
		flags[i] = (struct config_flag){ .row = row, .value = values[i][1] };
	}
	if (!config_load(&input, mem, &result, err))
		return false;
	*out = result.config;
	return true;
}

static enum exit_code bench_own(struct bench *b)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = arena_printf(b->in->mem, "%s/pinfold-bench-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	struct server *server = NULL;
	struct config config;
	const char *key;
	enum exit_code code;

	if (!mkdtemp(dir)) {
		fprintf(stderr, "pinfold: cannot make %s: see TMPDIR\n", dir);
		return EXIT_FAILED;
	}
	log_setup(LOG_ERROR, LOG_LOGFMT);
	if (own_config(b->in->mem, dir, &config, &b->err) &&
	    server_start(&config, &server, &b->err)) {
		key = config_secret_file(arena_printf(b->in->mem, "%s/admin.key", dir), b->in->mem,
					 &b->err);
		b->load.keys = &key;
		code = key ? aim(b, server_url(server)) : failed(&b->err);
		if (!code)
			code = run_all(b);
		server_drain(server);
		server_free(server);
	} else {
		code = failed(&b->err);
	}
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return code;
}

/* ---- the command ---------------------------------------------------------------------------- */

static bool number_of(const struct invocation *in, const char *option, uint64_t missing,
		      uint64_t most, uint64_t *out, enum exit_code *code)
{
	const char *text = given(in, option);
	char *end;

	*out = missing;
	if (!text)
		return true;
	*out = strtoull(text, &end, 10);
	if (*text >= '1' && *text <= '9' && !*end && *out <= most)
		return true;
	*code = usage_error(in, "--%s: \"%s\" is not allowed: a number from 1 to %" PRIu64, option,
			    text, most);
	return false;
}

enum exit_code cmd_bench(struct invocation *in)
{
	static const char *const heads[] = { "BENCH", "METRIC", ">VALUE", "UNIT", "GOAL", "MET" };
	struct bench b = {
		.in = in, .json = is_given(in, "json"), .bulk_more = "", .post_more = ""
	};
	enum exit_code code;
	sigset_t ending;

	if (!number_of(in, "pins", 20000, 100000000, &b.pins, &code) ||
	    !number_of(in, "seconds", 5, 3600, &b.seconds, &code) ||
	    !number_of(in, "connections", 64, 10000, &b.connections, &code))
		return code;
	b.table = table_new(in->mem, heads, ARRAY_LEN(heads));
	b.load.n_keys = 1;
	b.load.header = b.load.more = "";
	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	sigprocmask(SIG_BLOCK, &ending, NULL);
	return is_given(in, "self") ? bench_own(&b) : bench_configured(&b);
}
