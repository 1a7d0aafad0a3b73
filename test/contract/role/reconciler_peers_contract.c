/* What the reconciler promises of copies that it gives up, and of peers that come, go, fill up and
 * move. */
#include "contract/role/reconciler_roles.h"

/* ---- the guard -------------------------------------------------------------------------- */

static void as_many_unpins_as_the_guard_allows_are_made(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *world = lopsided(60, 0);
	unsigned moves = (unsigned)moves_left(world);
	CLEANUP(roles_free) struct roles *r = lopsided(60, moves);

	order(r, true, false);
	roles_run(r, 5 * US_PER_MIN);
	assert_int_equal(r->guarded, 0);
	assert_int_equal(copies(r), 60);
	assert_int_equal(moves_left(r), 0);
}

static void beyond_the_bound_copies_stay_and_are_told_of(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 5);
	unsigned moves = (unsigned)moves_left(r);
	struct ulid id;
	bool found;

	order(r, true, false);
	roles_run(r, 5 * US_PER_MIN);
	assert_true(r->guarded > 0);
	/* The reconciler and the planner have a pass each. */
	assert_in_range(copies(r), 60 + moves - 10, 60 + moves - 5);
	assert_true(held_back_count(r->held_back, r->now) > 0);

	/* Everything else goes on: new pins, and removals that a user asked for. */
	id = roles_pin(r, "ada", 1000, NULL);
	roles_run(r, 10 * US_PER_S);
	assert_int_equal(roles_status(r, "ada", id, &found), STATUS_PINNED);
	roles_unpin(r, "ada", id);
	roles_run(r, 10 * US_PER_S);
	assert_false(roles_copy(r, 1000, 1).desired || roles_copy(r, 1000, 2).desired);
	assert_in_range(copies(r), 60 + moves - 10, 60 + moves - 5);

	/* Until an operator has looked. */
	order(r, true, true);
	roles_run(r, 5 * US_PER_MIN);
	assert_int_equal(copies(r), 60);
	roles_run(r, 30 * US_PER_MIN);
	assert_int_equal(held_back_count(r->held_back, r->now), 0);
}

/* Bob asks for what is just being given up. */
static void ask_meanwhile(struct roles *r, const struct copy_row *row)
{
	unsigned n;

	if (row->copy.desired)
		return;
	memcpy(&n, row->cid.ptr + 4, sizeof(n));
	roles_pin(r, "bob", n, NULL);
}

/* The look is then made again, by what it has written itself. */
static void copies_count_although_others_write_while_they_are_given_up(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 5);
	unsigned moves = (unsigned)moves_left(r);

	r->meanwhile = ask_meanwhile;
	order(r, true, false);
	roles_run(r, 5 * US_PER_MIN);
	assert_true(r->guarded > 0);
	assert_in_range(copies(r), 60 + moves - 10, 60 + moves - 5);
}

static void each_pass_lets_some_go(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 5);

	order(r, true, false);
	roles_run(r, 3 * US_PER_H);
	assert_int_equal(copies(r), 60);
}

static void a_second_order_takes_no_force_from_the_first(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 5);

	order(r, true, true);
	order(r, true, false);
	roles_run(r, 5 * US_PER_MIN);
	assert_int_equal(copies(r), 60);
}

/* An operator's word on a peer is reason enough. */
static void a_drain_is_not_held_back(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(60, 5);

	roles_wish(r, 1, PEER_DRAINING);
	roles_run(r, 5 * US_PER_MIN);
	assert_int_equal(r->guarded, 0);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), 0);
	assert_int_equal(fake_kubo_n_pins(r->fake, 1), 60);
}

/* While a node is away copies set out elsewhere.  When it is back before they are there, all of
 * that is taken back: nothing is lost by it. */
static void copies_that_are_not_there_yet_are_given_up_at_once(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r =
		roles_new(&(struct roles_options){ .nodes = 2, .batch_max = 4, .guard_least = 5 });
	unsigned before;

	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < 60; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, US_PER_MIN);
	before = wanted_on(r, 60, 1);
	assert_in_range(before, 10, 50);
	fake_kubo_fetch(r->fake, 0, NULL, US_PER_H);
	fake_kubo_restart(r->fake, 1, 3 * US_PER_MIN);
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(wanted_on(r, 60, 1), 60);
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(wanted_on(r, 60, 1), before);
	assert_int_equal(r->guarded, 0);
}

/* ---- after a restore --------------------------------------------------------------------- */

