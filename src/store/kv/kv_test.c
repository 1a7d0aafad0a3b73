/* What becomes of an engine's failures and of records that make no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/attr.h"
#include "store/kv/format.h"
#include "store/kv/kv.h"

struct fixture { /* an engine that holds one record, and fails when it is told */
	struct kv kv;
	struct kv_locks locks;
	struct slice key, value;
	bool reads_fail, writes_fail;
	unsigned rows, written;
};

static struct fixture *fixture_of(struct kv *kv)
{
	return CONTAINER_OF(kv, struct fixture, kv);
}

static bool apply(struct kv *kv, const struct kv_change *changes UNUSED, size_t n UNUSED,
		  struct err *err)
{
	struct fixture *f = fixture_of(kv);

	f->written++;
	return !f->writes_fail || err_set(err, ERR_NO_SPACE, "full");
}

static bool get(struct kv *kv, enum table table UNUSED, struct slice key UNUSED, kv_record_fn *each,
		void *ctx, struct err *err)
{
	struct fixture *f = fixture_of(kv);

	if (f->reads_fail)
		return err_set(err, ERR_UNAVAILABLE, "broken");
	each(ctx, f->key, f->value);
	return true;
}

static bool scan(struct kv *kv, enum table table, struct slice from UNUSED, struct slice end UNUSED,
		 kv_record_fn *each, void *ctx, struct err *err)
{
	return get(kv, table, from, each, ctx, err);
}

static const struct kv_engine engine = { .apply = apply, .scan = scan, .get = get };

static int setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	kv_locks_init(&f->locks);
	f->kv = (struct kv){ .engine = &engine, .locks = &f->locks };
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kv_locks_destroy(&f->locks);
	test_free(f);
	return 0;
}

static bool count(void *ctx, const void *row UNUSED)
{
	++*(unsigned *)ctx;
	return true;
}

static bool read_table(struct fixture *f, enum table table, struct err *err)
{
	const struct store_query q = { .table = table };

	return kv_read(&f->kv.backend, &q, count, &f->rows, err);
}

static void reading_fails_as_the_engine_does(void **state)
{
	const struct lease lease = { .name = SLICE_LIT("one") };
	const struct store_query one = { .table = TABLE_LEASES, .equal = &lease, .n_equal = 1 };
	struct fixture *f = *state;
	bool done = true;
	struct err err;

	f->reads_fail = true;
	assert_false(read_table(f, TABLE_LEASES, &err)); /* one record a row */
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_false(read_table(f, TABLE_PLACEMENTS_BY_CID, &err)); /* several */
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_false(kv_read(&f->kv.backend, &one, count, &f->rows, &err));
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_false(kv_swap(&f->kv.backend, TABLE_LEASES, NULL, &lease, &done, &err));
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_int_equal(f->rows, 0);
	assert_int_equal(f->written, 0);
	assert_true(done); /* not touched */
}

static void a_record_that_makes_no_sense_is_no_row(void **state)
{
	struct fixture *f = *state;
	struct copy_row copy = { .bucket = 5, .cid = SLICE_LIT("cid"), .copy.peer_no = 1 };
	struct lease lease = { .name = SLICE_LIT("one") };
	struct buf copy_key = { 0 }, lease_key = { 0 };
	const struct {
		enum table table;
		struct slice key, value;
	} cases[] = {
		{ TABLE_LEASES, SLICE_LIT("no end"), SLICE_LIT("\1") },
		{ TABLE_LEASES, { NULL, 0 }, SLICE_LIT("\2") },
		{ TABLE_PLACEMENTS_BY_CID, SLICE_LIT("short"), SLICE_LIT("\1") },
		{ TABLE_PLACEMENTS_BY_CID, { NULL, 0 }, SLICE_LIT("\2") },
		{ TABLE_PLACEMENTS_BY_CID, { (const uint8_t *)"", 0 }, SLICE_LIT("\1") },
	};
	struct err err;

	format_key(TABLE_LEASES, &lease, 0, &lease_key);
	format_key(TABLE_PLACEMENTS_BY_CID, &copy, GROUP_DESIRED, &copy_key);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		f->key = cases[i].key;
		f->value = cases[i].value;
		if (!f->key.ptr)
			f->key = buf_slice(cases[i].table == TABLE_LEASES ? &lease_key : &copy_key);
		assert_false(read_table(f, cases[i].table, &err));
		assert_int_equal(err.code, ERR_CORRUPT);
	}
	assert_int_equal(f->rows, 0);
	buf_free(&lease_key);
	buf_free(&copy_key);
}

static void what_cannot_be_read_is_not_swapped(void **state)
{
	const struct lease lease = { .name = SLICE_LIT("one") };
	struct fixture *f = *state;
	bool done = false;
	struct err err;

	f->value = SLICE_LIT("\2");
	assert_false(kv_swap(&f->kv.backend, TABLE_LEASES, NULL, &lease, &done, &err));
	assert_int_equal(err.code, ERR_CORRUPT);
	assert_int_equal(f->written, 0);
}

static void writing_fails_as_the_engine_does(void **state)
{
	const struct lease lease = { .name = SLICE_LIT("one") }, end = { .name = SLICE_LIT("z") };
	const struct store_write w = { .table = TABLE_LEASES, .row = &lease };
	struct fixture *f = *state;
	bool done = false;
	struct err err;

	f->writes_fail = true;
	f->value = SLICE_LIT("\1");
	assert_false(kv_write(&f->kv.backend, &w, 1, &err));
	assert_int_equal(err.code, ERR_NO_SPACE);
	assert_false(kv_swap(&f->kv.backend, TABLE_LEASES, &lease, NULL, &done, &err));
	assert_int_equal(err.code, ERR_NO_SPACE);
	assert_false(done);
	assert_false(kv_drop(&f->kv.backend, TABLE_LEASES, &lease, &end, 1, &err));
	assert_int_equal(err.code, ERR_NO_SPACE);
	assert_int_equal(f->written, 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(reading_fails_as_the_engine_does),
		T(a_record_that_makes_no_sense_is_no_row),
		T(what_cannot_be_read_is_not_swapped),
		T(writing_fails_as_the_engine_does),
	};

	return cmocka_run_group_tests_name("store/kv", tests, NULL, NULL);
}
