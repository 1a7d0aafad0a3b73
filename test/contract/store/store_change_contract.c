/*
 * store_change_contract.c -- what store_change() promises: facts and halves in, every
 * derived row right after.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store_fixture.h"

#define ME "alice"

static void a_created_request_is_found_counted_and_summed(void **state)
{
	struct fixture *fx = *state;
	struct ulid id = create_pin(fx, CID_A, &(struct wish){ .owner = ME, .name = "N" });
	const struct owner_pin *pin = find_pin(fx, ME, id);
	struct owner_usage usage;
	struct err err;

	assert_non_null(pin);
	assert_true(slice_eq(pin->cid, CID_A));
	assert_true(slice_eq_str(pin->name, "N"));
	assert_int_equal(pin->status, STATUS_QUEUED);
	assert_int_equal(pin->created_at, ulid_us(&id));
	assert_int_equal(pin->cid_base, 'b');
	MUST(store_usage(fx->store, SLICE_LIT(ME), &usage, &err));
	assert_int_equal(usage.pins[STATUS_QUEUED], 1);
	assert_int_equal(usage.approximate, !fx->serial);
	assert_sound(fx);
}

static void a_change_of_nothing_writes_nothing(void **state)
{
	struct fixture *fx = *state;

	change(fx, CID_A, &(struct cid_change){ 0 });
	for (int t = 0; t < TABLE_COUNT; t++)
		if (t != TABLE_SETTINGS)
			assert_int_equal(rows_in(fx, (enum table)t), 0);
}

static void set_name_tag_and_expiry(struct fact *revision)
{
	static struct slice tag = { (const uint8_t *)"red", 3 };

	revision->name = SLICE_LIT("New Name");
	revision->tags = (struct slice_list){ &tag, 1 };
	revision->expires_at = START_US + US_PER_DAY;
}

static void clear_all(struct fact *revision)
{
	revision->name = SLICE_LIT("");
	revision->tags = (struct slice_list){ NULL, 0 };
	revision->expires_at = 0;
}

static void a_revision_moves_every_derived_row(void **state)
{
	struct fixture *fx = *state;
	struct ulid id = create_pin(fx, CID_A, &(struct wish){ .owner = ME, .name = "old" });
	uint64_t rev = find_pin(fx, ME, id)->rev;

	revise_pin(fx, CID_A, ME, id, set_name_tag_and_expiry);
	assert_true(slice_eq_str(find_pin(fx, ME, id)->name, "New Name"));
	assert_true(find_pin(fx, ME, id)->rev > rev);
	assert_int_equal(rows_in(fx, TABLE_TAGS_INDEX), 2);
	assert_int_equal(rows_in(fx, TABLE_PIN_TTL_QUEUE), 1);
	assert_sound(fx);
	revise_pin(fx, CID_A, ME, id, clear_all);
	assert_int_equal(rows_in(fx, TABLE_TAGS_INDEX), 0);
	if (fx->serial)
		assert_int_equal(rows_in(fx, TABLE_PIN_TTL_QUEUE), 0);
	assert_int_equal(rows_in(fx, TABLE_OWNER_PINS), 1);
	assert_sound(fx);
}

static void an_end_by_its_owner_takes_every_derived_row(void **state)
{
	struct fixture *fx = *state;
	struct ulid id = create_pin(fx, CID_A, &(struct wish){ .owner = ME, .name = "x" });
	struct owner_usage usage;
	struct err err;

	revise_pin(fx, CID_A, ME, id, set_name_tag_and_expiry);
	end_pin(fx, CID_A, ME, id, END_BY_OWNER, 0);
	assert_null(find_pin(fx, ME, id));
	assert_int_equal(rows_in(fx, TABLE_OWNER_PINS), 0);
	assert_int_equal(rows_in(fx, TABLE_TAGS_INDEX), 0);
	MUST(store_usage(fx->store, SLICE_LIT(ME), &usage, &err));
	assert_int_equal(usage.pins[STATUS_QUEUED], 0);
	assert_sound(fx);
	revise_pin(fx, CID_A, ME, id, set_name_tag_and_expiry);
	assert_null(find_pin(fx, ME, id));
}

static void a_replaced_request_is_gone_for_its_owner(void **state)
{
	struct fixture *fx = *state;
	struct ulid id = create_pin(fx, CID_A, &(struct wish){ .owner = ME });
	struct cid_view view;
	struct request *r;
	struct err err;

	end_pin(fx, CID_A, ME, id, END_BY_REPLACEMENT, 0);
	assert_null(find_pin(fx, ME, id));
	MUST(store_view(fx->store, CID_A, fx->mem, &view, &err));
	assert_int_equal(requests_fold(view.facts, view.n_facts, fx->mem, &r), 1);
	assert_int_equal(r[0].life, REQUEST_REPLACED);
	assert_sound(fx);
}

static void an_expiry_that_judged_an_older_revision_is_void(void **state)
{
	struct fixture *fx = *state;
	struct ulid id = create_pin(
		fx, CID_A, &(struct wish){ .owner = ME, .expires_at = START_US + US_PER_H });
	uint64_t judged = find_pin(fx, ME, id)->rev;

	revise_pin(fx, CID_A, ME, id, set_name_tag_and_expiry);
	end_pin(fx, CID_A, ME, id, END_BY_TTL, judged);
	assert_non_null(find_pin(fx, ME, id));
	assert_sound(fx);
	end_pin(fx, CID_A, ME, id, END_BY_TTL, find_pin(fx, ME, id)->rev);
	assert_null(find_pin(fx, ME, id));
	assert_sound(fx);
}

static void another_owner_sees_nothing(void **state)
{
	struct fixture *fx = *state;
	struct ulid id = create_pin(fx, CID_A, &(struct wish){ .owner = ME });
	struct pin_filter any = { 0 }, by_cid = { .cids = &CID_A, .n_cids = 1 };
	struct pin_page page;
	struct err err;
	size_t n;
	bool cut;

	assert_null(find_pin(fx, "mallory", id));
	assert_null(find_pin(fx, "alic", id));
	MUST(store_list(fx->store, SLICE_LIT("mallory"), &any, (struct slice){ 0 }, 10, fx->mem,
			&page, &err));
	assert_int_equal(page.n, 0);
	MUST(store_list(fx->store, SLICE_LIT("mallory"), &by_cid, (struct slice){ 0 }, 10, fx->mem,
			&page, &err));
	assert_int_equal(page.n, 0);
	MUST(store_count(fx->store, SLICE_LIT("mallory"), &any, 10, &n, &cut, &err));
	assert_int_equal(n, 0);
}

static void statuses_follow_the_copies(void **state)
{
	struct fixture *fx = *state;
	struct ulid one = create_pin(fx, CID_A, &(struct wish){ .owner = ME });
	struct ulid two = create_pin(fx, CID_A, &(struct wish){ .owner = "bob", .replicas = 2 });
	struct owner_usage usage;
	struct err err;

	place_copy(fx, CID_A, 1, true, COPY_PINNING);
	assert_int_equal(find_pin(fx, ME, one)->status, STATUS_PINNING);
	place_copy(fx, CID_A, 1, true, COPY_PINNED);
	assert_int_equal(find_pin(fx, ME, one)->status, STATUS_PINNED);
	assert_int_equal(find_pin(fx, ME, one)->size, 100);
	assert_int_equal(find_pin(fx, ME, one)->copies, 1);
	assert_int_equal(find_pin(fx, "bob", two)->status, STATUS_PINNING);
	place_copy(fx, CID_A, 2, true, COPY_PINNED);
	assert_int_equal(find_pin(fx, "bob", two)->status, STATUS_PINNED);
	MUST(store_usage(fx->store, SLICE_LIT("bob"), &usage, &err));
	assert_int_equal(usage.pins[STATUS_PINNED], 1);
	assert_int_equal(usage.pins[STATUS_QUEUED] + usage.pins[STATUS_PINNING], 0);
	assert_int_equal(usage.bytes, 100);
	assert_sound(fx);
}

static void an_empty_change_shows_what_time_has_done(void **state)
{
	struct fixture *fx = *state;
	struct ulid id = create_pin(
		fx, CID_A, &(struct wish){ .owner = ME, .expires_at = START_US + US_PER_H });

	place_copy(fx, CID_A, 1, true, COPY_PINNED);
	fx->clock.now_us += US_PER_H - US_PER_MIN;
	change(fx, CID_A, &(struct cid_change){ 0 });
	assert_int_equal(find_pin(fx, ME, id)->status, STATUS_EXPIRING);
	assert_int_equal(find_pin(fx, ME, id)->changed_at, fx->clock.now_us);
	assert_int_equal(rows_in(fx, TABLE_TAGS_INDEX), 1);
	assert_sound(fx);
}

static void open_rows_are_exactly_the_unsettled_copies(void **state)
{
	static const struct {
		bool desired;
		enum copy_state copy;
		size_t open;
	} cases[] = {
		{ true, COPY_QUEUED, 1 },  { true, COPY_PINNING, 1 },  { true, COPY_PINNED, 0 },
		{ true, COPY_ERROR, 1 },   { true, COPY_UNPINNED, 1 }, { false, COPY_QUEUED, 1 },
		{ false, COPY_PINNED, 1 }, { false, COPY_ERROR, 1 },   { false, COPY_UNPINNED, 0 },
	};
	struct fixture *fx = *state;
	struct peer_open *open;
	struct err err;
	size_t n;

	create_pin(fx, CID_A, &(struct wish){ .owner = ME });
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		place_copy(fx, CID_A, 5, cases[i].desired, cases[i].copy);
		MUST(store_open_copies(fx->store, 5, (struct slice){ 0 }, 10, fx->mem, &open, &n,
				       &err));
		assert_int_equal(n, cases[i].open);
		if (n == 1) {
			assert_int_equal(open->desired, cases[i].desired);
			assert_true(slice_eq(open->cid, CID_A));
			assert_true(slice_eq_str(open->owner, ME));
		}
		assert_int_equal(rows_in(fx, TABLE_PINS_BY_PEER), 1);
	}
	assert_sound(fx);
	change(fx, CID_A, &(struct cid_change){ .forget = (uint32_t[]){ 5 }, .n_forget = 1 });
	assert_int_equal(rows_in(fx, TABLE_PINS_BY_PEER), 0);
	assert_int_equal(rows_in(fx, TABLE_PLACEMENTS_BY_CID), fx->serial ? 0 : 1); /* its floor */
	assert_sound(fx);
}