static void mark_restored(struct roles *r)
{
	struct err err = { 0 };

	r->now += US_PER_S;
	if (!restored_mark(r->store, r->now, &err))
		fail_msg("%s", err.text);
	r->now += 5 * US_PER_S; /* who runs has read it */
}

/* What was asked for since the backup: only the node knows of it. */
static void leave_on_node(struct roles *r, unsigned cid)
{
	fake_kubo_put_pin(r->fake, 0, roles_text(r, cid), KUBO_RECURSIVE, r->worker->pin_name);
}

static bool on_node(struct roles *r, unsigned cid)
{
	return fake_kubo_pin(r->fake, 0, roles_text(r, cid)) != NULL;
}

static void a_restored_store_unpins_nothing_it_does_not_know_until_it_is_told(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = one_node_with(10);
	struct ulid id;

	roles_unpin(r, "ada", roles_pin(r, "ada", 20, NULL));
	roles_run(r, US_PER_MIN);
	for (unsigned i = 20; i < 30; i++) /* one of them had ended before the backup */
		leave_on_node(r, i);
	mark_restored(r);
	roles_run(r, 3 * US_PER_H);
	for (unsigned i = 20; i < 30; i++)
		assert_true(on_node(r, i));
	assert_true(held_back_count(r->held_back, r->now) >= 9);

	/* Whatever users do from now on is done. */
	roles_pin(r, "ada", 21, NULL);
	id = roles_pin(r, "ada", 22, NULL);
	roles_run(r, US_PER_MIN);
	roles_unpin(r, "ada", id);
	roles_run(r, US_PER_MIN);
	assert_true(on_node(r, 21));
	assert_false(on_node(r, 22));

	order(r, true, true);
	roles_run(r, 2 * US_PER_H);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), 11);
	assert_true(on_node(r, 21));
}

static void nor_does_an_order_to_unpin_from_before_it(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = one_node_with(0);
	struct ulid id = roles_pin(r, "ada", 1, NULL);

	roles_run(r, 10 * US_PER_S);
	fake_kubo_restart(r->fake, 0, 20 * US_PER_S);
	roles_unpin(r, "ada", id);
	roles_run(r, 5 * US_PER_S);
	assert_false(roles_copy(r, 1, 1).desired);
	mark_restored(r);
	roles_run(r, US_PER_H);
	assert_true(on_node(r, 1));
	order(r, true, true);
	roles_run(r, US_PER_H);
	assert_false(on_node(r, 1));
}

/* It may have been renewed. */
static void nor_what_expires_by_what_was_known_before_it(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = one_node_with(0);
	struct pin_ask soon = { .given = ASK_EXPIRY, .expires_at = r->now + 30 * US_PER_MIN };
	struct ulid id = roles_pin(r, "ada", 1, &soon);
	bool found;

	roles_run(r, US_PER_MIN);
	mark_restored(r);
	roles_pin(r, "ada", 2, &soon);
	roles_run(r, US_PER_H);
	roles_status(r, "ada", id, &found);
	assert_false(found);
	assert_true(on_node(r, 1));
	assert_false(on_node(r, 2));
	order(r, true, true);
	roles_run(r, US_PER_H);
	assert_false(on_node(r, 1));
}

/* ---- space ------------------------------------------------------------------------------ */

#define MIB (UINT64_C(1) << 20)

/* Two nodes, of which the first has room for four pins of the usual size. */
static struct roles *nearly_full(void)
{
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 2 });

	fake_kubo_knobs(r->fake, 0)->capacity_bytes = 64 * MIB;
	fake_kubo_knobs(r->fake, 1)->capacity_bytes = 1024 * 1024 * MIB;
	fake_kubo_fetch(r->fake, 0, NULL, 20 * US_PER_S);
	fake_kubo_fetch(r->fake, 1, NULL, 1500 * US_PER_MS);
	roles_run(r, 10 * US_PER_S);
	return r;
}

static void many_adds_at_once_do_not_all_go_to_a_peer_that_is_nearly_full(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = nearly_full();

	for (unsigned i = 0; i < 200; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, US_PER_S);
	assert_in_range(wanted_on(r, 200, 1), 1, 4);
	assert_int_equal(wanted_on(r, 200, 1) + wanted_on(r, 200, 2), 200);
}

