/*
 * store_list_contract.c -- listings, cursors, filters, counts.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/failing_store.h"
#include "store_fixture.h"

#define ME       "alice"
#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define NONE     ((struct slice){ NULL, 0 })

static struct pin_page page_of(struct fixture *fx, const struct pin_filter *filter,
			       struct slice cursor, size_t limit)
{
	struct pin_page page;
	struct err err;

	MUST(store_list(fx->store, SLICE_LIT(ME), filter, cursor, limit, fx->mem, &page, &err));
	return page;
}

static size_t count_of(struct fixture *fx, const struct pin_filter *filter, size_t at_most)
{
	struct err err;
	size_t n;
	bool cut;

	MUST(store_count(fx->store, SLICE_LIT(ME), filter, at_most, &n, &cut, &err));
	assert_false(cut);
	return n;
}

/* `n` pins a minute apart, the i-th with CID i. */
static void create_many(struct fixture *fx, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		create_pin(fx, cid_no(fx, i),
			   &(struct wish){ .owner = ME, .created_at = START_US + i * US_PER_MIN });
}

static void pages_hold_everything_once_newest_first(void **state)
{
	static const size_t limits[] = { 1, 7, 49, 50, 51, 1000 };
	struct fixture *fx = *state;

	create_many(fx, 50);
	create_pin(fx, CID_A, &(struct wish){ .owner = "alice2" });
	create_pin(fx, CID_A, &(struct wish){ .owner = "alic" });
	for (size_t k = 0; k < COUNT(limits); k++) {
		struct slice cursor = NONE;
		int64_t last = INT64_MAX;
		size_t seen = 0;

		for (;;) {
			struct pin_page page =
				page_of(fx, &(struct pin_filter){ 0 }, cursor, limits[k]);

			for (size_t i = 0; i < page.n; i++) {
				assert_true(page.rows[i].created_at < last);
				last = page.rows[i].created_at;
			}
			seen += page.n;
			assert_int_equal(page.more, seen < 50);
			assert_int_equal(page.next.len > 0, page.more);
			assert_true(page.n == limits[k] || seen == 50);
			if (!page.more)
				break;
			cursor = page.next;
		}
		assert_int_equal(seen, 50);
	}
}

/* ---- filters ------------------------------------------------------------------------------------
 */

static struct slice tag_red[] = { SLICE_LIT("red") };
static struct slice tags_both[] = { SLICE_LIT("blue"), SLICE_LIT("red") };
static struct pair meta_a1[] = { { SLICE_LIT("a"), SLICE_LIT("1") } };
static struct pair meta_two[] = { { SLICE_LIT("a"), SLICE_LIT("1") },
				  { SLICE_LIT("b"), SLICE_LIT("2") } };
static struct pair meta_a2[] = { { SLICE_LIT("a"), SLICE_LIT("2") } };

static const struct wish wishes[] = {
	{ .owner = ME, .name = "Report", .tags = { tag_red, 1 }, .created_at = START_US + 1000 },
	{ .owner = ME, .name = "report", .created_at = START_US + 2000 },
	{ .owner = ME,
	  .name = "my REPORT.pdf",
	  .tags = { tags_both, 2 },
	  .created_at = START_US + 3000 },
	{ .owner = ME,
	  .name = "Stra\xc3\x9f"
		  "e \xc3\x84",
	  .meta = { meta_a1, 1 },
	  .created_at = START_US + 4000 },
	{ .owner = ME, .meta = { meta_two, 2 }, .created_at = START_US + 5000 },
	{ .owner = "bob", .name = "Report", .tags = { tag_red, 1 }, .meta = { meta_a1, 1 } },
};

