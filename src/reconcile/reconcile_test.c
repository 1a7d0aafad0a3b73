/*
 * Situations, written down as short texts:
 *
 *	requests  "2" replicas, "1-3" rf_min-rf_max, "*" everywhere; then any of
 *	          d direct, e ended, t retry asked, T retry asked by a clock that is ahead,
 *	          ^7 priority, @5 wishes peer 5, :eu,us only these zones
 *	peers     "3" number; then any of ? suspect, v down, x dead, p paused, d draining,
 *	          f removed, s short of space; :eu its zone
 *	copies    "3P" peer and reported state: Q queued, G being fetched, P pinned, E error,
 *	          U unpinned, N nothing reported; then any of - not desired, d direct, o old,
 *	          ^7 priority, > its worker is ahead, < behind, s stalled, u unreachable, r refused,
 *	          n no space, i invalid (each 5 times), 1 but only once, h but since a day,
 *	          R retried already, m moved there by a rebalance
 *	plan      +3 a copy more, -3 given up, =3 written anew, >3 sent again, x3 row can go;
 *	          !2 pinned ones given up without an end, ?1 missing
 *
 * The seed is such that peer 1 ranks best, then 2, and so on.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "reconcile/reconcile.h"

#define NOW  (400 * US_PER_DAY)
#define GEN  UINT64_C(5000000)
#define NEXT (GEN + 10000000)

static const struct reconcile_policy policy = {
	.keep_free_bytes = 1000,
	.republish_us = 30 * US_PER_S,
	.forget_us = US_PER_DAY,
	.recheck_us = 10 * US_PER_MIN,
};

struct situation {
	const char *name, *requests, *peers, *copies, *plan;
};

static const struct situation placing[] = {
	{ "a new request goes to the best peers", "2", "1 2 3", "", "+1 +2" },
	{ "enough copies: nothing to do", "2", "1 2 3", "1P 2P", "" },
	{ "holders stay though others rank better", "2", "1 2 3 4", "3P 4P", "" },
	{ "copies on their way count", "2", "1 2 3", "2N 3G", "" },
	{ "one is missing: it is added", "3", "1 2 3", "1P 3P", "+2" },
	{ "rf_max is the target, not rf_min", "1-3", "1 2 3 4", "1P", "+2 +3" },
	{ "no peers at all", "2", "", "", "?2" },
	{ "too few peers: what is there is used", "3", "1 2", "", "+1 +2 ?1" },
	{ "everywhere means all that qualify", "*", "1 2 3 4x 5p", "", "+1 +2 +3" },
	{ "everywhere: those that may soon qualify are waited for", "*", "1 2? 4s 5v", "1P", "?2" },
	{ "everywhere and nobody qualifies", "*", "4s 5v", "", "?1" },
	{ "everywhere: nobody waits for those that are full", "*", "1 2s", "1P", "" },
	{ "a new peer gets a copy of what is everywhere", "*", "1 2 3", "1P 2P", "+3" },
	{ "zones are spread first", "2", "1:a 2:a 3:b", "", "+1 +3" },
	{ "zones are spread around what is there", "2", "1:a 2:b 3:b", "3P", "+1" },
	{ "two zones and four copies are two each", "4", "1:a 2:a 3:a 4:b 5:b", "", "+1 +2 +4 +5" },
	{ "peers without zone are one zone", "2", "1 2 3:b", "", "+1 +3" },
	{ "only the zones asked for", "2:b,c", "1:a 2:a 3:b 4:c", "", "+3 +4" },
	{ "zones asked for that have too few peers", "2:b", "1:a 2:a 3:b", "", "+3 ?1" },
	{ "wished peers come first", "2@4", "1 2 3 4", "", "+1 +4" },
	{ "wished peers come before the spread of zones", "2@1@2", "1:a 2:a 3:b", "", "+1 +2" },
	{ "a wished peer that is down is replaced", "1@4", "1 2 4v", "", "+1" },
	{ "a wish does not move what is there", "1@4", "1 2 4", "2P", "" },
	{ "suspect, down, dead, paused, draining, removed and full peers get nothing new", "1",
	  "1? 2v 3x 4p 5d 6f 7s 8", "", "+8" },
	{ "blocks that still lie there are used again", "1", "1 2 3", "3P-", "+3" },
};

static const struct situation requests[] = {
	{ "two requests share the copies", "1 2", "1 2 3", "", "+1 +2" },
	{ "the most replicas count", "1 3", "1 2 3 4", "1P", "+2 +3" },
	{ "zones of two requests: the union", "1:a 1:b", "1:a 2:b 3:b", "", "+1 +2" },
	{ "the freer request shares the stricter one's copy", "1 1:b", "1:a 2:b 3:b", "", "+2" },
	{ "the freer request's wish serves the stricter one too", "1:a 1@1", "1:a 2:a 3:a", "3P-",
	  "+1" },
	{ "one that is pinned already serves the freer one meanwhile", "1 1:b", "1:a 2:b", "1P",
	  "+2" },
	{ "and goes once the other serves both", "1 1:b", "1:a 2:b", "1P 2P", "-1 !1" },
	{ "recursive wins over direct", "1d 1", "1 2", "1Pd", "=1" },
	{ "direct when all are", "1d 1d", "1 2", "1Pd", "" },
	{ "direct again when the recursive one has ended", "1d 1e", "1 2", "1N", "=1" },
	{ "a recursive pin that is there serves a direct wish", "1d 1e", "1 2", "1P", "" },
	{ "the highest priority counts for what is queued", "1^2 1^7", "1 2", "1Q^2", "=1" },
	{ "priority does not touch what is pinned", "1^2 1^7", "1 2", "1P^2", "" },
	{ "an ended request asks for nothing", "2e", "1 2", "", "" },
	{ "one ended, one live: its copy stays", "1 1e", "1 2", "1P", "" },
	{ "the last one ended: all copies go", "2e", "1 2 3", "1P 2P", "-1 -2" },
	{ "copies on their way go too", "2e", "1 2 3", "1Q 2N", "-1 -2" },
	{ "on dead and removed peers too", "2e", "1x 2f", "1P 2P 3P", "-1 -2 -3" },
	{ "no request and no end: somebody has to agree", "", "1 2", "1P 2P", "-1 -2 !2" },
	{ "more wanted by one that ended: an end explains it", "1 2e", "1 2", "1P 2P", "-2" },
	{ "an end in another zone explains nothing", "1 2e:x", "1:a 2:b", "1P 2P", "-2 !1" },
	{ "a request that comes back takes back what is not gone yet", "1", "1 2 3", "2P-", "+2" },
};

static const struct situation moving[] = {
	{ "fewer wanted: surplus goes", "1", "1 2 3", "1P 2P 3P", "-2 -3 !2" },
	{ "pinned ones stay, not those on their way", "1", "1 2 3", "1G 3P", "-1" },
	{ "surplus stays while the others are not pinned", "2", "1 2 3", "1P 2G 3G", "" },
	{ "what stays is spread over zones", "2", "1:a 2:a 3:b", "1P 2P 3P", "-2 !1" },
	{ "zones changed: the new copy first", "1:b", "1:a 2:b", "1P", "+2" },
	{ "zones changed: the old copy stays until the new one is pinned", "1:b", "1:a 2:b",
	  "1P 2G", "" },
	{ "zones changed: the old copy goes", "1:b", "1:a 2:b", "1P 2P", "-1 !1" },
	{ "zones without peers: the old copy stays", "1:c", "1:a 2:b", "1P", "?1" },

	{ "suspect: nothing moves", "2", "1? 2 3", "1P 2P", "" },
	{ "down within the grace: nothing moves", "2", "1v 2 3", "1P 2P", "" },
	{ "paused: nothing moves, however long", "2", "1px 2 3", "1P 2P", "" },
	{ "dead: replaced, its copy stays wanted", "2", "1x 2 3", "1P 2P", "+3" },
	{ "dead: waits for the replacement", "2", "1x 2 3", "1P 2P 3G", "" },
	{ "dead: given up once enough are pinned", "2", "1x 2 3", "1P 2P 3P", "-1 !1" },
	{ "dead and nobody else: its copy stays wanted", "2", "1x 2", "1P 2P", "?1" },
	{ "all dead: nothing is given up", "2", "1x 2x", "1P 2P", "?2" },
	{ "back before the replacement is pinned: as it was", "2", "1 2 3", "1P 2P 3G", "-3" },
	{ "back after that: three are pinned, two stay", "2", "1 2 3", "1P 2P 3P", "-3 !1" },
	{ "back after it was given up: nothing to do but tell it", "2", "1 2 3", "1P-o 2P 3P",
	  ">1" },
	{ "pinned on a silent peer is not enough to give up another", "1", "1? 2x", "1P 2P", "" },
	{ "of too many the silent one goes", "1", "1? 2", "1P 2P", "-1 !1" },

	{ "draining: replaced", "2", "1d 2 3", "1P 2P", "+3" },
	{ "draining: waits", "2", "1d 2 3", "1P 2P 3G", "" },
	{ "draining: given up once enough are pinned", "2", "1d 2 3", "1P 2P 3P", "-1" },
	{ "draining, and too few others: stays below rf_min", "2", "1d 2", "1P 2P", "?1" },
	{ "draining, and too few others: goes at rf_min", "1-2", "1d 2", "1P 2P", "-1 ?1" },
	{ "dead, and too few others: stays at rf_min", "1-2", "1x 2", "1P 2P", "?1" },
	{ "draining: a copy that its worker does not have goes at once", "1", "1d 2 3", "1E 2G",
	  "-1" },
	{ "draining: a copy nobody reported on may be there", "1", "1d 2 3", "1N 2G", "" },
	{ "draining the last peer", "1", "1d", "1P", "?1" },
	{ "drained again made active: stays", "1", "1 2", "1P 2G", "-2" },
	{ "removed peers drain too", "1", "1f 2", "1P 2P", "-1" },
	{ "peers that are not listed too", "1", "2", "1P 2P", "-1 !1" },
	{ "everywhere: draining waits for all others", "*", "1d 2 3", "1P 2P 3G", "" },
	{ "everywhere: drained", "*", "1d 2 3", "1P 2P 3P", "-1" },
};

static const struct situation mending[] = {
	{ "lost: pinned again at the same peer", "2", "1 2 3", "1U 2P", "=1" },
	{ "lost where it was not needed any more: let go", "2", "1x 2", "1U 2P", "-1 ?1" },
	{ "failed a few times: waits", "1", "1 2", "1En1", "" },
	{ "no space for long: tried elsewhere", "1", "1 2", "1En", "+2" },
	{ "no space for a day: tried elsewhere", "1", "1 2", "1En1h", "+2" },
	{ "no space while it is tried again: elsewhere too", "1", "1 2", "1Gn", "+2" },
	{ "refused for long: tried elsewhere", "1", "1 2", "1Er", "+2" },
	{ "unreachable for long: tried elsewhere", "1", "1 2", "1Eu", "+2" },
	{ "invalid: nobody else can either", "1", "1 2", "1Ei", "" },
	{ "stalled everywhere: not chased", "2", "1 2 3 4", "1Es 2Es", "" },
	{ "stalled here, pinned there: tried elsewhere", "2", "1 2 3 4", "1Es 2P", "+3" },
	{ "stalled on many: the chase ends", "2", "1 2 3 4 5 6", "1P 2Es 3Es 4Es 5Es", "" },
	{ "stalled on some: one more", "2", "1 2 3 4 5 6", "1P 2Es 3Es 4Es", "+5" },
	{ "nobody else qualifies: it stays where it fails", "1", "1 2s", "1En", "" },
	{ "the failing copy stays wanted until another is pinned", "1", "1 2", "1En 2G", "" },
	{ "then it is given up", "1", "1 2", "1En 2P", "-1" },
	{ "the failing one made it after all", "1", "1 2", "1P 2G", "-2" },
	{ "nobody goes back to where it failed", "1", "1 2 3", "1U-n", "+2" },
	{ "unless nobody else qualifies", "1", "1 2s", "1U-n", "+1" },
	{ "everywhere: failing copies stay", "*", "1 2", "1En 2P", "" },
	{ "retry: a failed copy is written anew", "1t", "1 2", "1Es", "=1" },
	{ "retry: done already", "1t", "1 2", "1EsR", "" },
	{ "retry: only what failed", "1t", "1 2", "1G", "" },
	{ "retry: not before its time", "1T", "1 2", "1Es", "" },
	{ "retry: copies that others replace too", "1t", "1 2", "1En 2G", "=1" },

	{ "asked for once more while it waits: sent again", "1 1n", "1 2", "1Q", ">1" },
	{ "asked for once more, pinned: nothing to tell", "1 1n", "1 2", "1P", "" },
	{ "asked for once more after it failed: tried at once", "1 1n", "1 2", "1Es", "=1" },
	{ "and that by a clock that was ahead", "1 1n", "1 2", "1EsA", "=1" },

	{ "no report for a while: sent again", "1", "1 2", "1No", ">1" },
	{ "an old report that says queued: sent again", "1", "1 2", "1Qo", ">1" },
	{ "pinned is not sent again", "1", "1 2", "1Po", "" },
	{ "not to peers that are silent", "1", "1v", "1No", "" },
	{ "a failure told by a clock that was a day ahead: sent again", "1", "1 2", "1Eoa", ">1" },
	{ "assigned by such a clock as well: sent again", "1", "1 2", "1EaA", ">1" },
	{ "an unpin nobody reports on is sent again", "1e", "1 2", "1N-o", ">1" },
	{ "a refused unpin is sent again", "1e", "1 2", "1P-o", ">1" },
	{ "a worker ahead of the store: written anew", "1", "1 2", "1P>", "=1" },
	{ "a worker ahead that holds what nobody wants: given up", "", "1 2", "1P->", "-1 !1" },
	{ "a worker ahead that holds what is wanted: taken back", "1", "1 2 3", "3P->", "+3" },
	{ "a worker ahead on a draining peer: not before others are pinned", "1", "1d 2", "1P-> 2G",
	  "" },
	{ "a worker ahead is not sent what is older", "1", "1d 2", "1P->o 2G", "" },
	{ "a worker ahead on a draining peer: then", "1", "1d 2", "1P-> 2P", "-1" },

	{ "unpinned long ago: its row goes", "1e", "1 2", "1U-o", "x1" },
	{ "unpinned before it was wanted once more: its row stays", "1e", "1 2", "1U-o<", ">1" },
	{ "a row that tells of a failure stays while the CID is wanted", "1", "1 2", "1U-on 2P",
	  "" },
	{ "unpinned just now: its row stays", "1e", "1 2", "1U-", "" },
	{ "rows of removed peers go without a report", "1e", "1f", "1P-o 2P-o", "x1 x2" },
	{ "rows of dead peers stay: they may come back", "1e", "1x", "1P-o", "" },
};

static struct slice word(struct arena *mem, const char **p)
{
	const char *from = *p;

	while (isalnum((unsigned char)**p))
		(*p)++;
	return arena_copy(mem, SLICE_OF(from, (size_t)(*p - from)));
}

static void list_add(struct arena *mem, struct slice_list *list, struct slice item)
{
	struct slice *at = arena_new_array(mem, struct slice, list->n + 1);

	for (size_t i = 0; i < list->n; i++)
		at[i] = list->at[i];
	at[list->n] = item;
	*list = (struct slice_list){ at, list->n + 1 };
}

static int32_t number(const char **p)
{
	return (int32_t)strtol(*p, (char **)(uintptr_t)p, 10);
}

#define MANY 8

struct scene {
	struct fact creates[MANY], revisions[MANY], ends[MANY];
	struct request requests[MANY];
	struct wanted_request wanted[MANY];
	struct place_peer peers[MANY];
	struct copy copies[MANY];
	struct reconcile_view view;
};

static void parse_request(struct scene *s, const char **p, struct arena *mem)
{
	size_t i = s->view.n_requests++;
	struct fact *create = &s->creates[i], *rev = &s->revisions[i];

	*create = (struct fact){ .kind = FACT_CREATE, .mode = PIN_RECURSIVE };
	*rev = (struct fact){ .kind = FACT_REVISION, .rev = GEN };
	s->requests[i] = (struct request){ REQUEST_LIVE, create, rev, NULL, GEN };
	s->wanted[i] = (struct wanted_request){ &s->requests[i], true };
	if (**p == '*') {
		rev->rf_min = rev->rf_max = REPLICAS_EVERYWHERE;
		(*p)++;
	} else {
		rev->rf_min = rev->rf_max = number(p);
		if (**p == '-') {
			(*p)++;
			rev->rf_max = number(p);
		}
	}
	while (**p && **p != ' ') {
		switch (*(*p)++) {
		case 'd':
			create->mode = PIN_DIRECT;
			break;
		case 'e':
			s->ends[i] = (struct fact){ .kind = FACT_END, .cause = END_BY_OWNER };
			s->requests[i].end = &s->ends[i];
			s->requests[i].life = REQUEST_ENDED;
			s->wanted[i].wanted = false;
			break;
		case 'n':
			create->created_at = NOW - US_PER_S / 2;
			break;
		case 't':
			rev->retry_at = NOW - US_PER_S / 2;
			break;
		case 'T':
			rev->retry_at = NOW + US_PER_S;
			break;
		case '^':
			rev->priority = number(p);
			break;
		case '@':
			list_add(mem, &create->allocations, word(mem, p));
			break;
		case ':':
		case ',':
			list_add(mem, &rev->zones, word(mem, p));
			break;
		default:
			fail_msg("request flag %s", *p - 1);
		}
	}
}

static void parse_peer(struct scene *s, const char **p, struct arena *mem)
{
	struct place_peer *peer = &s->peers[s->view.n_peers++];

	*peer = (struct place_peer){
		.peer_no = (uint32_t)number(p),
		.free_bytes = 100000,
		.reserved_bytes = 1000,
		.capacity_bytes = 1000000,
	};
	peer->peer_id = slice_str(arena_printf(mem, "%u", peer->peer_no));
	while (**p && **p != ' ') {
		switch (*(*p)++) {
		case '?':
			peer->health = HEALTH_SUSPECT;
			break;
		case 'v':
			peer->health = HEALTH_DOWN;
			break;
		case 'x':
			peer->health = HEALTH_DEAD;
			break;
		case 'p':
			peer->wish = PLACE_PAUSED;
			break;
		case 'd':
			peer->wish = PLACE_DRAINING;
			break;
		case 'f':
			peer->wish = PLACE_FORGOTTEN;
			break;
		case 's':
			peer->free_bytes = 2000;
			break;
		case ':':
			peer->zone = word(mem, p);
			break;
		default:
			fail_msg("peer flag %s", *p - 1);
		}
	}
}

static void fails(struct copy *c, enum copy_failure failure)
{
	c->failure = (uint8_t)failure;
	c->attempts = COPY_FAILED_ATTEMPTS;
	c->failing_since = NOW - US_PER_H + c->peer_no;
	c->next_at = NOW + US_PER_H;
}

static void parse_state(struct copy *c, char state)
{
	static const char states[] = "QGPEU";
	const char *at = strchr(states, state);

	if (state == 'N') {
		c->stamp = c->state_gen = 0;
		return;
	}
	assert_non_null(at);
	c->state = (uint8_t)(at - states);
}

static void parse_copy(struct scene *s, const char **p, struct arena *mem UNUSED)
{
	struct copy *c = &s->copies[s->view.n_copies++];

	*c = (struct copy){ .peer_no = (uint32_t)number(p),
			    .gen = GEN,
			    .desired = true,
			    .mode = PIN_RECURSIVE,
			    .assigned_at = NOW - US_PER_S,
			    .stamp = GEN + 1,
			    .state_gen = GEN,
			    .observed_at = NOW - US_PER_S,
			    .size = 500 };
	parse_state(c, *(*p)++);
	while (**p && **p != ' ') {
		switch (*(*p)++) {
		case '-':
			c->desired = false;
			break;
		case 'd':
			c->mode = PIN_DIRECT;
			break;
		case 'o':
			c->assigned_at = c->observed_at = NOW - 2 * US_PER_DAY;
			break;
		case 'a':
			c->observed_at = NOW + US_PER_DAY;
			c->next_at = c->observed_at + US_PER_MIN;
			break;
		case 'A':
			c->assigned_at = NOW + US_PER_DAY;
			break;
		case '^':
			c->priority = number(p);
			break;
		case '>':
			c->state_gen = c->gen + 1000;
			break;
		case '<':
			c->state_gen = c->gen - 1000;
			break;
		case 's':
			fails(c, FAILURE_STALLED);
			break;
		case 'u':
			fails(c, FAILURE_UNREACHABLE);
			break;
		case 'r':
			fails(c, FAILURE_REFUSED);
			break;
		case 'n':
			fails(c, FAILURE_NO_SPACE);
			break;
		case 'i':
			fails(c, FAILURE_INVALID);
			break;
		case '1':
			c->attempts = 1;
			break;
		case 'h':
			c->failing_since = NOW - 25 * US_PER_H;
			break;
		case 'R':
			c->assigned_at = NOW;
			break;
		case 'm':
			c->reason = REASON_REBALANCED;
			break;
		default:
			fail_msg("copy flag %s", *p - 1);
		}
	}
}

static void parse_all(struct scene *s, const char *text, struct arena *mem,
		      void (*one)(struct scene *, const char **, struct arena *))
{
	while (*text) {
		one(s, &text, mem);
		while (*text == ' ')
			text++;
	}
}

/* Peer 1 ranks best, then 2, ... */
static uint64_t ranking_seed(void)
{
	uint64_t seed = 0;
	bool falls;

	do {
		seed++;
		falls = true;
		for (uint32_t p = 1; p < 6 && falls; p++)
			falls = place_score(seed, p) > place_score(seed, p + 1);
	} while (!falls);
	return seed;
}

