/*
 * fiber.h -- a function that can be left in the middle and gone on with later, all in
 * one thread (ucontext, with the sanitizers told of every switch).
 *
 * For the simulation alone: the product has no coroutines.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct fiber;

/* Runs `run(arg)` from the first fiber_resume() on. */
struct fiber *fiber_new(void (*run)(void *arg), void *arg);
void fiber_free(struct fiber *f); /* it has ended, or never began; NULL is fine */

/* Goes on with `f` until it yields or ends; false when it has ended.  From the main
 * stack only. */
bool fiber_resume(struct fiber *f);

/* Back to fiber_resume(), from inside a fiber. */
void fiber_yield(void);
