#include "bin/role_thread.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attr.h"

struct role {
	struct clock base; /* stands still: a wait after a failure is over at once */
	atomic_llong now;
	atomic_uint steps, knocks;
	unsigned failing;     /* so many steps fail, two for each reason */
	atomic_uint asked;    /* whether it must wait */
	unsigned waits;       /* how often it must */
	unsigned asked_first; /* before the first step */
};

static int64_t mono(struct clock *clock)
{
	struct role *r = CONTAINER_OF(clock, struct role, base);

	return atomic_load(&r->now);
}

static bool step(void *ctx, int64_t until_us UNUSED, int64_t *due_us, struct err *err)
{
	struct role *r = ctx;
	unsigned n;

	if (atomic_load(&r->steps) == 0)
		r->asked_first = atomic_load(&r->asked);
	n = atomic_fetch_add(&r->steps, 1);
	*due_us = n < r->failing ? 0 : INT64_MAX;
	return n >= r->failing || err_set(err, ERR_UNAVAILABLE, "reason %u", n / 2);
}

static void knock(void *ctx)
{
	atomic_fetch_add(&((struct role *)ctx)->knocks, 1);
}

static bool must_wait(void *ctx)
{
	struct role *r = ctx;

	return atomic_fetch_add(&r->asked, 1) < r->waits;
}

static struct role_thread *start(struct role *role, bool waits)
{
	const struct role_thread_options options = { .name = "tester",
						     .role = role,
						     .step = step,
						     .knock = waits ? knock : NULL,
						     .must_wait =
							     role->waits > 0 ? must_wait : NULL,
						     .must_wait_ctx = role,
						     .clock = &role->base };
	struct role_thread *thread;
	struct err err;

	role->base.mono_us = mono;
	if (!role_thread_start(&options, &thread, &err))
		fail_msg("%s", err.text);
	return thread;
}

/* The log of all that happens until the role has taken `n` steps. */
static void listen_until(struct role *role, unsigned n, char *said, size_t size)
{
	int ends[2], stderr_fd = dup(STDERR_FILENO);
	struct role_thread *thread;
	ssize_t len;

	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	thread = start(role, false);
	while (atomic_load(&role->steps) < n)
		usleep(1000);
	role_thread_stop(thread);
	dup2(stderr_fd, STDERR_FILENO);
	close(stderr_fd);
	close(ends[1]);
	len = read(ends[0], said, size - 1);
	said[len > 0 ? len : 0] = '\0';
	close(ends[0]);
}

static unsigned times(const char *text, const char *word)
{
	unsigned n = 0;

	for (; (text = strstr(text, word)); text++)
		n++;
	return n;
}

static void a_step_that_fails_is_tried_again_and_each_reason_logged_once(void **state UNUSED)
{
	struct role role = { .failing = 4 };
	char said[4096];

	listen_until(&role, 5, said, sizeof(said));
	assert_int_equal(times(said, "reason 0"), 1);
	assert_int_equal(times(said, "reason 1"), 1);
	assert_int_equal(times(said, "role=tester"), 2);
}

static void a_knock_reaches_a_role_that_waits_by_itself(void **state UNUSED)
{
	struct role role = { .failing = 0 };
	struct role_thread *thread = start(&role, true);

	role_thread_knock(thread);
	assert_int_equal(atomic_load(&role.knocks), 1);
	role_thread_stop(thread);
	assert_int_equal(atomic_load(&role.knocks), 2); /* stopping knocks, too */
	role_thread_stop(NULL);
}

static void a_knock_ends_the_wait_of_one_that_does_not(void **state UNUSED)
{
	struct role role = { .failing = 0 };
	struct role_thread *thread = start(&role, false);
	unsigned before;

	for (int i = 0; i < 3; i++) {
		before = atomic_load(&role.steps);
		role_thread_knock(thread);
		while (atomic_load(&role.steps) == before) /* for ever, if it sleeps on */
			usleep(1000);
	}
	role_thread_stop(thread);
}

static void a_step_is_put_off_while_it_must_wait(void **state UNUSED)
{
	struct role role = { .waits = 5 };
	struct role_thread *thread = start(&role, false);

	while (atomic_load(&role.steps) == 0)
		usleep(1000);
	role_thread_stop(thread);
	assert_int_equal(role.asked_first, role.waits + 1);
}

static void a_step_is_not_put_off_for_ever(void **state UNUSED)
{
	struct role role = { .waits = UINT_MAX };
	struct role_thread *thread = start(&role, false);

	while (atomic_load(&role.asked) == 0)
		usleep(1000);
	atomic_fetch_add(&role.now, US_PER_S);
	while (atomic_load(&role.steps) == 0) /* for ever, if it waits on */
		usleep(1000);
	role_thread_stop(thread);
}

static void a_thread_that_must_wait_can_be_stopped(void **state UNUSED)
{
	struct role role = { .waits = UINT_MAX };
	struct role_thread *thread = start(&role, false);

	while (atomic_load(&role.asked) == 0)
		usleep(1000);
	role_thread_stop(thread);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_step_that_fails_is_tried_again_and_each_reason_logged_once),
		cmocka_unit_test(a_knock_reaches_a_role_that_waits_by_itself),
		cmocka_unit_test(a_knock_ends_the_wait_of_one_that_does_not),
		cmocka_unit_test(a_step_is_put_off_while_it_must_wait),
		cmocka_unit_test(a_step_is_not_put_off_for_ever),
		cmocka_unit_test(a_thread_that_must_wait_can_be_stopped),
	};

	return cmocka_run_group_tests_name("role_thread", tests, NULL, NULL);
}
