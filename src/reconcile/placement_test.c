#include "reconcile/placement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/rand.h"

#define ROUNDS 3000
#define MANY   24

/* `n` peers that qualify, in `zones` zones (0: each in its own). */
static void even_peers(struct place_peer *peers, size_t n, size_t zones, struct arena *mem)
{
	for (size_t i = 0; i < n; i++) {
		char *zone = arena_printf(mem, "z%zu", zones > 0 ? i % zones : i);

		peers[i] = (struct place_peer){
			.peer_no = (uint32_t)(i * 3 + 1),
			.peer_id = slice_str(arena_printf(mem, "peer%zu", i)),
			.zone = slice_str(zone),
		};
	}
}

static struct place_result choose(uint64_t seed, int32_t replicas, const struct place_peer *peers,
				  size_t n, struct arena *mem)
{
	struct place_ask ask = { .seed = seed, .replicas = replicas };

	return placement_choose(&ask, peers, n, mem);
}

static bool has(const struct place_result *r, uint32_t peer_no)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->peers[i] == peer_no)
			return true;
	}
	return false;
}

static void health_follows_the_silence(void **state UNUSED)
{
	static const struct health_policy policy = { .suspect_us = 10,
						     .down_us = 60,
						     .grace_us = 600 };
	static const struct {
		int64_t silence;
		enum peer_health health;
	} cases[] = {
		{ 0, HEALTH_UP },       { 9, HEALTH_UP },    { 10, HEALTH_SUSPECT },
		{ 59, HEALTH_SUSPECT }, { 60, HEALTH_DOWN }, { 659, HEALTH_DOWN },
		{ 660, HEALTH_DEAD },   { -5, HEALTH_UP },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(peer_health(1000 - cases[i].silence, 1000, &policy),
				 cases[i].health);
	assert_int_equal(peer_health(INT64_MIN, INT64_MAX, &policy), HEALTH_DEAD);
	assert_int_equal(peer_health(INT64_MAX, INT64_MIN, &policy), HEALTH_UP);
}

static void every_refusal_has_a_text_of_its_own(void **state UNUSED)
{
	for (int i = PLACE_OK; i <= PLACE_NOT_NEEDED; i++) {
		assert_non_null(place_refusal_text((enum place_refusal)i));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(place_refusal_text((enum place_refusal)i),
						place_refusal_text((enum place_refusal)k));
	}
}

static const struct {
	const char *name;
	uint64_t free, reserved, capacity, size, keep_free;
	bool fits;
} rooms[] = {
	{ "nothing is known", 0, 0, 0, 1 << 30, 1 << 20, true },
	{ "just enough", 1000, 300, 5000, 200, 500, true },
	{ "one byte too few", 999, 300, 5000, 200, 500, false },
	{ "unknown size needs what is kept free", 801, 300, 5000, 0, 500, true },
	{ "and one byte", 800, 300, 5000, 0, 500, false },
	{ "more is promised than free", 100, 300, 5000, 0, 0, false },
	{ "full", 0, 0, 5000, 0, 0, false },
	{ "sizes beyond all reason", UINT64_MAX, 0, UINT64_MAX, UINT64_MAX, UINT64_MAX, false },
};

static void new_copies_need_room_and_old_ones_do_not(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(rooms); i++) {
		struct place_peer peer = { .peer_no = 1,
					   .free_bytes = rooms[i].free,
					   .reserved_bytes = rooms[i].reserved,
					   .capacity_bytes = rooms[i].capacity };
		struct place_held held = { 0 };
		struct place_ask ask = { .replicas = 1,
					 .size = rooms[i].size,
					 .keep_free_bytes = rooms[i].keep_free,
					 .held = &held };
		struct place_result r = placement_choose(&ask, &peer, 1, mem);

		if ((r.n == 1) != rooms[i].fits)
			print_error("%s\n", rooms[i].name);
		assert_int_equal(r.n, rooms[i].fits);
		assert_int_equal(r.refusals[0], rooms[i].fits ? PLACE_OK : PLACE_NOT_ENOUGH_SPACE);
		held.hold = HOLD_COMING;
		assert_int_equal(placement_choose(&ask, &peer, 1, mem).n, 1);
	}
}

