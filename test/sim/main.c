/* main.c -- pinfold-sim: runs seeds, or one with every step told. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "sim.h"

static int usage(FILE *out)
{
	fputs("usage: pinfold-sim [--from SEED] [--count N]   run N seeds, tell of those that "
	      "fail\n"
	      "       pinfold-sim --seed SEED [--trace]       run one; with --trace tell its "
	      "story\n"
	      "       pinfold-sim --scenario NAME [--from, --count, --trace]   a story in many "
	      "schedules\n"
	      "       pinfold-sim --scenarios                 their names\n"
	      "       --twice   run each a second time: it must go the same way\n"
	      "       --strict  the derived rows of a loose store must agree too\n",
	      out);
	return out == stderr ? 2 : 0;
}

/* A seed that fails can be looked at only if it fails again. */
static bool same_again(struct sim *sim)
{
	uint64_t hash = sim->hash, steps = sim->steps;

	if (!sim_run(sim, sim->seed, sim->scenario, false))
		return false;
	if (sim->hash != hash || sim->steps != steps)
		sim_violated(sim, "the second run went another way");
	return sim->hash == hash && sim->steps == steps;
}

static const struct sim_scenario *scenario_of(const char *name)
{
	for (unsigned i = 0; i < sim_n_scenarios; i++)
		if (strcmp(sim_scenarios[i].name, name) == 0)
			return &sim_scenarios[i];
	return NULL;
}

static int list_scenarios(void)
{
	for (unsigned i = 0; i < sim_n_scenarios; i++)
		printf("%-13s %s\n", sim_scenarios[i].name, sim_scenarios[i].what);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "from", required_argument, NULL, 'f' },
		{ "count", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "trace", no_argument, NULL, 't' },
		{ "twice", no_argument, NULL, '2' },
		{ "strict", no_argument, NULL, 'd' },
		{ "scenario", required_argument, NULL, 'o' },
		{ "scenarios", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct sim *sim = xcalloc(1, sizeof(*sim));
	uint64_t from = 1, count = 100, failed = 0, steps = 0, most = 0, most_seed = 0;
	bool trace = false, twice = false, strict = false;
	const struct sim_scenario *scenario = NULL;
	int c;

	log_setup(LOG_ERROR, LOG_LOGFMT);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'f')
			from = strtoull(optarg, NULL, 10);
		else if (c == 'n')
			count = strtoull(optarg, NULL, 10);
		else if (c == 's')
			from = strtoull(optarg, NULL, 10), count = 1;
		else if (c == 't')
			trace = true;
		else if (c == '2')
			twice = true;
		else if (c == 'd')
			strict = true;
		else if (c == 'o' && (scenario = scenario_of(optarg)))
			continue;
		else if (c == 'l')
			return list_scenarios();
		else
			return usage(c == 'h' ? stdout : stderr);
	}
	for (uint64_t seed = from; seed < from + count; seed++) {
		sim->strict = strict;
		if (!sim_run(sim, seed, scenario, trace) || (twice && !same_again(sim))) {
			failed++;
			printf("seed %llu: %s\n", (unsigned long long)seed, sim->violation);
			fflush(stdout);
		}
		steps += sim->steps;
		if (sim->steps > most) {
			most = sim->steps;
			most_seed = seed;
		}
	}
	printf("%llu seeds, %llu steps, last schedule %016llx\n", (unsigned long long)count,
	       (unsigned long long)steps, (unsigned long long)sim->hash);
	printf("the longest is seed %llu with %llu steps\n", (unsigned long long)most_seed,
	       (unsigned long long)most);
	printf("%llu passed, %llu failed\n", (unsigned long long)(count - failed),
	       (unsigned long long)failed);
	xfree(sim);
	return failed > 0;
}
