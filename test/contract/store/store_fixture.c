#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "lib/temp_dir.h"
#include "store/mem/store_mem.h"
#include "store/rocksdb/store_rocksdb.h"

/* ---- kinds ---------------------------------------------------------------------------------- */

static void *make_mem(void)
{
	return store_mem_new();
}

static void *make_loose(void)
{
	return store_mem_new_loose(NULL);
}

static struct store_backend *attach_mem(void *data, struct clock *clock)
{
	return store_mem_attach(data, clock, 0, NULL);
}

static void destroy_mem(void *data)
{
	store_mem_free(data);
}

struct rocksdb_data {
	char path[TEMP_DIR_MAX];
};

static void *make_rocksdb(void)
{
	struct rocksdb_data *data = xcalloc(1, sizeof(*data));

	temp_dir_make(data->path);
	return data;
}

static struct store_backend *attach_rocksdb(void *data, struct clock *clock UNUSED)
{
	struct store_rocksdb_options options = { .path = ((struct rocksdb_data *)data)->path,
						 .create = true };
	struct store_backend *backend;
	struct err err;

	MUST(store_rocksdb_open(&options, &backend, &err));
	return backend;
}

static void destroy_rocksdb(void *data)
{
	temp_dir_remove(((struct rocksdb_data *)data)->path);
	xfree(data);
}

static const struct fixture_kind kinds[] = {
	{ "mem", make_mem, attach_mem, destroy_mem },
	{ "loose", make_loose, attach_mem, destroy_mem },
	{ "rocksdb", make_rocksdb, attach_rocksdb, destroy_rocksdb },
};

static const struct fixture_kind *chosen;

int contract_main(int argc, char **argv, const struct CMUnitTest *tests, size_t n)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (argc == 2 && strcmp(argv[1], kinds[i].name) == 0)
			chosen = &kinds[i];
	if (!chosen) {
		fprintf(stderr, "usage: %s KIND\n", argv[0]);
		return 2;
	}
	return _cmocka_run_group_tests(chosen->name, tests, n, NULL, NULL);
}

/* ---- the fixture ------------------------------------------------------------------------------
 */

static int64_t test_now(struct clock *clock)
{
	return CONTAINER_OF(clock, struct test_clock, base)->now_us;
}

static void fixture_open(struct fixture *fx)
{
	struct store_options options = { .instance = 7,
					 .clock = &fx->clock.base,
					 .rand = &fx->rand,
					 .expiring_us = 5 * US_PER_MIN };
	struct err err;

	fx->backend = chosen->attach(fx->data, &fx->clock.base);
	fx->serial = fx->backend->ops->lock != NULL;
	MUST(store_open(fx->backend, &options, &fx->store, &err));
}

int fixture_setup(void **state)
{
	struct fixture *fx = xcalloc(1, sizeof(*fx));

	fx->clock.base = (struct clock){ test_now, test_now };
	fx->clock.now_us = START_US;
	fx->mem = arena_new();
	rand_init_system(&fx->rand);
	fx->data = chosen->make();
	fixture_open(fx);
	*state = fx;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *fx = *state;

	store_close(fx->store);
	chosen->destroy(fx->data);
	arena_free(fx->mem);
	xfree(fx);
	return 0;
}

void fixture_reopen(struct fixture *fx)
{
	store_close(fx->store);
	fixture_open(fx);
}

struct slice cid_no(struct fixture *fx, unsigned n)
{
	uint8_t bytes[] = {
		1,         0x55, 0x12, 4, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
		(uint8_t)n
	};

	return arena_copy(fx->mem, SLICE_OF(bytes, sizeof(bytes)));
}

/* ---- changes ------------------------------------------------------------------------------------
 */

static bool decide_fixed(void *ctx, const struct cid_view *view UNUSED, int64_t now_us UNUSED,
			 struct arena *mem UNUSED, struct cid_change *out, struct err *err UNUSED)
{
	*out = *(const struct cid_change *)ctx;
	return true;
}

void change(struct fixture *fx, struct slice cid, const struct cid_change *what)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	void *ctx = (void *)(uintptr_t)what;
	struct err err;

	MUST(store_change(fx->store, &cid, &ctx, 1, decide_fixed, mem, &err));
}

struct creation {
	const struct wish *wish;
	struct ulid id;
	int64_t created_at;
};

static bool there_already(const struct cid_view *view, struct ulid id)
{
	for (size_t i = 0; i < view->n_facts; i++)
		if (ulid_cmp(&view->facts[i].request_id, &id) == 0)
			return true;
	return false;
}

static bool decide_creation(void *ctx, const struct cid_view *view, int64_t now_us UNUSED,
			    struct arena *mem, struct cid_change *out, struct err *err UNUSED)
{
	const struct creation *c = ctx;
	const struct wish *w = c->wish;
	struct fact *facts = arena_new_array(mem, struct fact, 2);
	int32_t replicas = w->replicas ? w->replicas : 1;

	if (there_already(view, c->id))
		return true;
	facts[0] = (struct fact){ .owner = slice_str(w->owner),
				  .request_id = c->id,
				  .kind = FACT_CREATE,
				  .created_at = c->created_at,
				  .mode = PIN_RECURSIVE,
				  .cid_base = 'b' };
	facts[1] = (struct fact){ .owner = slice_str(w->owner),
				  .request_id = c->id,
				  .kind = FACT_REVISION,
				  .rev = view->next,
				  .name = slice_str(w->name ? w->name : ""),
				  .tags = w->tags,
				  .meta = w->meta,
				  .rf_min = replicas,
				  .rf_max = replicas,
				  .expires_at = w->expires_at };
	*out = (struct cid_change){ .facts = facts, .n_facts = 2 };
	return true;
}

