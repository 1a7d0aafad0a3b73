#include "lib/fake_kubo.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "lib/fake_kubo_world.h"

static struct client *client_of(struct kubo *kubo)
{
	return CONTAINER_OF(kubo, struct client, base);
}

int64_t fake_kubo_due(struct fake_kubo *fake)
{
	struct call *call = call_first_due(fake);

	for (struct call *c = fake->calls; c; c = c->next) {
		if (c->state == CALL_ENDED && c != c->client->shown)
			return clock_mono_us(fake->clock);
	}
	return call ? call_due(call) : INT64_MAX;
}

int64_t fake_kubo_client_due(struct kubo *kubo)
{
	struct client *client = client_of(kubo);
	int64_t due = INT64_MAX;

	for (struct call *c = client->fake->calls; c; c = c->next) {
		int64_t at = call_due(c);

		if (c->client != client)
			continue;
		if (c->state == CALL_ENDED && c != client->shown)
			return clock_mono_us(client->fake->clock);
		due = at < due ? at : due;
	}
	return due;
}

/* --- the client's side ---------------------------------------------------------- */

static void client_free(struct kubo *kubo)
{
	struct client *client = client_of(kubo);
	struct fake_kubo *fake = client->fake;
	int64_t now_us = fake_settle(fake);
	struct call **at = &fake->calls;

	while (*at) {
		struct call *call = *at;

		if (call->client != client) {
			at = &call->next;
			continue;
		}
		if (call->state != CALL_ENDED)
			call_end(call, KUBO_CANCELED, 0, "", now_us);
		*at = call->next;
		call_free(call);
	}
	fake->n_clients--;
	xfree(client->nodes);
	xfree(client);
}

static bool client_add_node(struct kubo *kubo, const struct kubo_node *cfg, struct err *err)
{
	struct client *client = client_of(kubo);
	char *end = NULL;
	unsigned long number = 0;

	if (strncmp(cfg->url, "fake:", 5) == 0)
		number = strtoul(cfg->url + 5, &end, 10);
	if (!end || *end || end == cfg->url + 5 || number >= client->fake->n_nodes)
		return err_set(err, ERR_INVALID, "url is not fake:0 to fake:%u",
			       client->fake->n_nodes - 1);
	client->nodes = xrealloc(client->nodes, (kubo->n_nodes + 1) * sizeof(*client->nodes));
	client->nodes[kubo->n_nodes] = (unsigned)number;
	return true;
}

static bool client_start(struct kubo *kubo, const struct kubo_op *op, uint64_t id,
			 struct err *err UNUSED)
{
	call_new(client_of(kubo), op, id);
	return true;
}

static struct call *find_call(struct client *client, uint64_t id)
{
	struct call *call = client->fake->calls;

	while (call && (call->client != client || call->done.id != id))
		call = call->next;
	return call && call->state != CALL_ENDED ? call : NULL;
}

static void client_cancel(struct kubo *kubo, uint64_t id)
{
	int64_t now_us = fake_settle(client_of(kubo)->fake);
	struct call *call = find_call(client_of(kubo), id);

	if (call)
		call_end(call, KUBO_CANCELED, 0, "canceled", now_us);
}

/* Gives one result; true if it was the last one of its call. */
static bool deliver(struct call *call, struct kubo_done *out)
{
	unsigned most = call->client->fake->nodes[call->node].knobs.list_chunk;
	unsigned n;

	*out = call->done;
	if (call->op.kind != KUBO_PIN_LIST || call->done.outcome != KUBO_OK)
		return true;
	if (most == 0 || most > KUBO_LIST_MAX)
		most = KUBO_LIST_MAX;
	n = call->n_listed < most ? call->n_listed : most;
	out->list.pins = call->listed;
	out->list.n = n;
	call->listed += n;
	call->n_listed -= n;
	out->more = call->n_listed > 0;
	return !out->more;
}

static void unlink_call(struct fake_kubo *fake, struct call *call)
{
	struct call **at = &fake->calls;

	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
}

static bool client_next(struct kubo *kubo, int64_t until_mono_us UNUSED, struct kubo_done *out)
{
	struct client *client = client_of(kubo);
	struct fake_kubo *fake = client->fake;

	if (client->shown) {
		unlink_call(fake, client->shown);
		call_free(TAKE(client->shown));
	}
	fake_settle(fake);
	for (struct call *call = fake->calls; call; call = call->next) {
		if (call->client != client || call->state != CALL_ENDED)
			continue;
		if (deliver(call, out))
			client->shown = call;
		return true;
	}
	return false;
}

static void client_wake(struct kubo *kubo)
{
	client_of(kubo)->woken = true;
}

bool fake_kubo_woken(struct kubo *kubo)
{
	bool woken = client_of(kubo)->woken;

	client_of(kubo)->woken = false;
	return woken;
}

static bool client_progress(struct kubo *kubo, uint64_t id, struct kubo_progress *out)
{
	int64_t now_us = fake_settle(client_of(kubo)->fake);
	struct call *call = find_call(client_of(kubo), id);

	if (!call || call->op.kind != KUBO_PIN_ADD)
		return false;
	*out = call_progress(call, now_us);
	return true;
}

