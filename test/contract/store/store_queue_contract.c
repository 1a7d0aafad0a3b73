/*
 * store_queue_contract.c -- what is due, peers, leases, rows that are swapped.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "lib/failing_store.h"
#include "store_fixture.h"

#define NONE ((struct slice){ NULL, 0 })

static void wakes_come_in_the_order_they_are_due(void **state)
{
	static const int64_t due[] = { 90 * US_PER_S, 5, 61 * US_PER_S, 4 * US_PER_H,
				       59 * US_PER_S };
	static const int64_t order[] = { 5, 59 * US_PER_S, 61 * US_PER_S, 90 * US_PER_S };
	struct fixture *fx = *state;
	struct wake wakes[5], *got, last;
	struct err err;
	size_t n;

	for (unsigned i = 0; i < 5; i++)
		wakes[i] = (struct wake){ .due_at = START_US + due[i],
					  .cid = cid_no(fx, i),
					  .cause = WAKE_RECHECK };
	MUST(store_wake(fx->store, wakes, 5, &err));
	MUST(store_wake(fx->store, wakes, 1, &err)); /* the same row again */
	MUST(store_wakes(fx->store, START_US + US_PER_H, NULL, 3, fx->mem, &got, &n, &err));
	assert_int_equal(n, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(got[i].due_at, START_US + order[i]);
	last = got[2];
	MUST(store_wakes(fx->store, START_US + US_PER_H, &last, 3, fx->mem, &got, &n, &err));
	assert_int_equal(n, 1);
	assert_int_equal(got[0].due_at, START_US + order[3]);
	fx->clock.now_us++;
	MUST(store_woken(fx->store, wakes, 3, &err));
	MUST(store_woken(fx->store, wakes + 4, 1, &err));
	MUST(store_wakes(fx->store, START_US + US_PER_DAY, NULL, 9, fx->mem, &got, &n, &err));
	assert_int_equal(n, 1);
	assert_int_equal(got[0].due_at, START_US + 4 * US_PER_H);
}

static bool wake_long_ago(void *ctx, const struct cid_view *view UNUSED, int64_t now_us UNUSED,
			  struct arena *mem UNUSED, struct cid_change *out, struct err *err UNUSED)
{
	out->wake = ctx;
	out->n_wake = 1;
	return true;
}

static void a_wake_of_before_1970_is_found_again(void **state)
{
	struct fixture *fx = *state;
	struct wake wake = { .due_at = -US_PER_DAY, .cause = WAKE_RECHECK }, *got;
	struct slice cid = CID_A;
	void *ctx = &wake;
	struct err err;
	size_t n;

	MUST(store_change(fx->store, &cid, &ctx, 1, wake_long_ago, fx->mem, &err));
	MUST(store_wakes(fx->store, START_US, NULL, 9, fx->mem, &got, &n, &err));
	assert_int_equal(n, 1);
	fx->clock.now_us++;
	MUST(store_woken(fx->store, got, 1, &err));
	MUST(store_wakes(fx->store, START_US, NULL, 9, fx->mem, &got, &n, &err));
	assert_int_equal(n, 0);
}

