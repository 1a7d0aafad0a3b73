#include "model/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/rand.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static struct fact create(void)
{
	return (struct fact){ .kind = FACT_CREATE, .mode = PIN_RECURSIVE };
}

static struct fact revision(uint64_t rev)
{
	return (struct fact){ .kind = FACT_REVISION, .rev = rev, .rf_min = 1, .rf_max = 1 };
}

static struct fact end(uint64_t rev, enum end_cause cause, uint64_t judged)
{
	return (struct fact){ .kind = FACT_END, .rev = rev, .cause = cause, .judged_rev = judged };
}

static void facts_fold_to_what_holds(void **state UNUSED)
{
	const struct {
		const char *what;
		struct fact facts[5];
		size_t n;
		enum request_life life;
		uint64_t revision, end;
	} cases[] = {
		{ "nothing", { create() }, 0, REQUEST_ABSENT, 0, 0 },
		{ "creation alone", { create() }, 1, REQUEST_ABSENT, 0, 0 },
		{ "revision alone", { revision(5) }, 1, REQUEST_ABSENT, 0, 0 },
		{ "end before its creation came",
		  { revision(5), end(9, END_BY_OWNER, 0) },
		  2,
		  REQUEST_ABSENT,
		  0,
		  0 },
		{ "created", { create(), revision(5) }, 2, REQUEST_LIVE, 5, 0 },
		{ "changed", { create(), revision(5), revision(7) }, 3, REQUEST_LIVE, 7, 0 },
		{ "ended",
		  { create(), revision(5), end(9, END_BY_OWNER, 0) },
		  3,
		  REQUEST_ENDED,
		  5,
		  9 },
		{ "changed after its end",
		  { create(), revision(5), end(9, END_BY_OWNER, 0), revision(11) },
		  4,
		  REQUEST_ENDED,
		  11,
		  9 },
		{ "expired",
		  { create(), revision(5), end(9, END_BY_TTL, 5) },
		  3,
		  REQUEST_ENDED,
		  5,
		  9 },
		{ "renewed before the expiry was written",
		  { create(), revision(5), revision(7), end(9, END_BY_TTL, 5) },
		  4,
		  REQUEST_LIVE,
		  7,
		  0 },
		{ "renewed after it",
		  { create(), revision(5), end(9, END_BY_TTL, 5), revision(11) },
		  4,
		  REQUEST_LIVE,
		  11,
		  0 },
		{ "renewed, expired again",
		  { create(), end(9, END_BY_TTL, 5), revision(11), end(13, END_BY_TTL, 11),
		    revision(5) },
		  5,
		  REQUEST_ENDED,
		  11,
		  13 },
		{ "replaced",
		  { create(), revision(5), end(9, END_BY_REPLACEMENT, 0) },
		  3,
		  REQUEST_REPLACED,
		  5,
		  9 },
		{ "replaced twice at once: the first counts",
		  { create(), revision(5), end(9, END_BY_REPLACEMENT, 0),
		    end(8, END_BY_REPLACEMENT, 0) },
		  4,
		  REQUEST_REPLACED,
		  5,
		  8 },
		{ "replaced and removed",
		  { create(), revision(5), end(9, END_BY_REPLACEMENT, 0),
		    end(11, END_BY_OWNER, 0) },
		  4,
		  REQUEST_ENDED,
		  5,
		  11 },
		{ "removed and expired",
		  { create(), revision(5), end(7, END_BY_TTL, 5), end(11, END_BY_OWNER, 0) },
		  4,
		  REQUEST_ENDED,
		  5,
		  11 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct request r = request_fold(cases[i].facts, cases[i].n);

		if (r.life != cases[i].life ||
		    (r.revision ? r.revision->rev : 0) != cases[i].revision ||
		    (r.end ? r.end->rev : 0) != cases[i].end)
			fail_msg("%s", cases[i].what);
		assert_int_equal(!r.create, r.life == REQUEST_ABSENT);
	}
}

static bool same_fact(const struct fact *a, const struct fact *b)
{
	return !a || !b ? a == b : a->rev == b->rev && a->kind == b->kind;
}

static bool same(const struct request *a, const struct request *b)
{
	return a->life == b->life && same_fact(a->create, b->create) &&
	       same_fact(a->revision, b->revision) && same_fact(a->end, b->end);
}

/* The law of the header, said another way, for a set of facts. */
static enum request_life by_the_law(const struct fact *f, size_t n)
{
	bool created = false, by_owner = false, replaced = false, expired = false;
	uint64_t newest = 0;

	for (size_t i = 0; i < n; i++) {
		created |= f[i].kind == FACT_CREATE;
		if (f[i].kind == FACT_REVISION && f[i].rev > newest)
			newest = f[i].rev;
	}
	for (size_t i = 0; i < n; i++) {
		if (f[i].kind != FACT_END)
			continue;
		by_owner |= f[i].cause == END_BY_OWNER;
		replaced |= f[i].cause == END_BY_REPLACEMENT;
		expired |= f[i].cause == END_BY_TTL && f[i].judged_rev == newest;
	}
	if (!created || newest == 0)
		return REQUEST_ABSENT;
	return by_owner || expired ? REQUEST_ENDED : replaced ? REQUEST_REPLACED : REQUEST_LIVE;
}

static void any_order_repetition_and_loss_folds_alike(void **state UNUSED)
{
	/* Each subset of these, in random orders and with random repetitions. */
	const struct fact all[] = {
		create(),
		revision(1000),
		revision(2001),
		revision(3002),
		end(2500, END_BY_TTL, 1000),
		end(4000, END_BY_TTL, 3002),
		end(5001, END_BY_REPLACEMENT, 0),
		end(6001, END_BY_OWNER, 0),
	};
	struct rand_seeded rand;

	rand_init_seeded(&rand, 4);
	for (unsigned set = 0; set < 1u << COUNT(all); set++) {
		struct fact plain[COUNT(all)], mixed[3 * COUNT(all)];
		size_t n = 0;
		struct request want;

		for (size_t i = 0; i < COUNT(all); i++)
			if (set & 1u << i)
				plain[n++] = all[i];
		want = request_fold(plain, n);
		assert_int_equal(want.life, by_the_law(plain, n));
		for (int round = 0; round < 50 && n > 0; round++) {
			size_t m = n + rand_below(&rand.base, 2 * n);
			struct request got;

			for (size_t i = 0; i < m; i++)
				mixed[i] = plain[i < n ? i : rand_below(&rand.base, n)];
			for (size_t i = m; i-- > 1;) {
				size_t j = rand_below(&rand.base, i + 1);
				struct fact t = mixed[i];

				mixed[i] = mixed[j];
				mixed[j] = t;
			}
			got = request_fold(mixed, m);
			assert_true(same(&got, &want));
		}
	}
}

/* Without the facts of `set` that are outdone, and with those of `late` besides. */
static struct request fold_without(const struct fact *all, size_t n, unsigned set, unsigned late,
				   uint64_t newer, struct fact *kept, size_t *left)
{
	*left = 0;
	for (size_t i = 0; i < n; i++)
		if (late & 1u << i || (set & 1u << i && !fact_outdone(&all[i], newer)))
			kept[(*left)++] = all[i];
	return request_fold(kept, *left);
}

static void what_is_outdone_is_never_missed_whatever_comes_late(void **state UNUSED)
{
	const struct fact all[] = {
		create(),
		revision(1000),
		revision(2001),
		revision(3002),
		end(2500, END_BY_TTL, 1000),
		end(2600, END_BY_TTL, 2001),
		end(4000, END_BY_TTL, 3002),
		end(5001, END_BY_REPLACEMENT, 0),
		end(6001, END_BY_OWNER, 0),
	};
	struct fact some[COUNT(all)], more[COUNT(all)];
	size_t fewer = 0, left, n;

	for (unsigned set = 0; set < 1u << COUNT(all); set++) {
		for (unsigned late = 0; late < 1u << COUNT(all); late++) {
			if (set & late)
				continue;
			for (size_t i = 1; i <= 3; i++) {
				struct request want, got;

				if (!(set & 1u << i))
					continue;
				want = fold_without(all, COUNT(all), 0, set | late, 0, more, &n);
				got = fold_without(all, COUNT(all), set, late, all[i].rev, some,
						   &left);
				assert_int_equal(got.life, want.life);
				assert_int_equal(got.end ? got.end->rev : 0,
						 want.end ? want.end->rev : 0);
				assert_int_equal(got.revision ? got.revision->rev : 0,
						 want.revision ? want.revision->rev : 0);
				fewer += left < n;
			}
		}
	}
	assert_true(fewer > 1000);
}

static struct fact of(struct fact f, const char *owner, uint8_t id)
{
	f.owner = slice_str(owner);
	f.request_id.bytes[15] = id;
	return f;
}

static void facts_of_many_requests_fold_apart_in_the_order_of_the_store(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct fact facts[] = {
		of(revision(7), "b", 1),
		of(create(), "a", 2),
		of(revision(3), "a", 2),
		of(create(), "b", 1),
		of(end(9, END_BY_OWNER, 0), "a", 2),
		of(create(), "a", 1),
		of(revision(4), "c", 1),
		of(revision(5), "a", 1),
	};
	struct request *r;

	assert_int_equal(requests_fold(facts, COUNT(facts), mem, &r), 3);
	assert_true(slice_eq_str(r[0].create->owner, "a"));
	assert_int_equal(r[0].revision->rev, 5);
	assert_int_equal(r[1].life, REQUEST_ENDED);
	assert_int_equal(r[1].end->rev, 9);
	assert_true(slice_eq_str(r[2].create->owner, "b"));
	assert_int_equal(requests_fold(facts, 0, mem, &r), 0);
}

static void copies_of_a_replaced_request_stay_until_the_other_is_settled(void **state UNUSED)
{
	const int64_t now = 100 * US_PER_DAY;
	const struct {
		enum request_life life;
		struct replacement by;
		bool wanted;
	} cases[] = {
		{ REQUEST_LIVE, { 0 }, true },
		{ REQUEST_ABSENT, { 0 }, false },
		{ REQUEST_ENDED, { 0 }, false },
		{ REQUEST_REPLACED, { .known = false }, true },
		{ REQUEST_REPLACED, { .known = true, .status = STATUS_QUEUED }, true },
		{ REQUEST_REPLACED, { .known = true, .status = STATUS_EXPIRING }, false },
		{ REQUEST_REPLACED, { .known = true, .status = STATUS_PINNED }, false },
		{ REQUEST_REPLACED, { .known = true, .ended = true }, false },
		{ REQUEST_REPLACED,
		  { .known = true,
		    .status = STATUS_FAILED,
		    .failing_since = now - REPLACEMENT_GIVE_UP_US + 1 },
		  true },
		{ REQUEST_REPLACED,
		  { .known = true,
		    .status = STATUS_FAILED,
		    .failing_since = now - REPLACEMENT_GIVE_UP_US },
		  false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct request r = { .life = cases[i].life };

		assert_int_equal(request_wanted(&r, &cases[i].by, now), cases[i].wanted);
	}
	assert_true(request_wanted(&(struct request){ .life = REQUEST_REPLACED }, NULL, now));
}

/* ---- status ---------------------------------------------------------------- */

#define NOW (1000 * US_PER_DAY)

/* One copy in a letter: P pinned, Q queued, F being fetched, E failed once, 5 failed five
 * times, D failed for a day, N denied, n denied once and being fetched again, R five times but
 * assigned anew since, U unpinned but wanted, d pinned directly, x pinned but not desired. */
static struct copy copy_of(char letter, uint32_t peer_no)
{
	struct copy c = { .peer_no = peer_no,
			  .gen = 7,
			  .state_gen = 7,
			  .stamp = 8,
			  .desired = letter != 'x',
			  .mode = letter != 'd' };

	switch (letter) {
	case 'P':
	case 'd':
	case 'x':
		c.state = COPY_PINNED;
		break;
	case 'F':
		c.state = COPY_PINNING;
		break;
	case 'E':
		c.state = COPY_ERROR;
		c.attempts = 1;
		break;
	case '5':
	case 'R':
		c.state = COPY_ERROR;
		c.attempts = 5;
		break;
	case 'D':
		c.state = COPY_ERROR;
		c.attempts = 1;
		c.failing_since = NOW - COPY_FAILED_US;
		break;
	case 'N':
	case 'n':
		c.state = letter == 'N' ? COPY_ERROR : COPY_PINNING;
		c.failure = FAILURE_DENIED;
		c.attempts = 1;
		break;
	case 'U':
		c.state = COPY_UNPINNED;
		break;
	default:
		break;
	}
	if (letter == 'R')
		c.state_gen = 6;
	return c;
}

static void status_follows_from_the_copies_a_request_may_count_on(void **state UNUSED)
{
	static const struct {
		const char *copies;
		int rf_min;
		const char *zone; /* NULL: any */
		int64_t expires_in;
		enum pin_status want;
	} cases[] = {
		{ "", 1, NULL, 0, STATUS_QUEUED },
		{ "Q", 1, NULL, 0, STATUS_QUEUED },
		{ "U", 1, NULL, 0, STATUS_QUEUED },
		{ "QQ", 2, NULL, 0, STATUS_QUEUED },
		{ "QF", 2, NULL, 0, STATUS_PINNING },
		{ "E", 1, NULL, 0, STATUS_PINNING },
		{ "R", 1, NULL, 0, STATUS_PINNING },
		{ "P", 1, NULL, 0, STATUS_PINNED },
		{ "PQ", 1, NULL, 0, STATUS_PINNED },
		{ "PQ", 2, NULL, 0, STATUS_PINNING },
		{ "P", 2, NULL, 0, STATUS_PINNING },
		{ "PP5", 2, NULL, 0, STATUS_PINNED },
		{ "5", 1, NULL, 0, STATUS_FAILED },
		{ "D", 1, NULL, 0, STATUS_FAILED },
		{ "5D", 1, NULL, 0, STATUS_FAILED },
		{ "N", 1, NULL, 0, STATUS_FAILED },
		{ "PN", 2, NULL, 0, STATUS_FAILED },
		{ "NQ", 1, NULL, 0, STATUS_PINNING },
		{ "n", 1, NULL, 0, STATUS_PINNING },
		{ "5", 2, NULL, 0, STATUS_FAILED },
		{ "P5", 2, NULL, 0, STATUS_FAILED },
		{ "5E", 1, NULL, 0, STATUS_PINNING },
		{ "5Q", 1, NULL, 0, STATUS_PINNING },
		{ "d", 1, NULL, 0, STATUS_QUEUED },
		{ "x", 1, NULL, 0, STATUS_QUEUED },
		{ "Px", 2, NULL, 0, STATUS_PINNING },
		/* everywhere */
		{ "", -1, NULL, 0, STATUS_QUEUED },
		{ "P", -1, NULL, 0, STATUS_PINNED },
		{ "PPP", -1, NULL, 0, STATUS_PINNED },
		{ "PPQ", -1, NULL, 0, STATUS_PINNING },
		{ "PP5", -1, NULL, 0, STATUS_FAILED },
		{ "PPx", -1, NULL, 0, STATUS_PINNED },
		/* zones: even peers lie in a, odd ones in b */
		{ "PQ", 1, "a", 0, STATUS_PINNED },
		{ "PQ", 1, "b", 0, STATUS_QUEUED },
		{ "PQ", 1, "c", 0, STATUS_QUEUED },
		{ "P5", 1, "b", 0, STATUS_FAILED },
		{ "PQP", -1, "a", 0, STATUS_PINNED },
		{ "QQQQQQQQQP", 1, "b", 0, STATUS_QUEUED }, /* peer 9 lies in no zone */
		/* expiring is what is pinned, and nothing else */
		{ "P", 1, NULL, 1, STATUS_EXPIRING },
		{ "P", 1, NULL, -1, STATUS_EXPIRING },
		{ "PPP", -1, NULL, US_PER_MIN, STATUS_EXPIRING },
		{ "P", 1, NULL, US_PER_MIN + 1, STATUS_PINNED },
		{ "", 1, NULL, US_PER_MIN, STATUS_QUEUED },
		{ "Q", 1, NULL, 1, STATUS_QUEUED },
		{ "PQ", 2, NULL, 1, STATUS_PINNING },
		{ "5", 1, NULL, -1, STATUS_FAILED },
	};
	static const struct peer_zone at[] = {
		{ 0, SLICE_LIT("a") }, { 1, SLICE_LIT("b") }, { 2, SLICE_LIT("a") },
		{ 3, SLICE_LIT("b") }, { 4, SLICE_LIT("a") }, { 5, SLICE_LIT("b") },
		{ 6, SLICE_LIT("a") }, { 7, SLICE_LIT("b") }, { 8, SLICE_LIT("a") },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fact c = create(), rev = revision(5);
		struct slice zone = slice_str(cases[i].zone ? cases[i].zone : "");
		struct request r = { .life = REQUEST_LIVE, .create = &c, .revision = &rev };
		struct copy copies[16];
		size_t n = strlen(cases[i].copies);
		enum pin_status got;

		rev.rf_min = rev.rf_max = cases[i].rf_min;
		rev.expires_at = cases[i].expires_in ? NOW + cases[i].expires_in : 0;
		if (cases[i].zone)
			rev.zones = (struct slice_list){ &zone, 1 };
		for (size_t k = 0; k < n; k++)
			copies[k] = copy_of(cases[i].copies[k], (uint32_t)k);
		got = request_status(&r, copies, n, (struct peer_zones){ at, COUNT(at) }, NOW,
				     US_PER_MIN);
		if (got != cases[i].want)
			fail_msg("case %zu: \"%s\" of %d is %s, not %s", i, cases[i].copies,
				 cases[i].rf_min, pin_status_name(got),
				 pin_status_name(cases[i].want));
	}
}

static struct slice_list words(const char *text, struct slice out[4])
{
	struct slice_list list = { out, 0 };

	for (; *text; text++)
		out[list.n++] = (struct slice){ (const uint8_t *)text, 1 };
	return list;
}

static void a_copy_counts_in_one_of_the_zones_and_with_all_of_the_tags(void **state UNUSED)
{
	static const struct {
		const char *zones, *peer_tags, *zone, *tags; /* a letter is a word */
		bool want;
	} cases[] = {
		{ "", "", "", "", true },      { "", "", "e", "s", true },
		{ "e", "", "e", "", true },    { "we", "", "e", "", true },
		{ "w", "", "e", "", false },   { "w", "", "", "w", false },
		{ "", "s", "", "s", true },    { "", "s", "", "", false },
		{ "", "s", "s", "", false },   { "", "st", "", "ts", true },
		{ "", "st", "", "t", false },  { "", "s", "", "abs", true },
		{ "e", "s", "e", "s", true },  { "e", "s", "e", "t", false },
		{ "e", "s", "w", "s", false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct slice zones[4], peer_tags[4], tags[4];
		struct fact c = create(), rev = revision(5);
		struct request r = { .life = REQUEST_LIVE, .create = &c, .revision = &rev };
		struct copy copy = copy_of('P', 7);
		struct peer_zone at = { 7, slice_str(cases[i].zone), words(cases[i].tags, tags) };
		bool pinned;

		rev.zones = words(cases[i].zones, zones);
		rev.peer_tags = words(cases[i].peer_tags, peer_tags);
		pinned = request_copies(&r, &copy, 1, (struct peer_zones){ &at, 1 }, NOW).pinned;
		if (pinned != cases[i].want)
			fail_msg("case %zu", i);
	}
}

static void what_failed_before_a_request_did_not_fail_for_it(void **state UNUSED)
{
	static const struct {
		char copy;
		int64_t created, retry, assigned, observed; /* relative to NOW */
		enum pin_status want;
		bool anew; /* assigned with a generation that is not answered yet */
	} cases[] = {
		{ '5', -10, 0, -5, -11, STATUS_QUEUED, .anew = true },
		{ '5', -10, 0, -20, -11, STATUS_QUEUED },
		{ '5', -10, 0, -20, -10, STATUS_FAILED },
		{ '5', -10, 0, -10, -11, STATUS_FAILED }, /* the worker's clock is slow */
		{ '5', -10, -5, -20, -6, STATUS_QUEUED },
		{ '5', -10, -5, -20, -5, STATUS_FAILED },
		{ '5', -10, -15, -20, -10, STATUS_FAILED },
		{ 'D', -10, 0, -20, -11, STATUS_QUEUED },
		{ 'E', -10, 0, -20, -11, STATUS_QUEUED },
		{ 'E', -10, 0, -20, -10, STATUS_PINNING },
		{ 'F', -10, 0, -20, -11, STATUS_PINNING }, /* it is being fetched now */
		{ 'P', -10, 0, -20, -11, STATUS_PINNED },
		{ '5', 10, 0, -20, -1, STATUS_QUEUED }, /* made at NOW, `created` is ahead */
		{ '5', 10, 0, -20, 0, STATUS_FAILED },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fact c = create(), rev = revision(NOW);
		struct request r = { .life = REQUEST_LIVE, .create = &c, .revision = &rev };
		struct copy copy = copy_of(cases[i].copy, 1);
		enum pin_status got;

		c.created_at = NOW + cases[i].created;
		rev.retry_at = cases[i].retry ? NOW + cases[i].retry : 0;
		copy.assigned_at = NOW + cases[i].assigned;
		copy.observed_at = NOW + cases[i].observed;
		copy.gen += cases[i].anew;
		got = request_status(&r, &copy, 1, (struct peer_zones){ NULL, 0 }, NOW, 0);
		if (got != cases[i].want)
			fail_msg("case %zu: %s, not %s", i, pin_status_name(got),
				 pin_status_name(cases[i].want));
	}
}

static void a_direct_copy_serves_a_direct_request(void **state UNUSED)
{
	struct fact c = create(), rev = revision(5);
	struct request r = { .life = REQUEST_LIVE, .create = &c, .revision = &rev };
	struct copy copies[] = { copy_of('d', 0), copy_of('P', 1) };
	struct peer_zones none = { NULL, 0 };

	c.mode = PIN_DIRECT;
	copies[0].size = 5;
	assert_int_equal(request_copies(&r, copies, 2, none, NOW).pinned, 2);
	assert_int_equal(request_copies(&r, copies, 2, none, NOW).size, 5);
	c.mode = PIN_RECURSIVE;
	assert_int_equal(request_copies(&r, copies, 2, none, NOW).pinned, 1);
}

static void a_copied_fact_holds_nothing_of_the_first(void **state UNUSED)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	char text[] = "cidowner";
	struct slice tag = SLICE_OF(text, 1);
	struct fact f = { .cid = SLICE_OF(text, 3),
			  .owner = SLICE_OF(text + 3, 5),
			  .tags = { &tag, 1 },
			  .rev = 7 };
	struct fact copy = fact_copy(mem, &f);

	memset(text, 'x', sizeof(text));
	tag = (struct slice){ NULL, 0 };
	assert_true(slice_eq_str(copy.cid, "cid"));
	assert_true(slice_eq_str(copy.owner, "owner"));
	assert_true(slice_eq_str(copy.tags.at[0], "c"));
	assert_int_equal(copy.rev, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(facts_fold_to_what_holds),
		cmocka_unit_test(any_order_repetition_and_loss_folds_alike),
		cmocka_unit_test(what_is_outdone_is_never_missed_whatever_comes_late),
		cmocka_unit_test(facts_of_many_requests_fold_apart_in_the_order_of_the_store),
		cmocka_unit_test(copies_of_a_replaced_request_stay_until_the_other_is_settled),
		cmocka_unit_test(status_follows_from_the_copies_a_request_may_count_on),
		cmocka_unit_test(a_copy_counts_in_one_of_the_zones_and_with_all_of_the_tags),
		cmocka_unit_test(what_failed_before_a_request_did_not_fail_for_it),
		cmocka_unit_test(a_direct_copy_serves_a_direct_request),
		cmocka_unit_test(a_copied_fact_holds_nothing_of_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
