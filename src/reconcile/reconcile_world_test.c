/*
 * A small world around reconcile_step(): one CID, nodes that die, return, drain,
 * fill up and lose pins, requests that come, change and end, a store whose rows
 * are merged half by half, messages that are late or lost, once in a while a
 * backup that is restored.  Every plan is held against the promises of reconcile.h;
 * when the faults stop, the world has to come to rest with what was asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/rand.h"
#include "model/version.h"
#include "reconcile/reconcile.h"

#define WORLDS   300
#define FAULTY   120 /* events with faults */
#define CALM     900 /* events without, at most */
#define NODES    9
#define REQUESTS 4
#define MAILS    256

static const struct health_policy health = {
	.suspect_us = 30 * US_PER_S,
	.down_us = 2 * US_PER_MIN,
	.grace_us = 10 * US_PER_MIN,
};

struct node {
	struct place_peer peer;
	bool alive, full;
	int64_t last_seen;
	uint8_t kubo; /* 0 nothing, else 1 + the mode that is pinned */
	bool has_job;
	struct copy job; /* its journal: what it was told last and how that went */
};

struct mail {
	int64_t at;
	size_t node;
	bool report;
	struct copy body;
};

struct row {
	bool there;
	struct copy copy;
};

struct world {
	struct rand_seeded rand;
	struct reconcile_policy policy;
	int64_t now, wake;
	bool faulty;
	struct node nodes[NODES];
	size_t n_nodes;
	struct row rows[NODES], backup[NODES]; /* by node */
	struct mail mails[MAILS];
	size_t n_mails;
	struct fact creates[REQUESTS], revisions[REQUESTS], ends[REQUESTS];
	struct request requests[REQUESTS];
	size_t n_requests;
};

static struct slice zone_texts[] = { { (const uint8_t *)"a", 1 },
				     { (const uint8_t *)"b", 1 },
				     { (const uint8_t *)"c", 1 } };

static uint64_t roll(struct world *w, uint64_t below)
{
	return rand_below(&w->rand.base, below);
}

/* Once in `of` times some of three words, at least `least`. */
static struct slice_list any_tags(struct world *w, uint64_t least, uint64_t of)
{
	uint64_t from = roll(w, 3);

	if (roll(w, of) > 0)
		return (struct slice_list){ NULL, 0 };
	return (struct slice_list){ &zone_texts[from], least + roll(w, 3 - from) };
}

static void post(struct world *w, size_t node, bool report, const struct copy *body)
{
	if (w->n_mails == MAILS || (w->faulty && roll(w, 4) == 0))
		return;
	w->mails[w->n_mails++] = (struct mail){
		.at = w->now + (int64_t)roll(w, w->faulty ? 5 * US_PER_MIN : US_PER_S),
		.node = node,
		.report = report,
		.body = *body,
	};
}

/*
 * The worker of a node.
 */

static void tell(struct world *w, size_t i)
{
	struct copy half = w->nodes[i].job;

	half.gen = 0; /* the desired half is not its to tell */
	half.desired = false;
	w->nodes[i].job.stamp++;
	half.stamp++;
	half.observed_at = w->now + (int64_t)roll(w, 2) * US_PER_MIN; /* by its own clock */
	post(w, i, true, &half);
}

static void fail_job(struct world *w, struct node *node)
{
	struct copy *job = &node->job;

	job->state = COPY_ERROR;
	job->failure =
		node->full ? FAILURE_NO_SPACE : (uint8_t)(FAILURE_STALLED + roll(w, FAILURE_OTHER));
	job->attempts++;
	if (job->failing_since == 0)
		job->failing_since = w->now;
	job->next_at = w->now + US_PER_H;
}

static void work(struct world *w, size_t i)
{
	struct node *node = &w->nodes[i];
	struct copy *job = &node->job;

	job->next_at = 0;
	if (!job->desired) {
		node->kubo = 0;
		job->state = COPY_UNPINNED;
	} else if (node->kubo != job->mode + 1 && (node->full || (w->faulty && roll(w, 3) == 0))) {
		fail_job(w, node);
	} else {
		node->kubo = job->mode + 1;
		*job = (struct copy){ .peer_no = job->peer_no,
				      .gen = job->gen,
				      .desired = true,
				      .mode = job->mode,
				      .stamp = job->stamp,
				      .state_gen = job->gen,
				      .state = COPY_PINNED };
	}
	tell(w, i);
}

