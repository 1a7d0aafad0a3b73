/* The files of a store's directory that are ours: FORMAT and SYNCED; the first byte tells which. */
#include "fuzz_target.h"

#include <endian.h>
#include <string.h>

#include "store/rocksdb/log_file.h"
#include "store/rocksdb/synced.h"

#define FORMAT    1
#define FILE_MAX  4096
#define SLOT_STEP 512

/* A file that is accepted is not with any one bit turned over. */
static void check_format(struct slice file)
{
	enum directory_state state;
	uint8_t turned[FILE_MAX];
	struct err err;

	if (!format_decode(file, FORMAT, &state, &err)) {
		assert(err.code == ERR_CORRUPT || err.code == ERR_INVALID);
		return;
	}
	assert(file.len <= sizeof(turned));
	memcpy(turned, file.ptr, file.len);
	for (size_t bit = 0; bit < 8 * file.len; bit++) {
		turned[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (format_decode(SLICE_OF(turned, file.len), FORMAT, &state, &err))
			assert(!"damage is seen");
		turned[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static uint64_t word_at(const uint8_t *slot, int i)
{
	uint64_t word;

	memcpy(&word, slot + 8 * i, sizeof(word));
	return le64toh(word);
}

static bool is_whole(const uint8_t *slot)
{
	uint32_t crc;

	memcpy(&crc, slot + 24, sizeof(crc));
	return le32toh(crc) == log_file_crc32c(SLICE_OF(slot, 24));
}

static void check_synced(struct slice file)
{
	const uint8_t *this, *other;
	struct synced synced;
	struct err err;

	if (!synced_decode(file, &synced, &err)) {
		assert(err.code == ERR_CORRUPT);
		return;
	}
	assert(synced.fd == -1 && (synced.slot == 0 || synced.slot == 1));
	this = file.ptr + synced.slot * SLOT_STEP;
	other = file.ptr + !synced.slot * SLOT_STEP;
	if (!is_whole(this)) {
		assert(!is_whole(other) && synced.sequence == 0 && synced.oldest_log == 0);
		return;
	}
	assert(synced.turn == word_at(this, 0) && synced.sequence == word_at(this, 1) &&
	       synced.oldest_log == word_at(this, 2));
	assert(!is_whole(other) || word_at(other, 0) <= synced.turn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] & 1)
		check_synced(SLICE_OF(data + 1, size - 1));
	else
		check_format(SLICE_OF(data + 1, size - 1));
	return 0;
}
