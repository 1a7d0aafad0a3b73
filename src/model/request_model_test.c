/*
 * Explores every interleaving of instances that work on one request whose expiry has
 * passed: the TTL step, two that extend it, one that removes it, each with a clock of its
 * own.  Facts are only inserted; the derived row goes to the highest version (the last
 * revision seen plus the number of facts seen), a tie to either.  In every end state an
 * acknowledged extension has beaten the expiry, a removal is final, and the derived row says what
 * all facts fold to.  The actors use request_fold() and version_next() as the store does.
 */
#include "model/request.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "model/version.h"

#define ACTORS 4
#define FIRST  1000 /* the revision whose expiry has passed */

enum actor { EXPIRE, EXTEND, REMOVE, EXTEND_AGAIN };
enum step { READ, INSERT, LOOK, DERIVE, LOOK_AGAIN, DONE };

struct local {
	uint8_t step;
	uint8_t view;  /* bits 1 << actor: whose facts it has seen */
	uint8_t acked; /* its fact was inserted */
};

struct state {                /* no padding: compared as bytes */
	uint64_t rev[ACTORS]; /* of the fact each actor inserted */
	uint64_t judged;      /* what EXPIRE judged */
	uint64_t derived;     /* version of the derived row */
	uint8_t derived_live;
	uint8_t facts; /* bits 1 << actor: inserted */
	struct local at[ACTORS];
	uint8_t zero[2];
};

struct world {
	int64_t clock[ACTORS];
	bool removal;
	bool look_again;      /* rule R9 */
	struct state *states; /* all that were reached, in order */
	size_t n, cap;
	uint32_t *slots; /* hash table of indices + 1 */
	size_t n_slots;
	size_t ends, bad;
};

static struct request fold(const struct state *s, uint8_t view, struct fact facts[2 + ACTORS])
{
	size_t n = 2;

	memset(facts, 0, (2 + ACTORS) * sizeof(*facts));
	facts[0] = (struct fact){ .kind = FACT_CREATE };
	facts[1] = (struct fact){ .kind = FACT_REVISION, .rev = FIRST, .expires_at = 1 };
	for (int a = 0; a < ACTORS; a++) {
		struct fact *f = &facts[n];

		if (!(view & 1u << a))
			continue;
		f->rev = s->rev[a];
		f->kind = a == EXTEND || a == EXTEND_AGAIN ? FACT_REVISION : FACT_END;
		f->cause = a == EXPIRE ? END_BY_TTL : END_BY_OWNER;
		f->judged_rev = a == EXPIRE ? s->judged : 0;
		n++;
	}
	return request_fold(facts, n);
}

