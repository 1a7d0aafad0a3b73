#include "load_figures.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"

void die(const char *why)
{
	fprintf(stderr, "load: %s\n", why);
	exit(EXIT_FAILURE);
}

static unsigned step_of(uint64_t us)
{
	unsigned top;

	if (us < 1U << STEP_BITS)
		return (unsigned)us;
	top = 63 - (unsigned)__builtin_clzll(us);
	return (top - STEP_BITS + 1) << STEP_BITS |
	       (unsigned)(us >> (top - STEP_BITS) & ((1U << STEP_BITS) - 1));
}

static uint64_t us_of(unsigned step)
{
	unsigned power = step >> STEP_BITS, rest = step & ((1U << STEP_BITS) - 1);

	return power == 0 ? rest : (uint64_t)((1U << STEP_BITS) + rest) << (power - 1);
}

void histogram_note(struct histogram *h, int64_t us)
{
	h->at[step_of((uint64_t)us)]++;
	h->n++;
}

uint64_t histogram_us(const struct histogram *h, double share)
{
	uint64_t want = (uint64_t)((double)h->n * share), seen = 0;

	if (want >= h->n && h->n > 0)
		want = h->n - 1;
	for (unsigned i = 0; i < ARRAY_LEN(h->at); i++) {
		seen += h->at[i];
		if (seen > want)
			return us_of(i);
	}
	return 0;
}

double process_cpu_us(uint64_t pid)
{
	char path[64], text[1024], *at;
	unsigned long user = 0, system = 0;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/stat", pid);
	f = fopen(path, "r");
	if (!f)
		die("no such process");
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	at = strrchr(text, ')');
	if (!at || sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
			  &system) != 2)
		die("/proc/PID/stat is not as expected");
	return (double)(user + system) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}