/* Which of the wishes a filter finds, as digits, newest first. */
static void filters_find_exactly_what_they_say(void **state)
{
	const struct slice cids[] = { cid_no(*state, 0), cid_no(*state, 4), cid_no(*state, 5),
				      cid_no(*state, 77) };
	const struct {
		const char *want;
		struct pin_filter filter;
	} cases[] = {
		{ "43210", { 0 } },
		{ "0", { .name = SLICE_LIT("Report") } },
		{ "", { .name = SLICE_LIT("Repor") } },
		{ "10", { .name = SLICE_LIT("rePORT"), .match = MATCH_IEXACT } },
		{ "0", { .name = SLICE_LIT("Rep"), .match = MATCH_PARTIAL } },
		{ "210", { .name = SLICE_LIT("ePOr"), .match = MATCH_IPARTIAL } },
		{ "43210", { .name = SLICE_LIT(""), .match = MATCH_PARTIAL } },
		{ "4", { .name = SLICE_LIT("") } },
		{ "3",
		  { .name = SLICE_LIT("stra\xc3\x9f"
				      "e \xc3\xa4"),
		    .match = MATCH_IEXACT } },
		{ "20", { .tags = { tag_red, 1 } } },
		{ "2", { .tags = { tags_both, 2 } } },
		{ "2",
		  { .tags = { tag_red, 1 }, .name = SLICE_LIT("pdf"), .match = MATCH_PARTIAL } },
		{ "43", { .meta = { meta_a1, 1 } } },
		{ "4", { .meta = { meta_two, 2 } } },
		{ "", { .meta = { meta_a2, 1 } } },
		{ "10", { .before = START_US + 3000 } },
		{ "210", { .before = START_US + 3001 } },
		{ "43", { .after = START_US + 3000 } },
		{ "432", { .after = START_US + 2999 } },
		{ "2", { .after = START_US + 2000, .before = START_US + 4000 } },
		{ "", { .after = START_US + 5000 } },
		{ "", { .before = 1 } },
		{ "40", { .cids = cids, .n_cids = 4 } },
		{ "0", { .cids = cids, .n_cids = 4, .name = SLICE_LIT("Report") } },
		{ "4", { .cids = cids, .n_cids = 4, .after = START_US + 1000 } },
		{ "0", { .statuses = 1 << STATUS_PINNED } },
		{ "1", { .statuses = 1 << STATUS_FAILED } },
		{ "10", { .statuses = 1 << STATUS_FAILED | 1 << STATUS_PINNED } },
		{ "432", { .statuses = 1 << STATUS_QUEUED } },
		{ "", { .statuses = 1 << STATUS_EXPIRING } },
	};
	struct fixture *fx = *state;
	struct copy failed = { .peer_no = 1,
			       .gen = INT64_C(1) << 60,
			       .desired = true,
			       .stamp = (INT64_C(1) << 60) + 1,
			       .state_gen = INT64_C(1) << 60,
			       .state = COPY_ERROR,
			       .attempts = 5,
			       .observed_at = START_US + US_PER_H };

	for (unsigned i = 0; i < COUNT(wishes); i++)
		create_pin(fx, cid_no(fx, i), &wishes[i]);
	place_copy(fx, cid_no(fx, 0), 1, true, COPY_PINNED);
	change(fx, cid_no(fx, 1),
	       &(struct cid_change){
		       .desired = &failed, .n_desired = 1, .observed = &failed, .n_observed = 1 });
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct pin_page page = page_of(fx, &cases[i].filter, NONE, 1000);
		char got[16] = "";

		for (size_t k = 0; k < page.n; k++)
			got[k] = (char)('0' + (page.rows[k].created_at - START_US) / 1000 - 1);
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("case %zu: \"%s\", not \"%s\"", i, got, cases[i].want);
		assert_int_equal(count_of(fx, &cases[i].filter, 100), page.n);
		if (page.n > 1) {
			struct pin_page one = page_of(fx, &cases[i].filter, NONE, 1);
			struct pin_page next = page_of(fx, &cases[i].filter, one.next, 1000);

			assert_int_equal(one.n, 1);
			assert_int_equal(next.n, page.n - 1);
			assert_int_equal(next.rows[0].created_at, page.rows[1].created_at);
		}
	}
}

static void tags_are_paged_beyond_one_read_of_the_index(void **state)
{
	struct fixture *fx = *state;
	struct pin_filter filter = { .tags = { tag_red, 1 } };

	for (unsigned i = 0; i < 600; i++)
		create_pin(fx, cid_no(fx, i),
			   &(struct wish){ .owner = ME,
					   .tags = { tag_red, 1 },
					   .created_at = START_US + i * US_PER_H });
	assert_int_equal(page_of(fx, &filter, NONE, 1000).n, 600);
	assert_int_equal(count_of(fx, &filter, 1000), 600);
	assert_int_equal(count_of(fx, &filter, 300), 301);
	filter.before = START_US + 500 * US_PER_H;
	assert_int_equal(page_of(fx, &filter, NONE, 1000).n, 500);
}

