#include "role/keys.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/schema.h"

#define SLOTS     4096 /* direct-mapped by id */
#define GOOD_US   (30 * US_PER_S)
#define ABSENT_US (5 * US_PER_S)
#define PEPPER    "api_key_pepper"

struct slot {
	char id[API_KEY_ID_LEN];
	bool used, present;
	bool proven; /* the key with the digest `text` was checked against `hash` */
	uint8_t scopes;
	uint8_t owner_len;
	int64_t read_at; /* mono us */
	int64_t prev_until, expires_at, revoked_at;
	uint8_t hash[API_KEY_HASH_LEN], prev_hash[API_KEY_HASH_LEN], text[API_KEY_HASH_LEN];
	char owner[OWNER_MAX];
};

struct keys {
	struct store *store;
	struct clock *clock;
	struct rand *rand;
	EVP_MD *sha256; /* fetched once: looking it up costs more than using it */
	uint8_t pepper[API_KEY_PEPPER_LEN];
	pthread_mutex_t lock;
	uint64_t epoch; /* grows with every change here: what was read before is not kept */
	struct slot slots[SLOTS];
};

static bool load_pepper(struct keys *k, struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const struct setting *row = NULL;

	while (!row) {
		struct setting want = { .name = SLICE_LIT(PEPPER) };
		uint8_t fresh[API_KEY_PEPPER_LEN];
		bool done;

		if (!store_setting(k->store, want.name, mem, &row, err))
			return false;
		if (row)
			break;
		rand_fill(k->rand, fresh, sizeof(fresh));
		want.value = SLICE_OF(fresh, sizeof(fresh));
		if (!store_swap_row(k->store, TABLE_SETTINGS, NULL, &want, &done, err))
			return false;
	}
	if (row->value.len != API_KEY_PEPPER_LEN)
		return err_set(err, ERR_CORRUPT, "the setting " PEPPER " has %zu bytes, not %d",
			       row->value.len, API_KEY_PEPPER_LEN);
	memcpy(k->pepper, row->value.ptr, sizeof(k->pepper));
	return true;
}

bool keys_open(struct store *store, struct clock *clock, struct rand *rand, struct keys **out,
	       struct err *err)
{
	CLEANUP(keys_free) struct keys *k = xcalloc(1, sizeof(*k));

	k->store = store;
	k->clock = clock;
	k->rand = rand;
	pthread_mutex_init(&k->lock, NULL);
	k->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	assert(k->sha256);
	if (!load_pepper(k, err))
		return err_wrap(err, "open API keys");
	*out = TAKE(k);
	return true;
}

void keys_free(struct keys *keys)
{
	if (!keys)
		return;
	EVP_MD_free(keys->sha256);
	pthread_mutex_destroy(&keys->lock);
	OPENSSL_cleanse(keys->pepper, sizeof(keys->pepper));
	xfree(keys);
}

/* ---- cache ------------------------------------------------------------------------------ */

static struct slot *slot_of(struct keys *k, struct slice id)
{
	return &k->slots[slice_hash(id) % SLOTS];
}

static void forget(struct keys *k, struct slice id)
{
	pthread_mutex_lock(&k->lock);
	slot_of(k, id)->used = false;
	k->epoch++;
	pthread_mutex_unlock(&k->lock);
}

static bool cached(struct keys *k, struct slice id, struct slot *out, uint64_t *epoch)
{
	int64_t now = clock_mono_us(k->clock);

	pthread_mutex_lock(&k->lock);
	*out = *slot_of(k, id);
	*epoch = k->epoch;
	pthread_mutex_unlock(&k->lock);
	return out->used && memcmp(out->id, id.ptr, API_KEY_ID_LEN) == 0 &&
	       now - out->read_at < (out->present ? GOOD_US : ABSENT_US);
}

static void remember(struct keys *k, const struct slot *slot, uint64_t epoch)
{
	pthread_mutex_lock(&k->lock);
	if (k->epoch == epoch)
		*slot_of(k, SLICE_OF(slot->id, API_KEY_ID_LEN)) = *slot;
	pthread_mutex_unlock(&k->lock);
}

static void slot_from_row(struct slot *slot, const struct api_key *row)
{
	slot->present = true;
	slot->scopes = row->scopes;
	slot->prev_until = row->prev_until;
	slot->expires_at = row->expires_at;
	slot->revoked_at = row->revoked_at;
	slot->owner_len = (uint8_t)row->owner.len;
	memcpy(slot->owner, row->owner.ptr, row->owner.len);
	memcpy(slot->hash, row->hash.ptr, API_KEY_HASH_LEN);
	if (row->prev_hash.len == API_KEY_HASH_LEN)
		memcpy(slot->prev_hash, row->prev_hash.ptr, API_KEY_HASH_LEN);
	else
		slot->prev_until = 0;
}