static void open_copies_and_peer_pins_are_paged_by_cid(void **state)
{
	struct fixture *fx = *state;
	struct peer_open *open;
	struct peer_pin *pins;
	const struct peer_pin *one;
	struct slice after = NONE, last = NONE;
	size_t n, seen = 0, listed = 0;
	struct err err;

	for (unsigned i = 0; i < 25; i++) {
		place_copy(fx, cid_no(fx, i), 1, true, COPY_QUEUED);
		place_copy(fx, cid_no(fx, i), 2, true, COPY_PINNED);
	}
	do {
		MUST(store_open_copies(fx->store, 1, after, 10, fx->mem, &open, &n, &err));
		for (size_t i = 0; i < n; i++) {
			assert_true(last.len == 0 || slice_cmp(last, open[i].cid) < 0);
			last = open[i].cid;
		}
		seen += n;
		after = last;
	} while (n == 10);
	assert_int_equal(seen, 25);
	MUST(store_open_copies(fx->store, 2, NONE, 10, fx->mem, &open, &n, &err));
	assert_int_equal(n, 0);
	for (unsigned pb = 0; pb < 4096; pb++) {
		MUST(store_peer_pins(fx->store, 2, (uint16_t)pb, (uint16_t)pb, NONE, 10, fx->mem,
				     &pins, &n, &err));
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(store_bucket(fx->store, pins[i].cid) >> 14, pb);
			assert_int_equal(pins[i].state, COPY_PINNED);
			MUST(store_peer_pin(fx->store, 2, pins[i].cid, fx->mem, &one, &err));
			assert_non_null(one);
			assert_int_equal(one->gen, pins[i].gen);
			MUST(store_peer_pin(fx->store, 3, pins[i].cid, fx->mem, &one, &err));
			assert_null(one);
		}
		if (n > 0) {
			MUST(store_peer_pins(fx->store, 2, (uint16_t)pb, (uint16_t)pb,
					     pins[n - 1].cid, 10, fx->mem, &pins, &seen, &err));
			assert_int_equal(seen, 0);
		}
		listed += n;
	}
	assert_int_equal(listed, 25);
}

/* From bucket to bucket, whatever lies empty between them, and not into the next peer. */
static void all_pins_of_a_peer_are_read_in_pages(void **state)
{
	struct fixture *fx = *state;
	struct peer_pin *got, last = { 0 };
	size_t n, seen = 0;
	struct err err;

	for (unsigned i = 0; i < 25; i++)
		for (uint32_t peer_no = 1; peer_no <= 3; peer_no++)
			place_copy(fx, cid_no(fx, i), peer_no, true, COPY_PINNED);
	do {
		MUST(store_peer_pins(fx->store, 2, last.pb, PEER_PIN_BUCKETS - 1, last.cid, 10,
				     fx->mem, &got, &n, &err));
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(got[i].peer_no, 2);
			assert_true(last.pb < got[i].pb ||
				    (last.pb == got[i].pb && slice_cmp(last.cid, got[i].cid) < 0));
			last = got[i];
		}
		seen += n;
	} while (n == 10);
	assert_int_equal(seen, 25);
	assert_true(last.pb > 0);
	MUST(store_peer_pins(fx->store, 2, 0, (uint16_t)(last.pb - 1), NONE, 100, fx->mem, &got, &n,
			     &err));
	assert_in_range(n, 1, 24); /* what lies behind the last bucket asked for is left out */
	assert_true(got[n - 1].pb < last.pb);
}

static void expiries_come_from_their_hours_and_hours_are_dropped(void **state)
{
	struct fixture *fx = *state;
	const int64_t hour = (START_US / US_PER_H + 1) * US_PER_H;
	struct ttl_row *got, last;
	struct err err;
	size_t n;

	for (int i = 0; i < 6; i++)
		create_pin(fx, cid_no(fx, (unsigned)i),
			   &(struct wish){ .owner = "a", .expires_at = hour + i * US_PER_H / 2 });
	create_pin(fx, cid_no(fx, 9), &(struct wish){ .owner = "a" });
	MUST(store_expiries(fx->store, START_US, hour - 1, NULL, 9, fx->mem, &got, &n, &err));
	assert_int_equal(n, 0);
	MUST(store_expiries(fx->store, START_US, hour + US_PER_H, NULL, 2, fx->mem, &got, &n,
			    &err));
	assert_int_equal(n, 2);
	assert_int_equal(got[0].expires_at, hour);
	assert_true(slice_eq(got[0].cid, cid_no(fx, 0)));
	last = got[1];
	MUST(store_expiries(fx->store, START_US, hour + US_PER_H, &last, 9, fx->mem, &got, &n,
			    &err));
	assert_int_equal(n, 1);
	assert_int_equal(got[0].expires_at, hour + US_PER_H);
	MUST(store_expiries(fx->store, hour + US_PER_H, hour + 9 * US_PER_H, NULL, 9, fx->mem, &got,
			    &n, &err));
	assert_int_equal(n, 4);
	MUST(store_drop_expiries(fx->store, hour + US_PER_H + 5, &err));
	MUST(store_expiries(fx->store, 0, hour + 9 * US_PER_H, NULL, 9, fx->mem, &got, &n, &err));
	assert_int_equal(n, 4);
}

