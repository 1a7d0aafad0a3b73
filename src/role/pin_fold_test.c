#include "role/pin_fold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "model/version.h"

/* A store of one CID in an array: enough to ask again after writing, as design rule R9 does. */
struct fixture {
	struct arena *mem;
	struct cid cid;
	struct fact facts[2 * FACTS_PER_CID];
	size_t n;
	int64_t now;
};

static const struct owner_row owner_row = { .owner = { (const uint8_t *)"alice", 5 } };

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct err err;

	f->mem = arena_new();
	f->now = 1000000;
	assert_true(
		cid_parse(SLICE_LIT("bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"),
			  &f->cid, NULL, &err));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_free(f->mem);
	xfree(f);
	return 0;
}

static struct ulid id_of(unsigned n)
{
	return ulid_make(1000 + n, 0, 1, (const uint8_t[8]){ 0 });
}

static struct pin_group group_of(struct fixture *f, struct pin_item **items, size_t n)
{
	return (struct pin_group){
		.mem = f->mem,
		.owner = owner_row.owner,
		.owner_row = &owner_row,
		.instance = 1,
		.rf_min = 1,
		.rf_max = 1,
		.cid = cid_slice(&f->cid),
		.wake_at = 99,
		.items = items,
		.n = n,
	};
}

static size_t look_and_write(struct fixture *f, struct pin_group *g)
{
	struct cid_view view = { .cid = g->cid, .facts = f->facts, .n_facts = f->n };
	struct cid_change out = { 0 };
	struct err err;

	assert_true(pin_fold_decide(g, &view, f->now, f->mem, &out, &err));
	assert_int_equal(out.n_wake, out.n_facts > 0);
	for (size_t i = 0; i < out.n_facts; i++)
		f->facts[f->n++] = out.facts[i];
	return out.n_facts;
}

/* Decides, writes, and decides again: the second time there must be nothing to do. */
static enum pins_outcome run(struct fixture *f, struct pin_item *item)
{
	struct pin_item *items[] = { item };
	struct pin_group g = group_of(f, items, 1);
	enum pins_outcome first;

	look_and_write(f, &g);
	first = item->outcome;
	assert_int_equal(look_and_write(f, &g), 0);
	assert_int_equal(item->outcome, first);
	f->now += 1000000;
	return first;
}

static struct pin_item creating(const struct fixture *f, unsigned id)
{
	return (struct pin_item){ .verb = VERB_CREATE,
				  .id = id_of(id),
				  .cid = cid_slice(&f->cid),
				  .created_at = 1000 + id };
}

static struct pin_item about(enum pin_verb verb, unsigned id, int64_t now)
{
	return (struct pin_item){ .verb = verb, .id = id_of(id), .now_us = now };
}

static void every_verb_is_content_with_its_own_work(void **state)
{
	struct fixture *f = *state;
	struct pin_item create = creating(f, 1), other = creating(f, 2);
	struct pin_item revise = about(VERB_REVISE, 1, f->now),
			retry = about(VERB_RETRY, 1, f->now);
	struct pin_item remove = about(VERB_REMOVE, 1, f->now), again = remove;
	struct pin_item supersede = about(VERB_SUPERSEDE, 2, f->now);

	assert_int_equal(run(f, &create), PINS_DONE);
	assert_int_equal(create.pin->status, STATUS_QUEUED);
	assert_int_equal(run(f, &other), PINS_DONE);
	revise.ask = (struct pin_ask){ .given = ASK_PRIORITY, .priority = 9 };
	assert_int_equal(run(f, &revise), PINS_DONE);
	assert_int_equal(revise.pin->priority, 9);
	assert_true(revise.pin->rev > create.pin->rev);
	assert_int_equal(run(f, &retry), PINS_DONE);
	assert_int_equal(run(f, &remove), PINS_DONE);
	assert_int_equal(run(f, &again), PINS_NOT_FOUND);
	supersede.heir = id_of(3);
	assert_int_equal(run(f, &supersede), PINS_DONE);
	supersede = about(VERB_SUPERSEDE, 2, f->now);
	supersede.heir = id_of(4);
	assert_int_equal(run(f, &supersede), PINS_NOT_FOUND);
}

