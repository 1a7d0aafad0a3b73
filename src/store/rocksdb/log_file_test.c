#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/rand.h"
#include "store/rocksdb/log_file.h"

static uint32_t mask(uint32_t crc)
{
	return (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8);
}

static void add_le(struct buf *out, uint64_t x, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		buf_add_byte(out, (uint8_t)(x >> 8 * i));
}

static void add_part(struct buf *log, uint8_t type, struct slice payload)
{
	struct buf sum = { 0 };

	buf_add_byte(&sum, type);
	buf_add_slice(&sum, payload);
	add_le(log, mask(log_file_crc32c(buf_slice(&sum))), 4);
	add_le(log, payload.len, 2);
	buf_add_slice(log, buf_slice(&sum));
	buf_free(&sum);
}

/* A logical record, in as many parts as the blocks make necessary. */
static void add_record(struct buf *log, struct slice record)
{
	bool begun = false;

	do {
		size_t room = 32768 - log->len % 32768, n;
		bool last;

		if (room < 7) {
			add_le(log, 0, (unsigned)room);
			room = 32768;
		}
		n = record.len < room - 7 ? record.len : room - 7;
		last = n == record.len;
		add_part(log, (uint8_t)(begun ? (last ? 4 : 3) : (last ? 1 : 2)),
			 SLICE_OF(record.ptr, n));
		record = SLICE_OF(record.ptr + n, record.len - n);
		begun = true;
	} while (record.len > 0);
}

static void add_batch(struct buf *log, uint64_t sequence, uint32_t count, size_t body)
{
	struct buf batch = { 0 };

	add_le(&batch, sequence, 8);
	add_le(&batch, count, 4);
	while (body-- > 0)
		buf_add_byte(&batch, (uint8_t)(body * 7));
	add_record(log, buf_slice(&batch));
	buf_free(&batch);
}

/* 100 batches of 1 to 3 writes from number 10 on, some longer than a block. */
static struct buf make_log(uint64_t *last)
{
	struct buf log = { 0 };
	struct rand_seeded rand;
	uint64_t next = 10;

	rand_init_seeded(&rand, 3);
	for (int i = 0; i < 100; i++) {
		uint32_t n = 1 + (uint32_t)rand_below(&rand.base, 3);

		add_batch(&log, next, n, i % 20 == 0 ? 70000 : rand_below(&rand.base, 300));
		next += n;
	}
	*last = next - 1;
	return log;
}

static void crc32c_is_that_of_rfc_3720(void **state)
{
	uint8_t zeros[32] = { 0 };

	(void)state;
	assert_int_equal(log_file_crc32c(SLICE_OF(zeros, 32)), 0x8a9136aa);
	assert_int_equal(log_file_crc32c(SLICE_LIT("123456789")), 0xe3069283);
}

static void a_log_tells_its_first_and_last_write(void **state)
{
	struct log_sequence s;
	struct err err;
	uint64_t last;
	struct buf log = make_log(&last);

	(void)state;
	assert_true(log_file_sequence(buf_slice(&log), &s, &err));
	assert_true(s.any);
	assert_int_equal(s.first, 10);
	assert_int_equal(s.last, last);
	assert_int_equal(s.torn, 0);
	buf_free(&log);
}

static void a_log_cut_anywhere_ends_with_the_last_whole_record(void **state)
{
	struct log_sequence s;
	struct err err;
	uint64_t last, before = 0;
	struct buf log = make_log(&last);

	(void)state;
	for (size_t n = 0; n <= log.len; n += n < log.len - 700 ? 501 : 1) {
		if (!log_file_sequence(SLICE_OF(log.ptr, n), &s, &err))
			fail_msg("cut to %zu: %s", n, err.text);
		assert_true(s.last >= before);
		assert_true(s.torn <= n);
		before = s.last;
	}
	assert_int_equal(before, last);
	buf_free(&log);
}

static void a_log_with_zeros_behind_it_is_cut(void **state)
{
	struct log_sequence s;
	struct err err;
	uint64_t last;
	struct buf log = make_log(&last);

	(void)state;
	for (int i = 0; i < 5000; i++)
		buf_add_byte(&log, 0);
	assert_true(log_file_sequence(buf_slice(&log), &s, &err));
	assert_int_equal(s.last, last);
	assert_int_equal(s.torn, 5000);
	log.ptr[log.len - 1] = 1; /* behind sectors that were not written */
	assert_true(log_file_sequence(buf_slice(&log), &s, &err));
	assert_int_equal(s.last, last);
	assert_int_equal(s.torn, 5000);
	buf_free(&log);
}

/* The file was made longer, some of its pages came to the disk and others did not. */
static void a_log_that_lacks_a_sector_ends_before_that_record(void **state)
{
	struct log_sequence whole, s;
	struct err err;
	uint64_t last;
	struct buf log = make_log(&last);

	(void)state;
	assert_true(log_file_sequence(buf_slice(&log), &whole, &err));
	for (size_t at = 0; at + 512 <= log.len; at += 512) {
		uint8_t kept[512];

		memcpy(kept, log.ptr + at, 512);
		memset(log.ptr + at, 0, 512);
		if (!log_file_sequence(buf_slice(&log), &s, &err))
			fail_msg("without byte %zu: %s", at, err.text);
		assert_true(s.torn + 8 >= log.len - at); /* a record may end in zeros */
		assert_true(!s.any || s.last < whole.last);
		memcpy(log.ptr + at, kept, 512);
	}
	buf_free(&log);
}

