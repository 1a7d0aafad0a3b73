/* backend_contract.c -- what store_ops.h promises, asked of every serial back end. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "lib/temp_dir.h"
#include "store/mem/store_mem.h"
#include "store/random_row_test.h"
#include "store/rocksdb/store_rocksdb.h"

struct fixture {
	struct store_mem *mem;  /* of the back end in memory */
	char dir[TEMP_DIR_MAX]; /* of the one on disk */
	struct store_backend *b;
	struct arena *arena;
	struct err err;
};

static void *new_fixture(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	f->arena = arena_new();
	*state = f;
	return f;
}

static int setup_mem(void **state)
{
	struct fixture *f = new_fixture(state);

	f->mem = store_mem_new();
	f->b = store_mem_attach(f->mem, NULL, 0, NULL);
	return 0;
}

static int setup_rocksdb(void **state)
{
	struct fixture *f = new_fixture(state);
	struct store_rocksdb_options options = { .path = f->dir, .create = true };

	temp_dir_make(f->dir);
	if (store_rocksdb_open(&options, &f->b, &f->err))
		return 0;
	print_error("%s\n", f->err.text);
	return -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->b)
		f->b->ops->close(f->b);
	store_mem_free(f->mem);
	if (f->dir[0])
		temp_dir_remove(f->dir);
	arena_free(f->arena);
	test_free(f);
	return 0;
}

/* ---- asking ------------------------------------------------------------------------------ */

struct rows {
	enum table table;
	struct arena *mem;
	void *at[4096];
	size_t n;
};

static bool collect(void *ctx, const void *row)
{
	struct rows *rows = ctx;

	assert_true(rows->n < ARRAY_LEN(rows->at));
	rows->at[rows->n++] = row_copy(rows->table, row, rows->mem);
	return true;
}

static struct rows *ask(struct fixture *f, struct store_query q)
{
	struct rows *rows = arena_new_of(f->arena, struct rows);

	rows->table = q.table;
	rows->mem = f->arena;
	if (!f->b->ops->read(f->b, &q, collect, rows, &f->err))
		fail_msg("%s", f->err.text);
	return rows;
}

static void write_one(struct fixture *f, enum table table, enum write_kind kind, uint8_t group,
		      const void *row)
{
	struct store_write w = { .table = table, .kind = kind, .group = group, .row = row };

	if (!f->b->ops->write(f->b, &w, 1, &f->err))
		fail_msg("%s", f->err.text);
}

static void put(struct fixture *f, enum table table, const void *row)
{
	uint8_t groups = table_schema(table)->n_groups;

	if (groups == 1)
		write_one(f, table, WRITE_PUT, 0, row);
	for (uint8_t g = 1; groups > 1 && g <= groups; g++)
		write_one(f, table, WRITE_PUT, g, row);
}

/* ---- order and ranges: against a sorted array of the same rows ----------------------------- */

#define MODEL_ROWS 300

struct model {
	enum table table;
	void *at[MODEL_ROWS];
	size_t n;
};

static int model_find(const struct model *m, const void *row, size_t *at)
{
	unsigned n = table_schema(m->table)->n_key;

	for (*at = 0; *at < m->n; ++*at) {
		int c = row_key_cmp(m->table, m->at[*at], row, n);

		if (c >= 0)
			return c == 0;
	}
	return 0;
}

static void model_put(struct model *m, void *row)
{
	size_t at;

	if (!model_find(m, row, &at)) {
		memmove(&m->at[at + 1], &m->at[at], (m->n - at) * sizeof(m->at[0]));
		m->n++;
	}
	m->at[at] = row;
}

static void model_fill(struct fixture *f, struct model *m, enum table table, struct rand *rand)
{
	*m = (struct model){ .table = table };
	for (int i = 0; i < MODEL_ROWS; i++) {
		void *row = random_row(table, rand, f->arena);

		model_put(m, row);
		put(f, table, row);
	}
}

