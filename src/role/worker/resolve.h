/*
 * resolve.h -- names in tenants' origins, looked up without waiting.
 *
 * An origin may name a host (/dns4/example.org/tcp/4001/p2p/...).  The worker looks the
 * name up itself and hands on only the addresses that the filter lets through: were the name
 * given to Kubo, a tenant's name server could answer it with an address inside our network.
 * That goes for /dnsaddr (dnsaddr.h) as well, whose addresses may begin with names again: those
 * are followed RESOLVE_DEPTH times.
 *
 * getaddrinfo_a() does the work on threads of the C library.  Belongs to one thread.
 */
#pragma once

#include <netdb.h>
#include <netinet/in.h>

#include "model/multiaddr.h"

#define RESOLVE_MAX   64 /* lookups at once; more are refused */
#define RESOLVE_ADDRS 4  /* addresses taken of one name */
#define RESOLVE_DEPTH 3  /* names behind each other */

struct resolver;

struct resolver *resolver_new(void);
/* For tests: who is asked for TXT records instead of the system's name servers. */
void resolver_ask_at(struct resolver *r, const struct sockaddr_in *server);
/* Waits for lookups that cannot be cancelled any more; NULL is fine. */
void resolver_free(struct resolver *r);

/* True if the address begins with a name that resolver_start() takes. */
bool resolve_needed(const struct multiaddr *addr);

/* Begins to look the name up.  ERR_INVALID: it begins with none; ERR_EXHAUSTED: too many run. */
bool resolver_start(struct resolver *r, unsigned node, const struct multiaddr *addr,
		    struct err *err) MUST_CHECK;

/* Gives each address that was found, with the IP address in the name's place, to `each`, and
 * forgets lookups that are over.  Returns how many are still running. */
typedef void resolver_fn(void *ctx, unsigned node, const struct multiaddr *addr);
unsigned resolver_take(struct resolver *r, resolver_fn *each, void *ctx);
