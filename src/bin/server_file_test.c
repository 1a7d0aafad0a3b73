#include "bin/server_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/cleanup.h"

static const char *path_of(const char *dir, struct arena *mem)
{
	return arena_printf(mem, "%s/server.json", dir);
}

static void what_was_written_is_read_until_it_is_removed(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct server_file file = { "https://[::1]:1", "/a b/\"store", "/c" };
	char dir[] = "/tmp/pinfold-server-file-XXXXXX";
	struct server_file got;
	struct stat st;
	struct err err;

	assert_non_null(mkdtemp(dir));
	assert_false(server_file_read(dir, mem, &got));
	for (int i = 0; i < 2; i++) { /* what is there is written over */
		assert_true(server_file_write(dir, &file, &err));
		assert_true(server_file_read(dir, mem, &got));
		assert_string_equal(got.url, file.url);
		assert_string_equal(got.store, file.store);
		assert_string_equal(got.cert_file, file.cert_file);
	}
	assert_int_equal(stat(path_of(dir, mem), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	server_file_remove(dir);
	assert_false(server_file_read(dir, mem, &got));
	assert_int_equal(rmdir(dir), 0);
	assert_false(server_file_write(dir, &file, &err));
}

static void a_file_that_makes_no_sense_is_none(void **state UNUSED)
{
	static const char *const texts[] = { "", "{", "[]", "{\"url\":\"http://a\"}",
					     "{\"url\":1,\"store\":\"\",\"cert_file\":\"\"}" };
	CLEANUP(arena_free) struct arena *mem = arena_new();
	char dir[] = "/tmp/pinfold-server-file-XXXXXX";
	struct server_file got = { "before", "", "" };

	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		FILE *f = fopen(path_of(dir, mem), "w");

		assert_non_null(f);
		fputs(texts[i], f);
		fclose(f);
		assert_false(server_file_read(dir, mem, &got));
		assert_string_equal(got.url, "before");
	}
	server_file_remove(dir);
	assert_int_equal(rmdir(dir), 0);
}

static void every_address_can_be_called_on_this_machine(void **state UNUSED)
{
	static const char *const urls[][2] = {
		{ "http://0.0.0.0:9480", "http://127.0.0.1:9480" },
		{ "https://[::]:9480", "https://[::1]:9480" },
		{ "http://10.0.0.0:1", "http://10.0.0.0:1" },
		{ "http://pins.example:80", "http://pins.example:80" },
	};
	CLEANUP(arena_free) struct arena *mem = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(urls); i++)
		assert_string_equal(callable_url(urls[i][0], mem), urls[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read_until_it_is_removed),
		cmocka_unit_test(a_file_that_makes_no_sense_is_none),
		cmocka_unit_test(every_address_can_be_called_on_this_machine),
	};

	return cmocka_run_group_tests_name("bin/server_file", tests, NULL, NULL);
}