/* What was removed must not come back by a slow writer; a week later there is none. */
static void the_floor_of_a_cid_outlives_it_by_a_week(void **state)
{
	struct fixture *fx = *state;
	struct cid_view view;
	struct err err;

	place_copy(fx, CID_A, 5, false, COPY_UNPINNED);
	change(fx, CID_A, &(struct cid_change){ .forget = (uint32_t[]){ 5 }, .n_forget = 1 });
	MUST(store_view(fx->store, CID_A, fx->mem, &view, &err));
	assert_int_equal(view.n_copies, 0);
	assert_int_equal(view.floor > 0, !fx->serial);
	fx->clock.now_us += 6 * US_PER_DAY;
	change(fx, CID_A, &(struct cid_change){ 0 });
	assert_int_equal(rows_in(fx, TABLE_PLACEMENTS_BY_CID), fx->serial ? 0 : 1);
	fx->clock.now_us += 2 * US_PER_DAY;
	change(fx, CID_A, &(struct cid_change){ 0 });
	assert_int_equal(rows_in(fx, TABLE_PLACEMENTS_BY_CID), 0);
	place_copy(fx, CID_A, 5, true, COPY_PINNED);
	assert_int_equal(rows_in(fx, TABLE_PINS_BY_PEER), 1);
	assert_sound(fx);
}

