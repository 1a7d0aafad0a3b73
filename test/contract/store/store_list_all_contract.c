/*
 * store_list_all_contract.c -- pins by peer and by expiry: of one owner, and of all.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/failing_store.h"
#include "store/filter.h"
#include "store/handle.h"
#include "store_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define NONE     ((struct slice){ NULL, 0 })
#define PEER     7
#define OTHER    8

static struct pin_page page_of(struct fixture *fx, const char *owner,
			       const struct pin_filter *filter, struct slice cursor, size_t limit)
{
	struct pin_page page;
	struct err err;

	if (owner)
		MUST(store_list(fx->store, slice_str(owner), filter, cursor, limit, fx->mem, &page,
				&err));
	else
		MUST(store_list_all(fx->store, filter, cursor, limit, fx->mem, &page, &err));
	return page;
}

/* The names of all pins that a filter finds, page by page, each after a space. */
static const char *names(struct fixture *fx, const char *owner, const struct pin_filter *filter,
			 size_t limit)
{
	struct pin_page page = { .next = NONE };
	char *text = arena_printf(fx->mem, "%s", "");
	size_t pages = 0;

	do {
		page = page_of(fx, owner, filter, page.next, limit);
		assert_true(page.n <= limit);
		assert_true(pages++ < 100);
		for (size_t i = 0; i < page.n; i++)
			text = arena_printf(fx->mem, "%s %.*s", text, SLICE_FMT(page.rows[i].name));
	} while (page.next.len > 0);
	return text;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The same in the order of the alphabet: CIDs lie in an order of the store's own. */
static const char *sorted(struct fixture *fx, const char *text)
{
	char *rest = arena_printf(fx->mem, "%s", text), *word, *words[64];
	const char *out = "";
	size_t n = 0;

	while ((word = strsep(&rest, " ")))
		if (*word)
			words[n++] = word;
	qsort(words, n, sizeof(*words), by_text);
	for (size_t i = 0; i < n; i++)
		out = arena_printf(fx->mem, "%s %s", out, words[i]);
	return out;
}

static struct ulid make(struct fixture *fx, unsigned cid, const char *owner, const char *name,
			int64_t expires_at)
{
	return create_pin(fx, cid_no(fx, cid),
			  &(struct wish){ .owner = owner, .name = name, .expires_at = expires_at });
}

static int64_t in_days(int64_t days)
{
	return START_US + days * US_PER_DAY;
}

static void rename_it(struct fact *revision)
{
	revision->name = SLICE_LIT("renamed");
}

static void keep_longer(struct fact *revision)
{
	revision->expires_at = in_days(50);
}

static void keep_for_ever(struct fact *revision)
{
	revision->expires_at = 0;
}

static void what_ends_before_a_time_is_listed(void **state)
{
	struct fixture *fx = *state;
	struct pin_filter soon = { .expires_before = in_days(10) }, at = { .expires_before = 0 };
	struct ulid renamed, longer, for_ever, gone;

	make(fx, 0, "a", "ten", in_days(10));
	make(fx, 1, "a", "nine", in_days(9));
	make(fx, 2, "b", "two", in_days(2));
	make(fx, 3, "a", "one", in_days(1));
	make(fx, 4, "a", "never", 0);
	make(fx, 1, "b", "nine-too", in_days(9));
	renamed = make(fx, 5, "b", "old-name", in_days(3));
	longer = make(fx, 6, "b", "longer", in_days(3));
	for_ever = make(fx, 7, "a", "for-ever", in_days(3));
	gone = make(fx, 8, "a", "gone", in_days(3));
	revise_pin(fx, cid_no(fx, 5), "b", renamed, rename_it);
	revise_pin(fx, cid_no(fx, 6), "b", longer, keep_longer);
	revise_pin(fx, cid_no(fx, 7), "a", for_ever, keep_for_ever);
	end_pin(fx, cid_no(fx, 8), "a", gone, END_BY_OWNER, 0);
	for (size_t limit = 1; limit < 9; limit++) {
		assert_string_equal(names(fx, "a", &soon, limit), " one nine");
		assert_string_equal(names(fx, "b", &soon, limit), " renamed nine-too two");
		assert_string_equal(names(fx, NULL, &soon, limit),
				    " one two renamed nine nine-too");
	}
	at.expires_before = in_days(10) + 1;
	assert_string_equal(names(fx, "a", &at, 9), " one nine ten");
	at.expires_before = in_days(1);
	assert_string_equal(names(fx, NULL, &at, 9), "");
}

/* Copies of CID 0 on both peers, of CID 1 on one; CID 2 has left it and CID 3 is on its way. */
static void place(struct fixture *fx)
{
	place_copy(fx, cid_no(fx, 0), PEER, true, COPY_PINNED);
	place_copy(fx, cid_no(fx, 0), OTHER, true, COPY_PINNED);
	place_copy(fx, cid_no(fx, 1), OTHER, true, COPY_PINNED);
	place_copy(fx, cid_no(fx, 2), PEER, false, COPY_UNPINNED);
	place_copy(fx, cid_no(fx, 3), PEER, true, COPY_QUEUED);
}

static void what_lies_on_a_peer_is_listed(void **state)
{
	struct fixture *fx = *state;
	struct pin_filter on = { .peer_no = PEER };
	struct ulid gone;

	for (unsigned i = 0; i < 4; i++)
		make(fx, i, "a", arena_printf(fx->mem, "a%u", i), i == 3 ? in_days(9) : 0);
	make(fx, 0, "a", "again", 0);
	create_pin(fx, cid_no(fx, 0), &(struct wish){ .owner = "b", .name = "b0", .replicas = 2 });
	gone = make(fx, 0, "b", "gone", 0);
	place(fx);
	end_pin(fx, cid_no(fx, 0), "b", gone, END_BY_OWNER, 0);
	for (size_t limit = 1; limit < 7; limit++) {
		assert_string_equal(names(fx, "a", &on, limit), " again a3 a0");
		assert_string_equal(names(fx, "b", &on, limit), " b0");
		assert_string_equal(sorted(fx, names(fx, NULL, &on, limit)), " a0 a3 again b0");
	}
	on.peer_no = OTHER;
	assert_string_equal(names(fx, "b", &on, 9), " b0");
	assert_string_equal(sorted(fx, names(fx, NULL, &on, 9)), " a0 a1 again b0");
	on.peer_no = 9;
	assert_string_equal(names(fx, NULL, &on, 9), "");
}

/* One copy was asked for, and another owner's lies elsewhere: where is not his to know. */
static void an_owner_is_told_of_no_more_copies_than_he_asked_for(void **state)
{
	struct fixture *fx = *state;
	struct pin_filter on = { .peer_no = PEER }, on_other = { .peer_no = OTHER };

	make(fx, 0, "one", "one", 0);
	create_pin(fx, cid_no(fx, 0),
		   &(struct wish){ .owner = "two", .name = "two", .replicas = 2 });
	place(fx);
	assert_string_equal(names(fx, "one", &on, 9), " one");
	assert_string_equal(names(fx, "one", &on_other, 9), "");
	assert_string_equal(names(fx, "two", &on_other, 9), " two");
	assert_string_equal(sorted(fx, names(fx, NULL, &on_other, 9)), " one two");
}

static void the_other_filters_hold_too(void **state)
{
	struct fixture *fx = *state;
	const struct slice cids[] = { cid_no(fx, 3), cid_no(fx, 1) };
	const struct {
		struct pin_filter filter;
		const char *want;
	} cases[] = {
		{ { .peer_no = PEER, .expires_before = in_days(10) }, " x3" },
		{ { .peer_no = PEER, .statuses = 1 << STATUS_PINNED }, " x0" },
		{ { .peer_no = PEER, .name = SLICE_LIT("x3") }, " x3" },
		{ { .peer_no = PEER, .cids = cids, .n_cids = 2 }, " x3" },
		{ { .expires_before = in_days(10), .cids = cids, .n_cids = 1 }, " x3" },
		{ { .expires_before = in_days(10), .before = START_US - US_PER_DAY }, "" },
		{ { .expires_before = in_days(10), .statuses = 1 << STATUS_FAILED }, "" },
	};

	for (unsigned i = 0; i < 4; i++)
		make(fx, i, "x", arena_printf(fx->mem, "x%u", i), i == 3 ? in_days(9) : 0);
	place(fx);
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t n;
		bool cut;
		struct err err;

		assert_string_equal(names(fx, NULL, &cases[i].filter, 9), cases[i].want);
		assert_string_equal(names(fx, "x", &cases[i].filter, 9), cases[i].want);
		MUST(store_count(fx->store, SLICE_LIT("x"), &cases[i].filter, 9, &n, &cut, &err));
		assert_int_equal(n, *cases[i].want != '\0');
	}
}

