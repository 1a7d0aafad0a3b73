#include "bin/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/alloc.h"

#define GAP        2 /* columns between two columns */
#define NARROWEST  6 /* a column is not cut below this */
#define ROWS_FIRST 64

struct row {
	const char *cells[TABLE_COLUMNS_MAX];
	unsigned widths[TABLE_COLUMNS_MAX];
	size_t toned;
	enum tone tone;
};

struct table {
	struct arena *mem;
	size_t n_columns, n_rows, cap;
	bool number[TABLE_COLUMNS_MAX];
	bool whole[TABLE_COLUMNS_MAX]; /* never cut; so are numbers */
	unsigned widths[TABLE_COLUMNS_MAX];
	struct row head, *rows;
	unsigned *piece; /* the widths of the pieces before; NULL: this is all */
};

/* One character off the front: its width, and '?' for what has none.  *len is 0 at the end. */
static int next_char(const char *text, size_t *len, bool *plain)
{
	mbstate_t state = { 0 };
	wchar_t c;
	size_t n = *text ? mbrtowc(&c, text, strlen(text), &state) : 0;
	int width;

	*plain = n > 0 && n < (size_t)-2 && wcwidth(c) >= 0;
	*len = n >= (size_t)-2 ? 1 : n;
	if (*len == 0)
		return 0;
	width = *plain ? wcwidth(c) : 1;
	return width;
}

static const char *clean(struct arena *mem, const char *text, unsigned *width)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	size_t len;
	bool plain;

	*width = 0;
	for (; *text; text += len) {
		*width += (unsigned)next_char(text, &len, &plain);
		if (plain)
			buf_add(&out, text, len);
		else
			buf_add_byte(&out, '?');
	}
	return (const char *)arena_copy(mem, buf_slice(&out)).ptr;
}

const char *text_cleaned(const char *text, struct arena *mem)
{
	unsigned width;

	return clean(mem, text, &width);
}

unsigned text_width(const char *text)
{
	unsigned width = 0;
	size_t len;
	bool plain;

	for (; *text; text += len)
		width += (unsigned)next_char(text, &len, &plain);
	return width;
}

static void fill_row(struct table *t, struct row *row, const char *const *cells)
{
	for (size_t i = 0; i < t->n_columns; i++) {
		row->cells[i] = clean(t->mem, cells[i] ? cells[i] : "", &row->widths[i]);
		if (row->widths[i] > t->widths[i])
			t->widths[i] = row->widths[i];
	}
}

struct table *table_new(struct arena *mem, const char *const *heads, size_t n)
{
	struct table *t = arena_new_of(mem, struct table);
	const char *names[TABLE_COLUMNS_MAX];

	assert(n > 0 && n <= TABLE_COLUMNS_MAX);
	t->mem = mem;
	t->n_columns = n;
	for (size_t i = 0; i < n; i++) {
		t->number[i] = heads[i][0] == '>';
		t->whole[i] = t->number[i] || heads[i][0] == '!';
		names[i] = heads[i] + t->whole[i];
	}
	fill_row(t, &t->head, names);
	t->head.tone = TONE_FAINT;
	t->head.toned = TABLE_COLUMNS_MAX; /* all of it */
	return t;
}

void table_add(struct table *t, const char *const *cells, size_t toned, enum tone tone)
{
	if (t->n_rows == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : ROWS_FIRST;
		struct row *rows = arena_new_array(t->mem, struct row, cap);

		if (t->n_rows)
			memcpy(rows, t->rows, t->n_rows * sizeof(*rows));
		t->rows = rows;
		t->cap = cap;
	}
	t->rows[t->n_rows] = (struct row){ .toned = toned, .tone = tone };
	fill_row(t, &t->rows[t->n_rows++], cells);
}

/* Of the first `n` columns the widest text that can still be cut, or TABLE_COLUMNS_MAX. */
static size_t widest_text(const struct table *t, const unsigned *widths, size_t n)
{
	size_t widest = TABLE_COLUMNS_MAX;

	for (size_t i = 0; i < n; i++)
		if (!t->whole[i] && widths[i] > NARROWEST &&
		    (widest == TABLE_COLUMNS_MAX || widths[i] > widths[widest]))
			widest = i;
	return widest;
}

/* Takes width off the widest texts of the first `n` columns; false: they cannot be made to fit. */
static bool fit_first(const struct table *t, size_t n, unsigned width,
		      unsigned widths[TABLE_COLUMNS_MAX])
{
	unsigned total = GAP * ((unsigned)n - 1);

	for (size_t i = 0; i < n; i++)
		total += widths[i] = t->widths[i];
	for (; width && total > width; total--) {
		size_t widest = widest_text(t, widths, n);

		if (widest == TABLE_COLUMNS_MAX)
			return false;
		widths[widest]--;
	}
	return true;
}

