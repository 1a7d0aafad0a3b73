#include "role/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "role/store_test.h"

struct fixture {
	struct test_store s;
	struct keys *keys;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct err err;

	test_store_open(&f->s, NULL);
	assert_true(keys_open(f->s.store, &f->s.clock, &f->s.rand.base, &f->keys, &err));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	keys_free(f->keys);
	test_store_close(&f->s);
	xfree(f);
	return 0;
}

static const struct api_key *make(struct fixture *f, enum key_scope scope, int64_t expires_at,
				  struct api_key_text *text)
{
	const struct key_wish wish = { .owner = SLICE_LIT("alice"),
				       .scope = scope,
				       .expires_at = expires_at };
	const struct api_key *row;
	struct err err;

	assert_true(keys_create(f->keys, &wish, f->s.mem, text, &row, &err));
	return row;
}

static bool good(struct keys *keys, const char *text)
{
	struct key_identity who;
	struct err err;
	bool is;

	assert_true(keys_verify(keys, slice_str(text), &who, &is, &err));
	return is;
}

static void a_key_speaks_for_its_owner(void **state)
{
	struct fixture *f = *state;
	struct api_key_text text;
	const struct api_key *row = make(f, SCOPE_WRITE, 0, &text);
	struct key_identity who;
	struct err err;
	bool is;

	for (int i = 0; i < 3; i++) { /* from the store, from the cache, by its digest */
		assert_true(keys_verify(f->keys, slice_str(text.text), &who, &is, &err));
		assert_true(is);
		assert_string_equal(who.owner, "alice");
		assert_true(slice_eq_str(row->key_id, who.key_id));
		assert_int_equal(who.scopes, SCOPE_WRITE);
	}
	assert_true(row->hash.len == API_KEY_HASH_LEN);
	assert_null(memmem(row->hash.ptr, row->hash.len, text.secret.ptr, 8));
}

static void another_secret_under_a_known_id_is_refused(void **state)
{
	struct fixture *f = *state;
	struct api_key_text text, forged;

	make(f, SCOPE_WRITE, 0, &text);
	assert_true(good(f->keys, text.text));
	api_key_make(&f->s.rand.base, &text.id, &forged);
	assert_false(good(f->keys, forged.text));
	api_key_make(&f->s.rand.base, NULL, &forged);
	assert_false(good(f->keys, forged.text));
	assert_false(good(f->keys, ""));
	assert_true(good(f->keys, text.text));
}

static void an_expired_key_is_refused_at_that_moment(void **state)
{
	struct fixture *f = *state;
	struct api_key_text text;

	make(f, SCOPE_READ, f->s.now + 1000, &text);
	assert_true(good(f->keys, text.text));
	f->s.now += 999;
	assert_true(good(f->keys, text.text));
	f->s.now += 1;
	assert_false(good(f->keys, text.text));
}

static void a_rotated_key_keeps_its_old_secret_for_the_overlap(void **state)
{
	struct fixture *f = *state;
	struct api_key_text first, second, third;
	const struct api_key *row = make(f, SCOPE_READ, 0, &first);
	struct slice owner = SLICE_LIT("alice"), id = row->key_id;
	struct err err;

	assert_true(good(f->keys, first.text));
	assert_true(keys_rotate(f->keys, owner, id, 1000, f->s.mem, &second, &row, &err));
	assert_non_null(row);
	assert_true(good(f->keys, first.text));
	assert_true(good(f->keys, second.text));
	f->s.now += 1000;
	assert_false(good(f->keys, first.text));
	assert_true(good(f->keys, second.text));
	assert_true(keys_rotate(f->keys, owner, id, US_PER_H, f->s.mem, &third, &row, &err));
	assert_false(good(f->keys, first.text));
	assert_true(good(f->keys, second.text));
	assert_true(good(f->keys, third.text));
	assert_true(keys_rotate(f->keys, SLICE_LIT("bob"), id, 0, f->s.mem, &third, &row, &err));
	assert_null(row);
}

