#include "role/pins.h"

#include "base/alloc.h"
#include "role/pin_verb.h"

struct pins *pins_new(const struct pins_options *options)
{
	struct pins *p = xcalloc(1, sizeof(*p));

	p->options = *options;
	if (p->options.rf_min == 0)
		p->options.rf_min = 1;
	if (p->options.rf_max == 0)
		p->options.rf_max = p->options.rf_min;
	p->owners = owners_new(options->store, options->clock, &options->bounds);
	return p;
}

void pins_free(struct pins *pins)
{
	if (!pins)
		return;
	owners_free(pins->owners);
	xfree(pins);
}

const char *pins_outcome_name(enum pins_outcome outcome)
{
	static const char *const names[PINS_OUTCOMES] = {
		[PINS_DONE] = "done",
		[PINS_INVALID] = "invalid",
		[PINS_NOT_FOUND] = "not-found",
		[PINS_DENIED] = "denied",
		[PINS_DISABLED] = "disabled",
		[PINS_QUOTA] = "quota",
		[PINS_PRECONDITION] = "precondition",
		[PINS_KEY_IN_USE] = "key-in-use",
		[PINS_KEY_REUSED] = "key-reused",
	};

	return names[outcome];
}

bool pins_owner(struct pins *pins, struct slice owner, struct arena *mem,
		const struct owner_row **out, struct err *err)
{
	return owners_get(pins->owners, owner, mem, out, err);
}

struct owner_bounds pins_bounds(const struct pins *pins, const struct owner_row *row)
{
	return owners_bounds(pins->owners, row);
}

bool pins_set_owner(struct pins *pins, const struct owner_row *expected,
		    const struct owner_row *row, bool *done, struct err *err)
{
	struct owner_row stamped = *row;

	stamped.updated_at = clock_wall_us(pins->options.clock);
	return owners_set(pins->owners, expected, &stamped, done, err);
}

/* ---- the verbs -------------------------------------------------------------------------- */

static bool prepare_create(struct verb_call *v, struct entry *e, struct err *err)
{
	e->item.verb = VERB_CREATE;
	verb_check_enabled(v, e);
	return verb_check_denied(v, e, err);
}

bool pins_create(struct pins *pins, const struct pins_call *call, const struct pin_ask *asks,
		 size_t n, struct arena *mem, struct pins_result *results, uint64_t *mark,
		 struct err *err)
{
	struct verb_call v;
	bool ok = true;

	if (!verb_begin(&v, pins, call, results, n, mem, err))
		return false;
	for (size_t i = 0; i < n && ok; i++) {
		verb_check_ask(&v, &v.entries[i], &asks[i], true);
		ok = prepare_create(&v, &v.entries[i], err) && verb_new_id(&v, &v.entries[i], err);
	}
	ok = ok && verb_reserve_batch(&v, err) && verb_change(&v, err);
	return verb_finish(&v, ok, mark, err);
}

/* One request: the old one, in favour of the new one, whose entry is `e`. */
static struct pin_item superseding(const struct verb_call *v, const struct entry *e,
				   struct ulid old, struct slice old_cid)
{
	return (struct pin_item){
		.verb = VERB_SUPERSEDE,
		.id = old,
		.cid = old_cid,
		.heir = e->item.id,
		.now_us = v->now_us,
		.why = "",
	};
}

/*
 * Creates the new request, then ends the old one in its favour: a crash in between leaves
 * both, which loses nothing.  If the old one has gone meanwhile, the new one goes too.
 */
static bool exchange(struct verb_call *v, struct ulid old, struct slice old_cid, struct err *err)
{
	struct entry *e = &v->entries[0];
	struct pin_item end = superseding(v, e, old, old_cid), *items[] = { &end };

	if (!verb_change(v, err))
		return false;
	if (e->settled || e->result->outcome != PINS_DONE)
		return true;
	if (!verb_change_items(v, items, 1, err))
		return err_wrap(err, "end the replaced pin");
	if (end.outcome == PINS_DONE)
		return true;
	end = (struct pin_item){ .verb = VERB_REMOVE, .id = e->item.id, .cid = e->item.cid };
	if (!verb_change_items(v, items, 1, err))
		return err_wrap(err, "undo a replacement");
	*e->result = (struct pins_result){ .outcome = PINS_NOT_FOUND, .why = "" };
	return true;
}