static void a_half_of_a_lower_version_changes_nothing(void **state)
{
	struct fixture *fx = *state;
	struct copy new = { .peer_no = 1,
			    .gen = 9000,
			    .desired = true,
			    .stamp = 9001,
			    .state_gen = 9000,
			    .state = COPY_PINNED };
	struct copy old = { .peer_no = 1,
			    .gen = 8000,
			    .desired = false,
			    .stamp = 8001,
			    .state_gen = 8000,
			    .state = COPY_ERROR };
	struct cid_view view;
	struct err err;

	change(fx, CID_A,
	       &(struct cid_change){
		       .desired = &new, .n_desired = 1, .observed = &new, .n_observed = 1 });
	change(fx, CID_A,
	       &(struct cid_change){
		       .desired = &old, .n_desired = 1, .observed = &old, .n_observed = 1 });
	MUST(store_view(fx->store, CID_A, fx->mem, &view, &err));
	assert_int_equal(view.n_copies, 1);
	assert_int_equal(view.copies[0].gen, 9000);
	assert_int_equal(view.copies[0].stamp, 9001);
	assert_int_equal(copy_state(&view.copies[0]), COPY_PINNED);
	assert_sound(fx);
}

/* Reports of one peer that are dated before what another peer has told already. */
static void a_report_below_the_top_reaches_every_derived_row(void **state)
{
	static const enum copy_state states[] = { COPY_PINNED, COPY_QUEUED, COPY_ERROR,
						  COPY_PINNING, COPY_PINNED };
	struct fixture *fx = *state;
	struct ulid id = create_pin(fx, CID_A, &(struct wish){ .owner = ME });
	struct copy both[] = {
		{ .peer_no = 1, .gen = START_US, .desired = true, .mode = PIN_RECURSIVE },
		{ .peer_no = 2, .gen = START_US, .desired = true, .mode = PIN_RECURSIVE }
	};
	struct copy ahead = { .peer_no = 1,
			      .stamp = START_US + US_PER_DAY,
			      .state_gen = START_US,
			      .state = COPY_PINNING };
	struct peer_pin *pins;
	struct err err;
	size_t n;

	change(fx, CID_A, &(struct cid_change){ .desired = both, .n_desired = 2 });
	change(fx, CID_A, &(struct cid_change){ .observed = &ahead, .n_observed = 1 });
	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
		struct copy late = { .peer_no = 2,
				     .stamp = START_US + 1 + i,
				     .state_gen = START_US,
				     .state = (uint8_t)states[i],
				     .size = 100 - i };

		change(fx, CID_A, &(struct cid_change){ .observed = &late, .n_observed = 1 });
		MUST(store_peer_pins(fx->store, 2, 0, PEER_PIN_BUCKETS - 1, (struct slice){ 0 }, 10,
				     fx->mem, &pins, &n, &err));
		assert_int_equal(n, 1);
		assert_int_equal(pins[0].state, states[i]);
		assert_int_equal(find_pin(fx, ME, id)->size, 100 - i);
		assert_sound(fx);
	}
}