static struct scene *scene_of(const struct situation *t, struct arena *mem)
{
	struct scene *s = arena_new_of(mem, struct scene);

	s->view = (struct reconcile_view){
		.now_us = NOW,
		.seed = ranking_seed(),
		.requests = s->wanted,
		.copies = s->copies,
		.peers = s->peers,
		.next_gen = NEXT,
	};
	parse_all(s, t->requests, mem, parse_request);
	parse_all(s, t->peers, mem, parse_peer);
	parse_all(s, t->copies, mem, parse_copy);
	return s;
}

static const struct copy *copy_of(const struct scene *s, uint32_t peer_no)
{
	for (size_t i = 0; i < s->view.n_copies; i++) {
		if (s->copies[i].peer_no == peer_no)
			return &s->copies[i];
	}
	return NULL;
}

static bool written(const struct reconcile_plan *plan, uint32_t peer_no)
{
	for (size_t i = 0; i < plan->n_desired; i++) {
		if (plan->desired[i].peer_no == peer_no)
			return true;
	}
	return false;
}

/* The signs in the order +, -, =, >, x, !, ? */
static void plan_text(const struct scene *s, const struct reconcile_plan *plan, struct buf *out)
{
	for (const char *sign = "+-="; *sign; sign++) {
		for (size_t i = 0; i < plan->n_desired; i++) {
			const struct copy *c = &plan->desired[i], *was = copy_of(s, c->peer_no);
			char is = !c->desired ? '-' : was && was->desired ? '=' : '+';

			assert_int_equal(c->gen, NEXT);
			assert_int_equal(c->assigned_at, NOW);
			if (is == *sign)
				buf_printf(out, "%c%u ", is, c->peer_no);
		}
	}
	for (size_t i = 0; i < plan->n_publish; i++) {
		if (!written(plan, plan->publish[i]))
			buf_printf(out, ">%u ", plan->publish[i]);
	}
	for (size_t i = 0; i < plan->n_forget; i++)
		buf_printf(out, "x%u ", plan->forget[i]);
	if (plan->n_given_up)
		buf_printf(out, "!%zu ", plan->n_given_up);
	if (plan->missing)
		buf_printf(out, "?%u ", plan->missing);
	if (out->len > 0)
		out->len--;
	buf_add_byte(out, 0);
}

