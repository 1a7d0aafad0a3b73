#include "role/worker/resolve.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "role/worker/dnsaddr.h"

struct lookup {
	bool running;
	unsigned node, depth;        /* names looked up before it */
	struct dnsaddr_query *query; /* of /dnsaddr; NULL: `request` runs */
	struct gaicb request;
	struct addrinfo hints;
	char name[256];
	struct multiaddr rest; /* what follows the name */
};

struct resolver {
	struct lookup lookups[RESOLVE_MAX]; /* the C library keeps pointers into them */
	struct sockaddr_in server;          /* family 0: the system's */
};

struct resolver *resolver_new(void)
{
	return xcalloc(1, sizeof(struct resolver));
}

void resolver_ask_at(struct resolver *r, const struct sockaddr_in *server)
{
	r->server = *server;
}

/* Forgets a question; waits for its end. */
static void drop(struct lookup *l)
{
	const struct gaicb *wait[] = { &l->request };

	if (l->query) {
		dnsaddr_end(l->query, (struct slice){ 0 }, NULL, 0);
		return;
	}
	while (gai_cancel(&l->request) != EAI_CANCELED && gai_error(&l->request) == EAI_INPROGRESS)
		gai_suspend(wait, 1, NULL);
	if (l->request.ar_result)
		freeaddrinfo(l->request.ar_result);
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < RESOLVE_MAX; i++)
		if (r->lookups[i].running)
			drop(&r->lookups[i]);
	xfree(r);
}

/* The first part of the address; false if there is none. */
static bool first_part(const struct multiaddr *addr, struct multiaddr_part *part,
		       struct slice *rest)
{
	*rest = SLICE_OF(addr->bytes, addr->len);
	return multiaddr_next(rest, part);
}

bool resolve_needed(const struct multiaddr *addr)
{
	struct multiaddr_part part;
	struct slice rest;

	return first_part(addr, &part, &rest) &&
	       (part.code == MULTIADDR_DNS || part.code == MULTIADDR_DNS4 ||
		part.code == MULTIADDR_DNS6 || part.code == MULTIADDR_DNSADDR);
}

static int family_of(enum multiaddr_code code)
{
	if (code == MULTIADDR_DNS4)
		return AF_INET;
	return code == MULTIADDR_DNS6 ? AF_INET6 : AF_UNSPEC;
}

static bool begin_addresses(struct lookup *l, int family, struct err *err)
{
	struct gaicb *list[] = { &l->request };
	int rc;

	l->hints = (struct addrinfo){ .ai_family = family, .ai_socktype = SOCK_STREAM };
	l->request = (struct gaicb){ .ar_name = l->name, .ar_request = &l->hints };
	rc = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
	if (rc != 0)
		return err_set(err, ERR_UNAVAILABLE, "%s: %s", l->name, gai_strerror(rc));
	return true;
}

static bool begin(struct resolver *r, unsigned node, unsigned depth, const struct multiaddr *addr,
		  struct err *err)
{
	struct lookup *l = r->lookups;
	struct multiaddr_part part;
	struct slice rest;

	if (!resolve_needed(addr) || !first_part(addr, &part, &rest) ||
	    part.value.len >= sizeof(l->name))
		return err_set(err, ERR_INVALID, "the address does not begin with a name");
	while (l < r->lookups + RESOLVE_MAX && l->running)
		l++;
	if (l == r->lookups + RESOLVE_MAX)
		return err_set(err, ERR_EXHAUSTED, "%d names are being looked up", RESOLVE_MAX);
	*l = (struct lookup){ .node = node, .depth = depth };
	memcpy(l->name, part.value.ptr, part.value.len);
	memcpy(l->rest.bytes, rest.ptr, rest.len);
	l->rest.len = (uint16_t)rest.len;
	if (part.code == MULTIADDR_DNSADDR)
		l->running = dnsaddr_ask(part.value, r->server.sin_family ? &r->server : NULL,
					 &l->query, err);
	else
		l->running = begin_addresses(l, family_of(part.code), err);
	return l->running;
}