static void take(struct world *w, size_t i, const struct copy *told)
{
	struct node *node = &w->nodes[i];
	struct copy *job = &node->job;
	uint64_t stamp = told->gen > told->stamp ? told->gen : told->stamp;

	if (!node->alive)
		return;
	job->stamp = stamp > job->stamp ? stamp : job->stamp;
	if (node->has_job && told->gen <= job->gen) {
		tell(w, i);
		return;
	}
	node->has_job = true;
	job->peer_no = told->peer_no;
	job->gen = job->state_gen = told->gen;
	job->desired = told->desired;
	job->mode = told->mode;
	work(w, i);
}

/* What a worker does when it is back, and what a full comparison finds. */
static void sync_node(struct world *w, size_t i)
{
	struct node *node = &w->nodes[i];

	if (node->has_job && node->job.desired && node->job.state == COPY_PINNED &&
	    node->kubo != node->job.mode + 1)
		node->job.state = COPY_UNPINNED;
	if (node->has_job)
		tell(w, i);
	if (w->rows[i].there && !copy_settled(&w->rows[i].copy))
		take(w, i, &w->rows[i].copy);
}

/*
 * The planner.
 */

struct seen { /* a view and what it points to */
	struct wanted_request requests[REQUESTS];
	struct copy copies[NODES];
	struct place_peer peers[NODES];
	struct reconcile_view view;
};

static struct seen look(struct world *w)
{
	struct seen seen = { .view = { .now_us = w->now, .seed = 42 } };
	uint64_t top = 0;

	for (size_t i = 0; i < w->n_requests; i++)
		seen.requests[seen.view.n_requests++] =
			(struct wanted_request){ &w->requests[i],
						 w->requests[i].life == REQUEST_LIVE };
	for (size_t i = 0; i < w->n_nodes; i++) {
		struct node *node = &w->nodes[i];

		if (node->alive)
			node->last_seen = w->now;
		node->peer.health = peer_health(node->last_seen, w->now, &health);
		node->peer.capacity_bytes = 100;
		node->peer.free_bytes = node->full ? 0 : 100;
		seen.peers[seen.view.n_peers++] = node->peer;
		if (!w->rows[i].there)
			continue;
		seen.copies[seen.view.n_copies++] = w->rows[i].copy;
		if (copy_version(&w->rows[i].copy) > top)
			top = copy_version(&w->rows[i].copy);
	}
	seen.view.next_gen = version_next(top, w->now, (unsigned)roll(w, 1000));
	return seen;
}

static void aim(struct seen *seen)
{
	seen->view.requests = seen->requests;
	seen->view.copies = seen->copies;
	seen->view.peers = seen->peers;
}

static const struct place_peer *peer_of(const struct reconcile_view *v, uint32_t peer_no)
{
	for (size_t i = 0; i < v->n_peers; i++) {
		if (v->peers[i].peer_no == peer_no)
			return &v->peers[i];
	}
	return NULL;
}

static const struct copy *copy_in(const struct copy *copies, size_t n, uint32_t peer_no)
{
	for (size_t i = 0; i < n; i++) {
		if (copies[i].peer_no == peer_no)
			return &copies[i];
	}
	return NULL;
}

static bool counts_for(const struct reconcile_view *v, const struct request *r, uint32_t peer_no)
{
	const struct place_peer *peer = peer_of(v, peer_no);

	return request_allows(
		r, &(struct peer_zone){ .zone = peer ? peer->zone : (struct slice){ 0 },
					.tags = peer ? peer->tags : (struct slice_list){ 0 } });
}

/* Copies that stay as they are, are pinned on a peer that answers, and count for `r`. */
static size_t pinned_for(const struct reconcile_view *v, const struct reconcile_plan *plan,
			 const struct request *r)
{
	size_t n = 0;

	for (size_t i = 0; i < v->n_copies; i++) {
		const struct copy *c = &v->copies[i];
		const struct place_peer *peer = peer_of(v, c->peer_no);

		n += c->desired && copy_state(c) == COPY_PINNED && peer &&
		     peer->health == HEALTH_UP && counts_for(v, r, c->peer_no) &&
		     !copy_in(plan->desired, plan->n_desired, c->peer_no);
	}
	return n;
}