/* May a peer in this state get a new copy; may it keep one? */
static void states_decide_about_new_and_old_copies(void **state UNUSED)
{
	static const struct {
		enum place_wish wish;
		enum peer_health health;
		enum place_refusal new_copy, old_copy;
	} cases[] = {
		{ PLACE_ACTIVE, HEALTH_UP, PLACE_OK, PLACE_OK },
		{ PLACE_ACTIVE, HEALTH_SUSPECT, PLACE_SUSPECT, PLACE_OK },
		{ PLACE_ACTIVE, HEALTH_DOWN, PLACE_DOWN, PLACE_OK },
		{ PLACE_ACTIVE, HEALTH_DEAD, PLACE_DOWN, PLACE_DOWN },
		{ PLACE_PAUSED, HEALTH_UP, PLACE_PAUSED_BY_OPERATOR, PLACE_OK },
		{ PLACE_PAUSED, HEALTH_DEAD, PLACE_DOWN, PLACE_OK },
		{ PLACE_DRAINING, HEALTH_UP, PLACE_DRAINED, PLACE_DRAINED },
		{ PLACE_DRAINING, HEALTH_DEAD, PLACE_DOWN, PLACE_DOWN },
		{ PLACE_FORGOTTEN, HEALTH_UP, PLACE_REMOVED, PLACE_REMOVED },
	};
	CLEANUP(arena_free) struct arena *mem = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct place_peer peer = { .peer_no = 1,
					   .wish = cases[i].wish,
					   .health = cases[i].health };
		struct place_held held = { 0 };
		struct place_ask ask = { .replicas = 1, .held = &held };

		assert_int_equal(placement_choose(&ask, &peer, 1, mem).refusals[0],
				 cases[i].new_copy);
		held.hold = HOLD_LEFT; /* is no right to stay */
		assert_int_equal(placement_choose(&ask, &peer, 1, mem).refusals[0],
				 cases[i].new_copy);
		held.hold = HOLD_PINNED;
		assert_int_equal(placement_choose(&ask, &peer, 1, mem).refusals[0],
				 cases[i].old_copy);
	}
}

/* One of three peers in three zones is to be chosen; each line is one step of the order. */
static void candidates_rank_by_what_is_there_wish_zone_share_and_score(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct place_peer peers[3];
	struct slice wish;
	uint32_t best, worst;

	even_peers(peers, 3, 0, mem);
	best = choose(7, 3, peers, 3, mem).peers[0];
	worst = choose(7, 3, peers, 3, mem).peers[2];
	for (size_t b = 0; b < 3; b++) {
		struct place_held held[3] = { 0 };
		struct place_ask ask = { .seed = 7, .replicas = 1, .held = held };

		if (peers[b].peer_no != worst)
			continue;
		wish = peers[b].peer_id;
		assert_int_equal(placement_choose(&ask, peers, 3, mem).peers[0], best);
		held[b].hold = HOLD_LEFT;
		assert_int_equal(placement_choose(&ask, peers, 3, mem).peers[0], worst);
		held[b].hold = HOLD_NONE;
		held[b].shared = true;
		assert_int_equal(placement_choose(&ask, peers, 3, mem).peers[0], worst);
		held[b].shared = false;
		ask.wished = (struct slice_list){ &wish, 1 };
		assert_int_equal(placement_choose(&ask, peers, 3, mem).peers[0], worst);
		for (size_t i = 0; i < 3; i++)
			held[i].hold = i == b ? HOLD_FAILING : HOLD_NONE;
		assert_int_equal(placement_choose(&ask, peers, 3, mem).peers[0], best);
		assert_int_equal(placement_choose(&ask, peers, 3, mem).refusals[b], PLACE_FAILING);
		held[b].hold = HOLD_COMING;
		ask.wished.n = 0;
		assert_int_equal(placement_choose(&ask, peers, 3, mem).peers[0], worst);
		for (size_t i = 0; i < 3; i++)
			held[i].hold = i == b ? HOLD_PINNED : HOLD_COMING;
		assert_int_equal(placement_choose(&ask, peers, 3, mem).peers[0], worst);
		ask.rebalance = true;
		assert_int_equal(placement_choose(&ask, peers, 3, mem).peers[0], best);
	}
}

/* None, or some of two. */
static struct slice_list some_tags(struct rand *rand, uint64_t once_in)
{
	static struct slice tags[] = { { (const uint8_t *)"ssd", 3 },
				       { (const uint8_t *)"eu", 2 } };
	uint64_t from = rand_below(rand, 2);

