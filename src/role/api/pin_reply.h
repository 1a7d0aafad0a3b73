/*
 * pin_reply.h -- replies that show one pin, in either shape.
 */
#pragma once

#include "role/api/call.h"
#include "role/api/pin_json.h"

struct pin_reply {
	struct call *call;
	unsigned status; /* of HTTP, when it was done */
	bool body;       /* false: the status says it all */
	struct pin_extra extra;
	struct pins_result result; /* of the verb, and its mark */
	uint64_t mark;
};

/* Looks at what the request wished, the copies that the owner of `row` is shown, the peers, where
 * in their queues copies stand that are not settled, and why there are no more: for
 * pin_reply.extra. */
bool pin_reply_look(struct call *c, const struct owner_pin *row, struct pin_extra *extra,
		    struct err *err) MUST_CHECK;

/* The peers that clients may connect to, for pin_reply.extra; /pins alone shows them. */
bool pin_reply_delegates(struct call *c, struct pin_extra *extra, struct err *err) MUST_CHECK;

/* The revision as ETag; /pins has none. */
void pin_reply_etag(struct call *c, uint64_t rev);

/* What to give a verb, so that a repetition under the same key gets this reply. */
struct pins_call pin_reply_call(struct pin_reply *reply);

/* Writes a pin into the body of the response. */
void pin_reply_write(struct pin_reply *reply, const struct owner_pin *row);

/* The reply to a verb: what was done, once it is durable; or why not.  Returns true. */
bool pin_reply_result(struct pin_reply *reply);