/* Not even over time: what the store tells of the copies on their way counts as well. */
static void nor_do_many_adds_one_after_the_other(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = nearly_full();

	for (unsigned i = 0; i < 100; i++) {
		roles_pin(r, "ada", i, NULL);
		roles_run(r, 200 * US_PER_MS);
	}
	assert_in_range(wanted_on(r, 100, 1), 1, 4);
	for (unsigned i = 0; i < 100; i++)
		for (unsigned node = 0; node < 2; node++)
			fake_kubo_fetch(r->fake, node, roles_text(r, i), FAKE_KUBO_LOCAL);
	roles_run(r, 5 * US_PER_MIN);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0) + fake_kubo_n_pins(r->fake, 1), 100);
}

/* ---- everywhere -------------------------------------------------------------------------- */

static void pin_everywhere(struct roles *r, unsigned n)
{
	roles_pin(r, "ada", n,
		  &(struct pin_ask){ .given = ASK_REPLICAS,
				     .rf_min = REPLICAS_EVERYWHERE,
				     .rf_max = REPLICAS_EVERYWHERE });
}

static void pins_everywhere_reach_a_peer_that_was_away_for_a_moment(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 2, .sweep_us = US_PER_DAY });

	roles_run(r, 30 * US_PER_S);
	fake_kubo_restart(r->fake, 1, 25 * US_PER_S);
	roles_run(r, 20 * US_PER_S);
	pin_everywhere(r, 1);
	roles_run(r, 3 * US_PER_MIN);
	assert_int_equal(pins_on(r, 0), 1);
	assert_int_equal(pins_on(r, 1), 1);
}

/* Nobody waits for those. */
static void pins_everywhere_reach_peers_that_were_dead_or_paused(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 3, .sweep_us = US_PER_DAY });

	roles_run(r, 30 * US_PER_S);
	fake_kubo_restart(r->fake, 1, 10 * US_PER_MIN);
	roles_wish(r, 3, PEER_PAUSED);
	roles_run(r, 2 * US_PER_MIN);
	for (unsigned i = 0; i < 20; i++)
		pin_everywhere(r, i);
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(pins_on(r, 0), 20);
	assert_int_equal(pins_on(r, 1) + pins_on(r, 2), 0);
	roles_wish(r, 3, PEER_ACTIVE);
	roles_run(r, US_PER_MIN);
	assert_int_equal(pins_on(r, 2), 20);
	roles_run(r, 6 * US_PER_MIN);
	assert_int_equal(pins_on(r, 1), 20);
}

static void one_that_had_no_room_gets_them_when_it_has(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 2, .sweep_us = US_PER_DAY });

	fake_kubo_content(r->fake, roles_text(r, 1), 100 * MIB, 10);
	fake_kubo_knobs(r->fake, 1)->capacity_bytes = 8 * MIB;
	fake_kubo_restart(r->fake, 1, US_PER_MIN);
	roles_run(r, 10 * US_PER_S);
	roles_pin(r, "ada", 1, NULL); /* from now on its size is known */
	roles_run(r, 2 * US_PER_MIN);
	pin_everywhere(r, 1);
	roles_run(r, 10 * US_PER_MIN);
	assert_int_equal(pins_on(r, 0), 1);
	assert_int_equal(pins_on(r, 1), 0);
	fake_kubo_knobs(r->fake, 1)->capacity_bytes = 1024 * MIB;
	roles_run(r, US_PER_MIN);
	assert_int_equal(pins_on(r, 1), 1);
}

/* It was not full, so nobody tells of it. */
static void nor_does_one_that_had_room_for_others_only(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 2, .sweep_us = US_PER_DAY });

	fake_kubo_content(r->fake, roles_text(r, 1), 1000 * MIB, 10);
	fake_kubo_knobs(r->fake, 1)->capacity_bytes = 600 * MIB;
	fake_kubo_restart(r->fake, 1, US_PER_MIN);
	roles_run(r, 10 * US_PER_S);
	roles_pin(r, "ada", 1, NULL); /* from now on its size is known */
	roles_run(r, 2 * US_PER_MIN);
	pin_everywhere(r, 1);
	roles_run(r, 10 * US_PER_MIN);
	assert_int_equal(pins_on(r, 1), 0);
	fake_kubo_knobs(r->fake, 1)->capacity_bytes = 2000 * MIB;
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(pins_on(r, 1), 1);
}

/* ---- zones ------------------------------------------------------------------------------ */

static void copies_follow_when_peers_change_their_zones(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 2, .sweep_us = US_PER_DAY });

	roles_run(r, 10 * US_PER_S);
	set_zone(r, 1, "east");
	set_zone(r, 2, "west");
	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < 10; i++)
		pin_in(r, "ada", i, "east", 1);
	roles_run(r, US_PER_MIN);
	assert_int_equal(pins_on(r, 0), 10);
	set_zone(r, 1, "west");
	set_zone(r, 2, "east");
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(pins_on(r, 0), 0);
	assert_int_equal(pins_on(r, 1), 10);
}

