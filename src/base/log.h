/*
 * log.h -- one line per event on stderr, logfmt or JSON.
 *
 *	time=2026-11-23T05:46:00.123456Z level=info at=worker.c:88 cid=bafy... msg="pinned"
 *
 * Libraries return an err and stay silent above DEBUG, but for what they go on after
 * (store_scan_readable()); roles and programs log, once, at the place that decides what the
 * failure means.  Values come from
 * outside, so everything but plain text is escaped: one event is always one line.
 *
 * The level and the format are the only mutable globals of the program.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

/* Called once by main, before any thread starts.  Until then: INFO, logfmt. */
void log_setup(enum log_level level, enum log_format format);
bool log_enabled(enum log_level level);

/* One line with the fields of this thread; nothing below the level. */
#define log_debug(...) log_at(LOG_DEBUG, __FILE__, __LINE__, __VA_ARGS__)
#define log_info(...)  log_at(LOG_INFO, __FILE__, __LINE__, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_WARN, __FILE__, __LINE__, __VA_ARGS__)
#define log_error(...) log_at(LOG_ERROR, __FILE__, __LINE__, __VA_ARGS__)
void log_at(enum log_level level, const char *file, int line, const char *fmt, ...) PRINTF(4, 5);

/* Log `err` with what was being done; adds code= and the place it was raised. */
void log_err(enum log_level level, const struct err *err, const char *doing);

/*
 * Adds key=value to every line this thread writes until the scope ends:
 *	LOG_FIELD("cid", "%s", cid);
 * A value longer than 120 bytes is cut; a thirteenth nested field is left out.
 */
#define LOG_FIELD(key, ...)                                                              \
	__attribute__((cleanup(log_field_pop), unused)) struct log_field LOG_FIELD_NAME( \
		__LINE__) = log_field_push((key), __VA_ARGS__)
#define LOG_FIELD_NAME(line)  LOG_FIELD_NAME_(line)
#define LOG_FIELD_NAME_(line) log_field_##line

/* Behind LOG_FIELD(); fields are popped in the reverse order. */
struct log_field {
	unsigned depth;
};
struct log_field log_field_push(const char *key, const char *fmt, ...) PRINTF(2, 3);
void log_field_pop(struct log_field *field);
