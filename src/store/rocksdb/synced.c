#include "store/rocksdb/synced.h"

#include <endian.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/rocksdb/log_file.h"

#define FILE_BYTES  1024
#define SLOT_STEP   512
#define SLOT_BYTES  24 /* before its checksum */
#define SLOT_LENGTH (SLOT_BYTES + 4)

static bool read_slot(const uint8_t *at, struct synced *out)
{
	uint64_t words[3];
	uint32_t crc;

	memcpy(words, at, SLOT_BYTES);
	memcpy(&crc, at + SLOT_BYTES, sizeof(crc));
	out->turn = le64toh(words[0]);
	out->sequence = le64toh(words[1]);
	out->oldest_log = le64toh(words[2]);
	return le32toh(crc) == log_file_crc32c(SLICE_OF(at, SLOT_BYTES));
}

static void fill_slot(uint8_t *at, uint64_t turn, uint64_t sequence, uint64_t oldest_log)
{
	uint64_t words[3] = { htole64(turn), htole64(sequence), htole64(oldest_log) };
	uint32_t crc = htole32(log_file_crc32c(SLICE_OF(words, SLOT_BYTES)));

	memcpy(at, words, SLOT_BYTES);
	memcpy(at + SLOT_BYTES, &crc, sizeof(crc));
}

bool synced_make(const struct directory *dir, uint64_t sequence, struct err *err)
{
	uint8_t bytes[FILE_BYTES] = { 0 };

	fill_slot(bytes, 1, sequence, 0);
	fill_slot(bytes + SLOT_STEP, 0, 0, 0);
	return dir_write(dir, "SYNCED", SLICE_OF(bytes, sizeof(bytes)), err);
}

/* The slot of the higher turn; the other is the next to be written. */
static struct synced newest_slot(const uint8_t *bytes)
{
	struct synced a = { .fd = -1, .slot = 0 }, b = { .fd = -1, .slot = 1 };
	struct synced none = { .fd = -1, .slot = 1 };
	bool a_good = read_slot(bytes, &a), b_good = read_slot(bytes + SLOT_STEP, &b);

	if (a_good && b_good)
		return a.turn > b.turn ? a : b;
	return a_good ? a : b_good ? b : none;
}

bool synced_decode(struct slice file, struct synced *out, struct err *err)
{
	if (file.len != FILE_BYTES)
		return err_set(err, ERR_CORRUPT,
			       "SYNCED was cut: restore it, or the whole directory from a backup");
	*out = newest_slot(file.ptr);
	return true;
}

bool synced_open(const struct directory *dir, struct synced *out, struct err *err)
{
	CLEANUP(buf_free) struct buf bytes = { 0 };

	if (!dir_read(dir, "SYNCED", &bytes, err))
		return false;
	if (!synced_decode(buf_slice(&bytes), out, err))
		return err_wrap(err, "%s", dir->path);
	out->fd = openat(dir->fd, "SYNCED", (dir->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	return out->fd >= 0 || dir_failed(dir, "SYNCED", err);
}

void synced_close(struct synced *synced)
{
	if (synced->fd >= 0)
		close(synced->fd);
	synced->fd = -1;
}

void synced_write(struct synced *synced, uint64_t sequence, uint64_t oldest_log)
{
	struct synced next = { .fd = synced->fd,
			       .slot = !synced->slot,
			       .turn = synced->turn + 1,
			       .sequence = sequence,
			       .oldest_log = oldest_log };
	uint8_t bytes[SLOT_LENGTH];

	fill_slot(bytes, next.turn, sequence, oldest_log);
	if (dir_write_at(next.fd, SLICE_OF(bytes, sizeof(bytes)), next.slot * SLOT_STEP))
		*synced = next;
}