static bool model_has(const struct model *m, const struct store_query *q, const void *row)
{
	if (row_key_cmp(m->table, row, q->equal, q->n_equal) != 0)
		return false;
	if (q->after && row_key_cmp(m->table, row, q->after, q->n_after) <= 0)
		return false;
	return !q->until || row_key_cmp(m->table, row, q->until, q->n_until) <= 0;
}

static void check_query(struct fixture *f, const struct model *m, const struct store_query *q)
{
	struct rows *got = ask(f, *q);
	size_t n = 0;

	for (size_t i = 0; i < m->n && (q->limit == 0 || n < q->limit); i++) {
		if (!model_has(m, q, m->at[i]))
			continue;
		assert_true(n < got->n);
		assert_true(row_eq(m->table, got->at[n], m->at[i]));
		n++;
	}
	assert_int_equal(got->n, n);
}

static void check_random_query(struct fixture *f, const struct model *m, struct rand *rand)
{
	unsigned n_key = table_schema(m->table)->n_key;
	struct store_query q = { .table = m->table };

	q.equal = m->at[rand_below(rand, m->n)];
	q.n_equal = (unsigned)rand_below(rand, n_key + 1);
	if (rand_below(rand, 2)) {
		q.after = m->at[rand_below(rand, m->n)];
		q.n_after = 1 + (unsigned)rand_below(rand, n_key);
	}
	if (rand_below(rand, 2)) {
		q.until = m->at[rand_below(rand, m->n)];
		q.n_until = 1 + (unsigned)rand_below(rand, n_key);
	}
	if (rand_below(rand, 2))
		q.limit = 1 + rand_below(rand, 5);
	check_query(f, m, &q);
}

static void rows_of_every_table_come_in_key_order_and_in_every_range(void **state)
{
	struct fixture *f = *state;
	struct rand_seeded rand;
	struct model m;

	rand_init_seeded(&rand, 11);
	for (int t = 0; t < TABLE_COUNT; t++) {
		model_fill(f, &m, (enum table)t, &rand.base);
		check_query(f, &m, &(struct store_query){ .table = (enum table)t });
		for (int i = 0; i < 100; i++)
			check_random_query(f, &m, &rand.base);
		arena_reset(f->arena);
	}
}

static void newer_periods_and_ids_come_first(void **state)
{
	struct fixture *f = *state;
	struct owner_pin pins[] = {
		{ .owner = SLICE_LIT("a"), .period = 2, .request_id.bytes = { 9 } },
		{ .owner = SLICE_LIT("a"), .period = 2, .request_id.bytes = { 8 } },
		{ .owner = SLICE_LIT("a"), .period = 1, .request_id.bytes = { 255 } },
		{ .owner = SLICE_LIT("a\0b"), .period = 3 },
		{ .owner = SLICE_LIT("aa"), .period = 9 },
	};
	struct rows *rows;

	for (size_t i = ARRAY_LEN(pins); i-- > 0;)
		put(f, TABLE_OWNER_PINS, &pins[i]);
	rows = ask(f, (struct store_query){ .table = TABLE_OWNER_PINS });
	assert_int_equal(rows->n, ARRAY_LEN(pins));
	for (size_t i = 0; i < rows->n; i++)
		assert_true(row_eq(TABLE_OWNER_PINS, rows->at[i], &pins[i]));
	rows = ask(f, (struct store_query){ TABLE_OWNER_PINS, &pins[0], 1 });
	assert_int_equal(rows->n, 3);
}

static bool stop_at_second(void *ctx, const void *row)
{
	(void)row;
	return ++*(int *)ctx < 2;
}

static void a_reader_may_have_enough(void **state)
{
	struct fixture *f = *state;
	struct store_query q = { .table = TABLE_SETTINGS };
	int seen = 0;

	for (int i = 0; i < 5; i++)
		put(f, TABLE_SETTINGS,
		    &(struct setting){ slice_str((char[]){ (char)('a' + i), 0 }) });
	assert_true(f->b->ops->read(f->b, &q, stop_at_second, &seen, &f->err));
	assert_int_equal(seen, 2);
}

