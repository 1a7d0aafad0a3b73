#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What `fn` writes to stderr. */
static const char *written(void (*fn)(void))
{
	static char text[8192];
	int pipe_fd[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe(pipe_fd), 0);
	dup2(pipe_fd[1], STDERR_FILENO);
	fn();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(pipe_fd[1]);
	n = read(pipe_fd[0], text, sizeof(text) - 1);
	close(pipe_fd[0]);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void hostile(void)
{
	LOG_FIELD("cid", "%s", "a b\n\"c\"");
	log_info("say \"%s\"\x01", "hi\nlevel=error");
}

static void one_event_is_one_line_whatever_it_holds(void **state UNUSED)
{
	const char *line = written(hostile);

	assert_non_null(strstr(line, " level=info at=log_test.c:"));
	assert_non_null(strstr(line, " cid=\"a b\\u000a\\\"c\\\"\""));
	assert_non_null(strstr(line, " msg=\"say \\\"hi\\u000alevel=error\\\"\\u0001\"\n"));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void debug(void)
{
	log_debug("not shown");
}

static void lines_below_the_level_are_not_written(void **state UNUSED)
{
	assert_string_equal(written(debug), "");
}

static void fault(void)
{
	struct err err = { 0 };

	err_set(&err, ERR_NO_SPACE, "disk of %s", "x");
	err_wrap(&err, "put pin");
	log_err(LOG_WARN, &err, "create");
}

static void faults_name_their_code_and_origin(void **state UNUSED)
{
	const char *line = written(fault);

	assert_non_null(strstr(line, "level=warn"));
	assert_non_null(strstr(line, " code=no-space msg=\"create: put pin: disk of x\""));
}

static void long_line(void)
{
	char big[3000];

	memset(big, '"', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_info("%s", big);
}

static void json_is_an_object_a_line(void **state UNUSED)
{
	const char *line;

	log_setup(LOG_INFO, LOG_JSON);
	line = written(hostile);
	assert_non_null(strstr(line, ",\"cid\":\"a b\\u000a\\\"c\\\"\",\"msg\":\"say "));
	assert_int_equal(line[0], '{');
	assert_string_equal(line + strlen(line) - 2, "}\n");
	line = written(long_line);
	assert_string_equal(line + strlen(line) - 3, "\"}\n");
	log_setup(LOG_INFO, LOG_LOGFMT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_event_is_one_line_whatever_it_holds),
		cmocka_unit_test(lines_below_the_level_are_not_written),
		cmocka_unit_test(faults_name_their_code_and_origin),
		cmocka_unit_test(json_is_an_object_a_line),
	};
	return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
