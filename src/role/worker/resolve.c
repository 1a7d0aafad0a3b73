#include "role/worker/resolve.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"

struct lookup {
	bool running;
	unsigned node;
	struct gaicb request;
	struct addrinfo hints;
	char name[256];
	struct multiaddr rest; /* what follows the name */
};

struct resolver {
	struct lookup lookups[RESOLVE_MAX]; /* the C library keeps pointers into them */
};

struct resolver *resolver_new(void)
{
	return xcalloc(1, sizeof(struct resolver));
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < RESOLVE_MAX; i++) {
		struct lookup *l = &r->lookups[i];
		const struct gaicb *wait[] = { &l->request };

		if (!l->running)
			continue;
		while (gai_cancel(&l->request) != EAI_CANCELED &&
		       gai_error(&l->request) == EAI_INPROGRESS)
			gai_suspend(wait, 1, NULL);
		if (l->request.ar_result)
			freeaddrinfo(l->request.ar_result);
	}
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
		part.code == MULTIADDR_DNS6);
}

static int family_of(enum multiaddr_code code)
{
	if (code == MULTIADDR_DNS4)
		return AF_INET;
	return code == MULTIADDR_DNS6 ? AF_INET6 : AF_UNSPEC;
}

bool resolver_start(struct resolver *r, unsigned node, const struct multiaddr *addr,
		    struct err *err)
{
	struct lookup *l = r->lookups;
	struct multiaddr_part part;
	struct gaicb *list[1];
	struct slice rest;
	int rc;

	if (!resolve_needed(addr) || !first_part(addr, &part, &rest) ||
	    part.value.len >= sizeof(l->name))
		return err_set(err, ERR_INVALID, "the address does not begin with a name");
	while (l < r->lookups + RESOLVE_MAX && l->running)
		l++;
	if (l == r->lookups + RESOLVE_MAX)
		return err_set(err, ERR_EXHAUSTED, "%d names are being looked up", RESOLVE_MAX);
	*l = (struct lookup){ .node = node };
	memcpy(l->name, part.value.ptr, part.value.len);
	memcpy(l->rest.bytes, rest.ptr, rest.len);
	l->rest.len = (uint16_t)rest.len;
	l->hints =
		(struct addrinfo){ .ai_family = family_of(part.code), .ai_socktype = SOCK_STREAM };
	l->request = (struct gaicb){ .ar_name = l->name, .ar_request = &l->hints };
	list[0] = &l->request;
	rc = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
	if (rc != 0)
		return err_set(err, ERR_UNAVAILABLE, "%s: %s", l->name, gai_strerror(rc));
	l->running = true;
	return true;
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

static void give(const struct lookup *l, resolver_fn *each, void *ctx)
{
	const struct addrinfo *found = l->request.ar_result;

	for (unsigned n = 0; found && n < RESOLVE_ADDRS; found = found->ai_next, n++) {
		struct multiaddr addr;

		if (with_address(l, found, &addr))
			each(ctx, l->node, &addr);
	}
}

unsigned resolver_take(struct resolver *r, resolver_fn *each, void *ctx)
{
	unsigned running = 0;

	for (unsigned i = 0; i < RESOLVE_MAX; i++) {
		struct lookup *l = &r->lookups[i];
		int rc;

		if (!l->running)
			continue;
		rc = gai_error(&l->request);
		if (rc == EAI_INPROGRESS) {
			running++;
			continue;
		}
		if (rc == 0)
			give(l, each, ctx);
		else
			log_info("origin not dialled: %s: %s", l->name, gai_strerror(rc));
		if (l->request.ar_result)
			freeaddrinfo(l->request.ar_result);
		l->running = false;
	}
	return running;
}
