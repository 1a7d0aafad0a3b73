#include "bin/added_nodes.h"

#include "base/buf.h"
#include "kubo/kubo_curl.h"

#define SETTING   SLICE_LIT("kubo.added")
#define SWAPS_MAX 100 /* each lost one is somebody else's */

static struct slice_list lines(struct slice text, struct arena *mem)
{
	struct slice_list list = { .at = arena_new_array(mem, struct slice, ADDED_NODES_MAX) };
	const uint8_t *p = text.ptr, *end = p + text.len;

	while (p < end && list.n < ADDED_NODES_MAX) {
		const uint8_t *stop = memchr(p, '\n', (size_t)(end - p));

		if (!stop)
			stop = end;
		list.at[list.n++] = arena_copy(mem, SLICE_OF(p, (size_t)(stop - p)));
		p = stop + 1;
	}
	return list;
}

bool added_nodes_load(struct store *store, struct arena *mem, struct slice_list *out,
		      struct err *err)
{
	const struct setting *row;

	*out = (struct slice_list){ 0 };
	if (!store_setting(store, SETTING, mem, &row, err))
		return false;
	if (row)
		*out = lines(row->value, mem);
	return true;
}

static bool there(struct slice_list list, struct slice url)
{
	for (size_t i = 0; i < list.n; i++)
		if (slice_eq(list.at[i], url))
			return true;
	return false;
}

static bool check_url(struct slice url, struct err *err)
{
	if (url.len > ADDED_URL_MAX)
		return err_set(err, ERR_INVALID, "url has %zu bytes; at most %d are allowed",
			       url.len, ADDED_URL_MAX);
	for (size_t i = 0; i < url.len; i++)
		if (url.ptr[i] <= ' ')
			return err_set(err, ERR_INVALID, "url: white space is not allowed");
	return true;
}

bool added_nodes_keep(struct store *store, struct slice url, struct arena *mem, struct err *err)
{
	if (!check_url(url, err))
		return false;
	for (int i = 0; i < SWAPS_MAX; i++) {
		struct setting new = { .name = SETTING };
		struct slice_list list = { 0 };
		const struct setting *old;
		bool done;

		if (!store_setting(store, SETTING, mem, &old, err))
			return false;
		if (old)
			list = lines(old->value, mem);
		if (there(list, url))
			return true;
		if (list.n == ADDED_NODES_MAX)
			return err_set(err, ERR_INVALID,
				       "url: %d nodes were added, which is the most: name some in "
				       "the configuration",
				       ADDED_NODES_MAX);
		new.value = slice_str(arena_printf(mem, "%.*s%.*s\n",
						   SLICE_FMT(old ? old->value : SLICE_LIT("")),
						   SLICE_FMT(url)));
		if (!store_swap_row(store, TABLE_SETTINGS, old, &new, &done, err))
			return false;
		if (done)
			return true;
	}
	return err_set(err, ERR_UNAVAILABLE, "others add nodes too fast");
}

bool node_client_new(struct clock *clock, const struct kubo_node *node, struct kubo **out,
		     struct err *err)
{
	CLEANUP(kubo_free) struct kubo *kubo = NULL;
	unsigned index;

	if (!kubo_curl_new(clock, &kubo, err) || !kubo_add_node(kubo, node, &index, err))
		return false;
	*out = TAKE(kubo);
	return true;
}

bool added_node_ask(struct clock *clock, const struct kubo_node *node, int64_t for_us,
		    struct arena *mem, struct slice *peer_id, struct err *err)
{
	CLEANUP(kubo_free) struct kubo *kubo = NULL;
	const struct kubo_op who = { .kind = KUBO_ID, .timeout_us = for_us };
	int64_t until = clock_mono_us(clock) + for_us + US_PER_S;
	struct kubo_done done;
	uint64_t id;

	if (!node_client_new(clock, node, &kubo, err) || !kubo_start(kubo, &who, &id, err))
		return false;
	if (!kubo_next(kubo, until, &done))
		return err_set(err, ERR_INVALID, "url: %s does not answer", node->url);
	if (done.outcome != KUBO_OK)
		return err_set(err, ERR_INVALID, "url: %s: %s", node->url, done.text);
	*peer_id = arena_copy(mem, slice_str(done.who.peer_id));
	return true;
}
