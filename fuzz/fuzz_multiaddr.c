#include "base/arena.h"
#include "fuzz_target.h"
#include "model/multiaddr.h"

/* The text of an address that was accepted is read as that address again. */
static void check(const struct multiaddr *addr)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct slice text = multiaddr_text(addr, mem);
	struct slice rest = multiaddr_slice(addr);
	struct multiaddr_part part;
	struct multiaddr again;
	struct peer_id peer;
	struct err err;
	size_t parts = 0;

	if (text.len <= MULTIADDR_TEXT_MAX) {
		if (!multiaddr_parse(text, &again, &err))
			assert(!"every address has a text");
		assert(slice_eq(multiaddr_slice(addr), multiaddr_slice(&again)));
	}
	while (multiaddr_next(&rest, &part))
		parts++;
	assert(parts > 0);
	multiaddr_peer(addr, &peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = SLICE_OF(data, size);
	struct multiaddr addr, again;
	struct err err;

	if (multiaddr_parse(input, &addr, &err)) {
		if (!multiaddr_decode(multiaddr_slice(&addr), &again, &err))
			assert(!"what was read can be decoded");
		check(&addr);
	}
	if (multiaddr_decode(input, &addr, &err)) {
		assert(slice_eq(multiaddr_slice(&addr), input));
		check(&addr);
	}
	return 0;
}