/* ---- the last look ---------------------------------------------------------------------- */

/* An order to remove waits for its node, and meanwhile the node with the other copy goes: what
 * the store tells of a peer that is silent is no reason to remove what is there. */
static void a_copy_is_not_removed_while_the_others_lie_on_peers_that_are_silent(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = lopsided(1, 0);

	roles_wish(r, 1, PEER_DRAINING);
	while (roles_copy(r, 0, 1).desired)
		roles_run(r, 100 * US_PER_MS);
	fake_kubo_restart(r->fake, 0, 20 * US_PER_S);
	fake_kubo_restart(r->fake, 1, 10 * US_PER_MIN);
	assert_int_equal(pins_on(r, 0) + pins_on(r, 1), 2);
	roles_run(r, 5 * US_PER_MIN);
	assert_int_equal(pins_on(r, 0), 1);
	roles_run(r, 15 * US_PER_MIN);
	assert_int_equal(pins_on(r, 0), 0);
	assert_int_equal(pins_on(r, 1), 1);
}

/* ---- replacing ------------------------------------------------------------------------- */

/* To ask for it anew would make the new request wait and the old one wanted again, for ever. */
static void a_recursive_pin_that_a_direct_one_replaces_comes_to_rest(void **state UNUSED)
{
	CLEANUP(roles_free) struct roles *r = roles_new(&(struct roles_options){ .nodes = 1 });
	struct ulid old;
	struct copy copy;

	roles_run(r, 10 * US_PER_S);
	old = roles_pin(r, "ada", 1, NULL);
	roles_run(r, 10 * US_PER_S);
	roles_replace(r, "ada", old, 1, &(struct pin_ask){ .direct = true });
	roles_run(r, 5 * US_PER_MIN);
	copy = roles_copy(r, 1, 1);
	roles_run(r, 5 * US_PER_MIN);
	assert_int_equal(roles_copy(r, 1, 1).gen, copy.gen);
	assert_int_equal(copy.state, COPY_PINNED);
}

/* One of two nodes comes back a moment later than the program. */
static void a_peer_is_not_given_up_for_the_time_when_nobody_listened(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 2 });
	unsigned first;

	for (unsigned i = 0; i < 20; i++)
		roles_pin(r, "ada", i, NULL);
	roles_run(r, US_PER_MIN);
	first = fake_kubo_n_pins(r->fake, 0);
	assert_in_range(first, 1, 19);
	fake_kubo_restart(r->fake, 1, US_PER_H + 20 * US_PER_S);
	roles_rest(r, US_PER_H);
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), first);
	assert_int_equal(fake_kubo_n_pins(r->fake, 1), 20 - first);
	fake_kubo_restart(r->fake, 1, US_PER_DAY); /* this one is silent too long */
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(fake_kubo_n_pins(r->fake, 0), 20);
}

/* The operator was told that nothing was ordered, or nothing at all. */
static void an_order_that_fails_leaves_a_restored_store_protected(void **state UNUSED)
{
	for (unsigned call = 1;; call++) {
		CLEANUP(roles_free) struct roles *r = one_node_with(1);
		struct err err;
		int64_t at;
		bool ok;

		mark_restored(r);
		leave_on_node(r, 7);
		r->failing.fail_at = r->failing.calls + call;
		ok = reconciler_order_sweep(r->reconciler, false, true, &err);
		r->failing.fail_at = 0;
		assert_true(restored_at(r->store, &at, &err));
		if (ok)
			break;
		assert_true(at > 0);
		roles_restart_reconciler(r);
		roles_run(r, US_PER_MIN);
		assert_true(on_node(r, 7));
		assert_true(call < 20);
	}
}

/* Each letter is a tag. */
static void set_tags(struct roles *r, uint32_t peer_no, const char *tags)
{
	struct slice at[4];
	struct peer_row wish = { .peer_no = peer_no,
				 .wish_version = (uint64_t)r->now + 1000,
				 .tags = { at, strlen(tags) },
				 .wish = PEER_ACTIVE };
	struct err err;

	for (size_t i = 0; i < wish.tags.n; i++)
		at[i] = SLICE_OF((const uint8_t *)tags + i, 1);
	assert_true(store_peer_wish(r->store, &wish, &err));
}

