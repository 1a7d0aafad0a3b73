#include "role/pin_fold.h"

#include "model/version.h"
#include "role/pin_ask.h"

struct folding { /* one call of pin_fold_decide() */
	const struct pin_group *group;
	const struct cid_view *view;
	int64_t now_us;
	struct arena *mem;
	const struct request *requests;
	size_t n_requests;
	size_t live;   /* requests of this owner, those made here included */
	size_t kept;   /* facts of this owner, those made here included */
	uint64_t seen; /* highest version so far */
	struct fact *facts;
	size_t n_facts;
};

static const struct request *find_request(const struct folding *f, const struct ulid *id)
{
	for (size_t i = 0; i < f->n_requests; i++) {
		const struct fact *create = f->requests[i].create;

		if (ulid_cmp(&create->request_id, id) == 0 &&
		    slice_eq(create->owner, f->group->owner))
			return &f->requests[i];
	}
	return NULL;
}

static uint64_t make_rev(struct folding *f)
{
	f->seen = version_next(f->seen, f->now_us, f->group->instance);
	return f->seen;
}

static void add_fact(struct folding *f, const struct pin_item *item, struct fact fact)
{
	fact.cid = f->group->cid;
	fact.owner = f->group->owner;
	fact.request_id = item->id;
	f->facts[f->n_facts++] = fact;
	f->kept++;
}

static void refuse(struct pin_item *item, enum pins_outcome outcome, const char *why)
{
	item->outcome = outcome;
	item->why = why;
}

/* Every look at a CID reads all its facts.  An end is never refused. */
static bool too_many_facts(const struct folding *f, struct pin_item *item)
{
	if (item->rev > 0 || f->kept < FACTS_PER_CID)
		return false;
	refuse(item, PINS_QUOTA,
	       "pins of this CID were made or changed too often of late; try again tomorrow");
	return true;
}

struct owner_pin pin_fold_row(const struct request *r, struct request_copies count,
			      enum pin_status status)
{
	const struct fact *c = r->create, *v = r->revision;

	return (struct owner_pin){
		.owner = c->owner,
		.period = (uint32_t)(ulid_ms(&c->request_id) / (US_PER_DAY / US_PER_MS)),
		.request_id = c->request_id,
		.cid = c->cid,
		.cid_base = c->cid_base,
		.mode = c->mode,
		.status = (uint8_t)status,
		.created_at = c->created_at,
		.rev = v->rev,
		.name = v->name,
		.meta = v->meta,
		.tags = v->tags,
		.origins = c->origins,
		.zones = v->zones,
		.peer_tags = v->peer_tags,
		.rf_min = v->rf_min,
		.rf_max = v->rf_max,
		.priority = v->priority,
		.expires_at = v->expires_at,
		.size = count.size,
		.copies = (uint16_t)count.pinned,
	};
}

/* The item is done and `r` is what holds; its texts are copied, since a view may go. */
static void done(const struct folding *f, struct pin_item *item, const struct request *r)
{
	const struct pin_group *g = f->group;
	struct fact create = fact_copy(g->mem, r->create);
	struct fact revision = fact_copy(g->mem, r->revision);
	struct owner_pin *row = arena_new_of(g->mem, struct owner_pin);
	struct request kept = *r;
	struct request_copies count;

	kept.create = &create;
	kept.revision = &revision;
	count = request_copies(&kept, f->view->copies, f->view->n_copies, g->zones, f->now_us);
	*row = pin_fold_row(&kept, count,
			    request_copies_status(&kept, count, f->now_us, g->expiring_us));
	item->outcome = PINS_DONE;
	item->pin = row;
}

/* The same of a request whose newest revision is `revision`, not written yet. */
static void done_with(const struct folding *f, struct pin_item *item, const struct fact *create,
		      struct fact revision)
{
	struct request r = { .life = REQUEST_LIVE, .create = create, .revision = &revision };

	revision.rev = item->rev;
	done(f, item, &r);
}

static void create(struct folding *f, struct pin_item *item, const struct request *r)
{
	const struct pin_group *g = f->group;
	struct fact made = { .kind = FACT_CREATE }, set;
	struct err err = { 0 };

	if (r) {
		done(f, item, r);
		return;
	}
	if (item->rev == 0 && f->live >= REQUESTS_PER_CID) {
		refuse(item, PINS_QUOTA, "there are 1,000 requests for this CID; remove some");
		return;
	}
	if (too_many_facts(f, item))
		return;
	if (!pin_ask_apply(&item->ask, NULL, g->owner_row, g->rf_min, g->rf_max, item->created_at,
			   &set, &err)) {
		refuse(item, PINS_INVALID, arena_printf(g->mem, "%s", err.text));
		return;
	}
	if (item->rev == 0)
		item->rev = make_rev(f);
	made.created_at = item->created_at;
	made.mode = item->ask.direct ? PIN_DIRECT : PIN_RECURSIVE;
	made.cid_base = (uint8_t)item->ask.cid_base;
	made.origins = item->ask.origins;
	made.allocations = item->ask.allocations;
	made.pin_proto = item->ask.pin_proto;
	set.rev = item->rev;
	add_fact(f, item, made);
	add_fact(f, item, set);
	f->live++;
	done_with(f, item, &f->facts[f->n_facts - 2], f->facts[f->n_facts - 1]);
}

