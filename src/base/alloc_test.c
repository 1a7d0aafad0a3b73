#include "base/alloc.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"

/* Of the sanitizers, who would end the process in their own words. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void ask_malloc(size_t size)
{
	xfree(xmalloc(size));
}

static void ask_calloc(size_t size)
{
	xfree(xcalloc(2, size / 2));
}

static void ask_realloc(size_t size)
{
	xfree(xrealloc(xmalloc(1), size));
}

static void ask_arena(size_t size)
{
	arena_free((arena_alloc(arena_new(), size), NULL));
}

static void ask_array(size_t size)
{
	arena_free((arena_array(arena_new(), size, 3), NULL));
}

/* What a process that asks for `size` bytes says before it ends by abort(). */
static void run_out(void (*ask)(size_t), size_t size, char said[4096])
{
	int status, ends[2];
	size_t len = 0;
	ssize_t n;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		const struct rlimit none = { 0, 0 };

		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL); /* cmocka's handler would go on with the tests */
		dup2(ends[1], STDERR_FILENO);
		ask(size);
		_exit(0);
	}
	close(ends[1]);
	while (len < 4095 && (n = read(ends[0], said + len, 4095 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void who_runs_out_of_memory_says_so_and_aborts(void **state)
{
	static const struct {
		void (*ask)(size_t);
		size_t size;
	} cases[] = {
		{ ask_malloc, SIZE_MAX / 4 },  { ask_calloc, SIZE_MAX / 4 },
		{ ask_realloc, SIZE_MAX / 4 }, { ask_arena, SIZE_MAX / 4 },
		{ ask_array, SIZE_MAX / 2 }, /* more than can be counted */
	};
	char said[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		run_out(cases[i].ask, cases[i].size, said);
		if (!strstr(said, "level=error msg=\"out of memory ("))
			fail_msg("case %zu: %s", i, said);
	}
}

static void nothing_at_all_is_memory_too(void **state)
{
	void *p = xmalloc(0), *q = xcalloc(0, 0);

	(void)state;
	p = xrealloc(p, 0);
	assert_non_null(p);
	assert_non_null(q);
	assert_ptr_not_equal(p, q);
	xfree(p);
	xfree(q);
	xfree(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_runs_out_of_memory_says_so_and_aborts),
		cmocka_unit_test(nothing_at_all_is_memory_too),
	};

	return cmocka_run_group_tests_name("alloc", tests, NULL, NULL);
}
