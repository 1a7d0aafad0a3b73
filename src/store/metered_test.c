#include "store/metered.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/log.h"

static struct scripted { /* a back end that fails as it is told */
	struct store_backend base;
	enum err_code code;
	bool closed;
} scripted;

static bool answer(struct err *err)
{
	return scripted.code == ERR_NONE || err_set(err, scripted.code, "told to");
}

static bool on_read(struct store_backend *b UNUSED, const struct store_query *q UNUSED,
		    store_row_fn *each UNUSED, void *ctx UNUSED, struct err *err)
{
	return answer(err);
}

static bool on_write(struct store_backend *b UNUSED, const struct store_write *w UNUSED,
		     size_t n UNUSED, struct err *err)
{
	return answer(err);
}

static void on_when_durable(struct store_backend *b UNUSED, uint64_t mark UNUSED,
			    store_durable_fn *fn, void *ctx)
{
	struct err err;

	fn(ctx, answer(&err) ? NULL : &err);
}

static void on_close(struct store_backend *b UNUSED)
{
	scripted.closed = true;
}

static const struct store_ops scripted_ops = {
	.name = "scripted",
	.read = on_read,
	.write = on_write,
	.when_durable = on_when_durable,
	.close = on_close,
};

static void note_durable(void *ctx, const struct err *err)
{
	*(enum err_code *)ctx = err ? err->code : ERR_NONE;
}

/* Every call once, ending in `code`. */
static void call_all(struct store_backend *b, enum err_code code)
{
	const struct setting key = { .name = SLICE_LIT("x") };
	struct store_query one = {
		.table = TABLE_SETTINGS, .equal = &key, .n_equal = 1, .limit = 1
	};
	struct store_query many = { .table = TABLE_SETTINGS };
	enum err_code durable = ERR_INTERNAL;
	bool ok = code == ERR_NONE;
	struct err err;

	scripted.code = code;
	assert_int_equal(b->ops->read(b, &one, NULL, NULL, &err), ok);
	assert_int_equal(b->ops->read(b, &many, NULL, NULL, &err), ok);
	assert_int_equal(b->ops->write(b, NULL, 0, &err), ok);
	b->ops->when_durable(b, 0, note_durable, &durable);
	assert_int_equal(durable, code);
}

static void every_call_is_counted_by_what_came_of_it(void **state UNUSED)
{
	static const char *const lines[] = {
		"store_operations_total{operation=\"get\",status=\"ok\"} 2\n",
		"store_operations_total{operation=\"range\",status=\"timeout\"} 1\n",
		"store_operations_total{operation=\"write\",status=\"unavailable\"} 2\n",
		"store_operations_total{operation=\"sync\",status=\"unavailable\"} 2\n",
		"store_operations_total{operation=\"sync\",status=\"error\"} 1\n",
		"store_operation_duration_seconds_count{operation=\"range\"} 6\n",
		"store_query_duration_seconds_count{statement=\"fsync\"} 6\n",
		"store_timeouts_total 4\n",
		"store_unavailable_total 8\n",
	};
	static const enum err_code codes[] = { ERR_NONE,        ERR_NONE,     ERR_TIMEOUT,
					       ERR_UNAVAILABLE, ERR_NO_SPACE, ERR_CORRUPT };
	CLEANUP(metrics_free) struct metrics *m = metrics_new();
	CLEANUP(buf_free) struct buf out = { 0 };
	struct store_backend *b;

	scripted = (struct scripted){ .base.ops = &scripted_ops };
	b = store_metered(&scripted.base, m);
	assert_string_equal(b->ops->name, "scripted");
	assert_null(b->ops->lock);
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		call_all(b, codes[i]);
	b->ops->close(b);
	assert_true(scripted.closed);
	metrics_write(m, METRICS_TEXT, &out);
	buf_add_byte(&out, '\0');
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (!strstr((const char *)out.ptr, lines[i]))
			fail_msg("no line %s", lines[i]);
}

static const char *written_with(enum log_level level, enum err_code code)
{
	static char text[8192];
	const uint8_t raw[] = { 1, 0x55, 0, 1, 'a' }; /* identity hash of "a" */
	const struct wake wake = { .cid = { raw, sizeof(raw) } };
	struct store_query one = { .table = TABLE_WAKE,
				   .equal = &wake,
				   .n_equal = table_schema(TABLE_WAKE)->n_key };
	CLEANUP(metrics_free) struct metrics *m = metrics_new();
	struct store_backend *b;
	int pipe_fd[2], saved = dup(STDERR_FILENO);
	struct err err;
	ssize_t n;

	scripted = (struct scripted){ .base.ops = &scripted_ops, .code = code };
	b = store_metered(&scripted.base, m);
	log_setup(level, LOG_LOGFMT);
	assert_int_equal(pipe(pipe_fd), 0);
	dup2(pipe_fd[1], STDERR_FILENO);
	(void)!b->ops->read(b, &one, NULL, NULL, &err);
	dup2(saved, STDERR_FILENO);
	log_setup(LOG_INFO, LOG_LOGFMT);
	close(saved);
	close(pipe_fd[1]);
	n = read(pipe_fd[0], text, sizeof(text) - 1);
	close(pipe_fd[0]);
	b->ops->close(b);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void a_call_is_one_line_of_debug_and_a_failed_one_an_error(void **state UNUSED)
{
	static const char *const fields[] = { " operation=get ", " table=wake ", " cid=bafkqaalb ",
					      " duration_us=" };

	assert_string_equal(written_with(LOG_INFO, ERR_NONE), "");
	assert_string_equal(written_with(LOG_INFO, ERR_NO_SPACE), "");
	assert_non_null(strstr(written_with(LOG_DEBUG, ERR_NO_SPACE), "told to"));
	for (int failed = 0; failed < 2; failed++) {
		const char *line = written_with(failed ? LOG_INFO : LOG_DEBUG,
						failed ? ERR_TIMEOUT : ERR_NONE);

		for (size_t i = 0; i < ARRAY_LEN(fields); i++)
			if (!strstr(line, fields[i]))
				fail_msg("no %s in %s", fields[i], line);
		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
		assert_non_null(strstr(line, failed ? " level=error " : " level=debug "));
		assert_true(!failed || strstr(line, "told to"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_is_counted_by_what_came_of_it),
		cmocka_unit_test(a_call_is_one_line_of_debug_and_a_failed_one_an_error),
	};
	return cmocka_run_group_tests_name("store/metered", tests, NULL, NULL);
}
