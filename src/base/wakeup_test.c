#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/wakeup.h"

static void a_time_long_past_is_not_waited_for(void **state)
{
	struct wakeup w;

	(void)state;
	wakeup_init(&w);
	alarm(60); /* ends a test that hangs */
	wakeup_wait(&w, 0);
	wakeup_wait(&w, -1);
	alarm(0);
	wakeup_deinit(&w);
}

static void a_knock_before_the_wait_counts(void **state)
{
	struct wakeup w;

	(void)state;
	wakeup_init(&w);
	alarm(60);
	wakeup_knock(&w);
	wakeup_wait(&w, INT64_MAX);
	alarm(0);
	wakeup_deinit(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_time_long_past_is_not_waited_for),
		cmocka_unit_test(a_knock_before_the_wait_counts),
	};

	return cmocka_run_group_tests_name("base/wakeup", tests, NULL, NULL);
}