static void a_revoked_key_is_refused_here_at_once_and_elsewhere_soon(void **state)
{
	CLEANUP(keys_free) struct keys *elsewhere = NULL;
	struct fixture *f = *state;
	struct api_key_text text;
	const struct api_key *row = make(f, SCOPE_ADMIN, 0, &text);
	struct err err;
	bool found;

	assert_true(keys_open(f->s.store, &f->s.clock, &f->s.rand.base, &elsewhere, &err));
	assert_true(good(f->keys, text.text) && good(elsewhere, text.text));
	assert_true(keys_revoke(f->keys, SLICE_LIT("bob"), row->key_id, f->s.mem, &found, &err));
	assert_false(found);
	assert_true(keys_revoke(f->keys, SLICE_LIT("alice"), row->key_id, f->s.mem, &found, &err));
	assert_true(found);
	assert_false(good(f->keys, text.text));
	f->s.now += 30 * US_PER_S;
	assert_false(good(elsewhere, text.text));
	assert_true(keys_revoke(f->keys, SLICE_LIT("alice"), row->key_id, f->s.mem, &found, &err));
	assert_false(found);
}

static void a_key_made_elsewhere_is_good_once_its_absence_is_forgotten(void **state)
{
	CLEANUP(keys_free) struct keys *elsewhere = NULL;
	struct fixture *f = *state;
	struct api_key_text text, early;
	struct rand_seeded same = f->s.rand;
	struct err err;

	assert_true(keys_open(f->s.store, &f->s.clock, &f->s.rand.base, &elsewhere, &err));
	api_key_make(&same.base, NULL, &early); /* the key that will be made next */
	assert_false(good(elsewhere, early.text));
	make(f, SCOPE_READ, 0, &text);
	assert_string_equal(text.text, early.text);
	f->s.now += 5 * US_PER_S;
	assert_true(good(elsewhere, text.text));
}

static void keys_are_listed_by_owner_in_pages(void **state)
{
	struct fixture *f = *state;
	const struct key_wish other = { .owner = SLICE_LIT("bob"), .scope = SCOPE_READ };
	struct slice after = { NULL, 0 };
	const struct api_key **rows, *row;
	struct api_key_text text;
	struct err err;
	size_t n, seen = 0;
	bool more = true;

	for (int i = 0; i < 7; i++) {
		make(f, SCOPE_READ, 0, &text);
		assert_true(keys_create(f->keys, &other, f->s.mem, &text, &row, &err));
	}
	while (more) {
		assert_true(keys_list(f->keys, SLICE_LIT("alice"), after, 3, f->s.mem, &rows, &n,
				      &more, &err));
		for (size_t i = 0; i < n; i++) {
			assert_true(slice_eq_str(rows[i]->owner, "alice"));
			assert_true(slice_cmp(after, rows[i]->key_id) < 0);
			after = rows[i]->key_id;
		}
		seen += n;
	}
	assert_int_equal(seen, 7);
}

static void read_file(const char *dir, char out[200])
{
	char path[100];
	FILE *file;

	snprintf(path, sizeof(path), "%s/admin.key", dir);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(out, 200, file));
	fclose(file);
	out[strcspn(out, "\n")] = '\0';
}

static void the_admin_key_is_made_once_and_for_this_user_alone(void **state)
{
	struct fixture *f = *state;
	char dir[] = "/tmp/keys_test_XXXXXX", path[100], first[200], second[200];
	struct stat st;
	struct err err;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/admin.key", dir);
	assert_true(keys_ensure_admin(f->keys, dir, &err));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	read_file(dir, first);
	assert_true(good(f->keys, first));
	assert_int_equal(chmod(path, 0644), 0);
	assert_true(keys_ensure_admin(f->keys, dir, &err));
	read_file(dir, second);
	assert_string_equal(first, second);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(truncate(path, 10), 0); /* one that is broken is made anew */
	assert_true(keys_ensure_admin(f->keys, dir, &err));
	read_file(dir, second);
	assert_string_not_equal(first, second);
	assert_true(good(f->keys, second));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_false(keys_ensure_admin(f->keys, dir, &err));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_key_speaks_for_its_owner),
		TEST(another_secret_under_a_known_id_is_refused),
		TEST(an_expired_key_is_refused_at_that_moment),
		TEST(a_rotated_key_keeps_its_old_secret_for_the_overlap),
		TEST(a_revoked_key_is_refused_here_at_once_and_elsewhere_soon),
		TEST(a_key_made_elsewhere_is_good_once_its_absence_is_forgotten),
		TEST(keys_are_listed_by_owner_in_pages),
		TEST(the_admin_key_is_made_once_and_for_this_user_alone),
	};

	return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
