/*
 * pin_name.h -- the names that pins of ours have on a node.
 *
 *	pinfold/<store id>                    made by us
 *	pinfold/<store id> direct=<name>      made by us over a direct pin of the user's own
 *
 * Kubo holds one pin of a CID: pinning it recursively replaces a direct pin.  So that the
 * user's own comes back when ours goes, ours says what it hides: the node itself remembers,
 * whatever becomes of worker and store.  Pure.
 */
#pragma once

#include <stdbool.h>

#include "kubo/kubo.h"

/* `ours` is "pinfold/<store id>"; `name` is of any pin. */
bool pin_name_is_ours(const char *ours, const char *name);

/* The name of the direct pin that the pin called `name` hides, "" if that had none; NULL if
 * it hides none.  Points into `name`. */
const char *pin_name_hidden(const char *ours, const char *name);

/* The name for a pin of ours over the user's direct pin called `direct`.  Of that name stays
 * what Kubo's bound leaves room for, without control characters. */
void pin_name_over(const char *ours, const char *direct, char out[KUBO_NAME_MAX + 1]);