static void cursors_belong_to_their_filter_and_owner(void **state)
{
	struct fixture *fx = *state;
	struct pin_filter on = { .peer_no = PEER }, other = { .peer_no = OTHER },
			  soon = { .expires_before = in_days(10) };
	struct pin_page page;
	struct slice all, one;
	struct err err;

	for (unsigned i = 0; i < 4; i++)
		make(fx, i, "x", "", in_days(9));
	place(fx);
	all = page_of(fx, NULL, &on, NONE, 1).next;
	one = page_of(fx, "x", &on, NONE, 1).next;
	assert_true(all.len > 0 && one.len > 0);
	assert_false(store_list_all(fx->store, &other, all, 1, fx->mem, &page, &err));
	assert_int_equal(err.code, ERR_INVALID);
	assert_false(store_list_all(fx->store, &soon, all, 1, fx->mem, &page, &err));
	assert_false(store_list_all(fx->store, &on, one, 1, fx->mem, &page, &err));
	assert_false(store_list(fx->store, SLICE_LIT("x"), &on, all, 1, fx->mem, &page, &err));
	assert_false(store_list(fx->store, SLICE_LIT("x"), &other, one, 1, fx->mem, &page, &err));
	assert_false(store_list_all(fx->store, &on, SLICE_LIT("01"), 1, fx->mem, &page, &err));
}

