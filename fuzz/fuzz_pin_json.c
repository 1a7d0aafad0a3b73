/* Bodies of POST /pins, POST /v1/pins and PATCH, from JSON to a checked request. */
#include "fuzz_target.h"

#include "role/api/pin_json.h"
#include "role/pin_ask.h"

static void check(const json_t *body, int kind, struct arena *mem)
{
	const struct ulid about = { { 0 } };
	struct pin_ask ask, once, twice;
	struct err err = { 0 };
	bool ok;

	if (kind == 0)
		ok = psa_read_pin(body, mem, &ask, &err);
	else
		ok = v1_read_pin(body, kind == 1, kind == 1, mem, &ask, &err);
	if (!ok || !pin_ask_check(&ask, kind < 2, mem, &once, &err)) {
		assert(err.code == ERR_INVALID && err.text[0]);
		return;
	}
	/* What was checked is sound as it is, but for reserved keys, which have become fields. */
	once.given = ask.given;
	ok = pin_ask_check(&once, kind < 2, mem, &twice, &err);
	assert(ok);
	assert(slice_eq(pin_ask_fingerprint(&twice, about, 0, mem),
			pin_ask_fingerprint(&twice, about, 0, mem)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct json_limits limits = { .max_bytes = 65536, .max_depth = 8 };
	CLEANUP(json_doc_free) struct json_doc *doc = NULL;
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct err err;

	if (!json_parse(SLICE_OF(data, size), &limits, &doc, &err))
		return 0;
	for (int kind = 0; kind < 3; kind++)
		check(json_root(doc), kind, mem);
	return 0;
}