/* ---- peers -------------------------------------------------------------------------------------
 */

struct numbering {
	struct fixture *fx;
	uint32_t numbers[20];
	bool failed;
};

static void *number_peers(void *arg)
{
	struct numbering *numbering = arg;
	struct err err;

	for (int i = 0; i < 20; i++) {
		char id[16];

		snprintf(id, sizeof(id), "peer%d", i);
		if (!store_peer_no(numbering->fx->store, slice_str(id), &numbering->numbers[i],
				   &err))
			numbering->failed = true;
	}
	return NULL;
}

static void a_peer_has_one_number_whoever_asks_first(void **state)
{
	struct fixture *fx = *state;
	struct numbering all[8];
	struct peer_row *peers;
	pthread_t threads[8];
	struct err err;
	size_t n;

	for (int i = 0; i < 8; i++) {
		all[i] = (struct numbering){ .fx = fx };
		assert_int_equal(pthread_create(&threads[i], NULL, number_peers, &all[i]), 0);
	}
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 8; i++) {
		assert_false(all[i].failed);
		assert_memory_equal(all[i].numbers, all[0].numbers, sizeof(all[0].numbers));
	}
	MUST(store_peers(fx->store, fx->mem, &peers, &n, &err));
	assert_int_equal(n, 20);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(peers[i].peer_no, i + 1);
}

static void the_newer_half_of_a_peer_wins_alone(void **state)
{
	struct fixture *fx = *state;
	struct peer_row row = { .wish_version = 20,
				.zone = SLICE_LIT("x"),
				.wish = PEER_DRAINING,
				.report_version = 30,
				.used_bytes = 7 };
	struct peer_row *peers;
	struct err err;
	size_t n;

	MUST(store_peer_no(fx->store, SLICE_LIT("p"), &row.peer_no, &err));
	MUST(store_peer_wish(fx->store, &row, &err));
	MUST(store_peer_report(fx->store, &row, &err));
	row.wish_version = 19;
	row.wish = PEER_ACTIVE;
	row.report_version = 31;
	row.used_bytes = 8;
	MUST(store_peer_wish(fx->store, &row, &err));
	MUST(store_peer_report(fx->store, &row, &err));
	MUST(store_peers(fx->store, fx->mem, &peers, &n, &err));
	assert_int_equal(n, 1);
	assert_true(slice_eq_str(peers[0].peer_id, "p"));
	assert_int_equal(peers[0].wish, PEER_DRAINING);
	assert_int_equal(peers[0].used_bytes, 8);
}

static void a_wish_is_swapped_only_over_the_one_that_was_read(void **state)
{
	struct fixture *fx = *state;
	struct peer_row row = { .wish_version = 20, .wish = PEER_PAUSED };
	struct peer_row *peers;
	struct err err;
	bool done;
	size_t n;

	MUST(store_peer_no(fx->store, SLICE_LIT("p"), &row.peer_no, &err));
	MUST(store_swap_peer_wish(fx->store, &row, 7, &done, &err));
	assert_false(done);
	MUST(store_swap_peer_wish(fx->store, &row, 0, &done, &err));
	assert_true(done);
	row.wish_version = 30;
	row.wish = PEER_DRAINING;
	MUST(store_swap_peer_wish(fx->store, &row, 0, &done, &err));
	assert_false(done);
	MUST(store_swap_peer_wish(fx->store, &row, 20, &done, &err));
	assert_true(done);
	MUST(store_peers(fx->store, fx->mem, &peers, &n, &err));
	assert_int_equal(peers[0].wish, PEER_DRAINING);
}

static void set_zone_x(struct fact *revision)
{
	static struct slice zone = { (const uint8_t *)"x", 1 };

	revision->zones = (struct slice_list){ &zone, 1 };
}