/* Another handle on the same rows, whose pages read so many of them and whose calls count. */
static struct store *frugal(struct fixture *fx, struct failing_store *counted, size_t budget)
{
	const struct store_options options = {
		.instance = 8, .clock = &fx->clock.base, .rand = &fx->rand, .scan_budget = budget
	};
	struct store *store;
	struct err err;

	failing_store_init(counted, fx->backend);
	MUST(store_open(&counted->base, &options, &store, &err));
	return store;
}

/* However little a page may read, the pages together have all. */
static void a_page_ends_when_its_budget_is_used_up_and_the_next_goes_on(void **state)
{
	struct fixture *fx = *state;
	const struct pin_filter filters[] = { { .peer_no = PEER },
					      { .expires_before = in_days(10) } };

	for (unsigned i = 0; i < 30; i++) {
		make(fx, i, "x", arena_printf(fx->mem, "x%02u", i), in_days(9));
		make(fx, i, "y", arena_printf(fx->mem, "y%02u", i), in_days(9));
		place_copy(fx, cid_no(fx, i), PEER, i % 3 != 0, COPY_QUEUED);
	}
	for (size_t f = 0; f < COUNT(filters); f++) {
		size_t want = f == 0 ? 40 : 60;

		for (size_t budget = 1; budget < 7; budget += 2) {
			struct failing_store failing;
			struct store *store = frugal(fx, &failing, budget);
			struct pin_page page = { .next = NONE };
			size_t seen = 0, pages = 0;
			struct err err;

			do {
				MUST(store_list_all(store, &filters[f], page.next, 100, fx->mem,
						    &page, &err));
				assert_true(page.n <= budget);
				assert_int_equal(page.cut, page.next.len > 0);
				assert_true(pages++ < 200);
				seen += page.n;
			} while (page.cut);
			assert_int_equal(seen, want);
			store_close(store);
		}
	}
}

/* Of each row the copies are read by themselves: so many rows are another thing than a scan. */
static void a_page_by_peer_reads_the_copies_of_few_rows_and_the_next_goes_on(void **state)
{
	enum { PINS = 40, LOOKS = 4 };
	struct fixture *fx = *state;
	const struct pin_filter on = { .peer_no = PEER };
	struct pin_page page = { .next = NONE };
	struct failing_store counted;
	size_t found = 0, pages = 0, n;
	struct store *store;
	struct err err;
	bool cut;

	for (unsigned i = 0; i < PINS; i++) {
		make(fx, i, "x", "", 0);
		place_copy(fx, cid_no(fx, i), i == 0 ? PEER : OTHER, true, COPY_PINNED);
	}
	store = frugal(fx, &counted, LOOKS * PIN_READ_COST);
	do {
		counted.calls = 0;
		MUST(store_list(store, SLICE_LIT("x"), &on, page.next, 100, fx->mem, &page, &err));
		assert_true(counted.calls <= LOOKS + 3); /* the listing, and what it begins with */
		assert_true(++pages <= PINS);
		found += page.n;
	} while (page.cut);
	assert_int_equal(found, 1);
	assert_true(pages >= PINS / LOOKS);
	counted.calls = 0;
	MUST(store_count(store, SLICE_LIT("x"), &on, 100, &n, &cut, &err));
	assert_true(cut && n == 0 && counted.calls <= LOOKS + 3);
	store_close(store);
}

/* One CID, asked for by very many: what has ended or was told on the page before costs as well,
 * and no page reads all. */
