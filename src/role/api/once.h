/*
 * once.h -- calls other than those on pins have one effect under one Idempotency-Key.
 *
 * The router runs the handlers of such routes through here.  A repetition gets the reply that
 * was given, with "Idempotency-Replayed: true".  A reply with a secret in it is kept nowhere:
 * a repetition of such a call is told that it was done (409), and is never done again where
 * that is not known.  What changed nothing leaves no trace of its key.  Verbs on pins know
 * more about their repetitions (role/pin_verb.h) and do this themselves.
 */
#pragma once

#include "role/api/call.h"

/* Calls c->route->handler unless the call was done before.  Without a key it just does. */
route_handler handle_once;
