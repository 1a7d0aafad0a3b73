#include "model/pin.h"

#include <assert.h>

static const char *const status_names[STATUS_COUNT] = {
	[STATUS_QUEUED] = "queued", [STATUS_PINNING] = "pinning",   [STATUS_PINNED] = "pinned",
	[STATUS_FAILED] = "failed", [STATUS_EXPIRING] = "expiring",
};

const char *pin_status_name(enum pin_status status)
{
	assert(status < STATUS_COUNT);
	return status_names[status];
}

bool pin_status_parse(struct slice text, enum pin_status *out)
{
	for (unsigned i = 0; i < STATUS_COUNT; i++)
		if (slice_eq_str(text, status_names[i])) {
			*out = (enum pin_status)i;
			return true;
		}
	return false;
}

const char *copy_state_name(enum copy_state state)
{
	static const char *const names[] = {
		[COPY_QUEUED] = "queued", [COPY_PINNING] = "pinning",   [COPY_PINNED] = "pinned",
		[COPY_ERROR] = "error",   [COPY_UNPINNED] = "unpinned",
	};

	assert(state <= COPY_UNPINNED);
	return names[state];
}

const char *copy_failure_name(enum copy_failure why)
{
	static const char *const names[] = {
		[FAILURE_NONE] = "none",
		[FAILURE_STALLED] = "stalled",
		[FAILURE_UNREACHABLE] = "unreachable",
		[FAILURE_REFUSED] = "refused",
		[FAILURE_NO_SPACE] = "no-space",
		[FAILURE_INVALID] = "invalid",
		[FAILURE_OTHER] = "other",
		[FAILURE_DENIED] = "denied",
	};

	assert(why <= FAILURE_DENIED);
	return names[why];
}

bool owner_valid(struct slice owner)
{
	if (owner.len == 0 || owner.len > OWNER_MAX)
		return false;
	for (size_t i = 0; i < owner.len; i++)
		if (owner.ptr[i] <= ' ' || owner.ptr[i] > '~')
			return false;
	return true;
}

struct slice_list slice_list_copy(struct arena *mem, struct slice_list list)
{
	struct slice_list copy = { NULL, list.n };

	if (list.n == 0)
		return copy;
	copy.at = arena_new_array(mem, struct slice, list.n);
	for (size_t i = 0; i < list.n; i++)
		copy.at[i] = arena_copy(mem, list.at[i]);
	return copy;
}

struct pair_list pair_list_copy(struct arena *mem, struct pair_list list)
{
	struct pair_list copy = { NULL, list.n };

	if (list.n == 0)
		return copy;
	copy.at = arena_new_array(mem, struct pair, list.n);
	for (size_t i = 0; i < list.n; i++) {
		copy.at[i].key = arena_copy(mem, list.at[i].key);
		copy.at[i].value = arena_copy(mem, list.at[i].value);
	}
	return copy;
}

bool slice_list_eq(struct slice_list a, struct slice_list b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (!slice_eq(a.at[i], b.at[i]))
			return false;
	return true;
}

bool pair_list_eq(struct pair_list a, struct pair_list b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (!slice_eq(a.at[i].key, b.at[i].key) || !slice_eq(a.at[i].value, b.at[i].value))
			return false;
	return true;
}

const struct slice *pair_list_get(struct pair_list list, struct slice key)
{
	size_t low = 0, high = list.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = slice_cmp(list.at[mid].key, key);

		if (c == 0)
			return &list.at[mid].value;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}
