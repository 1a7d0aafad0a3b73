#include "reconcile/reserve.h"

#define WEIGHT 64 /* of what was known before one more size */

static struct place_peer *find(struct place_peer *peers, size_t n, uint32_t peer_no)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (peers[mid].peer_no < peer_no)
			low = mid + 1;
		else
			high = mid;
	}
	return low < n && peers[low].peer_no == peer_no ? &peers[low] : NULL;
}

/* Both stop at their bounds. */
static void move(uint64_t *sum, uint64_t by, bool down)
{
	if (down)
		*sum = *sum > by ? *sum - by : 0;
	else if (__builtin_add_overflow(*sum, by, sum))
		*sum = UINT64_MAX;
}

void reserve_promise(struct place_peer *peers, size_t n, uint32_t peer_no, uint64_t size,
		     bool taken_back)
{
	struct place_peer *peer = find(peers, n, peer_no);

	if (!peer)
		return;
	if (size > 0)
		move(&peer->reserved_bytes, size, taken_back);
	else
		move(&peer->coming, 1, taken_back);
}

bool reserve_is_full(const struct place_peer *peer, uint64_t keep_free_bytes, unsigned copies)
{
	return peer->capacity_bytes > 0 &&
	       peer->free_bytes < keep_free_bytes + copies * RESERVE_USUAL;
}

uint64_t reserve_usual(uint64_t usual, uint64_t size)
{
	if (size == 0)
		return usual;
	/* At least by one, so that it gets to any size in the end. */
	if (size > usual)
		return usual + (size - usual + WEIGHT - 1) / WEIGHT;
	return usual - (usual - size + WEIGHT - 1) / WEIGHT;
}
