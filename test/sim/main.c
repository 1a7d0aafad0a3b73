/* main.c -- pinfold-sim: runs seeds, or one with every step told. */
#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "sim.h"

#define JOBS_MAX   64
#define PROGRESS_S 60

struct run { /* what was asked for */
	uint64_t from, count;
	unsigned jobs;
	bool trace, twice, strict, first;
	const struct sim_scenario *scenario;
};

struct job { /* how far one process is; others read it */
	_Atomic uint64_t seed, done, failed, steps, most, most_seed, hash;
};

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
	      "       --first   end with the first seed that fails\n"
	      "       --jobs N  in so many processes, and tell each minute how far they are\n"
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

/* Every jobs-th seed, from the number'th on. */
static void run_seeds(const struct run *run, struct job *job, unsigned number)
{
	struct sim *sim = xcalloc(1, sizeof(*sim));

	for (uint64_t i = number; i < run->count; i += run->jobs) {
		uint64_t seed = run->from + i;
		bool ok;

		job->seed = seed;
		sim->strict = run->strict;
		ok = sim_run(sim, seed, run->scenario, run->trace) &&
		     (!run->twice || same_again(sim));
		if (!ok) {
			printf("seed %llu: %s\n", (unsigned long long)seed, sim->violation);
			fflush(stdout);
		}
		job->failed += !ok;
		job->steps += sim->steps;
		job->hash = sim->hash;
		if (sim->steps > job->most) {
			job->most = sim->steps;
			job->most_seed = seed;
		}
		job->done++;
		if (!ok && run->first)
			break;
	}
	xfree(sim);
}

/* ---- several processes ---------------------------------------------------------------------- */

static struct job sum_of(const struct job *jobs, unsigned n)
{
	struct job sum = { 0 };

	for (unsigned i = 0; i < n; i++) {
		sum.done += jobs[i].done;
		sum.failed += jobs[i].failed;
		sum.steps += jobs[i].steps;
		if (jobs[i].most > sum.most) {
			sum.most = jobs[i].most;
			sum.most_seed = jobs[i].most_seed;
		}
	}
	return sum;
}

static void tell_progress(const struct run *run, const struct job *jobs, time_t since)
{
	struct job sum = sum_of(jobs, run->jobs);
	double left = sum.done ? (double)(time(NULL) - since) / (double)sum.done *
					 (double)(run->count - sum.done)
			       : 0;

	printf("%llu of %llu seeds, %llu failed, about %.0f min to go\n",
	       (unsigned long long)sum.done, (unsigned long long)run->count,
	       (unsigned long long)sum.failed, left / 60);
	fflush(stdout);
}

/* One that was ended by a signal has failed in the seed it was at. */
static void note_end(struct job *job, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	printf("seed %llu: the process ended with status %d\n", (unsigned long long)job->seed,
	       status);
	job->failed++;
}

static void run_jobs(const struct run *run, struct job *jobs)
{
	pid_t pids[JOBS_MAX];
	time_t since = time(NULL), told = since;
	unsigned left = run->jobs;

	for (unsigned i = 0; i < run->jobs; i++) {
		fflush(stdout);
		pids[i] = fork();
		if (pids[i] < 0) {
			perror("fork");
			exit(1);
		}
		if (pids[i] == 0) {
			run_seeds(run, &jobs[i], i);
			_exit(0);
		}
	}
	while (left > 0) {
		for (unsigned i = 0; i < run->jobs; i++) {
			int status;

			if (pids[i] == 0 || waitpid(pids[i], &status, WNOHANG) != pids[i])
				continue;
			note_end(&jobs[i], status);
			pids[i] = 0;
			left--;
		}
		if (left > 0)
			usleep(100000);
		if (time(NULL) - told >= PROGRESS_S) {
			tell_progress(run, jobs, since);
			told = time(NULL);
		}
	}
}

static bool run_all(const struct run *run)
{
	size_t size = run->jobs * sizeof(struct job);
	struct job *jobs =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct job sum;

	if (jobs == MAP_FAILED)
		alloc_failed(size);
	if (run->jobs > 1)
		run_jobs(run, jobs);
	else
		run_seeds(run, &jobs[0], 0);
	sum = sum_of(jobs, run->jobs);
	printf("%llu seeds, %llu steps, last schedule %016llx\n", (unsigned long long)sum.done,
	       (unsigned long long)sum.steps,
	       (unsigned long long)jobs[(run->count - 1) % run->jobs].hash);
	printf("the longest is seed %llu with %llu steps\n", (unsigned long long)sum.most_seed,
	       (unsigned long long)sum.most);
	printf("%llu passed, %llu failed\n",
	       (unsigned long long)(sum.done > sum.failed ? sum.done - sum.failed : 0),
	       (unsigned long long)sum.failed);
	munmap(jobs, size);
	return sum.failed == 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "from", required_argument, NULL, 'f' },
		{ "count", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "trace", no_argument, NULL, 't' },
		{ "twice", no_argument, NULL, '2' },
		{ "first", no_argument, NULL, '1' },
		{ "strict", no_argument, NULL, 'd' },
		{ "scenario", required_argument, NULL, 'o' },
		{ "scenarios", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct run run = { .from = 1, .count = 100, .jobs = 1 };
	int c;

	log_setup(LOG_ERROR, LOG_LOGFMT);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'f')
			run.from = strtoull(optarg, NULL, 10);
		else if (c == 'n')
			run.count = strtoull(optarg, NULL, 10);
		else if (c == 's')
			run.from = strtoull(optarg, NULL, 10), run.count = 1;
		else if (c == 'j')
			run.jobs = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 't')
			run.trace = true;
		else if (c == '2')
			run.twice = true;
		else if (c == '1')
			run.first = true;
		else if (c == 'd')
			run.strict = true;
		else if (c == 'o' && (run.scenario = scenario_of(optarg)))
			continue;
		else if (c == 'l')
			return list_scenarios();
		else
			return usage(c == 'h' ? stdout : stderr);
	}
	if (run.count == 0 || run.jobs == 0 || run.jobs > JOBS_MAX)
		return usage(stderr);
	return run_all(&run) ? 0 : 1;
}