static void check(const struct situation *t)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	CLEANUP(buf_free) struct buf got = { 0 };
	struct scene *s = scene_of(t, mem);
	struct reconcile_plan plan = reconcile_step(&s->view, &policy, mem);

	plan_text(s, &plan, &got);
	if (strcmp((const char *)got.ptr, t->plan) != 0)
		print_error("%s\n", t->name);
	assert_string_equal((const char *)got.ptr, t->plan);
	assert_true(plan.next_at == 0 || plan.next_at > NOW);
}

#define CHECK_ALL(list)                                      \
	do {                                                 \
		for (size_t i = 0; i < ARRAY_LEN(list); i++) \
			check(&(list)[i]);                   \
	} while (0)

static void copies_are_placed(void **state UNUSED)
{
	CHECK_ALL(placing);
}

static void several_requests_go_together(void **state UNUSED)
{
	CHECK_ALL(requests);
}

static void copies_move_without_a_gap(void **state UNUSED)
{
	CHECK_ALL(moving);
}

static void what_is_wrong_is_mended(void **state UNUSED)
{
	CHECK_ALL(mending);
}

static const struct {
	const char *name;
	struct situation at;
	int64_t in; /* us from now until the plan wants to look again; 0 = never */
} times[] = {
	{ "all is well", { .requests = "1", .peers = "1", .copies = "1P" }, 0 },
	{ "a copy was written", { .requests = "1", .peers = "1", .copies = "" }, 30 * US_PER_S },
	{ "nobody reported yet", { .requests = "1", .peers = "1", .copies = "1N" }, 29 * US_PER_S },
	{ "nobody reported for two days",
	  { .requests = "1", .peers = "1", .copies = "1No" },
	  US_PER_DAY },
	{ "the worker waits",
	  { .requests = "1", .peers = "1", .copies = "1Es" },
	  US_PER_H + 30 * US_PER_S },
	{ "the peer is silent",
	  { .requests = "1", .peers = "1v", .copies = "1N" },
	  10 * US_PER_MIN },
	{ "a copy is missing", { .requests = "2", .peers = "1", .copies = "1P" }, 10 * US_PER_MIN },
	{ "an old copy waits for the new one",
	  { .requests = "1", .peers = "1d 2v", .copies = "1P 2P" },
	  10 * US_PER_MIN },
	{ "a row is kept a day",
	  { .requests = "1e", .peers = "1", .copies = "1U-" },
	  US_PER_DAY - US_PER_S },
	{ "a retry lies ahead", { .requests = "1T", .peers = "1", .copies = "1Es" }, US_PER_S },
};