/* The old request is not there.  A call that was begun before may have ended it itself. */
static bool replaced_before(struct verb_call *v, struct entry *e, struct err *err)
{
	const struct owner_pin *row = NULL;

	if (e->item.again &&
	    !store_find(v->pins->options.store, v->call->owner, e->item.id, v->mem, &row, err))
		return false;
	verb_settle(e, row ? PINS_DONE : PINS_NOT_FOUND, "");
	e->result->pin = row;
	e->result->request_id = e->item.id;
	return true;
}

bool pins_replace(struct pins *pins, const struct pins_call *call, struct ulid old,
		  const struct pin_ask *ask, struct arena *mem, struct pins_result *result,
		  uint64_t *mark, struct err *err)
{
	const struct owner_pin *row = NULL;
	struct verb_call v;
	struct entry *e;
	bool ok;

	if (!verb_begin(&v, pins, call, result, 1, mem, err))
		return false;
	e = &v.entries[0];
	e->about = old;
	verb_check_ask(&v, e, ask, true);
	ok = prepare_create(&v, e, err) && verb_new_id(&v, e, err) &&
	     (e->settled || verb_reserve(&v, 0, err)) &&
	     store_find(pins->options.store, call->owner, old, mem, &row, err);
	if (ok && !e->settled && !row)
		ok = replaced_before(&v, e, err);
	else
		ok = ok && (e->settled || exchange(&v, old, row->cid, err));
	return verb_finish(&v, ok, mark, err);
}

/* What the verbs on one request by its id have in common. */
static bool prepare(struct verb_call *v, struct entry *e, enum pin_verb verb, struct ulid id,
		    struct err *err)
{
	e->item.verb = verb;
	e->item.id = e->about = id;
	return verb_claim(v, e, err) && verb_locate(v, e, id, err);
}

/* A verb on one live request. */
static bool change_one(struct pins *pins, const struct pins_call *call, enum pin_verb verb,
		       struct ulid id, uint64_t if_rev, const struct pin_ask *ask,
		       struct arena *mem, struct pins_result *result, uint64_t *mark,
		       struct err *err)
{
	struct verb_call v;
	struct entry *e;
	bool ok;

	if (!verb_begin(&v, pins, call, result, 1, mem, err))
		return false;
	e = &v.entries[0];
	verb_check_ask(&v, e, ask, false);
	verb_check_enabled(&v, e);
	e->item.if_rev = if_rev;
	ok = prepare(&v, e, verb, id, err);
	if (ok && verb == VERB_RETRY && e->item.cid.len > 0) /* else there is no such request */
		ok = verb_check_denied(&v, e, err);
	ok = ok && verb_change(&v, err);
	return verb_finish(&v, ok, mark, err);
}

bool pins_revise(struct pins *pins, const struct pins_call *call, struct ulid id, uint64_t if_rev,
		 const struct pin_ask *ask, struct arena *mem, struct pins_result *result,
		 uint64_t *mark, struct err *err)
{
	return change_one(pins, call, VERB_REVISE, id, if_rev, ask, mem, result, mark, err);
}

bool pins_remove(struct pins *pins, const struct pins_call *call, const struct pin_target *targets,
		 size_t n, struct arena *mem, struct pins_result *results, uint64_t *mark,
		 struct err *err)
{
	struct verb_call v;
	bool ok = true;

	if (!verb_begin(&v, pins, call, results, n, mem, err))
		return false;
	for (size_t i = 0; i < n && ok; i++) {
		struct entry *e = &v.entries[i];

		verb_check_ask(&v, e, &(struct pin_ask){ .key = targets[i].key }, false);
		ok = prepare(&v, e, VERB_REMOVE, targets[i].id, err);
		/* Begun before and not there: gone is what was asked for. */
		if (ok && !e->settled && e->item.again && e->item.cid.len == 0)
			verb_settle(e, PINS_DONE, "");
	}
	ok = ok && verb_change(&v, err);
	return verb_finish(&v, ok, mark, err);
}

bool pins_retry(struct pins *pins, const struct pins_call *call, const struct pin_target *target,
		struct arena *mem, struct pins_result *result, uint64_t *mark, struct err *err)
{
	const struct pin_ask ask = { .key = target->key };

	return change_one(pins, call, VERB_RETRY, target->id, 0, &ask, mem, result, mark, err);
}
