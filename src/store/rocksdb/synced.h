/*
 * synced.h -- the file SYNCED: how far the log was synced.
 *
 *	two slots at bytes 0 and 512, little-endian: turn: 8, sequence number: 8, number of the
 *	oldest log: 8, crc32c of those: 4
 *
 * The higher turn counts; each is written over the older, and not synced, so it costs little and
 * survives a kill.  It never tells of more than was synced, and may tell of less.
 */
#pragma once

#include "store/rocksdb/dir_file.h"

/* Makes the file, durable; both slots are written. */
bool synced_make(const struct directory *dir, uint64_t sequence, struct err *err) MUST_CHECK;

/* What counts of all bytes of such a file, in *out without a descriptor: zero without a good slot.
 * ERR_CORRUPT: it is not as long as it was made. */
bool synced_decode(struct slice file, struct synced *out, struct err *err) MUST_CHECK;

/* Opens it and reads that. */
bool synced_open(const struct directory *dir, struct synced *out, struct err *err) MUST_CHECK;
void synced_close(struct synced *synced);

/* Writes the next turn.  If that fails (a full disk) what stands there still holds. */
void synced_write(struct synced *synced, uint64_t sequence, uint64_t oldest_log);