static bool read_within(void *ctx, const void *row)
{
	struct fixture *f = ctx;
	struct store_query q = { TABLE_SETTINGS, row, 1 };

	assert_int_equal(ask(f, q)->n, 1);
	put(f, TABLE_LEASES, &(struct lease){ .name = SLICE_LIT("within") });
	return true;
}

static void a_reader_may_read_and_write_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct store_query q = { .table = TABLE_SETTINGS };

	put(f, TABLE_SETTINGS, &(struct setting){ SLICE_LIT("a") });
	put(f, TABLE_SETTINGS, &(struct setting){ SLICE_LIT("b") });
	assert_true(f->b->ops->read(f->b, &q, read_within, f, &f->err));
	assert_int_equal(ask(f, (struct store_query){ .table = TABLE_LEASES })->n, 1);
}

/* ---- groups ---------------------------------------------------------------------------------- */

static struct copy_row copy_row(uint64_t gen, uint64_t stamp)
{
	return (struct copy_row){ .bucket = 1,
				  .cid = SLICE_LIT("cid"),
				  .copy = { .peer_no = 3, .gen = gen, .stamp = stamp } };
}

static void halves_are_written_apart_and_read_together(void **state)
{
	struct fixture *f = *state;
	struct copy_row desired = copy_row(5, 99), observed = copy_row(77, 6),
			both = copy_row(5, 6);
	struct rows *rows;

	write_one(f, TABLE_PLACEMENTS_BY_CID, WRITE_PUT, GROUP_OBSERVED, &observed);
	write_one(f, TABLE_PLACEMENTS_BY_CID, WRITE_PUT, GROUP_DESIRED, &desired);
	both.copy.error = SLICE_LIT("");
	rows = ask(f, (struct store_query){ .table = TABLE_PLACEMENTS_BY_CID });
	assert_int_equal(rows->n, 1);
	assert_true(row_eq(TABLE_PLACEMENTS_BY_CID, rows->at[0], &both));
}

static void deleting_a_half_leaves_the_other_and_deleting_the_row_nothing(void **state)
{
	struct fixture *f = *state;
	struct copy_row both = copy_row(5, 6), observed = copy_row(0, 6);
	struct rows *rows;

	put(f, TABLE_PLACEMENTS_BY_CID, &both);
	write_one(f, TABLE_PLACEMENTS_BY_CID, WRITE_DELETE, GROUP_DESIRED, &both);
	rows = ask(f, (struct store_query){ .table = TABLE_PLACEMENTS_BY_CID });
	assert_int_equal(rows->n, 1);
	assert_true(row_eq(TABLE_PLACEMENTS_BY_CID, rows->at[0], &observed));
	put(f, TABLE_PLACEMENTS_BY_CID, &both);
	write_one(f, TABLE_PLACEMENTS_BY_CID, WRITE_DELETE, 0, &both);
	assert_int_equal(ask(f, (struct store_query){ .table = TABLE_PLACEMENTS_BY_CID })->n, 0);
}

/* ---- writes ------------------------------------------------------------------------------------
 */

static void a_later_write_in_a_batch_wins(void **state)
{
	struct fixture *f = *state;
	struct lease a = { .name = SLICE_LIT("l"), .epoch = 1 }, b = { .name = a.name, .epoch = 2 };
	struct lease gone = { .name = SLICE_LIT("gone") };
	struct store_write w[] = {
		{ .table = TABLE_LEASES, .row = &b },
		{ .table = TABLE_LEASES, .row = &a },
		{ .table = TABLE_LEASES, .row = &gone },
		{ .table = TABLE_LEASES, .kind = WRITE_DELETE, .row = &gone },
	};
	struct rows *rows;

	assert_true(f->b->ops->write(f->b, w, ARRAY_LEN(w), &f->err));
	rows = ask(f, (struct store_query){ .table = TABLE_LEASES });
	assert_int_equal(rows->n, 1);
	assert_true(row_eq(TABLE_LEASES, rows->at[0], &a));
}