static void an_observed_half_alone_is_nobodys_order(void **state)
{
	struct fixture *fx = *state;
	struct copy seen = { .peer_no = 1, .stamp = 9001, .state_gen = 9000, .state = COPY_PINNED };

	change(fx, CID_A, &(struct cid_change){ .observed = &seen, .n_observed = 1 });
	assert_int_equal(rows_in(fx, TABLE_PEER_OPEN), 0);
	assert_int_equal(rows_in(fx, TABLE_PINS_BY_PEER), 0);
	assert_int_equal(rows_in(fx, TABLE_PLACEMENTS_BY_CID), 1);
	assert_sound(fx);
}

static void buried_facts_are_gone(void **state)
{
	struct fixture *fx = *state;
	struct ulid id = create_pin(fx, CID_A, &(struct wish){ .owner = ME });
	struct ulid other = create_pin(fx, CID_A, &(struct wish){ .owner = ME });
	struct fact dead[8];
	struct cid_view view;
	struct err err;
	size_t n = 0;

	end_pin(fx, CID_A, ME, id, END_BY_OWNER, 0);
	MUST(store_view(fx->store, CID_A, fx->mem, &view, &err));
	assert_int_equal(view.n_facts, 5);
	for (size_t i = 0; i < view.n_facts; i++)
		if (ulid_cmp(&view.facts[i].request_id, &id) == 0)
			dead[n++] = view.facts[i];
	change(fx, CID_A, &(struct cid_change){ .bury = dead, .n_bury = n });
	MUST(store_view(fx->store, CID_A, fx->mem, &view, &err));
	assert_int_equal(view.n_facts, 2);
	assert_non_null(find_pin(fx, ME, other));
	assert_sound(fx);
}

