/*
 * store_orphans_contract.c -- derived rows whose truth is gone.
 */
#include "base/attr.h"
#include "lib/failing_store.h"
#include "store/orphans.h"
#include "store_fixture.h"

#define NONE ((struct slice){ NULL, 0 })

static struct slice some_tags[] = { SLICE_LIT("blue"), SLICE_LIT("red") };

static void name_tag_expiry(struct fact *revision)
{
	revision->name = SLICE_LIT("Name");
	revision->tags = (struct slice_list){ some_tags, 2 };
	revision->expires_at = START_US + US_PER_DAY;
}

static void three_named_pins(struct fixture *fx)
{
	for (unsigned i = 0; i < 3; i++) {
		struct ulid id = create_pin(fx, cid_no(fx, i), &(struct wish){ .owner = "a" });

		revise_pin(fx, cid_no(fx, i), "a", id, name_tag_expiry);
		place_copy(fx, cid_no(fx, i), 1, true, COPY_PINNED);
		place_copy(fx, cid_no(fx, i), 2, true, COPY_PINNING);
	}
}

struct truth { /* rows of a CID, to be deleted */
	struct arena *mem;
	enum table table;
	struct slice cid;
	struct store_write writes[16];
	size_t n;
};

static bool add_truth(void *ctx, const void *row)
{
	struct truth *t = ctx;
	struct slice cid = t->table == TABLE_PINS_BY_CID ? ((const struct fact_row *)row)->fact.cid
							 : ((const struct copy_row *)row)->cid;

	if (slice_eq(cid, t->cid))
		t->writes[t->n++] = (struct store_write){ .table = t->table,
							  .kind = WRITE_DELETE,
							  .row = row_copy(t->table, row, t->mem) };
	return true;
}

/* What is left of its rows follows from nothing. */
static void lose_truth(struct fixture *fx, struct slice cid)
{
	static const enum table tables[] = { TABLE_PINS_BY_CID, TABLE_PLACEMENTS_BY_CID };
	struct err err;

	fx->clock.now_us += US_PER_S; /* where the last version wins, this one does */
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		struct truth t = { .mem = fx->mem, .table = tables[i], .cid = cid };
		struct store_query query = { .table = tables[i] };

		MUST(fx->backend->ops->read(fx->backend, &query, add_truth, &t, &err));
		assert_true(t.n > 0 && t.n <= ARRAY_LEN(t.writes));
		MUST(fx->backend->ops->write(fx->backend, t.writes, t.n, &err));
	}
	fx->clock.now_us += US_PER_S;
}

/* owner_pins 1, tags_index 3, pins_by_peer 2, peer_open 1, pin_ttl_queue 1, which clusters leave to
 * the drop of its hour. */
static size_t lost_rows(const struct fixture *fx)
{
	return fx->serial ? 8 : 7;
}

static size_t walk(struct orphan_walk *walk, size_t limit, size_t steps)
{
	size_t all = 0, removed;
	struct err err;

	for (size_t i = 0; i < steps; i++) {
		MUST(orphan_walk_step(walk, limit, &removed, &err));
		all += removed;
	}
	return all;
}

static void rows_whose_truth_is_gone_go_in_one_round(void **state)
{
	static const size_t limits[] = { 1, 7, 1000 };

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct fixture *fx = *state;
		struct orphan_walk *w = orphan_walk_new(fx->store);
		size_t steps = 24 / limits[i] + 1; /* a round of 3 pins with 8 rows each */
		struct owner_usage usage;
		struct err err;

		three_named_pins(fx);
		assert_int_equal(walk(w, limits[i], steps), 0);
		lose_truth(fx, cid_no(fx, 1));
		assert_int_equal(walk(w, limits[i], steps), lost_rows(fx));
		assert_int_equal(walk(w, limits[i], steps), 0);
		assert_int_equal(rows_in(fx, TABLE_OWNER_PINS), 2);
		assert_int_equal(rows_in(fx, TABLE_TAGS_INDEX), 6);
		assert_int_equal(rows_in(fx, TABLE_PINS_BY_PEER), 4);
		assert_int_equal(rows_in(fx, TABLE_PEER_OPEN), 2);
		MUST(store_usage(fx->store, SLICE_LIT("a"), &usage, &err));
		assert_int_equal(usage.pins[STATUS_PINNED], 2);
		assert_int_equal(usage.bytes, 200);
		assert_sound(fx);
		orphan_walk_free(w);
		fixture_teardown(state);
		fixture_setup(state);
	}
}

