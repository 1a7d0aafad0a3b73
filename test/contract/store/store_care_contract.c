/*
 * store_care_contract.c -- check and repair.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "lib/failing_store.h"
#include "store_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define NONE     ((struct slice){ NULL, 0 })

/* ---- ten thousand operations ------------------------------------------------------------------
 */

static struct slice some_tags[] = { SLICE_LIT("blue"), SLICE_LIT("red") };
static unsigned edits;

static void edit_at_random(struct fact *revision)
{
	edits = edits * 1103515245 + 12345;
	revision->name = edits & 1 << 16 ? SLICE_LIT("one") : SLICE_LIT("Two");
	revision->tags = (struct slice_list){ some_tags, edits >> 17 & 1 ? 2 : 1 };
	revision->expires_at = edits & 1 << 18 ? START_US + US_PER_DAY + (edits >> 20) : 0;
	revision->rf_min = revision->rf_max = 1 + (int)(edits >> 19 & 1);
}

struct known { /* a request that was made */
	struct ulid id;
	unsigned cid, owner;
	bool ended;
};

static void one_random_operation(struct fixture *fx, struct rand *rand, struct known *known,
				 size_t *n)
{
	static const char *const owners[] = { "a", "b", "c", "d", "e" };
	unsigned cid = (unsigned)rand_below(rand, 40), owner = (unsigned)rand_below(rand, 5);
	uint32_t peer = 1 + (uint32_t)rand_below(rand, 4);
	struct known *k = *n ? &known[rand_below(rand, *n)] : NULL;

	switch (rand_below(rand, 8)) {
	case 0:
	case 1:
		known[*n] = (struct known){ .cid = cid, .owner = owner };
		known[(*n)++].id =
			create_pin(fx, cid_no(fx, cid), &(struct wish){ .owner = owners[owner] });
		break;
	case 2:
		if (k && !k->ended)
			end_pin(fx, cid_no(fx, k->cid), owners[k->owner], k->id,
				rand_below(rand, 2) ? END_BY_OWNER : END_BY_REPLACEMENT, 0);
		if (k)
			k->ended = true;
		break;
	case 3:
		if (k)
			revise_pin(fx, cid_no(fx, k->cid), owners[k->owner], k->id, edit_at_random);
		break;
	case 4:
		fx->clock.now_us += (int64_t)rand_below(rand, US_PER_MIN);
		change(fx, cid_no(fx, cid), &(struct cid_change){ 0 });
		break;
	case 5:
		change(fx, cid_no(fx, cid), &(struct cid_change){ .forget = &peer, .n_forget = 1 });
		break;
	default:
		place_copy(fx, cid_no(fx, cid), peer, rand_below(rand, 4) > 0,
			   (enum copy_state)rand_below(rand, 5));
	}
	if (rand_below(rand, 20) == 0)
		arena_reset(fx->mem);
}

static void totals_are_those_of_the_rows(struct fixture *fx, const char *owner)
{
	struct owner_usage usage, counted = { 0 };
	struct slice cursor = NONE;
	struct pin_page page;
	struct err err;

	do {
		MUST(store_list(fx->store, slice_str(owner), &(struct pin_filter){ 0 }, cursor, 100,
				fx->mem, &page, &err));
		for (size_t i = 0; i < page.n; i++) {
			counted.pins[page.rows[i].status]++;
			counted.bytes += page.rows[i].size;
		}
		cursor = page.next;
	} while (page.more);
	MUST(store_usage(fx->store, slice_str(owner), &usage, &err));
	assert_memory_equal(usage.pins, counted.pins, sizeof(usage.pins));
	assert_int_equal(usage.bytes, counted.bytes);
}