/* Returns how many columns stay: one at least. */
static size_t fit(const struct table *t, unsigned width, unsigned widths[TABLE_COLUMNS_MAX])
{
	size_t n = t->n_columns;

	while (!fit_first(t, n, width, widths) && n > 1)
		n--;
	return n;
}

static void put_blanks(struct buf *out, unsigned n)
{
	while (n-- > 0)
		buf_add_byte(out, ' ');
}

/* Returns how many columns were written. */
static unsigned put_cut(struct buf *out, const char *text, unsigned room)
{
	unsigned used = 0;
	size_t len;
	bool plain;

	for (; *text; text += len) {
		unsigned width = (unsigned)next_char(text, &len, &plain);

		if (used + width > room - 1)
			break;
		buf_add(out, text, len);
		used += width;
	}
	buf_add_str(out, "…");
	return used + 1;
}

static const char *tone_code(enum tone tone)
{
	static const char *const codes[] = { "", "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[2m" };

	return codes[tone];
}

static void put_row(const struct table *t, const struct row *row, const unsigned *widths, size_t n,
		    bool colour, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		bool toned = colour && row->tone != TONE_PLAIN &&
			     (row->toned == i || row->toned == TABLE_COLUMNS_MAX);
		bool last = i == n - 1;
		unsigned used = row->widths[i];

		if (toned)
			buf_add_str(out, tone_code(row->tone));
		if (t->number[i])
			put_blanks(out, widths[i] - used);
		if (used > widths[i])
			used = put_cut(out, row->cells[i], widths[i]);
		else
			buf_add_str(out, row->cells[i]);
		if (toned)
			buf_add_str(out, "\x1b[0m");
		if (!last)
			put_blanks(out, GAP + (t->number[i] ? 0 : widths[i] - used));
	}
	buf_add_byte(out, '\n');
}

void table_piece(struct table *t, unsigned widths[TABLE_COLUMNS_MAX])
{
	t->piece = widths;
	for (size_t i = 0; i < t->n_columns; i++)
		t->widths[i] = widths[i] > t->widths[i] ? widths[i] : t->widths[i];
}

void table_put(const struct table *t, struct table_look look, struct buf *out)
{
	unsigned widths[TABLE_COLUMNS_MAX];
	size_t n;

	if (t->n_rows == 0)
		return;
	n = fit(t, look.width, widths);
	if (!t->piece || t->piece[0] == 0)
		put_row(t, &t->head, widths, n, look.colour, out);
	if (t->piece)
		memcpy(t->piece, t->widths, t->n_columns * sizeof(*t->widths));
	for (size_t i = 0; i < t->n_rows; i++)
		put_row(t, &t->rows[i], widths, n, look.colour, out);
}

struct table_look table_look_of(FILE *stream)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct winsize size = { 0 };

	if (!isatty(fileno(stream)))
		return (struct table_look){ 0 };
	if (ioctl(fileno(stream), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		size.ws_col = 80;
	return (struct table_look){
		.width = size.ws_col,
		.colour = !(no_color && *no_color) && term && strcmp(term, "dumb") != 0,
	};
}

void table_print(const struct table *t)
{
	CLEANUP(buf_free) struct buf out = { 0 };

	table_put(t, table_look_of(stdout), &out);
	if (out.len)
		fwrite(out.ptr, 1, out.len, stdout);
}

enum tone tone_of(const char *state)
{
	static const struct {
		const char *word;
		enum tone tone;
	} tones[] = {
		{ "pinned", TONE_GOOD },  { "up", TONE_GOOD },       { "ok", TONE_GOOD },
		{ "queued", TONE_BUSY },  { "pinning", TONE_BUSY },  { "expiring", TONE_BUSY },
		{ "suspect", TONE_BUSY }, { "draining", TONE_BUSY }, { "drained", TONE_BUSY },
		{ "paused", TONE_BUSY },  { "failed", TONE_BAD },    { "error", TONE_BAD },
		{ "down", TONE_BAD },     { "dead", TONE_BAD },      { "revoked", TONE_BAD },
		{ "expired", TONE_BAD },
	};

	for (size_t i = 0; i < ARRAY_LEN(tones); i++)
		if (!strcmp(tones[i].word, state))
			return tones[i].tone;
	return TONE_PLAIN;
}