static void zones_are_those_of_the_peers_and_statuses_obey_them(void **state)
{
	struct fixture *fx = *state;
	struct peer_row row = { .wish_version = 20, .zone = SLICE_LIT("x") };
	struct ulid id = create_pin(fx, CID_A, &(struct wish){ .owner = "a" });
	struct peer_zones zones;
	uint32_t other;
	struct err err;

	MUST(store_peer_no(fx->store, SLICE_LIT("o"), &other, &err));
	MUST(store_peer_no(fx->store, SLICE_LIT("p"), &row.peer_no, &err));
	assert_int_equal(store_zones(fx->store, fx->mem).n, 0);
	MUST(store_peer_wish(fx->store, &row, &err));
	zones = store_zones(fx->store, fx->mem);
	assert_int_equal(zones.n, 1);
	assert_int_equal(zones.at[0].peer_no, row.peer_no);
	revise_pin(fx, CID_A, "a", id, set_zone_x);
	place_copy(fx, CID_A, other, true, COPY_PINNED);
	assert_int_equal(find_pin(fx, "a", id)->status, STATUS_QUEUED);
	place_copy(fx, CID_A, row.peer_no, true, COPY_PINNED);
	assert_int_equal(find_pin(fx, "a", id)->status, STATUS_PINNED);
}

/* ---- leases
 * ---------------------------------------------------------------------------------------- */

struct mover { /* gives the peer another zone while the peers are read */
	struct store *store;
	struct peer_row row;
	bool moved;
};

static void move_peer(void *ctx, enum table table)
{
	struct mover *m = ctx;
	struct err err;

	if (table != TABLE_PEERS || m->moved)
		return;
	m->moved = true;
	m->row.wish_version++;
	m->row.zone = SLICE_LIT("y");
	MUST(store_peer_wish(m->store, &m->row, &err));
}

/* The rows of before the change are those that the first read gives. */
static bool read_of_before(struct store_backend *b, const struct store_query *q, store_row_fn *each,
			   void *ctx, struct err *err)
{
	struct failing_store *f = CONTAINER_OF(b, struct failing_store, base);
	bool ok = f->inner->ops->read(f->inner, q, each, ctx, err);

	f->before_read(f->ctx, q->table); /* behind it, here */
	return ok;
}

static void a_zone_that_changes_while_it_is_read_is_read_again(void **state)
{
	struct fixture *fx = *state;
	struct store_options options = { .clock = &fx->clock.base, .rand = &fx->rand };
	struct mover mover = { .row = { .wish_version = 1, .zone = SLICE_LIT("x") } };
	struct failing_store failing;
	struct peer_zones zones;
	struct err err;

	MUST(store_peer_no(fx->store, SLICE_LIT("peer"), &mover.row.peer_no, &err));
	failing_store_init(&failing, fx->backend);
	MUST(store_open(&failing.base, &options, &mover.store, &err));
	MUST(store_peer_wish(mover.store, &mover.row, &err));
	failing.ops.read = read_of_before;
	failing.before_read = move_peer;
	failing.ctx = &mover;
	store_zones(mover.store, fx->mem);
	assert_true(mover.moved);
	zones = store_zones(mover.store, fx->mem);
	assert_int_equal(zones.n, 1);
	assert_true(slice_eq_str(zones.at[0].zone, "y"));
	store_close(mover.store);
}