static bool load_slot(struct keys *k, struct slice id, uint64_t epoch, struct slot *out,
		      struct err *err)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct api_key want = { .key_id = id };
	const struct api_key *row;
	const void *found;

	*out = (struct slot){ .used = true, .read_at = clock_mono_us(k->clock) };
	memcpy(out->id, id.ptr, API_KEY_ID_LEN);
	if (!store_row(k->store, TABLE_API_KEYS, &want, mem, &found, err))
		return false;
	row = found;
	if (row && (row->hash.len != API_KEY_HASH_LEN || row->owner.len > OWNER_MAX))
		return err_set(err, ERR_CORRUPT, "the API key %.*s makes no sense", SLICE_FMT(id));
	if (row)
		slot_from_row(out, row);
	remember(k, out, epoch);
	return true;
}

/* ---- verify ----------------------------------------------------------------------------- */

/* Every step is taken for unknown keys too. */
static bool secret_matches(const struct keys *k, const struct slot *slot, struct slice secret,
			   int64_t now_us)
{
	uint8_t hash[API_KEY_HASH_LEN];
	bool is_new, is_old;

	api_key_hash(k->pepper, secret, hash);
	is_new = api_key_hash_eq(hash, slot->hash);
	is_old = api_key_hash_eq(hash, slot->prev_hash) & (now_us < slot->prev_until);
	return slot->present & (is_new | is_old);
}

bool keys_verify(struct keys *keys, struct slice text, struct key_identity *out, bool *good,
		 struct err *err)
{
	int64_t now_us = clock_wall_us(keys->clock);
	uint8_t digest[API_KEY_HASH_LEN];
	struct slice id, secret;
	struct slot slot;
	uint64_t epoch;

	*good = false;
	if (!api_key_parse(text, &id, &secret))
		return true;
	if (!cached(keys, id, &slot, &epoch) && !load_slot(keys, id, epoch, &slot, err))
		return err_wrap(err, "verify an API key");
	/* A proven current secret is told by a plain hash: the HMAC costs ten times that. */
	EVP_Digest(text.ptr, text.len, digest, NULL, keys->sha256, NULL);
	if (!(slot.proven && api_key_hash_eq(digest, slot.text))) {
		if (!secret_matches(keys, &slot, secret, now_us))
			return true;
		/* What is good for a time only has to be looked at again. */
		if (slot.prev_until <= now_us) {
			slot.proven = true;
			memcpy(slot.text, digest, sizeof(digest));
			remember(keys, &slot, epoch);
		}
	}
	if (slot.revoked_at || (slot.expires_at && slot.expires_at <= now_us))
		return true;
	*out = (struct key_identity){ .scopes = slot.scopes };
	memcpy(out->owner, slot.owner, slot.owner_len);
	memcpy(out->key_id, slot.id, API_KEY_ID_LEN);
	*good = true;
	return true;
}

/* ---- care ------------------------------------------------------------------------------- */

bool keys_create(struct keys *keys, const struct key_wish *wish, struct arena *mem,
		 struct api_key_text *text, const struct api_key **row, struct err *err)
{
	struct api_key *key = arena_new_of(mem, struct api_key);
	uint8_t hash[API_KEY_HASH_LEN];
	bool done;

	assert(owner_valid(wish->owner) && wish->name.len <= KEYS_NAME_MAX);
	api_key_make(keys->rand, NULL, text);
	api_key_hash(keys->pepper, text->secret, hash);
	*key = (struct api_key){
		.key_id = arena_copy(mem, text->id),
		.owner = arena_copy(mem, wish->owner),
		.name = arena_copy(mem, wish->name),
		.scopes = (uint8_t)wish->scope,
		.hash = arena_copy(mem, SLICE_OF(hash, sizeof(hash))),
		.created_at = clock_wall_us(keys->clock),
		.expires_at = wish->expires_at,
	};
	if (!store_swap_row(keys->store, TABLE_API_KEYS, NULL, key, &done, err))
		return false;
	if (!done) /* 71 random bits were taken already */
		return err_set(err, ERR_INTERNAL, "a new API key has the id of an old one");
	forget(keys, key->key_id);
	*row = key;
	return true;
}

bool keys_list(struct keys *keys, struct slice owner, struct slice after, size_t limit,
	       struct arena *mem, const struct api_key ***out, size_t *n, bool *more,
	       struct err *err)
{
	struct api_key from = { .key_id = after };
	const void **rows, *position = after.len ? &from : NULL;
	size_t found = 0, n_rows;

	*out = arena_new_array(mem, const struct api_key *, limit);
	do {
		if (!store_rows(keys->store, TABLE_API_KEYS, position, limit, mem, &rows, &n_rows,
				err))
			return false;
		for (size_t i = 0; i < n_rows && found < limit; i++) {
			const struct api_key *row = position = rows[i];

			if (owner.len == 0 || slice_eq(row->owner, owner))
				(*out)[found++] = row;
		}
	} while (found < limit && n_rows == limit);
	*n = found;
	*more = found == limit;
	return true;
}