static void wakes_stand_until_they_are_taken_off(void **state)
{
	struct fixture *fx = *state;
	struct wake due[] = { { .due_at = START_US + 5, .cause = WAKE_REQUEST },
			      { .due_at = START_US + US_PER_H, .cause = WAKE_RECHECK } };
	struct wake *got;
	struct err err;
	size_t n;

	change(fx, CID_A, &(struct cid_change){ .wake = due, .n_wake = 2 });
	MUST(store_wakes(fx->store, START_US + 4, NULL, 10, fx->mem, &got, &n, &err));
	assert_int_equal(n, 0);
	MUST(store_wakes(fx->store, START_US + 5, NULL, 10, fx->mem, &got, &n, &err));
	assert_int_equal(n, 1);
	assert_true(slice_eq(got[0].cid, CID_A));
	fx->clock.now_us++;
	change(fx, CID_A, &(struct cid_change){ .woken = got, .n_woken = 1 });
	MUST(store_wakes(fx->store, START_US + US_PER_H, NULL, 10, fx->mem, &got, &n, &err));
	assert_int_equal(n, 1);
	assert_int_equal(got[0].cause, WAKE_RECHECK);
}

/* ---- several CIDs -----------------------------------------------------------------------------
 */

struct one_of_many {
	struct fixture *fx;
	struct ulid id;
	bool refuse;
};

static bool decide_one(void *ctx, const struct cid_view *view, int64_t now_us UNUSED,
		       struct arena *mem, struct cid_change *out, struct err *err)
{
	struct one_of_many *one = ctx;
	struct fact *facts = arena_new_array(mem, struct fact, 2);

	if (one->refuse)
		return err_set(err, ERR_DENIED, "not this one");
	if (view->n_facts > 0)
		return true;
	facts[0] = (struct fact){ .owner = SLICE_LIT(ME), .request_id = one->id };
	facts[1] = (struct fact){ .owner = SLICE_LIT(ME),
				  .request_id = one->id,
				  .kind = FACT_REVISION,
				  .rev = view->next,
				  .rf_min = 1,
				  .rf_max = 1 };
	*out = (struct cid_change){ .facts = facts, .n_facts = 2 };
	return true;
}

static void changes_of_many_cids_go_together_or_not_at_all(void **state)
{
	struct fixture *fx = *state;
	struct one_of_many each[100];
	struct slice cids[100];
	void *ctxs[100];
	struct owner_usage usage;
	struct err err = { 0 };
	int64_t created_at;

	for (unsigned i = 0; i < 100; i++) {
		each[i] = (struct one_of_many){ .fx = fx, .refuse = i == 99 };
		MUST(store_new_request_id(fx->store, SLICE_LIT(ME), &each[i].id, &created_at,
					  &err));
		cids[i] = cid_no(fx, i);
		ctxs[i] = &each[i];
	}
	assert_false(store_change(fx->store, cids, ctxs, 100, decide_one, fx->mem, &err));
	assert_int_equal(err.code, ERR_DENIED);
	assert_int_equal(rows_in(fx, TABLE_PINS_BY_CID), 0);
	each[99].refuse = false;
	MUST(store_change(fx->store, cids, ctxs, 100, decide_one, fx->mem, &err));
	assert_int_equal(rows_in(fx, TABLE_OWNER_PINS), 100);
	MUST(store_usage(fx->store, SLICE_LIT(ME), &usage, &err));
	assert_int_equal(usage.pins[STATUS_QUEUED], 100);
	assert_sound(fx);
}

/* ---- races
 * ---------------------------------------------------------------------------------------- */

enum racer_job { EXTEND, EXPIRE, REMOVE, REPORT };

struct racer {
	struct fixture *fx;
	struct ulid id;
	enum racer_job job;
	uint64_t judged;
	uint64_t *versions; /* given to its decisions */
	size_t n_versions;
	bool done; /* its fact was written */
};

static bool decide_race(void *ctx, const struct cid_view *view, int64_t now_us UNUSED,
			struct arena *mem, struct cid_change *out, struct err *err UNUSED)
{
	struct fact *fact = arena_new_of(mem, struct fact);
	struct copy *copy = arena_new_of(mem, struct copy);
	struct racer *racer = ctx;
	struct request r = request_fold(view->facts, view->n_facts);

