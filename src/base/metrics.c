#include "base/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/metrics_table.h"

#define COLLECTORS_MAX 16

struct collector {
	metrics_collect_fn *fn;
	void *ctx;
};

struct shown { /* series with a free label, of one metric, in one exposition */
	struct buf text;
	unsigned n;
};

struct metrics {
	size_t first[METRICS]; /* index of a metric's first cell */
	struct collector collectors[COLLECTORS_MAX];
	unsigned n_collectors;
	pthread_mutex_t writing; /* guards `shown` */
	struct shown shown[METRICS];
	_Atomic uint64_t cells[];
};

/* A histogram has a cell for each bucket, one for what is beyond, one for the sum. */
static unsigned cells_per_series(const struct metric_def *def)
{
	return def->type == METRIC_HISTOGRAM ? def->n_buckets + 2 : 1;
}

static unsigned label_values(const struct metric_def *def, unsigned i)
{
	return def->labels[i].name ? def->labels[i].n : 1;
}

static bool has_free_label(const struct metric_def *def)
{
	return def->labels[0].name && def->labels[0].n == 0;
}

struct metrics *metrics_new(void)
{
	size_t first[METRICS], n = 0;
	struct metrics *m;

	for (unsigned i = 0; i < METRICS; i++) {
		const struct metric_def *def = &metric_defs[i];

		first[i] = n;
		n += (size_t)label_values(def, 0) * label_values(def, 1) * cells_per_series(def);
	}
	m = xcalloc(1, sizeof(*m) + n * sizeof(m->cells[0]));
	memcpy(m->first, first, sizeof(first));
	pthread_mutex_init(&m->writing, NULL);
	return m;
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < METRICS; i++)
		buf_free(&m->shown[i].text);
	pthread_mutex_destroy(&m->writing);
	xfree(m);
}

static _Atomic uint64_t *series(struct metrics *m, enum metric metric, unsigned a, unsigned b)
{
	const struct metric_def *def = &metric_defs[metric];

	assert(a < label_values(def, 0) && b < label_values(def, 1));
	return &m->cells[m->first[metric] +
			 ((size_t)a * label_values(def, 1) + b) * cells_per_series(def)];
}

void metrics_add(struct metrics *m, enum metric metric, unsigned a, unsigned b, uint64_t n)
{
	assert(metric_defs[metric].type == METRIC_COUNTER);
	atomic_fetch_add_explicit(series(m, metric, a, b), n, memory_order_relaxed);
}

void metrics_observe(struct metrics *m, enum metric metric, unsigned a, unsigned b, int64_t us)
{
	const struct metric_def *def = &metric_defs[metric];
	_Atomic uint64_t *cells = series(m, metric, a, b);
	unsigned i = 0;

	assert(def->type == METRIC_HISTOGRAM);
	if (us < 0)
		us = 0;
	while (i < def->n_buckets && us > def->buckets_us[i])
		i++;
	atomic_fetch_add_explicit(&cells[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&cells[def->n_buckets + 1], (uint64_t)us, memory_order_relaxed);
}

void metrics_set(struct metrics *m, enum metric metric, unsigned a, unsigned b, int64_t value)
{
	assert(metric_defs[metric].type != METRIC_HISTOGRAM);
	atomic_store_explicit(series(m, metric, a, b), (uint64_t)value, memory_order_relaxed);
}

void metrics_collect(struct metrics *m, metrics_collect_fn *collect, void *ctx)
{
	assert(m->n_collectors < COLLECTORS_MAX);
	m->collectors[m->n_collectors++] = (struct collector){ collect, ctx };
}

static void put_label_text(struct buf *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_add_byte(out, '\\');
		if (*s == '\n')
			buf_add_str(out, "\\n");
		else
			buf_add_byte(out, (uint8_t)*s);
	}
}

void metrics_show(struct metrics *m, enum metric metric, const char *label, int64_t value)
{
	const struct metric_def *def = &metric_defs[metric];
	struct shown *shown = &m->shown[metric];

	assert(has_free_label(def));
	if (shown->n++ >= METRICS_FREE_MAX)
		return;
	buf_printf(&shown->text, "%s{%s=\"", def->name, def->labels[0].name);
	put_label_text(&shown->text, label);
	buf_printf(&shown->text, "\"} %" PRId64 "\n", value);
}

/* Millionths as a decimal number with at least one digit after the point: a bound must
 * read the same everywhere, since rules select it as text (le="60.0"). */
static void put_seconds(struct buf *out, uint64_t us)
{
	char digits[8];
	int n = snprintf(digits, sizeof(digits), "%06" PRIu64, us % 1000000);

	while (n > 1 && digits[n - 1] == '0')
		n--;
	buf_printf(out, "%" PRIu64 ".%.*s", us / 1000000, n, digits);
}

static void put_value(struct buf *out, const struct metric_def *def, uint64_t value)
{
	if (def->micro)
		put_seconds(out, value);
	else if (def->type == METRIC_GAUGE)
		buf_printf(out, "%" PRId64, (int64_t)value);
	else
		buf_printf(out, "%" PRIu64, value);
	buf_add_byte(out, '\n');
}

/* name`suffix`{labels,`le`} and a blank. */
static void put_name(struct buf *out, const struct metric_def *def, const char *suffix,
		     const unsigned at[LABELS_MAX], const char *le)
{
	const char *sep = "{";

	buf_printf(out, "%s%s", def->name, suffix);
	for (unsigned i = 0; i < LABELS_MAX && def->labels[i].name; i++) {
		const struct metric_label *l = &def->labels[i];

		if (l->values)
			buf_printf(out, "%s%s=\"%s\"", sep, l->name, l->values[at[i]]);
		else
			buf_printf(out, "%s%s=\"%02x\"", sep, l->name, at[i]);
		sep = ",";
	}
	if (le) {
		buf_printf(out, "%sle=\"%s\"", sep, le);
		sep = ",";
	}
	buf_add_str(out, *sep == ',' ? "} " : " ");
}