/* That `c` is given up must be right by every request that it counts for. */
static void check_given_up(const struct reconcile_view *v, const struct reconcile_plan *plan,
			   const struct copy *was)
{
	const struct place_peer *peer = peer_of(v, was->peer_no);
	bool leaving = !peer || peer->wish >= PLACE_DRAINING;
	enum copy_state state = copy_state(was);

	if (was->state_gen == was->gen &&
	    (state == COPY_UNPINNED || (leaving && state == COPY_ERROR)))
		return;
	for (size_t i = 0; i < v->n_requests; i++) {
		const struct request *r = v->requests[i].request;
		int32_t want;

		if (!v->requests[i].wanted || !counts_for(v, r, was->peer_no))
			continue;
		want = leaving ? r->revision->rf_min : r->revision->rf_max;
		if (want == REPLICAS_EVERYWHERE)
			want = 1;
		assert_true(pinned_for(v, plan, r) >= (size_t)want);
	}
}

static void check_order(const uint32_t *list, size_t n)
{
	for (size_t i = 1; i < n; i++)
		assert_true(list[i - 1] < list[i]);
}

static bool listed(const uint32_t *list, size_t n, uint32_t peer_no)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i] == peer_no)
			return true;
	}
	return false;
}

static void check_plan(const struct reconcile_view *v, const struct reconcile_plan *plan)
{
	unsigned unpins = 0;

	check_order(plan->publish, plan->n_publish);
	check_order(plan->forget, plan->n_forget);
	assert_true(plan->next_at == 0 || plan->next_at > v->now_us);
	for (size_t i = 0; i < plan->n_desired; i++) {
		const struct copy *c = &plan->desired[i];
		const struct copy *was = copy_in(v->copies, v->n_copies, c->peer_no);
		const struct place_peer *peer = peer_of(v, c->peer_no);

		assert_true(i == 0 || plan->desired[i - 1].peer_no < c->peer_no);
		assert_int_equal(c->gen, v->next_gen);
		assert_int_equal(copy_state(c), COPY_QUEUED);
		assert_int_equal(listed(plan->publish, plan->n_publish, c->peer_no),
				 peer && peer->wish != PLACE_FORGOTTEN);
		assert_false(listed(plan->forget, plan->n_forget, c->peer_no));
		unpins += !c->desired;
		if (!c->desired && was->desired)
			check_given_up(v, plan, was);
		if (c->desired && (!was || !was->desired))
			assert_true(peer && peer->health == HEALTH_UP &&
				    peer->wish == PLACE_ACTIVE);
	}
	for (size_t i = 0; i < plan->n_forget; i++)
		assert_false(copy_in(v->copies, v->n_copies, plan->forget[i])->desired);
	check_order(plan->given_up, plan->n_given_up);
	assert_true(plan->n_given_up <= unpins);
}

static void check_same(const struct reconcile_plan *a, const struct reconcile_plan *b)
{
	assert_int_equal(a->n_desired, b->n_desired);
	for (size_t i = 0; i < a->n_desired; i++) {
		assert_int_equal(a->desired[i].peer_no, b->desired[i].peer_no);
		assert_int_equal(a->desired[i].desired, b->desired[i].desired);
		assert_int_equal(a->desired[i].mode, b->desired[i].mode);
		assert_int_equal(a->desired[i].priority, b->desired[i].priority);
		assert_int_equal(a->desired[i].reason, b->desired[i].reason);
	}
	assert_int_equal(a->n_publish, b->n_publish);
	assert_int_equal(a->n_forget, b->n_forget);
	assert_int_equal(a->n_given_up, b->n_given_up);
	assert_int_equal(a->missing, b->missing);
	assert_int_equal(a->next_at, b->next_at);
}

/* Two planners decide alike, in whatever order the requests were read. */
static void check_order_of_requests(const struct seen *seen, const struct reconcile_policy *policy,
				    const struct reconcile_plan *plan, struct arena *mem)
{
	struct seen other = *seen;
	struct reconcile_plan second;
	size_t n = seen->view.n_requests;

	aim(&other);
	for (size_t i = 0; i < n; i++)
		other.requests[i] = seen->requests[n - 1 - i];
	other.view.next_gen++;
	second = reconcile_step(&other.view, policy, mem);
	check_same(plan, &second);
}

