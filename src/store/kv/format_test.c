#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "store/kv/format.h"
#include "store/random_row_test.h"

struct fixture {
	struct rand_seeded rand;
	struct arena *mem;
	struct buf key, value;
	struct err err;
};

static int setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	rand_init_seeded(&f->rand, 7);
	f->mem = arena_new();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_free(f->mem);
	buf_free(&f->key);
	buf_free(&f->value);
	test_free(f);
	return 0;
}

static uint8_t first_group(enum table t)
{
	return table_schema(t)->n_groups > 1 ? 1 : 0;
}

/* Through bytes and back, all groups. */
static void *round_trip(struct fixture *f, enum table t, const void *row)
{
	void *back = arena_alloc(f->mem, table_schema(t)->row_size);
	uint8_t last = first_group(t) ? table_schema(t)->n_groups : 0;

	for (unsigned g = first_group(t); g <= last; g++) {
		uint8_t group = 99;

		f->key.len = f->value.len = 0;
		format_key(t, row, (uint8_t)g, &f->key);
		format_value(t, row, (uint8_t)g, &f->value);
		assert_true(format_read_key(t, arena_copy(f->mem, buf_slice(&f->key)), f->mem, back,
					    &group, &f->err));
		assert_int_equal(group, g);
		assert_true(format_read_value(t, group, arena_copy(f->mem, buf_slice(&f->value)),
					      f->mem, back, &f->err));
	}
	return back;
}

static void every_row_comes_back_as_it_was(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 20000; i++) {
		enum table t = (enum table)(i % TABLE_COUNT);
		void *row = random_row(t, &f->rand.base, f->mem);

		assert_true(row_eq(t, row, round_trip(f, t, row)));
		arena_reset(f->mem);
	}
}

static int sign(int x)
{
	return (x > 0) - (x < 0);
}

static void keys_sort_as_their_rows(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 50000; i++) {
		enum table t = (enum table)(i % TABLE_COUNT);
		unsigned n = table_schema(t)->n_key;
		void *a = random_row(t, &f->rand.base, f->mem);
		void *b = random_row(t, &f->rand.base, f->mem);

		/* often the same first columns, so that the later ones decide */
		if (i % 3)
			memcpy(b, a, table_schema(t)->columns[rand_below(&f->rand.base, n)].offset);
		f->key.len = f->value.len = 0;
		format_prefix(t, a, n, &f->key);
		format_prefix(t, b, n, &f->value);
		assert_int_equal(sign(slice_cmp(buf_slice(&f->key), buf_slice(&f->value))),
				 sign(row_key_cmp(t, a, b, n)));
		arena_reset(f->mem);
	}
}

static void first_columns_are_a_prefix_of_their_rows_alone(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 50000; i++) {
		enum table t = (enum table)(i % TABLE_COUNT);
		unsigned n = 1 + (unsigned)rand_below(&f->rand.base, table_schema(t)->n_key);
		void *a = random_row(t, &f->rand.base, f->mem);
		void *b = random_row(t, &f->rand.base, f->mem);
		bool begins;

		f->key.len = f->value.len = 0;
		format_prefix(t, a, n, &f->key);
		format_key(t, b, first_group(t), &f->value);
		begins = f->value.len >= f->key.len &&
			 memcmp(f->value.ptr, f->key.ptr, f->key.len) == 0;
		assert_int_equal(begins, row_key_cmp(t, a, b, n) == 0);
		arena_reset(f->mem);
	}
}

static void the_next_key_lies_behind_all_that_begin_with_it(void **state)
{
	struct buf key = { 0 };

	(void)state;
	buf_add(&key, "\x01\xff\xff", 3);
	assert_true(format_next(&key));
	assert_true(slice_eq(buf_slice(&key), SLICE_LIT("\x02")));
	key.len = 0;
	buf_add(&key, "\xff\xff", 2);
	assert_false(format_next(&key));
	assert_int_equal(key.len, 0);
	buf_free(&key);
}

