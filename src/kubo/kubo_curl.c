#include "kubo/kubo_curl.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kubo/transfer.h"

#define EVENTS_AT_ONCE 64

struct kubo_curl {
	struct kubo base;
	struct clock *clock;
	CURLM *multi;
	int epoll_fd, wake_fd;
	struct curl_node **nodes;            /* by number */
	long connections;                    /* kept open at most, all nodes together */
	struct transfer *live;               /* all that are not idle, newest first */
	struct transfer *ended, **ended_end; /* for kubo_next(), in order */
	struct transfer *shown;              /* its result is out: free it or go on with it */
	int64_t timer_us;                    /* libcurl wants to be called; INT64_MAX: not */
	int64_t check_us;                    /* no time-out can pass before this */
	bool shown_is_last;                  /* of its operation */
	bool part_is_there;                  /* some transfer wants_taker */
	bool woken;
};

static struct kubo_curl *curl_of(struct kubo *kubo)
{
	return CONTAINER_OF(kubo, struct kubo_curl, base);
}

/* --- libcurl's wishes: which sockets, which timer ---------------------------------- */

static int on_socket(CURL *easy UNUSED, curl_socket_t fd, int what, void *ctx, void *known)
{
	struct kubo_curl *k = ctx;
	struct epoll_event event = { .data.fd = fd };

	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(k->epoll_fd, EPOLL_CTL_DEL, fd, NULL); /* it may be closed already */
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
	if (epoll_ctl(k->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) < 0)
		return -1;
	curl_multi_assign(k->multi, fd, k);
	return 0;
}

static int on_timer(CURLM *multi UNUSED, long ms, void *ctx)
{
	struct kubo_curl *k = ctx;

	k->timer_us = ms < 0 ? INT64_MAX : clock_mono_us(k->clock) + ms * US_PER_MS;
	return 0;
}

/* --- the life of a transfer -------------------------------------------------------- */

static int64_t stall_deadline(const struct transfer *t)
{
	bool counts = t->state == TRANSFER_RUNNING && t->limits.stall_us > 0;

	return counts ? t->heard_us + t->limits.stall_us : INT64_MAX;
}

static int64_t next_deadline(const struct transfer *t)
{
	int64_t stall_us = stall_deadline(t);

	return t->deadline_us < stall_us ? t->deadline_us : stall_us;
}

static void check_by(struct kubo_curl *k, const struct transfer *t)
{
	if (next_deadline(t) < k->check_us)
		k->check_us = next_deadline(t);
}

static void add_result(struct kubo_curl *k, struct transfer *t)
{
	assert(!t->queued);
	t->queued = true;
	t->next = NULL;
	*k->ended_end = t;
	k->ended_end = &t->next;
}

static void leave_queue(struct transfer **queue, struct transfer ***end, struct transfer *t)
{
	while (*queue != t)
		queue = &(*queue)->next;
	*queue = t->next;
	if (!t->next)
		*end = queue;
}

static void run(struct kubo_curl *k, struct transfer *t)
{
	t->state = TRANSFER_RUNNING;
	t->heard_us = clock_mono_us(k->clock);
	check_by(k, t);
	if (curl_multi_add_handle(k->multi, t->easy) != CURLM_OK)
		alloc_failed(sizeof(*t));
}

static void run_first(struct kubo_curl *k, struct curl_node *node)
{
	struct transfer *t = node->waiting;

	leave_queue(&node->waiting, &node->waiting_end, t);
	node->running++;
	run(k, t);
}

static void run_waiting(struct kubo_curl *k, struct curl_node *node)
{
	while (node->waiting && node->running < node->max_running)
		run_first(k, node);
}

/* The one place where an operation ends. */
static void end(struct kubo_curl *k, struct transfer *t)
{
	struct curl_node *node = t->node;

	if (t->state == TRANSFER_WAITING) {
		leave_queue(&node->waiting, &node->waiting_end, t);
	} else {
		node->running--;
		curl_multi_remove_handle(k->multi, t->easy);
	}
	if (t->done.outcome != KUBO_OK)
		t->reply.pins.len = t->taken = 0;
	t->state = TRANSFER_ENDED;
	t->done.took_us = clock_mono_us(k->clock) - t->started_us;
	if (!t->queued && k->shown != t) /* leave_shown() sees to the latter */
		add_result(k, t);
	run_waiting(k, node);
}

static void give_up(struct kubo_curl *k, struct transfer *t, enum kubo_outcome outcome,
		    const char *text)
{
	t->done.outcome = outcome;
	assert(strlen(text) < sizeof(t->done.text));
	strcpy(t->done.text, text);
	end(k, t);
}

static void on_finished(struct kubo_curl *k, CURL *easy, CURLcode result)
{
	struct transfer *t = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
	if (transfer_finish(t, result)) {
		end(k, t);
		return;
	}
	curl_multi_remove_handle(k->multi, easy);
	run(k, t);
}

