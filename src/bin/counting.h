/*
 * counting.h -- what a server counts: the events of its parts, and, when /metrics is asked
 * for, what is only worth knowing then.
 */
#pragma once

#include <stdatomic.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "bus/bus.h"
#include "net/http_server.h"
#include "role/guard.h"
#include "role/reconciler.h"
#include "role/worker/worker.h"

struct counting { /* all of it outlives the requests for /metrics */
	struct metrics *metrics;
	struct clock *clock;
	struct store *store;
	struct bus *bus;
	struct worker *worker;
	struct reconciler *reconciler;
	struct held_back *held_back;
	_Atomic(struct http_server *) http; /* NULL: not yet */
	uint64_t pins;                      /* live requests, as read last */
	int64_t pins_at;                    /* mono; not read again before then */
};

/* From now on /metrics shows what only it asks for.  `counting` outlives the metrics. */
void counting_start(struct counting *counting);

/* Something happened to a CID. */
void count_event(struct counting *counting, enum metric_event event, struct slice cid);

/* Callbacks; `counting` is what they are registered with. */
void count_finished(void *counting, enum outcome_source source, bool desired,
		    int64_t after_us);                              /* replan_events */
void count_settled(void *counting, bool desired, int64_t after_us); /* likewise */
void count_published(void *counting, const struct bus_msg *msg);    /* of the bus */

/* A round of the worker failed. */
void count_worker_failed(struct counting *counting, const struct err *why);

/* Copies that the guard holds back now. */
uint64_t count_held_back(struct counting *counting);
