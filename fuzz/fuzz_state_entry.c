/* A whole entry that is written again is read as the same. */
#include "base/cleanup.h"
#include "fuzz_target.h"
#include "store/state_entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct slice value, value2;
	struct cid cid, cid2;
	size_t used, used2;
	struct err err;
	enum state_entry got = state_entry_read(SLICE_OF(data, size), &cid, &value, &used, &err);

	assert(got != STATE_ENTRY_BAD || err.code == ERR_INVALID);
	if (got != STATE_ENTRY_WHOLE)
		return 0;
	assert(used <= size && value.ptr >= data && value.ptr + value.len <= data + size);
	state_entry_write(cid_slice(&cid), value, &out);
	got = state_entry_read(buf_slice(&out), &cid2, &value2, &used2, &err);
	assert(got == STATE_ENTRY_WHOLE && used2 == out.len);
	assert(cid_eq(&cid, &cid2) && slice_eq(value, value2));
	return 0;
}