static void the_plan_says_when_to_look_again(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		struct scene *s = scene_of(&times[i].at, mem);
		struct reconcile_plan plan = reconcile_step(&s->view, &policy, mem);
		int64_t want = times[i].in ? NOW + times[i].in : 0;

		if (plan.next_at != want)
			print_error("%s\n", times[i].name);
		assert_int_equal(plan.next_at, want);
	}
}

static void a_replaced_request_is_looked_at_again(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct situation at = { .requests = "1", .peers = "1", .copies = "1P" };
	struct scene *s = scene_of(&at, mem);

	s->view.pending_until = NOW + 7;
	assert_int_equal(reconcile_step(&s->view, &policy, mem).next_at, NOW + 7);
}

static const struct {
	struct situation at;
	uint32_t peer_no;
	enum copy_reason reason;
} reasons[] = {
	{ { .requests = "1", .peers = "1", .copies = "" }, 1, REASON_REQUESTED },
	{ { .requests = "1", .peers = "1x 2", .copies = "1P" }, 2, REASON_REPLACED },
	{ { .requests = "*", .peers = "1", .copies = "" }, 1, REASON_EVERYWHERE },
	{ { .requests = "1e", .peers = "1", .copies = "1P" }, 1, REASON_ENDED },
	{ { .requests = "1", .peers = "1 2", .copies = "1P 2P" }, 2, REASON_SURPLUS },
	{ { .requests = "1", .peers = "1d 2", .copies = "1P 2P" }, 1, REASON_DRAINED },
	{ { .requests = "1", .peers = "1x 2", .copies = "1P 2P" }, 1, REASON_REPLACED },
	{ { .requests = "1", .peers = "1 2", .copies = "1Pd" }, 1, REASON_CHANGED },
	{ { .requests = "1", .peers = "1 2", .copies = "1U" }, 1, REASON_LOST },
};