static void ten_thousand_operations_leave_every_derived_row_right(void **state)
{
	struct fixture *fx = *state;
	struct known *known = xcalloc(10000, sizeof(*known));
	struct rand_seeded rand;
	size_t n = 0;

	rand_init_seeded(&rand, 11);
	for (int i = 0; i < 10000; i++)
		one_random_operation(fx, &rand.base, known, &n);
	for (unsigned i = 0; i < 40; i++) /* what time alone has done */
		change(fx, cid_no(fx, i), &(struct cid_change){ 0 });
	assert_sound(fx);
	if (fx->serial) {
		totals_are_those_of_the_rows(fx, "a");
		totals_are_those_of_the_rows(fx, "e");
	}
	xfree(known);
}

/* ---- damage
 * ----------------------------------------------------------------------------------------- */

static const enum table derived[] = {
	TABLE_OWNER_PINS,    TABLE_TAGS_INDEX,   TABLE_OWNER_TOTALS,
	TABLE_PIN_TTL_QUEUE, TABLE_PINS_BY_PEER, TABLE_PEER_OPEN,
};

struct dump {
	struct arena *mem;
	enum table table;
	void *rows[400];
	size_t n;
};

static bool on_dump(void *ctx, const void *row)
{
	struct dump *d = ctx;

	d->rows[d->n++] = row_copy(d->table, row, d->mem);
	return true;
}

static struct dump *dump_of(struct fixture *fx, enum table table)
{
	struct dump *d = arena_new_of(fx->mem, struct dump);
	struct store_query query = { .table = table };
	struct err err;

	d->mem = fx->mem;
	d->table = table;
	MUST(fx->backend->ops->read(fx->backend, &query, on_dump, d, &err));
	return d;
}

static void assert_same_rows(const struct dump *a, const struct dump *b)
{
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++)
		assert_true(row_eq(a->table, a->rows[i], b->rows[i]));
}

/* The row, with a value changed; false if its table has none. */
static bool altered(enum table table, void *row)
{
	if (table == TABLE_OWNER_PINS)
		((struct owner_pin *)row)->rf_max++;
	else if (table == TABLE_TAGS_INDEX)
		((struct tag_pin *)row)->cid = CID_C;
	else if (table == TABLE_PINS_BY_PEER)
		((struct peer_pin *)row)->gen++;
	else if (table == TABLE_PEER_OPEN)
		((struct peer_open *)row)->attempts++;
	else if (table == TABLE_OWNER_TOTALS)
		((struct owner_total *)row)->pins += 3;
	else
		return false;
	return true;
}

/* The row under another key, as something that was never taken away. */
static bool moved(enum table table, void *row)
{
	if (table == TABLE_OWNER_PINS)
		((struct owner_pin *)row)->request_id.bytes[15] ^= 1;
	else if (table == TABLE_TAGS_INDEX)
		((struct tag_pin *)row)->tag = SLICE_LIT("t:never");
	else if (table == TABLE_PINS_BY_PEER)
		((struct peer_pin *)row)->peer_no = 77;
	else if (table == TABLE_PEER_OPEN)
		((struct peer_open *)row)->peer_no = 77;
	else if (table == TABLE_PIN_TTL_QUEUE)
		((struct ttl_row *)row)->rev += 1000;
	else
		((struct owner_total *)row)->owner = SLICE_LIT("nobody");
	return true;
}

/* A row of the middle; of totals one that is not zero. */
static const void *pick(const struct dump *d)
{
	size_t i = d->n / 2;

	assert_true(d->n > 0);
	while (d->table == TABLE_OWNER_TOTALS && ((struct owner_total *)d->rows[i])->pins == 0)
		i = (i + 1) % d->n;
	return d->rows[i];
}

enum damage { LOST, ALTERED, ALIEN };

static bool damage_row(struct fixture *fx, enum table table, const void *row, enum damage damage)
{
	void *changed = row_copy(table, row, fx->mem);
	struct store_write write = { .table = table, .kind = WRITE_PUT, .row = changed };
	struct err err;

	if (damage == LOST)
		write.kind = WRITE_DELETE;
	else if (damage == ALTERED ? !altered(table, changed) : !moved(table, changed))
		return false;
	MUST(fx->backend->ops->write(fx->backend, &write, 1, &err));
	return true;
}

