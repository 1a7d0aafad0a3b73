/* fake_kubo_node.h -- what the nodes of fake_kubo.h hold; for fake_kubo*.c alone. */
#pragma once

#include <stddef.h>

#include "lib/fake_kubo.h"

/* Things that begin with `const char *cid`, in its order. */
struct cid_set {
	void **at;
	size_t n, cap;
};
void *cid_set_find(const struct cid_set *set, const char *cid); /* NULL: is not there */
void cid_set_put(struct cid_set *set, void *thing);             /* is not there yet */
void *cid_set_take(struct cid_set *set, const char *cid);       /* NULL: is not there */

struct content {
	const char *cid;
	uint64_t size_bytes, blocks;
};

struct item { /* of one CID on one node */
	const char *cid;
	int64_t fetch_us;
	bool local;
};

struct fake_node {
	struct cid_set pins;  /* struct kubo_pin */
	struct cid_set items; /* struct item */
	int64_t default_fetch_us;
	int64_t down_until_us;
	struct fake_kubo_knobs knobs;
	struct fake_kubo_seen seen;
};

void fake_node_free(struct fake_node *node);
struct item *fake_node_item(struct fake_node *node, const char *cid); /* made if new */
struct kubo_pin *fake_node_pin(const struct fake_node *node, const char *cid);
void fake_node_put_pin(struct fake_node *node, const char *cid, enum kubo_type type,
		       const char *name);
void fake_node_drop_pin(struct fake_node *node, const char *cid);
/* Removes what was fetched and is not pinned; how many blocks of `contents` that was. */
uint64_t fake_node_collect(struct fake_node *node, const struct cid_set *contents);
uint64_t fake_node_used(const struct fake_node *node, const struct cid_set *contents);
struct content content_of(const struct cid_set *contents, const char *cid);
