#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "store/random_row_test.h"
#include "store/schema.h"

static void columns_of_every_table_are_in_order_and_have_tags_that_rise(void **state)
{
	(void)state;
	for (int t = 0; t < TABLE_COUNT; t++) {
		const struct table_schema *s = table_schema((enum table)t);
		unsigned last = 0;

		assert_true(s->n_key >= 1 && s->n_key <= s->n_columns);
		assert_true(s->row_size <= FORMAT_ROW_MAX);
		for (unsigned i = 0; i < s->n_columns; i++) {
			const struct column *c = &s->columns[i];

			assert_true(c->offset < s->row_size);
			assert_int_equal(c->role == ROLE_VALUE, i >= s->n_key);
			if (c->role != ROLE_VALUE)
				continue;
			assert_true(c->tag > last && c->tag <= 127);
			assert_true(s->n_groups > 1 ? c->group >= 1 && c->group <= s->n_groups
						    : c->group == 0);
			last = c->tag;
		}
	}
}

static void key_columns_have_an_order(void **state)
{
	(void)state;
	for (int t = 0; t < TABLE_COUNT; t++) {
		const struct table_schema *s = table_schema((enum table)t);

		for (unsigned i = 0; i < s->n_key; i++) {
			const struct column *c = &s->columns[i];

			assert_true(c->kind != COLUMN_LIST && c->kind != COLUMN_MAP);
			/* their escapes are recognised before they are inverted */
			if (c->kind == COLUMN_BYTES || c->kind == COLUMN_TEXT)
				assert_false(column_descends(c));
		}
	}
}

static void no_two_columns_of_a_table_share_a_name_or_a_place(void **state)
{
	(void)state;
	for (int t = 0; t < TABLE_COUNT; t++) {
		const struct table_schema *s = table_schema((enum table)t);

		for (unsigned i = 0; i < s->n_columns; i++)
			for (unsigned j = 0; j < i; j++) {
				assert_string_not_equal(s->columns[i].name, s->columns[j].name);
				assert_int_not_equal(s->columns[i].offset, s->columns[j].offset);
			}
	}
}

static void a_copied_row_is_equal_and_shares_no_bytes(void **state)
{
	struct rand_seeded rand;

	(void)state;
	rand_init_seeded(&rand, 1);
	for (int i = 0; i < 2000; i++) {
		enum table t = (enum table)(i % TABLE_COUNT);
		struct arena *first = arena_new(), *second = arena_new();
		void *row = random_row(t, &rand.base, first);
		void *copy = row_copy(t, row, second), *third = row_copy(t, copy, second);

		assert_true(row_eq(t, row, copy));
		arena_free(first); /* the sanitizer sees what still points there */
		assert_true(row_eq(t, copy, third));
		arena_free(second);
	}
}

static void rows_that_differ_in_one_column_are_not_equal(void **state)
{
	struct rand_seeded rand;
	struct arena *mem = arena_new();

	(void)state;
	rand_init_seeded(&rand, 2);
	for (int t = 0; t < TABLE_COUNT; t++) {
		const struct table_schema *s = table_schema((enum table)t);

		for (unsigned i = 0; i < s->n_columns; i++) {
			uint8_t *a = random_row((enum table)t, &rand.base, mem), *b, *c;

			do { /* until the column alone has changed */
				b = row_copy((enum table)t, a, mem);
				c = random_row((enum table)t, &rand.base, mem);
				memcpy(b + s->columns[i].offset, c + s->columns[i].offset,
				       s->row_size - s->columns[i].offset >= 16 ? 16 : 1);
				if (s->columns[i].kind != COLUMN_BYTES &&
				    s->columns[i].kind != COLUMN_TEXT &&
				    s->columns[i].kind != COLUMN_LIST &&
				    s->columns[i].kind != COLUMN_MAP &&
				    s->columns[i].kind != COLUMN_ULID) {
					memcpy(b, a, s->row_size);
					b[s->columns[i].offset] ^= 1;
				}
			} while (row_eq((enum table)t, a, b));
			assert_false(row_eq((enum table)t, b, a));
		}
	}
	arena_free(mem);
}

static void descending_columns_come_in_reverse(void **state)
{
	struct owner_pin old = { .owner = SLICE_LIT("o"), .period = 1 };
	struct owner_pin young = { .owner = SLICE_LIT("o"), .period = 2 };

	(void)state;
	assert_int_equal(row_key_cmp(TABLE_OWNER_PINS, &old, &young, 1), 0);
	assert_true(row_key_cmp(TABLE_OWNER_PINS, &young, &old, 2) < 0);
	young.period = 1;
	young.request_id.bytes[0] = 1;
	assert_int_equal(row_key_cmp(TABLE_OWNER_PINS, &old, &young, 3), 0);
	assert_true(row_key_cmp(TABLE_OWNER_PINS, &young, &old, 4) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_of_every_table_are_in_order_and_have_tags_that_rise),
		cmocka_unit_test(key_columns_have_an_order),
		cmocka_unit_test(no_two_columns_of_a_table_share_a_name_or_a_place),
		cmocka_unit_test(a_copied_row_is_equal_and_shares_no_bytes),
		cmocka_unit_test(rows_that_differ_in_one_column_are_not_equal),
		cmocka_unit_test(descending_columns_come_in_reverse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
