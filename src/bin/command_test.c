#include "bin/command.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/alloc.h"
#include "base/attr.h"

/* The program's way with memory that cannot be had is to end (base/alloc.h).  What jansson does by
 * itself when a token cannot grow is to go on without the bytes. */
static void memory_that_json_cannot_have_ends_the_process(void **state UNUSED)
{
	char *argv[] = { (char[]){ "pinfold" }, (char[]){ "version" }, NULL };
	const char *const env[] = { NULL };
	json_malloc_t have;
	json_free_t give;
	int status;
	pid_t pid;

	assert_int_equal(command_main(2, argv, env), EXIT_DONE);
	json_get_alloc_funcs(&have, &give);
	assert_ptr_equal(give, xfree);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL); /* not the test's */
		close(STDERR_FILENO);
		have((size_t)1 << 62);
		_exit(0); /* it came back */
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_not_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_that_json_cannot_have_ends_the_process),
	};

	return cmocka_run_group_tests_name("bin/command", tests, NULL, NULL);
}
