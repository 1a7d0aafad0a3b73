#include "reconcile/reserve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/rand.h"

#define ROUNDS 200
#define PEERS  8
#define ADDS   300

static bool roomy(const struct place_peer *p, uint64_t keep, uint64_t usual)
{
	return p->free_bytes >= p->reserved_bytes + p->coming * usual + keep + usual;
}

static struct place_result place(struct place_peer *peers, size_t n, uint64_t seed, uint64_t size,
				 uint64_t keep, uint64_t usual, struct arena *mem)
{
	const struct place_ask ask = { .seed = seed,
				       .replicas = 1,
				       .size = size,
				       .usual_size = usual,
				       .keep_free_bytes = keep };
	struct place_result r = placement_choose(&ask, peers, n, mem);

	for (size_t i = 0; i < r.n; i++)
		reserve_promise(peers, n, r.peers[i], size, false);
	return r;
}

static void random_peers(struct rand *rand, struct place_peer *peers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		peers[i] = (struct place_peer){ .peer_no = (uint32_t)i + 1,
						.free_bytes = rand_below(rand, 20000),
						.capacity_bytes = 100000 };
}

static const struct place_peer *peer_at(const struct place_peer *peers, uint32_t peer_no)
{
	return &peers[peer_no - 1];
}

static void of_known_sizes_no_more_is_promised_than_is_free(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct rand_seeded rand;

	rand_init_seeded(&rand, 1);
	for (int round = 0; round < ROUNDS; round++) {
		struct place_peer peers[PEERS];
		uint64_t keep = rand_below(&rand.base, 1000);

		arena_reset(mem);
		random_peers(&rand.base, peers, PEERS);
		for (int i = 0; i < ADDS; i++)
			place(peers, PEERS, rand_u64(&rand.base), 1 + rand_below(&rand.base, 500),
			      keep, 100, mem);
		for (size_t i = 0; i < PEERS; i++)
			assert_true(peers[i].reserved_bytes == 0 ||
				    peers[i].reserved_bytes + keep <= peers[i].free_bytes);
	}
}

/* A thousand adds at once do not all go to a peer that is nearly full. */
static void of_unknown_sizes_none_goes_to_a_full_peer_while_another_has_room(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct rand_seeded rand;

	rand_init_seeded(&rand, 2);
	for (int round = 0; round < ROUNDS; round++) {
		struct place_peer peers[PEERS];
		uint64_t keep = rand_below(&rand.base, 1000), usual = 100;

		arena_reset(mem);
		random_peers(&rand.base, peers, PEERS);
		for (int i = 0; i < ADDS; i++) {
			struct place_peer before[PEERS];
			struct place_result r;
			bool some = false;

			memcpy(before, peers, sizeof(peers));
			for (size_t k = 0; k < PEERS; k++)
				some |= roomy(&peers[k], keep, usual);
			r = place(peers, PEERS, rand_u64(&rand.base), 0, keep, usual, mem);
			if (some)
				assert_true(roomy(peer_at(before, r.peers[0]), keep, usual));
		}
	}
}

static void when_all_are_full_by_guess_the_pins_still_go_somewhere(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct place_peer peers[] = {
		{ .peer_no = 1, .free_bytes = 100, .capacity_bytes = 1000, .coming = 1000 },
		{ .peer_no = 2, .free_bytes = 100, .capacity_bytes = 1000, .coming = UINT64_MAX },
	};

	assert_int_equal(place(peers, 2, 7, 0, 0, UINT64_MAX, mem).n, 1);
}

static void zones_and_wishes_count_more_than_a_guess(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct slice wish = SLICE_LIT("b");
	const struct place_peer peers[] = {
		{ .peer_no = 1,
		  .zone = SLICE_LIT("x"),
		  .free_bytes = 1000,
		  .capacity_bytes = 1000 },
		{ .peer_no = 2,
		  .zone = SLICE_LIT("x"),
		  .free_bytes = 1000,
		  .capacity_bytes = 1000 },
		{ .peer_no = 3,
		  .peer_id = SLICE_LIT("b"),
		  .zone = SLICE_LIT("y"),
		  .free_bytes = 1000,
		  .capacity_bytes = 1000,
		  .coming = 100 },
	};

	for (uint64_t seed = 0; seed < 50; seed++) {
		struct place_ask ask = { .seed = seed, .replicas = 2, .usual_size = 100 };
		struct place_result r = placement_choose(&ask, peers, 3, mem);

		assert_int_equal(r.refusals[2], PLACE_OK);
		ask.replicas = 1;
		r = placement_choose(&ask, peers, 3, mem);
		assert_int_not_equal(r.peers[0], 3);
		ask.wished = (struct slice_list){ .at = (struct slice *)&wish, .n = 1 };
		r = placement_choose(&ask, peers, 3, mem);
		assert_int_equal(r.peers[0], 3);
	}
}

static void a_promise_can_be_taken_back(void **state UNUSED)
{
	struct place_peer peers[] = { { .peer_no = 3 }, { .peer_no = 9 } };

	reserve_promise(peers, 2, 9, 10, false);
	reserve_promise(peers, 2, 9, 0, false);
	reserve_promise(peers, 2, 4, 10, false); /* nobody */
	assert_int_equal(peers[1].reserved_bytes, 10);
	assert_int_equal(peers[1].coming, 1);
	reserve_promise(peers, 2, 9, 10, true);
	reserve_promise(peers, 2, 9, 0, true);
	reserve_promise(peers, 2, 9, 0, true);
	assert_int_equal(peers[1].reserved_bytes + peers[1].coming + peers[0].reserved_bytes, 0);
}

static void the_usual_size_follows_the_sizes(void **state UNUSED)
{
	uint64_t usual = RESERVE_USUAL;

	assert_int_equal(reserve_usual(usual, 0), usual);
	for (int i = 0; i < 2000; i++)
		usual = reserve_usual(usual, 1000);
	assert_int_equal(usual, 1000);
	for (int i = 0; i < 3000; i++)
		usual = reserve_usual(usual, UINT64_MAX);
	assert_true(usual == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_known_sizes_no_more_is_promised_than_is_free),
		cmocka_unit_test(of_unknown_sizes_none_goes_to_a_full_peer_while_another_has_room),
		cmocka_unit_test(when_all_are_full_by_guess_the_pins_still_go_somewhere),
		cmocka_unit_test(zones_and_wishes_count_more_than_a_guess),
		cmocka_unit_test(a_promise_can_be_taken_back),
		cmocka_unit_test(the_usual_size_follows_the_sizes),
	};
	return cmocka_run_group_tests_name("reconcile/reserve", tests, NULL, NULL);
}