static void what_is_not_there_is_not_found(void **state)
{
	static const enum pin_verb verbs[] = { VERB_REVISE, VERB_RETRY, VERB_REMOVE,
					       VERB_SUPERSEDE };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		struct pin_item item = about(verbs[i], 1, f->now);

		assert_int_equal(run(f, &item), PINS_NOT_FOUND);
		assert_int_equal(f->n, 0);
	}
}

static void another_owners_request_is_not_found(void **state)
{
	struct fixture *f = *state;
	struct pin_item create = creating(f, 1), remove = about(VERB_REMOVE, 1, f->now),
			*items[] = { &remove };
	struct pin_group g = group_of(f, items, 1);

	assert_int_equal(run(f, &create), PINS_DONE);
	g.owner = SLICE_LIT("mallory");
	assert_int_equal(look_and_write(f, &g), 0);
	assert_int_equal(remove.outcome, PINS_NOT_FOUND);
}

static void if_match_sees_a_change_in_between(void **state)
{
	struct fixture *f = *state;
	struct pin_item create = creating(f, 1), first = about(VERB_REVISE, 1, f->now), second;

	assert_int_equal(run(f, &create), PINS_DONE);
	first.if_rev = create.pin->rev;
	first.ask = (struct pin_ask){ .given = ASK_PRIORITY, .priority = 1 };
	second = first;
	second.ask.priority = 2;
	assert_int_equal(run(f, &first), PINS_DONE);
	assert_int_equal(run(f, &second), PINS_PRECONDITION);
	assert_int_equal(second.pin->priority, 1);
	first.rev = 0;
	first.again = true; /* the same call, taken over after a crash */
	assert_int_equal(run(f, &first), PINS_DONE);
}

static void two_who_change_different_things_at_once_both_get_their_way(void **state)
{
	struct fixture *f = *state;
	struct pin_item create = creating(f, 1), a = about(VERB_REVISE, 1, f->now), b = a;
	struct pin_item *as[] = { &a }, *bs[] = { &b };
	struct pin_group ga = group_of(f, as, 1), gb = group_of(f, bs, 1);
	struct cid_view before;
	struct cid_change one, two;
	struct err err;

	assert_int_equal(run(f, &create), PINS_DONE);
	a.ask = (struct pin_ask){ .given = ASK_PRIORITY, .priority = 5 };
	b.ask = (struct pin_ask){ .given = ASK_NAME, .name = SLICE_LIT("b") };
	gb.instance = 2;
	before = (struct cid_view){ .cid = ga.cid, .facts = f->facts, .n_facts = f->n };
	assert_true(pin_fold_decide(&ga, &before, f->now, f->mem, &one, &err));
	assert_true(pin_fold_decide(&gb, &before, f->now, f->mem, &two, &err));
	f->facts[f->n++] = one.facts[0];
	f->facts[f->n++] = two.facts[0];
	look_and_write(f, &ga);
	look_and_write(f, &gb);
	assert_int_equal(look_and_write(f, &ga), 0);
	assert_int_equal(look_and_write(f, &gb), 0);
	assert_int_equal(b.pin->priority, 5);
	assert_true(slice_eq_str(b.pin->name, "b"));
}

static void a_taken_over_creation_makes_no_second_request(void **state)
{
	struct fixture *f = *state;
	struct pin_item first = creating(f, 1), second = creating(f, 1);

	assert_int_equal(run(f, &first), PINS_DONE);
	second.again = true;
	assert_int_equal(run(f, &second), PINS_DONE);
	assert_int_equal(f->n, 2);
	assert_int_equal(second.pin->rev, first.pin->rev);
}

static void the_same_request_named_twice_in_a_call_is_ended_once(void **state)
{
	struct fixture *f = *state;
	struct pin_item create = creating(f, 1), a = about(VERB_REMOVE, 1, f->now), b = a;
	struct pin_item *items[] = { &a, &b };
	struct pin_group g = group_of(f, items, 2);

	assert_int_equal(run(f, &create), PINS_DONE);
	assert_int_equal(look_and_write(f, &g), 1);
	assert_int_equal(a.outcome, PINS_DONE);
	assert_int_equal(b.outcome, PINS_NOT_FOUND);
	assert_int_equal(look_and_write(f, &g), 0);
	assert_int_equal(a.outcome, PINS_DONE);
}