/* The rows as they are once the plan was carried out; they have room for all peers. */
static void apply(struct copy *copies, size_t *n, const struct reconcile_plan *plan)
{
	size_t kept = 0;

	for (size_t i = 0; i < *n; i++) {
		const struct copy *now = copy_in(plan->desired, plan->n_desired, copies[i].peer_no);

		if (!listed(plan->forget, plan->n_forget, copies[i].peer_no))
			copies[kept++] = now ? *now : copies[i];
	}
	for (size_t i = 0; i < plan->n_desired; i++) {
		size_t at = kept;

		if (copy_in(copies, kept, plan->desired[i].peer_no))
			continue;
		for (; at > 0 && copies[at - 1].peer_no > plan->desired[i].peer_no; at--)
			copies[at] = copies[at - 1];
		copies[at] = plan->desired[i];
		kept++;
	}
	*n = kept;
}

static void check_own_result(const struct reconcile_view *view,
			     const struct reconcile_policy *policy,
			     const struct reconcile_plan *plan, struct arena *mem)
{
	struct copy copies[2 * NODES];
	struct reconcile_view after = *view;
	struct reconcile_plan second;

	memcpy(copies, view->copies, view->n_copies * sizeof(copies[0]));
	apply(copies, &after.n_copies, plan);
	after.copies = copies;
	after.next_gen = view->next_gen + 1000;
	second = reconcile_step(&after, policy, mem);
	assert_int_equal(second.n_desired, 0);
	assert_int_equal(second.n_forget, 0);
	assert_int_equal(second.missing, plan->missing);
}

static size_t node_of(const struct world *w, uint32_t peer_no)
{
	size_t i = 0;

	while (w->nodes[i].peer.peer_no != peer_no)
		i++;
	assert_true(i < w->n_nodes);
	return i;
}

static struct reconcile_plan plan_once(struct world *w, struct arena *mem)
{
	struct seen seen = look(w);
	struct reconcile_plan plan;

	aim(&seen);
	plan = reconcile_step(&seen.view, &w->policy, mem);
	check_plan(&seen.view, &plan);
	check_order_of_requests(&seen, &w->policy, &plan, mem);
	check_own_result(&seen.view, &w->policy, &plan, mem);

	for (size_t i = 0; i < plan.n_desired; i++) {
		struct row *row = &w->rows[node_of(w, plan.desired[i].peer_no)];

		if (row->there)
			copy_merge(&row->copy, &plan.desired[i]);
		else
			*row = (struct row){ true, plan.desired[i] };
	}
	for (size_t i = 0; i < plan.n_publish; i++) {
		size_t node = node_of(w, plan.publish[i]);

		post(w, node, false, &w->rows[node].copy);
	}
	for (size_t i = 0; i < plan.n_forget; i++)
		w->rows[node_of(w, plan.forget[i])].there = false;
	w->wake = plan.next_at;
	return plan;
}

/*
 * What happens.
 */

static void random_revision(struct world *w, size_t i)
{
	struct fact *rev = &w->revisions[i];

	rev->kind = FACT_REVISION;
	rev->rev++;
	rev->rf_max = roll(w, 6) ? 1 + (int32_t)roll(w, 4) : REPLICAS_EVERYWHERE;
	rev->rf_min = rev->rf_max > 0 ? 1 + (int32_t)roll(w, (uint64_t)rev->rf_max) : rev->rf_max;
	rev->priority = (int32_t)roll(w, 3);
	rev->zones = (struct slice_list){ &zone_texts[roll(w, 3)], roll(w, 3) == 0 };
	rev->peer_tags = any_tags(w, 1, 4);
	rev->retry_at = roll(w, 3) == 0 ? w->now + (int64_t)roll(w, US_PER_MIN) : 0;
}

