/*
 * waiters.h -- who waits for a CID to change.
 *
 * A long poll puts its token here; a change of the CID wakes every token that waits for
 * it and takes them off.  So that no change is missed a waiter looks at the state once more
 * after it was added.  Any thread; nothing blocks.
 */
#pragma once

#include "base/slice.h"
#include "net/http_server.h"

struct waiters;
struct waiters *waiters_new(void);
void waiters_free(struct waiters *waiters); /* NULL is fine; nobody waits */

struct waiter;

/* Takes the token over; the waiter is good until waiters_remove(). */
struct waiter *waiters_add(struct waiters *waiters, struct slice cid, struct http_token *token);

/* Ends the waiter; its token is released if it was not woken. */
void waiters_remove(struct waiters *waiters, struct waiter *waiter);

/* Wakes all that wait for `cid`. */
void waiters_wake(struct waiters *waiters, struct slice cid);
