#include "bin/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "bin/nearest.h"
#include "bin/option_value.h"

struct fixture {
	struct arena *mem;
	struct buf problems;
	struct config_result result;
	struct err err;
	char dir[64];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->mem = arena_new();
	snprintf(f->dir, sizeof(f->dir), "/tmp/pinfold-config-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	const char *names[] = { "config.json", "secret" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unlink(arena_printf(f->mem, "%s/%s", f->dir, names[i]));
	rmdir(f->dir);
	arena_free(f->mem);
	buf_free(&f->problems);
	free(f);
	return 0;
}

static const char *write_file(struct fixture *f, const char *name, const char *text)
{
	const char *path = arena_printf(f->mem, "%s/%s", f->dir, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	return path;
}

static const struct option_row *row_of(const char *name)
{
	for (size_t i = 0; i < n_option_rows; i++)
		if (!strcmp(option_rows[i].name, name))
			return &option_rows[i];
	fail_msg("no option %s", name);
	return NULL;
}

/* `json` NULL: no file.  `env` and `flags` end with NULL; flags are option, value. */
static bool load(struct fixture *f, const char *json, const char *const *env,
		 const char *const *flags)
{
	struct config_flag given[8];
	struct config_input in = { .env = env, .flags = given };

	if (json)
		in.file = write_file(f, "config.json", json);
	for (; flags && *flags; flags += 2)
		given[in.n_flags++] = (struct config_flag){ row_of(flags[0]), flags[1], false };
	buf_drop(&f->problems, f->problems.len);
	f->result.problems = &f->problems;
	return config_load(&in, f->mem, &f->result, &f->err);
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void every_default_is_within_its_own_range(void **state)
{
	struct fixture *f = *state;

	assert_true(load(f, NULL, LIST("HOME=/home/x"), NULL));
	assert_int_equal(f->result.config.worker.stall_us, 2 * US_PER_MIN);
	assert_int_equal(f->result.config.worker.max_fetches, 10);
	assert_int_equal(f->result.config.ttl.scan_us, 5 * US_PER_MIN);
	assert_int_equal(f->result.config.store.rocksdb_cache, 64 << 20);
	assert_string_equal(f->result.config.listen, "127.0.0.1:9480");
	assert_int_equal(f->result.config.n_kubo, 0);
}

static void flag_wins_over_environment_over_file_over_default(void **state)
{
	struct fixture *f = *state;
	const char *json =
		"{\"bus\":{\"queue_max\":33},\"http\":{\"loops\":3},\"log\":{\"level\":\"warn\"}}";

	assert_true(load(f, json, LIST("PINFOLD_HTTP_LOOPS=4", "PINFOLD_LOG_LEVEL=error"),
			 LIST("http.loops", "5")));
	assert_int_equal(f->result.config.http.loops, 5);
	assert_int_equal(f->result.config.log.level, 3);
	assert_int_equal(f->result.config.bus.queue_max, 33);
	assert_int_equal(f->result.config.http.backlog, 1024);
	assert_int_equal(f->result.origins[row_of("http.loops") - option_rows].source, FROM_FLAG);
	assert_string_equal(f->result.origins[row_of("log.level") - option_rows].place,
			    "PINFOLD_LOG_LEVEL");
	assert_int_equal(f->result.origins[row_of("bus.queue_max") - option_rows].source,
			 FROM_FILE);
	assert_int_equal(f->result.origins[row_of("http.backlog") - option_rows].source,
			 FROM_DEFAULT);
}

struct refused {
	const char *json, *env, *says;
};

static const struct refused refusals[] = {
	{ "{\"worker\":{\"stall_timeout\":\"abc\"}}", NULL,
	  "worker.stall_timeout: \"abc\" (file " },
	{ "{\"worker\":{\"stall_timeout\":\"abc\"}}", NULL,
	  ") is not allowed: a duration such as 90s, from 1ms to 24h" },
	{ NULL, "PINFOLD_WORKER_STALL_TIMEOUT=25h",
	  "worker.stall_timeout: \"25h\" (PINFOLD_WORKER_STALL_TIMEOUT) is not allowed" },
	{ NULL, "PINFOLD_LOG_LEVEL=loud", "is not allowed: debug, info, warn or error" },
	{ NULL, "PINFOLD_HTTP_WORKERS=1025", "a number, from 0 to 1024" },
	{ NULL, "PINFOLD_HTTP_WORKERS=4x", "a number, from 0 to 1024" },
	{ NULL, "PINFOLD_LISTEN=localhost", "HOST:PORT" },
	{ NULL, "PINFOLD_LISTEN=::1:80", "HOST:PORT" },
	{ NULL, "PINFOLD_LISTEN=a:70000", "HOST:PORT" },
	{ NULL, "PINFOLD_ORIGINS_ALLOW=10.0.0.0/8,10.0.0.0/33", "each item a network" },
	{ NULL, "PINFOLD_KUBO=localhost:5001", "each item a URL" },
	{ NULL, "PINFOLD_TLS_CERT_FILE=a.pem", "needs tls.key_file" },
	{ NULL, "PINFOLD_WORKER_RETRY_MIN=2h", "worker.retry_min must not be longer" },
	{ NULL, "PINFOLD_OWNER_REPLICAS_MIN=3", "owner.replicas_min must not be more" },
	{ NULL, "PINFOLD_OWNER_REPLICAS_MAX=-1", "owner.replicas_min must not be more" },
	{ NULL, "PINFOLD_OWNER_REPLICAS_MIN=0", "owner.replicas_min must not be more" },
	{ NULL, "PINFOLD_OWNER_REPLICAS_MAX=101", "owner.replicas_max" },
	{ "{\"worker\":{\"stal_timeout\":\"1s\"}}", NULL,
	  "worker.stal_timeout: there is no such option (file " },
	{ "{\"worker\":{\"stal_timeout\":\"1s\"}}", NULL, "did you mean worker.stall_timeout?" },
	{ "{\"worker\":5}", NULL, "worker: must be an object" },
	{ "{\"http\":{\"loops\":\"3\"}}", NULL, "http.loops: \"\"3\"\" (file " },
	{ "{\"http\":{\"loops\":3,\"loops\":4}}", NULL, "line 1" },
	{ "{\"bus\":", NULL, "line 1" },
	{ "[]", NULL, "must be a JSON object" },
	{ "{\"origins\":{\"allow\":\"10.0.0.0/8\"}}", NULL, "origins.allow" },
	{ "{\"kubo\":[{\"zone\":\"a\"}]}", NULL, "kubo[0]: url is missing" },
	{ "{\"kubo\":[\"http://a:1\",{\"url\":\"http://b\",\"tag\":[]}]}", NULL,
	  "kubo[1].tag: there is no such option; did you mean tags?" },
	{ "{\"kubo\":[{\"url\":\"http://b\",\"auth\":\"hunter2\"}]}", NULL,
	  "kubo[0].auth: must be bearer:TOKEN" },
	{ NULL, "PINFOLD_KUBO=unix:/a.sock,http://me:hunter2@h:1", "unix:/a.sock,http://***@h:1" },
	{ NULL, "PINFOLD_CONFIG=/nonexistent/x.json", "configuration file /nonexistent/x.json" },
};

static void what_is_refused_names_option_value_source_and_what_is_allowed(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		const struct refused *r = &refusals[i];
		const char *env[] = { r->env, NULL };

		if (load(f, r->json, env, NULL))
			fail_msg("accepted: %s %s", r->json ? r->json : "", r->env ? r->env : "");
		buf_add_byte(&f->problems, '\0');
		if (!strstr((char *)f->problems.ptr, r->says))
			fail_msg("%s %s: %s", r->json ? r->json : "", r->env ? r->env : "",
				 (char *)f->problems.ptr);
		assert_null(strstr((char *)f->problems.ptr, "hunter2"));
	}
}

static void all_mistakes_are_found_in_one_run(void **state)
{
	struct fixture *f = *state;
	size_t lines = 0;

	assert_false(load(f, "{\"data\":3,\"logs\":{}}", LIST("PINFOLD_HTTP_LOOPS=x"), NULL));
	for (size_t i = 0; i < f->problems.len; i++)
		lines += f->problems.ptr[i] == '\n';
	assert_int_equal(lines, 3);
	assert_non_null(strstr(f->err.text, "data: "));
}

static void secrets_come_from_files_and_the_environment_but_no_flag(void **state)
{
	struct fixture *f = *state;
	const char *path = write_file(f, "secret", "bearer:hunter2\n");
	const char *env = arena_printf(f->mem, "PINFOLD_WORKER_KUBO_AUTH_FILE=%s", path);
	const char *json = arena_printf(f->mem, "{\"worker\":{\"kubo_auth_file\":\"%s\"}}", path);

	assert_true(load(f, NULL, LIST(env, "PINFOLD_KUBO=http://a:1"), NULL));
	assert_string_equal(f->result.config.kubo[0].secret, "hunter2");
	assert_int_equal(f->result.config.kubo[0].auth, KUBO_AUTH_BEARER);
	assert_true(load(f, json, NULL, NULL));
	assert_string_equal(f->result.config.worker.kubo_auth, "bearer:hunter2");
	assert_true(load(f, NULL, LIST("PINFOLD_WORKER_KUBO_AUTH=basic:u:p"), NULL));
	assert_false(load(f, NULL, NULL, LIST("worker.kubo_auth", "bearer:hunter2")));
	assert_non_null(strstr(f->err.text, "--worker-kubo-auth-file"));
	assert_null(strstr(f->err.text, "hunter2"));
	assert_false(load(f, NULL, LIST("PINFOLD_WORKER_KUBO_AUTH=hunter2"), NULL));
	assert_null(strstr(f->err.text, "hunter2"));
}

static void kubo_nodes_are_urls_or_objects(void **state)
{
	struct fixture *f = *state;
	const char *json = "{\"kubo\":[\"http://127.0.0.1:5001\",{\"url\":\"unix:/run/k.sock\","
			   "\"auth\":\"basic:me:pw\",\"zone\":\"a\",\"tags\":[\"ssd\",\"fast\"],"
			   "\"ca_file\":\"/b.pem\"}]}";
	const struct config_kubo *k;

	assert_true(load(f, json, NULL, LIST("worker.kubo_ca_file", "/a.pem")));
	assert_int_equal(f->result.config.n_kubo, 2);
	k = f->result.config.kubo;
	assert_string_equal(k[0].url, "http://127.0.0.1:5001");
	assert_int_equal(k[0].auth, KUBO_AUTH_NONE);
	assert_string_equal(k[1].zone, "a");
	assert_int_equal(k[1].auth, KUBO_AUTH_BASIC);
	assert_string_equal(k[1].secret, "me:pw");
	assert_int_equal(k[1].tags.n, 2);
	assert_string_equal(k[1].tags.items[1], "fast");
	assert_string_equal(k[1].ca_file, "/b.pem");
	assert_string_equal(k[0].ca_file, "/a.pem"); /* that of all */
	assert_string_equal(f->result.config.added_kubo.ca_file, "/a.pem");
	assert_true(load(f, json, NULL, NULL));
	assert_null(f->result.config.kubo[0].ca_file);
	assert_true(load(f, json, NULL, LIST("kubo", "http://x:1", "kubo", "http://y:2")));
	assert_int_equal(f->result.config.n_kubo, 2);
	assert_string_equal(f->result.config.kubo[1].url, "http://y:2");
}

static void the_file_of_the_data_directory_is_found(void **state)
{
	struct fixture *f = *state;
	const char *json = "{\"log\":{\"format\":\"json\"}}";

	write_file(f, "config.json", json);
	assert_true(load(f, NULL, NULL, LIST("data", f->dir)));
	assert_int_equal(f->result.config.log.format, 1);
	assert_non_null(f->result.file);
}

static void sizes_have_units(void **state UNUSED)
{
	static const struct {
		const char *text;
		int64_t size;
	} sizes[] = {
		{ "0", 0 },
		{ "1048576", 1 << 20 },
		{ "64MiB", 64 << 20 },
		{ "2GB", 2000000000 },
		{ "1.5KiB", 1536 },
		{ "12B", 12 },
		{ "9223372036854775807", INT64_MAX },
		{ "9223372036854775808", -1 },
		{ "1k", -1 },
		{ "", -1 },
		{ "-1", -1 },
		{ "9999999TiB", -1 },
		{ "1 MiB", -1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		uint64_t size = 0;

		if (!size_parse(sizes[i].text, &size))
			size = (uint64_t)-1;
		if ((int64_t)size != sizes[i].size)
			fail_msg("\"%s\": %ld", sizes[i].text, (long)size);
	}
}

static void the_nearest_name_is_suggested_if_it_is_near(void **state UNUSED)
{
	static const char *const names[] = { "pin add", "pin ls", "peer ls", "status" };

	assert_string_equal(nearest("pin lst", names, 4), "pin ls");
	assert_string_equal(nearest("staus", names, 4), "status");
	assert_string_equal(nearest("stauts", names, 4), "status");
	assert_null(nearest("frobnicate", names, 4));
}

static void strangers_in_the_environment_are_told(void **state)
{
	struct fixture *f = *state;

	config_strangers(LIST("PINFOLD_LOG_LEVL=warn", "PINFOLD_LISTEN=a:1", "PATH=/bin",
			      "PINFOLD_WORKER_KUBO_AUTH_FILE=x"),
			 &f->problems);
	buf_add_byte(&f->problems, '\0');
	assert_string_equal((char *)f->problems.ptr,
			    "PINFOLD_LOG_LEVL: no option of that name; did "
			    "you mean PINFOLD_LOG_LEVEL?\n");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_default_is_within_its_own_range),
		TEST(flag_wins_over_environment_over_file_over_default),
		TEST(what_is_refused_names_option_value_source_and_what_is_allowed),
		TEST(all_mistakes_are_found_in_one_run),
		TEST(secrets_come_from_files_and_the_environment_but_no_flag),
		TEST(kubo_nodes_are_urls_or_objects),
		TEST(the_file_of_the_data_directory_is_found),
		cmocka_unit_test(sizes_have_units),
		cmocka_unit_test(the_nearest_name_is_suggested_if_it_is_near),
		TEST(strangers_in_the_environment_are_told),
	};
	return cmocka_run_group_tests_name("bin/config", tests, NULL, NULL);
}
