/* As a write-ahead log and as a MANIFEST; the first byte tells which. */
#include "fuzz_target.h"
#include "store/rocksdb/log_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice file = SLICE_OF(data + 1, size - 1);
	struct log_sequence sequence;
	struct log_numbers numbers;
	struct err err;

	if (size == 0)
		return 0;
	if (data[0] & 1) {
		if (!log_file_numbers(file, &numbers, &err))
			assert(err.code == ERR_CORRUPT);
	} else if (log_file_sequence(file, &sequence, &err)) {
		assert(sequence.torn <= file.len);
		assert(!sequence.any || sequence.first <= sequence.last);
	} else {
		assert(err.code == ERR_CORRUPT);
	}
	return 0;
}
