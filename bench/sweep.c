/*
 * sweep -- how long the reconciler takes for a CID whose rows are all as they should be.
 *
 *	sweep STORE
 *
 * STORE is one that `fill` made.  Peer 1 is reported as there; then one whole sweep is made as a
 * server would make it, without its pauses.  Writes to stdout: CIDs, us of a CID, rows mended.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bus/local/bus_local.h"
#include "role/reconciler.h"
#include "store/rocksdb/store_rocksdb.h"

#define BATCH 256

static void die(const char *what, const struct err *err)
{
	fprintf(stderr, "sweep: %s: %s\n", what, err->text);
	exit(EXIT_FAILURE);
}

static void report_peer(struct store *store, struct clock *clock)
{
	struct peer_row row = { .report_version = (uint64_t)clock_wall_us(clock) / 1000 * 1000,
				.last_seen = clock_wall_us(clock) };
	struct err err;

	if (!store_peer_no(store, SLICE_LIT("a peer"), &row.peer_no, &err) ||
	    !store_peer_report(store, &row, &err))
		die("peer", &err);
}

static const struct replan_policy policy = {
	.reconcile = { .republish_us = US_PER_MIN,
		       .forget_us = US_PER_DAY,
		       .recheck_us = 5 * US_PER_MIN },
	.peers_refresh_us = US_PER_S,
	.guard = { .permille = 10, .least = 100, .window_us = 10 * US_PER_MIN },
};

static const struct health_policy health = { .suspect_us = US_PER_H,
					     .down_us = US_PER_H,
					     .grace_us = US_PER_H };

static void sweep(struct reconciler *r, struct clock *clock, struct store *store)
{
	int64_t began = clock_mono_us(clock), took, due;
	struct reconciler_state state = { 0 };
	struct err err;

	while (state.swept_at == 0) {
		report_peer(store, clock);
		if (!reconciler_step(r, &due, &err))
			die("step", &err);
		reconciler_state(r, &state);
	}
	took = clock_mono_us(clock) - began;
	printf("%" PRIu64 " CIDs, %.1f us each, %" PRIu64 " rows mended\n", state.swept,
	       (double)took / (double)(state.swept ? state.swept : 1), state.repaired);
}

int main(int argc, char **argv)
{
	struct store_backend *backend;
	struct store *store = NULL;
	struct reconciler *r;
	struct clock clock;
	struct rand rand;
	struct bus *bus;
	struct err err;

	if (argc != 2) {
		fprintf(stderr, "sweep STORE\n");
		return EXIT_FAILURE;
	}
	clock_init_system(&clock);
	rand_init_system(&rand);
	if (!store_rocksdb_open(&(struct store_rocksdb_options){ .path = argv[1] }, &backend,
				&err) ||
	    !store_open(backend,
			&(struct store_options){
				.clock = &clock, .rand = &rand, .expiring_us = 300 * US_PER_S },
			&store, &err))
		die(argv[1], &err);
	report_peer(store, &clock);
	bus = bus_local_new(&(struct bus_local_options){ .queue_max = 1000 });
	CLEANUP(peer_watch_free) struct peer_watch *watch = peer_watch_new(&health, &clock);
	r = reconciler_new(&(struct reconciler_options){ .replan = { .store = store,
								     .bus = bus,
								     .clock = &clock,
								     .watch = watch,
								     .policy = &policy },
							 .peers_us = US_PER_S,
							 .sweep_us = US_PER_H,
							 .batch_max = BATCH });
	sweep(r, &clock, store);
	reconciler_free(r);
	bus_close(bus);
	store_close(store);
	return EXIT_SUCCESS;
}
