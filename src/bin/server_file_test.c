#include "bin/server_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/cleanup.h"

static const char *path_of(const char *dir, struct arena *mem)
{
	return arena_printf(mem, "%s/server.json", dir);
}

static void write_file(const char *dir, const struct server_file *file, int *lock)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct server_file got;
	struct err err;

	assert_true(server_file_lock(dir, lock, &err));
	assert_false(server_file_read(dir, mem, &got)); /* it does not listen yet */
	assert_true(server_file_write(*lock, file, &err));
}

static void what_was_written_is_read_until_it_is_removed(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct server_file file = { "https://[::1]:1", "/a b/\"store", "/c" };
	char dir[] = "/tmp/pinfold-server-file-XXXXXX";
	struct server_file got;
	struct stat st;
	struct err err;
	int lock;

	assert_non_null(mkdtemp(dir));
	assert_false(server_file_read(dir, mem, &got));
	write_file(dir, &file, &lock);
	assert_true(server_file_read(dir, mem, &got));
	assert_string_equal(got.url, file.url);
	assert_string_equal(got.store, file.store);
	assert_string_equal(got.cert_file, file.cert_file);
	assert_int_equal(stat(path_of(dir, mem), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	server_file_remove(dir, lock);
	assert_false(server_file_read(dir, mem, &got));
	assert_int_equal(rmdir(dir), 0);
	assert_false(server_file_lock(dir, &lock, &err));
	assert_int_equal(err.code, ERR_INTERNAL);
}

static void what_a_killed_server_left_is_none_and_is_written_over(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct server_file old = { "http://127.0.0.1:12345", "/longer/than/the/new", "" };
	const struct server_file new = { "http://127.0.0.1:1", "", "" };
	char dir[] = "/tmp/pinfold-server-file-XXXXXX";
	struct server_file got;
	int lock;

	assert_non_null(mkdtemp(dir));
	write_file(dir, &old, &lock);
	close(lock); /* as the kernel does */
	assert_int_equal(access(path_of(dir, mem), F_OK), 0);
	assert_false(server_file_read(dir, mem, &got));
	write_file(dir, &new, &lock);
	assert_true(server_file_read(dir, mem, &got));
	assert_string_equal(got.url, new.url);
	server_file_remove(dir, lock);
	assert_int_equal(rmdir(dir), 0);
}

static void of_two_servers_the_first_has_the_file(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct server_file first = { "http://127.0.0.1:1", "/first", "" };
	const struct server_file second = { "http://127.0.0.1:2", "/second", "" };
	char dir[] = "/tmp/pinfold-server-file-XXXXXX";
	struct server_file got;
	int lock, none = -1;
	struct err err;

	assert_non_null(mkdtemp(dir));
	write_file(dir, &first, &lock);
	assert_false(server_file_lock(dir, &none, &err));
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	server_file_remove(dir, none);
	assert_true(server_file_read(dir, mem, &got));
	assert_string_equal(got.url, first.url);

	/* Somebody clears the directory: what the second writes then is its own. */
	unlink(path_of(dir, mem));
	write_file(dir, &second, &none);
	server_file_remove(dir, lock);
	assert_true(server_file_read(dir, mem, &got));
	assert_string_equal(got.url, second.url);
	server_file_remove(dir, none);
	assert_int_equal(rmdir(dir), 0);
}

static void what_cannot_be_opened_may_be_another_servers(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	char dir[] = "/tmp/pinfold-server-file-XXXXXX";
	struct err err;
	int lock = 7;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(symlink("elsewhere", path_of(dir, mem)), 0);
	assert_false(server_file_lock(dir, &lock, &err));
	assert_int_equal(err.code, ERR_INTERNAL);
	assert_int_equal(lock, -1);
	assert_int_equal(unlink(path_of(dir, mem)), 0);
	assert_int_equal(mkdir(path_of(dir, mem), 0700), 0);
	assert_false(server_file_lock(dir, &lock, &err));
	assert_int_equal(rmdir(path_of(dir, mem)), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void a_file_that_makes_no_sense_is_none(void **state UNUSED)
{
	static const char *const texts[] = { "", "{", "[]", "{\"url\":\"http://a\"}",
					     "{\"url\":1,\"store\":\"\",\"cert_file\":\"\"}" };
	CLEANUP(arena_free) struct arena *mem = arena_new();
	char dir[] = "/tmp/pinfold-server-file-XXXXXX";
	struct server_file got = { "before", "", "" };
	int lock;

	assert_non_null(mkdtemp(dir));
	write_file(dir, &got, &lock);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(ftruncate(lock, 0), 0);
		assert_int_equal(pwrite(lock, texts[i], strlen(texts[i]), 0), strlen(texts[i]));
		assert_false(server_file_read(dir, mem, &got));
		assert_string_equal(got.url, "before");
	}
	server_file_remove(dir, lock);
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
		cmocka_unit_test(what_a_killed_server_left_is_none_and_is_written_over),
		cmocka_unit_test(of_two_servers_the_first_has_the_file),
		cmocka_unit_test(what_cannot_be_opened_may_be_another_servers),
		cmocka_unit_test(a_file_that_makes_no_sense_is_none),
		cmocka_unit_test(every_address_can_be_called_on_this_machine),
	};

	return cmocka_run_group_tests_name("bin/server_file", tests, NULL, NULL);
}