static struct store_check checked(struct fixture *fx, bool repair)
{
	struct store_check check;
	char first[240];
	struct err err;

	MUST(store_check(fx->store, repair, NULL, NULL, &check, first, &err));
	assert_int_equal(first[0] != '\0', check.wrong + check.orphans > 0);
	return check;
}

static void name_tag_expiry(struct fact *revision)
{
	revision->name = SLICE_LIT("Name");
	revision->tags = (struct slice_list){ some_tags, 2 };
	revision->expires_at = START_US + US_PER_DAY;
}

static bool never_mind(void *ctx, double share UNUSED)
{
	return --*(int *)ctx > 0;
}

static void a_check_ends_when_nobody_wants_it(void **state)
{
	struct fixture *fx = *state;
	struct store_check check;
	char first[240];
	int calls = 1;
	struct err err;

	create_pin(fx, cid_no(fx, 1), &(struct wish){ .owner = "a" });
	assert_false(store_check(fx->store, false, never_mind, &calls, &check, first, &err));
	assert_int_equal(err.code, ERR_CANCELED);
	assert_int_equal(calls, 0);
}

#define MANY 3100 /* rows, of which a check asks every 1,024 */

struct patience { /* how often it is asked behind the last CID, and when it says no */
	unsigned asked, no_at;
};

static bool is_patient(void *ctx, double share)
{
	struct patience *p = ctx;

	return share < 1 || ++p->asked != p->no_at;
}

static void check_asks_while_it_adds_up_the_pins_of_an_owner(void **state)
{
	struct patience few = { 0 }, many = { 0 };
	struct fixture *fx = *state;
	struct store_check check;
	char first[240];
	struct err err;

	if (!fx->serial) /* there totals are approximate, and not checked */
		return;
	create_pin(fx, cid_no(fx, 0), &(struct wish){ .owner = "a" });
	MUST(store_check(fx->store, false, is_patient, &few, &check, first, &err));
	for (unsigned i = 1; i < MANY; i++)
		create_pin(fx, cid_no(fx, i), &(struct wish){ .owner = "a" });
	MUST(store_check(fx->store, false, is_patient, &many, &check, first, &err));
	/* The pins are counted, paged through, and added up as they pass and as their totals do. */
	assert_int_equal(many.asked, few.asked + 4 * (MANY / 1024));
	for (unsigned i = many.asked; i > 0; i--) {
		struct patience p = { .no_at = i };

		assert_false(store_check(fx->store, true, is_patient, &p, &check, first, &err));
		assert_int_equal(err.code, ERR_CANCELED);
		assert_int_equal(p.asked, i);
		assert_int_equal(check.repaired, 0);
	}
}

/* Derived rows only stand in a defined order of versions where nobody damages them behind
 * the versions' back, so this is for back ends that compare none. */
static void check_finds_and_repair_mends_every_kind_of_damage(void **state)
{
	struct fixture *fx = *state;
	struct dump *sound[COUNT(derived)];
	struct ulid id;

	if (!fx->serial)
		return;
	for (unsigned i = 0; i < 5; i++) {
		id = create_pin(fx, cid_no(fx, i), &(struct wish){ .owner = i < 3 ? "a" : "b" });
		revise_pin(fx, cid_no(fx, i), i < 3 ? "a" : "b", id, name_tag_expiry);
		place_copy(fx, cid_no(fx, i), 1, true, COPY_PINNED);
		place_copy(fx, cid_no(fx, i), 2, true, COPY_PINNING);
	}
	for (size_t t = 0; t < COUNT(derived); t++)
		sound[t] = dump_of(fx, derived[t]);
	assert_sound(fx);
	for (size_t t = 0; t < COUNT(derived); t++) {
		for (int damage = LOST; damage <= ALIEN; damage++) {
			struct store_check dry, wet;

			if (!damage_row(fx, derived[t], pick(sound[t]), (enum damage)damage))
				continue;
			dry = checked(fx, false);
			if (dry.wrong + dry.orphans == 0)
				fail_msg("%s: damage %d not found", table_schema(derived[t])->name,
					 damage);
			assert_int_equal(dry.repaired, 0);
			assert_true(checked(fx, false).wrong + checked(fx, false).orphans > 0);
			wet = checked(fx, true);
			assert_true(wet.repaired > 0);
			assert_sound(fx);
			for (size_t k = 0; k < COUNT(derived); k++)
				if (derived[k] != TABLE_OWNER_TOTALS)
					assert_same_rows(sound[k], dump_of(fx, derived[k]));
			totals_are_those_of_the_rows(fx, "a");
			totals_are_those_of_the_rows(fx, "b");
		}
	}
}

