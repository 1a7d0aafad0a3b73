/*
 * inventory.c -- a node's whole list of pins against what it should hold.
 *
 * Of each pin listed a hash is kept, and the rows of the node are walked in their order: a row
 * whose hash is not there is missing.  Pins under our name that no row told of are suspects; if
 * there are any, the list is read a second time for their CIDs.  So nothing is read from the store
 * for each pin, which in the list's order would be as many reads from all over it.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "role/wanted.h"
#include "role/worker/node.h"
#include "role/worker/pin_name.h"

#define PAGES_A_STEP  64
#define ROWS_A_STEP   4000
#define HOLDINGS_PAGE 250

enum phase {
	LISTING_RECURSIVE,
	LISTING_DIRECT,
	COMPARING,
	ASKING_RECURSIVE, /* for the suspects */
	ASKING_DIRECT,
};

#define UNDER_OUR_NAME 1U /* the lowest bit of what is kept of a pin */

struct inventory {
	enum phase phase;
	uint64_t op; /* the list being read */
	uint64_t salt;
	uint32_t *seen; /* hashes of the CIDs listed; sorted before comparing: 4 bytes a pin */
	uint8_t *held;  /* a bit for each of them: a row told of it */
	size_t n, cap;
	size_t suspects;
	uint64_t foreign, surplus;
	unsigned pb;       /* compared up to this bucket, and in it ... */
	struct cid after;  /* ... up to this CID */
	bool singly;       /* bucket by bucket: one of them cannot be read */
	struct arena *mem; /* of one pin, or one page of holdings */
};

void inventory_free(struct inventory *inventory)
{
	if (!inventory)
		return;
	xfree(inventory->seen);
	xfree(inventory->held);
	arena_free(inventory->mem);
	xfree(inventory);
}

/* FNV-1a with a final mix; without the lowest bit.  With a chance of 2^-31 for each pin of the node
 * (1 in 200 with 10^7) a lost pin is hidden by another one; not again the next time, for the salt
 * is new. */
static uint32_t hash(const struct inventory *inv, struct slice cid)
{
	uint64_t h = 14695981039346656037u ^ inv->salt;

	for (size_t i = 0; i < cid.len; i++)
		h = (h ^ cid.ptr[i]) * 1099511628211u;
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	return (uint32_t)(h >> 32) & ~UNDER_OUR_NAME;
}

