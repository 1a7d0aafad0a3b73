/* origins.c -- addresses that tenants give for what they ask for. */
#include "base/log.h"
#include "model/multiaddr.h"
#include "model/origin_filter.h"
#include "role/worker/node.h"

#define ORIGINS_MAX 10 /* dialled for one fetch */

/* Only what the filter lets through is handed on. */
static bool dial(struct node *node, const struct multiaddr *addr, struct err *err)
{
	const struct worker_policy *policy = &node->worker->policy;
	struct slice text = multiaddr_text(addr, node->worker->mem);

	return origin_filter_check(addr, policy->origin_nets, policy->n_origin_nets, err) &&
	       node_dial(node, (const char *)text.ptr, err);
}

static bool dial_origin(struct node *node, struct slice origin, struct err *err)
{
	struct worker *w = node->worker;
	struct multiaddr addr;

	if (!multiaddr_parse(origin, &addr, err))
		return false;
	if (resolve_needed(&addr))
		return resolver_start(w->resolver, node->index, &addr, err);
	return dial(node, &addr, err);
}

/* Tenants' addresses: errors are nobody's.  Those that do not answer take seconds each: beyond
 * the bound the fetch has to find its providers by itself, or its next try dials. */
void node_dial_origins(struct node *node, const struct task *t)
{
	unsigned most = node->worker->policy.max_dials;

	for (size_t i = 0; i < t->origins.n && i < ORIGINS_MAX && node->n_dials < most; i++) {
		struct err err = { 0 };

		if (!dial_origin(node, t->origins.at[i], &err))
			log_err(LOG_INFO, &err, "origin not dialled");
	}
}

void worker_dial_found(void *ctx, unsigned index, const struct multiaddr *addr)
{
	struct worker *w = ctx;
	struct err err = { 0 };

	if (!dial(w->nodes[index], addr, &err))
		log_err(LOG_DEBUG, &err, "origin not dialled");
}