static void each_written_half_says_why(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		struct scene *s = scene_of(&reasons[i].at, mem);
		struct reconcile_plan plan = reconcile_step(&s->view, &policy, mem);

		assert_int_equal(plan.n_desired, 1);
		assert_int_equal(plan.desired[0].peer_no, reasons[i].peer_no);
		assert_int_equal(plan.desired[0].reason, reasons[i].reason);
	}
}

static void a_written_half_carries_mode_and_priority(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct situation at = { .requests = "1d^3 1d^9", .peers = "1 2", .copies = "" };
	struct situation end = { .requests = "1e", .peers = "1 2", .copies = "1P^4" };
	struct scene *s = scene_of(&at, mem);
	struct reconcile_plan plan = reconcile_step(&s->view, &policy, mem);

	assert_int_equal(plan.desired[0].mode, PIN_DIRECT);
	assert_int_equal(plan.desired[0].priority, 9);

	s = scene_of(&end, mem); /* unpinned in the form that was pinned */
	plan = reconcile_step(&s->view, &policy, mem);
	assert_int_equal(plan.desired[0].mode, PIN_RECURSIVE);
	assert_int_equal(plan.desired[0].size, 500);
}

static void what_is_on_its_way_is_given_up_for_nothing_unless_it_may_have_come(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct situation t = { .requests = "1", .peers = "1 2 3", .copies = "1G 3P" };
	struct reconcile_policy restored = policy;
	struct scene *s = scene_of(&t, mem);

	assert_int_equal(reconcile_step(&s->view, &policy, mem).n_given_up, 0);
	restored.ends_from = 1;
	assert_int_equal(reconcile_step(&s->view, &restored, mem).n_given_up, 1);
}