static void a_lease_has_one_holder_until_it_runs_out(void **state)
{
	struct fixture *fx = *state;
	struct slice a = SLICE_LIT("a"), b = SLICE_LIT("b"), name = SLICE_LIT("sweep/1");
	uint64_t epoch, second;
	struct err err;
	bool held;

	MUST(store_lease(fx->store, name, a, 10 * US_PER_S, &held, &epoch, &err));
	assert_true(held);
	MUST(store_lease(fx->store, name, b, 10 * US_PER_S, &held, &second, &err));
	assert_false(held);
	fx->clock.now_us += 9 * US_PER_S;
	MUST(store_lease(fx->store, name, a, 10 * US_PER_S, &held, &second, &err));
	assert_true(held);
	assert_int_equal(second, epoch);
	fx->clock.now_us += 9 * US_PER_S;
	MUST(store_lease(fx->store, name, b, 10 * US_PER_S, &held, &second, &err));
	assert_false(held);
	fx->clock.now_us += US_PER_S;
	MUST(store_lease(fx->store, name, b, 10 * US_PER_S, &held, &second, &err));
	assert_true(held);
	assert_true(second > epoch);
	MUST(store_lease(fx->store, name, a, 10 * US_PER_S, &held, &epoch, &err));
	assert_false(held);
	MUST(store_lease(fx->store, SLICE_LIT("sweep/2"), a, 10 * US_PER_S, &held, &epoch, &err));
	assert_true(held);
}

struct contender {
	struct fixture *fx;
	char name;
	unsigned wins;
	atomic_uint *holders;
	bool failed;
};

static void *contend(void *arg)
{
	struct contender *c = arg;
	struct err err;

	for (int i = 0; i < 50; i++) {
		char lease[16];
		uint64_t epoch;
		bool held;

		snprintf(lease, sizeof(lease), "l%d", i);
		if (!store_lease(c->fx->store, slice_str(lease), SLICE_OF(&c->name, 1), US_PER_H,
				 &held, &epoch, &err))
			c->failed = true;
		else if (held)
			atomic_fetch_add(&c->holders[i], 1);
	}
	return NULL;
}

static void of_many_who_want_a_lease_one_gets_it(void **state)
{
	struct fixture *fx = *state;
	static atomic_uint holders[50];
	struct contender all[8];
	pthread_t threads[8];

	memset(holders, 0, sizeof(holders));
	for (int i = 0; i < 8; i++) {
		all[i] =
			(struct contender){ .fx = fx, .name = (char)('a' + i), .holders = holders };
		assert_int_equal(pthread_create(&threads[i], NULL, contend, &all[i]), 0);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		assert_false(all[i].failed);
	}
	for (int i = 0; i < 50; i++)
		assert_int_equal(holders[i], 1);
}

/* ---- rows that are swapped
 * --------------------------------------------------------------------------- */

static void a_swap_is_done_only_on_what_was_expected(void **state)
{
	struct fixture *fx = *state;
	struct owner_row a = { .owner = SLICE_LIT("o"), .max_pins = 1 }, b = a, key = a;
	const void *row;
	struct err err;
	bool done;

	b.max_pins = 2;
	MUST(store_row(fx->store, TABLE_OWNERS, &key, fx->mem, &row, &err));
	assert_null(row);
	MUST(store_swap_row(fx->store, TABLE_OWNERS, &a, &b, &done, &err));
	assert_false(done);
	MUST(store_swap_row(fx->store, TABLE_OWNERS, NULL, &a, &done, &err));
	assert_true(done);
	MUST(store_swap_row(fx->store, TABLE_OWNERS, NULL, &b, &done, &err));
	assert_false(done);
	MUST(store_swap_row(fx->store, TABLE_OWNERS, &a, &b, &done, &err));
	assert_true(done);
	MUST(store_row(fx->store, TABLE_OWNERS, &key, fx->mem, &row, &err));
	assert_int_equal(((const struct owner_row *)row)->max_pins, 2);
	MUST(store_swap_row(fx->store, TABLE_OWNERS, &a, NULL, &done, &err));
	assert_false(done);
	MUST(store_swap_row(fx->store, TABLE_OWNERS, &b, NULL, &done, &err));
	assert_true(done);
	MUST(store_row(fx->store, TABLE_OWNERS, &key, fx->mem, &row, &err));
	assert_null(row);
}

struct swapper {
	struct fixture *fx;
	unsigned done;
	bool failed;
};

