#include "role/guard.h"

#include "base/alloc.h"

void guard_see(struct guard *g, const struct guard_bounds *bounds, int64_t mono_us, size_t n)
{
	if (mono_us >= g->pass_end)
		*g = (struct guard){ .pass_end = mono_us + bounds->window_us };
	g->seen += n;
}

bool guard_take(struct guard *g, const struct guard_bounds *bounds, unsigned copies)
{
	uint64_t allowed = g->seen * bounds->permille / 1000;

	if (allowed < bounds->least)
		allowed = bounds->least;
	if (g->given_up + copies > allowed)
		return false;
	g->given_up += copies;
	return true;
}

static bool gives_up(const struct reconcile_plan *plan, uint32_t peer_no)
{
	for (size_t i = 0; i < plan->n_given_up; i++)
		if (plan->given_up[i] == peer_no)
			return true;
	return false;
}

void guard_strip(struct reconcile_plan *plan, struct arena *mem)
{
	struct copy *kept = arena_new_array(mem, struct copy, plan->n_desired);
	uint32_t *told = arena_new_array(mem, uint32_t, plan->n_publish);
	size_t n = 0, n_told = 0;

	for (size_t i = 0; i < plan->n_publish; i++)
		if (!gives_up(plan, plan->publish[i]))
			told[n_told++] = plan->publish[i];
	for (size_t i = 0; i < plan->n_desired; i++)
		if (!gives_up(plan, plan->desired[i].peer_no))
			kept[n++] = plan->desired[i];
	plan->desired = kept;
	plan->n_desired = n;
	plan->publish = told;
	plan->n_publish = n_told;
}

struct held_back {
	pthread_mutex_t lock;
	int64_t window_us, began; /* mono */
	uint64_t now, before;
};

struct held_back *held_back_new(int64_t window_us)
{
	struct held_back *h = xcalloc(1, sizeof(*h));

	h->window_us = window_us;
	pthread_mutex_init(&h->lock, NULL);
	return h;
}

void held_back_free(struct held_back *h)
{
	if (!h)
		return;
	pthread_mutex_destroy(&h->lock);
	xfree(h);
}

static void move_on(struct held_back *h, int64_t mono_us)
{
	int64_t since = mono_us - h->began;

	if (since < h->window_us)
		return;
	h->before = since < 2 * h->window_us ? h->now : 0;
	h->now = 0;
	h->began = mono_us - since % h->window_us;
}

void held_back_note(struct held_back *h, int64_t mono_us, unsigned copies)
{
	pthread_mutex_lock(&h->lock);
	move_on(h, mono_us);
	h->now += copies;
	pthread_mutex_unlock(&h->lock);
}

uint64_t held_back_count(struct held_back *h, int64_t mono_us)
{
	uint64_t n;

	pthread_mutex_lock(&h->lock);
	move_on(h, mono_us);
	n = h->now + h->before;
	pthread_mutex_unlock(&h->lock);
	return n;
}