	if (rand_below(rand, once_in) > 0)
		return (struct slice_list){ NULL, 0 };
	return (struct slice_list){ &tags[from], 1 + rand_below(rand, 2 - from) };
}

static bool has_tags(const struct place_peer *peer, struct slice_list wanted)
{
	size_t n = 0;

	for (size_t i = 0; i < wanted.n; i++)
		for (size_t k = 0; k < peer->tags.n; k++)
			n += slice_eq(wanted.at[i], peer->tags.at[k]);
	return n == wanted.n;
}

static void random_peers(struct rand *rand, struct place_peer *peers, struct place_held *held,
			 size_t n, struct arena *mem)
{
	even_peers(peers, n, 1 + rand_below(rand, 5), mem);
	for (size_t i = 0; i < n; i++) {
		if (rand_below(rand, 4) == 0)
			peers[i].health = (enum peer_health)rand_below(rand, HEALTH_DEAD + 1);
		if (rand_below(rand, 4) == 0)
			peers[i].wish = (enum place_wish)rand_below(rand, PLACE_FORGOTTEN + 1);
		if (rand_below(rand, 2) == 0)
			peers[i].capacity_bytes = peers[i].free_bytes = rand_below(rand, 100);
		peers[i].tags = some_tags(rand, 2);
		held[i].hold = (enum place_hold)rand_below(rand, HOLD_FAILING + 1);
		held[i].shared = rand_below(rand, 2);
	}
}

static struct place_ask random_ask(struct rand *rand, const struct place_held *held)
{
	static struct slice const zones[] = { { (const uint8_t *)"z0", 2 },
					      { (const uint8_t *)"z1", 2 } };
	struct place_ask ask = { .seed = rand_u64(rand), .held = held };

	ask.replicas = rand_below(rand, 6) ? 1 + (int32_t)rand_below(rand, 8) : REPLICAS_EVERYWHERE;
	ask.size = rand_below(rand, 60);
	ask.rebalance = rand_below(rand, 4) == 0;
	if (rand_below(rand, 4) == 0)
		ask.zones = (struct slice_list){ (struct slice *)(uintptr_t)zones, 2 };
	ask.tags = some_tags(rand, 3);
	return ask;
}

/* Only peers that fit, as many as can be, each once, each refusal true to it; leaving
 * out somebody who was not chosen changes nothing. */
static void random_clusters_keep_the_promises(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct rand_seeded rand;

	rand_init_seeded(&rand, 2);
	for (int round = 0; round < ROUNDS; round++) {
		size_t n = rand_below(&rand.base, MANY), fit = 0, ok = 0, w = 0;
		struct place_peer peers[MANY], fewer[MANY];
		struct place_held held[MANY], fewer_held[MANY];
		struct place_ask ask = random_ask(&rand.base, held);
		struct place_result r, again;

		arena_reset(mem);
		memset(held, 0, sizeof(held));
		random_peers(&rand.base, peers, held, n, mem);
		r = placement_choose(&ask, peers, n, mem);
		for (size_t i = 0; i < n; i++) {
			bool chosen = r.refusals[i] == PLACE_OK;

			assert_int_equal(has(&r, peers[i].peer_no), chosen);
			ok += chosen;
			if (chosen || r.refusals[i] >= PLACE_FAILING)
				assert_true(has_tags(&peers[i], ask.tags));
			if (r.refusals[i] == PLACE_WRONG_TAGS)
				assert_false(has_tags(&peers[i], ask.tags));
			fit += chosen || r.refusals[i] >= PLACE_FAILING;
			if (chosen || rand_below(&rand.base, 2)) {
				fewer[w] = peers[i];
				fewer_held[w++] = held[i];
			}
		}
		assert_int_equal(ok, r.n);
		assert_int_equal(r.n,
				 ask.replicas == REPLICAS_EVERYWHERE || fit < (size_t)ask.replicas
					 ? fit
					 : (size_t)ask.replicas);
		ask.held = fewer_held;
		again = placement_choose(&ask, fewer, w, mem);
		assert_int_equal(again.n, r.n);
		for (size_t i = 0; i < r.n; i++)
			assert_int_equal(again.peers[i], r.peers[i]);
	}
}