static void check_deadlines(struct kubo_curl *k, int64_t now_us)
{
	struct transfer *after;

	if (now_us < k->check_us)
		return;
	k->check_us = INT64_MAX;
	for (struct transfer *t = k->live; t; t = after) {
		after = t->after;
		if (t->state == TRANSFER_ENDED)
			continue;
		if (now_us >= t->deadline_us)
			give_up(k, t, KUBO_TIMED_OUT, "no answer in time");
		else if (now_us >= stall_deadline(t))
			give_up(k, t, KUBO_STALLED, "no progress");
		else
			check_by(k, t);
	}
}

/* --- one round of the loop ---------------------------------------------------------- */

static int ms_until(int64_t now_us, int64_t until_us)
{
	int64_t ms = until_us > now_us ? (until_us - now_us + US_PER_MS - 1) / US_PER_MS : 0;

	return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

static void collect(struct kubo_curl *k)
{
	struct CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(k->multi, &left)))
		on_finished(k, msg->easy_handle, msg->data.result);
	for (struct transfer *t = k->part_is_there ? k->live : NULL; t; t = t->after) {
		if (t->state != TRANSFER_RUNNING || !t->wants_taker)
			continue;
		t->state = TRANSFER_PAUSED;
		add_result(k, t);
	}
	k->part_is_there = false;
}

