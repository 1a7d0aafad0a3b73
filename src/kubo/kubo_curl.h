/*
 * kubo_curl.h -- kubo.h to real nodes, over libcurl.
 *
 * HTTP/1.1 with connections kept open, POST alone, no redirects, no proxy, no signals.
 * Answers are bounded: 64 KiB a line, 1 MiB in all where not a stream.  The transfers
 * run inside kubo_next(); while nobody calls it nothing moves and no time-out is noticed.
 *
 * libcurl sends a request again, once, if a connection that was kept open breaks before a
 * single byte of the answer came: the daemon had closed it.
 *
 * Host names are looked up by a thread that libcurl starts and ends, once a minute at most
 * for each; addresses need none.
 */
#pragma once

#include "base/clock.h"
#include "kubo/kubo.h"

/* Borrows the clock until freed.  ERR_INTERNAL if the system has no file descriptor left. */
bool kubo_curl_new(struct clock *clock, struct kubo **out, struct err *err) MUST_CHECK;