/* No zone has two copies more than another one that still has a peer to offer. */
static void zones_fill_evenly(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct place_peer peers[MANY];

	for (uint64_t seed = 0; seed < ROUNDS; seed++) {
		int32_t replicas = 1 + (int32_t)(seed % 20);
		struct place_result r;
		int in_zone[5] = { 0 };

		arena_reset(mem);
		even_peers(peers, MANY, 5, mem);
		r = choose(seed, replicas, peers, MANY, mem);
		for (size_t i = 0; i < r.n; i++)
			in_zone[(r.peers[i] - 1) / 3 % 5]++;
		for (int z = 0; z < 5; z++)
			assert_in_range(in_zone[z], replicas / 5, (replicas + 4) / 5);
	}
}

/* 20 peers, 3 copies each of 20,000 CIDs.  With 19 degrees of freedom chi-square
 * exceeds 60 once in 300,000 times, if the scores are as good as random. */
static void copies_spread_evenly(void **state UNUSED)
{
	enum { PEERS = 20, CIDS = 20000, COPIES = 3 };
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct place_peer peers[PEERS];
	double expected = (double)CIDS * COPIES / PEERS, chi = 0;
	int load[PEERS] = { 0 };

	for (uint64_t cid = 0; cid < CIDS; cid++) { /* the worst seeds: neighbours */
		struct place_result r;

		arena_reset(mem);
		even_peers(peers, PEERS, 1, mem);
		r = choose(cid, COPIES, peers, PEERS, mem);
		for (size_t i = 0; i < r.n; i++)
			load[(r.peers[i] - 1) / 3]++;
	}
	for (int i = 0; i < PEERS; i++)
		chi += (load[i] - expected) * (load[i] - expected) / expected;
	assert_true(chi < 60);
	assert_true(chi > 1); /* nor too even to be by chance */
}

/* Of two sets of peers that differ in one: the copies differ only there. */
static void a_peer_more_or_less_moves_only_its_share(void **state UNUSED)
{
	enum { PEERS = 12, CIDS = 6000, COPIES = 3 };
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct place_peer peers[PEERS];
	size_t moved = 0;

	even_peers(peers, PEERS, 1, mem);
	for (uint64_t seed = 0; seed < CIDS; seed++) {
		struct place_result all, less;
		uint32_t extra;
		size_t lost = 0;

		arena_reset(mem);
		even_peers(peers, PEERS, 1, mem);
		extra = peers[PEERS - 1].peer_no;
		all = choose(seed, COPIES, peers, PEERS, mem);
		less = choose(seed, COPIES, peers, PEERS - 1, mem);
		for (size_t i = 0; i < COPIES; i++) {
			assert_true(all.peers[i] == extra || has(&less, all.peers[i]));
			lost += !has(&all, less.peers[i]);
		}
		assert_int_equal(lost, has(&all, extra));
		moved += lost;
	}
	/* 1 of 12 has its share of 3 * 6000 copies: 1500, give or take 5 sigma. */
	assert_in_range(moved, 1500 - 190, 1500 + 190);
}

/* The same with zones: a new peer may take over from its zone's neighbours or fill
 * its zone up, so some more moves, but never between zones of equal size. */
static void with_zones_little_more_moves(void **state UNUSED)
{
	enum { PEERS = 12, CIDS = 6000, COPIES = 3 };
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct place_peer peers[PEERS];
	size_t moved = 0;

	for (uint64_t seed = 0; seed < CIDS; seed++) {
		struct place_result all, less;

		arena_reset(mem);
		even_peers(peers, PEERS, 4, mem);
		all = choose(seed, COPIES, peers, PEERS, mem);
		less = choose(seed, COPIES, peers, PEERS - 1, mem);
		for (size_t i = 0; i < COPIES; i++)
			moved += !has(&all, less.peers[i]);
	}
	assert_in_range(moved, 1, 2 * 1500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(health_follows_the_silence),
		cmocka_unit_test(every_refusal_has_a_text_of_its_own),
		cmocka_unit_test(new_copies_need_room_and_old_ones_do_not),
		cmocka_unit_test(states_decide_about_new_and_old_copies),
		cmocka_unit_test(candidates_rank_by_what_is_there_wish_zone_share_and_score),
		cmocka_unit_test(random_clusters_keep_the_promises),
		cmocka_unit_test(zones_fill_evenly),
		cmocka_unit_test(copies_spread_evenly),
		cmocka_unit_test(a_peer_more_or_less_moves_only_its_share),
		cmocka_unit_test(with_zones_little_more_moves),
	};
	return cmocka_run_group_tests_name("reconcile/placement", tests, NULL, NULL);
}
