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

static void half_characters(void)
{
	LOG_FIELD("name", "%s", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	LOG_FIELD("cut", "%s", "x\xe2\x82");
	log_info("%s", "\xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xff");
}

static void bytes_that_are_no_character_are_replaced(void **state UNUSED)
{
	const char *line;

	log_setup(LOG_INFO, LOG_JSON);
	line = written(half_characters);
	log_setup(LOG_INFO, LOG_LOGFMT);
	assert_non_null(strstr(line, "\"name\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""));
	assert_non_null(strstr(line, "\"cut\":\"x\\ufffd\\ufffd\""));
	assert_non_null(strstr(line, "\"msg\":\"\\ufffd\\ufffd \\ufffd\\ufffd\\ufffd "));
}

static int filler; /* bytes of the value before the last */

static void almost_full(void)
{
	char quotes[121];

	memset(quotes, '"', 120);
	quotes[120] = '\0';
	LOG_FIELD("a", "%s", quotes);
	LOG_FIELD("b", "%s", quotes);
	LOG_FIELD("c", "%s", quotes);
	LOG_FIELD("d", "%s", quotes);
	LOG_FIELD("e", "%s", quotes);
	LOG_FIELD("f", "%s", quotes);
	LOG_FIELD("g", "%s", quotes);
	LOG_FIELD("h", "%.*s", filler, quotes);
	log_info("the end");
}

static void a_line_that_is_full_is_an_object_wherever_it_ends(void **state UNUSED)
{
	log_setup(LOG_INFO, LOG_JSON);
	for (filler = 0; filler <= 120; filler++) {
		const char *line = written(almost_full);
		size_t quotes = 0, n = strlen(line);

		for (size_t i = 0; i < n; i++) {
			i += line[i] == '\\';
			quotes += line[i] == '"' && line[i - 1] != '\\';
		}
		assert_int_equal(quotes % 4, 0); /* of key and value */
		assert_string_equal(line + n - 3, "\"}\n");
		assert_int_not_equal(line[n - 4], ',');
	}
	log_setup(LOG_INFO, LOG_LOGFMT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_event_is_one_line_whatever_it_holds),
		cmocka_unit_test(lines_below_the_level_are_not_written),
		cmocka_unit_test(faults_name_their_code_and_origin),
		cmocka_unit_test(json_is_an_object_a_line),
		cmocka_unit_test(bytes_that_are_no_character_are_replaced),
		cmocka_unit_test(a_line_that_is_full_is_an_object_wherever_it_ends),
	};
	return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
