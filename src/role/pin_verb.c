#include "role/pin_verb.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "role/deny.h"
#include "role/pin_ask.h"

void verb_settle(struct entry *e, enum pins_outcome outcome, const char *why)
{
	e->result->outcome = outcome;
	e->result->why = why;
	e->settled = true;
}

bool verb_begin(struct verb_call *v, struct pins *pins, const struct pins_call *call,
		struct pins_result *results, size_t n, struct arena *mem, struct err *err)
{
	assert(n > 0 && n <= PINS_BATCH_MAX && owner_valid(call->owner));
	*v = (struct verb_call){ .pins = pins, .call = call, .mem = mem, .n = n };
	if (!owners_get(pins->owners, call->owner, mem, &v->owner, err))
		return false;
	v->now_us = clock_wall_us(pins->options.clock);
	v->entries = arena_new_array(mem, struct entry, n);
	v->hints = arena_new_array(mem, struct bus_msg, n + 2);
	for (size_t i = 0; i < n; i++) {
		results[i] = (struct pins_result){ .why = "" };
		v->entries[i].result = &results[i];
		v->entries[i].item.now_us = v->now_us;
	}
	return true;
}

void verb_check_enabled(struct verb_call *v, struct entry *e)
{
	if (!e->settled && v->owner->disabled)
		verb_settle(e, PINS_DISABLED, "this owner may not change pins at present");
}

void verb_check_ask(struct verb_call *v, struct entry *e, const struct pin_ask *ask, bool creating)
{
	struct err why = { 0 };

	e->key = ask->key;
	if (!pin_ask_check(ask, creating, v->mem, &e->item.ask, &why))
		verb_settle(e, PINS_INVALID, arena_printf(v->mem, "%s", why.text));
	else
		e->item.cid = e->item.ask.cid;
}

bool verb_check_denied(struct verb_call *v, struct entry *e, struct err *err)
{
	const struct deny *deny;
	struct cid cid;

	if (e->settled)
		return true;
	if (!cid_decode(e->item.cid, &cid, err) ||
	    !deny_find(v->pins->options.store, &cid, v->mem, &deny, err))
		return false;
	if (deny)
		verb_settle(e, PINS_DENIED,
			    arena_printf(v->mem, "this content is on the deny list%s%.*s",
					 deny->reason.len ? ": " : "", SLICE_FMT(deny->reason)));
	return true;
}

bool verb_claim(struct verb_call *v, struct entry *e, struct err *err)
{
	enum op_claim claim;

	if (e->settled || e->key.len == 0)
		return true;
	e->op = (struct op_dedup){
		.owner = v->call->owner,
		.op_id = slice_str(arena_printf(v->mem, "%.*s %.*s", SLICE_FMT(v->call->route),
						SLICE_FMT(e->key))),
		.fingerprint = pin_ask_fingerprint(&e->item.ask, e->about, e->item.if_rev, v->mem),
		.request_id = e->item.id,
	};
	if (!op_claim(v->pins->options.store, &e->op, v->now_us, v->pins->options.sole_since_us,
		      v->mem, &claim, err))
		return false;
	switch (claim) {
	case OP_CLAIMED:
	case OP_TAKEN_OVER:
		e->claimed = true;
		e->item.again = claim == OP_TAKEN_OVER;
		break;
	case OP_REPLAY:
		verb_settle(e, PINS_DONE, "");
		e->result->replayed = true;
		e->result->request_id = e->op.request_id;
		e->result->http_status = e->op.http_status;
		e->result->body = e->op.result;
		break;
	case OP_IN_USE:
		verb_settle(e, PINS_KEY_IN_USE,
			    "a request with this idempotency key is running; ask again later");
		break;
	case OP_REUSED:
		verb_settle(e, PINS_KEY_REUSED,
			    "this idempotency key was used for another request; take a new one");
		break;
	}
	return true;
}

bool verb_new_id(struct verb_call *v, struct entry *e, struct err *err)
{
	if (e->settled)
		return true;
	if (!store_new_request_id(v->pins->options.store, v->call->owner, &e->item.id,
				  &e->item.created_at, err) ||
	    !verb_claim(v, e, err))
		return false;
	if (e->item.again) {
		e->item.id = e->op.request_id;
		e->item.created_at = ulid_us(&e->item.id);
	}
	return true;
}

bool verb_locate(struct verb_call *v, struct entry *e, struct ulid id, struct err *err)
{
	const struct owner_pin *row;

	if (e->settled)
		return true;
	if (!store_find(v->pins->options.store, v->call->owner, id, v->mem, &row, err))
		return false;
	if (row)
		e->item.cid = row->cid;
	return true;
}