static uint64_t hash(const struct state *s)
{
	uint64_t words[sizeof(*s) / 8], h = 0;

	memcpy(words, s, sizeof(*s));
	for (size_t i = 0; i < sizeof(*s) / 8; i++) {
		h = (h ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	return h;
}

static void enlarge(struct world *w)
{
	xfree(w->slots);
	w->n_slots = w->n_slots ? 4 * w->n_slots : 1024;
	w->slots = xcalloc(w->n_slots, sizeof(*w->slots));
	for (size_t i = 0; i < w->n; i++) {
		size_t at = hash(&w->states[i]) % w->n_slots;

		while (w->slots[at])
			at = (at + 1) % w->n_slots;
		w->slots[at] = (uint32_t)i + 1;
	}
}

static void reach(struct world *w, const struct state *s)
{
	size_t at;

	if (2 * w->n >= w->n_slots)
		enlarge(w);
	at = hash(s) % w->n_slots;
	for (; w->slots[at]; at = (at + 1) % w->n_slots)
		if (memcmp(&w->states[w->slots[at] - 1], s, sizeof(*s)) == 0)
			return;
	if (w->n == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 1024;
		w->states = xrealloc(w->states, w->cap * sizeof(*w->states));
	}
	w->states[w->n++] = *s;
	w->slots[at] = (uint32_t)w->n;
}

static void move(struct world *w, struct state s, int actor, enum step step, uint8_t view)
{
	s.at[actor].step = (uint8_t)step;
	s.at[actor].view = view;
	reach(w, &s);
}

static void insert(struct world *w, struct state s, int actor)
{
	struct fact facts[2 + ACTORS];
	struct request r = fold(&s, s.at[actor].view, facts);
	uint64_t top = FIRST;

	for (int a = 0; a < ACTORS; a++)
		if (s.at[actor].view & 1u << a && s.rev[a] > top)
			top = s.rev[a];
	s.rev[actor] = version_next(top, w->clock[actor], (unsigned)actor);
	if (actor == EXPIRE)
		s.judged = r.revision->rev;
	s.facts |= (uint8_t)(1u << actor);
	s.at[actor].acked = 1;
	if (w->look_again)
		move(w, s, actor, LOOK, 0);
	else
		move(w, s, actor, DERIVE, (uint8_t)(s.at[actor].view | 1u << actor));
}

static void derive(struct world *w, struct state s, int actor)
{
	struct fact facts[2 + ACTORS];
	uint8_t view = s.at[actor].view;
	struct request r = fold(&s, view, facts);
	uint64_t version = r.last_rev + 2 + (uint64_t)__builtin_popcount(view);
	uint8_t live = r.life == REQUEST_LIVE;
	enum step next = w->look_again ? LOOK_AGAIN : DONE;

	if (version == s.derived && live != s.derived_live)
		move(w, s, actor, next, view); /* a tie: the other may win */
	if (version >= s.derived) {
		s.derived = version;
		s.derived_live = live;
	}
	move(w, s, actor, next, view);
}

static void step(struct world *w, const struct state *s, int actor)
{
	struct fact facts[2 + ACTORS];
	struct request r;

	switch ((enum step)s->at[actor].step) {
	case READ:
		r = fold(s, s->facts, facts);
		if (r.life != REQUEST_LIVE || (actor == EXPIRE && r.revision->expires_at == 0))
			move(w, *s, actor, DONE, 0);
		else
			move(w, *s, actor, INSERT, s->facts);
		break;
	case INSERT:
		insert(w, *s, actor);
		break;
	case LOOK:
		move(w, *s, actor, DERIVE, s->facts);
		break;
	case DERIVE:
		derive(w, *s, actor);
		break;
	case LOOK_AGAIN:
		if (s->facts == s->at[actor].view)
			move(w, *s, actor, DONE, 0);
		else
			move(w, *s, actor, DERIVE, s->facts);
		break;
	case DONE:
		break;
	}
}

static bool sound(const struct state *s)
{
	struct fact facts[2 + ACTORS];
	bool live = fold(s, s->facts, facts).life == REQUEST_LIVE;
	bool removed = s->at[REMOVE].acked;
	bool extended = s->at[EXTEND].acked || s->at[EXTEND_AGAIN].acked;

	return s->derived_live == live && !(removed && live) && !(extended && !removed && !live);
}

static void explore(struct world *w)
{
	struct state first = { .derived = FIRST + 2, .derived_live = 1 };

	if (!w->removal)
		first.at[REMOVE].step = DONE;
	w->n = 0;
	if (w->n_slots)
		memset(w->slots, 0, w->n_slots * sizeof(*w->slots));
	reach(w, &first);
	for (size_t i = 0; i < w->n; i++) {
		bool moved = false;

		for (int a = 0; a < ACTORS; a++) {
			struct state s = w->states[i];

			moved |= s.at[a].step != DONE;
			step(w, &s, a);
		}
		if (!moved) {
			w->ends++;
			w->bad += !sound(&w->states[i]);
		}
	}
}

static void explore_all_clocks(struct world *w)
{
	static const int64_t clocks[] = { 0, 50000 }; /* behind what is stored, and ahead */

	static_assert(sizeof(struct state) == 6 * 8 + 16, "no padding");
	for (unsigned i = 0; i < 2 * 16; i++) {
		w->removal = i % 2;
		w->clock[0] = clocks[i / 2 % 2];
		w->clock[1] = clocks[i / 4 % 2];
		w->clock[2] = clocks[i / 8 % 2];
		w->clock[3] = clocks[i / 16 % 2];
		explore(w);
	}
	xfree(w->states);
	xfree(w->slots);
}

static void no_interleaving_loses_a_renewal_a_removal_or_the_derived_row(void **state UNUSED)
{
	struct world w = { .look_again = true };

	explore_all_clocks(&w);
	assert_true(w.ends > 500);
	assert_int_equal(w.bad, 0);
}

static void without_looking_again_some_interleaving_goes_wrong(void **state UNUSED)
{
	struct world w = { .look_again = false };

	explore_all_clocks(&w);
	assert_true(w.bad > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_interleaving_loses_a_renewal_a_removal_or_the_derived_row),
		cmocka_unit_test(without_looking_again_some_interleaving_goes_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