static void expires_in_an_hour(struct fact *revision)
{
	revision->expires_at = START_US + US_PER_H;
}

/* The server was down when a pin's time came. */
static void what_time_alone_changed_is_not_wrong(void **state)
{
	struct fixture *fx = *state;
	struct ulid id;

	if (!fx->serial)
		return;
	id = create_pin(fx, CID_A, &(struct wish){ .owner = "a" });
	revise_pin(fx, CID_A, "a", id, expires_in_an_hour);
	place_copy(fx, CID_A, 1, true, COPY_PINNED);
	fx->clock.now_us += 2 * US_PER_H;
	for (int repair = 0; repair < 2; repair++) {
		struct store_check check = checked(fx, repair);

		assert_int_equal(check.wrong + check.orphans, 0);
	}
	assert_sound(fx);
	totals_are_those_of_the_rows(fx, "a");
}

/* Both pins become `expiring`, so there are as many rows of tags as there should be, and each of
 * them is looked at. */
static void a_tag_that_was_right_until_time_passed_has_a_cause(void **state)
{
	struct fixture *fx = *state;
	struct orphan_walk *walk;
	size_t removed;
	struct ulid id;
	struct err err;

	if (!fx->serial)
		return;
	for (unsigned i = 0; i < 2; i++) {
		id = create_pin(fx, cid_no(fx, i), &(struct wish){ .owner = "a" });
		revise_pin(fx, cid_no(fx, i), "a", id, expires_in_an_hour);
		place_copy(fx, cid_no(fx, i), 1, true, i ? COPY_PINNED : COPY_ERROR);
		assert_int_equal(find_pin(fx, "a", id)->status, i ? STATUS_PINNED : STATUS_FAILED);
	}
	fx->clock.now_us += US_PER_H;
	for (int repair = 0; repair < 2; repair++) {
		struct store_check check = checked(fx, repair);

		assert_int_equal(check.wrong, 0);
		assert_int_equal(check.orphans, 0);
	}
	walk = orphan_walk_new(fx->store);
	MUST(orphan_walk_step(walk, 1000, &removed, &err));
	assert_int_equal(removed, 0);
	orphan_walk_free(walk);
	assert_int_equal(rows_in(fx, TABLE_TAGS_INDEX), 2);
}

static void named_and_expires_in_an_hour(struct fact *revision)
{
	revision->expires_at = START_US + US_PER_H;
	revision->tags = (struct slice_list){ some_tags, 2 };
}

static void a_tag_that_is_missing_is_wrong_though_the_status_is_late(void **state)
{
	struct fixture *fx = *state;
	struct store_check check;
	struct ulid id;

	if (!fx->serial)
		return;
	id = create_pin(fx, CID_A, &(struct wish){ .owner = "a" });
	revise_pin(fx, CID_A, "a", id, named_and_expires_in_an_hour);
	place_copy(fx, CID_A, 1, true, COPY_PINNED);
	fx->clock.now_us += US_PER_H;
	damage_row(fx, TABLE_TAGS_INDEX, dump_of(fx, TABLE_TAGS_INDEX)->rows[0], LOST);
	for (int repair = 0; repair < 2; repair++) {
		check = checked(fx, repair);
		assert_int_equal(check.wrong, 1);
		assert_int_equal(check.repaired, repair);
	}
	assert_sound(fx);
}

