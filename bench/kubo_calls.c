/*
 * kubo_calls -- what a call to Kubo costs the caller: CPU time and throughput.
 *
 *	fake_kubo_server & kubo_calls URL [pins] [at once] [all|add [FILE]]
 *
 * Each pin costs the three calls of a worker: pin/ls, pin/add, files/stat; with "add" the
 * second alone.  FILE has a CID a line; without one they are made up.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "kubo/kubo_curl.h"

static double cpu_us(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e6 +
	       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

static void die(const char *what)
{
	fprintf(stderr, "kubo_calls: %s\n", what);
	exit(EXIT_FAILURE);
}

struct pin {
	char cid[64];
};

static void next_cid(struct pin *pin, FILE *cids, unsigned number)
{
	if (!cids)
		snprintf(pin->cid, sizeof(pin->cid),
			 "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e%08u", number);
	else if (fscanf(cids, "%63s", pin->cid) != 1)
		die("not so many CIDs in the file");
}

static void call(struct kubo *kubo, struct pin *pin, enum kubo_kind kind)
{
	struct kubo_op op = { .kind = kind,
			      .cid = pin->cid,
			      .type = KUBO_RECURSIVE,
			      .name = "pinfold/bench",
			      .ctx = pin };
	struct err err;
	uint64_t id;

	if (!kubo_start(kubo, &op, &id, &err))
		die(err.text);
}

int main(int argc, char **argv)
{
	unsigned pins = argc > 2 ? (unsigned)atoi(argv[2]) : 20000;
	unsigned at_once = argc > 3 ? (unsigned)atoi(argv[3]) : 32;
	struct kubo_node cfg = { .url = argc > 1 ? argv[1] : "", .max_connections = at_once };
	CLEANUP(kubo_free) struct kubo *kubo = NULL;
	struct pin *slots = calloc(at_once, sizeof(*slots));
	enum kubo_kind first = argc > 4 && strcmp(argv[4], "add") == 0 ? KUBO_PIN_ADD : KUBO_PIN_LS;
	FILE *cids = argc > 5 ? fopen(argv[5], "r") : NULL;
	unsigned started = 0, finished = 0, node;
	struct kubo_done done;
	struct clock clock;
	struct err err;
	int64_t from_us;
	double cpu;

	clock_init_system(&clock);
	if (!slots || !kubo_curl_new(&clock, &kubo, &err) ||
	    !kubo_add_node(kubo, &cfg, &node, &err) || (argc > 5 && !cids))
		die("no client, no URL, or no file");
	from_us = clock_mono_us(&clock);
	cpu = cpu_us();
	for (; started < at_once && started < pins; started++) {
		next_cid(&slots[started], cids, started);
		call(kubo, &slots[started], first);
	}
	while (finished < pins) {
		struct pin *pin;

		if (!kubo_next(kubo, clock_mono_us(&clock) + US_PER_MIN, &done))
			die("no answer for a minute");
		pin = done.ctx;
		if (done.kind == KUBO_PIN_LS) {
			call(kubo, pin, KUBO_PIN_ADD);
			continue;
		}
		if (done.outcome != KUBO_OK)
			die(done.text);
		if (done.kind == KUBO_PIN_ADD && first == KUBO_PIN_LS) {
			call(kubo, pin, KUBO_STAT);
			continue;
		}
		finished++;
		if (started == pins)
			continue;
		next_cid(pin, cids, started++);
		call(kubo, pin, first);
	}
	cpu = cpu_us() - cpu;
	from_us = clock_mono_us(&clock) - from_us;
	printf("%u pins, %u at once: %.1f pins/s, %.1f us CPU a pin\n", pins, at_once,
	       pins * 1e6 / (double)from_us, cpu / pins);
	free(slots);
	if (cids)
		fclose(cids);
	return EXIT_SUCCESS;
}
