#include "bin/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define BAR      24
#define EVERY_US (US_PER_S / 5)

static int64_t now_us(void)
{
	struct clock clock;

	clock_init_system(&clock);
	return clock_mono_us(&clock);
}

void progress_start(struct progress *p)
{
	*p = (struct progress){ .shown = isatty(STDERR_FILENO), .started_us = now_us() };
}

double progress_seconds(const struct progress *p)
{
	return (double)(now_us() - p->started_us) / (double)US_PER_S;
}

static void grouped(char *out, size_t size, uint64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);
	size_t used = 0;

	for (int i = 0; i < len && used + 2 < size; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			out[used++] = ',';
		out[used++] = digits[i];
	}
	out[used] = '\0';
}

static void time_left(char *out, size_t size, double seconds)
{
	if (seconds < 100)
		snprintf(out, size, "%.0f s left", seconds);
	else if (seconds < 6000)
		snprintf(out, size, "%.0f min left", seconds / 60);
	else
		snprintf(out, size, "%.1f h left", seconds / 3600);
}

void progress_line(char *out, unsigned size, uint64_t done, uint64_t bad, double share,
		   double seconds)
{
	char count[32], rate[32], failed[48] = "", bar[BAR + 1], left[32];
	unsigned filled;

	grouped(count, sizeof(count), done);
	grouped(rate, sizeof(rate), seconds > 0 ? (uint64_t)((double)(done + bad) / seconds) : 0);
	if (bad)
		snprintf(failed, sizeof(failed), ", %" PRIu64 " failed", bad);
	if (share < 0) {
		snprintf(out, size, "%s done%s  %s/s", count, failed, rate);
		return;
	}
	if (share > 1)
		share = 1;
	filled = (unsigned)(share * BAR);
	memset(bar, ' ', BAR);
	memset(bar, '=', filled);
	if (filled < BAR)
		bar[filled] = '>';
	bar[BAR] = '\0';
	time_left(left, sizeof(left), share > 0 ? seconds * (1 - share) / share : 0);
	snprintf(out, size, "%s done%s  [%s] %3.0f %%  %s/s  %s", count, failed, bar, 100 * share,
		 rate, left);
}

void progress_show(struct progress *p, uint64_t done, uint64_t bad, double share)
{
	char line[160];
	int64_t now = p->shown ? now_us() : 0;

	if (!p->shown || now - p->drawn_us < EVERY_US)
		return;
	p->drawn_us = now;
	progress_line(line, sizeof(line), done, bad, share, progress_seconds(p));
	fprintf(stderr, "\r\x1b[K%s", line);
}

void progress_clear(struct progress *p)
{
	if (p->shown && p->drawn_us)
		fputs("\r\x1b[K", stderr);
	p->drawn_us = 0;
}