static int hash_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The first of those listed that have this hash; n or another one if there is none. */
static size_t first_of(const struct inventory *inv, uint32_t h)
{
	size_t low = 0, high = inv->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (inv->seen[middle] < h)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool has_hash(const struct inventory *inv, size_t i, uint32_t h)
{
	return i < inv->n && (inv->seen[i] & ~UNDER_OUR_NAME) == h;
}

static bool is_held(const struct inventory *inv, size_t i)
{
	return inv->held[i / 8] >> i % 8 & 1;
}

static bool is_listed(const struct inventory *inv, struct slice cid)
{
	uint32_t h = hash(inv, cid);

	return has_hash(inv, first_of(inv, h), h);
}

static void mark_held(struct inventory *inv, struct slice cid)
{
	uint32_t h = hash(inv, cid);

	for (size_t i = first_of(inv, h); has_hash(inv, i, h); i++)
		inv->held[i / 8] |= (uint8_t)(1 << i % 8);
}

static bool is_suspect(const struct inventory *inv, struct slice cid)
{
	uint32_t h = hash(inv, cid);

	for (size_t i = first_of(inv, h); has_hash(inv, i, h); i++)
		if (inv->seen[i] & UNDER_OUR_NAME && !is_held(inv, i))
			return true;
	return false;
}

static void count_suspects(struct inventory *inv)
{
	for (size_t i = 0; i < inv->n; i++)
		inv->suspects += inv->seen[i] & UNDER_OUR_NAME && !is_held(inv, i);
}

static bool start_list(struct node *node, enum kubo_type type, uint64_t *op, struct err *err)
{
	return node_call(node, NULL, (struct kubo_op){ .kind = KUBO_PIN_LIST, .type = type }, op,
			 err);
}

bool inventory_start(struct node *node, struct err *err)
{
	uint64_t op;

	if (!start_list(node, KUBO_RECURSIVE, &op, err))
		return false;
	node->inventory = xcalloc(1, sizeof(*node->inventory));
	node->inventory->op = op;
	node->inventory->salt = rand_u64(node->worker->options.rand);
	node->inventory->mem = arena_new();
	return true;
}

static void end(struct node *node)
{
	inventory_free(node->inventory);
	node->inventory = NULL;
	node->compare_at =
		clock_mono_us(node->worker->options.clock) + node->worker->policy.compare_us;
}

/* A pin under our name that nobody knows of: a planner decides.  What is told is ahead of all
 * that is stored, the marks of rows that were removed included. */
static bool report_surplus(struct node *node, const struct cid *cid, struct err *err)
{
	int64_t now = clock_wall_us(node->worker->options.clock);

	node->inventory->surplus++;
	return node_report_copy(node, cid_slice(cid),
				&(struct copy){ .stamp = (uint64_t)now,
						.state = COPY_PINNED,
						.state_gen = (uint64_t)now,
						.observed_at = now },
				err);
}

static bool journal_is_full(const struct node *node)
{
	return node->journal.n >= node->worker->policy.journal_max;
}

/* A pin under our name that no row told of: is it known, and to stay?  What was taken away and is
 * there again (two workers of one node, a pin/add that ended late) is taken away again. */
static bool check_suspect(struct node *node, const struct cid *cid, struct err *err)
{
	struct arena *mem = node->inventory->mem;
	struct bus_msg msg;
	bool found;

	if (journal_find(&node->journal, cid_slice(cid)))
		return true;
	arena_reset(mem);
	if (!cluster_assignment(node->worker->options.cluster, cid_slice(cid), node->peer_no, mem,
				&msg, &found, err))
		return false;
	if (!found)
		return report_surplus(node, cid, err);
	if (!msg.copy.desired && copy_settled(&msg.copy) && !journal_is_full(node))
		node_assign(node, &msg);
	return true;
}

static void note_pin(struct inventory *inv, const struct cid *cid, bool ours)
{
	if (inv->n == inv->cap) {
		inv->cap = inv->cap ? 2 * inv->cap : 1024;
		inv->seen = xrealloc(inv->seen, inv->cap * sizeof(inv->seen[0]));
	}
	inv->seen[inv->n++] = hash(inv, cid_slice(cid)) | (ours ? UNDER_OUR_NAME : 0);
	inv->foreign += !ours;
}

static bool take_pin(struct node *node, const struct kubo_pin *pin, struct err *err)
{
	struct inventory *inv = node->inventory;
	bool first = inv->phase < COMPARING, ours;
	struct err why = { 0 };
	struct cid cid;

	if (!cid_parse(slice_str(pin->cid), &cid, NULL, &why)) {
		log_err(LOG_DEBUG, &why, "pin of a CID that is not ours to read");
		inv->foreign += first;
		return true;
	}
	ours = pin_name_is_ours(node->worker->pin_name, pin->name);
	if (first)
		note_pin(inv, &cid, ours);
	if (first || !ours || !is_suspect(inv, cid_slice(&cid)) || check_suspect(node, &cid, err))
		return true;
	if (!row_at_fault(err))
		return false;
	log_err(LOG_ERROR, err, "a pin is passed over");
	return true;
}

/* Given up and soon begun anew: a list that was read in part would miss pins. */
static bool break_off(struct node *node)
{
	struct worker *w = node->worker;

	kubo_cancel(w->options.kubo, node->inventory->op);
	end(node);
	node->compare_at = clock_mono_us(w->options.clock) + w->policy.retry.min_us;
	return false;
}

static void conclude(struct node *node)
{
	node->foreign = node->inventory->foreign;
	node->surplus = node->inventory->surplus;
	node->compared_at = clock_wall_us(node->worker->options.clock);
	node->news = true;
	end(node);
}

/* What follows a phase that is over; a comparison without suspects is whole. */
static bool next_phase(struct node *node, struct err *err)
{
	struct inventory *inv = node->inventory;

	switch (inv->phase) {
	case LISTING_RECURSIVE:
	case ASKING_RECURSIVE:
		inv->phase++;
		return start_list(node, KUBO_DIRECT, &inv->op, err);
	case LISTING_DIRECT:
		inv->phase = COMPARING;
		if (inv->n > 0)
			qsort(inv->seen, inv->n, sizeof(inv->seen[0]), hash_cmp);
		inv->held = xcalloc(1, inv->n / 8 + 1);
		return true;
	case COMPARING:
		count_suspects(inv);
		if (inv->suspects > 0) {
			inv->phase = ASKING_RECURSIVE;
			return start_list(node, KUBO_RECURSIVE, &inv->op, err);
		}
		break;
	case ASKING_DIRECT:
		break;
	}
	conclude(node);
	return true;
}

bool inventory_take(struct node *node, const struct kubo_done *done, struct err *err)
{
	struct inventory *inv = node->inventory;

	if (!inv || done->id != inv->op)
		return true; /* given up meanwhile */
	if (done->outcome != KUBO_OK) {
		log_warn("comparison with %s broken off: %s", node->peer_id, done->text);
		end(node);
		return true;
	}
	for (unsigned i = 0; i < done->list.n; i++)
		if (!take_pin(node, &done->list.pins[i], err))
			return break_off(node);
	return done->more || next_phase(node, err) || break_off(node);
}

/* The store counts it as pinned, the node does not list it: look again, then fetch. */
static bool chase(struct node *node, struct slice cid, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = NULL;
	struct bus_msg msg;
	bool found;

	if (journal_find(&node->journal, cid))
		return true;
	mem = arena_new(); /* rare; the page that the CID lies in is read on */
	if (!cluster_assignment(node->worker->options.cluster, cid, node->peer_no, mem, &msg,
				&found, err))
		return false;
	if (found && msg.copy.desired && copy_state(&msg.copy) == COPY_PINNED)
		node_assign(node, &msg);
	return true;
}

static bool is_missing(const struct inventory *inv, const struct peer_pin *row)
{
	return row->desired && row->state == COPY_PINNED && !is_listed(inv, row->cid);
}

static void go_on_at(struct inventory *inv, unsigned pb)
{
	inv->pb = pb;
	inv->after.len = 0;
}

/* For one that is missing, which the store does not know of yet; a retry it does know of may go. */
static bool make_room(struct node *node)
{
	return !journal_is_full(node) || (node->turn.n_retries > 0 && node_evict(node));
}

/* Compares a page of what the node should hold, as far as the journal has room for what is
 * missing; *looked: so many rows. */
static bool compare_page(struct node *node, size_t *looked, bool *full, struct err *err)
{
	struct inventory *inv = node->inventory;
	unsigned last_pb = inv->singly ? inv->pb : PEER_PIN_BUCKETS - 1;
	struct peer_pin *rows;
	size_t n, i;

	*looked = 0;
	arena_reset(inv->mem);
	if (!cluster_holdings(node->worker->options.cluster, node->peer_no, (uint16_t)inv->pb,
			      (uint16_t)last_pb, cid_slice(&inv->after), HOLDINGS_PAGE, inv->mem,
			      &rows, &n, err)) {
		if (!row_at_fault(err))
			return false;
		if (inv->singly) {
			log_err(LOG_ERROR, err, "a part of the comparison is passed over");
			go_on_at(inv, last_pb + 1);
		}
		inv->singly = true;
		return true;
	}
	for (i = 0; i < n; i++) {
		bool missing = is_missing(inv, &rows[i]);

		if (missing && !make_room(node)) {
			*full = true;
			break;
		}
		if (missing && !chase(node, rows[i].cid, err)) {
			if (!row_at_fault(err))
				return false;
			log_err(LOG_ERROR, err, "a pin is passed over");
		}
		/* What is still to be removed is under way. */
		if (rows[i].desired || rows[i].state != COPY_UNPINNED)
			mark_held(inv, rows[i].cid);
		inv->pb = rows[i].pb;
		inv->after.len = (uint8_t)rows[i].cid.len;
		memcpy(inv->after.bytes, rows[i].cid.ptr, inv->after.len);
	}
	*looked = i;
	if (i == n && n < HOLDINGS_PAGE)
		go_on_at(inv, last_pb + 1);
	return true;
}

bool inventory_step(struct node *node, bool *more, struct err *err)
{
	struct inventory *inv = node->inventory;
	size_t rows = 0, looked;
	bool full = false;

	*more = false;
	if (!inv || inv->phase != COMPARING)
		return true;
	for (unsigned i = 0; i < PAGES_A_STEP && rows < ROWS_A_STEP; i++, rows += looked) {
		if (inv->pb == PEER_PIN_BUCKETS)
			break;
		if (!compare_page(node, &looked, &full, err))
			return false;
		if (full)
			return true; /* a repository that was lost: bit by bit, as tasks end */
	}
	*more = inv->pb < PEER_PIN_BUCKETS;
	return *more || next_phase(node, err) || break_off(node);
}
