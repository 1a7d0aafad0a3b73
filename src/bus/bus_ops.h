/* bus_ops.h -- for back ends only; callers use bus.h.  A back end embeds `struct bus`
 * as its first member.  Arguments were checked by bus.c. */
#pragma once

#include "bus/bus.h"

struct bus_ops {
	const char *name;
	void (*close)(struct bus *bus);
	bool (*publish)(struct bus *bus, const struct bus_msg *msgs, size_t n, struct err *err);
	bool (*subscribe)(struct bus *bus, enum bus_topic topic, uint32_t peer_no,
			  void (*notify)(void *ctx), void *ctx, struct err *err);
	bool (*take)(struct bus *bus, enum bus_topic topic, uint32_t peer_no, size_t max,
		     bus_handler *handler, void *ctx, size_t *n, struct err *err);
	bool (*overflowed)(struct bus *bus, enum bus_topic topic, uint32_t peer_no);
	size_t (*room)(struct bus *bus, enum bus_topic topic, uint32_t peer_no);
	void (*counters)(struct bus *bus, struct bus_counters *out);
};

struct bus {
	const struct bus_ops *ops;
};