static void removed_peers_are_not_told(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct situation at = { .requests = "1e", .peers = "1f 2x", .copies = "1P 2P 3P" };
	struct scene *s = scene_of(&at, mem);
	struct reconcile_plan plan = reconcile_step(&s->view, &policy, mem);

	assert_int_equal(plan.n_desired, 3);
	assert_int_equal(plan.n_publish, 1);
	assert_int_equal(plan.publish[0], 2);
}

static void the_plan_says_why_a_peer_gets_nothing(void **state UNUSED)
{
	static const enum place_refusal want[] = {
		PLACE_OK,        PLACE_SUSPECT,          PLACE_DOWN,
		PLACE_DRAINED,   PLACE_NOT_ENOUGH_SPACE, PLACE_NOT_NEEDED,
		PLACE_WRONG_ZONE
	};
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct situation at = { .requests = "1:a 1:a,b",
				.peers = "1:a 2?:a 3x:a 4d:b 5s:a 6:b 7:c",
				.copies = "" };
	struct scene *s = scene_of(&at, mem);
	struct reconcile_plan plan = reconcile_step(&s->view, &policy, mem);

	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		assert_int_equal(plan.refusals[i], want[i]);
}

static void rebalancing_moves_to_the_fresh_placement(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct reconcile_policy rebalance = policy;
	struct situation at = { .requests = "2", .peers = "1 2? 3 4", .copies = "2P 4P" };
	struct scene *s = scene_of(&at, mem);
	struct reconcile_plan plan;

	rebalance.rebalance = true; /* the suspect one is not moved away from */
	plan = reconcile_step(&s->view, &rebalance, mem);
	assert_int_equal(plan.n_desired, 1);
	assert_int_equal(plan.desired[0].peer_no, 1);
	assert_int_equal(plan.desired[0].reason, REASON_REBALANCED);
	assert_int_equal(reconcile_step(&s->view, &policy, mem).n_desired, 0);
}

