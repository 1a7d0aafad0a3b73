#include "fuzz_target.h"
#include "model/peer_id.h"

static void check(const struct peer_id *id)
{
	char text[PEER_ID_TEXT_MAX];
	size_t n = peer_id_text(id, text);
	struct peer_id again;
	struct err err;

	if (!peer_id_parse(SLICE_OF(text, n), &again, &err))
		assert(!"every id has a text");
	assert(slice_eq(peer_id_slice(id), peer_id_slice(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peer_id id;
	struct err err;

	if (peer_id_parse(SLICE_OF(data, size), &id, &err))
		check(&id);
	if (peer_id_decode(SLICE_OF(data, size), &id, &err))
		check(&id);
	return 0;
}