/* A CID whose facts cannot be read, then a table with a row that cannot. */
static void a_walk_gets_past_what_cannot_be_read(void **state)
{
	struct failing_store failing;
	struct fixture *fx = *state;
	const struct store_options options = { .instance = 7,
					       .clock = &fx->clock.base,
					       .rand = &fx->rand };
	struct store *store;
	struct err err;

	three_named_pins(fx);
	failing_store_init(&failing, fx->backend);
	MUST(store_open(&failing.base, &options, &store, &err));
	for (unsigned i = 0; i < 2; i++) {
		struct orphan_walk *w = orphan_walk_new(store);

		failing.bad_cid = i == 0 ? cid_no(fx, 2) : NONE;
		failing.bad_pin = i == 0 ? NONE : cid_no(fx, 2);
		lose_truth(fx, cid_no(fx, i));
		assert_int_equal(walk(w, 1000, 1), i == 0 ? lost_rows(fx) : lost_rows(fx) - 2);
		failing.bad_pin = NONE;
		assert_int_equal(walk(w, 1000, 1), i == 0 ? 0 : 2);
		orphan_walk_free(w);
	}
	store_close(store);
	assert_sound(fx);
}

static bool try_round(struct orphan_walk *w, size_t *removed, struct err *err)
{
	size_t more;
	bool ok = orphan_walk_step(w, 5, &more, err);

	*removed += more;
	return ok;
}

/* Each of its calls once (on a disk some), before and after its effect. */
static void a_walk_goes_on_where_it_was_when_the_store_failed(void **state)
{
	enum { STEPS = 5, ALL_FAILED = 1000 };
	const char *backend = ((struct fixture *)*state)->backend->ops->name;
	/* To open one on a disk for each call takes a minute. */
	unsigned every = strcmp(backend, "rocksdb") == 0 ? 7 : 1;
	bool done[2] = { false, false };

	for (unsigned call = 1; call < ALL_FAILED && !(done[0] && done[1]); call += every) {
		for (unsigned after = 0; after < 2; after++) {
			struct failing_store failing;
			struct fixture *fx = *state;
			const struct store_options options = { .instance = 7,
							       .clock = &fx->clock.base,
							       .rand = &fx->rand };
			struct orphan_walk *w;
			struct store *store;
			size_t removed = 0, failed = 0;
			struct err err;

			three_named_pins(fx);
			failing_store_init(&failing, fx->backend);
			MUST(store_open(&failing.base, &options, &store, &err));
			lose_truth(fx, cid_no(fx, 1));
			w = orphan_walk_new(store);
			failing.after = after;
			failing.fail_at = failing.calls + call;
			for (unsigned i = 0; i < STEPS; i++)
				failed += !try_round(w, &removed, &err);
			done[after] = failed == 0;
			assert_true(failed <= 1);
			if (failed > 0)
				MUST(try_round(w, &removed, &err));
			assert_int_equal(rows_in(fx, TABLE_OWNER_PINS), 2);
			assert_int_equal(rows_in(fx, TABLE_TAGS_INDEX), 6);
			assert_int_equal(rows_in(fx, TABLE_PINS_BY_PEER), 4);
			assert_int_equal(rows_in(fx, TABLE_PEER_OPEN), 2);
			/* What was taken away by a call that failed after its effect is not
			 * counted. */
			assert_in_range(removed, lost_rows(fx) - failed, lost_rows(fx));
			orphan_walk_free(w);
			store_close(store);
			fixture_teardown(state);
			fixture_setup(state);
		}
	}
	assert_true(done[0] && done[1]);
}

/* Its facts can be read and the row itself not any more: nothing is removed and nothing counted. */
static void what_could_not_be_removed_is_not_counted(void **state)
{
	struct failing_store failing;
	struct fixture *fx = *state;
	const struct store_options options = { .instance = 7,
					       .clock = &fx->clock.base,
					       .rand = &fx->rand };
	struct slice lost = cid_no(fx, 1);
	const void **rows;
	struct store *store;
	bool orphan = false;
	struct err err;
	size_t n, i = 0;

	three_named_pins(fx);
	failing_store_init(&failing, fx->backend);
	MUST(store_open(&failing.base, &options, &store, &err));
	lose_truth(fx, cid_no(fx, 1));
	while (orphan_table(i) != TABLE_PINS_BY_PEER)
		i++;
	MUST(store_rows(store, TABLE_PINS_BY_PEER, NULL, 100, fx->mem, &rows, &n, &err));
	for (size_t k = 0; k < n; k++) {
		if (!slice_eq(orphan_cid(i, rows[k]), lost))
			continue;
		failing.bad_pin = lost;
		assert_false(orphan_judge(store, i, rows[k], true, &orphan, &err));
		failing.bad_pin = NONE;
		assert_int_equal(err.code, ERR_CORRUPT);
		assert_false(orphan);
	}
	assert_int_equal(rows_in(fx, TABLE_PINS_BY_PEER), 6);
	store_close(store);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rows_whose_truth_is_gone_go_in_one_round,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_walk_gets_past_what_cannot_be_read, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(a_walk_goes_on_where_it_was_when_the_store_failed,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(what_could_not_be_removed_is_not_counted,
						fixture_setup, fixture_teardown),
	};

	return contract_main(argc, argv, tests, ARRAY_LEN(tests));
}
