#include "model/copy.h"

#include <assert.h>

const char *copy_reason_name(enum copy_reason reason)
{
	static const char *const names[] = {
		[REASON_NONE] = "none",
		[REASON_REQUESTED] = "requested",
		[REASON_REPLACED] = "replaced",
		[REASON_REBALANCED] = "rebalanced",
		[REASON_EVERYWHERE] = "everywhere",
		[REASON_ENDED] = "ended",
		[REASON_SURPLUS] = "surplus",
		[REASON_DRAINED] = "drained",
		[REASON_CHANGED] = "changed",
		[REASON_LOST] = "lost",
	};

	assert(reason <= REASON_LOST);
	return names[reason];
}

bool copy_merge(struct copy *into, const struct copy *from)
{
	struct copy was = *into;

	assert(into->peer_no == from->peer_no);
	if (from->gen > was.gen) {
		into->gen = from->gen;
		into->desired = from->desired;
		into->mode = from->mode;
		into->priority = from->priority;
		into->reason = from->reason;
		into->assigned_at = from->assigned_at;
	}
	if (from->stamp > was.stamp) {
		into->stamp = from->stamp;
		into->state_gen = from->state_gen;
		into->state = from->state;
		into->failure = from->failure;
		into->attempts = from->attempts;
		into->adopted = from->adopted;
		into->error = from->error;
		into->size = from->size;
		into->next_at = from->next_at;
		into->failing_since = from->failing_since;
		into->observed_at = from->observed_at;
	}
	return into->gen != was.gen || into->stamp != was.stamp;
}