	racer->versions[racer->n_versions++] = view->next;
	if (racer->done || r.life != REQUEST_LIVE)
		return true;
	racer->done = true;
	*fact = *r.revision;
	fact->rev = view->next;
	if (racer->job == EXTEND) {
		fact->expires_at = START_US + 2 * US_PER_DAY;
	} else if (racer->job == REPORT) {
		*copy = (struct copy){ .peer_no = 3,
				       .gen = view->next,
				       .desired = true,
				       .stamp = view->next + 1,
				       .state_gen = view->next,
				       .state = COPY_PINNED,
				       .size = view->next };
		*out = (struct cid_change){
			.desired = copy, .n_desired = 1, .observed = copy, .n_observed = 1
		};
		return true;
	} else {
		fact->kind = FACT_END;
		fact->cause = racer->job == EXPIRE ? END_BY_TTL : END_BY_OWNER;
		fact->judged_rev = racer->judged;
		if (racer->job == EXPIRE && r.revision->rev != racer->judged)
			return true;
	}
	*out = (struct cid_change){ .facts = fact, .n_facts = 1 };
	return true;
}

#define ROUNDS 20

static void *race(void *arg)
{
	struct racer *racer = arg;
	struct slice cid = CID_A;
	struct err err;

	for (int i = 0; i < ROUNDS; i++) {
		CLEANUP(arena_free) struct arena *mem = arena_new();
		void *ctx = racer;

		racer->done = false;
		if (!store_change(racer->fx->store, &cid, &ctx, 1, decide_race, mem, &err))
			return (void *)(uintptr_t)1;
	}
	return NULL;
}