static void counts_stop_one_above_what_is_asked(void **state)
{
	struct fixture *fx = *state;
	struct pin_filter any = { 0 }, named = { .name = SLICE_LIT(""), .match = MATCH_PARTIAL };

	create_many(fx, 10);
	assert_int_equal(count_of(fx, &any, 9), 10);
	assert_int_equal(count_of(fx, &any, 10), 10);
	assert_int_equal(count_of(fx, &any, 11), 10);
	assert_int_equal(count_of(fx, &any, 0), 1);
	assert_int_equal(count_of(fx, &named, 9), 10);
	assert_int_equal(count_of(fx, &named, 5), 6);
	assert_int_equal(count_of(fx, &named, 11), 10);
}

/* ---- equal milliseconds ---------------------------------------------------------------------- */

/* As a client sees them that goes on by `created`, of which it keeps six digits or three. */
static struct pin_page page_before(struct fixture *fx, int64_t before, size_t limit)
{
	struct pin_filter filter = { .before = before };
	struct pin_page page;
	struct err err;

	MUST(store_list_by_time(fx->store, SLICE_LIT(ME), &filter, limit, fx->mem, &page, &err));
	assert_true(page.n <= limit);
	return page;
}

/* `groups` are the numbers of pins in one millisecond each, newest first. */
static unsigned create_groups(struct fixture *fx, const size_t groups[6])
{
	unsigned n = 0;

	for (size_t g = 0; g < 6; g++)
		for (size_t i = 0; i < groups[g]; i++, n++)
			create_pin(fx, cid_no(fx, n),
				   &(struct wish){ .owner = ME,
						   .created_at = START_US / 1000 * 1000 -
								 (int64_t)g * 1000 + (int64_t)i });
	return n;
}

static void a_page_by_time_ends_inside_a_millisecond_only_if_that_fills_it(void **state)
{
	static const struct {
		size_t groups[6], limit, pages[6];
		bool ms_is_enough; /* of `created` to see all */
	} cases[] = {
		{ { 1, 1, 1 }, 2, { 2, 1 }, true },
		{ { 1, 2, 1 }, 2, { 1, 2, 1 }, true },
		{ { 3, 1 }, 2, { 2, 2 }, false },
		{ { 2, 2 }, 2, { 2, 2 }, true },
		{ { 1, 5, 1 }, 3, { 1, 3, 3 }, false },
		{ { 4 }, 4, { 4 }, true },
		{ { 4 }, 1, { 1, 1, 1, 1 }, false },
		{ { 2, 3 }, 4, { 2, 3 }, true },
		{ { 2, 3 }, 5, { 5 }, true },
		{ { 1000, 1000 }, 1000, { 1000, 1000 }, true },
	};
	struct fixture *fx = *state;

	for (size_t k = 0; k < COUNT(cases); k++) {
		unsigned n = create_groups(fx, cases[k].groups), by_us = 0, by_ms = 0;
		struct pin_page page = { .more = true };
		int64_t before = 0;

		for (size_t i = 0; page.more; i++) {
			page = page_before(fx, before, cases[k].limit);
			if (page.n != cases[k].pages[i])
				fail_msg("case %zu page %zu has %zu", k, i, page.n);
			by_us += (unsigned)page.n;
			before = page.rows[page.n - 1].created_at;
		}
		assert_int_equal(by_us, n);
		for (page.more = true, before = 0; page.more;) {
			page = page_before(fx, before, cases[k].limit);
			by_ms += (unsigned)page.n;
			if (page.n > 0)
				before = page.rows[page.n - 1].created_at / 1000 * 1000;
		}
		assert_int_equal(by_ms == n, cases[k].ms_is_enough);
		fixture_teardown(state);
		fixture_setup(state);
		fx = *state;
	}
}

static void a_page_by_cursor_is_full_whatever_its_milliseconds(void **state)
{
	struct fixture *fx = *state;
	struct slice cursor = NONE;
	unsigned n = create_groups(fx, (const size_t[6]){ 1, 5, 2, 30 });

	for (unsigned seen = 0; seen < n; seen += 4) {
		struct pin_page page = page_of(fx, &(struct pin_filter){ 0 }, cursor, 4);

		assert_int_equal(page.n, n - seen < 4 ? n - seen : 4);
		assert_int_equal(page.more, seen + 4 < n);
		cursor = page.next;
	}
}

/* ---- cursors
 * -----------------------------------------------------------------------------------------------
 */