static void totals_are_added_up(void **state)
{
	struct fixture *f = *state;
	struct owner_total total = { .owner = SLICE_LIT("o"), .writer = 1, .status = 2 };
	struct rows *rows;

	for (int i = 1; i <= 100; i++) {
		total.pins = i % 2 ? i : -i;
		total.bytes = INT64_C(1) << 40;
		write_one(f, TABLE_OWNER_TOTALS, WRITE_ADD, 0, &total);
	}
	total.pins = -50;
	total.bytes = 100 * (INT64_C(1) << 40);
	rows = ask(f, (struct store_query){ TABLE_OWNER_TOTALS, &total, 3 });
	assert_int_equal(rows->n, 1);
	assert_true(row_eq(TABLE_OWNER_TOTALS, rows->at[0], &total));
	put(f, TABLE_OWNER_TOTALS, &total);
	write_one(f, TABLE_OWNER_TOTALS, WRITE_ADD, 0, &total);
	rows = ask(f, (struct store_query){ TABLE_OWNER_TOTALS, &total, 1 });
	assert_int_equal(((struct owner_total *)rows->at[0])->pins, -100);
}

static void dropping_takes_what_lies_between(void **state)
{
	struct fixture *f = *state;
	struct ttl_row row = { .cid = SLICE_LIT("c") };
	struct rows *rows;

	for (uint32_t hour = 0; hour < 10; hour++) {
		row.ttl_bucket = hour;
		row.expires_at = 0;
		put(f, TABLE_PIN_TTL_QUEUE, &row);
		row.expires_at = -5;
		put(f, TABLE_PIN_TTL_QUEUE, &row);
	}
	assert_true(f->b->ops->drop(f->b, TABLE_PIN_TTL_QUEUE, &(struct ttl_row){ .ttl_bucket = 2 },
				    &(struct ttl_row){ .ttl_bucket = 7 }, 1, &f->err));
	rows = ask(f, (struct store_query){ .table = TABLE_PIN_TTL_QUEUE });
	assert_int_equal(rows->n, 10);
	for (size_t i = 0; i < rows->n; i++) {
		uint32_t hour = ((struct ttl_row *)rows->at[i])->ttl_bucket;

		assert_true(hour < 2 || hour >= 7);
	}
	row.ttl_bucket = 3; /* and what comes later stays */
	put(f, TABLE_PIN_TTL_QUEUE, &row);
	assert_int_equal(ask(f, (struct store_query){ TABLE_PIN_TTL_QUEUE, &row, 1 })->n, 1);
}

/* ---- compare and set
 * ------------------------------------------------------------------------------ */

static bool swap(struct fixture *f, enum table table, const void *expected, const void *row)
{
	bool done;

	if (!f->b->ops->swap(f->b, table, expected, row, &done, &f->err))
		fail_msg("%s", f->err.text);
	return done;
}

static void a_swap_is_made_if_what_is_stored_is_expected(void **state)
{
	struct fixture *f = *state;
	struct lease one = { .name = SLICE_LIT("l"), .holder = SLICE_LIT("a"), .epoch = 1 };
	struct lease two = { .name = SLICE_LIT("l"), .holder = SLICE_LIT("b"), .epoch = 2 };

	assert_false(swap(f, TABLE_LEASES, &one, &two));
	assert_true(swap(f, TABLE_LEASES, NULL, &one));
	assert_false(swap(f, TABLE_LEASES, NULL, &two));
	assert_false(swap(f, TABLE_LEASES, &two, &one));
	assert_true(swap(f, TABLE_LEASES, &one, &two));
	assert_false(swap(f, TABLE_LEASES, &one, NULL));
	assert_true(swap(f, TABLE_LEASES, &two, NULL));
	assert_int_equal(ask(f, (struct store_query){ .table = TABLE_LEASES })->n, 0);
}

