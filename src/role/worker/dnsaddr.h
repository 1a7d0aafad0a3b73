/*
 * dnsaddr.h -- what a /dnsaddr name stands for: multiaddrs in its TXT records.
 *
 * The records of "_dnsaddr.<name>" that read "dnsaddr=<multiaddr>" are its addresses; of an
 * address /dnsaddr/<name>/p2p/<id> those count that end in the same /p2p/<id>.  Each may begin
 * with a name again.  Source: the multiaddr specification, protocols/DNSADDR.md.
 *
 * The C library asks, on a thread for each question, because it waits for the answer.
 */
#pragma once

#include <netinet/in.h>

#include "model/multiaddr.h"

struct dnsaddr_query;

/* Asks the system's name servers, or `server` (tests).  ERR_INVALID: the name is too long;
 * ERR_UNAVAILABLE: no thread can be had. */
bool dnsaddr_ask(struct slice name, const struct sockaddr_in *server, struct dnsaddr_query **out,
		 struct err *err) MUST_CHECK;

/* There is an answer, or it is known that there is none. */
bool dnsaddr_over(const struct dnsaddr_query *q);

/* Waits for the answer (seconds, if it is not over), reads it as below, and frees the query. */
size_t dnsaddr_end(struct dnsaddr_query *q, struct slice suffix, struct multiaddr *out, size_t max);

/* Up to `max` addresses that end in the parts `suffix` (binary), from an answer of a name
 * server.  What makes no sense is passed over.  Pure. */
size_t dnsaddr_read(struct slice answer, struct slice suffix, struct multiaddr *out, size_t max);