static void change_request(struct world *w)
{
	size_t i = roll(w, REQUESTS);
	struct request *r = &w->requests[i];

	if (i >= w->n_requests)
		i = w->n_requests++;
	r = &w->requests[i];
	if (r->life == REQUEST_LIVE && roll(w, 3) == 0) {
		w->ends[i] = (struct fact){ .kind = FACT_END, .cause = END_BY_OWNER };
		r->life = REQUEST_ENDED;
		r->end = &w->ends[i];
		return;
	}
	if (r->life != REQUEST_LIVE)
		w->creates[i] = (struct fact){ .kind = FACT_CREATE, .mode = roll(w, 4) > 0 };
	random_revision(w, i);
	*r = (struct request){ .life = REQUEST_LIVE,
			       .create = &w->creates[i],
			       .revision = &w->revisions[i] };
}

static void revive(struct world *w, size_t i)
{
	w->nodes[i].alive = true;
	sync_node(w, i);
}

static void disturb(struct world *w)
{
	size_t i = roll(w, w->n_nodes);
	struct node *node = &w->nodes[i];

	switch (roll(w, 9)) {
	case 0:
	case 1:
		change_request(w);
		break;
	case 2:
		node->alive = false;
		break;
	case 3:
	case 4:
		revive(w, i);
		break;
	case 5:
		node->peer.wish = roll(w, 2) ? PLACE_ACTIVE : (enum place_wish)roll(w, 3);
		break;
	case 6:
		node->full = !node->full;
		break;
	case 7: /* a pin is lost */
		node->kubo = 0;
		sync_node(w, i);
		break;
	default:
		if (roll(w, 4) == 0)
			memcpy(w->rows, w->backup, sizeof(w->rows));
		else
			memcpy(w->backup, w->rows, sizeof(w->rows));
	}
}

static void deliver(struct world *w)
{
	for (size_t i = 0; i < w->n_mails;) {
		struct mail m = w->mails[i];
		struct row *row = &w->rows[m.node];

		if (m.at > w->now) {
			i++;
			continue;
		}
		w->mails[i] = w->mails[--w->n_mails];
		if (!m.report)
			take(w, m.node, &m.body);
		else if (row->there)
			copy_merge(&row->copy, &m.body);
		else /* the row went meanwhile: half a row */
			*row = (struct row){ true, m.body };
	}
	for (size_t i = 0; i < w->n_nodes; i++) {
		const struct node *node = &w->nodes[i];

		if (node->alive && node->has_job && node->job.next_at > 0 &&
		    node->job.next_at <= w->now)
			work(w, i);
	}
}

/* The next time at which anything happens by itself; 0 = never. */
static int64_t next_event(const struct world *w)
{
	int64_t at = w->wake;

	for (size_t i = 0; i < w->n_mails; i++)
		at = at == 0 || w->mails[i].at < at ? w->mails[i].at : at;
	for (size_t i = 0; i < w->n_nodes; i++) {
		int64_t retry = w->nodes[i].job.next_at;

		if (w->nodes[i].alive && retry > 0 && (at == 0 || retry < at))
			at = retry;
	}
	return at;
}

static void world_init(struct world *w, uint64_t seed)
{
	*w = (struct world){ .faulty = true, .now = 20000 * US_PER_DAY };
	rand_init_seeded(&w->rand, seed);
	w->policy = (struct reconcile_policy){ .republish_us = US_PER_MIN,
					       .forget_us = US_PER_DAY,
					       .recheck_us = US_PER_H };
	w->n_nodes = 1 + roll(w, NODES);
	for (size_t i = 0; i < w->n_nodes; i++)
		w->nodes[i] = (struct node){
			.alive = true,
			.peer = { .peer_no = (uint32_t)(1 + 2 * i),
				  .zone = zone_texts[roll(w, 3)],
				  .tags = any_tags(w, 1, 1) },
		};
}

/* Some nodes stay away, draining, paused or full for good. */
static void calm_down(struct world *w)
{
	w->faulty = false;
	w->policy.rebalance = false;
	w->now += US_PER_H;
	for (size_t i = 0; i < w->n_nodes; i++) {
		if (w->nodes[i].alive || roll(w, 3))
			revive(w, i);
		if (w->nodes[i].peer.wish == PLACE_PAUSED && roll(w, 2))
			w->nodes[i].peer.wish = PLACE_ACTIVE;
	}
}

static bool offers(const struct node *node)
{
	return node->alive && !node->full && node->peer.wish == PLACE_ACTIVE;
}

