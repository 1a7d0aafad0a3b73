/* metrics_table.h -- the table of all metrics, for metrics.c alone. */
#pragma once

#include "base/metrics.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

#define LABELS_MAX 2

struct metric_label {
	const char *name;          /* NULL: there is no such label */
	const char *const *values; /* NULL: two hex digits for each index */
	unsigned n;                /* values; 0: free, given by a collector */
};

struct metric_def {
	const char *name, *help;
	enum metric_type type;
	struct metric_label labels[LABELS_MAX];
	const int64_t *buckets_us; /* upper bounds of a histogram, rising */
	unsigned n_buckets;
	bool micro; /* kept in millionths, shown as seconds */
};

extern const struct metric_def metric_defs[METRICS];