/* Writes `set` as the newest revision unless that says the same. */
static void revise_to(struct folding *f, struct pin_item *item, const struct request *r,
		      struct fact set)
{
	if (pin_ask_same(&set, r->revision)) {
		done(f, item, r);
		return;
	}
	if (too_many_facts(f, item))
		return;
	set.rev = item->rev = make_rev(f);
	add_fact(f, item, set);
	done_with(f, item, r->create, set);
}

static void revise(struct folding *f, struct pin_item *item, const struct request *r)
{
	const struct pin_group *g = f->group;
	struct err err = { 0 };
	struct fact set;

	if (!r || r->life != REQUEST_LIVE) {
		refuse(item, PINS_NOT_FOUND, "");
		return;
	}
	if (item->rev && r->revision->rev == item->rev) {
		done(f, item, r);
		return;
	}
	if (!pin_ask_apply(&item->ask, r->revision, g->owner_row, 0, 0, item->now_us, &set, &err)) {
		refuse(item, PINS_INVALID, arena_printf(g->mem, "%s", err.text));
		return;
	}
	if (item->if_rev && r->revision->rev != item->if_rev &&
	    !(item->again && pin_ask_same(&set, r->revision))) {
		done(f, item, r);
		refuse(item, PINS_PRECONDITION, "the pin has changed meanwhile; read it again");
		return;
	}
	revise_to(f, item, r, set);
}

static void retry(struct folding *f, struct pin_item *item, const struct request *r)
{
	struct fact set;

	if (!r || r->life != REQUEST_LIVE) {
		refuse(item, PINS_NOT_FOUND, "");
		return;
	}
	set = *r->revision;
	if (set.retry_at < item->now_us)
		set.retry_at = item->now_us;
	revise_to(f, item, r, set);
}

static void end(struct folding *f, struct pin_item *item, struct fact fact)
{
	fact.kind = FACT_END;
	fact.rev = item->rev = make_rev(f);
	add_fact(f, item, fact);
	item->outcome = PINS_DONE;
}

/* Does an earlier item of the same call end the same request? */
static bool named_before(const struct folding *f, const struct pin_item *item)
{
	for (size_t i = 0; f->group->items[i] != item; i++) {
		if (ulid_cmp(&f->group->items[i]->id, &item->id) == 0)
			return true;
	}
	return false;
}

static void remove_request(struct folding *f, struct pin_item *item, const struct request *r)
{
	if (named_before(f, item)) {
		refuse(item, PINS_NOT_FOUND, "");
	} else if (r && r->life == REQUEST_LIVE) {
		end(f, item, (struct fact){ .cause = END_BY_OWNER });
		f->live--;
	} else if (r && r->life == REQUEST_ENDED &&
		   (item->rev || (item->again && r->end->cause == END_BY_OWNER))) {
		item->outcome = PINS_DONE;
	} else {
		refuse(item, PINS_NOT_FOUND, "");
	}
}

static void supersede(struct folding *f, struct pin_item *item, const struct request *r)
{
	if (r && r->life == REQUEST_LIVE)
		end(f, item,
		    (struct fact){ .cause = END_BY_REPLACEMENT, .replaced_by = item->heir });
	else if (r && r->life == REQUEST_REPLACED &&
		 ulid_cmp(&r->end->replaced_by, &item->heir) == 0)
		item->outcome = PINS_DONE;
	else
		refuse(item, PINS_NOT_FOUND, "");
}

static void (*const verbs[])(struct folding *f, struct pin_item *item, const struct request *r) = {
	[VERB_CREATE] = create,         [VERB_REVISE] = revise,       [VERB_RETRY] = retry,
	[VERB_REMOVE] = remove_request, [VERB_SUPERSEDE] = supersede,
};

static void look(struct folding *f)
{
	struct request *requests;

	f->n_requests = requests_fold(f->view->facts, f->view->n_facts, f->mem, &requests);
	f->requests = requests;
	for (size_t i = 0; i < f->view->n_facts; i++) {
		if (f->view->facts[i].rev > f->seen)
			f->seen = f->view->facts[i].rev;
		f->kept += slice_eq(f->view->facts[i].owner, f->group->owner);
	}
	for (size_t i = 0; i < f->n_requests; i++) {
		if (requests[i].life == REQUEST_LIVE &&
		    slice_eq(requests[i].create->owner, f->group->owner))
			f->live++;
	}
}

bool pin_fold_decide(void *ctx, const struct cid_view *view, int64_t now_us, struct arena *mem,
		     struct cid_change *out, struct err *err UNUSED)
{
	struct pin_group *group = ctx;
	struct folding f = { .group = group, .view = view, .now_us = now_us, .mem = mem };
	struct wake *wake = arena_new_of(mem, struct wake);

	look(&f);
	f.facts = arena_new_array(mem, struct fact, 2 * group->n);
	for (size_t i = 0; i < group->n; i++) {
		struct pin_item *item = group->items[i];

		item->why = "";
		verbs[item->verb](&f, item, find_request(&f, &item->id));
	}
	*out = (struct cid_change){ .facts = f.facts, .n_facts = f.n_facts };
	if (f.n_facts > 0) {
		wake->due_at = group->wake_at;
		wake->cause = WAKE_REQUEST;
		out->wake = wake;
		out->n_wake = 1;
	}
	return true;
}