static void round_trip(struct kubo_curl *k, int64_t now_us, int64_t until_us)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int64_t first_us = until_us;
	int n, running;

	if (k->timer_us < first_us)
		first_us = k->timer_us;
	if (k->check_us < first_us)
		first_us = k->check_us;
	n = epoll_wait(k->epoll_fd, events, EVENTS_AT_ONCE, ms_until(now_us, first_us));
	for (int i = 0; i < n; i++) {
		int mask = (events[i].events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
			   (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			   (events[i].events & EPOLLERR ? CURL_CSELECT_ERR : 0);
		uint64_t count;

		if (events[i].data.fd == k->wake_fd)
			k->woken = read(k->wake_fd, &count, sizeof(count)) > 0;
		else
			curl_multi_socket_action(k->multi, events[i].data.fd, mask, &running);
	}
	now_us = clock_mono_us(k->clock);
	if (now_us >= k->timer_us) {
		k->timer_us = INT64_MAX;
		curl_multi_socket_action(k->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	collect(k);
	check_deadlines(k, now_us);
}

/* --- the results --------------------------------------------------------------------- */

static void forget(struct kubo_curl *k, struct transfer *t)
{
	if (t->prev)
		t->prev->after = t->after;
	else
		k->live = t->after;
	if (t->after)
		t->after->prev = t->prev;
	t->prev = t->after = NULL;
	t->state = TRANSFER_IDLE;
}

/* The caller has read the last result: its memory is free for what comes next. */
static void leave_shown(struct kubo_curl *k)
{
	struct transfer *t = TAKE(k->shown);
	unsigned all;

	if (!t)
		return;
	all = (unsigned)(t->reply.pins.len / sizeof(struct kubo_pin));
	if (k->shown_is_last) {
		forget(k, t);
		transfer_release(t);
		return;
	}
	if (t->state == TRANSFER_ENDED || t->taken < all) {
		add_result(k, t);
		return;
	}
	t->reply.pins.len = t->taken = 0;
	arena_reset(t->mem);
	t->wants_taker = false;
	t->state = TRANSFER_RUNNING;
	t->heard_us = clock_mono_us(k->clock);
	check_by(k, t);
	curl_easy_pause(t->easy, CURLPAUSE_CONT);
}

static void show(struct kubo_curl *k, struct transfer *t, struct kubo_done *out)
{
	const struct kubo_pin *pins = (const void *)t->reply.pins.ptr;
	unsigned all = (unsigned)(t->reply.pins.len / sizeof(*pins));
	unsigned n = all - t->taken < KUBO_LIST_MAX ? all - t->taken : KUBO_LIST_MAX;

	*out = t->done;
	k->shown = t;
	k->shown_is_last = t->state == TRANSFER_ENDED;
	if (t->op.kind != KUBO_PIN_LIST || t->done.outcome != KUBO_OK)
		return;
	out->list.pins = n > 0 ? pins + t->taken : NULL;
	out->list.n = n;
	t->taken += n;
	k->shown_is_last = k->shown_is_last && t->taken == all;
	out->more = !k->shown_is_last;
}

static bool curl_next(struct kubo *kubo, int64_t until_us, struct kubo_done *out)
{
	struct kubo_curl *k = curl_of(kubo);
	int64_t now_us;

	leave_shown(k);
	while (!k->ended) {
		now_us = clock_mono_us(k->clock);
		round_trip(k, now_us, until_us);
		if (!k->ended && (k->woken || now_us >= until_us)) {
			k->woken = false;
			return false;
		}
	}
	struct transfer *t = k->ended;

	leave_queue(&k->ended, &k->ended_end, t);
	t->queued = false;
	show(k, t, out);
	return true;
}

static void curl_wake(struct kubo *kubo)
{
	uint64_t one = 1;

	/* A full counter means that it is awake already. */
	if (write(curl_of(kubo)->wake_fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
}

/* --- operations ----------------------------------------------------------------------- */

static bool curl_start(struct kubo *kubo, const struct kubo_op *op, uint64_t id,
		       struct err *err UNUSED)
{
	struct kubo_curl *k = curl_of(kubo);
	struct curl_node *node = k->nodes[op->node];
	struct transfer *t = transfer_for(node, op, id, clock_mono_us(k->clock));

	t->state = TRANSFER_WAITING;
	t->prev = NULL;
	t->after = k->live;
	if (k->live)
		k->live->prev = t;
	k->live = t;
	check_by(k, t);
	if (op->kind ==
	    KUBO_ID) { /* a sign of life: what others ask of the node is not its fault */
		t->next = node->waiting;
		if (!node->waiting)
			node->waiting_end = &t->next;
		node->waiting = t;
		run_first(k, node);
		return true;
	}
	t->next = NULL;
	*node->waiting_end = t;
	node->waiting_end = &t->next;
	run_waiting(k, node);
	return true;
}

static struct transfer *find(struct kubo_curl *k, uint64_t id)
{
	struct transfer *t = k->live;

	while (t && t->done.id != id)
		t = t->after;
	return t && t->state != TRANSFER_ENDED ? t : NULL;
}

static void curl_cancel(struct kubo *kubo, uint64_t id)
{
	struct kubo_curl *k = curl_of(kubo);
	struct transfer *t = find(k, id);

	if (t)
		give_up(k, t, KUBO_CANCELED, "canceled");
}

static bool curl_progress(struct kubo *kubo, uint64_t id, struct kubo_progress *out)
{
	struct transfer *t = find(curl_of(kubo), id);

	if (!t || t->op.kind != KUBO_PIN_ADD)
		return false;
	*out = t->done.progress;
	return true;
}

static bool curl_add_node(struct kubo *kubo, const struct kubo_node *cfg, struct err *err)
{
	struct kubo_curl *k = curl_of(kubo);
	unsigned n = kubo->n_nodes;
	struct curl_node *node;

	if (!curl_node_new(cfg, k->clock, &k->part_is_there, &node, err))
		return false;
	k->nodes = xrealloc(k->nodes, (n + 1) * sizeof(struct curl_node *));
	k->nodes[n] = node;
	k->connections += node->max_running;
	curl_multi_setopt(k->multi, CURLMOPT_MAXCONNECTS, k->connections);
	return true;
}

static void curl_free_all(struct kubo *kubo)
{
	struct kubo_curl *k = curl_of(kubo);

	while (k->live) {
		struct transfer *t = k->live;

		if (t->state == TRANSFER_RUNNING || t->state == TRANSFER_PAUSED)
			curl_multi_remove_handle(k->multi, t->easy);
		forget(k, t);
		transfer_free(t);
	}
	for (unsigned i = 0; i < kubo->n_nodes; i++)
		curl_node_free(k->nodes[i]);
	if (k->multi)
		curl_multi_cleanup(k->multi);
	if (k->epoll_fd >= 0)
		close(k->epoll_fd);
	if (k->wake_fd >= 0)
		close(k->wake_fd);
	curl_global_cleanup();
	xfree(k->nodes);
	xfree(k);
}

static const struct kubo_ops curl_ops = {
	.name = "curl",
	.free = curl_free_all,
	.add_node = curl_add_node,
	.start = curl_start,
	.cancel = curl_cancel,
	.next = curl_next,
	.wake = curl_wake,
	.progress = curl_progress,
};

bool kubo_curl_new(struct clock *clock, struct kubo **out, struct err *err)
{
	struct kubo_curl *k = xcalloc(1, sizeof(*k));
	CLEANUP(kubo_free) struct kubo *kubo = &k->base;
	struct epoll_event event = { .events = EPOLLIN };

	kubo->ops = &curl_ops;
	k->clock = clock;
	k->ended_end = &k->ended;
	k->timer_us = k->check_us = INT64_MAX;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	k->multi = curl_multi_init();
	k->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	k->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	event.data.fd = k->wake_fd;
	if (!k->multi || k->epoll_fd < 0 || k->wake_fd < 0 ||
	    epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, k->wake_fd, &event) < 0)
		return err_set(err, ERR_INTERNAL, "kubo: epoll: %s", strerror(errno));
	curl_multi_setopt(k->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(k->multi, CURLMOPT_SOCKETDATA, k);
	curl_multi_setopt(k->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(k->multi, CURLMOPT_TIMERDATA, k);
	*out = TAKE(kubo);
	return true;
}
