#include "bin/added_nodes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "role/store_test.h"

static bool keep(struct store *store, struct arena *mem, const char *url, struct err *err)
{
	return added_nodes_keep(store, slice_str(url), mem, err);
}

static void what_cannot_be_kept_is_refused_with_the_reason(void **state UNUSED)
{
	CLEANUP(test_store_close) struct test_store t;
	char most[ADDED_URL_MAX + 2] = "http://h/";
	struct buf full = { 0 };
	struct setting row = { .name = SLICE_LIT("kubo.added") };
	struct slice_list list;
	struct store *store;
	struct arena *mem;
	struct err err;
	bool done;

	test_store_open(&t, NULL);
	store = t.store;
	mem = t.mem;
	memset(most + 9, 'x', sizeof(most) - 10);
	assert_false(keep(store, mem, most, &err));
	assert_int_equal(err.code, ERR_INVALID);
	assert_non_null(strstr(err.text, "255"));
	assert_false(keep(store, mem, "http://a\nhttp://b", &err));
	assert_int_equal(err.code, ERR_INVALID);
	most[ADDED_URL_MAX] = '\0';
	assert_true(keep(store, mem, most, &err));
	assert_true(keep(store, mem, "http://b", &err));
	assert_true(added_nodes_load(store, mem, &list, &err));
	assert_int_equal(list.n, 2);
	assert_true(slice_eq_str(list.at[0], most));

	for (unsigned i = 0; i < ADDED_NODES_MAX; i++)
		buf_printf(&full, "http://h%u\n", i);
	row.value = buf_slice(&full);
	assert_true(store_swap_row(store, TABLE_SETTINGS,
				   &(struct setting){ .name = row.name,
						      .value = slice_str(arena_printf(
							      mem, "%s\nhttp://b\n", most)) },
				   &row, &done, &err) &&
		    done);
	assert_true(keep(store, mem, "http://h7", &err));
	assert_false(keep(store, mem, "http://one-more", &err));
	assert_int_equal(err.code, ERR_INVALID);
	assert_non_null(strstr(err.text, "10000"));
	buf_free(&full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_kept_is_refused_with_the_reason),
	};

	return cmocka_run_group_tests_name("added_nodes", tests, NULL, NULL);
}
