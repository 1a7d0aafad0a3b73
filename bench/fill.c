/*
 * fill -- a store with very many pins that are pinned, without a server.
 *
 *	fill STORE FIRST COUNT BLOCK IDS HELD
 *
 * Adds pins FIRST to FIRST + COUNT - 1 of seed 1 to the store in the directory STORE, as a
 * server would have written them: facts, both halves of a copy on peer 1 and all derived
 * rows, by store_change().  Pin i belongs to owner-(i / BLOCK % 100), as bench/load
 * has it.  Within a million pins they go in the order of the store, which spares RocksDB most
 * merging.  IDS gets the request id of each at i * 26, HELD the CIDs as lines for
 * fake_kubo_server --held; both are made or made longer.  Writes the store's id, which is
 * in the pins' names, to stdout.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/rand.h"
#include "bin/pin_cid.h"
#include "store/rocksdb/store_rocksdb.h"
#include "store/store.h"

#define SEED   1 /* the default of bench/load */
#define OWNERS 100
#define ROUND  1000000 /* pins that are put in order */
#define BATCH  256
#define ID_LEN 26

struct pin {
	uint32_t bucket;
	uint64_t number;
	uint8_t cid[PIN_CID_LEN];
	char owner[16], name[32];
	struct ulid id;
	int64_t created_at;
};

static void die(const char *what, const struct err *err)
{
	fprintf(stderr, "fill: %s%s%s\n", what, err ? ": " : "", err ? err->text : "");
	exit(EXIT_FAILURE);
}

static bool decide(void *ctx, const struct cid_view *view, int64_t now_us, struct arena *mem,
		   struct cid_change *out, struct err *err)
{
	const struct pin *p = ctx;
	struct fact *facts = arena_new_array(mem, struct fact, 2);
	struct copy *copy = arena_new_of(mem, struct copy);

	(void)err;
	facts[0] = (struct fact){ .cid = view->cid,
				  .owner = slice_str(p->owner),
				  .request_id = p->id,
				  .created_at = p->created_at,
				  .mode = PIN_RECURSIVE,
				  .cid_base = 'b' };
	facts[1] = (struct fact){ .cid = view->cid,
				  .owner = facts[0].owner,
				  .request_id = p->id,
				  .rev = view->next,
				  .kind = FACT_REVISION,
				  .name = slice_str(p->name),
				  .rf_min = 1,
				  .rf_max = 1 };
	*copy = (struct copy){ .peer_no = 1,
			       .gen = view->next,
			       .desired = true,
			       .mode = PIN_RECURSIVE,
			       .reason = REASON_REQUESTED,
			       .assigned_at = now_us,
			       .stamp = view->next + 1,
			       .state_gen = view->next,
			       .state = COPY_PINNED,
			       .size = 1000,
			       .observed_at = now_us };
	*out = (struct cid_change){ .facts = facts,
				    .n_facts = 2,
				    .desired = copy,
				    .n_desired = 1,
				    .observed = copy,
				    .n_observed = 1 };
	return true;
}

static void add_batch(struct store *store, struct pin *pins, size_t n)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct slice cids[BATCH];
	void *ctxs[BATCH];
	struct err err;

	for (size_t i = 0; i < n; i++) {
		cids[i] = SLICE_OF(pins[i].cid, PIN_CID_LEN);
		ctxs[i] = &pins[i];
	}
	if (!store_change(store, cids, ctxs, n, decide, mem, &err))
		die("write", &err);
}

static int by_bucket(const void *a, const void *b)
{
	const struct pin *x = a, *y = b;

	return x->bucket != y->bucket ? (x->bucket < y->bucket ? -1 : 1)
				      : memcmp(x->cid, y->cid, PIN_CID_LEN);
}

static void make_pin(struct store *store, uint64_t number, uint64_t block, struct pin *p)
{
	struct err err;

	p->number = number;
	pin_cid(SEED, number, p->cid);
	p->bucket = store_bucket(store, SLICE_OF(p->cid, PIN_CID_LEN));
	snprintf(p->owner, sizeof(p->owner), "owner-%" PRIu64, number / block % OWNERS);
	snprintf(p->name, sizeof(p->name), "pin %" PRIu64, number);
	if (!store_new_request_id(store, slice_str(p->owner), &p->id, &p->created_at, &err))
		die("request id", &err);
}

/* For reading and writing; made where it is not there. */
static FILE *open_file(const char *path)
{
	FILE *f = fopen(path, "r+b");

	if (!f)
		f = fopen(path, "w+b");
	if (!f)
		die(path, NULL);
	return f;
}

static void tell(const struct pin *p, FILE *ids, FILE *held)
{
	char id[ULID_TEXT_MAX], cid[PIN_CID_TEXT + 1];

	ulid_text(&p->id, id);
	pin_cid_text(p->cid, cid);
	if (fwrite(id, ID_LEN, 1, ids) != 1 || fprintf(held, "%s\n", cid) < 0)
		die("write", NULL);
}

static void fill(struct store *store, uint64_t first, uint64_t count, uint64_t block, FILE *ids,
		 FILE *held)
{
	struct pin *pins = xcalloc(ROUND, sizeof(*pins));
	size_t n;

	if (fseek(ids, (long)(first * ID_LEN), SEEK_SET) != 0 || fseek(held, 0, SEEK_END) != 0)
		die("seek", NULL);
	for (uint64_t done = 0; done < count; done += n) {
		n = count - done < ROUND ? count - done : ROUND;
		for (size_t i = 0; i < n; i++) {
			make_pin(store, first + done + i, block, &pins[i]);
			tell(&pins[i], ids, held);
		}
		qsort(pins, n, sizeof(*pins), by_bucket);
		for (size_t i = 0; i < n; i += BATCH)
			add_batch(store, pins + i, n - i < BATCH ? n - i : BATCH);
		fprintf(stderr, "%" PRIu64 " pins\n", first + done + n);
	}
	xfree(pins);
}

int main(int argc, char **argv)
{
	struct store_backend *backend;
	struct store *store = NULL;
	struct clock clock;
	struct rand rand;
	FILE *ids, *held;
	struct err err;

	if (argc != 7)
		die("fill STORE FIRST COUNT BLOCK IDS HELD", NULL);
	clock_init_system(&clock);
	rand_init_system(&rand);
	if (!store_rocksdb_open(&(struct store_rocksdb_options){ .path = argv[1], .create = true },
				&backend, &err) ||
	    !store_open(backend,
			&(struct store_options){
				.clock = &clock, .rand = &rand, .expiring_us = 300 * US_PER_S },
			&store, &err))
		die(argv[1], &err);
	ids = open_file(argv[5]);
	held = open_file(argv[6]);
	fill(store, strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10),
	     strtoull(argv[4], NULL, 10), ids, held);
	if (fclose(ids) != 0 || fclose(held) != 0)
		die("close", NULL);
	printf("%s\n", store_id(store));
	store_close(store);
	return EXIT_SUCCESS;
}
