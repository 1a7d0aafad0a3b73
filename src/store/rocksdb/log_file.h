/*
 * log_file.h -- strict reading of RocksDB's log files (write-ahead log, MANIFEST).
 *
 * RocksDB's own reader takes a damaged length or type near the end of a log for its
 * end, and silently forgets what lies behind.  This one takes for a cut tail only
 * what cannot be anything else, and refuses every flipped bit.  Of a write-ahead log a
 * record in which a whole sector of the disk is zero ends it too: a loss of power may leave
 * the length of a file without some of its pages.
 *
 *	file    blocks of 32 KiB, each of records; less than 7 bytes at the end are zero
 *	record  | crc32c, masked: 4 | length: 2 | type: 1 | payload |     little-endian
 *	type    1 whole, 2 first part, 3 middle, 4 last part of a logical record
 *
 * (https://github.com/facebook/rocksdb/wiki/Write-Ahead-Log-File-Format).  Pure.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct log_sequence { /* the sequence numbers in a write-ahead log */
	bool any;
	uint64_t first, last; /* if any; every number between is there */
	size_t torn;          /* bytes at the end that hold no whole record */
};

/* Reads a write-ahead log, whose records are write batches.  ERR_CORRUPT names the offset. */
bool log_file_sequence(struct slice file, struct log_sequence *out, struct err *err) MUST_CHECK;

struct log_numbers {     /* of write-ahead logs, by a MANIFEST */
	uint64_t needed; /* the oldest that a table may lack something of; need not be a file */
	uint64_t kept;   /* only older ones have been removed; 0: none has */
};

/* Reads a MANIFEST. */
bool log_file_numbers(struct slice file, struct log_numbers *out, struct err *err) MUST_CHECK;

/* CRC-32C (Castagnoli), not masked; bit by bit, for a few bytes. */
uint32_t log_file_crc32c(struct slice bytes);
