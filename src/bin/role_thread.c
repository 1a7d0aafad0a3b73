#include "bin/role_thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"

#define AFTER_FAILURE_US US_PER_S
#define LOG_AGAIN_US     US_PER_MIN
#define NICE             10
#define PUT_OFF_MAX_US   (50 * US_PER_MS)
#define PUT_OFF_LOOK_US  US_PER_MS

struct role_thread {
	struct role_thread_options options;
	pthread_t thread;
	struct wakeup wakeup;
	_Atomic bool stopping;
	/* of the last failure that was logged */
	char said[sizeof(((struct err *)0)->text)];
	int64_t said_at;
};

static void complain(struct role_thread *t, const struct err *err)
{
	int64_t now = clock_mono_us(t->options.clock);

	if (strcmp(t->said, err->text) == 0 && now - t->said_at < LOG_AGAIN_US)
		return;
	memcpy(t->said, err->text, sizeof(t->said));
	t->said_at = now;
	log_err(LOG_ERROR, err, t->options.name);
}

/* On Linux a priority is the thread's alone.  Refused or not, the work is done. */
static void be_nice(void)
{
	id_t self = (id_t)gettid();

	(void)setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + NICE);
}

/* A thread that is merely nice is preempted in the middle of a write, and then everybody waits for
 * it: it is better not to begin. */
static void put_off(struct role_thread *t)
{
	const struct role_thread_options *o = &t->options;
	int64_t until = clock_mono_us(o->clock) + PUT_OFF_MAX_US;

	while (o->must_wait && o->must_wait(o->must_wait_ctx) && !atomic_load(&t->stopping) &&
	       clock_mono_us(o->clock) < until)
		usleep(PUT_OFF_LOOK_US);
}

static void *run(void *arg)
{
	struct role_thread *t = arg;
	int64_t due = 0;
	LOG_FIELD("role", "%s", t->options.name);

	be_nice();
	while (!atomic_load(&t->stopping)) {
		struct err err = { 0 };
		bool ok;

		put_off(t);
		ok = t->options.step(t->options.role, due, &due, &err);

		if (!ok) {
			complain(t, &err);
			due = clock_mono_us(t->options.clock) + AFTER_FAILURE_US;
		}
		if (!t->options.knock || !ok)
			wakeup_wait(&t->wakeup, due);
	}
	return NULL;
}

bool role_thread_start(const struct role_thread_options *options, struct role_thread **out,
		       struct err *err)
{
	struct role_thread *t = xcalloc(1, sizeof(*t));
	int rc;

	t->options = *options;
	wakeup_init(&t->wakeup);
	rc = pthread_create(&t->thread, NULL, run, t);
	if (rc != 0) {
		wakeup_deinit(&t->wakeup);
		xfree(t);
		return err_set(err, ERR_INTERNAL, "thread %s: %s", options->name, strerror(rc));
	}
	pthread_setname_np(t->thread, options->name);
	*out = t;
	return true;
}

void role_thread_knock(void *thread)
{
	struct role_thread *t = thread;

	if (t->options.knock)
		t->options.knock(t->options.role);
	wakeup_knock(&t->wakeup);
}

void role_thread_stop(struct role_thread *t)
{
	if (!t)
		return;
	atomic_store(&t->stopping, true);
	role_thread_knock(t);
	pthread_join(t->thread, NULL);
	wakeup_deinit(&t->wakeup);
	xfree(t);
}