/* Of a later program, or of a bug: readers index arrays by them. */
static void a_value_that_an_enum_has_not_is_refused(void **state)
{
	struct owner_pin pin = { .owner = SLICE_LIT("a"), .cid = SLICE_LIT("c"), .rev = 1 };
	struct owner_total total = { .owner = SLICE_LIT("a") };
	struct fixture *f = *state;
	uint8_t group;

	for (unsigned status = STATUS_COUNT - 1; status <= STATUS_COUNT; status++) {
		bool good = status < STATUS_COUNT;

		f->key.len = f->value.len = 0;
		pin.status = total.status = (uint8_t)status;
		format_value(TABLE_OWNER_PINS, &pin, 0, &f->value);
		assert_int_equal(format_read_value(TABLE_OWNER_PINS, 0, buf_slice(&f->value),
						   f->mem, &pin, &f->err),
				 good);
		format_key(TABLE_OWNER_TOTALS, &total, 0, &f->key);
		assert_int_equal(format_read_key(TABLE_OWNER_TOTALS, buf_slice(&f->key), f->mem,
						 &total, &group, &f->err),
				 good);
		if (!good)
			assert_int_equal(f->err.code, ERR_CORRUPT);
	}
}

/* What is decoded is encoded to the same bytes: there is one form of each row. */
static void check_canonical(struct fixture *f, enum table t, struct slice key, struct slice value)
{
	void *row = arena_alloc(f->mem, table_schema(t)->row_size);
	uint8_t group;

	f->key.len = f->value.len = 0;
	if (!format_read_key(t, key, f->mem, row, &group, &f->err)) {
		assert_int_equal(f->err.code, ERR_CORRUPT);
		return;
	}
	format_key(t, row, group, &f->key);
	assert_true(slice_eq(buf_slice(&f->key), key));
	if (!format_read_value(t, group, value, f->mem, row, &f->err)) {
		assert_int_equal(f->err.code, ERR_CORRUPT);
		return;
	}
	format_value(t, row, group, &f->value);
	assert_true(f->value.len <= value.len);
}

static void altered_bytes_are_refused_or_mean_another_row(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 50000; i++) {
		enum table t = (enum table)(i % TABLE_COUNT);
		void *row = random_row(t, &f->rand.base, f->mem);
		struct buf key = { 0 }, value = { 0 };
		struct buf *hit = i % 2 ? &key : &value;

		format_key(t, row, first_group(t), &key);
		format_value(t, row, first_group(t), &value);
		if (i % 5 == 0)
			hit->len = rand_below(&f->rand.base, hit->len);
		else
			hit->ptr[rand_below(&f->rand.base, hit->len)] ^=
				(uint8_t)(1u << rand_below(&f->rand.base, 8));
		check_canonical(f, t, buf_slice(&key), buf_slice(&value));
		buf_free(&key);
		buf_free(&value);
		arena_reset(f->mem);
	}
}

