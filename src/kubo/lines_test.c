#include "kubo/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Writes "[line]" for each. */
static bool note(void *ctx, struct slice line)
{
	buf_add_byte(ctx, '[');
	buf_add_slice(ctx, line);
	buf_add_byte(ctx, ']');
	return !slice_eq_str(line, "stop");
}

static const struct {
	const char *in, *want;
} cases[] = {
	{ "", "" },
	{ "a\n", "[a]" },
	{ "a\nb", "[a][b]" },
	{ "a\r\n\r\nb\r\n", "[a][b]" },
	{ "  {} \t\n\n \n", "[{}]" },
	{ "one\ntwo two\nthree", "[one][two two][three]" },
};

static void lines_come_whole_in_pieces_of_any_size(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct slice all = slice_str(cases[i].in);

		for (size_t piece = 1; piece <= all.len + 1; piece++) {
			__attribute__((cleanup(buf_free_at_scope_end))) struct buf got = { 0 };
			struct lines lines = { 0 };

			for (size_t at = 0; at < all.len; at += piece) {
				size_t n = all.len - at < piece ? all.len - at : piece;

				assert_true(
					lines_feed(&lines, SLICE_OF(all.ptr + at, n), note, &got));
			}
			assert_true(lines_end(&lines, note, &got));
			buf_add_byte(&got, 0);
			assert_string_equal((const char *)got.ptr, cases[i].want);
			lines_free(&lines);
		}
	}
}

static void a_receiver_can_stop_the_stream(void **state UNUSED)
{
	__attribute__((cleanup(buf_free_at_scope_end))) struct buf got = { 0 };
	struct lines lines = { 0 };

	assert_false(lines_feed(&lines, SLICE_LIT("go\nstop\nno\n"), note, &got));
	assert_true(slice_eq_str(buf_slice(&got), "[go][stop]"));
	lines_free(&lines);
}

static void a_line_without_end_is_refused(void **state UNUSED)
{
	__attribute__((cleanup(buf_free_at_scope_end))) struct buf got = { 0 };
	struct lines lines = { 0 };
	char *piece = calloc(1, LINE_MAX_BYTES);

	assert_non_null(piece);
	memset(piece, 'x', LINE_MAX_BYTES);
	assert_true(lines_feed(&lines, SLICE_OF(piece, LINE_MAX_BYTES), note, &got));
	assert_false(lines_feed(&lines, SLICE_LIT("x"), note, &got));
	lines_reset(&lines);
	/* The limit counts per line, not for the stream. */
	piece[LINE_MAX_BYTES - 1] = '\n';
	for (unsigned i = 0; i < 3; i++)
		assert_true(lines_feed(&lines, SLICE_OF(piece, LINE_MAX_BYTES), note, &got));
	free(piece);
	lines_free(&lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_whole_in_pieces_of_any_size),
		cmocka_unit_test(a_receiver_can_stop_the_stream),
		cmocka_unit_test(a_line_without_end_is_refused),
	};
	return cmocka_run_group_tests_name("kubo/lines", tests, NULL, NULL);
}
