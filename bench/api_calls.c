/*
 * api_calls -- what POST /pins costs between HTTP and the store: CPU time a request.
 *
 *	api_calls [requests]
 *
 * Prints one line of JSON a figure.  "edge" is reading and checking the body, checking the
 * key, and writing the reply, each once; "verb" is pins_create() whole on the store in memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bus/local/bus_local.h"
#include "role/api/pin_json.h"
#include "role/keys.h"
#include "role/pin_ask.h"
#include "store/mem/store_mem.h"

#define EDGE_GOAL_US 15

struct bench {
	struct clock clock;
	struct rand rand;
	struct store *store;
	struct bus *bus;
	struct keys *keys;
	struct pins *pins;
	struct api_key_text key;
	struct arena *mem;
	struct delegates *delegates;
	struct pins_result made; /* what replies are written of */
};

static void must(bool ok, const struct err *err)
{
	if (ok)
		return;
	fprintf(stderr, "api_calls: %s\n", err->text);
	exit(EXIT_FAILURE);
}

static double cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void figure(const char *metric, double us, double goal)
{
	printf("{\"bench\":\"api_calls\",\"metric\":\"%s\",\"value\":%.2f,\"unit\":\"us\"", metric,
	       us);
	if (goal > 0)
		printf(",\"goal\":%.0f,\"met\":%s", goal, us <= goal ? "true" : "false");
	puts("}");
}

/* A body with a CID of its own for each n, in base16. */
static struct slice body_of(unsigned n, char out[200])
{
	return SLICE_OF(out, (size_t)sprintf(out,
					     "{\"cid\":\"f01551220%064x\",\"name\":\"site/%u\","
					     "\"meta\":{\"app_id\":\"bench\"}}",
					     n, n));
}

static struct json_doc *read_ask(struct bench *b, struct slice body, struct arena *mem,
				 struct pin_ask *out)
{
	static const struct json_limits limits = { .max_bytes = 65536, .max_depth = 8 };
	struct json_doc *doc;
	struct err err;

	(void)b;
	must(json_parse(body, &limits, &doc, &err), &err);
	must(psa_read_pin(json_root(doc), mem, out, &err), &err);
	return doc;
}

static void edge(struct bench *b, unsigned n, struct buf *reply)
{
	const struct pin_extra extra = { .delegates = b->delegates };
	CLEANUP(json_doc_free) struct json_doc *doc = NULL;
	struct json_writer w = json_writer(reply);
	struct pin_ask ask, checked;
	struct key_identity who;
	char body[200];
	struct err err;
	bool good;

	must(keys_verify(b->keys, slice_str(b->key.text), &who, &good, &err) && good, &err);
	doc = read_ask(b, body_of(n, body), b->mem, &ask);
	must(pin_ask_check(&ask, true, b->mem, &checked, &err), &err);
	must(delegates_refresh(b->delegates, &err), &err);
	reply->len = 0;
	psa_write_status(&w, b->made.pin, &extra);
	arena_reset(b->mem);
}

static void verb(struct bench *b, unsigned n, struct arena *mem, struct pins_result *result)
{
	const struct pins_call call = { .owner = SLICE_LIT("bench"),
					.route = SLICE_LIT("POST /pins") };
	CLEANUP(json_doc_free) struct json_doc *doc = NULL;
	struct pin_ask ask;
	char body[200];
	uint64_t mark;
	struct err err;

	doc = read_ask(b, body_of(n, body), mem, &ask);
	must(pins_create(b->pins, &call, &ask, 1, mem, result, &mark, &err), &err);
}

static void build(struct bench *b, struct store_mem *data, struct arena *kept)
{
	const struct store_options store = { .instance = 1, .clock = &b->clock, .rand = &b->rand };
	const struct bus_local_options bus = { .queue_max = 1000 };
	const struct key_wish wish = { .owner = SLICE_LIT("bench"), .scope = SCOPE_WRITE };
	struct pins_options pins = { .clock = &b->clock, .instance = 1 };
	const struct api_key *row;
	struct err err;

	clock_init_system(&b->clock);
	rand_init_system(&b->rand);
	must(store_open(store_mem_attach(data, &b->clock, 0, NULL), &store, &b->store, &err), &err);
	must(keys_open(b->store, &b->clock, &b->rand, &b->keys, &err), &err);
	must(keys_create(b->keys, &wish, kept, &b->key, &row, &err), &err);
	b->delegates = delegates_new(b->store, &b->clock, 60 * US_PER_S);
	b->bus = bus_local_new(&bus);
	pins.store = b->store;
	pins.bus = b->bus;
	b->pins = pins_new(&pins);
	verb(b, 0, kept, &b->made);
}

int main(int argc, char **argv)
{
	CLEANUP(store_mem_free) struct store_mem *data = store_mem_new();
	CLEANUP(arena_free) struct arena *mem = arena_new(), *kept = arena_new();
	unsigned requests = argc > 1 ? (unsigned)atoi(argv[1]) : 20000;
	struct bench b = { .mem = mem };
	struct buf reply = { 0 };
	double began;

	build(&b, data, kept);
	began = cpu_us();
	for (unsigned i = 1; i <= requests; i++)
		edge(&b, i, &reply);
	figure("edge", (cpu_us() - began) / requests, EDGE_GOAL_US);
	began = cpu_us();
	for (unsigned i = 1; i <= requests; i++) {
		struct pins_result result;

		verb(&b, i, mem, &result);
		arena_reset(mem);
	}
	figure("verb", (cpu_us() - began) / requests, 0);
	buf_free(&reply);
	delegates_free(b.delegates);
	pins_free(b.pins);
	keys_free(b.keys);
	store_close(b.store);
	bus_close(b.bus);
	return 0;
}
