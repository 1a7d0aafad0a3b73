/*
 * bus.h -- hints from one role to another, at most useful, never needed.
 *
 * The store is the truth; a message only shortens the wait (design rule R1).
 * Losing, repeating or reordering messages costs time, never a pin.  Back ends:
 * local/ (in one process: bounded queues in memory; after a start or an overflow
 * the takers read the store's wake and peer_open rows).
 *
 * A subscriber takes messages in batches on its own thread, inside its step.  Each comes
 * once: what it stood for the store's rows bring back.
 */
#pragma once

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "model/copy.h"

enum bus_topic {
	BUS_PIN_REQUEST, /* a CID has to be looked at */
	BUS_PIN_ASSIGN,  /* to the worker of one peer: the desired half of a copy */
	BUS_PIN_STATUS,  /* from a worker: the observed half of a copy */
};
#define BUS_TOPICS 3

struct bus_msg {
	enum bus_topic topic;
	struct slice cid;
	uint32_t peer_no; /* ASSIGN, STATUS */
	/* REQUEST */
	int64_t due_at; /* of the wake row that stands for this message; 0 = none */
	uint8_t cause;  /* enum wake_cause */
	/* ASSIGN: the desired half and what the worker needs of the observed one;
	 * STATUS: the observed half, gen being the one it answers. */
	struct copy copy;
	struct slice owner;        /* ASSIGN: whose share of the fetches it uses */
	struct slice_list origins; /* ASSIGN */
	int64_t asked_at;          /* ASSIGN: when the newest request for it was made; us */
};

/* The message is done with when this returns, whatever came of it; it lives until then. */
typedef void bus_handler(void *ctx, const struct bus_msg *msg);

struct bus;

void bus_close(struct bus *bus); /* NULL is fine; nobody uses it any more */
DEFINE_CLEANUP(struct bus, bus_close)

/* Sends copies of `n` messages.  A full queue drops them and says so in its counters:
 * the store's rows bring the work back. */
bool bus_publish(struct bus *bus, const struct bus_msg *msgs, size_t n, struct err *err) MUST_CHECK;

/* From now on `notify(ctx)` is called, from any thread, when something can be taken; it
 * must not call the bus.  `ctx` lives until bus_close(), or until a call with another `notify`
 * (NULL: nobody is told) has returned.  For BUS_PIN_ASSIGN per peer; `peer_no` is ignored
 * elsewhere. */
bool bus_subscribe(struct bus *bus, enum bus_topic topic, uint32_t peer_no,
		   void (*notify)(void *ctx), void *ctx, struct err *err) MUST_CHECK;

/* Gives up to `max` messages to `handler`, one after the other; *n tells how many. */
bool bus_take(struct bus *bus, enum bus_topic topic, uint32_t peer_no, size_t max,
	      bus_handler *handler, void *ctx, size_t *n, struct err *err) MUST_CHECK;

/* True once after the start, and again after messages of the topic were dropped: its
 * taker then reads the store's rows. */
bool bus_overflowed(struct bus *bus, enum bus_topic topic, uint32_t peer_no);

/* How many more messages would be kept now, SIZE_MAX if nobody can tell: who has more to tell than
 * that waits with the work instead.  A hint, like all that is here. */
size_t bus_room(struct bus *bus, enum bus_topic topic, uint32_t peer_no);

struct bus_counters {
	uint64_t published[BUS_TOPICS], dropped[BUS_TOPICS];
	uint64_t waiting[BUS_TOPICS]; /* now */
};
void bus_counters(struct bus *bus, struct bus_counters *out);