struct ulid create_pin(struct fixture *fx, struct slice cid, const struct wish *wish)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct creation c = { .wish = wish, .created_at = wish->created_at };
	void *ctx = &c;
	struct err err;

	if (c.created_at == 0) {
		MUST(store_new_request_id(fx->store, slice_str(wish->owner), &c.id, &c.created_at,
					  &err));
	} else {
		uint64_t random = rand_u64(&fx->rand);

		c.id = ulid_make(c.created_at / US_PER_MS, (unsigned)(c.created_at % US_PER_MS), 7,
				 (const uint8_t *)&random);
	}
	MUST(store_change(fx->store, &cid, &ctx, 1, decide_creation, mem, &err));
	return c.id;
}

struct edit {
	struct slice owner;
	struct ulid id;
	void (*edit)(struct fact *revision);
	enum end_cause cause;
	uint64_t judged_rev;
	bool done;
};

static bool decide_edit(void *ctx, const struct cid_view *view, int64_t now_us UNUSED,
			struct arena *mem, struct cid_change *out, struct err *err UNUSED)
{
	struct fact *fact = arena_new_of(mem, struct fact);
	struct edit *e = ctx;
	struct request *r;
	size_t n = requests_fold(view->facts, view->n_facts, mem, &r), i = 0;

	while (i < n && (ulid_cmp(&r[i].create->request_id, &e->id) != 0 ||
			 !slice_eq(r[i].create->owner, e->owner)))
		i++;
	if (e->done || i == n || r[i].life != REQUEST_LIVE)
		return true;
	*fact = *r[i].revision;
	if (e->edit)
		e->edit(fact);
	else
		*fact = (struct fact){ .owner = e->owner,
				       .request_id = e->id,
				       .kind = FACT_END,
				       .cause = (uint8_t)e->cause,
				       .judged_rev = e->judged_rev };
	fact->rev = view->next;
	e->done = true;
	*out = (struct cid_change){ .facts = fact, .n_facts = 1 };
	return true;
}

static void edit_pin(struct fixture *fx, struct slice cid, struct edit *edit)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	void *ctx = edit;
	struct err err;

	MUST(store_change(fx->store, &cid, &ctx, 1, decide_edit, mem, &err));
}

void revise_pin(struct fixture *fx, struct slice cid, const char *owner, struct ulid id,
		void (*edit)(struct fact *revision))
{
	struct edit e = { .owner = slice_str(owner), .id = id, .edit = edit };

	edit_pin(fx, cid, &e);
}

void end_pin(struct fixture *fx, struct slice cid, const char *owner, struct ulid id,
	     enum end_cause cause, uint64_t judged_rev)
{
	struct edit e = {
		.owner = slice_str(owner), .id = id, .cause = cause, .judged_rev = judged_rev
	};

	edit_pin(fx, cid, &e);
}

static bool decide_copy(void *ctx, const struct cid_view *view, int64_t now_us UNUSED,
			struct arena *mem, struct cid_change *out, struct err *err UNUSED)
{
	struct copy *copy = ctx, *c = arena_new_of(mem, struct copy);

	if (copy->gen == 0) { /* else this is the view of what was written */
		copy->gen = copy->state_gen = view->next;
		copy->stamp = copy->gen + 1;
	}
	*c = *copy;
	*out = (struct cid_change){ .desired = c, .n_desired = 1, .observed = c, .n_observed = 1 };
	return true;
}

void place_copy(struct fixture *fx, struct slice cid, uint32_t peer_no, bool desired,
		enum copy_state state)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct copy copy = { .peer_no = peer_no,
			     .desired = desired,
			     .mode = PIN_RECURSIVE,
			     .state = (uint8_t)state,
			     .observed_at = fx->clock.now_us + US_PER_S,
			     .attempts = state == COPY_ERROR ? COPY_FAILED_ATTEMPTS : 0,
			     .size = 100 };
	void *ctx = &copy;
	struct err err;

	MUST(store_change(fx->store, &cid, &ctx, 1, decide_copy, mem, &err));
}

const struct owner_pin *find_pin(struct fixture *fx, const char *owner, struct ulid id)
{
	const struct owner_pin *row;
	struct err err;

	MUST(store_find(fx->store, slice_str(owner), id, fx->mem, &row, &err));
	return row;
}

static bool count_row(void *ctx, const void *row UNUSED)
{
	++*(size_t *)ctx;
	return true;
}

size_t rows_in(struct fixture *fx, enum table table)
{
	struct store_query query = { .table = table };
	struct err err;
	size_t n = 0;

	MUST(fx->backend->ops->read(fx->backend, &query, count_row, &n, &err));
	return n;
}

void assert_sound(struct fixture *fx)
{
	struct store_check check;
	char first[240];
	struct err err;

	MUST(store_check(fx->store, false, NULL, NULL, &check, first, &err));
	if (check.wrong + check.orphans > 0)
		fail_msg("%llu wrong, %llu orphans: %s", (unsigned long long)check.wrong,
			 (unsigned long long)check.orphans, first);
}
