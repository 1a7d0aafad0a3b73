/*
 * store_loose_test.c -- two instances on a back end without lock(): what one writes between
 * the other's reading and writing is not overlooked (design rule R9).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/mem/store_mem.h"

#define CID                          \
	SLICE_LIT("\x01\x55\x12\x04" \
		  "aaaa")
#define START_US (20000 * US_PER_DAY)

struct world {
	struct clock clock;
	struct rand rand;
	struct store *one, *two;
	struct arena *mem;
	bool armed; /* the next write of `one` lets `two` go first */
	bool late;  /* listings are */
	struct ulid id;
	unsigned decisions; /* of `one` */
};

static int64_t standing_still(struct clock *clock UNUSED)
{
	return START_US;
}

/* A request of `two`. */
static bool decide_request(void *ctx, const struct cid_view *view, int64_t now_us UNUSED,
			   struct arena *mem, struct cid_change *out, struct err *err UNUSED)
{
	struct fact *facts = arena_new_array(mem, struct fact, 2);
	struct world *w = ctx;

	if (view->n_facts > 0)
		return true;
	facts[0] = (struct fact){ .owner = SLICE_LIT("a"), .request_id = w->id };
	facts[1] = (struct fact){ .owner = SLICE_LIT("a"),
				  .request_id = w->id,
				  .kind = FACT_REVISION,
				  .rev = view->next,
				  .rf_min = 1,
				  .rf_max = 1 };
	*out = (struct cid_change){ .facts = facts, .n_facts = 2 };
	return true;
}

static bool change(struct store *store, store_decide *decide, struct world *w)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct slice cid = CID;
	void *ctx = w;
	struct err err;

	return store_change(store, &cid, &ctx, 1, decide, mem, &err);
}

static enum store_mem_fate fate(void *ctx, void *instance, enum store_mem_call call,
				const struct store_write *write UNUSED)
{
	struct world *w = ctx;

	if (w->armed && call == STORE_MEM_WRITE && instance == &w->one) {
		w->armed = false;
		assert_true(change(w->two, decide_request, w));
	}
	return FATE_LAND;
}

static struct store *open_one(struct store_mem *data, struct world *w, void *instance,
			      unsigned number)
{
	struct store_options options = {
		.instance = number, .clock = &w->clock, .rand = &w->rand, .expiring_us = US_PER_MIN
	};
	struct store *store;
	struct err err;

	if (!store_open(store_mem_attach(data, &w->clock, 0, instance), &options, &store, &err))
		fail_msg("%s", err.text);
	return store;
}

/* As a planner: a copy is desired while somebody wants it. */
static bool decide_copy(void *ctx, const struct cid_view *view, int64_t now_us UNUSED,
			struct arena *mem, struct cid_change *out, struct err *err UNUSED)
{
	struct copy *copy = arena_new_of(mem, struct copy);
	struct world *w = ctx;
	struct request r = request_fold(view->facts, view->n_facts);
	bool desired = r.life == REQUEST_LIVE;

	w->decisions++;
	if (view->n_copies == 1 && view->copies[0].desired == desired)
		return true;
	*copy = (struct copy){ .peer_no = 1, .gen = view->next, .desired = desired, .mode = 1 };
	*out = (struct cid_change){ .desired = copy, .n_desired = 1 };
	return true;
}

static void a_decision_is_made_again_when_its_ground_has_changed(void **state UNUSED)
{
	struct world w = { .clock = { standing_still, standing_still } };
	struct store_mem_loose knobs = { .fate = fate, .ctx = &w };
	CLEANUP(store_mem_free) struct store_mem *data = store_mem_new_loose(&knobs);
	const struct owner_pin *pin;
	struct peer_open *open;
	struct cid_view view;
	struct err err;
	size_t n, wrong;

	rand_init_system(&w.rand);
	w.mem = arena_new();
	w.id = ulid_make(START_US / 1000, 0, 2, (const uint8_t[8]){ 0 });
	w.one = open_one(data, &w, &w.one, 1);
	w.two = open_one(data, &w, &w.two, 2);
	w.armed = true;
	assert_true(change(w.one, decide_copy, &w));
	assert_true(w.decisions >= 2);
	assert_true(store_view(w.two, CID, w.mem, &view, &err));
	assert_int_equal(view.n_copies, 1);
	assert_true(view.copies[0].desired);
	assert_true(store_find(w.two, SLICE_LIT("a"), w.id, w.mem, &pin, &err));
	assert_non_null(pin);
	assert_true(
		store_open_copies(w.two, 1, (struct slice){ NULL, 0 }, 9, w.mem, &open, &n, &err));
	assert_int_equal(n, 1);
	assert_true(open->desired);
	assert_true(store_repair(w.two, CID, true, &wrong, &err));
	assert_int_equal(wrong, 0);
	store_close(w.one);
	store_close(w.two);
	arena_free(w.mem);
}

