/*
 * progress.h -- a line on the terminal that tells how far a long command has come.
 *
 *	12,400 done, 3 failed  [=========>          ]  46 %  3,120/s  4 s left
 *
 * Drawn on stderr, at most five times a second, and only if that is a terminal.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool shown;
	int64_t started_us, drawn_us; /* mono */
};

/* Takes the time from here on. */
void progress_start(struct progress *p);

/* `share` of the work that is done, 0 to 1; below 0 if nobody knows how much there is. */
void progress_show(struct progress *p, uint64_t done, uint64_t bad, double share);

/* Takes the line away; call it before printing anything else there, and at the end. */
void progress_clear(struct progress *p);

/* Since progress_start(), in seconds. */
double progress_seconds(const struct progress *p);

/* The line itself, without its colour and without drawing it: what `seconds` have brought. */
void progress_line(char *out, unsigned size, uint64_t done, uint64_t bad, double share,
		   double seconds);