static void a_swap_of_a_row_in_groups_concerns_the_first(void **state)
{
	struct fixture *f = *state;
	struct peer_row a = { .peer_no = 1, .peer_id = SLICE_LIT("a"), .zone = SLICE_LIT("z") };
	struct peer_row b = { .peer_no = 1, .peer_id = SLICE_LIT("b") };
	struct rows *rows;

	write_one(f, TABLE_PEERS, WRITE_PUT, GROUP_WISH, &a);
	assert_true(swap(f, TABLE_PEERS, NULL, &a));
	assert_false(swap(f, TABLE_PEERS, NULL, &b));
	rows = ask(f, (struct store_query){ .table = TABLE_PEERS });
	assert_int_equal(rows->n, 1);
	assert_true(row_eq(TABLE_PEERS, rows->at[0], &a));
}

#define THREADS 8
#define TURNS   200

static void *count_up(void *ctx)
{
	struct fixture *f = ctx;
	struct lease now = { .name = SLICE_LIT("counter") }, next = now;
	struct store_query q = { TABLE_LEASES, &now, 1, .limit = 1 };

	for (int i = 0; i < TURNS; i++) {
		bool done = false;

		while (!done) {
			struct arena *mem = arena_new();
			struct rows *rows = arena_new_of(mem, struct rows);
			struct err err;

			rows->table = TABLE_LEASES;
			rows->mem = mem;
			if (!f->b->ops->read(f->b, &q, collect, rows, &err))
				abort();
			now.epoch = rows->n ? ((struct lease *)rows->at[0])->epoch : 0;
			next.epoch = now.epoch + 1;
			if (!f->b->ops->swap(f->b, TABLE_LEASES, rows->n ? &now : NULL, &next,
					     &done, &err))
				abort();
			arena_free(mem);
		}
	}
	return NULL;
}

static void eight_threads_that_swap_lose_no_turn(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[THREADS];
	struct rows *rows;

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_up, f), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	rows = ask(f, (struct store_query){ .table = TABLE_LEASES });
	assert_int_equal(((struct lease *)rows->at[0])->epoch, THREADS * TURNS);
}

/* ---- locks
 * -------------------------------------------------------------------------------------------- */

struct locker {
	struct fixture *f;
	uint64_t seed;
	int *inside; /* by bucket; guarded by lock() alone */
};

#define BUCKETS 40

static void *lock_often(void *ctx)
{
	struct locker *l = ctx;
	struct rand_seeded rand;

	rand_init_seeded(&rand, l->seed);
	for (int i = 0; i < 500; i++) {
		uint32_t buckets[5];
		size_t n = 1 + rand_below(&rand.base, 5);

		for (size_t k = 0; k < n; k++) /* in any order, some twice */
			buckets[k] = (uint32_t)rand_below(&rand.base, BUCKETS);
		l->f->b->ops->lock(l->f->b, buckets, n);
		for (size_t k = 0; k < n; k++)
			l->inside[buckets[k]]++;
		l->f->b->ops->unlock(l->f->b, buckets, n);
	}
	return NULL;
}