/* ---- a listing that lands late ------------------------------------------------------------- */

static bool decide_name(void *ctx, const struct cid_view *view, int64_t now_us UNUSED,
			struct arena *mem, struct cid_change *out, struct err *err UNUSED)
{
	struct fact *fact = arena_new_of(mem, struct fact);
	struct world *w = ctx;

	if (view->n_facts > 2)
		return true;
	*fact = (struct fact){ .owner = SLICE_LIT("a"),
			       .request_id = w->id,
			       .kind = FACT_REVISION,
			       .rev = view->next,
			       .name = SLICE_LIT("new"),
			       .rf_min = 1,
			       .rf_max = 1 };
	*out = (struct cid_change){ .facts = fact, .n_facts = 1 };
	return true;
}

/* What a worker reports, that the pin is there and then that it is fetched anew: dated right after
 * what was asked of it. */
static bool decide_report(void *ctx UNUSED, const struct cid_view *view, int64_t now_us UNUSED,
			  struct arena *mem, struct cid_change *out, struct err *err UNUSED)
{
	struct copy *copy = arena_new_of(mem, struct copy);

	assert_int_equal(view->n_copies, 1);
	*copy = view->copies[0];
	if (copy->stamp > copy->gen + 1)
		return true;
	copy->state = copy->stamp == 0 ? COPY_PINNED : COPY_PINNING;
	copy->stamp = (copy->stamp > copy->gen ? copy->stamp : copy->gen) + 1;
	copy->state_gen = copy->gen;
	*out = (struct cid_change){ .observed = copy, .n_observed = 1 };
	return true;
}

/* When `one`, which has looked, writes that the pin is fetched anew, `two` goes first and gives it
 * a name; the listing that follows from the name comes late.  (Of rows with one version the larger
 * stays, and "pinned" is larger than "pinning".) */
static enum store_mem_fate listing_late(void *ctx, void *instance, enum store_mem_call call,
					const struct store_write *write)
{
	struct world *w = ctx;

	if (call != STORE_MEM_WRITE)
		return FATE_LAND;
	if (w->armed && instance == &w->one && write->table == TABLE_PLACEMENTS_BY_CID) {
		w->armed = false;
		w->late = true;
		assert_false(change(w->two, decide_name, w));
		w->late = false;
	}
	return w->late && write->table == TABLE_OWNER_PINS ? FATE_LATE : FATE_LAND;
}

static void what_is_derived_from_more_outdoes_what_lands_later(void **state UNUSED)
{
	struct world w = { .clock = { standing_still, standing_still } };
	struct store_mem_loose knobs = { .fate = listing_late, .ctx = &w };
	CLEANUP(store_mem_free) struct store_mem *data = store_mem_new_loose(&knobs);
	const struct owner_pin *pin;
	struct err err;

	rand_init_system(&w.rand);
	w.mem = arena_new();
	w.id = ulid_make(START_US / 1000, 0, 2, (const uint8_t[8]){ 0 });
	w.one = open_one(data, &w, &w.one, 1);
	w.two = open_one(data, &w, &w.two, 2);
	assert_true(change(w.two, decide_request, &w) && change(w.two, decide_copy, &w) &&
		    change(w.one, decide_report, &w));
	w.armed = true;
	assert_true(change(w.one, decide_report, &w));
	assert_int_equal(store_mem_late(data), 1);
	store_mem_land_late(data, 0);
	assert_true(store_find(w.two, SLICE_LIT("a"), w.id, w.mem, &pin, &err));
	assert_int_equal(pin->status, STATUS_PINNING);
	assert_true(slice_eq_str(pin->name, "new"));
	store_close(w.one);
	store_close(w.two);
	arena_free(w.mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_decision_is_made_again_when_its_ground_has_changed),
		cmocka_unit_test(what_is_derived_from_more_outdoes_what_lands_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