bool verb_reserve(struct verb_call *v, size_t pins, struct err *err)
{
	enum owners_room room;

	if (!owners_reserve(v->pins->owners, v->owner, pins, &room, err))
		return false;
	if (room == OWNERS_ROOM)
		v->room = pins;
	for (size_t i = 0; i < v->n && room != OWNERS_ROOM; i++) {
		if (!v->entries[i].settled)
			verb_settle(&v->entries[i], PINS_QUOTA,
				    room == OWNERS_NO_PINS
					    ? "the owner's quota of pins is used up; remove some"
					    : "the owner's quota of bytes is used up; remove some");
	}
	return true;
}

/* As many of a batch as there is room for: one by one when it does not fit whole. */
bool verb_reserve_batch(struct verb_call *v, struct err *err)
{
	enum owners_room room;
	size_t want = 0;

	for (size_t i = 0; i < v->n; i++)
		want += !v->entries[i].settled;
	if (want <= 1)
		return want == 0 || verb_reserve(v, 1, err);
	if (!owners_reserve(v->pins->owners, v->owner, want, &room, err))
		return false;
	if (room == OWNERS_ROOM) {
		v->room = want;
		return true;
	}
	for (size_t i = 0; i < v->n; i++) {
		struct entry *e = &v->entries[i];

		if (e->settled)
			continue;
		if (!owners_reserve(v->pins->owners, v->owner, 1, &room, err))
			return false;
		if (room == OWNERS_ROOM)
			v->room++;
		else
			verb_settle(e, PINS_QUOTA,
				    "the owner's quota is used up; remove some pins");
	}
	return true;
}

/* ---- the change ------------------------------------------------------------------------- */

/* Entries about one CID must meet in one decision: sorts them together. */
static int compare_entries(const void *a, const void *b)
{
	const struct pin_item *x = *(struct pin_item *const *)a, *y = *(struct pin_item *const *)b;
	int c = slice_cmp(x->cid, y->cid);

	return c ? c : (x > y) - (x < y);
}

static struct pin_group *add_group(struct verb_call *v, struct pin_group *group,
				   struct pin_item **items)
{
	const struct pins_options *o = &v->pins->options;

	*group = (struct pin_group){
		.mem = v->mem,
		.owner = v->call->owner,
		.owner_row = v->owner,
		.instance = o->instance,
		.expiring_us = o->expiring_us,
		.rf_min = o->rf_min,
		.rf_max = o->rf_max,
		.zones = v->zones,
		.cid = items[0]->cid,
		.wake_at = v->now_us + PINS_WAKE_US,
		.items = items,
	};
	v->hints[v->n_hints++] = (struct bus_msg){
		.topic = BUS_PIN_REQUEST,
		.cid = group->cid,
		.due_at = group->wake_at,
		.cause = WAKE_REQUEST,
	};
	return group;
}

bool verb_change_items(struct verb_call *v, struct pin_item **items, size_t n, struct err *err)
{
	struct pin_group *groups = arena_new_array(v->mem, struct pin_group, n);
	struct slice *cids = arena_new_array(v->mem, struct slice, n);
	void **ctxs = arena_new_array(v->mem, void *, n);
	size_t n_groups = 0;

	for (size_t i = 0; i < n; i++) {
		if (i == 0 || !slice_eq(items[i]->cid, items[i - 1]->cid)) {
			ctxs[n_groups] = add_group(v, &groups[n_groups], &items[i]);
			cids[n_groups++] = items[i]->cid;
		}
		groups[n_groups - 1].n++;
	}
	if (!store_change(v->pins->options.store, cids, ctxs, n_groups, pin_fold_decide, v->mem,
			  err)) {
		/* A back end without batches may have written a part of it; these say that
		 * nothing was. */
		v->unsure = err->code != ERR_NO_SPACE && err->code != ERR_UNAVAILABLE;
		return false;
	}
	v->begun = true;
	return true;
}

static void take_outcome(struct entry *e)
{
	e->result->outcome = e->item.outcome;
	e->result->why = e->item.why ? e->item.why : "";
	e->result->pin = e->item.pin;
	e->result->request_id = e->item.id;
}