static void an_owner_has_at_most_a_thousand_requests_for_a_cid(void **state)
{
	struct fixture *f = *state;
	struct pin_item *items = arena_new_array(f->mem, struct pin_item, REQUESTS_PER_CID + 1);
	struct pin_item *at[REQUESTS_PER_CID + 1];
	struct pin_group g;

	for (unsigned i = 0; i <= REQUESTS_PER_CID; i++) {
		items[i] = creating(f, i);
		at[i] = &items[i];
	}
	g = group_of(f, at, REQUESTS_PER_CID + 1);
	assert_int_equal(look_and_write(f, &g), 2 * REQUESTS_PER_CID);
	assert_int_equal(items[REQUESTS_PER_CID - 1].outcome, PINS_DONE);
	assert_int_equal(items[REQUESTS_PER_CID].outcome, PINS_QUOTA);
	assert_int_equal(look_and_write(f, &g), 0);
}

/* What is ended is read with the rest until it is forgotten. */
static void an_owner_has_so_many_facts_of_a_cid_but_can_always_remove(void **state)
{
	struct fixture *f = *state;
	struct pin_item kept = creating(f, 0), item;
	struct pin_item stranger = creating(f, 1), *items[] = { &stranger };
	struct pin_group g = group_of(f, items, 1);

	assert_int_equal(run(f, &kept), PINS_DONE);
	for (unsigned i = 1; f->n < FACTS_PER_CID; i++) {
		item = creating(f, i);
		assert_int_equal(run(f, &item), PINS_DONE);
		item = about(VERB_REMOVE, i, f->now);
		assert_int_equal(run(f, &item), PINS_DONE);
	}
	item = creating(f, FACTS_PER_CID);
	assert_int_equal(run(f, &item), PINS_QUOTA);
	item = about(VERB_RETRY, 0, f->now);
	assert_int_equal(run(f, &item), PINS_QUOTA);
	item = about(VERB_REVISE, 0, f->now);
	item.ask = (struct pin_ask){ .given = ASK_PRIORITY, .priority = 9 };
	assert_int_equal(run(f, &item), PINS_QUOTA);
	g.owner = SLICE_LIT("bob");
	assert_int_equal(look_and_write(f, &g), 2);
	item = about(VERB_REMOVE, 0, f->now);
	assert_int_equal(run(f, &item), PINS_DONE);
}

static void the_row_tells_status_copies_and_size(void **state)
{
	struct fixture *f = *state;
	struct pin_item create = creating(f, 1);
	const struct copy copies[] = {
		{ .peer_no = 1,
		  .gen = 5,
		  .desired = true,
		  .mode = PIN_RECURSIVE,
		  .state_gen = 5,
		  .state = COPY_PINNED,
		  .size = 77 },
		{ .peer_no = 2,
		  .gen = 5,
		  .desired = true,
		  .mode = PIN_RECURSIVE,
		  .state_gen = 4,
		  .state = COPY_PINNED },
	};
	struct request *requests;
	struct request_copies count;
	struct owner_pin row;

	assert_int_equal(run(f, &create), PINS_DONE);
	assert_int_equal(requests_fold(f->facts, f->n, f->mem, &requests), 1);
	count = request_copies(requests, copies, 2, (struct peer_zones){ NULL, 0 }, f->now);
	row = pin_fold_row(requests, count, request_copies_status(requests, count, f->now, 0));
	assert_int_equal(row.status, STATUS_PINNED);
	assert_int_equal(row.copies, 1);
	assert_int_equal(row.size, 77);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_verb_is_content_with_its_own_work),
		TEST(what_is_not_there_is_not_found),
		TEST(another_owners_request_is_not_found),
		TEST(if_match_sees_a_change_in_between),
		TEST(two_who_change_different_things_at_once_both_get_their_way),
		TEST(a_taken_over_creation_makes_no_second_request),
		TEST(the_same_request_named_twice_in_a_call_is_ended_once),
		TEST(an_owner_has_at_most_a_thousand_requests_for_a_cid),
		TEST(an_owner_has_so_many_facts_of_a_cid_but_can_always_remove),
		TEST(the_row_tells_status_copies_and_size),
	};

	return cmocka_run_group_tests_name("pin_fold", tests, NULL, NULL);
}