static void locks_of_many_buckets_exclude_each_other_and_end(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[THREADS];
	struct locker lockers[THREADS];
	int inside[BUCKETS] = { 0 }, sum = 0, wanted = 0;

	for (unsigned i = 0; i < THREADS; i++) {
		struct rand_seeded rand;

		lockers[i] = (struct locker){ f, i, inside };
		rand_init_seeded(&rand, i);
		for (int turn = 0; turn < 500; turn++) {
			size_t n = 1 + rand_below(&rand.base, 5);

			wanted += (int)n;
			while (n-- > 0)
				rand_below(&rand.base, BUCKETS);
		}
		assert_int_equal(pthread_create(&threads[i], NULL, lock_often, &lockers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < BUCKETS; i++)
		sum += inside[i];
	assert_int_equal(sum, wanted);
}

/* ---- durability
 * ------------------------------------------------------------------------------------------ */

struct durable {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	unsigned order[1000];
	size_t n, failed;
};

struct durable_wait {
	struct durable *all;
	unsigned number;
};

static void on_durable(void *ctx, const struct err *err)
{
	struct durable_wait *w = ctx;

	pthread_mutex_lock(&w->all->mutex);
	w->all->order[w->all->n++] = w->number;
	w->all->failed += err != NULL;
	pthread_cond_signal(&w->all->changed);
	pthread_mutex_unlock(&w->all->mutex);
}

static void who_waits_is_called_once_in_order(void **state)
{
	struct fixture *f = *state;
	struct durable all = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };
	struct durable_wait waits[1000];
	struct store_counters counters;

	for (unsigned i = 0; i < ARRAY_LEN(waits); i++) {
		waits[i] = (struct durable_wait){ &all, i };
		put(f, TABLE_LEASES, &(struct lease){ .name = SLICE_LIT("l"), .epoch = i });
		f->b->ops->when_durable(f->b, f->b->ops->mark(f->b), on_durable, &waits[i]);
	}
	pthread_mutex_lock(&all.mutex);
	while (all.n < ARRAY_LEN(waits))
		pthread_cond_wait(&all.changed, &all.mutex);
	for (unsigned i = 0; i < ARRAY_LEN(waits); i++)
		assert_int_equal(all.order[i], i);
	assert_int_equal(all.failed, 0);
	pthread_mutex_unlock(&all.mutex);
	f->b->ops->counters(f->b, &counters);
	assert_int_equal(counters.writes, 1000);
	assert_false(counters.read_only);
}

static void closing_calls_all_who_wait(void **state)
{
	struct fixture *f = *state;
	struct durable all = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };
	struct durable_wait waits[100];

	for (unsigned i = 0; i < ARRAY_LEN(waits); i++) {
		waits[i] = (struct durable_wait){ &all, i };
		put(f, TABLE_LEASES, &(struct lease){ .name = SLICE_LIT("l"), .epoch = i });
		f->b->ops->when_durable(f->b, f->b->ops->mark(f->b), on_durable, &waits[i]);
	}
	f->b->ops->close(f->b);
	f->b = NULL;
	assert_int_equal(all.n, ARRAY_LEN(waits));
	assert_int_equal(all.failed, 0);
}

static void a_whole_store_is_verified(void **state)
{
	struct fixture *f = *state;

	put(f, TABLE_LEASES, &(struct lease){ .name = SLICE_LIT("l") });
	assert_true(f->b->ops->verify(f->b, NULL, NULL, &f->err));
	assert_int_equal(ask(f, (struct store_query){ .table = TABLE_LEASES })->n, 1);
}

#define ALL(setup)                                                                                 \
	T(rows_of_every_table_come_in_key_order_and_in_every_range, setup),                        \
		T(newer_periods_and_ids_come_first, setup), T(a_reader_may_have_enough, setup),    \
		T(a_reader_may_read_and_write_meanwhile, setup),                                   \
		T(halves_are_written_apart_and_read_together, setup),                              \
		T(deleting_a_half_leaves_the_other_and_deleting_the_row_nothing, setup),           \
		T(a_later_write_in_a_batch_wins, setup), T(totals_are_added_up, setup),            \
		T(dropping_takes_what_lies_between, setup),                                        \
		T(a_swap_is_made_if_what_is_stored_is_expected, setup),                            \
		T(a_swap_of_a_row_in_groups_concerns_the_first, setup),                            \
		T(eight_threads_that_swap_lose_no_turn, setup),                                    \
		T(locks_of_many_buckets_exclude_each_other_and_end, setup),                        \
		T(who_waits_is_called_once_in_order, setup), T(closing_calls_all_who_wait, setup), \
		T(a_whole_store_is_verified, setup)
#define T(name, setup)                                             \
	{                                                          \
#name " (" #setup ")", name, setup, teardown, NULL \
	}

/* backend_contract mem|rocksdb */
int main(int argc, char **argv)
{
	const struct CMUnitTest mem[] = { ALL(setup_mem) };
	const struct CMUnitTest rocksdb[] = { ALL(setup_rocksdb) };

	if (argc == 2 && strcmp(argv[1], "mem") == 0)
		return cmocka_run_group_tests(mem, NULL, NULL);
	if (argc == 2 && strcmp(argv[1], "rocksdb") == 0)
		return cmocka_run_group_tests(rocksdb, NULL, NULL);
	fprintf(stderr, "usage: backend_contract mem|rocksdb\n");
	return EXIT_FAILURE;
}