static const struct kubo_ops fake_ops = {
	.name = "fake",
	.free = client_free,
	.add_node = client_add_node,
	.start = client_start,
	.cancel = client_cancel,
	.next = client_next,
	.wake = client_wake,
	.progress = client_progress,
};

struct kubo *fake_kubo_client(struct fake_kubo *fake)
{
	struct client *client = xcalloc(1, sizeof(*client));

	client->base.ops = &fake_ops;
	client->fake = fake;
	fake->n_clients++;
	return &client->base;
}

/* --- the test's side ------------------------------------------------------------ */

struct fake_kubo *fake_kubo_new(unsigned nodes, struct clock *clock, struct rand *rand)
{
	struct fake_kubo *fake = xcalloc(1, sizeof(*fake));

	assert(nodes > 0);
	fake->clock = clock;
	fake->rand = rand;
	fake->n_nodes = nodes;
	fake->nodes = xcalloc(nodes, sizeof(*fake->nodes));
	for (unsigned i = 0; i < nodes; i++)
		fake->nodes[i].down_until_us = INT64_MIN;
	return fake;
}

void fake_kubo_free(struct fake_kubo *fake)
{
	if (!fake)
		return;
	assert(fake->n_clients == 0);
	for (unsigned i = 0; i < fake->n_nodes; i++)
		fake_node_free(&fake->nodes[i]);
	for (size_t i = 0; i < fake->contents.n; i++) {
		struct content *content = fake->contents.at[i];

		xfree((char *)content->cid);
		xfree(content);
	}
	xfree(fake->contents.at);
	xfree(fake->nodes);
	xfree(fake);
}

static struct fake_node *settled_node(struct fake_kubo *fake, unsigned node)
{
	assert(node < fake->n_nodes);
	fake_settle(fake);
	return &fake->nodes[node];
}

struct fake_kubo_knobs *fake_kubo_knobs(struct fake_kubo *fake, unsigned node)
{
	return &settled_node(fake, node)->knobs;
}

void fake_kubo_restart(struct fake_kubo *fake, unsigned node, int64_t down_us)
{
	struct fake_node *n = settled_node(fake, node);
	int64_t now_us = clock_mono_us(fake->clock);

	n->down_until_us = now_us + down_us;
	for (struct call *call = fake->calls; call; call = call->next) {
		if (call->node == node && call->state != CALL_ENDED && call->state != CALL_SENT)
			call_end(call, KUBO_UNREACHABLE, 0, "connection broke", now_us);
	}
}

void fake_kubo_content(struct fake_kubo *fake, const char *cid, uint64_t size_bytes,
		       uint64_t blocks)
{
	struct content *content = cid_set_find(&fake->contents, cid);

	assert(blocks > 0);
	fake_settle(fake);
	if (!content) {
		content = xcalloc(1, sizeof(*content));
		content->cid = xstrdup(cid);
		cid_set_put(&fake->contents, content);
	}
	content->size_bytes = size_bytes;
	content->blocks = blocks;
}

void fake_kubo_fetch(struct fake_kubo *fake, unsigned node, const char *cid, int64_t fetch_us)
{
	struct fake_node *n = settled_node(fake, node);
	struct item *item;

	if (!cid) {
		n->default_fetch_us = fetch_us;
		return;
	}
	item = fake_node_item(n, cid);
	item->fetch_us = fetch_us;
	item->local = fetch_us == FAKE_KUBO_LOCAL;
	for (struct call *call = fake->calls; call; call = call->next) {
		if (call->node == node && call->state == CALL_FETCHING &&
		    strcmp(call->op.cid, cid) == 0)
			call_begin_fetch(call, fetch_us, clock_mono_us(fake->clock));
	}
}

void fake_kubo_put_pin(struct fake_kubo *fake, unsigned node, const char *cid, enum kubo_type type,
		       const char *name)
{
	struct fake_node *n = settled_node(fake, node);

	fake_node_item(n, cid)->local = true;
	fake_node_put_pin(n, cid, type, name);
}

void fake_kubo_lose_pin(struct fake_kubo *fake, unsigned node, const char *cid)
{
	fake_node_drop_pin(settled_node(fake, node), cid);
}

void fake_kubo_lose_repo(struct fake_kubo *fake, unsigned node)
{
	struct fake_node *n = settled_node(fake, node);

	while (n->pins.n > 0)
		fake_node_drop_pin(n, ((const struct kubo_pin *)n->pins.at[0])->cid);
	fake_node_collect(n, &fake->contents);
}

const struct kubo_pin *fake_kubo_pin(struct fake_kubo *fake, unsigned node, const char *cid)
{
	return fake_node_pin(settled_node(fake, node), cid);
}

unsigned fake_kubo_n_pins(struct fake_kubo *fake, unsigned node)
{
	return (unsigned)settled_node(fake, node)->pins.n;
}

const struct kubo_pin *fake_kubo_pin_at(struct fake_kubo *fake, unsigned node, unsigned i)
{
	struct fake_node *n = settled_node(fake, node);

	assert(i < n->pins.n);
	return n->pins.at[i];
}

bool fake_kubo_has(struct fake_kubo *fake, unsigned node, const char *cid)
{
	return fake_node_item(settled_node(fake, node), cid)->local;
}

const struct fake_kubo_seen *fake_kubo_seen(struct fake_kubo *fake, unsigned node)
{
	return &settled_node(fake, node)->seen;
}
