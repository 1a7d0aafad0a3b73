/*
 * store_scan_contract.c -- scans over all CIDs and all pins.
 */
#include <string.h>

#include "lib/failing_store.h"
#include "store_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define NONE     ((struct slice){ NULL, 0 })

struct scanned {
	unsigned seen[2000];   /* by the number of the CID */
	unsigned left;         /* stop when it reaches 0 */
	uint8_t position[512]; /* of the last one */
	size_t position_len;
	uint32_t bucket; /* of the last one */
	struct fixture *fx;
	size_t requests, copies, total;
};

static unsigned number_of(struct slice cid)
{
	return (unsigned)cid.ptr[4] << 24 | (unsigned)cid.ptr[5] << 16 | (unsigned)cid.ptr[6] << 8 |
	       cid.ptr[7];
}

static bool note(struct scanned *s, struct slice cid, struct slice position)
{
	uint32_t bucket = store_bucket(s->fx->store, cid);

	assert_true(bucket >= s->bucket);
	s->bucket = bucket;
	s->seen[number_of(cid)]++;
	s->total++;
	assert_true(position.len <= sizeof(s->position));
	memcpy(s->position, position.ptr, position.len);
	s->position_len = position.len;
	return --s->left > 0;
}

static bool on_cid(void *ctx, const struct cid_view *view, struct slice position)
{
	struct scanned *s = ctx;

	s->requests += view->n_facts / 2;
	s->copies += view->n_copies;
	return note(s, view->cid, position);
}

static bool on_pin(void *ctx, const struct scanned_pin *pin, struct slice position)
{
	struct scanned *s = ctx;

	s->copies += pin->n_copies;
	assert_int_equal(pin->request->life, REQUEST_LIVE);
	return note(s, pin->request->create->cid, position);
}

static void a_scan_in_parts_covers_every_cid_once(void **state)
{
	static const unsigned parts[] = { 1, 2, 7, 64 };
	struct fixture *fx = *state;
	struct err err;

	for (unsigned i = 0; i < 300; i++) {
		if (i % 3 > 0)
			create_pin(fx, cid_no(fx, i), &(struct wish){ .owner = "a" });
		if (i % 3 < 2)
			place_copy(fx, cid_no(fx, i), 1 + i % 2, true, COPY_PINNED);
	}
	for (size_t k = 0; k < COUNT(parts); k++) {
		struct scanned s = { .fx = fx };

		for (unsigned part = 0; part < parts[k]; part++) {
			s.left = UINT32_MAX;
			MUST(store_scan_cids(fx->store, part, parts[k], NONE, on_cid, &s, &err));
		}
		for (unsigned i = 0; i < 300; i++)
			assert_int_equal(s.seen[i], 1);
		assert_int_equal(s.requests, 200);
		assert_int_equal(s.copies, 200);
	}
}

static void a_scan_goes_on_where_it_was_left(void **state)
{
	static const unsigned steps[] = { 1, 7, 100 };
	struct fixture *fx = *state;
	struct err err;

	for (unsigned i = 0; i < 150; i++)
		for (unsigned k = 0; k <= i % 3; k++)
			create_pin(fx, cid_no(fx, i), &(struct wish){ .owner = k ? "a" : "b" });
	for (size_t k = 0; k < COUNT(steps); k++) {
		struct scanned cids = { .fx = fx }, pins = { .fx = fx };
		size_t before;

		do {
			uint8_t from[512];
			size_t len = cids.position_len;

			memcpy(from, cids.position, len);
			before = cids.total;
			cids.left = steps[k];
			MUST(store_scan_cids(fx->store, 0, 1, SLICE_OF(from, len), on_cid, &cids,
					     &err));
		} while (cids.total > before);
		do {
			uint8_t from[512];
			size_t len = pins.position_len;

			memcpy(from, pins.position, len);
			before = pins.total;
			pins.left = steps[k];
			MUST(store_scan(fx->store, NONE, 0, 1, SLICE_OF(from, len), on_pin, &pins,
					&err));
		} while (pins.total > before);
		for (unsigned i = 0; i < 150; i++) {
			assert_int_equal(cids.seen[i], 1);
			assert_int_equal(pins.seen[i], 1 + i % 3);
		}
	}
}

