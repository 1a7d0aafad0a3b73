#include "bus/bus.h"

#include <assert.h>

#include "bus/bus_ops.h"

static bool named(struct bus *bus, bool ok, const char *verb, struct err *err)
{
	return ok || err_wrap(err, "%s bus: %s", bus->ops->name, verb);
}

void bus_close(struct bus *bus)
{
	if (bus)
		bus->ops->close(bus);
}

bool bus_publish(struct bus *bus, const struct bus_msg *msgs, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		assert(msgs[i].topic < BUS_TOPICS);
		assert(msgs[i].cid.len > 0);
	}
	return n == 0 || named(bus, bus->ops->publish(bus, msgs, n, err), "publish", err);
}

bool bus_subscribe(struct bus *bus, enum bus_topic topic, uint32_t peer_no,
		   void (*notify)(void *ctx), void *ctx, struct err *err)
{
	return named(bus, bus->ops->subscribe(bus, topic, peer_no, notify, ctx, err), "subscribe",
		     err);
}

bool bus_take(struct bus *bus, enum bus_topic topic, uint32_t peer_no, size_t max,
	      bus_handler *handler, void *ctx, size_t *n, struct err *err)
{
	return named(bus, bus->ops->take(bus, topic, peer_no, max, handler, ctx, n, err), "take",
		     err);
}

bool bus_overflowed(struct bus *bus, enum bus_topic topic, uint32_t peer_no)
{
	return bus->ops->overflowed(bus, topic, peer_no);
}

size_t bus_room(struct bus *bus, enum bus_topic topic, uint32_t peer_no)
{
	return bus->ops->room(bus, topic, peer_no);
}

void bus_counters(struct bus *bus, struct bus_counters *out)
{
	bus->ops->counters(bus, out);
}
