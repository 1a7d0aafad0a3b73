/*
 * orphans.h -- derived rows whose truth is gone, for the files of this folder alone.
 *
 * What goes by CID (store_repair(), a sweep) never meets such a row: no fact and no copy leads
 * to it.  So these are found from the other side, row by row, by asking of each whether the CID
 * that it names has it.
 */
#pragma once

#include "store/handle.h"

#define ORPHAN_TABLES 5 /* that can have such rows; below `i` is the number of one */

enum table orphan_table(size_t i);
/* On clusters void expiries are left to the drop of their hour. */
bool orphan_is_searched(const struct store *store, size_t i);
/* The CID that a row of table `i` names. */
struct slice orphan_cid(size_t i, const void *row);
/* Whether `row`, read from table `i`, follows from nothing that is there now; takes it away if
 * `remove`.  Where the back end can hold others off it does. */
bool orphan_judge(struct store *store, size_t i, const void *row, bool remove, bool *orphan,
		  struct err *err) MUST_CHECK;