static void put_histogram(struct buf *out, const struct metric_def *def, const unsigned at[2],
			  _Atomic uint64_t *cells)
{
	uint64_t count = 0;

	for (unsigned i = 0; i <= def->n_buckets; i++) {
		struct buf le = { 0 };

		if (i < def->n_buckets)
			put_seconds(&le, (uint64_t)def->buckets_us[i]);
		else
			buf_add_str(&le, "+Inf");
		buf_add_byte(&le, '\0');
		count += atomic_load_explicit(&cells[i], memory_order_relaxed);
		put_name(out, def, "_bucket", at, (const char *)le.ptr);
		buf_printf(out, "%" PRIu64 "\n", count);
		buf_free(&le);
	}
	put_name(out, def, "_sum", at, NULL);
	put_value(out, def, atomic_load_explicit(&cells[def->n_buckets + 1], memory_order_relaxed));
	put_name(out, def, "_count", at, NULL);
	buf_printf(out, "%" PRIu64 "\n", count);
}

static void put_series(struct metrics *m, enum metric metric, struct buf *out)
{
	const struct metric_def *def = &metric_defs[metric];
	unsigned at[LABELS_MAX];

	for (at[0] = 0; at[0] < label_values(def, 0); at[0]++) {
		for (at[1] = 0; at[1] < label_values(def, 1); at[1]++) {
			_Atomic uint64_t *cells = series(m, metric, at[0], at[1]);

			if (def->type == METRIC_HISTOGRAM) {
				put_histogram(out, def, at, cells);
				continue;
			}
			put_name(out, def, "", at, NULL);
			put_value(out, def, atomic_load_explicit(cells, memory_order_relaxed));
		}
	}
}

static const char *type_name(enum metric_type type)
{
	static const char *const names[] = { "counter", "gauge", "histogram" };

	return names[type];
}

static void put_head(struct buf *out, const struct metric_def *def, enum metrics_format format)
{
	size_t n = strlen(def->name);

	if (format == METRICS_OPENMETRICS && def->type == METRIC_COUNTER)
		n -= strlen("_total");
	buf_printf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)n, def->name, def->help, (int)n,
		   def->name, type_name(def->type));
}

const char *metrics_content_type(enum metrics_format format)
{
	return format == METRICS_TEXT
		       ? "text/plain; version=0.0.4; charset=utf-8"
		       : "application/openmetrics-text; version=1.0.0; charset=utf-8";
}

enum metrics_format metrics_negotiate(struct slice accept)
{
	static const char name[] = "application/openmetrics-text";

	return accept.len && memmem(accept.ptr, accept.len, name, sizeof(name) - 1)
		       ? METRICS_OPENMETRICS
		       : METRICS_TEXT;
}

void metrics_write(struct metrics *m, enum metrics_format format, struct buf *out)
{
	pthread_mutex_lock(&m->writing);
	for (unsigned i = 0; i < METRICS; i++) {
		buf_drop(&m->shown[i].text, m->shown[i].text.len);
		m->shown[i].n = 0;
	}
	for (unsigned i = 0; i < m->n_collectors; i++)
		m->collectors[i].fn(m->collectors[i].ctx, m);
	for (unsigned i = 0; i < METRICS; i++) {
		put_head(out, &metric_defs[i], format);
		if (has_free_label(&metric_defs[i]))
			buf_add_slice(out, buf_slice(&m->shown[i].text));
		else
			put_series(m, i, out);
	}
	if (format == METRICS_OPENMETRICS)
		buf_add_str(out, "# EOF\n");
	pthread_mutex_unlock(&m->writing);
}

static void doc_label(struct buf *out, const struct metric_label *l)
{
	buf_printf(out, "`%s`: ", l->name);
	if (l->n == 0)
		buf_printf(out, "one for each %s, at most %d", l->name, METRICS_FREE_MAX);
	else if (!l->values)
		buf_printf(out, "two hex digits, %u values", l->n);
	for (unsigned i = 0; l->values && i < l->n; i++)
		buf_printf(out, "%s%s", i ? ", " : "", l->values[i]);
}

void metrics_doc(struct buf *out)
{
	buf_add_str(out, "# Metrics\n\n"
			 "Served at `/metrics`. Printed from the program's own table by `pinfold "
			 "doc metrics`; a test compares.\n\n"
			 "| name | type | labels | what it tells |\n|---|---|---|---|\n");
	for (unsigned i = 0; i < METRICS; i++) {
		const struct metric_def *def = &metric_defs[i];

		buf_printf(out, "| `%s` | %s | ", def->name, type_name(def->type));
		for (unsigned k = 0; k < LABELS_MAX && def->labels[k].name; k++) {
			if (k)
				buf_add_str(out, "; ");
			doc_label(out, &def->labels[k]);
		}
		buf_printf(out, " | %s |\n", def->help);
	}
	buf_add_str(out, "\nHistograms, upper bounds in seconds:\n\n");
	for (unsigned i = 0; i < METRICS; i++) {
		const struct metric_def *def = &metric_defs[i];

		if (def->type != METRIC_HISTOGRAM)
			continue;
		buf_printf(out, "- `%s`:", def->name);
		for (unsigned k = 0; k < def->n_buckets; k++) {
			buf_add_byte(out, ' ');
			put_seconds(out, (uint64_t)def->buckets_us[k]);
		}
		buf_add_byte(out, '\n');
	}
}
