#include "bin/table.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *shown(const struct table *t, unsigned width, bool colour, struct buf *out)
{
	buf_drop(out, out->len);
	table_put(t, (struct table_look){ width, colour }, out);
	buf_add_byte(out, '\0');
	return (const char *)out->ptr;
}

static struct table *sample(struct arena *mem)
{
	struct table *t = table_new(mem, (const char *const[]){ "CID", ">SIZE", "STATUS" }, 3);

	table_add(t,
		  (const char *const[]){ "bafybeigdyrzt5sfp7udm7hu76uh7y26", "1048576", "pinned" },
		  2, TONE_GOOD);
	table_add(t, (const char *const[]){ "Qm", "7", "failed" }, 2, TONE_BAD);
	return t;
}

static void a_pipe_gets_every_column_whole(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	CLEANUP(buf_free) struct buf out = { 0 };

	assert_string_equal(shown(sample(mem), 0, false, &out),
			    "CID                                  SIZE  STATUS\n"
			    "bafybeigdyrzt5sfp7udm7hu76uh7y26  1048576  pinned\n"
			    "Qm                                      7  failed\n");
}

static void a_terminal_cuts_the_widest_text_and_no_number(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	CLEANUP(buf_free) struct buf out = { 0 };

	assert_string_equal(shown(sample(mem), 30, false, &out),
			    "CID               SIZE  STATUS\n"
			    "bafybeigdyrz…  1048576  pinned\n"
			    "Qm                   7  failed\n");
}

static void
what_people_copy_is_never_cut_and_columns_that_do_not_fit_are_left_out(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	CLEANUP(buf_free) struct buf out = { 0 };
	struct table *t =
		table_new(mem, (const char *const[]){ "!ID", "CID", ">SIZE", "CREATED" }, 4);

	table_add(t, (const char *const[]){ "01M84HFXXA48", "bafybeigdyr", "1234567", "25 s ago" },
		  0, TONE_PLAIN);
	assert_string_equal(shown(t, 39, false, &out), "ID            CID         SIZE  CREATED\n"
						       "01M84HFXXA48  bafybe…  1234567  25 s a…\n");
	assert_string_equal(shown(t, 36, false, &out), "ID            CID             SIZE\n"
						       "01M84HFXXA48  bafybeigdyr  1234567\n");
	assert_string_equal(shown(t, 5, false, &out), "ID\n01M84HFXXA48\n");
}

static void a_long_table_in_pieces_has_one_head_and_grows_no_narrower(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	CLEANUP(buf_free) struct buf out = { 0 };
	struct table *pieces[2] = { sample(mem), NULL };
	unsigned widths[TABLE_COLUMNS_MAX] = { 0 };

	table_piece(pieces[0], widths);
	assert_non_null(strstr(shown(pieces[0], 0, false, &out), "CID "));
	pieces[1] = table_new(mem, (const char *const[]){ "CID", ">SIZE", "STATUS" }, 3);
	table_piece(pieces[1], widths);
	table_add(pieces[1], (const char *const[]){ "Qm", "12345678", "queued" }, 2, TONE_PLAIN);
	assert_string_equal(shown(pieces[1], 0, false, &out),
			    "Qm                                12345678  queued\n");
	assert_int_equal(widths[1], 8);
}

static void characters_count_by_the_columns_they_take(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	CLEANUP(buf_free) struct buf out = { 0 };
	struct table *t = table_new(mem, (const char *const[]){ "NAME", "X" }, 2);

	table_add(t, (const char *const[]){ "日本語のなまえ", "1" }, 0, TONE_PLAIN);
	table_add(t, (const char *const[]){ "é", "2" }, 0, TONE_PLAIN);
	assert_int_equal(text_width("日本語"), 6);
	assert_string_equal(shown(t, 12, false, &out), "NAME       X\n"
						       "日本語の…  1\n"
						       "é          2\n");
}

static void texts_of_strangers_cannot_steer_the_terminal(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	CLEANUP(buf_free) struct buf out = { 0 };
	struct table *t = table_new(mem, (const char *const[]){ "NAME" }, 1);

	table_add(t, (const char *const[]){ "a\x1b[2J\nb\xff" }, 0, TONE_PLAIN);
	assert_string_equal(shown(t, 0, false, &out), "NAME\na?[2J?b?\n");
}

static void colour_is_only_used_where_it_was_asked_for(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	CLEANUP(buf_free) struct buf out = { 0 };

	assert_null(strchr(shown(sample(mem), 80, false, &out), '\x1b'));
	assert_non_null(strstr(shown(sample(mem), 80, true, &out), "\x1b[31mfailed\x1b[0m\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pipe_gets_every_column_whole),
		cmocka_unit_test(a_terminal_cuts_the_widest_text_and_no_number),
		cmocka_unit_test(
			what_people_copy_is_never_cut_and_columns_that_do_not_fit_are_left_out),
		cmocka_unit_test(a_long_table_in_pieces_has_one_head_and_grows_no_narrower),
		cmocka_unit_test(characters_count_by_the_columns_they_take),
		cmocka_unit_test(texts_of_strangers_cannot_steer_the_terminal),
		cmocka_unit_test(colour_is_only_used_where_it_was_asked_for),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests_name("bin/table", tests, NULL, NULL);
}