/* Adds one to a number a hundred times. */
static void *add_by_swap(void *arg)
{
	struct swapper *s = arg;
	struct owner_row key = { .owner = SLICE_LIT("o") };
	struct err err;

	while (s->done < 100) {
		CLEANUP(arena_free) struct arena *mem = arena_new();
		struct owner_row next;
		const void *row;
		bool done;

		if (!store_row(s->fx->store, TABLE_OWNERS, &key, mem, &row, &err)) {
			s->failed = true;
			break;
		}
		next = *(const struct owner_row *)row;
		next.max_pins++;
		if (!store_swap_row(s->fx->store, TABLE_OWNERS, row, &next, &done, &err)) {
			s->failed = true;
			break;
		}
		s->done += done;
	}
	return NULL;
}

static void no_swap_is_lost_to_another(void **state)
{
	struct fixture *fx = *state;
	struct owner_row first = { .owner = SLICE_LIT("o") };
	struct swapper all[8];
	pthread_t threads[8];
	const void *row;
	struct err err;
	bool done;

	MUST(store_swap_row(fx->store, TABLE_OWNERS, NULL, &first, &done, &err));
	for (int i = 0; i < 8; i++) {
		all[i] = (struct swapper){ .fx = fx };
		assert_int_equal(pthread_create(&threads[i], NULL, add_by_swap, &all[i]), 0);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		assert_false(all[i].failed);
	}
	MUST(store_row(fx->store, TABLE_OWNERS, &first, fx->mem, &row, &err));
	assert_int_equal(((const struct owner_row *)row)->max_pins, 800);
}

static void rows_are_paged_in_the_order_of_their_keys(void **state)
{
	struct fixture *fx = *state;
	const void *after = NULL, **rows;
	struct err err;
	size_t n, seen = 0;
	bool done;

	for (unsigned i = 0; i < 25; i++) {
		struct deny deny = { .digest = cid_no(fx, i * 7919), .added_at = i };

		MUST(store_swap_row(fx->store, TABLE_DENY_LIST, NULL, &deny, &done, &err));
	}
	do {
		MUST(store_rows(fx->store, TABLE_DENY_LIST, after, 10, fx->mem, &rows, &n, &err));
		for (size_t i = 0; i < n; i++, after = rows[i - 1])
			assert_true(!after ||
				    slice_cmp(((const struct deny *)after)->digest,
					      ((const struct deny *)rows[i])->digest) < 0);
		seen += n;
	} while (n == 10);
	assert_int_equal(seen, 25);
}

static atomic_int durable;

static void on_durable(void *ctx UNUSED, const struct err *err)
{
	atomic_fetch_add(&durable, err ? 100 : 1);
}

static void what_was_written_becomes_durable(void **state)
{
	struct fixture *fx = *state;
	struct err err;

	durable = 0;
	create_pin(fx, CID_A, &(struct wish){ .owner = "a" });
	store_when_durable(fx->store, store_mark(fx->store), on_durable, NULL);
	MUST(store_sync(fx->store, store_mark(fx->store), &err));
	assert_int_equal(durable, 1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		CASE(wakes_come_in_the_order_they_are_due),
		CASE(open_copies_and_peer_pins_are_paged_by_cid),
		CASE(all_pins_of_a_peer_are_read_in_pages),
		CASE(expiries_come_from_their_hours_and_hours_are_dropped),
		CASE(a_peer_has_one_number_whoever_asks_first),
		CASE(the_newer_half_of_a_peer_wins_alone),
		CASE(a_wish_is_swapped_only_over_the_one_that_was_read),
		CASE(zones_are_those_of_the_peers_and_statuses_obey_them),
		CASE(a_zone_that_changes_while_it_is_read_is_read_again),
		CASE(a_wake_of_before_1970_is_found_again),
		CASE(a_lease_has_one_holder_until_it_runs_out),
		CASE(of_many_who_want_a_lease_one_gets_it),
		CASE(a_swap_is_done_only_on_what_was_expected),
		CASE(no_swap_is_lost_to_another),
		CASE(rows_are_paged_in_the_order_of_their_keys),
		CASE(what_was_written_becomes_durable),
	};

	return contract_main(argc, argv, tests, sizeof(tests) / sizeof(*tests));
}