/* The fetch may last for days, and the looks that come meanwhile know of no rebalance. */
static void a_rebalance_is_not_undone_by_later_looks(void **state UNUSED)
{
	static const struct situation then[] = {
		{ "it is being fetched", "1", "1 2", "1Gm 2P", "" },
		{ "whatever else goes there", "1", "1s 2", "1Gm 2P", "" },
		{ "it is there", "1", "1 2", "1Pm 2P", "-2 !1" },
		{ "and its peer is full now", "1", "1s 2", "1Pm 2P", "-2 !1" },
		{ "it is to be more urgent", "1^7", "1 2", "1Gm 2P", "=1" },
		{ "its peer is gone", "1", "1x 2", "1Gm 2P", "-1" },
		{ "it keeps failing", "1", "1 2", "1Enm 2P", "-1" },
	};

	CHECK_ALL(then);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_are_placed),
		cmocka_unit_test(several_requests_go_together),
		cmocka_unit_test(copies_move_without_a_gap),
		cmocka_unit_test(what_is_wrong_is_mended),
		cmocka_unit_test(the_plan_says_when_to_look_again),
		cmocka_unit_test(a_replaced_request_is_looked_at_again),
		cmocka_unit_test(each_written_half_says_why),
		cmocka_unit_test(a_written_half_carries_mode_and_priority),
		cmocka_unit_test(
			what_is_on_its_way_is_given_up_for_nothing_unless_it_may_have_come),
		cmocka_unit_test(removed_peers_are_not_told),
		cmocka_unit_test(the_plan_says_why_a_peer_gets_nothing),
		cmocka_unit_test(rebalancing_moves_to_the_fresh_placement),
		cmocka_unit_test(a_rebalance_is_not_undone_by_later_looks),
	};
	return cmocka_run_group_tests_name("reconcile/reconcile", tests, NULL, NULL);
}
