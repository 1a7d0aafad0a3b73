#include "bus/local/bus_local.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fixture {
	struct bus *bus;
	struct err err;
	char seen[256];
	unsigned notified;
};

static int setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	f->bus = bus_local_new(&(struct bus_local_options){ .queue_max = 3 });
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	bus_close(f->bus);
	test_free(f);
	return 0;
}

static void note(void *ctx, const struct bus_msg *msg)
{
	struct fixture *f = ctx;

	strncat(f->seen, (const char *)msg->cid.ptr, msg->cid.len);
	for (size_t i = 0; i < msg->origins.n; i++)
		strncat(f->seen, (const char *)msg->origins.at[i].ptr, msg->origins.at[i].len);
}

static const char *take(struct fixture *f, enum bus_topic topic, uint32_t peer, size_t max)
{
	size_t n;

	f->seen[0] = '\0';
	assert_true(bus_take(f->bus, topic, peer, max, note, f, &n, &f->err));
	return f->seen;
}

static void publish(struct fixture *f, enum bus_topic topic, uint32_t peer, const char *cid)
{
	struct slice origin = SLICE_LIT("@");
	struct bus_msg msg = {
		.topic = topic, .peer_no = peer, .cid = slice_str(cid), .origins = { &origin, 1 }
	};

	assert_true(bus_publish(f->bus, &msg, 1, &f->err));
}

static void messages_come_in_order_to_their_peer(void **state)
{
	struct fixture *f = *state;

	publish(f, BUS_PIN_ASSIGN, 1, "a");
	publish(f, BUS_PIN_ASSIGN, 2, "b");
	publish(f, BUS_PIN_ASSIGN, 1, "c");
	publish(f, BUS_PIN_REQUEST, 9, "d");
	assert_string_equal(take(f, BUS_PIN_ASSIGN, 1, 10), "a@c@");
	assert_string_equal(take(f, BUS_PIN_ASSIGN, 2, 10), "b@");
	assert_string_equal(take(f, BUS_PIN_REQUEST, 0, 10), "d@");
	assert_string_equal(take(f, BUS_PIN_REQUEST, 0, 10), "");
}

static void a_full_queue_drops_and_says_so(void **state)
{
	struct fixture *f = *state;
	struct bus_counters c;

	assert_true(bus_overflowed(f->bus, BUS_PIN_REQUEST, 0)); /* after the start */
	for (int i = 0; i < 3; i++)
		publish(f, BUS_PIN_REQUEST, 0, "x");
	assert_false(bus_overflowed(f->bus, BUS_PIN_REQUEST, 0));
	publish(f, BUS_PIN_REQUEST, 0, "y");
	assert_true(bus_overflowed(f->bus, BUS_PIN_REQUEST, 0));
	assert_false(bus_overflowed(f->bus, BUS_PIN_REQUEST, 0));
	assert_int_equal(bus_room(f->bus, BUS_PIN_REQUEST, 0), 0);
	bus_counters(f->bus, &c);
	assert_int_equal(c.dropped[BUS_PIN_REQUEST], 1);
	assert_int_equal(c.waiting[BUS_PIN_REQUEST], 3);
	assert_string_equal(take(f, BUS_PIN_REQUEST, 0, 2), "x@x@");
	assert_int_equal(bus_room(f->bus, BUS_PIN_REQUEST, 0), 2);
	assert_int_equal(bus_room(f->bus, BUS_PIN_STATUS, 0), 3);
}

static void count(void *ctx)
{
	((struct fixture *)ctx)->notified++;
}

static void subscribers_are_told(void **state)
{
	struct fixture *f = *state;

	assert_true(bus_subscribe(f->bus, BUS_PIN_ASSIGN, 7, count, f, &f->err));
	publish(f, BUS_PIN_ASSIGN, 8, "a");
	assert_int_equal(f->notified, 0);
	publish(f, BUS_PIN_ASSIGN, 7, "a");
	assert_int_equal(f->notified, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(messages_come_in_order_to_their_peer, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_full_queue_drops_and_says_so, setup, teardown),
		cmocka_unit_test_setup_teardown(subscribers_are_told, setup, teardown),
	};
	return cmocka_run_group_tests_name("bus/local", tests, NULL, NULL);
}