static void altered_cursors_are_refused(void **state)
{
	struct fixture *fx = *state;
	struct pin_filter any = { 0 }, other = { .statuses = 1 << STATUS_QUEUED };
	struct pin_page page;
	struct slice cursor;
	struct err err;

	create_many(fx, 3);
	cursor = page_of(fx, &any, NONE, 1).next;
	assert_false(store_list(fx->store, SLICE_LIT(ME), &other, cursor, 1, fx->mem, &page, &err));
	assert_int_equal(err.code, ERR_INVALID);
	assert_false(
		store_list(fx->store, SLICE_LIT("bob"), &any, cursor, 1, fx->mem, &page, &err));
	assert_int_equal(err.code, ERR_INVALID);
	for (size_t i = 0; i < cursor.len; i++) {
		struct slice bad = arena_copy(fx->mem, cursor);
		uint8_t *p = (uint8_t *)(uintptr_t)bad.ptr;

		p[i] = p[i] == 'a' ? 'b' : 'a';
		assert_false(
			store_list(fx->store, SLICE_LIT(ME), &any, bad, 1, fx->mem, &page, &err));
		assert_int_equal(err.code, ERR_INVALID);
		bad.len = i;
		if (i > 0)
			assert_false(store_list(fx->store, SLICE_LIT(ME), &any, bad, 1, fx->mem,
						&page, &err));
	}
	fixture_reopen(fx);
	assert_int_equal(page_of(fx, &any, cursor, 5).n, 2);
}

static void a_cursor_stays_good_when_its_row_is_gone(void **state)
{
	struct fixture *fx = *state;
	struct pin_filter any = { 0 };
	struct pin_page page;

	create_many(fx, 5);
	page = page_of(fx, &any, NONE, 2);
	end_pin(fx, page.rows[1].cid, ME, page.rows[1].request_id, END_BY_OWNER, 0);
	create_pin(fx, CID_B, &(struct wish){ .owner = ME, .created_at = START_US + US_PER_DAY });
	page = page_of(fx, &any, page.next, 10);
	assert_int_equal(page.n, 3);
	assert_int_equal(page.rows[0].created_at, START_US + 2 * US_PER_MIN);
}

struct churn {
	struct fixture *fx;
	atomic_bool stop;
	bool failed;
};

/* Makes and ends pins between those that stay. */
static void *churn(void *arg)
{
	struct churn *c = arg;
	struct fixture mine = *c->fx;

	mine.mem = arena_new();
	for (unsigned i = 0; !c->stop; i++) {
		struct slice cid = cid_no(&mine, 1000000 + i % 50);
		struct ulid id = create_pin(
			&mine, cid,
			&(struct wish){ .owner = ME,
					.created_at = START_US + i % 100 * US_PER_MIN + 30 });

		end_pin(&mine, cid, ME, id, END_BY_OWNER, 0);
		if (i % 50 == 0)
			arena_reset(mine.mem);
	}
	arena_free(mine.mem);
	return NULL;
}

static void paging_under_writes_neither_skips_nor_repeats(void **state)
{
	struct fixture *fx = *state;
	struct churn c = { .fx = fx };
	pthread_t thread;

	create_many(fx, 100);
	assert_int_equal(pthread_create(&thread, NULL, churn, &c), 0);
	for (int round = 0; round < 30; round++) {
		struct slice cursor = NONE;
		int64_t next = START_US + 99 * US_PER_MIN;
		struct pin_page page;

		do {
			page = page_of(fx, &(struct pin_filter){ 0 }, cursor, 7);
			for (size_t i = 0; i < page.n; i++) {
				if (page.rows[i].created_at % US_PER_MIN != START_US % US_PER_MIN)
					continue; /* one of those that come and go */
				assert_int_equal(page.rows[i].created_at, next);
				next -= US_PER_MIN;
			}
			cursor = page.next;
		} while (page.more);
		assert_int_equal(next, START_US - US_PER_MIN);
	}
	c.stop = true;
	pthread_join(thread, NULL);
	assert_sound(fx);
}

static bool finds(struct fixture *fx, const char *owner, struct slice cid, struct ulid *out)
{
	const struct owner_pin *row;
	struct err err;

	MUST(store_find_cid(fx->store, slice_str(owner), cid, fx->mem, &row, &err));
	if (!row)
		return false;
	assert_true(slice_eq(row->cid, cid));
	assert_true(slice_eq_str(row->owner, owner));
	*out = row->request_id;
	return true;
}