static void the_requests_for_a_cid_are_read_no_further_than_the_page_goes(void **state)
{
	enum { REQUESTS = 60, ROWS = 24 };
	struct fixture *fx = *state;
	const struct pin_filter on = { .peer_no = PEER };
	struct pin_page page = { .next = NONE };
	size_t found = 0, pages = 0;
	struct failing_store counted;
	struct store *store;
	struct err err;

	for (unsigned i = 0; i < REQUESTS; i++) {
		struct ulid id = make(fx, 0, i < 30 ? "a" : "b", "", 0);

		if (i % 10 != 0) /* creation, revision, end */
			end_pin(fx, cid_no(fx, 0), i < 30 ? "a" : "b", id, END_BY_OWNER, 0);
	}
	place_copy(fx, cid_no(fx, 0), PEER, true, COPY_PINNED);
	store = frugal(fx, &counted, ROWS);
	do {
		MUST(store_list_all(store, &on, page.next, 100, fx->mem, &page, &err));
		assert_true(++pages <= REQUESTS);
		found += page.n;
	} while (page.cut);
	assert_int_equal(found, REQUESTS / 10);
	assert_true(pages >= REQUESTS * 9 / 10 * 3 / (ROWS + 3));
	store_close(store);
}

/* As an earlier version made one, or a later: its hash is good. */
static void a_cursor_whose_place_is_of_another_layout_is_refused(void **state)
{
	struct fixture *fx = *state;
	const struct pin_filter on = { .peer_no = PEER };
	const uint8_t *key = fx->store->cluster_key;
	const struct {
		size_t len;
		uint8_t cid_len;
		bool good;
	} cases[] = { { 1, 0, false },    { 16, 0, false },  { 32, 0, false }, { 33, 1, false },
		      { 40, 8, false },   { 41, 8, true },   { 33, 0, true },  { 200, 161, false },
		      { 33, 255, false }, { 2000, 8, false } };

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t bytes[2000] = { [32] = cases[i].cid_len };
		const struct slice place = SLICE_OF(bytes, cases[i].len);
		struct slice all = cursor_encode(key, NONE, &on, place, fx->mem);
		struct slice one = cursor_encode(key, SLICE_LIT("x"), &on, place, fx->mem);
		struct err err = { 0 };
		struct pin_page page;

		assert_int_equal(store_list_all(fx->store, &on, all, 1, fx->mem, &page, &err),
				 cases[i].good);
		assert_int_equal(err.code, cases[i].good ? ERR_NONE : ERR_INVALID);
		assert_int_equal(store_list(fx->store, SLICE_LIT("x"), &on, one, 1, fx->mem, &page,
					    &err),
				 cases[i].len == 16);
	}
}

/* The page ended among its requests; meanwhile the copy is to go. */
static void what_a_peer_is_to_lose_is_not_told_on_the_next_page_either(void **state)
{
	struct fixture *fx = *state;
	const struct pin_filter on = { .peer_no = PEER };
	struct pin_page page;

	make(fx, 0, "a", "", 0);
	make(fx, 0, "b", "", 0);
	place_copy(fx, cid_no(fx, 0), PEER, true, COPY_PINNED);
	page = page_of(fx, NULL, &on, NONE, 1);
	assert_int_equal(page.n, 1);
	place_copy(fx, cid_no(fx, 0), PEER, false, COPY_PINNED);
	assert_int_equal(page_of(fx, NULL, &on, page.next, 1).n, 0);
}

static void what_made_a_request_is_found_by_its_row(void **state)
{
	struct fixture *fx = *state;
	struct ulid id = make(fx, 0, "a", "first", 0);
	const struct owner_pin *row = find_pin(fx, "a", id);
	struct owner_pin other = *row;
	const struct fact *creation;
	struct err err;

	make(fx, 0, "a", "second", 0);
	make(fx, 0, "b", "third", 0);
	revise_pin(fx, cid_no(fx, 0), "a", id, rename_it);
	MUST(store_creation(fx->store, row, fx->mem, &creation, &err));
	assert_int_equal(ulid_cmp(&creation->request_id, &id), 0);
	assert_true(slice_eq_str(creation->owner, "a"));
	assert_int_equal(creation->rev, 0);
	other.owner = SLICE_LIT("b");
	MUST(store_creation(fx->store, &other, fx->mem, &creation, &err));
	assert_null(creation);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		CASE(what_ends_before_a_time_is_listed),
		CASE(what_lies_on_a_peer_is_listed),
		CASE(an_owner_is_told_of_no_more_copies_than_he_asked_for),
		CASE(the_other_filters_hold_too),
		CASE(what_made_a_request_is_found_by_its_row),
		CASE(cursors_belong_to_their_filter_and_owner),
		CASE(a_page_ends_when_its_budget_is_used_up_and_the_next_goes_on),
		CASE(a_page_by_peer_reads_the_copies_of_few_rows_and_the_next_goes_on),
		CASE(the_requests_for_a_cid_are_read_no_further_than_the_page_goes),
		CASE(a_cursor_whose_place_is_of_another_layout_is_refused),
		CASE(what_a_peer_is_to_lose_is_not_told_on_the_next_page_either),
	};

	return contract_main(argc, argv, tests, sizeof(tests) / sizeof(*tests));
}