struct visitor { /* makes a pin before the rows are counted and removes it behind that */
	struct fixture *fx;
	enum table read; /* the last */
	struct ulid id;
	int visits;
};

static void visit(void *ctx, enum table table)
{
	struct visitor *v = ctx;

	if (table == TABLE_OWNER_PINS && v->read == TABLE_OWNER_TOTALS && v->visits == 0) {
		v->visits = 1;
		v->id = create_pin(v->fx, CID_B, &(struct wish){ .owner = "a" });
	} else if (table == TABLE_OWNER_TOTALS && v->visits == 1) {
		v->visits = 2;
		end_pin(v->fx, CID_B, "a", v->id, END_BY_OWNER, 0);
	}
	v->read = table;
}

static void totals_are_not_wrong_because_a_pin_came_and_went_meanwhile(void **state)
{
	struct fixture *fx = *state;
	struct store_options options = { .clock = &fx->clock.base, .rand = &fx->rand };
	struct visitor visitor = { .fx = fx };
	struct failing_store failing;
	struct store_check check;
	struct store *store;
	char first[240];
	struct err err;

	if (!fx->serial)
		return;
	create_pin(fx, CID_A, &(struct wish){ .owner = "a" });
	failing_store_init(&failing, fx->backend);
	MUST(store_open(&failing.base, &options, &store, &err));
	failing.before_read = visit;
	failing.ctx = &visitor;
	MUST(store_check(store, true, NULL, NULL, &check, first, &err));
	assert_int_equal(visitor.visits, 2);
	assert_int_equal(check.wrong, 0);
	store_close(store);
	totals_are_those_of_the_rows(fx, "a");
}

static bool in_order(struct fixture *fx, struct slice cid)
{
	struct cid_view view;
	struct err err;
	bool yes;

	MUST(store_view(fx->store, cid, fx->mem, &view, &err));
	MUST(store_in_order(fx->store, &view, fx->mem, &yes, &err));
	return yes;
}

static void repair_of_one_cid_counts_what_was_wrong(void **state)
{
	struct fixture *fx = *state;
	struct err err;
	size_t wrong;

	if (!fx->serial)
		return;
	create_pin(fx, CID_A, &(struct wish){ .owner = "a", .name = "x" });
	MUST(store_repair(fx->store, CID_A, false, &wrong, &err));
	assert_int_equal(wrong, 0);
	assert_true(in_order(fx, CID_A));
	damage_row(fx, TABLE_TAGS_INDEX, dump_of(fx, TABLE_TAGS_INDEX)->rows[0], LOST);
	assert_false(in_order(fx, CID_A));
	MUST(store_repair(fx->store, CID_A, true, &wrong, &err));
	assert_int_equal(wrong, 1);
	MUST(store_repair(fx->store, CID_A, false, &wrong, &err));
	assert_int_equal(wrong, 1);
	MUST(store_repair(fx->store, CID_A, false, &wrong, &err));
	assert_int_equal(wrong, 0);
	assert_true(in_order(fx, CID_A));
	assert_sound(fx);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		CASE(ten_thousand_operations_leave_every_derived_row_right),
		CASE(a_check_ends_when_nobody_wants_it),
		CASE(check_asks_while_it_adds_up_the_pins_of_an_owner),
		CASE(check_finds_and_repair_mends_every_kind_of_damage),
		CASE(what_time_alone_changed_is_not_wrong),
		CASE(a_tag_that_was_right_until_time_passed_has_a_cause),
		CASE(a_tag_that_is_missing_is_wrong_though_the_status_is_late),
		CASE(totals_are_not_wrong_because_a_pin_came_and_went_meanwhile),
		CASE(repair_of_one_cid_counts_what_was_wrong),
	};

	return contract_main(argc, argv, tests, sizeof(tests) / sizeof(*tests));
}
