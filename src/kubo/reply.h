/*
 * reply.h -- what Kubo answers, decoded; pure.
 *
 * Every answer with status 200 is a stream of JSON objects, one a line; most consist of
 * one.  Each goes to reply_line(), which fills the result.  After the last one the
 * operation has succeeded if `complete` is set and `done->text` is empty: the end of a
 * stream proves nothing, Kubo ends it the same way when it fails late.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "kubo/kubo.h"

struct reply {
	struct kubo_done *done; /* kind is set; gets the result, and text if Kubo failed */
	struct arena *mem;      /* gets its strings */
	struct buf pins;        /* of PIN_LIST: struct kubo_pin one after the other */
	bool complete;          /* what the operation waits for was in a line */
};

/* False if the line is no JSON object or not one that belongs to an answer of this kind. */
bool reply_line(struct reply *reply, struct slice line) MUST_CHECK;

/* The text of an error: "Message" of a JSON body, else the body's first line; cut and
 * made printable, never empty. */
void reply_error_text(struct slice body, char text[KUBO_TEXT_MAX + 1]);