static void a_manifest_that_lacks_a_sector_is_damaged(void **state)
{
	struct buf manifest = { 0 };
	struct log_numbers numbers;
	struct err err;

	(void)state;
	for (int i = 0; i < 200; i++)
		add_record(&manifest, SLICE_LIT("\x01\x03"
						"cmp\x02\x04\x03\x07\x04\x00"));
	assert_true(log_file_numbers(buf_slice(&manifest), &numbers, &err));
	memset(manifest.ptr + 1024, 0, 512);
	assert_false(log_file_numbers(buf_slice(&manifest), &numbers, &err));
	assert_int_equal(err.code, ERR_CORRUPT);
	buf_free(&manifest);
}

static void every_flipped_bit_is_refused(void **state)
{
	struct log_sequence s;
	struct err err;
	struct buf log = { 0 };

	(void)state;
	for (uint64_t i = 1; i < 20; i++)
		add_batch(&log, i, 1, 5 * i);
	for (size_t bit = 0; bit < 8 * log.len; bit++) {
		log.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (log_file_sequence(buf_slice(&log), &s, &err))
			fail_msg("bit %zu", bit);
		assert_int_equal(err.code, ERR_CORRUPT);
		log.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	buf_free(&log);
}

static void a_gap_between_writes_is_refused(void **state)
{
	struct log_sequence s;
	struct err err;
	struct buf log = { 0 };

	(void)state;
	add_batch(&log, 5, 2, 10);
	add_batch(&log, 0, 0, 0); /* a mark without writes */
	add_batch(&log, 7, 1, 10);
	assert_true(log_file_sequence(buf_slice(&log), &s, &err));
	add_batch(&log, 9, 1, 10);
	assert_false(log_file_sequence(buf_slice(&log), &s, &err));
	assert_non_null(strstr(err.text, "8 to 8"));
	buf_free(&log);
}

static void parts_out_of_their_place_are_refused(void **state)
{
	static const uint8_t orders[][2] = { { 3, 0 }, { 4, 0 }, { 2, 1 }, { 2, 2 } };
	struct log_sequence s;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		struct buf log = { 0 };

		for (size_t k = 0; k < 2 && orders[i][k]; k++)
			add_part(&log, orders[i][k], SLICE_LIT("twelve bytes"));
		assert_false(log_file_sequence(buf_slice(&log), &s, &err));
		buf_free(&log);
	}
}

static void a_manifest_tells_which_logs_are_needed(void **state)
{
	static const struct slice edits[] = {
		/* comparator, log 4, next file, last sequence */
		SLICE_LIT("\x01\x03"
			  "cmp\x02\x04\x03\x07\x04\x00"),
		SLICE_LIT("\xc8\x01\x01\xc9\x01\x01"
			  "a\x02\x03"), /* family 1 "a", log 3 */
		SLICE_LIT("\xc8\x01\x02\xc9\x01\x01"
			  "b\x02\x01"),            /* family 2 "b", log 1 */
		SLICE_LIT("\xc8\x01\x02\xca\x01"), /* which is dropped */
		SLICE_LIT("\x0a\x08"),             /* logs before 8 are removed */
		SLICE_LIT("\x02\x09"
			  "\x67\x00\x0b\x20\x01k\x01m\x01\x05\x05\x01\x08\x01"), /* flush: log 9 */
	};
	struct buf manifest = { 0 };
	struct err err;
	struct log_numbers numbers;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(edits); i++)
		add_record(&manifest, edits[i]);
	if (!log_file_numbers(buf_slice(&manifest), &numbers, &err))
		fail_msg("%s", err.text);
	assert_int_equal(numbers.needed, 3); /* that of the family behind */
	assert_int_equal(numbers.kept, 8);
	add_record(&manifest, SLICE_LIT("\x0b\x01"));
	assert_false(log_file_numbers(buf_slice(&manifest), &numbers, &err));
	buf_free(&manifest);
	assert_false(log_file_numbers((struct slice){ 0 }, &numbers, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32c_is_that_of_rfc_3720),
		cmocka_unit_test(a_log_tells_its_first_and_last_write),
		cmocka_unit_test(a_log_cut_anywhere_ends_with_the_last_whole_record),
		cmocka_unit_test(a_log_with_zeros_behind_it_is_cut),
		cmocka_unit_test(a_log_that_lacks_a_sector_ends_before_that_record),
		cmocka_unit_test(a_manifest_that_lacks_a_sector_is_damaged),
		cmocka_unit_test(every_flipped_bit_is_refused),
		cmocka_unit_test(a_gap_between_writes_is_refused),
		cmocka_unit_test(parts_out_of_their_place_are_refused),
		cmocka_unit_test(a_manifest_tells_which_logs_are_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
