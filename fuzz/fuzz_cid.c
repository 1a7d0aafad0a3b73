#include "fuzz_target.h"
#include "model/cid.h"

static void echo(const struct cid *cid, char base)
{
	char text[CID_TEXT_MAX], base_again;
	struct cid again;
	struct err err;
	size_t n = cid_text(cid, base, text);

	if (!cid_parse(SLICE_OF(text, n), &again, &base_again, &err))
		assert(!"every cid has a text");
	assert(cid_eq(cid, &again));
	assert(cid_version(cid) == 0 ? base_again == CID_BASE_V0 : base_again == base);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = SLICE_OF(data, size);
	char text[CID_TEXT_MAX], base;
	struct cid cid;
	struct err err;

	if (cid_parse(input, &cid, &base, &err)) {
		size_t n = cid_text(&cid, base, text);

		assert(slice_eq(SLICE_OF(text, n), input));
		cid_check_pinnable(&cid, &err);
	}
	if (cid_decode(input, &cid, &err)) {
		assert(slice_eq(cid_slice(&cid), input));
		assert(cid_multihash(&cid).len < size || cid_version(&cid) == 0);
		for (const char *each = "bBvVkKzmufF"; *each; each++)
			echo(&cid, *each);
	}
	return 0;
}
