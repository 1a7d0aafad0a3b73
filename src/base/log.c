#include "base/log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEPTH_MAX 12
#define VALUE_MAX 120
#define LINE_CAP  2048

struct field {
	const char *key;
	char value[VALUE_MAX + 1];
};

static _Thread_local struct field fields[DEPTH_MAX];
static _Thread_local unsigned depth;

/* Written once by main before threads exist; see log_setup(). */
static enum log_level min_level = LOG_INFO;
static enum log_format format = LOG_LOGFMT;

static const char *const level_names[] = { "debug", "info", "warn", "error" };

void log_setup(enum log_level level, enum log_format fmt)
{
	min_level = level;
	format = fmt;
}

bool log_enabled(enum log_level level)
{
	return level >= min_level;
}

/* One line being built.  Once a piece (never half an escape or a character) does not fit, all
 * that follows is dropped but the closing characters, whose room is kept. */
struct line {
	char text[LINE_CAP];
	size_t len;
	bool full;
	bool quoted; /* within a quoted value */
};

static void put(struct line *l, const char *s, size_t n)
{
	if (l->full || n > sizeof(l->text) - sizeof("\"}\n") - l->len) {
		l->full = true;
		return;
	}
	memcpy(l->text + l->len, s, n);
	l->len += n;
}

static void close_line(struct line *l)
{
	const char *end = format == LOG_JSON ? "\"}\n" : "\"\n";
	size_t n;

	end += !l->quoted;
	n = strlen(end);
	memcpy(l->text + l->len, end, n);
	l->len += n;
}

static void put_str(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

/* Of the character at `s` in UTF-8; 0: it is none.  Values are cut anywhere. */
static size_t char_len(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
	unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;

	if (p[0] > 0xf4 || (n > 1 && (p[1] < low || p[1] > high)))
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* Both formats escape alike: JSON's escapes are also what logfmt readers know. */
static void put_escaped(struct line *l, const char *s)
{
	size_t n;

	for (; *s; s += n ? n : 1) {
		unsigned char c = (unsigned char)*s;
		char hex[8];

		n = char_len(s);
		if (c == '"' || c == '\\') {
			put(l, (char[]){ '\\', (char)c }, 2);
		} else if (c < 0x20 || c == 0x7f) {
			snprintf(hex, sizeof(hex), "\\u%04x", c);
			put_str(l, hex);
		} else if (n == 0) {
			put_str(l, "\\ufffd");
		} else {
			put(l, s, n);
		}
	}
}

static bool plain(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f || *s == '"' ||
		    *s == '=' || *s == '\\')
			return false;
	return true;
}

static void put_pair(struct line *l, const char *key, const char *value)
{
	bool quoted = format == LOG_JSON || !plain(value);
	size_t begin = l->len;

	if (l->full)
		return;
	if (format == LOG_JSON)
		put_str(l, l->len > 1 ? ",\"" : "\"");
	else if (l->len > 0)
		put_str(l, " ");
	put_str(l, key);
	put_str(l, format == LOG_JSON ? "\":" : "=");
	if (quoted)
		put_str(l, "\"");
	if (l->full) { /* not even the key */
		l->len = begin;
		return;
	}
	l->quoted = quoted;
	put_escaped(l, value);
	if (quoted)
		put_str(l, "\"");
	l->quoted = quoted && l->full;
}

static void emit(enum log_level level, const char *file, int line_no, const struct field *extra,
		 const char *msg)
{
	const char *base = strrchr(file, '/');
	struct line l = { .len = 0 };
	struct timespec now;
	struct tm tm;
	char when[40], at[80], stamp[24];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(when, sizeof(when), "%s.%06ldZ", stamp, now.tv_nsec / 1000);
	snprintf(at, sizeof(at), "%s:%d", base ? base + 1 : file, line_no);
	if (format == LOG_JSON)
		put_str(&l, "{");
	put_pair(&l, "time", when);
	put_pair(&l, "level", level_names[level]);
	put_pair(&l, "at", at);
	for (unsigned i = 0; i < depth && i < DEPTH_MAX; i++)
		put_pair(&l, fields[i].key, fields[i].value);
	if (extra)
		put_pair(&l, extra->key, extra->value);
	put_pair(&l, "msg", msg);
	close_line(&l);
	/* One write, so that lines of several threads do not mix.  Nothing can be
	 * done about a log that cannot be written. */
	(void)!write(STDERR_FILENO, l.text, l.len);
}

void log_at(enum log_level level, const char *file, int line, const char *fmt, ...)
{
	char msg[1024];
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	emit(level, file, line, NULL, msg);
}

void log_err(enum log_level level, const struct err *err, const char *doing)
{
	struct field code = { .key = "code" };
	char msg[512];

	if (!log_enabled(level))
		return;
	snprintf(code.value, sizeof(code.value), "%s", err_code_name(err->code));
	snprintf(msg, sizeof(msg), "%s: %s", doing, err->text);
	emit(level, err->file ? err->file : "?", err->line, &code, msg);
}

struct log_field log_field_push(const char *key, const char *fmt, ...)
{
	struct log_field mark = { depth };

	if (depth < DEPTH_MAX) {
		va_list ap;

		fields[depth].key = key;
		va_start(ap, fmt);
		vsnprintf(fields[depth].value, sizeof(fields[depth].value), fmt, ap);
		va_end(ap);
	}
	depth++;
	return mark;
}

void log_field_pop(struct log_field *field)
{
	assert(depth == field->depth + 1);
	depth = field->depth;
}
