/*
 * kubo_ops.h -- for back ends only; callers use kubo.h.
 *
 * A back end embeds `struct kubo` as its first member and gets itself back with
 * CONTAINER_OF.  Arguments were checked by kubo.c: strings an operation needs are
 * there and within their limits, the node exists.
 */
#pragma once

#include "kubo/kubo.h"

struct kubo_ops {
	const char *name; /* "curl": used in error texts */
	void (*free)(struct kubo *kubo);
	bool (*add_node)(struct kubo *kubo, const struct kubo_node *cfg, struct err *err);
	bool (*start)(struct kubo *kubo, const struct kubo_op *op, uint64_t id, struct err *err);
	void (*cancel)(struct kubo *kubo, uint64_t id);
	bool (*next)(struct kubo *kubo, int64_t until_mono_us, struct kubo_done *out);
	void (*wake)(struct kubo *kubo);
	bool (*progress)(struct kubo *kubo, uint64_t id, struct kubo_progress *out);
};

struct kubo {
	const struct kubo_ops *ops;
	unsigned n_nodes;
	uint64_t last_id;
};

/* The time-outs of an operation, with the kind's own where it names none; 0: none.
 * `stall_us` is how long the answer may stay without news (PIN_ADD: progress). */
struct kubo_limits {
	int64_t timeout_us;
	int64_t stall_us;
};
struct kubo_limits kubo_limits_of(const struct kubo_op *op);