static void the_newest_live_request_for_a_cid_is_found(void **state)
{
	struct fixture *fx = *state;
	struct slice cid = cid_no(fx, 1);
	struct ulid found, first, second;
	const struct owner_pin *row;
	struct store_write gone = { .table = TABLE_OWNER_PINS, .kind = WRITE_DELETE };
	struct err err;

	assert_false(finds(fx, "a", cid, &found));
	second = create_pin(fx, cid, &(struct wish){ .owner = "a", .created_at = START_US + 2000 });
	first = create_pin(fx, cid, &(struct wish){ .owner = "a", .created_at = START_US + 1000 });
	create_pin(fx, cid, &(struct wish){ .owner = "b", .created_at = START_US + 3000 });
	create_pin(fx, cid_no(fx, 2),
		   &(struct wish){ .owner = "a", .created_at = START_US + 4000 });
	assert_true(finds(fx, "a", cid, &found));
	assert_int_equal(ulid_cmp(&found, &second), 0);
	row = find_pin(fx, "a", second); /* as if it were still to be written */
	gone.row = row;
	gone.version = UINT64_MAX;
	assert_true(fx->backend->ops->write(fx->backend, &gone, 1, &err));
	assert_true(finds(fx, "a", cid, &found));
	assert_int_equal(ulid_cmp(&found, &first), 0);
	end_pin(fx, cid, "a", first, END_BY_OWNER, 0);
	assert_false(finds(fx, "a", cid, &found));
	assert_false(finds(fx, "c", cid, &found));
}

/* Another handle on the same rows, that reads no more than `budget` of them at once. */
static struct store *frugal(struct fixture *fx, struct failing_store *failing, size_t budget)
{
	const struct store_options options = {
		.instance = 8, .clock = &fx->clock.base, .rand = &fx->rand, .scan_budget = budget
	};
	struct store *store;
	struct err err;

	failing_store_init(failing, fx->backend);
	MUST(store_open(&failing->base, &options, &store, &err));
	return store;
}

static void a_search_ends_when_its_budget_is_used_up_and_says_so(void **state)
{
	enum { PINS = 6 };
	static const struct pin_filter all = { 0 }, pinned = { .statuses = 1 << STATUS_PINNED },
				       pinning = { .statuses = 1 << STATUS_PINNING };
	static const struct pin_filter named = { .name = SLICE_LIT("x"), .match = MATCH_PARTIAL };
	struct fixture *fx = *state;
	struct slice none = { NULL, 0 };

	for (unsigned i = 0; i < PINS; i++)
		create_pin(fx, cid_no(fx, i), &(struct wish){ .owner = ME });
	place_copy(fx, cid_no(fx, 0), 1, true, COPY_PINNED); /* the oldest */
	for (size_t budget = PINS - 1; budget <= PINS + 1; budget++) {
		bool cut, short_of = budget < PINS;
		struct failing_store failing;
		struct store *store = frugal(fx, &failing, budget);
		struct pin_page page;
		struct err err;
		size_t n;

		MUST(store_list(store, SLICE_LIT(ME), &all, none, 10, fx->mem, &page, &err));
		assert_int_equal(page.n, short_of ? budget : PINS);
		assert_int_equal(page.cut, short_of);
		assert_int_equal(page.next.len > 0, short_of);
		MUST(store_list(store, SLICE_LIT(ME), &pinned, none, 10, fx->mem, &page, &err));
		assert_int_equal(page.n, !short_of);
		assert_int_equal(page.cut, short_of);
		if (short_of) {
			MUST(store_list(store, SLICE_LIT(ME), &pinned, page.next, 10, fx->mem,
					&page, &err));
			assert_int_equal(page.n, 1);
			assert_false(page.cut);
		}
		MUST(store_count(store, SLICE_LIT(ME), &named, 100, &n, &cut, &err));
		assert_int_equal(n, 0);
		assert_int_equal(cut, short_of);
		/* The totals tell that there is none. */
		MUST(store_list(store, SLICE_LIT(ME), &pinning, none, 10, fx->mem, &page, &err));
		assert_int_equal(page.n, 0);
		assert_int_equal(page.cut, short_of && !fx->serial);
		store_close(store);
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		CASE(pages_hold_everything_once_newest_first),
		CASE(filters_find_exactly_what_they_say),
		CASE(tags_are_paged_beyond_one_read_of_the_index),
		CASE(the_newest_live_request_for_a_cid_is_found),
		CASE(counts_stop_one_above_what_is_asked),
		CASE(a_search_ends_when_its_budget_is_used_up_and_says_so),
		CASE(a_page_by_time_ends_inside_a_millisecond_only_if_that_fills_it),
		CASE(a_page_by_cursor_is_full_whatever_its_milliseconds),
		CASE(altered_cursors_are_refused),
		CASE(a_cursor_stays_good_when_its_row_is_gone),
		CASE(paging_under_writes_neither_skips_nor_repeats),
	};

	return contract_main(argc, argv, tests, sizeof(tests) / sizeof(*tests));
}