/* The key `id` of `owner`, NULL if there is none. */
static bool find_key(struct keys *keys, struct slice owner, struct slice id, struct arena *mem,
		     const struct api_key **out, struct err *err)
{
	struct api_key want = { .key_id = id };
	const void *found;

	if (!store_row(keys->store, TABLE_API_KEYS, &want, mem, &found, err))
		return false;
	*out = found && slice_eq(((const struct api_key *)found)->owner, owner) ? found : NULL;
	return true;
}

bool keys_revoke(struct keys *keys, struct slice owner, struct slice id, struct arena *mem,
		 bool *found, struct err *err)
{
	const struct api_key *row;
	struct api_key next;
	bool done = false;

	while (!done) {
		if (!find_key(keys, owner, id, mem, &row, err))
			return false;
		*found = row && row->revoked_at == 0;
		if (!*found)
			return true;
		next = *row;
		next.revoked_at = clock_wall_us(keys->clock);
		if (!store_swap_row(keys->store, TABLE_API_KEYS, row, &next, &done, err))
			return false;
	}
	forget(keys, id);
	return true;
}

bool keys_rotate(struct keys *keys, struct slice owner, struct slice id, int64_t overlap_us,
		 struct arena *mem, struct api_key_text *text, const struct api_key **row,
		 struct err *err)
{
	struct api_key *next = arena_new_of(mem, struct api_key);
	const struct api_key *old;
	uint8_t hash[API_KEY_HASH_LEN];
	bool done = false;

	*row = NULL;
	while (!done) {
		int64_t now_us = clock_wall_us(keys->clock);

		if (!find_key(keys, owner, id, mem, &old, err))
			return false;
		if (!old || old->revoked_at || (old->expires_at && old->expires_at <= now_us))
			return true;
		api_key_make(keys->rand, &id, text);
		api_key_hash(keys->pepper, text->secret, hash);
		*next = *old;
		next->hash = arena_copy(mem, SLICE_OF(hash, sizeof(hash)));
		next->prev_hash = old->hash;
		next->prev_until = now_us + overlap_us;
		if (!store_swap_row(keys->store, TABLE_API_KEYS, old, next, &done, err))
			return false;
	}
	forget(keys, id);
	*row = next;
	return true;
}

/* ---- the first key ---------------------------------------------------------------------- */

/* Does the file hold a good admin key?  One that cannot be read holds none. */
static bool admin_file_good(struct keys *keys, const char *path, bool *good, struct err *err)
{
	char text[API_KEY_TEXT_MAX + 1];
	struct key_identity who;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	*good = false;
	if (fd < 0)
		return true;
	n = read(fd, text, sizeof(text));
	close(fd);
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	if (n <= 0)
		return true;
	return keys_verify(keys, SLICE_OF(text, (size_t)n), &who, good, err) &&
	       (*good = *good && key_scope_allows(who.scopes, SCOPE_ADMIN), true);
}

static bool write_file(int fd, const char *text)
{
	size_t len = strlen(text);

	return write(fd, text, len) == (ssize_t)len && write(fd, "\n", 1) == 1 && fsync(fd) == 0;
}

/* Whole or not at all: written beside and renamed. */
static bool write_admin_file(const char *dir, const char *path, const char *text, struct err *err)
{
	char beside[4096];
	bool ok;
	int fd;

	if (snprintf(beside, sizeof(beside), "%s/admin.key.new", dir) >= (int)sizeof(beside))
		return err_set(err, ERR_INVALID, "the directory's name is too long");
	unlink(beside);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(err, ERR_INTERNAL, "%s: %s", beside, strerror(errno));
	ok = write_file(fd, text);
	close(fd);
	if (!ok || rename(beside, path) != 0)
		return err_set(err, ERR_INTERNAL, "%s: %s", path, strerror(errno));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	return true;
}

bool keys_ensure_admin(struct keys *keys, const char *dir, struct err *err)
{
	const struct key_wish wish = {
		.owner = SLICE_LIT(KEYS_ADMIN),
		.name = SLICE_LIT("admin.key"),
		.scope = SCOPE_ADMIN,
	};
	CLEANUP(arena_free) struct arena *mem = arena_new();
	struct api_key_text text;
	const struct api_key *row;
	char path[4096];
	bool good;

	if (snprintf(path, sizeof(path), "%s/admin.key", dir) >= (int)sizeof(path))
		return err_set(err, ERR_INVALID, "the directory's name is too long");
	if (!admin_file_good(keys, path, &good, err))
		return false;
	if (good)
		return chmod(path, 0600) == 0 ||
		       err_set(err, ERR_INTERNAL, "%s: %s", path, strerror(errno));
	return keys_create(keys, &wish, mem, &text, &row, err) &&
	       store_sync(keys->store, store_mark(keys->store), err) &&
	       write_admin_file(dir, path, text.text, err);
}