bool verb_change(struct verb_call *v, struct err *err)
{
	struct pin_item **items = arena_new_array(v->mem, struct pin_item *, v->n);
	size_t n = 0;

	for (size_t i = 0; i < v->n; i++) {
		struct entry *e = &v->entries[i];

		if (!e->settled && e->item.cid.len == 0)
			verb_settle(e, PINS_NOT_FOUND, "");
		if (!e->settled)
			items[n++] = &e->item;
	}
	if (n == 0)
		return true;
	if (n > 1)
		qsort(items, n, sizeof(struct pin_item *), compare_entries);
	v->zones = store_zones(v->pins->options.store, v->mem);
	if (!verb_change_items(v, items, n, err))
		return false;
	for (size_t i = 0; i < v->n; i++) {
		if (!v->entries[i].settled)
			take_outcome(&v->entries[i]);
	}
	return true;
}

/* ---- the end ---------------------------------------------------------------------------- */

/*
 * What is done is kept for repetitions; what changed nothing leaves no trace of its key.  A
 * fault here is none of the verb's: the claim ends by itself, and who repeats the call takes
 * it over and finds the work done.
 */
static void finish_op(struct verb_call *v, struct entry *e)
{
	struct slice body = { NULL, 0 };
	struct err err = { 0 };
	uint16_t status = 0;
	bool ok;

	if (e->result->outcome != PINS_DONE) {
		ok = op_release(v->pins->options.store, &e->op, e->item.again, &err);
	} else {
		if (v->call->encode)
			v->call->encode(v->call->encode_ctx, e->result, v->mem, &status, &body);
		ok = op_finish(v->pins->options.store, &e->op, status, body, &err);
	}
	if (!ok)
		log_err(LOG_WARN, &err, "finish an idempotency key");
}

/* The call fails.  Claims stay where something may have been written. */
static void give_up(struct verb_call *v)
{
	struct err ignored = { 0 };

	owners_settle(v->pins->owners, v->call->owner, v->room, 0);
	for (size_t i = 0; i < v->n && !v->begun && !v->unsure; i++) {
		struct entry *e = &v->entries[i];

		if (e->claimed &&
		    !op_release(v->pins->options.store, &e->op, e->item.again, &ignored))
			continue; /* it ends by itself a minute later */
	}
}

struct announcement { /* one block: the messages, then their CIDs */
	struct bus *bus;
	size_t n;
	struct bus_msg msgs[];
};

static void announce_durable(void *ctx, const struct err *failed)
{
	struct announcement *a = ctx;
	struct err err = { 0 };

	/* The wake rows stand for what cannot be published. */
	if (!failed && !bus_publish(a->bus, a->msgs, a->n, &err))
		log_err(LOG_WARN, &err, "publish pin requests");
	xfree(a);
}

static void announce(struct verb_call *v, uint64_t mark)
{
	size_t bytes = sizeof(struct announcement) + v->n_hints * sizeof(struct bus_msg);
	struct announcement *a;
	uint8_t *to;

	if (v->n_hints == 0)
		return;
	for (size_t i = 0; i < v->n_hints; i++)
		bytes += v->hints[i].cid.len;
	a = xmalloc(bytes);
	a->bus = v->pins->options.bus;
	a->n = v->n_hints;
	to = (uint8_t *)&a->msgs[a->n];
	for (size_t i = 0; i < a->n; i++) {
		struct slice cid = v->hints[i].cid;

		a->msgs[i] = v->hints[i];
		memcpy(to, cid.ptr, cid.len);
		a->msgs[i].cid = SLICE_OF(to, cid.len);
		to += cid.len;
	}
	store_when_durable(v->pins->options.store, mark, announce_durable, a);
}

/* How many pins came; negative: went.  A replacement does neither. */
static int64_t came(const struct verb_call *v)
{
	static const struct ulid none;
	int64_t n = 0;

	for (size_t i = 0; i < v->n; i++) {
		const struct entry *e = &v->entries[i];
		bool made = e->item.verb == VERB_CREATE && ulid_cmp(&e->about, &none) == 0;

		if (!e->settled && e->result->outcome == PINS_DONE)
			n += made - (e->item.verb == VERB_REMOVE);
	}
	return n;
}

bool verb_finish(struct verb_call *v, bool ok, uint64_t *mark, struct err *err)
{
	if (!ok) {
		give_up(v);
		/* Of several changes some may have been made: nobody knows. */
		if (v->begun)
			err->code = ERR_TIMEOUT;
		return false;
	}
	owners_settle(v->pins->owners, v->call->owner, v->room, came(v));
	for (size_t i = 0; i < v->n; i++) {
		if (v->entries[i].claimed)
			finish_op(v, &v->entries[i]);
	}
	*mark = store_mark(v->pins->options.store);
	announce(v, *mark);
	return true;
}
