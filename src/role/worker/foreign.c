#include "role/worker/foreign.h"

#include <stdio.h>

#include "base/alloc.h"
#include "role/worker/pin_name.h"

struct foreign {
	struct foreign_options options;
	char ours[64];       /* "pinfold/<store id>" */
	enum kubo_type type; /* of the pins being listed: direct ones come last */
	struct arena *mem;   /* of one pin */
};

static bool start_list(struct foreign *f, enum kubo_type type, struct err *err)
{
	const struct kubo_op op = { .kind = KUBO_PIN_LIST, .node = 0, .type = type };
	uint64_t id;

	f->type = type;
	return kubo_start(f->options.kubo, &op, &id, err);
}

bool foreign_new(const struct foreign_options *options, struct foreign **out, struct err *err)
{
	struct foreign *f = xcalloc(1, sizeof(*f));

	f->options = *options;
	f->mem = arena_new();
	snprintf(f->ours, sizeof(f->ours), "pinfold/%s", store_id(options->store));
	if (!start_list(f, KUBO_RECURSIVE, err)) {
		foreign_free(f);
		return false;
	}
	*out = f;
	return true;
}

void foreign_free(struct foreign *f)
{
	if (!f)
		return;
	kubo_free(f->options.kubo);
	arena_free(f->mem);
	xfree(f);
}

/* A pin of somebody else that the node is to hold counts as a copy: it was asked for. */
static bool is_foreign(struct foreign *f, const struct kubo_pin *pin, bool *out, struct err *err)
{
	const struct peer_pin *row;
	struct err none_of_ours;
	struct cid cid;

	*out = !pin_name_is_ours(f->ours, pin->name);
	if (!*out || !cid_parse(slice_str(pin->cid), &cid, NULL, &none_of_ours))
		return true;
	arena_reset(f->mem);
	if (!store_peer_pin(f->options.store, f->options.peer_no, cid_slice(&cid), f->mem, &row,
			    err))
		return false;
	*out = !row || !row->desired;
	return true;
}

bool foreign_next(struct foreign *f, int64_t until_us, foreign_fn *each, void *ctx,
		  enum foreign_state *state, struct err *err)
{
	struct kubo_done done;

	*state = FOREIGN_WAITS;
	if (!kubo_next(f->options.kubo, until_us, &done))
		return true;
	if (done.outcome != KUBO_OK)
		return err_set(err, ERR_UNAVAILABLE, "%s", done.text);
	for (unsigned i = 0; i < done.list.n; i++) {
		bool foreign;

		if (!is_foreign(f, &done.list.pins[i], &foreign, err))
			return false;
		if (foreign)
			each(ctx, &done.list.pins[i]);
	}
	*state = FOREIGN_GOES_ON;
	if (done.more)
		return true;
	if (f->type == KUBO_RECURSIVE)
		return start_list(f, KUBO_DIRECT, err);
	*state = FOREIGN_ENDED;
	return true;
}