static int compare_versions(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void racers_leave_one_truth(void **state)
{
	static const enum racer_job jobs[][8] = {
		{ EXTEND, EXTEND, EXPIRE, EXPIRE, REPORT, REPORT, EXTEND, EXPIRE },
		{ EXTEND, EXTEND, EXPIRE, REMOVE, REPORT, REPORT, EXTEND, EXPIRE },
	};
	struct fixture *fx = *state;

	for (int k = 0; k < 2; k++) {
		struct ulid id = create_pin(fx, CID_A,
					    &(struct wish){ .owner = ME, .expires_at = START_US });
		uint64_t judged = find_pin(fx, ME, id)->rev, all[8 * ROUNDS * 80];
		struct racer racers[8];
		pthread_t threads[8];
		size_t n = 0;
		void *failed;

		for (int i = 0; i < 8; i++) {
			racers[i] = (struct racer){
				.fx = fx, .id = id, .job = jobs[k][i], .judged = judged
			};
			racers[i].versions = arena_new_array(fx->mem, uint64_t, ROUNDS * 80);
			assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
		}
		for (int i = 0; i < 8; i++) {
			pthread_join(threads[i], &failed);
			assert_null(failed);
			memcpy(all + n, racers[i].versions, racers[i].n_versions * sizeof(*all));
			n += racers[i].n_versions;
		}
		qsort(all, n, sizeof(*all), compare_versions);
		for (size_t i = 1; i < n; i++)
			assert_true(all[i - 1] < all[i]);
		if (k == 1)
			assert_null(find_pin(fx, ME, id));
		assert_sound(fx);
		if (k == 0) {
			struct cid_view view;
			struct fact dead[8 * ROUNDS + 2];
			struct err err;

			end_pin(fx, CID_A, ME, id, END_BY_OWNER, 0);
			MUST(store_view(fx->store, CID_A, fx->mem, &view, &err));
			memcpy(dead, view.facts, view.n_facts * sizeof(*dead));
			change(fx, CID_A,
			       &(struct cid_change){ .bury = dead, .n_bury = view.n_facts });
		}
	}
}

/* ---- times of creation
 * --------------------------------------------------------------------------------- */

static void no_owner_gets_a_time_of_creation_twice(void **state)
{
	struct fixture *fx = *state;
	int64_t created_at, last = 0, ms = START_US / 1000 * 1000;
	struct ulid id;
	struct err err;

	for (int i = 0; i < 1000; i++) {
		MUST(store_new_request_id(fx->store, SLICE_LIT(ME), &id, &created_at, &err));
		assert_int_equal(created_at, ms + i * US_PER_MS);
		assert_int_equal(ulid_us(&id), created_at);
		assert_int_equal(ulid_instance(&id), 7);
		last = created_at;
	}
	/* A second ahead of the clock: microseconds from now on. */
	for (int i = 0; i < 1000; i++) {
		MUST(store_new_request_id(fx->store, SLICE_LIT(ME), &id, &created_at, &err));
		assert_true(created_at > last);
		assert_true(created_at <= ms + US_PER_S + 1000);
		last = created_at;
	}
	MUST(store_new_request_id(fx->store, SLICE_LIT("bob"), &id, &created_at, &err));
	assert_int_equal(created_at, ms);
	fx->clock.now_us += 5 * US_PER_S;
	MUST(store_new_request_id(fx->store, SLICE_LIT(ME), &id, &created_at, &err));
	assert_int_equal(created_at, fx->clock.now_us / 1000 * 1000);
}

static void times_go_on_after_the_newest_row_when_the_clock_fell_back(void **state)
{
	struct fixture *fx = *state;
	struct ulid id = create_pin(fx, CID_A, &(struct wish){ .owner = ME });
	int64_t newest = ulid_us(&id), created_at;
	struct err err;

	fixture_reopen(fx);
	fx->clock.now_us -= US_PER_DAY;
	MUST(store_new_request_id(fx->store, SLICE_LIT(ME), &id, &created_at, &err));
	assert_int_equal(created_at, newest + 1);
}

static void the_bucket_of_a_cid_is_that_of_its_multihash(void **state)
{
	struct fixture *fx = *state;
	struct slice v0 = SLICE_LIT("\x12\x20"
				    "abcdefghijklmnopqrstuvwxyz012345");
	struct slice v1 = SLICE_LIT("\x01\x70\x12\x20"
				    "abcdefghijklmnopqrstuvwxyz012345");
	struct slice raw = SLICE_LIT("\x01\xa9\x02\x12\x20"
				     "abcdefghijklmnopqrstuvwxyz012345");
	uint32_t bucket = store_bucket(fx->store, v0);
	char id[27];

	assert_int_equal(store_bucket(fx->store, v1), bucket);
	assert_int_equal(store_bucket(fx->store, raw), bucket);
	assert_int_not_equal(store_bucket(fx->store, CID_A), bucket);
	assert_true(bucket < 1u << BUCKET_BITS);
	assert_int_equal(strlen(store_id(fx->store)), 26);
	strcpy(id, store_id(fx->store));
	fixture_reopen(fx);
	assert_int_equal(store_bucket(fx->store, v0), bucket);
	assert_string_equal(store_id(fx->store), id);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		CASE(a_created_request_is_found_counted_and_summed),
		CASE(a_change_of_nothing_writes_nothing),
		CASE(a_revision_moves_every_derived_row),
		CASE(an_end_by_its_owner_takes_every_derived_row),
		CASE(a_replaced_request_is_gone_for_its_owner),
		CASE(an_expiry_that_judged_an_older_revision_is_void),
		CASE(another_owner_sees_nothing),
		CASE(statuses_follow_the_copies),
		CASE(an_empty_change_shows_what_time_has_done),
		CASE(open_rows_are_exactly_the_unsettled_copies),
		CASE(the_floor_of_a_cid_outlives_it_by_a_week),
		CASE(a_half_of_a_lower_version_changes_nothing),
		CASE(a_report_below_the_top_reaches_every_derived_row),
		CASE(an_observed_half_alone_is_nobodys_order),
		CASE(buried_facts_are_gone),
		CASE(wakes_stand_until_they_are_taken_off),
		CASE(changes_of_many_cids_go_together_or_not_at_all),
		CASE(racers_leave_one_truth),
		CASE(no_owner_gets_a_time_of_creation_twice),
		CASE(times_go_on_after_the_newest_row_when_the_clock_fell_back),
		CASE(the_bucket_of_a_cid_is_that_of_its_multihash),
	};

	return contract_main(argc, argv, tests, sizeof(tests) / sizeof(*tests));
}