static void malformed_values_are_refused(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *what;
		enum table table;
		struct slice bytes;
	} cases[] = {
		{ "nothing", TABLE_LEASES, { 0 } },
		{ "a later version of the format", TABLE_LEASES, SLICE_LIT("\x02") },
		{ "a tag without a length", TABLE_LEASES, SLICE_LIT("\x01\x01") },
		{ "fewer bytes than said", TABLE_LEASES, SLICE_LIT("\x01\x01\x02h") },
		{ "an empty text", TABLE_LEASES, SLICE_LIT("\x01\x01\x00") },
		{ "a length in a longer form", TABLE_LEASES, SLICE_LIT("\x01\x01\x81\x00h") },
		{ "a length without end", TABLE_LEASES,
		  SLICE_LIT("\x01\x01\x80\x80\x80\x80\x80\x80") },
		{ "tags that fall", TABLE_LEASES, SLICE_LIT("\x01\x02\x01\x05\x01\x01h") },
		{ "a tag twice", TABLE_LEASES, SLICE_LIT("\x01\x02\x01\x05\x02\x01\x05") },
		{ "tag 0", TABLE_LEASES, SLICE_LIT("\x01\x00\x01\x05") },
		{ "a tag above 127", TABLE_LEASES, SLICE_LIT("\x01\x80\x01\x05") },
		{ "a number with a leading zero", TABLE_LEASES, SLICE_LIT("\x01\x02\x02\x00\x05") },
		{ "the number zero", TABLE_LEASES, SLICE_LIT("\x01\x02\x01\x00") },
		{ "a number of no bytes", TABLE_LEASES, SLICE_LIT("\x01\x02\x00") },
		{ "a number too wide", TABLE_LEASES,
		  SLICE_LIT("\x01\x02\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01") },
		{ "a bool of 2", TABLE_OWNERS, SLICE_LIT("\x01\x01\x01\x02") },
		{ "a short ulid", TABLE_OP_DEDUP, SLICE_LIT("\x01\x04\x02\x01\x01") },
		{ "a ulid of zeros", TABLE_OP_DEDUP,
		  SLICE_LIT("\x01\x04\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0") },
		{ "a list cut in an item", TABLE_OWNERS, SLICE_LIT("\x01\x06\x02\x05x") },
		{ "an empty list", TABLE_OWNERS, SLICE_LIT("\x01\x06\x00") },
		{ "a map without a last value", TABLE_OWNER_PINS, SLICE_LIT("\x01\x08\x02\x01x") },
		{ "a map whose keys fall", TABLE_OWNER_PINS,
		  SLICE_LIT("\x01\x08\x08\x01y\x01"
			    "1\x01x\x01"
			    "2") },
		{ "a map with a key twice", TABLE_OWNER_PINS,
		  SLICE_LIT("\x01\x08\x08\x01x\x01"
			    "1\x01x\x01"
			    "2") },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t row[FORMAT_ROW_MAX] __attribute__((aligned(16))) = { 0 };

		f->err.code = ERR_NONE;
		if (format_read_value(cases[i].table, 0, cases[i].bytes, f->mem, row, &f->err) ||
		    f->err.code != ERR_CORRUPT)
			fail_msg("%s was taken", cases[i].what);
	}
}

static void a_column_of_another_group_is_refused(void **state)
{
	struct fixture *f = *state;
	struct copy_row row = { .copy.gen = 5 };

	format_value(TABLE_PLACEMENTS_BY_CID, &row, GROUP_DESIRED, &f->value);
	assert_false(format_read_value(TABLE_PLACEMENTS_BY_CID, GROUP_OBSERVED,
				       buf_slice(&f->value), f->mem, &row, &f->err));
}

static void columns_of_a_later_program_are_skipped(void **state)
{
	struct fixture *f = *state;
	struct lease lease = { 0 };

	assert_true(format_read_value(TABLE_LEASES, 0,
				      SLICE_LIT("\x01\x01\x01h\x02\x01\x07\x7e\x03new"), f->mem,
				      &lease, &f->err));
	assert_true(slice_eq_str(lease.holder, "h"));
	assert_int_equal(lease.epoch, 7);
}

static void added_values_are_summed_over_the_sign(void **state)
{
	struct fixture *f = *state;
	struct owner_total a = { .pins = 3, .bytes = INT64_MAX - 1 },
			   b = { .pins = -5, .bytes = 1 };
	struct owner_total sum = { 0 };
	struct buf other = { 0 }, out = { 0 };

	format_value(TABLE_OWNER_TOTALS, &a, 0, &f->value);
	format_value(TABLE_OWNER_TOTALS, &b, 0, &other);
	assert_true(format_add(TABLE_OWNER_TOTALS, buf_slice(&f->value), buf_slice(&other), &out,
			       &f->err));
	assert_true(
		format_read_value(TABLE_OWNER_TOTALS, 0, buf_slice(&out), f->mem, &sum, &f->err));
	assert_int_equal(sum.pins, -2);
	assert_true(sum.bytes == INT64_MAX);
	buf_free(&other);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_row_comes_back_as_it_was, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_sort_as_their_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(first_columns_are_a_prefix_of_their_rows_alone,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_value_that_an_enum_has_not_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_next_key_lies_behind_all_that_begin_with_it,
						setup, teardown),
		cmocka_unit_test_setup_teardown(altered_bytes_are_refused_or_mean_another_row,
						setup, teardown),
		cmocka_unit_test_setup_teardown(malformed_values_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_column_of_another_group_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(columns_of_a_later_program_are_skipped, setup,
						teardown),
		cmocka_unit_test_setup_teardown(added_values_are_summed_over_the_sign, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
