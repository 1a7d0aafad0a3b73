#include "base/metrics.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

/* The exposition as a string; the caller frees the buffer. */
static const char *exposed(struct metrics *m, enum metrics_format format, struct buf *out)
{
	buf_drop(out, out->len);
	metrics_write(m, format, out);
	buf_add_byte(out, '\0');
	return (const char *)out->ptr;
}

static void some_life(struct metrics *m)
{
	metrics_add(m, METRIC_PIN_EVENTS, EVENT_TTL, 0xa7, 3);
	metrics_observe(m, METRIC_PIN_E2E, 0, 0, 60 * US_PER_S);
	metrics_observe(m, METRIC_PIN_E2E, 0, 0, 60 * US_PER_S + 1);
	metrics_set(m, METRIC_PIN_DESIRED, 0, 0, 12);
}

static void what_is_exactly_at_a_bound_lies_within_it(void **state UNUSED)
{
	CLEANUP(metrics_free) struct metrics *m = metrics_new();
	CLEANUP(buf_free) struct buf out = { 0 };
	const char *text;

	some_life(m);
	text = exposed(m, METRICS_TEXT, &out);
#define E2E "pin_end_to_end_seconds"
	assert_non_null(strstr(text, E2E "_bucket{source=\"api\",op=\"pin\",le=\"45.0\"} 0\n"));
	assert_non_null(strstr(text, E2E "_bucket{source=\"api\",op=\"pin\",le=\"60.0\"} 1\n"));
	assert_non_null(strstr(text, E2E "_bucket{source=\"api\",op=\"pin\",le=\"90.0\"} 2\n"));
	assert_non_null(strstr(text, E2E "_bucket{source=\"api\",op=\"pin\",le=\"+Inf\"} 2\n"));
	assert_non_null(strstr(text, E2E "_sum{source=\"api\",op=\"pin\"} 120.000001\n"));
	assert_non_null(strstr(text, E2E "_count{source=\"api\",op=\"pin\"} 2\n"));
}

static void series_exist_before_their_first_event(void **state UNUSED)
{
	CLEANUP(metrics_free) struct metrics *m = metrics_new();
	CLEANUP(buf_free) struct buf out = { 0 };
	const char *text = exposed(m, METRICS_TEXT, &out);

	assert_non_null(strstr(text, "pin_events_total{type=\"upsert\",mh_prefix=\"00\"} 0\n"));
	assert_non_null(strstr(text, "pin_events_total{type=\"error\",mh_prefix=\"ff\"} 0\n"));
	assert_non_null(strstr(text, "cluster_pin_desired 0\n"));
}

static void show_peers(void *ctx, struct metrics *m)
{
	unsigned n = *(unsigned *)ctx;

	for (unsigned i = 0; i < n; i++) {
		char name[32];

		snprintf(name, sizeof(name), "pe\"er\n%u", i);
		metrics_show(m, METRIC_PEER_FREE, name, 1000 + i);
	}
	metrics_set(m, METRIC_STORE_PINS, 0, 0, n);
}

static size_t lines_with(const char *text, const char *start)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, start)); p++)
		n++;
	return n;
}

static void collectors_show_what_is_true_now(void **state UNUSED)
{
	CLEANUP(metrics_free) struct metrics *m = metrics_new();
	CLEANUP(buf_free) struct buf out = { 0 };
	unsigned n = 2;
	const char *text;

	metrics_collect(m, show_peers, &n);
	text = exposed(m, METRICS_TEXT, &out);
	assert_non_null(strstr(text, "\npeer_free_bytes{peer=\"pe\\\"er\\n1\"} 1001\n"));
	assert_non_null(strstr(text, "\nstore_pins 2\n"));
	n = 1;
	assert_int_equal(lines_with(exposed(m, METRICS_TEXT, &out), "\npeer_free_bytes{"), 1);
	n = METRICS_FREE_MAX + 10;
	assert_int_equal(lines_with(exposed(m, METRICS_TEXT, &out), "\npeer_free_bytes{"),
			 METRICS_FREE_MAX);
}

static void openmetrics_names_counters_without_total_and_ends(void **state UNUSED)
{
	CLEANUP(metrics_free) struct metrics *m = metrics_new();
	CLEANUP(buf_free) struct buf out = { 0 };
	const char *text = exposed(m, METRICS_OPENMETRICS, &out);

	assert_non_null(strstr(text, "# TYPE pin_events counter\n"));
	assert_non_null(strstr(text, "\npin_events_total{type="));
	assert_string_equal(text + strlen(text) - 6, "# EOF\n");
	assert_int_equal(metrics_negotiate(slice_str("text/html, */*")), METRICS_TEXT);
	assert_int_equal(metrics_negotiate(slice_str("application/openmetrics-text;version=1.0.0")),
			 METRICS_OPENMETRICS);
}

static void *count_a_lot(void *arg)
{
	for (unsigned i = 0; i < 100000; i++) {
		metrics_add(arg, METRIC_PIN_EVENTS, EVENT_UPSERT, 1, 1);
		metrics_observe(arg, METRIC_STORE_QUERY, STATEMENT_GET, 0, 2);
	}
	return NULL;
}

static void nothing_is_lost_between_threads(void **state UNUSED)
{
	CLEANUP(metrics_free) struct metrics *m = metrics_new();
	CLEANUP(buf_free) struct buf out = { 0 };
	pthread_t threads[4];
	const char *text;

	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_a_lot, m), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	text = exposed(m, METRICS_TEXT, &out);
	assert_non_null(strstr(text, "{type=\"upsert\",mh_prefix=\"01\"} 400000\n"));
	assert_non_null(strstr(text, "_seconds_count{statement=\"get\"} 400000\n"));
	assert_non_null(strstr(text, "_seconds_sum{statement=\"get\"} 0.8\n"));
}

static void promtool_accepts_the_exposition(void **state UNUSED)
{
	CLEANUP(metrics_free) struct metrics *m = metrics_new();
	CLEANUP(buf_free) struct buf out = { 0 };
	unsigned n = 3;
	FILE *promtool;

	metrics_collect(m, show_peers, &n);
	some_life(m);
	metrics_write(m, METRICS_TEXT, &out);
	promtool = popen("promtool check metrics >&2", "w");
	assert_non_null(promtool);
	assert_int_equal(fwrite(out.ptr, 1, out.len, promtool), out.len);
	assert_int_equal(pclose(promtool), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_exactly_at_a_bound_lies_within_it),
		cmocka_unit_test(series_exist_before_their_first_event),
		cmocka_unit_test(collectors_show_what_is_true_now),
		cmocka_unit_test(openmetrics_names_counters_without_total_and_ends),
		cmocka_unit_test(nothing_is_lost_between_threads),
		cmocka_unit_test(promtool_accepts_the_exposition),
	};
	return cmocka_run_group_tests_name("base/metrics", tests, NULL, NULL);
}