static bool to_the_end_of_a_read(void *ctx, const struct scanned_pin *pin, struct slice position)
{
	note(ctx, pin->request->create->cid, position);
	return !pin->read_ends;
}

static void a_scan_says_where_what_it_read_ends(void **state)
{
	enum { PINS = 1200 };
	struct fixture *fx = *state;
	struct scanned s = { .fx = fx, .left = UINT32_MAX };
	unsigned reads = 0;
	struct err err;

	for (unsigned i = 0; i < PINS; i++)
		create_pin(fx, cid_no(fx, i), &(struct wish){ .owner = "a" });
	for (; s.total < PINS && reads < PINS; reads++) {
		uint8_t from[512];
		size_t len = s.position_len;

		memcpy(from, s.position, len);
		MUST(store_scan(fx->store, NONE, 0, 1, SLICE_OF(from, len), to_the_end_of_a_read,
				&s, &err));
	}
	for (unsigned i = 0; i < PINS; i++)
		assert_int_equal(s.seen[i], 1);
	assert_in_range(reads, 2, PINS / 100);
}

static void a_scan_of_one_owner_shows_his_live_requests(void **state)
{
	struct fixture *fx = *state;
	struct scanned s = { .fx = fx, .left = UINT32_MAX };
	struct err err;

	for (unsigned i = 0; i < 20; i++) {
		struct ulid id = create_pin(fx, cid_no(fx, i), &(struct wish){ .owner = "a" });

		create_pin(fx, cid_no(fx, i), &(struct wish){ .owner = "b" });
		if (i % 2)
			end_pin(fx, cid_no(fx, i), "a", id, END_BY_OWNER, 0);
	}
	MUST(store_scan(fx->store, SLICE_LIT("a"), 0, 1, NONE, on_pin, &s, &err));
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(s.seen[i], i % 2 ? 0 : 1);
}

static void a_cid_larger_than_a_chunk_is_scanned_whole(void **state)
{
	struct fixture *fx = *state;
	struct fact *facts = arena_new_array(fx->mem, struct fact, 3000);
	struct scanned s = { .fx = fx, .left = UINT32_MAX }, pins = s;
	struct err err;

	for (unsigned i = 0; i < 3000; i++) {
		struct ulid id = ulid_make(START_US / 1000 + i / 2, 0, 0, (const uint8_t[8]){ 0 });

		facts[i] = (struct fact){ .owner = SLICE_LIT("a"), .request_id = id };
		if (i % 2) {
			facts[i].kind = FACT_REVISION;
			facts[i].rev = 1000;
			facts[i].rf_min = facts[i].rf_max = 1;
		}
	}
	change(fx, cid_no(fx, 1), &(struct cid_change){ .facts = facts, .n_facts = 3000 });
	for (unsigned i = 2; i < 50; i++)
		create_pin(fx, cid_no(fx, i), &(struct wish){ .owner = "b" });
	MUST(store_scan_cids(fx->store, 0, 1, NONE, on_cid, &s, &err));
	assert_int_equal(s.total, 49);
	assert_int_equal(s.requests, 1500 + 48);
	MUST(store_scan(fx->store, NONE, 0, 1, NONE, on_pin, &pins, &err));
	assert_int_equal(pins.seen[1], 1500);
	assert_int_equal(pins.total, 1500 + 48);
}