/* A restored backup forgot that its node has it; that may still be needed. */
static bool is_stray(const struct row *row)
{
	return row->there && !row->copy.desired && row->copy.state_gen > row->copy.gen &&
	       row->copy.state != COPY_UNPINNED;
}

/* Everybody who answers has pinned what the store wants there, and nothing else. */
static void check_nodes(const struct world *w)
{
	for (size_t i = 0; i < w->n_nodes; i++) {
		const struct copy *c = &w->rows[i].copy;
		bool desired = w->rows[i].there && c->desired;

		if (!w->nodes[i].alive || is_stray(&w->rows[i]))
			continue;
		if (!desired)
			assert_int_equal(w->nodes[i].kubo, 0);
		else if (!w->nodes[i].full)
			assert_int_equal(w->nodes[i].kubo, c->mode + 1);
		if (desired && w->nodes[i].kubo == c->mode + 1)
			assert_int_equal(copy_state(c), COPY_PINNED);
	}
}

static void check_request(const struct world *w, const struct request *r, bool alone)
{
	size_t pinned = 0, desired = 0, offered = 0, want = (size_t)r->revision->rf_max;

	for (size_t i = 0; i < w->n_nodes; i++) {
		const struct node *node = &w->nodes[i];
		bool here = w->rows[i].there && w->rows[i].copy.desired;

		desired += here || is_stray(&w->rows[i]);
		if (!request_allows(r, &(struct peer_zone){ .zone = node->peer.zone,
							    .tags = node->peer.tags }))
			continue;
		/* What a paused node has is waited for, however long it is away. */
		pinned += here && (node->peer.wish == PLACE_PAUSED ||
				   (node->alive && node->kubo == w->rows[i].copy.mode + 1));
		offered += offers(node);
	}
	if (r->revision->rf_max == REPLICAS_EVERYWHERE) {
		assert_true(pinned >= offered);
		return;
	}
	assert_true(pinned >= (offered < want ? offered : want));
	if (alone && offered >= want)
		assert_int_equal(desired, want);
}

static void check_rest(const struct world *w, const struct reconcile_plan *last)
{
	size_t live = 0;

	assert_int_equal(last->n_desired, 0);
	check_nodes(w);
	for (size_t i = 0; i < w->n_requests; i++)
		live += w->requests[i].life == REQUEST_LIVE;
	for (size_t i = 0; i < w->n_requests; i++) {
		if (w->requests[i].life == REQUEST_LIVE)
			check_request(w, &w->requests[i], live == 1);
	}
	for (size_t i = 0; i < w->n_nodes && live == 0; i++)
		assert_false(w->rows[i].there && w->rows[i].copy.desired);
}

static void run(struct world *w, struct arena *mem)
{
	struct reconcile_plan last = { 0 };

	for (int i = 0; i < FAULTY; i++) {
		w->policy.rebalance = roll(w, 10) == 0;
		disturb(w);
		w->now += (int64_t)roll(w, roll(w, 3) ? US_PER_MIN : 15 * US_PER_MIN);
		deliver(w);
		plan_once(w, mem);
		arena_reset(mem);
	}
	calm_down(w);
	for (int i = 0; i < CALM; i++) {
		deliver(w);
		arena_reset(mem);
		last = plan_once(w, mem);
		if (next_event(w) == 0)
			break;
		w->now = next_event(w);
	}
	check_rest(w, &last);
}

static void the_world_comes_to_rest_with_what_was_asked_for(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct world *w = xmalloc(sizeof(*w));

	for (uint64_t seed = 1; seed <= WORLDS; seed++) {
		world_init(w, seed);
		run(w, mem);
	}
	xfree(w);
}

/*
 * Whatever is shown.
 */

static int64_t any_time(struct world *w)
{
	switch (roll(w, 5)) {
	case 0:
		return 0;
	case 1:
		return (int64_t)rand_u64(&w->rand.base);
	case 2:
		return w->now + (int64_t)roll(w, US_PER_DAY);
	default:
		return w->now - (int64_t)roll(w, 3 * US_PER_DAY);
	}
}

static struct copy any_copy(struct world *w, uint32_t peer_no)
{
	uint64_t gen = roll(w, 4) ? roll(w, 1000) : 0;