static struct ulid pin_with(struct roles *r, unsigned n, const char *tags, int32_t replicas)
{
	struct slice at[4];
	struct pin_ask ask = { .given = ASK_REPLICAS | ASK_PEER_TAGS,
			       .rf_min = replicas,
			       .rf_max = replicas,
			       .peer_tags = { at, strlen(tags) } };

	for (size_t i = 0; i < ask.peer_tags.n; i++)
		at[i] = SLICE_OF((const uint8_t *)tags + i, 1);
	return roles_pin(r, "ada", n, &ask);
}

static void copies_lie_where_peers_have_all_tags_and_follow_them(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 3, .sweep_us = US_PER_DAY });

	roles_run(r, 10 * US_PER_S);
	set_tags(r, 1, "ab");
	set_tags(r, 2, "a");
	set_tags(r, 3, "b");
	roles_run(r, 10 * US_PER_S);
	for (unsigned i = 0; i < 10; i++)
		pin_with(r, i, "ab", 1);
	for (unsigned i = 10; i < 20; i++)
		pin_with(r, i, "a", 2);
	roles_run(r, US_PER_MIN);
	assert_int_equal(pins_on(r, 0), 20);
	assert_int_equal(pins_on(r, 1), 10);
	assert_int_equal(pins_on(r, 2), 0);
	set_tags(r, 1, "b");
	set_tags(r, 3, "ab");
	roles_run(r, 2 * US_PER_MIN);
	assert_int_equal(pins_on(r, 0), 0);
	assert_int_equal(pins_on(r, 1), 10);
	assert_int_equal(pins_on(r, 2), 20);
}

static void what_no_peer_is_tagged_for_waits_until_one_is(void **state UNUSED)
{
	CLEANUP(roles_free)
	struct roles *r = roles_new(&(struct roles_options){ .nodes = 2, .sweep_us = US_PER_DAY });
	struct ulid id;
	bool found;

	roles_run(r, 10 * US_PER_S);
	set_tags(r, 1, "a");
	id = pin_with(r, 1, "ab", 1);
	roles_run(r, US_PER_MIN);
	assert_int_equal(roles_status(r, "ada", id, &found), STATUS_QUEUED);
	set_tags(r, 2, "ba");
	roles_run(r, US_PER_MIN);
	assert_int_equal(roles_status(r, "ada", id, &found), STATUS_PINNED);
	assert_int_equal(pins_on(r, 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_order_takes_no_force_from_the_first),
		cmocka_unit_test(as_many_unpins_as_the_guard_allows_are_made),
		cmocka_unit_test(beyond_the_bound_copies_stay_and_are_told_of),
		cmocka_unit_test(copies_count_although_others_write_while_they_are_given_up),
		cmocka_unit_test(each_pass_lets_some_go),
		cmocka_unit_test(a_drain_is_not_held_back),
		cmocka_unit_test(copies_that_are_not_there_yet_are_given_up_at_once),
		cmocka_unit_test(a_restored_store_unpins_nothing_it_does_not_know_until_it_is_told),
		cmocka_unit_test(nor_does_an_order_to_unpin_from_before_it),
		cmocka_unit_test(nor_what_expires_by_what_was_known_before_it),
		cmocka_unit_test(many_adds_at_once_do_not_all_go_to_a_peer_that_is_nearly_full),
		cmocka_unit_test(nor_do_many_adds_one_after_the_other),
		cmocka_unit_test(pins_everywhere_reach_a_peer_that_was_away_for_a_moment),
		cmocka_unit_test(pins_everywhere_reach_peers_that_were_dead_or_paused),
		cmocka_unit_test(one_that_had_no_room_gets_them_when_it_has),
		cmocka_unit_test(nor_does_one_that_had_room_for_others_only),
		cmocka_unit_test(copies_follow_when_peers_change_their_zones),
		cmocka_unit_test(
			a_copy_is_not_removed_while_the_others_lie_on_peers_that_are_silent),
		cmocka_unit_test(a_recursive_pin_that_a_direct_one_replaces_comes_to_rest),
		cmocka_unit_test(a_peer_is_not_given_up_for_the_time_when_nobody_listened),
		cmocka_unit_test(an_order_that_fails_leaves_a_restored_store_protected),
		cmocka_unit_test(copies_lie_where_peers_have_all_tags_and_follow_them),
		cmocka_unit_test(what_no_peer_is_tagged_for_waits_until_one_is),
	};
	return cmocka_run_group_tests_name("role/reconciler_peers", tests, NULL, NULL);
}
