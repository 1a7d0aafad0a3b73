/* A checked longjmp() takes every jump to another stack for a mistake. */
#undef _FORTIFY_SOURCE

#include "fiber.h"

#include <assert.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "base/alloc.h"
#include "base/attr.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/common_interface_defs.h>
#define ASAN(call) call
#else
#define ASAN(call) (void)0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#define TSAN(call) call
#else
#define TSAN(call) (void)0
#endif

/* swapcontext() makes two system calls to keep signal masks that nobody here has, and they
 * cost more than the rest of a run: after its first entry a fiber is left and entered with
 * _setjmp() and _longjmp().  The sanitizers follow swapcontext() alone. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
	__has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define JUMPS 0
#else
#define JUMPS 1
#endif

#define STACK_BYTES ((size_t)512 * 1024)

struct fiber {
	ucontext_t here, caller;
	jmp_buf jump_here, jump_caller; /* if JUMPS */
	bool begun;
	void *stack;
	void (*run)(void *arg);
	void *arg;
	bool ended;
	void *fake_stack UNUSED;         /* ASan's, of the side that is left */
	const void *caller_stack UNUSED; /* ASan's idea of the main stack */
	size_t caller_size UNUSED;
	void *tsan UNUSED, *caller_tsan UNUSED;
};

static struct fiber *current;

static void leave(struct fiber *f)
{
	ASAN(__sanitizer_start_switch_fiber(f->ended ? NULL : &f->fake_stack, f->caller_stack,
					    f->caller_size));
	TSAN(__tsan_switch_to_fiber(f->caller_tsan, 0));
	if (!JUMPS)
		swapcontext(&f->here, &f->caller);
	else if (_setjmp(f->jump_here) == 0)
		_longjmp(f->jump_caller, 1);
	ASAN(__sanitizer_finish_switch_fiber(f->fake_stack, &f->caller_stack, &f->caller_size));
}

static void begin(void)
{
	struct fiber *f = current;

	ASAN(__sanitizer_finish_switch_fiber(NULL, &f->caller_stack, &f->caller_size));
	f->run(f->arg);
	f->ended = true;
	leave(f);
	abort(); /* nobody resumes what has ended */
}

struct fiber *fiber_new(void (*run)(void *arg), void *arg)
{
	struct fiber *f = xcalloc(1, sizeof(*f));

	f->run = run;
	f->arg = arg;
	f->stack =
		mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (f->stack == MAP_FAILED)
		alloc_failed(STACK_BYTES);
	getcontext(&f->here);
	f->here.uc_stack.ss_sp = f->stack;
	f->here.uc_stack.ss_size = STACK_BYTES;
	makecontext(&f->here, begin, 0);
	TSAN(f->tsan = __tsan_create_fiber(0));
	return f;
}

void fiber_free(struct fiber *f)
{
	if (!f)
		return;
	TSAN(__tsan_destroy_fiber(f->tsan));
	munmap(f->stack, STACK_BYTES);
	xfree(f);
}

static void enter(struct fiber *f)
{
	if (JUMPS && _setjmp(f->jump_caller) != 0)
		return;
	if (JUMPS && f->begun)
		_longjmp(f->jump_here, 1);
	f->begun = true;
	swapcontext(&f->caller, &f->here);
}

bool fiber_resume(struct fiber *f)
{
	void *fake UNUSED = NULL;

	assert(!current && !f->ended);
	current = f;
	TSAN(f->caller_tsan = __tsan_get_current_fiber());
	ASAN(__sanitizer_start_switch_fiber(&fake, f->stack, STACK_BYTES));
	TSAN(__tsan_switch_to_fiber(f->tsan, 0));
	enter(f);
	ASAN(__sanitizer_finish_switch_fiber(fake, NULL, NULL));
	current = NULL;
	return !f->ended;
}

void fiber_yield(void)
{
	struct fiber *f = current;

	assert(f);
	leave(f);
	current = f;
}