	return (struct copy){
		.peer_no = peer_no,
		.gen = gen,
		.desired = roll(w, 2),
		.mode = (uint8_t)roll(w, 2),
		.priority = (int32_t)roll(w, 3) - 1,
		.reason = (uint8_t)roll(w, REASON_LOST + 1),
		.assigned_at = any_time(w),
		.stamp = roll(w, 2000),
		.state_gen = roll(w, 3) ? gen : roll(w, 1200),
		.state = (uint8_t)roll(w, COPY_UNPINNED + 1),
		.failure = (uint8_t)roll(w, FAILURE_DENIED + 1),
		.attempts = (uint16_t)roll(w, roll(w, 2) ? 8 : 65536),
		.adopted = roll(w, 8) == 0,
		.size = roll(w, 2) ? roll(w, 100) : rand_u64(&w->rand.base),
		.next_at = any_time(w),
		.failing_since = any_time(w),
		.observed_at = any_time(w),
	};
}

static void any_peers_and_copies(struct world *w, struct seen *seen)
{
	for (uint32_t no = 0; no < NODES; no++) {
		uint32_t peer_no = no == NODES - 1 ? UINT32_MAX : no;

		if (roll(w, 4))
			seen->peers[seen->view.n_peers++] = (struct place_peer){
				.peer_no = peer_no,
				.zone = roll(w, 4) ? zone_texts[roll(w, 3)] : (struct slice){ 0 },
				.tags = any_tags(w, 0, 2),
				.health = (enum peer_health)(roll(w, 2) * roll(w, 4)),
				.wish = (enum place_wish)(roll(w, 2) * roll(w, 4)),
				.free_bytes = roll(w, 2) ? 1000 : rand_u64(&w->rand.base),
				.reserved_bytes = roll(w, 2) ? 0 : rand_u64(&w->rand.base),
				.capacity_bytes = rand_u64(&w->rand.base),
			};
		if (roll(w, 2))
			seen->copies[seen->view.n_copies++] = any_copy(w, peer_no);
	}
}

static void any_requests(struct world *w, struct seen *seen)
{
	w->n_requests = roll(w, REQUESTS + 1);
	for (size_t i = 0; i < w->n_requests; i++) {
		struct request *r = &w->requests[i];

		w->creates[i] = (struct fact){ .mode = (uint8_t)roll(w, 2) };
		if (roll(w, 3) == 0)
			w->creates[i].allocations = (struct slice_list){ zone_texts, roll(w, 4) };
		random_revision(w, i);
		w->revisions[i].retry_at = any_time(w);
		*r = (struct request){ .create = &w->creates[i], .revision = &w->revisions[i] };
		r->life = (enum request_life)roll(w, REQUEST_ENDED + 1);
		if (r->life > REQUEST_LIVE)
			r->end = &w->ends[i];
		if (r->life == REQUEST_ABSENT)
			r->create = r->revision = NULL;
		seen->requests[i] = (struct wanted_request){
			r, r->life == REQUEST_LIVE || (r->life == REQUEST_REPLACED && roll(w, 2))
		};
	}
	seen->view.n_requests = w->n_requests;
}

static void garbage_never_breaks_a_promise(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct world *w = xmalloc(sizeof(*w));

	world_init(w, 77);
	for (int round = 0; round < 30000; round++) {
		struct seen seen = { .view = { .now_us = w->now,
					       .seed = rand_u64(&w->rand.base) } };
		struct reconcile_plan plan;

		arena_reset(mem);
		any_requests(w, &seen);
		any_peers_and_copies(w, &seen);
		aim(&seen);
		seen.view.next_gen = version_next(2000, 0, (unsigned)roll(w, 1000));
		seen.view.pending_until = any_time(w);
		w->policy.rebalance = roll(w, 4) == 0;
		w->policy.keep_free_bytes = roll(w, 100);
		plan = reconcile_step(&seen.view, &w->policy, mem);
		check_plan(&seen.view, &plan);
		check_own_result(&seen.view, &w->policy, &plan, mem);
		check_order_of_requests(&seen, &w->policy, &plan, mem);
	}
	xfree(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_world_comes_to_rest_with_what_was_asked_for),
		cmocka_unit_test(garbage_never_breaks_a_promise),
	};
	return cmocka_run_group_tests_name("reconcile/reconcile_world", tests, NULL, NULL);
}