bool resolver_start(struct resolver *r, unsigned node, const struct multiaddr *addr,
		    struct err *err)
{
	return begin(r, node, 0, addr, err);
}

/* "/ip4/..." before the rest of the address; false for a family that has no such form. */
static bool with_address(const struct lookup *l, const struct addrinfo *found,
			 struct multiaddr *out)
{
	const uint8_t *bytes;
	size_t n;

	if (found->ai_family == AF_INET) {
		bytes = (const uint8_t *)&((const struct sockaddr_in *)(void *)found->ai_addr)
				->sin_addr;
		n = 4;
		out->bytes[0] = MULTIADDR_IP4;
	} else if (found->ai_family == AF_INET6) {
		bytes = (const uint8_t *)&((const struct sockaddr_in6 *)(void *)found->ai_addr)
				->sin6_addr;
		n = 16;
		out->bytes[0] = MULTIADDR_IP6;
	} else {
		return false;
	}
	if (1 + n + l->rest.len > MULTIADDR_MAX)
		return false;
	memcpy(out->bytes + 1, bytes, n);
	memcpy(out->bytes + 1 + n, l->rest.bytes, l->rest.len);
	out->len = (uint16_t)(1 + n + l->rest.len);
	return true;
}

/* Addresses of the name; ends the question. */
static size_t take_addresses(struct lookup *l, struct multiaddr out[RESOLVE_ADDRS])
{
	const struct addrinfo *found = l->request.ar_result;
	int rc = gai_error(&l->request);
	size_t n = 0;

	if (rc != 0)
		log_info("origin not dialled: %s: %s", l->name, gai_strerror(rc));
	for (; rc == 0 && found && n < RESOLVE_ADDRS; found = found->ai_next)
		n += with_address(l, found, &out[n]);
	if (l->request.ar_result)
		freeaddrinfo(l->request.ar_result);
	return n;
}

static size_t take_dnsaddr(struct lookup *l, struct multiaddr out[RESOLVE_ADDRS])
{
	size_t n = dnsaddr_end(l->query, SLICE_OF(l->rest.bytes, l->rest.len), out, RESOLVE_ADDRS);

	if (n == 0)
		log_info("origin not dialled: /dnsaddr/%s has no address of its peer", l->name);
	return n;
}

/* Hands on what was found; names are looked up in turn. */
static void give(struct resolver *r, const struct lookup *l, const struct multiaddr *found,
		 size_t n, resolver_fn *each, void *ctx)
{
	unsigned node = l->node, depth = l->depth + 1;

	for (size_t i = 0; i < n; i++) {
		struct err err = { 0 };

		if (!resolve_needed(&found[i]))
			each(ctx, node, &found[i]);
		else if (depth >= RESOLVE_DEPTH)
			log_info("origin not dialled: too many names behind each other");
		else if (!begin(r, node, depth, &found[i], &err))
			log_err(LOG_INFO, &err, "origin not dialled");
	}
}

static bool over(struct lookup *l)
{
	return l->query ? dnsaddr_over(l->query) : gai_error(&l->request) != EAI_INPROGRESS;
}

unsigned resolver_take(struct resolver *r, resolver_fn *each, void *ctx)
{
	unsigned running = 0;

	for (unsigned i = 0; i < RESOLVE_MAX; i++) {
		struct lookup *l = &r->lookups[i];
		struct multiaddr found[RESOLVE_ADDRS];
		size_t n;

		if (!l->running || !over(l))
			continue;
		n = l->query ? take_dnsaddr(l, found) : take_addresses(l, found);
		l->running = false; /* its place may be taken again at once */
		give(r, l, found, n, each, ctx);
	}
	for (unsigned i = 0; i < RESOLVE_MAX; i++)
		running += r->lookups[i].running;
	return running;
}