/* Six facts in ten of one CID are behind the first chunk; one of those cannot be read. */
static void a_scan_gets_past_an_unreadable_row_of_a_cid_larger_than_a_chunk(void **state)
{
	struct fixture *fx = *state;
	struct fact *facts = arena_new_array(fx->mem, struct fact, 600);
	struct store_options options = { .clock = &fx->clock.base, .rand = &fx->rand };
	struct failing_store failing;
	struct store *store;
	struct err err;

	for (unsigned i = 0; i < 600; i++)
		facts[i] = (struct fact){
			.owner = SLICE_LIT("a"),
			.request_id = ulid_make(START_US / 1000 + i, 0, 0, (const uint8_t[8]){ 0 }),
			.kind = FACT_REVISION,
			.rev = 1000 + i,
			.rf_min = 1,
			.rf_max = 1,
		};
	for (unsigned i = 0; i < 60; i++)
		create_pin(fx, cid_no(fx, i), &(struct wish){ .owner = "b" });
	failing_store_init(&failing, fx->backend);
	MUST(store_open(&failing.base, &options, &store, &err));
	for (unsigned large = 0; large < 60; large += 20) {
		struct scanned s = { .fx = fx, .left = UINT32_MAX };

		change(fx, cid_no(fx, large),
		       &(struct cid_change){ .facts = facts, .n_facts = 600 });
		failing.bad_cid = cid_no(fx, large);
		failing.bad_rev = 1400;
		MUST(store_scan_readable(store, NONE, on_cid, &s, &err));
		assert_int_equal(s.total, 59);
		assert_int_equal(s.seen[large], 0);
	}
	store_close(store);
}

/* With so many copies the first bucket at fault is not always found first. */
static void a_scan_gets_past_two_unreadable_rows(void **state)
{
	struct fixture *fx = *state;
	struct store_options options = { .clock = &fx->clock.base, .rand = &fx->rand };
	struct copy *copies = arena_new_array(fx->mem, struct copy, 12);
	struct failing_store failing;
	struct store *store;
	struct err err;

	for (unsigned k = 0; k < 12; k++)
		copies[k] = (struct copy){ .peer_no = k + 1, .gen = 5, .desired = true };
	for (unsigned i = 0; i < 110; i++) {
		create_pin(fx, cid_no(fx, i), &(struct wish){ .owner = "b" });
		change(fx, cid_no(fx, i),
		       &(struct cid_change){ .desired = copies, .n_desired = 12 });
	}
	failing_store_init(&failing, fx->backend);
	MUST(store_open(&failing.base, &options, &store, &err));
	for (unsigned fact = 0; fact < 110; fact += 27)
		for (unsigned copy = 13; copy < 110; copy += 27) {
			struct scanned s = { .fx = fx, .left = UINT32_MAX };

			failing.bad_cid = cid_no(fx, fact);
			failing.bad_copy = cid_no(fx, copy);
			MUST(store_scan_readable(store, NONE, on_cid, &s, &err));
			assert_int_equal(s.total, 108);
			assert_int_equal(s.seen[fact] + s.seen[copy], 0);
		}
	store_close(store);
}

static void scan_positions_that_make_no_sense_are_refused(void **state)
{
	static const struct slice bad[] = {
		SLICE_LIT("x"),
		SLICE_LIT("\0\0\0\1\0"),
		SLICE_LIT("\0\0\0\1\5abc"),
		SLICE_LIT("\0\0\0\1\3abcdefghijklmnopqrs"),
	};
	struct fixture *fx = *state;
	struct scanned s = { .fx = fx, .left = UINT32_MAX };
	struct err err;

	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(store_scan(fx->store, NONE, 0, 1, bad[i], on_pin, &s, &err));
		assert_int_equal(err.code, ERR_INVALID);
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		CASE(a_scan_in_parts_covers_every_cid_once),
		CASE(a_scan_goes_on_where_it_was_left),
		CASE(a_scan_says_where_what_it_read_ends),
		CASE(a_scan_of_one_owner_shows_his_live_requests),
		CASE(a_cid_larger_than_a_chunk_is_scanned_whole),
		CASE(a_scan_gets_past_an_unreadable_row_of_a_cid_larger_than_a_chunk),
		CASE(a_scan_gets_past_two_unreadable_rows),
		CASE(scan_positions_that_make_no_sense_are_refused),
	};

	return contract_main(argc, argv, tests, sizeof(tests) / sizeof(*tests));
}
