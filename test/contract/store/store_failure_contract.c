/*
 * store_failure_contract.c -- calls of the back end that fail.
 */
#include "base/attr.h"
#include "lib/failing_store.h"
#include "store_fixture.h"

static struct slice some_tags[] = { SLICE_LIT("blue"), SLICE_LIT("red") };

static void name_tag_expiry(struct fact *revision)
{
	revision->name = SLICE_LIT("Name");
	revision->tags = (struct slice_list){ some_tags, 2 };
	revision->expires_at = START_US + US_PER_DAY;
}

/* What one step of the script makes true; each is content when it is true already. */
struct step {
	struct ulid id;
	int kind;
};

static bool decide_step(void *ctx, const struct cid_view *view, int64_t now_us UNUSED,
			struct arena *mem, struct cid_change *out, struct err *err UNUSED)
{
	struct fact *f = arena_new_array(mem, struct fact, 2);
	struct copy *c = arena_new_of(mem, struct copy);
	const struct step *s = ctx;
	struct request r = request_fold(view->facts, view->n_facts);
	struct fact key = { .owner = SLICE_LIT("a"),
			    .request_id = s->id,
			    .rev = view->next,
			    .kind = FACT_REVISION,
			    .rf_min = 1,
			    .rf_max = 1 };

	f[0] = f[1] = key;
	switch (s->kind) {
	case 0:
		if (view->n_facts > 0)
			return true;
		f[0].kind = FACT_CREATE;
		f[0].rev = 0;
		*out = (struct cid_change){ .facts = f, .n_facts = 2 };
		return true;
	case 1:
		if (r.life == REQUEST_LIVE && r.revision->name.len > 0)
			return true;
		name_tag_expiry(f);
		*out = (struct cid_change){ .facts = f, .n_facts = 1 };
		return true;
	case 2:
		if (view->n_copies > 0 && view->copies[0].stamp > 0 && view->copies[0].gen > 0)
			return true;
		*c = (struct copy){ .peer_no = 1,
				    .gen = view->next,
				    .desired = true,
				    .mode = 1,
				    .stamp = view->next + 1,
				    .state_gen = view->next,
				    .state = COPY_PINNED };
		*out = (struct cid_change){
			.desired = c, .n_desired = 1, .observed = c, .n_observed = 1
		};
		return true;
	default:
		if (r.life != REQUEST_LIVE)
			return true;
		f[0].kind = FACT_END;
		f[0].cause = END_BY_OWNER;
		*out = (struct cid_change){ .facts = f, .n_facts = 1 };
		return true;
	}
}

static void take_step(struct store *store, struct slice cid, struct step *step,
		      struct failing_store *failing UNUSED)
{
	for (int tries = 0; tries < 3; tries++) {
		CLEANUP(arena_free) struct arena *mem = arena_new();
		void *ctx = step;
		struct err err;

		if (store_change(store, &cid, &ctx, 1, decide_step, mem, &err))
			return;
		/* Where nothing holds others off a failed write may follow one that landed. */
		assert_true(err.code == ERR_UNAVAILABLE || err.code == ERR_TIMEOUT);
	}
	fail_msg("step %d fails for ever", step->kind);
}

static void assert_script_done(struct fixture *fx, struct store *store, struct slice cid,
			       bool ended)
{
	struct cid_view view;
	struct request r;
	struct err err;

	MUST(store_view(store, cid, fx->mem, &view, &err));
	r = request_fold(view.facts, view.n_facts);
	assert_int_equal(r.life, ended ? REQUEST_ENDED : REQUEST_LIVE);
	assert_true(slice_eq_str(r.revision->name, "Name"));
	assert_int_equal(view.n_copies, 1);
	assert_int_equal(copy_state(&view.copies[0]), COPY_PINNED);
}

/* Runs the script on a CID of its own with the n-th call failing; false when it has fewer
 * calls. */
static bool script_with_failure(struct fixture *fx, unsigned run, unsigned n, bool after, int steps)
{
	struct failing_store failing;
	struct store_options options = { .instance = 9,
					 .clock = &fx->clock.base,
					 .rand = &fx->rand,
					 .expiring_us = US_PER_MIN };
	struct step step = { .id = ulid_make(START_US / 1000 + run, 0, 9,
					     (const uint8_t[8]){ 1 }) };
	struct slice cid = cid_no(fx, run);
	struct store *store;
	struct err err;
	size_t wrong;
	bool reached;

	failing_store_init(&failing, fx->backend);
	MUST(store_open(&failing.base, &options, &store, &err));
	failing.calls = 0;
	failing.fail_at = n;
	failing.after = after;
	for (step.kind = 0; step.kind < steps; step.kind++)
		take_step(store, cid, &step, &failing);
	reached = failing.calls >= n;
	failing.fail_at = 0;
	assert_script_done(fx, store, cid, steps == 4);
	MUST(store_repair(store, cid, fx->serial, &wrong, &err));
	if (fx->serial)
		assert_int_equal(wrong, 0);
	MUST(store_repair(store, cid, true, &wrong, &err));
	assert_int_equal(wrong, 0);
	assert_sound(fx);
	store_close(store);
	return reached;
}

static void whichever_call_fails_the_truth_is_right_and_the_rest_is_mended(void **state)
{
	unsigned run = 0;

	for (int i = 0; i < 4; i++) {
		bool more = true;

		for (unsigned n = 1; more; n++) {
			more = script_with_failure(*state, ++run, n, i & 1, i & 2 ? 4 : 3);
			assert_true(n < 1000);
		}
		assert_true(run > 10);
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		CASE(whichever_call_fails_the_truth_is_right_and_the_rest_is_mended),
	};

	return contract_main(argc, argv, tests, sizeof(tests) / sizeof(*tests));
}
